// Templates of other people: LiveKit's contract, kept by a page that has nothing of Tallylight's.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { beeps, cadence, flashes, pictures, sync } from '../harness/content.mjs';
import { fileOutput, roomComposite, SMALL } from '../harness/job.mjs';
import { sound } from '../harness/media.mjs';
import { Proxy } from '../harness/proxy.mjs';
import { assertWhole, atLeast, atMost, Scene } from '../harness/scene.mjs';
import { site } from '../harness/site.mjs';
import { test } from '../harness/steady.mjs';
import { roomService } from '../harness/token.mjs';
import { until } from '../harness/wait.mjs';

const CLIENT = createRequire(import.meta.url).resolve('livekit-client').replace(/[^/]+$/, 'livekit-client.umd.js');
const VIDEO = { codec: 'vp8', width: 640, height: 360, fps: 30, bitrateBps: 600_000 };

/**
 * No framework and no helper: pictures side by side as they come, the sound played, signals by hand. `html`: what stands
 * in the page from the start; `begin`, `end`: what it runs when the first picture plays and when its room is gone.
 */
const plain = ({ html = '', begin = "console.log('START_RECORDING')", end = "console.log('END_RECORDING')" } = {}) => `<!doctype html>
<meta charset="utf-8"><style>
body { margin: 0; background: #222; display: flex }
video { width: 50vw; height: 100vh; object-fit: contain; object-position: top }
</style><body>${html}<script src="/livekit.js"></script><script type="module">
const asked = new URLSearchParams(location.search);
document.title = asked.get('layout');
const { Room, RoomEvent } = LivekitClient;
const room = new Room();
let begun = false;
room.on(RoomEvent.TrackSubscribed, (track) => {
  const element = track.attach();
  document.body.append(element);
  if (track.kind === 'video') element.addEventListener('playing', async () => {
    if (begun) return;
    begun = true;
    ${begin};
  }, { once: true });
});
room.on(RoomEvent.Disconnected, () => { ${end} });
const told = (what) => fetch('/told?' + what);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
await told(asked.get('layout'));
await room.connect(asked.get('url'), asked.get('token'));
await told('joined');
</script>`;

const pages = { '/plain': plain(), '/livekit.js': readFileSync(CLIENT, 'utf8'), '/told': 'ok' };

test('a template with no framework: who is in the room, in sync, until the room ends', { timeout: 120_000 }, async (t) => {
  const scene = await Scene.open(t);
  await scene.person(0, { video: VIDEO, audio: true });
  await scene.person(1, { video: VIDEO });
  const { base, asked } = await site(scene, pages);
  const job = await scene.job(roomComposite({ base: `${base}/plain?theme=dusk`, layout: 'mine', encoding: SMALL }), [fileOutput(scene.folder)]);
  await job.elapsed(12_000);
  await roomService(scene.server, 'DeleteRoom', { room: scene.room });
  const result = await job.result();
  assert.deepEqual(await job.end(), { type: 'ended', status: 'complete', error: null });
  await assertWhole(result, { container: 'mp4' });
  assert.ok(asked.includes('/told?mine'), asked.join());
  assert.ok(asked.some((url) => url.startsWith('/plain?') && url.includes('theme=dusk')), 'its own parameters stay');
  const seen = [];
  const sides = ['320:180:0:0', '320:180:320:0'];
  for (const crop of sides) {
    const list = (await pictures(result.path, { crop })).filter(({ ptsS }) => ptsS > 1);
    const who = [0, 1].map((person) => cadence(list, { person, fps: 30 }).frames);
    atLeast(`pictures of one person, of ${list.length}`, Math.max(...who), list.length * 0.85);
    seen.push(who.indexOf(Math.max(...who)));
  }
  assert.deepEqual(seen.toSorted(), [0, 1]);
  const speaker = await pictures(result.path, { crop: sides[seen.indexOf(0)] });
  const { p80Ms, pairs } = sync(flashes(speaker), beeps(await sound(result.path), 0));
  t.diagnostic(`flash against beep, ms: ${pairs.map(({ offsetMs }) => offsetMs.toFixed()).join(', ')}`);
  atMost('flash against beep, p80, ms', p80Ms, 40);
});

const CAMERA = { codec: 'vp8', width: 320, height: 180, fps: 15, bitrateBps: 300_000 };
const warnings = (job) => job.events.filter(({ fact }) => fact.type === 'warning').map(({ fact }) => fact.warning.message);

test('templates that signal among other words, or have an error that is none', { timeout: 120_000 }, async (t) => {
  const scene = await Scene.open(t);
  await scene.person(0, { video: CAMERA });
  const error = (html) => `<div class="error">${html}</div>`;
  const flash = `document.body.insertAdjacentHTML('beforeend', ${JSON.stringify(error('No media yet'))}); await sleep(300);
    document.querySelector('div.error').remove(); console.log('START_RECORDING')`;
  const { base, asked } = await site(scene, {
    ...pages,
    '/words': plain({ begin: "console.info('recorder:', 'START_RECORDING'); await sleep(2000); console.debug({}, 'END_RECORDING', 7)" }),
    '/empty': plain({ html: error(' \n') }),
    '/flash': plain({ begin: flash }),
  });
  for (const path of ['/words', '/empty', '/flash']) {
    const name = path.slice(1);
    const job = await scene.job(roomComposite({ base: base + path }), [fileOutput(scene.folder, { name })]);
    await job.fact('page', { where: ({ state }) => state === 'on' });
    if (path !== '/words') await job.elapsed(1000);
    const result = path === '/words' ? await job.result() : await job.stop();
    assert.deepEqual([path, await job.end(), warnings(job)], [path, { type: 'ended', status: 'complete', error: null }, []]);
    await assertWhole(result, { container: 'mp4' });
    assert.equal(asked.filter((url) => url.startsWith(`${path}?`)).length, 1, `${path} is loaded once`);
  }
});

