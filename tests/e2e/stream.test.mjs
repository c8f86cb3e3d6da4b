// Live streams: to real servers, read back for what is in them, beside a file and alone.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { beeps, cadence, flashes, pictures, sync } from '../harness/content.mjs';
import { RtmpServer, SrtListener, tlsFront } from '../harness/ingest.mjs';
import { fileOutput, participantEgress, SMALL, streamOutput, trackEgress } from '../harness/job.mjs';
import { packets, probe, sound } from '../harness/media.mjs';
import { assertWhole, atLeast, atMost, Scene } from '../harness/scene.mjs';
import { nowMs } from '../harness/schedule.mjs';
import { test } from '../harness/steady.mjs';
import { sleep, until } from '../harness/wait.mjs';

const run = promisify(execFile);

/** Small, so that a busy machine keeps up with two encoders. */

const WEBM = {
  video: { ...SMALL.video, codec: 'vp8' },
  audio: { codec: 'opus', bitrate_bps: 128_000, sample_rate_hz: 48_000 },
};

async function sceneWith(t, ...servers) {
  const scene = await Scene.open(t);
  for (const server of servers) scene.onClose(() => server.stop());
  return scene;
}

/** The pictures of a stream, and what holds for all of them: H.264 and AAC, flash and beep together, no hole. */
async function assertStream(kept, { person = 1, seconds }) {
  // MPEG-TS begins an hour late, where ffmpeg's times are too coarse to measure by.
  const path = kept.endsWith('.ts') ? await fromZero(kept) : kept;
  const found = await probe(path);
  assert.deepEqual([found.video.codec_name, found.audio.codec_name], ['h264', 'aac']);
  assert.ok((await packets(path))[0].key, 'it begins with a whole picture');
  const list = await pictures(path);
  const seen = cadence(list, { person, fps: 30 });
  assert.deepEqual([seen.backwards, seen.others], [0, 0]);
  assert.ok(seen.last - seen.first >= seconds * 30, `${(seen.last - seen.first) / 30} s of pictures`);
  atMost('largest gap between pictures, ms', largestGapMs(list), 50);
  const heard = await sound(path);
  assert.deepEqual(heard.holes, []);
  const together = sync(flashes(list), beeps(heard, person));
  atLeast(`flashes with beeps in ${seconds} s`, together.pairs.length, seconds - 2);
  atMost('flash against beep, p80, ms', together.p80Ms, 40);
  return list;
}

const largestGapMs = (list) => list.slice(1).reduce((most, p, i) => Math.max(most, (p.ptsS - list[i].ptsS) * 1000), 0);

/** One encode for all: a stream has picture for picture what the recording has from there on. */
function assertSamePictures(stream, recorded) {
  const frames = (list) => list.map((p) => p.code?.frame ?? null);
  const [some, all] = [frames(stream), frames(recorded)];
  const from = all.findIndex((_, at) => some.slice(0, 30).every((frame, i) => frame === all[at + i]));
  assert.ok(from >= 0, `the stream begins with what the recording has: ${some.slice(0, 30)}`);
  const till = Math.min(some.length, all.length - from);
  assert.deepEqual(some.slice(0, till), all.slice(from, from + till));
  return till;
}

async function fromZero(path) {
  const copy = path.replace(/ts$/, 'mkv');
  await run('ffmpeg', ['-nostdin', '-v', 'error', '-y', '-i', path, '-c', 'copy', copy]);
  return copy;
}

