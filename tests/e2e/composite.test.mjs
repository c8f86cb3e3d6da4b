// Track composite: one picture and one sound together in a file, re-encoded or as published.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { beeps, cadence, flashes, pictures, sync, units } from '../harness/content.mjs';
import { compositeEgress, fileOutput, PRESET } from '../harness/job.mjs';
import { packets, sound } from '../harness/media.mjs';
import { assertWhole, atLeast, atMost, Scene } from '../harness/scene.mjs';
import { test } from '../harness/steady.mjs';
import { until } from '../harness/wait.mjs';
import { compareUnits } from '../harness/witness.mjs';

/** Records `seconds` of a composite and returns what the file holds. */
async function record(scene, who, { seconds = 8, encoding = PRESET, container = null, video = true, audio = true } = {}) {
  const egress = compositeEgress({
    video: video ? who.video.sid : null,
    audio: audio ? who.audio.sid : null,
    encoding,
  });
  const job = await scene.job(egress, [fileOutput(scene.folder, { container })]);
  await job.elapsed(seconds * 1000);
  const result = await job.stop();
  assert.equal((await job.end()).status, 'complete');
  return { job, result };
}

function assertSync(list, heard, person) {
  const together = sync(flashes(list), beeps(heard, person));
  atLeast('flashes with a beep', together.pairs.length, 5);
  const series = together.pairs.map((p) => `${p.atS.toFixed(1)} s: ${p.offsetMs.toFixed(1)}`).join(', ');
  atMost(`flash against beep, p80, ms (${series})`, together.p80Ms, 20);
  return together;
}

test('re-encoded to MP4: H.264 Main and AAC by the preset, in sync', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(3, { video: { codec: 'vp8' }, audio: true });
  const witness = await scene.witness(scene.folder);
  await witness.receives(ada.video.sid);
  const { result } = await record(scene, ada);
  await witness.leave();
  const found = await assertWhole(result, { container: 'mp4' });
  const { codec_name, profile, width, height, avg_frame_rate } = found.video;
  assert.deepEqual([codec_name, profile, width, height], ['h264', 'Main', 1280, 720]);
  assert.equal(found.video.codec_tag_string, 'avc1');
  const [up, down] = avg_frame_rate.split('/').map(Number);
  assert.ok(Math.abs(up / down - 30) < 1, avg_frame_rate);
  assert.deepEqual([found.audio.codec_name, found.audio.sample_rate, found.audio.channels], ['aac', '44100', 2]);
  assert.ok(Number(found.video.bit_rate) < 1.05 * PRESET.video.bitrate_bps);
  const keys = (await packets(result.path)).filter((p) => p.key).map((p) => p.ptsS);
  for (let i = 1; i < keys.length; i++) atMost('seconds between keyframes', keys[i] - keys[i - 1], 2.05);

  const list = await pictures(result.path);
  const seen = cadence(list, { person: 3, fps: 30 });
  assert.equal(seen.others, 0);
  // A publisher on a busy machine leaves frames out: what counts is what the server passed on.
  const published = cadence(await pictures(join(scene.folder, `${ada.video.sid}.ivf`)), { person: 3, fps: 30 });
  const lost = seen.missing.filter((n) => n > published.first && n < published.last && !published.missing.includes(n));
  atMost('frames published and not in the file, of 240', lost.length, 5);
  atMost('frames shown twice without need, of 240', seen.repeated - published.missing.length, 5);
  assertSync(list, await sound(result.path), 3);
});

test('as published: H.264 and Opus in MP4, bit by bit and in sync', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(4, { video: { codec: 'h264' }, audio: true });
  const witness = await scene.witness();
  await witness.receives(ada.video.sid);
  const { result } = await record(scene, ada, { encoding: null });
  const found = await assertWhole(result, { container: 'mp4' });
  assert.deepEqual([found.video.codec_name, found.audio.codec_name], ['h264', 'opus']);
  const list = await pictures(result.path);
  assertSync(list, await sound(result.path), 4);
  for (const [sid, codec] of [[ada.video.sid, 'h264'], [ada.audio.sid, 'opus']]) {
    await witness.receives(sid, witness.tracks.get(sid).units.length + 2);
    const same = compareUnits(await units(result.path, codec), witness.hashes(sid));
    assert.ok(same.same, `${codec} differs: ${JSON.stringify(same)}`);
  }
});

