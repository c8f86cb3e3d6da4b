// Participant egress: one file that follows a person through everything they do.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { beeps, black, cadence, flashes, pictures, silences, stretches, sync } from '../harness/content.mjs';
import { fileOutput, participantEgress } from '../harness/job.mjs';
import { sound } from '../harness/media.mjs';
import { assertWhole, atLeast, atMost, Scene } from '../harness/scene.mjs';
import { test } from '../harness/steady.mjs';
import { until } from '../harness/wait.mjs';

/** Lets the recording go on for so long. */
const goOn = (job, ms) => job.elapsed((job.figures?.outputs[0]?.elapsed_ms ?? 0) + ms);

/** Unix ms → seconds in the file. */
const inFile = (result, atMs) => (atMs * 1e6 - result.started_at_ns) / 1e9;

function near(what, value, wanted, within) {
  atMost(`${what}: ${value.toFixed(3)} s, wanted ${wanted.toFixed(3)} s; off, s`, Math.abs(value - wanted), within);
}

test('unpublish, republish in another codec: black between, in sync after', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { video: { codec: 'vp8' }, audio: true });
  const job = await scene.job(participantEgress(ada.identity), [fileOutput(scene.folder)]);
  await job.elapsed(5000);
  const off = await ada.unpublish('camera');
  await goOn(job, 4000);
  const on = await ada.publishVideo({ codec: 'h264' });
  await goOn(job, 6000);
  const result = await job.stop();
  const found = await assertWhole(result, { container: 'mp4' });
  assert.deepEqual([found.video.width, found.video.height], [1280, 720]);

  const list = await pictures(result.path);
  const [gap, ...more] = black(list);
  assert.equal(more.length, 0, `one black stretch: ${JSON.stringify([gap, ...more])}`);
  near('black from', gap.fromS, inFile(result, off.atMs), 0.7);
  near('black until', gap.toS, inFile(result, on.atMs), 1.2);
  const heard = beeps(await sound(result.path), 1);
  assert.deepEqual(silences(heard), [], 'the sound goes on through it');
  const flashed = flashes(list);
  const before = sync(flashed.filter((f) => f < gap.fromS), heard);
  const after = sync(flashed.filter((f) => f > gap.toS + 0.5), heard);
  for (const { pairs } of [before, after]) atLeast('flashes with beeps', pairs.length, 3);
  atMost('flash against beep before, p80, ms', before.p80Ms, 20);
  atMost('flash against beep after, p80, ms', after.p80Ms, 20);
  const lengthS = (job.stopMs * 1e6 - result.started_at_ns) / 1e9;
  near('length', found.durationS, lengthS, 0.6);
});

test('mutes: silence and black at the right times, sync holds', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(2, { video: { codec: 'h264' }, audio: true });
  const job = await scene.job(participantEgress(ada.identity), [fileOutput(scene.folder)]);
  await job.elapsed(4000);
  const quiet = await ada.mute('microphone');
  await goOn(job, 3000);
  const loud = await ada.unmute('microphone');
  await goOn(job, 3000);
  const dark = await ada.mute('camera');
  await goOn(job, 3000);
  const bright = await ada.unmute('camera');
  await goOn(job, 4000);
  const result = await job.stop();
  await assertWhole(result, { container: 'mp4' });
  const list = await pictures(result.path);
  const heard = beeps(await sound(result.path), 2);
  const [silent, ...others] = silences(heard);
  assert.equal(others.length, 0, JSON.stringify(heard));
  assert.ok(silent.fromS <= inFile(result, quiet.atMs) + 0.15 && silent.toS >= inFile(result, loud.atMs) - 0.05, 'silence covers the mute');
  atMost('silence beyond the mute, s', silent.toS - silent.fromS - (loud.atMs - quiet.atMs) / 1000, 2.1);
  const [gap, ...more] = black(list);
  assert.equal(more.length, 0);
  near('black from', gap.fromS, inFile(result, dark.atMs), 0.8);
  near('black until', gap.toS, inFile(result, bright.atMs), 1.2);
  const together = sync(flashes(list), heard);
  atMost('flash against beep, p80, ms', together.p80Ms, 20);
});

test('the shared screen is shown while there is one, then the camera again', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(3, { video: { codec: 'vp8' }, audio: true });
  // The screen is drawn by person 11 so that it can be told from the camera.
  const job = await scene.job(participantEgress(ada.identity, { screen: true }), [fileOutput(scene.folder)]);
  await job.elapsed(4000);
  const shared = await ada.publishVideo({ codec: 'vp8', source: 'screen', width: 1280, height: 720, fps: 15, drawnAs: 11 });
  await goOn(job, 5000);
  const ended = await ada.unpublish('screen');
  await goOn(job, 4000);
  const result = await job.stop();
  await assertWhole(result, { container: 'mp4' });
  const list = await pictures(result.path);
  const screen = stretches(list.filter((p) => p.code), (p) => p.code.person === 11);
  assert.equal(screen.length, 1, JSON.stringify(screen));
  near('screen from', screen[0].fromS, inFile(result, shared.atMs), 1.2);
  near('screen until', screen[0].toS, inFile(result, ended.atMs), 1.0);
  assert.deepEqual(silences(beeps(await sound(result.path), 3)), [], 'the microphone stays');
});