test('RTMP, SRT and a file at once: each is whole', async (t) => {
  const [rtmp, srt] = [await RtmpServer.start(), await SrtListener.start({ passphrase: 'ten or more' })];
  const scene = await sceneWith(t, rtmp, srt);
  const ada = await scene.person(1, { video: { codec: 'h264' }, audio: true });
  const job = await scene.job(participantEgress(ada.identity, { encoding: SMALL }), [
    fileOutput(scene.folder),
    streamOutput(rtmp.url('one'), { id: 'rtmp' }),
    streamOutput(srt.url('?passphrase=ten%20or%20more&streamid=a/b&latency=200'), { id: 'srt' }),
  ]);
  await job.becomes('live', { output: 'rtmp' });
  await job.becomes('live', { output: 'srt' });
  await job.elapsed(8000, 'srt');
  assert.ok(job.of('srt').destination.rtt_ms > 0, 'SRT tells its round trip');
  assert.ok(job.of('rtmp').destination.uptime_ms > 4000);
  assert.ok(job.of('rtmp').bitrate_bps > 100_000, `${job.of('rtmp').bitrate_bps} b/s`);
  const result = await job.stop();
  await assertWhole(result, { container: 'mp4' });
  assert.equal((await job.end()).status, 'complete');
  assert.deepEqual(job.states('rtmp'), ['connecting', 'live', 'stopped']);
  assert.deepEqual(job.states('srt'), ['connecting', 'live', 'stopped']);
  const recorded = await assertStream(result.path, { seconds: 7 });
  for (const kept of [rtmp.kept('one')[0], srt.file]) {
    assertSamePictures(await assertStream(kept, { seconds: 6 }), recorded);
  }
});

test('an RTMP destination is added to a recording and taken away, and costs it nothing', async (t) => {
  const rtmp = await RtmpServer.start();
  const scene = await sceneWith(t, rtmp);
  const ada = await scene.person(1, { video: { codec: 'vp8' }, audio: true });
  const job = await scene.job(participantEgress(ada.identity, { encoding: SMALL }), [fileOutput(scene.folder), streamOutput(rtmp.url('first'), { id: 'first' })]);
  await job.becomes('live', { output: 'first' });
  await job.elapsed(3000);
  const addedMs = nowMs();
  await job.attach(streamOutput(rtmp.url('second'), { id: 'second' }));
  const live = await job.becomes('live', { output: 'second' });
  assert.ok(live.heardMs - addedMs < 20_000);
  await job.elapsed(4000, 'second');
  await job.detachStream(rtmp.url('second'));
  await job.becomes('stopped', { output: 'second' });
  await job.elapsed(10_000);
  await job.detach('first');
  await job.becomes('stopped', { output: 'first' });
  // The recording goes on without any stream.
  const heldMs = job.of('file').elapsed_ms;
  await job.elapsed(heldMs + 2000);
  const result = await job.stop();
  await assertWhole(result, { container: 'mp4' });
  const recorded = await assertStream(result.path, { seconds: 11 });
  assertSamePictures(await assertStream(rtmp.kept('first')[0], { seconds: 8 }), recorded);
  assertSamePictures(await assertStream(rtmp.kept('second')[0], { seconds: 3 }), recorded);
});

test('a WebM recording in VP8 is streamed in H.264', async (t) => {
  const rtmp = await RtmpServer.start();
  const scene = await sceneWith(t, rtmp);
  const ada = await scene.person(1, { video: { codec: 'vp8' }, audio: true });
  const job = await scene.job(participantEgress(ada.identity, { encoding: WEBM }), [fileOutput(scene.folder, { container: 'webm' })]);
  await job.elapsed(2000);
  await job.attach(streamOutput(rtmp.url('webm')));
  await job.elapsed(6000, 'stream');
  const result = await job.stop();
  const found = await assertWhole(result, { container: 'webm' });
  assert.deepEqual([found.video.codec_name, found.audio.codec_name], ['vp8', 'opus']);
  await assertStream(rtmp.kept('webm')[0], { seconds: 4 });
});

