// Track egress: one track exactly as it was published, in a file.

import assert from 'node:assert/strict';
import { beeps, cadence, pictures, silences, units } from '../harness/content.mjs';
import { telephone } from '../harness/g711.mjs';
import { fileOutput, PRESET, participantEgress, trackEgress } from '../harness/job.mjs';
import { frameSizes, packets, sound } from '../harness/media.mjs';
import { nowMs } from '../harness/schedule.mjs';
import { assertWhole, atLeast, atMost, frameMs, Scene } from '../harness/scene.mjs';
import { test } from '../harness/steady.mjs';
import { sleep } from '../harness/wait.mjs';
import { compareUnits, timingError } from '../harness/witness.mjs';

const VIDEO = [
  { codec: 'h264', container: 'mp4', fps: 30, tag: 'avc1' },
  { codec: 'vp8', container: 'webm', fps: 30 },
  { codec: 'vp9', container: 'webm', fps: 30 },
  { codec: 'av1', container: 'mp4', fps: 15 },
];

for (const { codec, container, fps, tag } of VIDEO) {
  test(`${codec.toUpperCase()} is in the ${container.toUpperCase()} bit by bit, every frame of it`, async (t) => {
    const scene = await Scene.open(t);
    const ada = await scene.person(1, { video: { codec, fps } });
    const witness = await scene.witness();
    await witness.receives(ada.video.sid);
    const job = await scene.job(trackEgress(ada.video.sid), [fileOutput(scene.folder)]);
    await job.elapsed(5000);
    const result = await job.stop();
    assert.deepEqual(await job.end(), { type: 'ended', status: 'complete', error: null });
    assert.equal(job.exit.code, 0);

    const found = await assertWhole(result, { container });
    assert.equal(found.video.codec_name, codec);
    assert.deepEqual([found.video.width, found.video.height], [640, 360]);
    if (tag) assert.equal(found.video.codec_tag_string, tag, 'what Safari and hardware players take');
    assert.equal(found.audio, undefined);
    assert.ok((await packets(result.path))[0].key, 'the first frame is a whole picture');

    const list = await pictures(result.path);
    const seen = cadence(list, { person: 1, fps });
    assert.deepEqual([seen.repeated, seen.backwards, seen.unreadable, seen.others], [0, 0, 0, 0]);
    const began = result.started_at_ns / 1e6;
    atMost('start told against start seen, ms', Math.abs(began - frameMs(ada, seen.first, fps)), 200);

    // The witness lets a frame out when the next one begins.
    await witness.receives(ada.video.sid, witness.tracks.get(ada.video.sid).units.length + 2);
    const same = compareUnits(await units(result.path, codec), witness.hashes(ada.video.sid));
    assert.ok(same.same, `differs from what was published: ${JSON.stringify(same)}`);
    atLeast('units', same.count, 4.5 * fps);
    const off = timingError(list.map((p) => p.ptsS), witness.tracks.get(ada.video.sid).units, same.from);
    t.diagnostic(`${JSON.stringify(off)}`);
    atMost('frame times against those of the publisher, ms', off.strayMs, 10);
    // The first frame's time is that of its arrival, until a report of the sender's says how late that was. What the
    // report puts right is led in: a frame's time moves by so little of its length that nobody sees it.
    atMost('a frame against the one before, ms', off.stepMs, (0.15 * 1000) / fps + 1);
  });
}

