// A small proxy beside a master: the same program at the same times, smaller.

import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { beeps, flashes, pictures, sync } from '../harness/content.mjs';
import { compositeEgress, fileOutput, participantEgress, PRESET, proxyOutput, roomComposite } from '../harness/job.mjs';
import { sound } from '../harness/media.mjs';
import { assertWhole, atLeast, atMost, Scene } from '../harness/scene.mjs';
import { test } from '../harness/steady.mjs';

const HD = { ...PRESET, video: { ...PRESET.video, width: 1280, height: 720 } };
const FRAME_S = 1 / 30;

/** Reads both files back and holds them against each other; `apartS`: by how much their times may differ. */
async function assertSame(job, file, { width, height, apartS, audio = 'aac', container = 'mp4' }) {
  const proxy = await job.result('proxy');
  assert.equal((await job.end()).status, 'complete');
  await assertWhole(file, { container });
  const found = await assertWhole(proxy, { container: 'mp4' });
  assert.deepEqual([found.video.codec_name, found.video.width, found.video.height], ['h264', width, height]);
  assert.equal(found.audio.codec_name, audio);
  assert.equal(found.video.r_frame_rate, '30/1');
  const ends = ({ started_at_ns, ended_at_ns }) => [started_at_ns, ended_at_ns].map((ns) => ns / 1e9);
  atMost('start against its master, s', Math.abs(ends(proxy)[0] - ends(file)[0]), apartS);
  // The end is that of the last packet of sound, and those have lengths of their own.
  atMost('end against its master, s', Math.abs(ends(proxy)[1] - ends(file)[1]), apartS + 0.05);

  const [master, small] = [await pictures(file.path), await pictures(proxy.path)];
  const frame = (list, at) => list.at(at).code?.frame;
  assert.ok(small.length > 100 && small.every((p) => p.code?.person === 1), 'the code is read in the small picture');
  for (const at of [0, -1])
    atMost(`frames at ${at} apart`, Math.abs(frame(small, at) - frame(master, at)), Math.round(apartS / FRAME_S));
  const shownAt = new Map(master.map((p) => [p.code?.frame, p.ptsS]).reverse());
  const off = small.filter((p) => shownAt.has(p.code.frame)).map((p) => Math.abs(p.ptsS - shownAt.get(p.code.frame)));
  atLeast(`pictures in both, of ${small.length}`, off.length, small.length * 0.9);
  off.sort((a, b) => a - b);
  atMost('a picture in the one against the other, p95, s', off[Math.floor(off.length * 0.95)], FRAME_S + 0.002);

  const heard = await sound(proxy.path);
  assert.deepEqual([heard.holes, heard.overlaps], [[], []]);
  const [own, masters] = [beeps(heard, 1), beeps(await sound(file.path), 1)];
  const together = sync(flashes(small), own);
  atLeast('flashes with beeps', together.pairs.length, 4);
  atMost('flash against beep, p80, ms', together.p80Ms, 40);
  assert.ok(Math.abs(own.length - masters.length) <= 1, `${own.length} beeps, and ${masters.length} in the master`);
  return { proxy, small, master };
}

test('a proxy of a person begins and ends with its master, picture for picture', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { video: { codec: 'h264' }, audio: true });
  const outputs = [fileOutput(scene.folder), proxyOutput(scene.folder)];
  const job = await scene.job(participantEgress(ada.identity, { encoding: HD }), outputs);
  await job.elapsed(6500, 'proxy');
  const { dropped_frames } = job.of('proxy');
  const file = await job.stop();
  const { proxy, small, master } = await assertSame(job, file, { width: 640, height: 360, apartS: 0.001 });
  assert.equal(basename(proxy.path), 'show-proxy.mp4');
  assert.ok(proxy.size_bytes < file.size_bytes, `${proxy.size_bytes} of ${file.size_bytes} bytes`);
  if (dropped_frames === 0) {
    const frames = (list) => list.map((p) => p.code?.frame ?? null);
    assert.deepEqual(frames(small), frames(master));
  }
});

test('a proxy is named like the master that found its name taken, whatever that is', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { video: { codec: 'vp8' }, audio: true });
  const encoding = {
    video: { ...HD.video, codec: 'vp8', width: 640, height: 360, bitrate_bps: 1_000_000 },
    audio: { codec: 'opus', bitrate_bps: 96_000, sample_rate_hz: 48_000 },
  };
  for (const name of ['show', 'show-2']) {
    const job = await scene.job(participantEgress(ada.identity, { encoding }));
    await job.fact('armed');
    await job.attach(fileOutput(scene.folder), [proxyOutput(scene.folder, { height: 180 })]);
    await job.elapsed(4500, 'proxy');
    const file = await job.stop();
    const { proxy } = await assertSame(job, file, { width: 320, height: 180, apartS: 0.001, container: 'webm' });
    assert.deepEqual([basename(file.path), basename(proxy.path)], [`${name}.webm`, `${name}-proxy.mp4`]);
  }
});

test('a proxy of what is recorded as published begins with its master as well', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { video: { codec: 'h264' }, audio: true });
  const egress = compositeEgress({ video: ada.video.sid, audio: ada.audio.sid, encoding: null });
  const job = await scene.job(egress, [fileOutput(scene.folder), proxyOutput(scene.folder)]);
  await job.elapsed(6500, 'proxy');
  const file = await job.stop();
  await assertSame(job, file, { width: 640, height: 360, apartS: 2 * FRAME_S });
});