test('an error that a template reports ends the job at once, in its words', { timeout: 60_000 }, async (t) => {
  const scene = await Scene.open(t);
  const broken = `<script type="module">
await new Promise((resolve) => setTimeout(resolve, 1500));
document.body.insertAdjacentHTML('beforeend', '<div class="error">The poll server is away.</div>');
fetch('/told?' + Date.now());
</script>`;
  const { base, asked } = await site(scene, { '/broken': broken, '/told': 'ok' });
  const job = await scene.job(roomComposite({ base: `${base}/broken` }), [fileOutput(scene.folder)]);
  const { fact, at_ns } = await job.fact('ended', { withinMs: 30_000 });
  assert.equal(fact.status, 'failed');
  assert.match(fact.error.message, /The poll server is away\./);
  assert.equal(fact.error.detail, 'template error: The poll server is away.');
  const shownMs = Number(asked.find((url) => url.startsWith('/told?')).slice('/told?'.length));
  atMost('from the error to the end of the job, ms', at_ns / 1e6 - shownMs, 1000);
  assert.deepEqual(warnings(job), [], 'it is not tried again');
});

test('a template that never says it begins: over with Stop, or with its room', { timeout: 60_000 }, async (t) => {
  const scene = await Scene.open(t);
  const { base, asked } = await site(scene, { ...pages, '/never': plain({ begin: '', end: '' }) });
  await roomService(scene.server, 'CreateRoom', { name: scene.room });
  for (const [how, words] of [['stop', /was stopped before the page said START_RECORDING/], ['room', /The room ended before/]]) {
    asked.length = 0;
    const job = await scene.job(roomComposite({ base: `${base}/never` }), [fileOutput(scene.folder)]);
    await job.fact('page', { where: ({ state }) => state === 'waiting' });
    await until('the page is in the room', () => asked.includes('/told?joined'));
    const fromMs = Date.now();
    if (how === 'stop') job.stopStreams();
    else await roomService(scene.server, 'DeleteRoom', { room: scene.room });
    const { fact, at_ns } = await job.fact('ended');
    assert.equal(fact.status, 'aborted');
    assert.equal(fact.error.detail, 'Start signal not received');
    assert.match(fact.error.message, words);
    atMost('until it is over, ms', at_ns / 1e6 - fromMs, 2000);
    assert.deepEqual(readdirSync(scene.folder), []);
  }
});

/** Stretches of the file, ms, in which a tone of `hz` is not heard; steps of 5 ms. */
function cuts({ samples, startS }, hz, fromS) {
  const found = [];
  let since = null;
  for (let i = 0; i + 240 <= samples.length; i += 240) {
    let [re, im] = [0, 0];
    for (let n = i; n < i + 240; n++) {
      re += samples[n] * Math.cos((2 * Math.PI * hz * n) / 48_000);
      im += samples[n] * Math.sin((2 * Math.PI * hz * n) / 48_000);
    }
    const heard = (2 * Math.hypot(re, im)) / 240 > 0.05;
    if (!heard) since ??= i;
    else if (since !== null) {
      if (startS + since / 48_000 > fromS) found.push((i - since) / 48);
      since = null;
    }
  }
  return found;
}

test('a template whose connection to the room resumes keeps its picture, its sound and the recording', { timeout: 120_000 }, async (t) => {
  const scene = await Scene.open(t);
  await scene.person(0, { video: CAMERA, audio: true });
  const proxy = await Proxy.to(scene.server.port);
  scene.onClose(() => proxy.stop());
  // A tone of the page's own: what LiveKit's server loses while it resumes is lost to every client.
  const tone = `const audio = new AudioContext(); const source = audio.createOscillator(); const soft = audio.createGain();
    source.frequency.value = 5000; soft.gain.value = 0.2; source.connect(soft).connect(audio.destination); source.start();
    room.on(RoomEvent.Reconnected, () => told('resumed')); console.log('START_RECORDING')`;
  const { base, asked } = await site(scene, { ...pages, '/tone': plain({ begin: tone }) });
  const through = { ...scene.server, url: `ws://127.0.0.1:${proxy.port}` };
  const job = await scene.job(roomComposite({ base: `${base}/tone` }), [fileOutput(scene.folder)], { server: through });
  await job.elapsed(3000);
  for (const times of [1, 2]) {
    proxy.cut();
    await until('it has resumed', () => asked.filter((url) => url === '/told?resumed').length === times);
    await job.elapsed(job.figures.outputs[0].elapsed_ms + 1500);
  }
  const result = await job.stop();
  assert.deepEqual([await job.end(), warnings(job)], [{ type: 'ended', status: 'complete', error: null }, []]);
  assert.equal(asked.filter((url) => url.startsWith('/tone?')).length, 1, 'it is loaded once');
  const heard = await sound(result.path);
  atMost('the longest cut of the page\'s own sound, ms', Math.max(0, ...cuts(heard, 5000, 1)), 50);
  const seconds = Math.floor(result.duration_ns / 1e9) - 1;
  atMost(`beeps lost of ${seconds}`, seconds - beeps(heard, 0).length, 2);
  const list = await pictures(result.path, { crop: '640:360:0:0' });
  const { frames } = cadence(list.filter(({ ptsS }) => ptsS > 1), { person: 0, fps: 15 });
  atLeast(`pictures, of ${list.length}`, frames, list.length * 0.7);
});
