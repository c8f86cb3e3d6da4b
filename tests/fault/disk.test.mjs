// The disk fills up while a job records.

import assert from 'node:assert/strict';
import { cadence, pictures } from '../harness/content.mjs';
import { fileOutput, participantEgress, PRESET, segmentsOutput, streamOutput, trackEgress } from '../harness/job.mjs';
import { writeFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { hangingDisk, smallDisk } from '../harness/disk.mjs';
import { RtmpServer } from '../harness/ingest.mjs';
import { decodeErrors } from '../harness/media.mjs';
import { peakMemoryBytes } from '../harness/process.mjs';
import { assertWhole, atLeast, atMost, frameMs, Scene } from '../harness/scene.mjs';
import { nowMs } from '../harness/schedule.mjs';
import { test } from '../harness/steady.mjs';

const HEAVY = { codec: 'h264', width: 1280, height: 720, fps: 30, bitrateBps: 4_000_000, noise: 0.5 };

for (const { what, media, egress } of [
  { what: 'as published', media: { video: HEAVY }, egress: (ada) => trackEgress(ada.video.sid) },
  { what: 're-encoded', media: { video: HEAVY, audio: true }, egress: (ada) => participantEgress(ada.identity) },
]) {
  test(`the guard ends the recording while there is room to finish it (${what})`, async (t) => {
    const disk = await smallDisk(12);
    t.after(() => disk.unmount());
    const scene = await Scene.open(t);
    const ada = await scene.person(1, media);
    const job = await scene.job(egress(ada), [fileOutput(disk.path)]);
    await job.elapsed(1000);
    const result = await job.result('file', 180_000);
    assert.equal((await job.fact('ending')).fact.reason, 'disk_full');
    assert.ok(job.events.some((e) => e.fact.type === 'warning'), 'it warned before');
    const end = await job.end();
    assert.notEqual(end.status, 'active');
    assert.deepEqual(await decodeErrors(result.path), []);
    const seen = cadence(await pictures(result.path), { person: 1, fps: 30 });
    atLeast('frames', seen.frames, 61);
    atMost('material lost at the end, ms', job.endedMs - frameMs(ada, seen.last), 3000);
  });
}

test('one of two disks is full: what is on it ends, whole, and the other goes on', async (t) => {
  const disk = await smallDisk(12);
  t.after(() => disk.unmount());
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { video: HEAVY });
  const job = await scene.job(trackEgress(ada.video.sid), [fileOutput(scene.folder), fileOutput(disk.path, { id: 'copy' })]);
  const copy = await job.outputEnded('copy', 180_000);
  assert.equal(copy.error, null);
  const fullMs = nowMs();
  await job.elapsed(copy.duration_ns / 1e6 + 5000);
  assert.ok(!job.events.some((e) => e.fact.type === 'ending'), 'the job goes on');
  const file = await job.stop();
  assert.equal((await job.end()).status, 'complete');
  for (const { path } of [copy, file]) assert.deepEqual(await decodeErrors(path), []);
  const [short, long] = [cadence(await pictures(copy.path), { person: 1, fps: 30 }), cadence(await pictures(file.path), { person: 1, fps: 30 })];
  assert.ok(short.frames > 60 && frameMs(ada, long.last) > fullMs, `${short.frames} frames, then ${long.frames}`);
  assert.ok(long.longestGap <= 1, `a gap of ${long.longestGap} frames where the other disk was full`);
});

test('something else fills the disk at once: what was recorded is kept and plays', async (t) => {
  const disk = await smallDisk(40);
  t.after(() => disk.unmount());
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { video: HEAVY });
  const job = await scene.job(trackEgress(ada.video.sid), [fileOutput(disk.path)]);
  await job.elapsed(4000);
  const filler = join(disk.path, 'filler');
  const filledMs = performance.timeOrigin + performance.now();
  for (const size of [1 << 20, 1 << 12]) {
    try {
      for (;;) writeFileSync(filler, Buffer.alloc(size, 1), { flag: 'a' });
    } catch (error) {
      assert.equal(error.code, 'ENOSPC');
    }
  }
  // The job itself may go on, without an output, until the studio or the person ends it.
  const result = await job.outputEnded('file', 60_000);
  assert.equal(result.error?.code, 'disk_full');
  rmSync(filler);
  await job.stop();
  assert.equal((await job.end()).status, 'failed');
  assert.deepEqual(await decodeErrors(result.path), []);
  const seen = cadence(await pictures(result.path), { person: 1, fps: 30 });
  atMost('material lost before the disk was full, ms', filledMs - frameMs(ada, seen.last), 1000);
});

