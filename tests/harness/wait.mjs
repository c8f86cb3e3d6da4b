// Waiting for conditions instead of for time.

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Asks again and again until `is()` is truthy, and returns that. Fails with `what` in words after `withinMs`. */
export async function until(what, is, { withinMs = 60_000, everyMs = 20 } = {}) {
  const end = Date.now() + withinMs;
  for (;;) {
    const value = await is();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${withinMs} ms in vain: ${what}`);
    await sleep(everyMs);
  }
}

/** Waits for a promise, but no longer than this. */
export async function within(ms, promise) {
  let timer;
  await Promise.race([promise, new Promise((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}
