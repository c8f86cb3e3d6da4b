// Web egress and Room composite: what Chromium shows, in a file.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { beeps, black, cadence, flashes, percentile, pictures, sync } from '../harness/content.mjs';
import { fileOutput, roomComposite, webEgress } from '../harness/job.mjs';
import { cornerLight, sound } from '../harness/media.mjs';
import { killChromium, processesOf } from '../harness/process.mjs';
import { assertWhole, atLeast, atMost, Scene } from '../harness/scene.mjs';
import { site } from '../harness/site.mjs';
import { test } from '../harness/steady.mjs';
import { roomService } from '../harness/token.mjs';
import { until } from '../harness/wait.mjs';

const VIDEO = { codec: 'vp8', width: 320, height: 180, fps: 15, bitrateBps: 300_000 };

/** Places of the grid of four in a frame of 1280x720, for ffmpeg's crop. */
const QUARTERS = ['600:338:26:15', '600:338:654:15', '600:338:26:367', '600:338:654:367'];

const nothingLeft = (job) => until('its programs to end', () => processesOf(job.folder).length === 0);

test('a web page: whole, in time, in sync', { timeout: 180_000 }, async (t) => {
  const scene = await Scene.open(t);
  const { base } = await site(scene);
  const job = await scene.job(webEgress(`${base}/flashes`), [fileOutput(scene.folder)], { room: '', launch: {} });
  await job.elapsed(15_000);
  const result = await job.stop();
  assert.deepEqual(await job.end(), { type: 'ended', status: 'complete', error: null });
  const found = await assertWhole(result, { container: 'mp4' });
  assert.deepEqual([found.video.width, found.video.height], [1280, 720]);
  const list = await pictures(result.path);
  const [seen, heard] = [flashes(list), beeps(await sound(result.path), 1)];
  t.diagnostic(`flashes ${seen.map((s) => s.toFixed(2))} beeps ${heard.map((s) => s.toFixed(2))}`);
  const both = sync(seen, heard);
  // The page's clock begins a little after the page.
  atMost('flashes missing', 13 - seen.length, 0);
  atMost('beeps missing', 13 - heard.length, 0);
  for (const list of [seen, heard]) {
    // One that the machine draws late is off twice.
    const off = list.slice(1).map((at, i) => Math.abs(at - list[i] - 1));
    atMost('off a second, p80, s', percentile(off, 0.8), 0.1);
  }
  t.diagnostic(`flash against beep, ms: ${both.pairs.map(({ offsetMs }) => offsetMs.toFixed()).join(', ')}`);
  atMost('flash against beep, p80, ms', both.p80Ms, 40);
  assert.deepEqual(black(list), []);
  await nothingLeft(job);
});

test('a room in a grid: everybody in their place, and the layout changes on air', { timeout: 180_000 }, async (t) => {
  const scene = await Scene.open(t);
  for (const person of [0, 1, 2, 3]) await scene.person(person, { video: VIDEO, ...(person === 2 && { audio: true }) });
  const job = await scene.job(roomComposite(), [fileOutput(scene.folder)]);
  await job.elapsed(6000);
  const changed = job.figures.outputs[0].elapsed_ms / 1000;
  await job.updateLayout({ name: 'single-speaker' });
  await job.fact('layout', { where: (fact) => fact.layout === 'single-speaker' });
  await job.elapsed(changed * 1000 + 9000);
  const result = await job.stop();
  await assertWhole(result, { container: 'mp4' });
  for (const [person, crop] of QUARTERS.entries()) {
    const before = (await pictures(result.path, { crop })).filter(({ ptsS }) => ptsS > 0.2 && ptsS < changed - 0.5);
    const seen = cadence(before, { person, fps: 15 });
    atLeast(`pictures of person ${person}, of ${before.length}`, seen.frames, before.length * 0.9);
  }
  const after = (await pictures(result.path)).filter(({ ptsS }) => ptsS > changed + 1.5);
  const speaker = cadence(after, { person: 2, fps: 15 });
  atLeast(`pictures of the speaker, of ${after.length}`, speaker.frames, after.length * 0.9);
  const { p80Ms, pairs } = sync(flashes(after), beeps(await sound(result.path), 2));
  t.diagnostic(`flash against beep, ms: ${pairs.map(({ offsetMs }) => offsetMs.toFixed()).join(', ')}`);
  atMost('flash against beep, p80, ms', p80Ms, 40);
  await nothingLeft(job);
});

test('a page that says when it begins and when it is over', { timeout: 120_000 }, async (t) => {
  const scene = await Scene.open(t);
  const { base } = await site(scene);
  const page = webEgress(`${base}/flashes?signal=3000&end=8000`, { signal: true });
  const job = await scene.job(page, [fileOutput(scene.folder)], { room: '' });
  await job.fact('page', { where: (fact) => fact.state === 'waiting' });
  const end = await job.fact('ended', { withinMs: 60_000 });
  assert.equal(end.fact.status, 'complete');
  const { fact } = await job.fact('output_ended');
  const seconds = fact.result.duration_ns / 1e9;
  assert.ok(seconds > 4 && seconds < 6, `${seconds} s between the signals`);
  await nothingLeft(job);
});