test('small and odd pictures are recorded in each codec, as published and re-encoded', async (t) => {
  const scene = await Scene.open(t);
  const video = { ...PRESET.video, width: 320, height: 180, framerate: 10, bitrate_bps: 200_000 };
  // One person for each codec: the camera is as small as a cursor, the screen has an odd shape.
  const recorded = VIDEO.map(async ({ codec, container }, n) => {
    const who = await scene.person(n + 1, { video: { codec, width: 16, height: 16, fps: 10 } });
    const camera = who.video.sid;
    const screen = (await who.publishVideo({ codec, width: 175, height: 99, fps: 10, source: 'screen' })).sid;
    const encoded = participantEgress(who.identity, { encoding: { ...PRESET, video } });
    const jobs = await Promise.all([
      scene.job(trackEgress(camera), [fileOutput(scene.folder, { name: `small-${codec}` })]),
      scene.job(trackEgress(screen), [fileOutput(scene.folder, { name: `odd-${codec}` })]),
      scene.job(encoded, [fileOutput(scene.folder, { name: `encoded-${codec}`, container: 'mp4' })]),
    ]);
    await Promise.all(jobs.map((job) => job.elapsed(2000)));
    // The camera goes, and the server sends blank pictures of its own for a moment.
    await who.unpublish('camera');
    const results = [await jobs[0].result(), await jobs[1].stop(), await jobs[2].stop()];
    for (const [i, size] of [[16, 16], [175, 99]].entries()) {
      const found = await assertWhole(results[i], { container });
      assert.equal(found.video.codec_name, codec);
      // An encoder may cut to what it likes; and it is one size, with nothing of the server's.
      const [is, ...others] = await frameSizes(results[i].path);
      assert.ok(is.every((pixels, at) => Math.abs(pixels - size[at]) < 4), `${codec}: ${is} of ${size}`);
      assert.deepEqual(others, [], codec);
      assert.ok((await packets(results[i].path)).length >= 10, codec);
    }
    await assertWhole(results[2], { container: 'mp4' });
    assert.ok((await pictures(results[2].path)).some((picture) => picture.luma > 40), `${codec} is seen`);
  });
  await Promise.all(recorded);
});

test('Opus is in the OGG packet by packet', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(2, { audio: true });
  const witness = await scene.witness();
  await witness.receives(ada.audio.sid);
  const job = await scene.job(trackEgress(ada.audio.sid), [fileOutput(scene.folder)]);
  await job.elapsed(5000);
  const result = await job.stop();
  const found = await assertWhole(result, { container: 'ogg' });
  assert.equal(found.audio.codec_name, 'opus');
  assert.equal(found.video, undefined);

  await witness.receives(ada.audio.sid, witness.tracks.get(ada.audio.sid).units.length + 2);
  const same = compareUnits(await units(result.path, 'opus'), witness.hashes(ada.audio.sid));
  assert.ok(same.same, `differs from what was published: ${JSON.stringify(same)}`);
  atLeast('packets', same.count, 226);
  const heard = await sound(result.path);
  assert.deepEqual([heard.holes, heard.overlaps], [[], []]);
  const times = beeps(heard, 2);
  atLeast('beeps', times.length, 4);
  for (let i = 1; i < times.length; i++) atMost('a second between beeps, ms off', Math.abs(times[i] - times[i - 1] - 1) * 1000, 5);
});

for (const codec of ['pcmu', 'pcma']) {
  test(`${codec.toUpperCase()}, as a telephone sends it, is recorded`, async (t) => {
    const scene = await Scene.open(t);
    const phone = await telephone(scene.server, scene.room, 6, codec);
    scene.onClose(() => phone.quit());
    const job = await scene.job(trackEgress(phone.sid), [fileOutput(scene.folder)]);
    await job.elapsed(4000);
    const result = await job.stop();
    await assertWhole(result);
    const times = beeps(await sound(result.path), 6);
    atLeast('beeps', times.length, 3);
    for (let i = 1; i < times.length; i++) atMost('a second between beeps, ms off', Math.abs(times[i] - times[i - 1] - 1) * 1000, 8);
  });
}

test('sound with RED is unpacked, and the same packets come out', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(2, { audio: { red: true } });
  const witness = await scene.witness();
  await witness.receives(ada.audio.sid);
  const job = await scene.job(trackEgress(ada.audio.sid), [fileOutput(scene.folder)]);
  await job.elapsed(3000);
  const result = await job.stop();
  await assertWhole(result, { container: 'ogg' });
  await witness.receives(ada.audio.sid, witness.tracks.get(ada.audio.sid).units.length + 2);
  const same = compareUnits(await units(result.path, 'opus'), witness.hashes(ada.audio.sid));
  assert.ok(same.same && same.count > 125, `differs from what was published: ${JSON.stringify(same)}`);
});