test('who leaves ends the recording; a person alone in sound records too', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(4, { audio: true });
  await scene.person(5, { audio: true });
  const job = await scene.job(participantEgress(ada.identity), [fileOutput(scene.folder)]);
  await job.elapsed(3000);
  await ada.leave();
  const result = await job.result();
  await assertWhole(result, { container: 'mp4' });
  assert.equal((await job.fact('ending')).fact.reason, 'source_closed');
  const heard = await sound(result.path);
  assert.ok(beeps(heard, 4).length >= 2);
  assert.deepEqual(beeps(heard, 5), [], 'nobody else is heard');
});

test('what has ended is let go of: republishing costs nothing that stays', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(7, { audio: true, video: { codec: 'vp8', width: 320, height: 180 } });
  const job = await scene.job(participantEgress(ada.identity), [fileOutput(scene.folder)]);
  await job.elapsed(2000);
  const threads = () => readdirSync(`/proc/${job.pid}/task`).length;
  const before = threads();
  for (let n = 0; n < 4; n++) {
    await ada.unpublish('microphone');
    await ada.unpublish('camera');
    await ada.publishAudio();
    await ada.publishVideo({ codec: 'vp8', width: 320, height: 180 });
    await goOn(job, 1500);
  }
  await until(`the job has its ${before} threads again`, () => threads() <= before);
  await assertWhole(await job.stop(), { container: 'mp4' });
});

test('a camera that comes late does not stretch the file', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(6, { audio: true });
  const job = await scene.job(participantEgress(ada.identity), [fileOutput(scene.folder)]);
  await job.elapsed(3000);
  await ada.publishVideo({ codec: 'h264' });
  await goOn(job, 6000);
  const result = await job.stop();
  const found = await assertWhole(result, { container: 'mp4' });
  near('length', found.durationS, (job.stopMs * 1e6 - result.started_at_ns) / 1e9, 0.6);
  const list = await pictures(result.path);
  atLeast('pictures', cadence(list, { person: 6, fps: 30 }).frames, 121);
  atMost('flash against beep, p80, ms', sync(flashes(list), beeps(await sound(result.path), 6)).p80Ms, 20);
});

test('who publishes nothing is waited for: no file of black, and none at all if nothing comes', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(8);
  const ben = await scene.person(9);
  const file = (name) => [fileOutput(scene.folder, { name })];
  const [stopped, late, published, leaves] = await Promise.all([
    scene.job(participantEgress(ada.identity), file('stopped')),
    scene.job(participantEgress(ada.identity), file('late')),
    scene.job(participantEgress(ada.identity, { encoding: null }), file('published')),
    scene.job(participantEgress(ben.identity), file('leaves')),
  ]);
  const all = [stopped, late, published, leaves];
  for (const job of all) assert.match((await job.fact('warning')).fact.warning.message, /Nothing is being published/);
  const begun = (job) => job.events.some((e) => e.fact.type === 'output_active');
  assert.deepEqual(all.map(begun), [false, false, false, false], 'nothing has begun after five seconds');

  await stopped.stop();
  await ben.leave();
  for (const [job, reason] of [[stopped, 'stop_requested'], [leaves, 'source_closed']]) {
    const { status, error } = await job.end();
    assert.deepEqual([status, error.code, error.detail], ['aborted', 'aborted', 'Start signal not received']);
    assert.equal((await job.fact('ending')).fact.reason, reason);
  }

  const heardAt = (await ada.publishAudio()).atMs;
  await Promise.all([late.elapsed(4000), published.elapsed(4000)]);
  const seenAt = (await ada.publishVideo({ codec: 'vp8', width: 320, height: 180 })).atMs;
  await Promise.all([late, published].map((job) => goOn(job, 4000)));
  const results = await Promise.all([late.stop(), published.stop()]);
  assert.deepEqual(readdirSync(scene.folder).sort(), ['late.mp4', 'published.mp4']);
  for (const result of results) {
    await assertWhole(result, { container: 'mp4' });
    near('started with the first sound, and said so', (result.started_at_ns / 1e6 - heardAt) / 1000, 0.3, 0.7);
    const heard = beeps(await sound(result.path), 8);
    // One of the first 0.2 s is not seen as one.
    atMost(`beeps from the start, s: ${heard}; the first`, heard[0], 1.25);
    atLeast('beeps', heard.length, 7);
    const list = (await pictures(result.path)).filter((picture) => picture.code);
    near('the picture joins', list[0].ptsS, inFile(result, seenAt), 1.2);
    atMost('flash against beep, p80, ms', sync(flashes(list), heard).p80Ms, 20);
  }
});

test('a late publisher begins the file, not black', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(10);
  const job = await scene.job(participantEgress(ada.identity), [fileOutput(scene.folder)]);
  await job.fact('output_opening');
  const { atMs } = await ada.publishVideo({ codec: 'h264' });
  await job.elapsed(2000);
  await ada.publishAudio();
  await goOn(job, 4000);
  const result = await job.stop();
  await assertWhole(result, { container: 'mp4' });
  near('started with the first picture', (result.started_at_ns / 1e6 - atMs) / 1000, 0.5, 0.8);
  const list = await pictures(result.path);
  assert.equal(list[0].code?.person, 10, 'the first picture is hers');
  assert.deepEqual(black(list), []);
  atMost('flash against beep, p80, ms', sync(flashes(list), beeps(await sound(result.path), 10)).p80Ms, 20);
});
