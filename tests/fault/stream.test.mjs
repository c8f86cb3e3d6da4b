// Destinations that fail in every way there is, while a recording and a good destination go on.

import assert from 'node:assert/strict';
import { cadence, pictures } from '../harness/content.mjs';
import { RtmpServer, SrtListener } from '../harness/ingest.mjs';
import { fileOutput, participantEgress, PRESET, streamOutput } from '../harness/job.mjs';
import { packets } from '../harness/media.mjs';
import { memoryBytes } from '../harness/process.mjs';
import { Proxy } from '../harness/proxy.mjs';
import { assertWhole, atLeast, atMost, Scene } from '../harness/scene.mjs';
import { nowMs } from '../harness/schedule.mjs';
import { test } from '../harness/steady.mjs';
import { sleep, until } from '../harness/wait.mjs';

const SMALL = { ...PRESET, video: { ...PRESET.video, width: 640, height: 360, bitrate_bps: 800_000 } };

/** Noise, at a rate that fills the buffers of kernels, which take in some megabytes, within half a minute. */
const HEAVY = { ...PRESET, video: { ...SMALL.video, bitrate_bps: 4_000_000 } };

/** A recording with a good destination, and one behind a proxy that is yet to be attached. */
async function onAir(t, { heavy = false } = {}) {
  const scene = await Scene.open(t);
  const rtmp = await RtmpServer.start();
  scene.onClose(() => rtmp.stop());
  const proxy = await Proxy.to(rtmp.port);
  scene.onClose(() => proxy.stop());
  const video = heavy ? { codec: 'h264', noise: 0.25, bitrateBps: 3_000_000 } : { codec: 'h264' };
  const ada = await scene.person(1, { video, audio: true });
  const job = await scene.job(participantEgress(ada.identity, { encoding: heavy ? HEAVY : SMALL }), [
    fileOutput(scene.folder),
    streamOutput(rtmp.url('good'), { id: 'good' }),
  ]);
  await job.becomes('live', { output: 'good' });
  await job.elapsed(1000, 'good');
  const bad = streamOutput(`rtmp://127.0.0.1:${proxy.port}/live/bad`, { id: 'bad' });
  return { scene, rtmp, proxy, job, bad };
}

const gapsMs = (list) => list.slice(1).map((p, i) => (p.ptsS - list[i].ptsS) * 1000);

/** Stops the job: the file is whole, and the good destination has had every picture of it, in one connection. */
async function assertUntouched({ rtmp, job }) {
  const result = await job.stop();
  await assertWhole(result, { container: 'mp4' });
  assert.equal((await job.end()).status, 'complete');
  const recorded = await pictures(result.path);
  atMost('largest gap in the file, ms', Math.max(...gapsMs(recorded)), 50);
  assert.deepEqual(job.states('good'), ['connecting', 'live', 'stopped']);
  assert.equal(rtmp.kept('good').length, 1);
  const stream = await pictures(rtmp.kept('good')[0]);
  const frames = (list) => list.map((p) => p.code?.frame ?? null);
  const [some, all] = [frames(stream), frames(recorded)];
  const from = all.findIndex((_, at) => some.slice(0, 30).every((frame, i) => frame === all[at + i]));
  const till = Math.min(some.length, all.length - from);
  assert.deepEqual(some.slice(0, till), all.slice(from, from + till));
  atLeast('pictures', till, 61);
}

test('nobody listens: tried again and again, at growing distances, and live when somebody does', async (t) => {
  const air = await onAir(t);
  const { proxy, job, bad } = air;
  await proxy.refuse();
  await job.attach(bad);
  const { fact } = await job.becomes('reconnecting', { output: 'bad' });
  assert.match(fact.state.error.message, /Nobody takes streams/);
  await until('several tries', () => job.of('bad')?.destination.tries >= 4, { withinMs: 30_000 });
  assert.ok(job.of('bad').destination.next_try_ms <= 5000);
  assert.equal(job.states('bad').length, 2, 'told once');
  await proxy.open();
  const backMs = nowMs();
  const live = await job.becomes('live', { output: 'bad' });
  atMost('live after it listens, ms', live.heardMs - backMs, 10_000);
  await job.elapsed(1000, 'bad');
  await assertUntouched(air);
});

test('a black hole is noticed, and costs nobody anything', async (t) => {
  const air = await onAir(t);
  const { proxy, job, bad } = air;
  proxy.mode = 'hole';
  await job.attach(bad);
  await job.becomes('reconnecting', { output: 'bad', withinMs: 40_000 });
  proxy.mode = 'pass';
  await job.becomes('live', { output: 'bad', withinMs: 40_000 });
  await assertUntouched(air);
});

test('a server that takes the stream and then stops reading is noticed by its bytes and connected to anew', async (t) => {
  const air = await onAir(t, { heavy: true });
  const { proxy, job, bad } = air;
  proxy.mode = 'stall';
  await job.attach(bad);
  const live = await job.becomes('live', { output: 'bad' });
  // The kernels' buffers between here and there take in some megabytes first.
  const lost = await job.becomes('reconnecting', { output: 'bad', withinMs: 120_000 });
  assert.match(lost.fact.state.error.message, /stopped taking/, JSON.stringify(lost.fact));
  assert.ok(job.of('bad').dropped_frames > 0, 'what was left out is counted');
  // Until the server misses the connection that stands still, it says that the key is in use.
  proxy.mode = 'pass';
  proxy.cut();
  await job.becomes('live', { output: 'bad', after: live.seq, withinMs: 40_000 });
  await assertUntouched(air);
});