test('a mute of the microphone stays in the file as time', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(2, { audio: true });
  const job = await scene.job(trackEgress(ada.audio.sid), [fileOutput(scene.folder)]);
  await job.elapsed(2500);
  const off = await ada.mute('microphone');
  await sleep(3000);
  // Between two beeps: one whose beginning is cut off would be taken for one that is late.
  await sleep(1500 - (nowMs() % 1000));
  const on = await ada.unmute('microphone');
  const until_ = job.figures.outputs[0].elapsed_ms;
  await job.elapsed(Math.max(until_, 6500) + 2500);
  const result = await job.stop();
  await assertWhole(result, { container: 'ogg' });
  const times = beeps(await sound(result.path), 2);
  const gaps = silences(times);
  assert.equal(gaps.length, 1, `one silence: ${JSON.stringify(times)}`);
  const [gap] = gaps;
  const muted = (on.atMs - off.atMs) / 1000;
  const silent = gap.toS - gap.fromS;
  assert.ok(silent > muted - 1.1 && silent < muted + 2.1, `${silent} s silent, ${muted} s muted: ${JSON.stringify(times)}`);
  for (const time of times) {
    const off_ = (time - times[0]) % 1;
    atMost('beeps keep to whole seconds across the gap, ms off', Math.min(off_, 1 - off_) * 1000, 8);
  }
});

test('the file ends when the track does, without being told', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { video: { codec: 'vp8' }, audio: true });
  const job = await scene.job(trackEgress(ada.video.sid), [fileOutput(scene.folder)]);
  await job.elapsed(2000);
  const gone = await ada.unpublish('camera');
  const result = await job.result();
  await assertWhole(result, { container: 'webm' });
  const { reason } = (await job.fact('ending')).fact;
  assert.equal(reason, 'source_closed');
  assert.equal((await job.end()).status, 'complete');
  const list = await pictures(result.path);
  assert.equal(list.filter((p) => !p.code).length, 0, 'no blank frames of the server at the end');
  const last = frameMs(ada, cadence(list, { person: 1, fps: 30 }).last);
  atMost('material lost at the end, ms', gone.atMs - last, 250);
});

test('simulcast: the largest layer, and one size throughout', async (t) => {
  const scene = await Scene.open(t);
  const video = { codec: 'h264', width: 1280, height: 720, fps: 15, bitrateBps: 1_500_000, simulcast: true };
  const ada = await scene.person(1, { video });
  const job = await scene.job(trackEgress(ada.video.sid), [fileOutput(scene.folder)]);
  await job.elapsed(6000);
  const result = await job.stop();
  const found = await assertWhole(result, { container: 'mp4' });
  assert.deepEqual([found.video.width, found.video.height], [1280, 720]);
  const seen = cadence(await pictures(result.path), { person: 1, fps: 15 });
  atMost('frames that a layer switch cost', seen.missing.length, 8);
});

test('armed first: the file begins with a whole picture at the press of Record', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { video: { codec: 'h264' } });
  const job = await scene.job(trackEgress(ada.video.sid));
  await job.fact('armed');
  // Far from any keyframe: a publisher sends one at the start, and then none for long.
  await sleep(2500);
  const pressed = performance.timeOrigin + performance.now();
  await job.attach(fileOutput(scene.folder));
  await job.elapsed(2000);
  const result = await job.stop();
  await assertWhole(result, { container: 'mp4' });
  const list = await pictures(result.path);
  assert.ok(list[0].code, 'the first picture is whole');
  const seen = cadence(list, { person: 1, fps: 30 });
  atMost('Record to first frame, ms', frameMs(ada, seen.first) - pressed, 300);
  atMost('frames missing in a row', seen.longestGap, 6);
});

test('a track that does not exist is said to be missing', async (t) => {
  const scene = await Scene.open(t);
  await scene.person(1, { video: { codec: 'vp8' } });
  const job = await scene.job(trackEgress('TR_NotThere'), [fileOutput(scene.folder)]);
  const end = await job.end(60_000);
  assert.ok(['failed', 'aborted'].includes(end.status), end.status);
  assert.ok(end.error, 'it says why');
  assert.match(`${end.error.message} ${end.error.remedy}`, /track|publish/i);
});
