// What lets a person's pictures wait for their sound in every page (crates/media/src/source/page/every.js), on what
// Chromium's statistics said.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import vm from 'node:vm';

const read = (path) => readFileSync(new URL(path, import.meta.url), 'utf8');
const SCRIPT = read('../../crates/media/src/source/page/every.js');

/**
 * Chromium 156 on two processors with four busy loops and two builds: a look each half second, in each `totalPlayoutDelay`
 * and `totalSamplesCount` of the loudspeaker, `jitterBufferDelay` and `jitterBufferEmittedCount` of a microphone that is
 * off from look 18 to look 25.
 */
const BUSY = JSON.parse(read('./every.busy.json'));

/** A document with a connection in it: what the script needs of one, and no more. */
class Page {
  #looks = [];

  /** What it said on its console. */
  said = [];

  constructor() {
    const receivers = class RTCRtpReceiver {};
    receivers.prototype.jitterBufferTarget = null;
    class RTCPeerConnection extends EventTarget {
      connectionState = 'connected';
      getStats = async () => new Map(this.stats.map((one) => [one.id, one]));
    }
    RTCPeerConnection.prototype.getStats = async () => new Map();
    const context = vm.createContext({
      RTCPeerConnection,
      RTCRtpReceiver: receivers,
      console: { log: (...all) => this.said.push(all), memory: {} },
      setInterval: (act, ms) => this.#looks.push({ act, ms }),
      clearInterval: () => {},
    });
    context.window = context;
    vm.runInContext(SCRIPT, context);
    this.console = context.console;
    this.connection = new context.RTCPeerConnection();
    this.everyMs = this.#looks[0].ms;
  }

  /** A track of somebody comes; its receiver. */
  track(person, kind, id = `${person}-${kind}`) {
    const track = { kind, id, readyState: 'live' };
    const receiver = { jitterBufferTarget: null, track };
    const event = Object.assign(new Event('track'), { track, receiver, streams: [{ id: `${person}|TR_${kind}` }] });
    this.connection.dispatchEvent(event);
    return receiver;
  }

  /** The script looks at these sums: `[of the loudspeaker, of each person's sound]`, each `[seconds, samples]`. */
  async look([seconds, samples], sounds) {
    const sound = ([person, [jitterBufferDelay, jitterBufferEmittedCount]]) => ({
      id: `in-${person}`,
      type: 'inbound-rtp',
      kind: 'audio',
      trackIdentifier: `${person}-audio`,
      jitterBufferDelay,
      jitterBufferEmittedCount,
    });
    const loudspeaker = { id: 'out', type: 'media-playout', totalPlayoutDelay: seconds, totalSamplesCount: samples };
    this.connection.stats = [loudspeaker, ...Object.entries(sounds).map(sound)];
    for (const { act } of this.#looks) act();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Sums that grow by `ms` of delay for each of the looks. */
function* sums(looks) {
  let [s, n] = [0, 0];
  for (const ms of looks) {
    if (ms !== null) [s, n] = [s + (ms / 1000) * 24_000, n + 24_000];
    yield [s, n];
  }
}

/** What a picture is to wait for after each look at a sound that takes these times, ms; the loudspeaker takes 100. */
async function targets(looks) {
  const page = new Page();
  page.track('PA_ada', 'audio');
  const camera = page.track('PA_ada', 'video');
  const [play, sound] = [sums(looks.map(() => 100)), sums(looks)];
  const found = [];
  for (const _ of looks) {
    await page.look(play.next().value, { PA_ada: sound.next().value });
    found.push(camera.jitterBufferTarget);
  }
  return found;
}

test('pictures follow sound that piles up on a busy machine, and that a mute let go, from look to look', async () => {
  const page = new Page();
  assert.ok(page.everyMs <= 500, `a look each ${page.everyMs} ms`);
  page.track('PA_ada', 'audio');
  const camera = page.track('PA_ada', 'video');
  assert.equal(camera.jitterBufferTarget, 220, 'before anything was measured');
  let before = null;
  let longest = 0;
  for (const [play, sound] of BUSY) {
    await page.look(play, { PA_ada: sound });
    if (before) {
      const mean = (now, old) => (now[1] > old[1] ? (1000 * (now[0] - old[0])) / (now[1] - old[1]) : null);
      const [played, buffered] = [mean(play, before[0]), mean(sound, before[1])];
      if (played === null || buffered === null) continue;
      const off = Math.abs(camera.jitterBufferTarget - played - buffered - 20);
      assert.ok(off < 41, `${off} ms beside a sound that takes ${Math.round(played + buffered)} ms`);
      longest = Math.max(longest, camera.jitterBufferTarget);
    }
    before = [play, sound];
  }
  assert.ok(longest > 2000, 'the recording has sound that is late by seconds');
});

test('a sound that swings about its time moves no picture', async () => {
  const swing = Array.from({ length: 60 }, (_, n) => 120 + [0, 14, -9, 5, -12, 8, -6, 11][n % 8]);
  const found = await targets(swing);
  assert.ok(new Set(found.slice(4)).size <= 2, found.join());
  assert.ok(Math.abs(found.at(-1) - 241) <= 12, `${found.at(-1)} ms`);
});

test('a small difference that stays is put right within 3 s', async () => {
  const found = await targets([...Array(10).fill(120), ...Array(10).fill(145)]);
  assert.equal(found[9], 240);
  assert.equal(found[16], 265, found.join());
  assert.ok(new Set(found.slice(10)).size <= 3, found.join());
});

test('while nothing is heard pictures wait as they did', async () => {
  const found = await targets([120, 120, 120, 120, 120, null, null, null, null, 320, 320]);
  assert.deepEqual(found.slice(4), [240, 240, 240, 240, 240, 440, 440]);
});

test('whoever has no sound waits for as long as the others do, and a page that decides by itself is left to', async () => {
  const page = new Page();
  page.track('PA_ada', 'audio');
  page.track('PA_ben', 'audio');
  const [ada, cleo, own] = [page.track('PA_ada', 'video'), page.track('PA_cleo', 'video'), page.track('PA_ben', 'video')];
  own.jitterBufferTarget = 55;
  const [play, quick, slow] = [sums([100, 100]), sums([100, 100]), sums([300, 300])];
  for (const _ of [1, 2]) await page.look(play.next().value, { PA_ada: quick.next().value, PA_ben: slow.next().value });
  assert.deepEqual([ada, cleo, own].map(({ jitterBufferTarget }) => jitterBufferTarget), [220, 320, 55]);
});

test('what a page says is itself, and cut where it has no end', () => {
  const page = new Page();
  const what = { is: 'an object' };
  page.console.log('START_RECORDING', 7, what, 'x'.repeat(1 << 20));
  assert.deepEqual(page.said, [['START_RECORDING', 7, what, 'x'.repeat(4096)]]);
  assert.deepEqual(page.console.memory, {}, 'what is no function is left alone');
});