test('a recording as published is streamed too, and stays as published', async (t) => {
  const rtmp = await RtmpServer.start();
  const scene = await sceneWith(t, rtmp);
  const ada = await scene.person(1, { video: { codec: 'vp8' } });
  const job = await scene.job(trackEgress(ada.video.sid), [fileOutput(scene.folder)]);
  await job.elapsed(2000);
  await job.attach(streamOutput(rtmp.url('track')));
  await job.elapsed(5000, 'stream');
  const result = await job.stop();
  const found = await assertWhole(result, { container: 'webm' });
  assert.equal(found.video.codec_name, 'vp8');
  const file = cadence(await pictures(result.path), { person: 1, fps: 30 });
  assert.deepEqual([file.missing, file.repeated], [[], 0]);
  const kept = rtmp.kept('track')[0];
  assert.equal((await probe(kept)).video.codec_name, 'h264');
  const seen = cadence(await pictures(kept), { person: 1, fps: 30 });
  assert.ok(seen.last - seen.first > 4 * 30, JSON.stringify(seen));
  atMost('frames missing in the stream', seen.missing.length, 15);
});

test('a job of streams alone ends with the last one that is taken away', async (t) => {
  const rtmp = await RtmpServer.start();
  const scene = await sceneWith(t, rtmp);
  const ada = await scene.person(1, { video: { codec: 'h264' }, audio: true });
  const job = await scene.job(participantEgress(ada.identity, { encoding: SMALL }), [streamOutput(rtmp.url('a'), { id: 'a' }), streamOutput(rtmp.url('b'), { id: 'b' })]);
  await job.elapsed(3000, 'a');
  await job.elapsed(3000, 'b');
  await job.detach('a');
  await job.becomes('stopped', { output: 'a' });
  await job.elapsed(5000, 'b');
  await assert.rejects(job.detachStream(rtmp.url('never')), (error) => /^stream .* not found$/.test(error.detail));
  await job.detachStream(rtmp.url('b'));
  assert.deepEqual(await job.end(), { type: 'ended', status: 'complete', error: null });
  assert.equal((await job.fact('ending')).fact.reason, 'streams_stopped');
  await assertStream(rtmp.kept('b')[0], { seconds: 4 });
});

test('a wrong key is refused, not hammered, and tried again when the operator says so', async (t) => {
  const rtmp = await RtmpServer.start();
  rtmp.refused.add('wrong');
  const scene = await sceneWith(t, rtmp);
  const ada = await scene.person(1, { video: { codec: 'h264' }, audio: true });
  const job = await scene.job(participantEgress(ada.identity, { encoding: SMALL }), [fileOutput(scene.folder), streamOutput(rtmp.url('wrong'))]);
  const refused = await job.becomes('refused');
  const { error } = refused.fact.state;
  assert.equal(error.fault, 'destination');
  assert.match(error.message, /key/);
  assert.ok(error.remedy);
  await sleep(6000);
  assert.deepEqual(rtmp.publishers, ['wrong'], 'asked once');
  assert.deepEqual(job.states(), ['connecting', 'refused']);
  rtmp.refused.clear();
  await job.retry('stream');
  await job.becomes('live');
  await rtmp.receives('wrong', 100_000);
  await assert.rejects(job.retry('stream'), (error) => error.code === 'failed_precondition');
  const result = await job.stop();
  await assertWhole(result);
  assert.equal((await job.end()).status, 'complete');
});

test('a job whose only stream is refused fails and says why', async (t) => {
  const rtmp = await RtmpServer.start();
  rtmp.refused.add('wrong');
  const scene = await sceneWith(t, rtmp);
  const ada = await scene.person(1, { video: { codec: 'h264' }, audio: true });
  const job = await scene.job(participantEgress(ada.identity, { encoding: SMALL }), [streamOutput(rtmp.url('wrong'))]);
  const end = await job.end();
  assert.equal(end.status, 'failed');
  assert.match(end.error.message, /key/);
});

test('SRT: a wrong passphrase is refused, not hammered', async (t) => {
  const srt = await SrtListener.start({ passphrase: 'the right words' });
  const scene = await sceneWith(t, srt);
  const ada = await scene.person(1, { video: { codec: 'h264' }, audio: true });
  const job = await scene.job(participantEgress(ada.identity, { encoding: SMALL }), [fileOutput(scene.folder), streamOutput(srt.url('?passphrase=the%20wrong%20words'))]);
  const { fact } = await job.becomes('refused');
  assert.match(fact.state.error.remedy, /passphrase/);
  await sleep(5000);
  assert.deepEqual(job.states(), ['connecting', 'refused']);
  await job.elapsed(3000);
  await assertWhole(await job.stop());
});