test('a folder that cannot be written to is said to be so', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { video: { codec: 'vp8' } });
  const blocked = join(scene.folder, 'a-file');
  writeFileSync(blocked, 'not a folder');
  const job = await scene.job(trackEgress(ada.video.sid), [fileOutput(join(blocked, 'inside'))]);
  const result = await job.outputEnded();
  assert.equal(result.path, null);
  await job.stop();
  assert.match(`${result.error.message} ${result.error.remedy}`, /folder|write|disk|file/i);
  assert.equal((await job.end()).status, 'failed');
});

const SMALL = { ...PRESET, video: { ...PRESET.video, width: 640, height: 360, bitrate_bps: 1_000_000 } };
const gapsMs = (list) => list.slice(1).map((p, i) => (p.ptsS - list[i].ptsS) * 1000);

/** A recording to a good disk, to one that will hang and to a stream. */
async function besideHanging(t) {
  const disk = await hangingDisk();
  t.after(() => disk.unmount());
  const scene = await Scene.open(t);
  const rtmp = await RtmpServer.start();
  scene.onClose(() => rtmp.stop());
  const ada = await scene.person(1, { video: { codec: 'h264' }, audio: true });
  const job = await scene.job(participantEgress(ada.identity, { encoding: SMALL }), [
    fileOutput(scene.folder),
    fileOutput(disk.path, { id: 'hung' }),
    streamOutput(rtmp.url('show')),
  ]);
  await job.becomes('live');
  for (const output of ['file', 'hung', 'stream']) await job.elapsed(2000, output);
  return { disk, rtmp, job };
}

test('a disk that hangs for a minute: the others go on, it is told, and what waited for it is written', { timeout: 300_000 }, async (t) => {
  const { disk, rtmp, job } = await besideHanging(t);
  const before = peakMemoryBytes(job.pid);
  await disk.hang();
  const { fact } = await job.fact('warning', { where: ({ warning }) => warning.message.includes(disk.path) });
  assert.match(fact.warning.message, /slow|behind/);
  // What is attached there meanwhile is given up, and nobody waits for it.
  await job.attach(segmentsOutput(disk.path, { prefix: 'late' }));
  const late = await job.outputEnded('segments', 60_000);
  assert.match(late.error.message, /does not answer/);
  await job.elapsed(64_000);
  assert.ok(job.of('hung').behind_ms > 50_000, JSON.stringify(job.of('hung')));
  atMost('memory grown, MB', (peakMemoryBytes(job.pid) - before) / 1e6, 64);
  await disk.goOn();
  await job.elapsed(job.of('file').elapsed_ms + 3000, 'hung');
  const file = await job.stop();
  await assertWhole(file, { container: 'mp4' });
  const list = await pictures(file.path);
  atMost('largest gap in the file, ms', Math.max(...gapsMs(list)), 50);
  assert.deepEqual(job.states(), ['connecting', 'live', 'stopped']);
  atMost('largest gap in the stream, ms', Math.max(...gapsMs(await pictures(rtmp.kept('show')[0]))), 50);
  const hung = await job.outputEnded('hung');
  await assertWhole(hung, { container: 'mp4' });
  atMost('the file that waited is shorter, s', (file.duration_ns - hung.duration_ns) / 1e9, 0.5);
});

test('a disk that never comes back: Stop is answered at once, and the recording beside it ends whole', { timeout: 300_000 }, async (t) => {
  const { disk, job } = await besideHanging(t);
  await disk.hang();
  await job.elapsed(6000);
  const askedMs = nowMs();
  await job.stopStreams();
  atMost('Stop is answered after, ms', nowMs() - askedMs, 500);
  const file = await job.outputEnded();
  await assertWhole(file, { container: 'mp4' });
  const { error } = await job.outputEnded('hung', 90_000);
  assert.ok(error.message.includes(disk.path), error.message);
  assert.match(error.message, /does not answer/);
  // The other is whole: that is what came of the job.
  const end = await job.end(90_000);
  assert.equal(end.status, 'failed');
  assert.match(end.error.message, /does not answer/);
});