for (const [what, path, words] of [
  ['cannot be reached', 'http://127.0.0.1:9/', /nothing answers|cannot be shown/],
  ['is not there', '/missing', /HTTP 404/],
]) {
  test(`a page that ${what} is tried again, and then said to be so`, { timeout: 180_000 }, async (t) => {
    const scene = await Scene.open(t);
    const { base } = await site(scene);
    const url = path.startsWith('http') ? path : base + path;
    const job = await scene.job(webEgress(url), [fileOutput(scene.folder)], { room: '' });
    const { fact } = await job.fact('ended', { withinMs: 120_000 });
    assert.equal(fact.status, 'failed');
    assert.match(fact.error.message, words);
    assert.ok(fact.error.remedy);
    assert.ok(job.events.filter((event) => event.fact.type === 'warning').length >= 2, 'it was tried again');
    assert.deepEqual(readdirSync(scene.folder), []);
    await nothingLeft(job);
  });
}

test('Chromium killed on air: the page comes back in the same file', { timeout: 180_000 }, async (t) => {
  const scene = await Scene.open(t);
  const { base } = await site(scene);
  const job = await scene.job(webEgress(`${base}/flashes`), [fileOutput(scene.folder)], { room: '' });
  await job.elapsed(4000);
  killChromium(job);
  await job.fact('page', { where: (fact) => fact.state === 'reloading' });
  const back = await job.fact('page', { where: (fact) => fact.state === 'on', after: job.events.findLast((e) => e.fact.state === 'reloading').seq });
  await job.elapsed((back.at_ns - job.events.find((e) => e.fact.type === 'output_active').fact.started_at_ns) / 1e6 + 5000);
  const result = await job.stop();
  assert.equal((await job.end()).status, 'complete');
  await assertWhole(result, { container: 'mp4' });
  assert.ok(job.events.some((event) => event.fact.type === 'warning' && /Chromium|page/.test(event.fact.warning.message)));
  assert.ok(flashes(await pictures(result.path)).some((flash) => flash > result.duration_ns / 1e9 - 3), 'it flashes again at the end');
  await nothingLeft(job);
});

test("a layout that came through LiveKit's server is told, and is there again after a crash", { timeout: 180_000 }, async (t) => {
  const scene = await Scene.open(t);
  await scene.person(0, { video: VIDEO });
  const job = await scene.job(roomComposite(), [fileOutput(scene.folder)]);
  await job.elapsed(2000);
  // What its UpdateLayout comes to.
  await roomService(scene.server, 'UpdateParticipant', { room: scene.room, identity: job.id, metadata: '{"layout":"grid-light"}' });
  await job.fact('layout', { where: (fact) => fact.layout === 'grid-light' });
  killChromium(job);
  const { seq } = await job.fact('page', { where: (fact) => fact.state === 'reloading' });
  const back = await job.fact('page', { where: (fact) => fact.state === 'on', after: seq });
  await job.elapsed((back.at_ns - job.events.find((e) => e.fact.type === 'output_active').fact.started_at_ns) / 1e6 + 4000);
  const result = await job.stop();
  await assertWhole(result, { container: 'mp4' });
  const light = await cornerLight(result.path);
  assert.ok(light[0] < 80, `dark at first: ${light[0]}`);
  assert.ok(light.at(-10) > 180, `light in the end: ${light.at(-10)}`);
  await nothingLeft(job);
});

test('Chromium killed on air, and the job is to end then: the file is whole', { timeout: 120_000 }, async (t) => {
  const scene = await Scene.open(t);
  const { base } = await site(scene);
  const job = await scene.job(webEgress(`${base}/flashes`, { afterCrash: 'end' }), [fileOutput(scene.folder)], { room: '' });
  await job.elapsed(4000);
  killChromium(job);
  const { fact } = await job.fact('ended');
  assert.equal(fact.status, 'failed');
  assert.match(fact.error.message, /Chromium|page/);
  const ended = await job.fact('output_ended');
  await assertWhole(ended.fact.result, { container: 'mp4' });
  await nothingLeft(job);
});

test('a job that is killed leaves no program behind', { timeout: 120_000 }, async (t) => {
  const scene = await Scene.open(t);
  const { base } = await site(scene);
  const job = await scene.job(webEgress(`${base}/flashes`), [], { room: '' });
  await job.fact('armed');
  assert.ok(processesOf(job.folder).length >= 4, processesOf(job.folder).join('\n'));
  process.kill(job.pid, 'SIGKILL');
  await nothingLeft(job);
});
