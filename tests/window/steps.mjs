// What a producer does in the window, step by step, through what they see there.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { run } from "./desktop.mjs";
import { until } from "./processes.mjs";
import { openWindow } from "./webdriver.mjs";
import { pictures, program } from "./programs.mjs";

/** A step may have to wait for a busy machine. */
export const patient = { within_ms: 20_000 };

/** Opens Tallylight on a desktop. */
export async function openTallylight(desktop, env = {}) {
  await ended(desktop);
  const window = await openWindow(desktop, program("tallylight"), { TALLYLIGHT_JOB: program("tallylight-job"), ...env });
  // The page asks for the studio at once and shows something as soon as that is open.
  await until("the page", () => window.script("return document.querySelector('main') !== null"), patient);
  return window;
}

/** Waits until Tallylight is gone from a desktop: a window that is still closing would take the next start's place. */
export function ended(desktop) {
  return until("Tallylight to end", () => desktop.processes("tallylight").length === 0, patient);
}

/** Keeps a picture of the window for whoever wants to look. */
export async function look(window, name) {
  mkdirSync(pictures, { recursive: true });
  // The picture is of the last frame drawn: let it be one that has what was waited for.
  await window.asyncScript(
    `const done = arguments[arguments.length - 1];
     requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 300)));`,
  );
  await window.screenshot(join(pictures, `${name}.png`));
}

/** Runs steps of a test that each stand on the one before: where one fails, the rest would only fail again. */
export function following(t, window) {
  return async (name, what) => {
    let failed;
    await t.test(name, async () => {
      try {
        await what();
      } catch (error) {
        failed = error;
        await look(window, `failed ${name}`).catch(() => {});
        throw error;
      }
    });
    if (failed) throw new Error(`stopped at "${name}"`);
  };
}

/** Fills the login form and sends it. */
export async function fillProject(window, { url, key, secret, name }) {
  if (url !== undefined) await window.type("textbox", "LiveKit URL", url);
  if (key !== undefined) await window.type("textbox", "API key", key);
  if (secret !== undefined) await window.type("textbox", "API secret", secret);
  if (name !== undefined) await window.type("textbox", /^Name/, name);
  await window.click("button", /^(Log in|Check and save)$/);
}

/** Waits for an error of this code in the window, and gives its words. */
export async function refusal(window, code, options = patient) {
  return until(
    `the error ${code}`,
    async () => {
      const notice = await window.script(
        `const notices = [...document.querySelectorAll('[data-testid=notice]')].filter((one) => one.getBoundingClientRect().width);
         return notices.map((one) => ({ code: one.dataset.code, words: one.innerText }));`,
      );
      const found = notice.find((one) => one.code === code);
      if (found) return found.words;
      throw new Error(`${JSON.stringify(notice)} ${await window.text()}`);
    },
    options,
  );
}

/** Logs into a server for the first time and waits for its rooms. */
export async function logIn(window, server, name = "Studio") {
  await fillProject(window, { url: server.url, key: server.key, secret: server.secret, name });
  await window.get("heading", "Rooms", patient);
}

/** Opens a room of the list and waits until these people are there. */
export async function openRoom(window, room, identities) {
  await window.click("[data-testid=room]", new RegExp(`^${room}`), patient);
  await waitForPeople(window, identities);
}

/** Waits until exactly these people are in the open room. */
export async function waitForPeople(window, identities) {
  await until(
    `the people ${identities}`,
    async () => {
      const seen = await window.script(
        "return [...document.querySelectorAll('[data-testid=person]')].map((one) => one.dataset.identity)",
      );
      if (seen.sort().join() === [...identities].sort().join()) return true;
      throw new Error(`${seen}; ${await window.text()}`);
    },
    patient,
  );
}

/** Two numbers that tell a picture from a blank one, and one moment of it from the next; null while there is none. */
export function pictureOf(window, identity) {
  return window.script(
    `const canvas = document.querySelector(\`[data-testid=person][data-identity="\${arguments[0]}"] canvas[data-live]\`);
     if (!canvas) return null;
     const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
     let sum = 0, squares = 0, place = 0;
     for (let i = 0; i < data.length; i += 4) {
       const light = data[i] + data[i + 1] + data[i + 2];
       sum += light; squares += light * light; place = (place * 31 + light) % 1000003;
     }
     const mean = sum / (data.length / 4);
     return { width: canvas.width, contrast: Math.sqrt(squares / (data.length / 4) - mean * mean), print: place };`,
    identity,
  );
}

