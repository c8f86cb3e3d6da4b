// What is published, bit by bit, in a file of its own beside what is encoded of it.

import assert from 'node:assert/strict';
import { beeps, cadence, pictures, units } from '../harness/content.mjs';
import { telephone } from '../harness/g711.mjs';
import { compositeEgress, fileOutput, participantEgress, publishedOutput, SMALL, trackEgress } from '../harness/job.mjs';
import { sound } from '../harness/media.mjs';
import { assertWhole, atLeast, atMost, Scene } from '../harness/scene.mjs';
import { test } from '../harness/steady.mjs';
import { compareUnits } from '../harness/witness.mjs';

for (const { codec, container } of [
  { codec: 'h264', container: 'mp4' },
  { codec: 'vp8', container: 'webm' },
]) {
  test(`${codec.toUpperCase()} as published comes and goes beside an encode, which does not notice`, async (t) => {
    const scene = await Scene.open(t);
    const ada = await scene.person(1, { video: { codec }, audio: true });
    const witness = await scene.witness();
    await witness.receives(ada.video.sid);
    const job = await scene.job(participantEgress(ada.identity, { encoding: SMALL }), [fileOutput(scene.folder)]);
    await job.elapsed(3000);
    await job.attach(publishedOutput(scene.folder));
    await job.elapsed(5000, 'published');
    await job.detach('published');
    const published = await job.outputEnded('published');
    const before = job.of('file').elapsed_ms;
    await job.elapsed(before + 2500);
    const file = await job.stop();
    assert.equal((await job.end()).status, 'complete');

    const found = await assertWhole(published, { container });
    assert.deepEqual([found.video.codec_name, found.audio.codec_name], [codec, 'opus']);
    await witness.receives(ada.video.sid, witness.tracks.get(ada.video.sid).units.length + 2);
    const same = compareUnits(await units(published.path, codec), witness.hashes(ada.video.sid));
    assert.ok(same.same, `differs from what was published: ${JSON.stringify(same)}`);
    atLeast('units', same.count, 4.5 * 30);
    assert.deepEqual((await sound(published.path)).holes, []);

    await assertWhole(file, { container: 'mp4' });
    const seen = cadence(await pictures(file.path), { person: 1, fps: 30 });
    assert.equal(seen.backwards, 0);
    atMost('pictures missing in a row in the encode', seen.longestGap, 3);
    const heard = await sound(file.path);
    assert.deepEqual([heard.holes, heard.overlaps], [[], []]);
    atLeast('beeps of the encode', beeps(heard, 1).length, Math.floor(heard.samples.length / 48_000) - 1);
  });
}

test('both may be asked for from the start, and each goes on without the other', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { video: { codec: 'h264' }, audio: true });
  const outputs = [publishedOutput(scene.folder), fileOutput(scene.folder)];
  const job = await scene.job(participantEgress(ada.identity, { encoding: SMALL }), outputs);
  await job.elapsed(3000);
  await job.detach('file');
  const file = await job.outputEnded('file');
  await job.elapsed(6000, 'published');
  await job.stop();
  const published = await job.result('published');
  await assertWhole(file, { container: 'mp4' });
  await assertWhole(published, { container: 'mp4' });
  const seen = cadence(await pictures(published.path), { person: 1, fps: 30 });
  assert.deepEqual([seen.repeated, seen.backwards, seen.others], [0, 0, 0]);
  atLeast('pictures as published', seen.frames, 5.5 * 30);
});

test('a telephone’s sound, which no file carries, is in Opus beside an encode of it', async (t) => {
  const scene = await Scene.open(t);
  const caller = await telephone(scene.server, scene.room, 6, 'pcmu');
  scene.onClose(() => caller.quit());
  const egress = compositeEgress({
    audio: caller.sid,
    encoding: { video: null, audio: SMALL.audio },
  });
  const job = await scene.job(egress, [fileOutput(scene.folder), publishedOutput(scene.folder)]);
  await job.elapsed(4000, 'published');
  await job.stop();
  for (const [output, codec, container] of [
    ['file', 'aac', 'mp4'],
    ['published', 'opus', 'ogg'],
  ]) {
    const result = await job.result(output);
    assert.equal((await assertWhole(result, { container })).audio.codec_name, codec);
    atLeast(`beeps in ${output}`, beeps(await sound(result.path), 6).length, 3);
  }
});

test('what cannot be in one file as published says so, and the encode goes on', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { video: { codec: 'h264' } });
  const caller = await telephone(scene.server, scene.room, 6, 'pcmu');
  scene.onClose(() => caller.quit());
  const egress = compositeEgress({
    video: ada.video.sid,
    audio: caller.sid,
    encoding: SMALL,
  });
  const job = await scene.job(egress, [fileOutput(scene.folder), publishedOutput(scene.folder)]);
  const { error } = await job.outputEnded('published');
  assert.deepEqual([error.code, error.fault], ['unsupported', 'input']);
  assert.match(error.message, /G\.711/);
  await job.elapsed(2000);
  await assertWhole(await job.stop(), { container: 'mp4' });
});

test('one that is asked for as published needs no other word for it', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { video: { codec: 'h264' } });
  const job = await scene.job(trackEgress(ada.video.sid), [publishedOutput(scene.folder, { id: 'file' })]);
  await job.elapsed(2000);
  await assertWhole(await job.stop(), { container: 'mp4' });
});