test('cut every five seconds: up again each time, from a whole picture, and never given up', async (t) => {
  const air = await onAir(t);
  const { proxy, rtmp, job, bad } = air;
  await job.attach(bad);
  await job.becomes('live', { output: 'bad' });
  proxy.cutEvery(5000);
  const lives = () => job.states('bad').filter((state) => state === 'live').length;
  await until('live five times', () => lives() >= 5, { withinMs: 90_000 });
  assert.ok(!job.states('bad').includes('refused'), job.states('bad').join());
  for (const kept of rtmp.kept('bad').slice(0, 4)) assert.ok((await packets(kept))[0].key, kept);
  await assertUntouched(air);
});

test('300 kb/s: pictures are left out there and nowhere else, and memory stays', async (t) => {
  const air = await onAir(t, { heavy: true });
  const { proxy, rtmp, job, bad } = air;
  await job.attach(bad);
  await job.becomes('live', { output: 'bad' });
  proxy.bytesPerS = 300_000 / 8;
  await until('pictures are left out', () => job.of('bad')?.dropped_frames > 30, { withinMs: 180_000 });
  const before = memoryBytes(job.pid);
  await sleep(10_000);
  atMost('more memory after 10 s, MB', (memoryBytes(job.pid) - before) / (1 << 20), 20);
  assert.equal(job.of('good').dropped_frames, job.of('file').dropped_frames);
  const list = cadence(await pictures(rtmp.kept('bad')[0]), { person: 1, fps: 30 });
  assert.equal(list.backwards, 0);
  await assertUntouched(air);
});

test('the server is away for 15 s: live again within 10 s of its return, the file complete', async (t) => {
  const scene = await Scene.open(t);
  const rtmp = await RtmpServer.start();
  scene.onClose(() => rtmp.stop());
  const ada = await scene.person(1, { video: { codec: 'h264' }, audio: true });
  const job = await scene.job(participantEgress(ada.identity, { encoding: SMALL }), [fileOutput(scene.folder), streamOutput(rtmp.url('key'))]);
  const first = await job.becomes('live');
  await job.elapsed(3000, 'stream');
  await rtmp.down();
  await job.becomes('reconnecting');
  await sleep(15_000);
  await rtmp.up();
  const backMs = nowMs();
  const again = await job.becomes('live', { after: first.seq });
  atMost('live after its return, ms', again.heardMs - backMs, 10_000);
  await sleep(2000);
  const result = await job.stop();
  await assertWhole(result);
  atMost('largest gap in the file, ms', Math.max(...gapsMs(await pictures(result.path))), 50);
  assert.equal(rtmp.kept('key').length, 2);
  for (const kept of rtmp.kept('key')) assert.ok((await packets(kept))[0].key);
});

test('an SRT receiver that goes and comes back is found again', async (t) => {
  const scene = await Scene.open(t);
  const srt = await SrtListener.start();
  scene.onClose(() => srt.stop());
  const ada = await scene.person(1, { video: { codec: 'h264' }, audio: true });
  const job = await scene.job(participantEgress(ada.identity, { encoding: SMALL }), [fileOutput(scene.folder), streamOutput(srt.url())]);
  const first = await job.becomes('live');
  await job.elapsed(2000, 'stream');
  await srt.down();
  await job.becomes('reconnecting');
  srt.up();
  await job.becomes('live', { after: first.seq });
  await assertWhole(await job.stop());
});

test('ten destinations, three of them dead in different ways: the seven and the file are complete', async (t) => {
  const scene = await Scene.open(t);
  const [rtmp, srt] = [await RtmpServer.start(), await SrtListener.start()];
  rtmp.refused.add('refused');
  const hole = await Proxy.to(rtmp.port);
  hole.mode = 'hole';
  for (const server of [rtmp, srt, hole]) scene.onClose(() => server.stop());
  const ada = await scene.person(1, { video: { codec: 'h264' }, audio: true });
  const good = ['a', 'b', 'c', 'd', 'e', 'f'];
  const job = await scene.job(participantEgress(ada.identity, { encoding: SMALL }), [
    fileOutput(scene.folder),
    ...good.map((key) => streamOutput(rtmp.url(key), { id: key })),
    streamOutput(srt.url(), { id: 'srt' }),
    streamOutput(rtmp.url('refused'), { id: 'refused' }),
    streamOutput(`rtmp://127.0.0.1:${hole.port}/live/hole`, { id: 'hole' }),
    streamOutput('rtmp://127.0.0.1:1/live/nobody', { id: 'nobody' }),
  ]);
  for (const id of [...good, 'srt']) await job.becomes('live', { output: id });
  await job.becomes('refused', { output: 'refused' });
  await job.elapsed(20_000, 'a');
  const result = await job.stop();
  await assertWhole(result);
  assert.equal((await job.end()).status, 'complete');
  const recorded = await pictures(result.path);
  atMost('largest gap in the file, ms', Math.max(...gapsMs(recorded)), 50);
  for (const id of [...good, 'srt']) assert.deepEqual(job.states(id), ['connecting', 'live', 'stopped'], id);
  for (const id of ['hole', 'nobody']) assert.deepEqual(job.states(id), ['connecting', 'reconnecting', 'failed'], id);
  assert.deepEqual(job.states('refused'), ['connecting', 'refused', 'failed']);
  for (const key of good) {
    assert.equal(rtmp.kept(key).length, 1);
    const list = await pictures(rtmp.kept(key)[0]);
    assert.ok(list.length > 18 * 30, `${key}: ${list.length} pictures`);
    atMost(`largest gap in ${key}, ms`, Math.max(...gapsMs(list)), 50);
  }
});