test('RTMPS: a certificate that nobody vouches for is refused, unless it is allowed', async (t) => {
  const rtmp = await RtmpServer.start();
  const front = await tlsFront(rtmp.port);
  const scene = await sceneWith(t, rtmp, front);
  const ada = await scene.person(1, { video: { codec: 'h264' }, audio: true });
  const url = `rtmps://localhost:${front.port}/live/tls`;
  const job = await scene.job(participantEgress(ada.identity, { encoding: SMALL }), [
    fileOutput(scene.folder),
    streamOutput(url, { id: 'strict' }),
    streamOutput(url, { id: 'lax', anyCertificate: true }),
  ]);
  const { fact } = await job.becomes('refused', { output: 'strict' });
  assert.match(fact.state.error.message, /certificate/);
  await job.becomes('live', { output: 'lax' });
  await job.elapsed(4000, 'lax');
  await assertWhole(await job.stop());
  await assertStream(rtmp.kept('tls')[0], { seconds: 3 });
});

test('keys are nowhere but on the way to the server', async (t) => {
  const [rtmp, srt] = [await RtmpServer.start(), await SrtListener.start({ passphrase: 'planted-passphrase' })];
  rtmp.refused.add('planted-wrong-key');
  const scene = await sceneWith(t, rtmp, srt);
  const ada = await scene.person(1, { video: { codec: 'h264' }, audio: true });
  const job = await scene.job(
    participantEgress(ada.identity, { encoding: SMALL }),
    [
      fileOutput(scene.folder),
      streamOutput(rtmp.url('planted-good-key?sign=planted-token'), { id: 'good' }),
      streamOutput(rtmp.url('planted-wrong-key'), { id: 'wrong' }),
      streamOutput('rtmp://127.0.0.1:9/live/planted-lost-key', { id: 'lost' }),
      streamOutput(srt.url('?passphrase=planted-passphrase&streamid=planted-stream-id'), { id: 'srt' }),
    ],
    { env: { RUST_LOG: 'trace' } },
  );
  await job.becomes('live', { output: 'good' });
  await job.becomes('live', { output: 'srt' });
  await job.becomes('refused', { output: 'wrong' });
  await job.becomes('reconnecting', { output: 'lost' });
  await job.attach(streamOutput(rtmp.url('planted-late-key'), { id: 'late' }));
  await job.becomes('live', { output: 'late' });
  await assert.rejects(job.detachStream(rtmp.url('planted-unknown-key')));
  await assert.rejects(job.attach(streamOutput(rtmp.url('planted-late-key'), { id: 'late' })));
  const shown = [readFileSync(`/proc/${job.pid}/cmdline`, 'utf8'), readFileSync(`/proc/${job.pid}/environ`, 'utf8'), JSON.stringify(job.figures)];
  await job.stop();
  await job.end();
  shown.push(job.told(), job.stderr, readFileSync(`${job.folder}/job.log`, 'utf8'), readFileSync(`${job.folder}/events.jsonl`, 'utf8'));
  assert.ok(shown.at(-2).length > 1000, 'there is a log');
  for (const text of shown) assert.doesNotMatch(text, /planted-/);
});

test('a person who is late is waited for, and then the stream begins', async (t) => {
  const rtmp = await RtmpServer.start();
  const scene = await sceneWith(t, rtmp);
  const ada = await scene.person(1, { audio: true });
  const job = await scene.job(participantEgress(ada.identity, { encoding: SMALL }), [streamOutput(rtmp.url('late'))]);
  await until('the job runs', () => job.events.some((e) => e.fact.type === 'connection'));
  await ada.publishVideo({ codec: 'h264' });
  await job.elapsed(5000, 'stream');
  await job.stopStreams();
  assert.equal((await job.end()).status, 'complete');
});