test('as published, what is muted at first joins later: camera or microphone, in MP4 and in WebM', async (t) => {
  const scene = await Scene.open(t);
  const cases = [
    { n: 9, codec: 'h264', container: 'mp4', muted: 'camera' },
    { n: 10, codec: 'vp8', container: 'webm', muted: 'camera' },
    { n: 11, codec: 'vp9', container: 'webm', muted: 'microphone' },
  ];
  const recorded = cases.map(async ({ n, codec, container, muted }) => {
    const who = await scene.person(n, { video: { codec, width: 320, height: 180 }, audio: true });
    await who.mute(muted);
    const monitor = await scene.monitor();
    const sid = muted === 'camera' ? who.video.sid : who.audio.sid;
    const tracks = () => (monitor.roster?.participants ?? []).flatMap((p) => p.tracks);
    await until('the room says that it is muted', () => tracks().find((it) => it.sid === sid)?.muted);
    const job = await scene.job(
      compositeEgress({ video: who.video.sid, audio: who.audio.sid, encoding: null }),
      [fileOutput(scene.folder, { name: `show-${n}` })],
    );
    // What is on is in the file, and says that it runs, while the other is off.
    await job.elapsed(4000);
    const { atMs } = await who.unmute(muted);
    await job.elapsed(9000);
    const result = await job.stop();
    assert.equal((await job.end()).status, 'complete');
    assert.deepEqual(job.events.filter((e) => e.fact.type === 'warning'), []);
    await assertWhole(result, { container });
    const list = await pictures(result.path);
    const heard = await sound(result.path);
    const joinS = (atMs * 1e6 - result.started_at_ns) / 1e9;
    assert.ok(joinS > 3.5, `it begins with what is on: ${joinS} s before the other`);
    const firsts = { camera: list[0].ptsS, microphone: beeps(heard, n)[0] };
    const other = muted === 'camera' ? 'microphone' : 'camera';
    // A beep of the first 0.2 s is not seen as one.
    atMost('seconds until what is on', firsts[other], 1.25);
    atMost(`seconds that the ${muted} is in the file before it was on`, joinS - firsts[muted], 0.1);
    atMost(`seconds from the ${muted} to the file`, firsts[muted] - joinS, 2.1);
    const together = sync(flashes(list), beeps(heard, n));
    atLeast('flashes with a beep', together.pairs.length, 2);
    atMost('flash against beep, p80, ms', together.p80Ms, 20);
  });
  await Promise.all(recorded);
});

test('as published: VP8 and Opus in WebM, in sync', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(5, { video: { codec: 'vp8' }, audio: true });
  const witness = await scene.witness();
  await witness.receives(ada.video.sid);
  const { result } = await record(scene, ada, { encoding: null });
  const found = await assertWhole(result, { container: 'webm' });
  assert.deepEqual([found.video.codec_name, found.audio.codec_name], ['vp8', 'opus']);
  const list = await pictures(result.path);
  assertSync(list, await sound(result.path), 5);
  await witness.receives(ada.video.sid, witness.tracks.get(ada.video.sid).units.length + 2);
  const same = compareUnits(await units(result.path, 'vp8'), witness.hashes(ada.video.sid));
  assert.ok(same.same, `VP8 differs: ${JSON.stringify(same)}`);
});

test('MP4 with Opus', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(6, { video: { codec: 'h264' }, audio: true });
  const encoding = { ...PRESET, audio: { codec: 'opus', bitrate_bps: 96_000, sample_rate_hz: 48_000 } };
  const { result } = await record(scene, ada, { encoding, container: 'mp4' });
  const found = await assertWhole(result, { container: 'mp4' });
  assert.deepEqual([found.video.codec_name, found.audio.codec_name], ['h264', 'opus']);
  assertSync(await pictures(result.path), await sound(result.path), 6);
});

test('WebM, re-encoded to VP8', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(7, { video: { codec: 'h264' }, audio: true });
  const encoding = {
    video: { ...PRESET.video, codec: 'vp8', width: 640, height: 360, bitrate_bps: 800_000 },
    audio: { codec: 'opus', bitrate_bps: 96_000, sample_rate_hz: 48_000 },
  };
  const { result } = await record(scene, ada, { encoding, container: 'webm' });
  const found = await assertWhole(result, { container: 'webm' });
  assert.deepEqual([found.video.codec_name, found.video.width, found.audio.codec_name], ['vp8', 640, 'opus']);
  assertSync(await pictures(result.path), await sound(result.path), 7);
});

for (const [container, codec] of [['ogg', 'opus'], ['mp3', 'mp3']]) {
  test(`sound alone, re-encoded to ${container.toUpperCase()}`, async (t) => {
    const scene = await Scene.open(t);
    const ada = await scene.person(8, { audio: true });
    const audio = { codec, bitrate_bps: 128_000, sample_rate_hz: codec === 'opus' ? 48_000 : 44_100 };
    const { result } = await record(scene, ada, { seconds: 5, encoding: { video: null, audio }, container, video: false });
    const found = await assertWhole(result, { container });
    assert.deepEqual([found.audio.codec_name, found.audio.channels], [codec, 2]);
    const times = beeps(await sound(result.path), 8);
    atLeast('beeps', times.length, 4);
    for (let i = 1; i < times.length; i++) atMost('beeps a second apart, ms off', Math.abs(times[i] - times[i - 1] - 1) * 1000, 5);
  });
}

test('two outputs of one job do not disturb each other', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(9, { video: { codec: 'h264' }, audio: true });
  const egress = compositeEgress({ video: ada.video.sid, audio: ada.audio.sid, encoding: null });
  const job = await scene.job(egress, [fileOutput(scene.folder, { id: 'one', name: 'one' })]);
  await job.elapsed(2000, 'one');
  await job.attach(fileOutput(scene.folder, { id: 'two', name: 'two' }));
  await job.elapsed(2000, 'two');
  await job.detach('two');
  const two = await job.fact('output_ended', { where: (f) => f.output === 'two' });
  await job.elapsed(6000, 'one');
  const one = await job.stop('one');
  await assertWhole(one);
  await assertWhole(two.fact.result);
  const all = await pictures(one.path);
  const some = await pictures(two.fact.result.path);
  const seen = cadence(all, { person: 9, fps: 30 });
  const part = cadence(some, { person: 9, fps: 30 });
  assert.deepEqual(part.missing, seen.missing.filter((n) => n > part.first && n < part.last), 'the same frames in both');
  atMost('frames missing in a row', seen.longestGap, 6);
});