/** Chooses a person and waits until a recording of them would start at once. */
export async function choosePerson(window, name) {
  await window.click("[data-testid=person] button", name, patient);
  await until(
    "Record to be ready",
    async () => {
      if (await window.script("return document.querySelector('[data-testid=record][data-ready=true]') !== null")) return true;
      throw new Error(await window.text());
    },
    patient,
  );
}

/** The running recordings that the window shows. */
export function runningJobs(window) {
  return window.script(
    `const text = (job, id) => job.querySelector(\`[data-testid=\${id}]\`)?.innerText ?? null;
     return [...document.querySelectorAll('[data-testid=job]')].map((job) => ({
       id: job.dataset.egress, status: job.dataset.status, elapsed: text(job, 'job-elapsed'),
       size: text(job, 'job-size'), file: text(job, 'job-file'),
       connection: job.querySelector('[data-testid=job-connection]')?.dataset.connection,
     }));`,
  );
}

/** Waits until one recording runs and has gone on for a while; gives what the window shows of it. */
export async function waitForRecording(window, { seconds = 2 } = {}) {
  return until(
    `a recording of ${seconds} s`,
    async () => {
      const jobs = await runningJobs(window);
      const job = jobs.find((one) => one.status === "active");
      if (job && secondsOf(job.elapsed) >= seconds) return job;
      throw new Error(`${JSON.stringify(jobs)} ${await window.text()}`);
    },
    patient,
  );
}

/** `00:01:05` in seconds. */
export function secondsOf(timecode) {
  return timecode.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
}

/** Holds Stop until it takes. */
export async function stopRecording(window) {
  // The driver gives a press up now and then, before it takes, and says no more than "unknown error".
  await until(
    "Stop to be held",
    async () => {
      if ((await runningJobs(window)).length > 0) await window.hold(await window.byTestId("stop"), 900);
      return true;
    },
    patient,
  );
  await until("the recording to end", async () => (await runningJobs(window)).length === 0, patient);
}

/** The history as the window shows it, newest first. */
export async function history(window) {
  if (!(await window.find("heading", "History"))) await window.click("button", /^History/, patient);
  await window.get("heading", "History", patient);
  return until(
    "an entry in the history",
    async () => {
      const past = await window.script(
        `const text = (job, id) => job.querySelector(\`[data-testid=\${id}]\`)?.innerText ?? null;
         return [...document.querySelectorAll('[data-testid=past-job]')].map((job) => ({
           id: job.dataset.egress, status: job.dataset.status, file: text(job, 'past-file'), end: text(job, 'past-end'),
           length: text(job, 'past-length'), size: text(job, 'past-size'),
           recovered: job.querySelector('[data-testid=recovered]') !== null,
           still: (job.querySelector('img')?.naturalWidth ?? 0) > 0,
         }));`,
      );
      return past.length > 0 && past;
    },
    patient,
  );
}

/** What a file holds: nothing if it is gone, which files of browsers and of processes may be at any time. */
export function contentOf(path) {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error.code === "ENOENT" || error.code === "ESRCH") return Buffer.alloc(0);
    throw error;
  }
}

/** Fails if the secret is in any file below a folder. */
export function assertInNoFile(folder, secret) {
  for (const path of filesBelow(folder)) assert.ok(!contentOf(path).includes(secret), `the secret is in ${path}`);
}

/** All files below a folder. */
export function filesBelow(folder) {
  let entries;
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesBelow(path);
    return entry.isFile() ? [path] : [];
  });
}

/** The recordings on a desktop, where they go by default. */
export function recordings(desktop) {
  return filesBelow(join(desktop.home, "Videos")).filter((path) => /\.(mp4|webm|ogg|mp3)$/.test(path));
}

/** Checks that a file plays from beginning to end, and gives its length in seconds and its streams. */
export async function playThrough(path) {
  assert.ok(statSync(path).size > 10_000, `${path} is nearly empty`);
  const probe = ["-v", "error", "-show_entries", "format=duration:stream=codec_type,codec_name", "-of", "json", path];
  const { format, streams } = JSON.parse(await run("ffprobe", probe, process.env));
  const complaints = await run("ffmpeg", ["-v", "error", "-i", path, "-f", "null", "-"], process.env);
  // Whether each frame is at its time is measured elsewhere; here, that all of it can be decoded.
  const errors = complaints.split("\n").filter((line) => line && !/non monotonically|Last message repeated/.test(line));
  assert.deepEqual(errors, [], "it plays without a complaint");
  const codecs = Object.fromEntries(streams.map((stream) => [stream.codec_type, stream.codec_name]));
  return { seconds: Number(format.duration), codecs };
}
