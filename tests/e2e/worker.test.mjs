// The worker's command line: what scripts rely on.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';
import { beeps, cadence, pictures } from '../harness/content.mjs';
import { fileOutput, jobProgram, participantEgress } from '../harness/job.mjs';
import { decodeErrors, probe, sound } from '../harness/media.mjs';
import { Scene } from '../harness/scene.mjs';
import { site } from '../harness/site.mjs';
import { Worker } from '../harness/studio.mjs';

test('records a person for some seconds, and prints the path last', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { video: { codec: 'vp8' }, audio: true });
  const how = ['--preset', 'H264_720P_30', '--seconds', '5', '--manifest'];
  const worker = await scene.worker(['--identity', ada.identity, ...how]);
  const { code } = await worker.ended();
  assert.equal(code, 0, worker.stderr);
  assert.equal(worker.stdout.trim(), worker.path, 'nothing else on standard output');
  assert.equal(dirname(worker.path), scene.folder);
  const found = await probe(worker.path);
  assert.ok(Math.abs(found.durationS - 5) < 1, `${found.durationS} s`);
  assert.deepEqual([found.video.codec_name, found.audio.codec_name], ['h264', 'aac']);
  assert.deepEqual(await decodeErrors(worker.path), []);
  assert.ok(cadence(await pictures(worker.path), { person: 1, fps: 30 }).frames > 110);
  assert.doesNotMatch(worker.stdout + worker.stderr, new RegExp(scene.server.secret));

  const [name, ...others] = readdirSync(scene.folder).filter((file) => file.endsWith('.json'));
  assert.deepEqual(others, []);
  const manifest = JSON.parse(readFileSync(join(scene.folder, name), 'utf8'));
  assert.equal(name, `${manifest.egress_id}.json`);
  assert.deepEqual(manifest.files, [{ filename: basename(worker.path), location: worker.path }]);
  assert.deepEqual(
    [manifest.room_name, manifest.publisher_identity, manifest.video_track_id, manifest.audio_track_id],
    [scene.room, ada.identity, ada.video.sid, ada.audio.sid],
  );
  assert.match(manifest.room_id, /^RM_/);
  assert.ok(Math.abs((manifest.ended_at - manifest.started_at) / 1e9 - found.durationS) < 0.1);
});

test('the encoder that this computer has is found, used and named', async (t) => {
  const found = JSON.parse(execFileSync(jobProgram(), ['probe'], { encoding: 'utf8' }));
  assert.match(found.encoder, /^(x264|NVENC|VA-API|VideoToolbox|Media Foundation)$/);
  assert.equal(found.hardware, found.encoder !== 'x264');
  for (const { message, remedy } of found.problems) assert.ok(message && remedy);
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { video: { codec: 'vp8' } });
  const job = await scene.job(participantEgress(ada.identity), [fileOutput(scene.folder)]);
  await job.elapsed(1000);
  assert.equal(job.figures.encoder, found.encoder);
  await job.stop();
});

test('Ctrl-C stops and finishes', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { video: { codec: 'h264' }, audio: true });
  const tracks = ['--video-track', ada.video.sid, '--audio-track', ada.audio.sid, '--as-published'];
  const worker = await scene.worker(tracks);
  // A line comes every two seconds, and not at each second.
  await worker.says(/00:00:0[3-9]/);
  worker.child.kill('SIGINT');
  const { code } = await worker.ended();
  assert.equal(code, 0, worker.stderr);
  const found = await probe(worker.path);
  assert.deepEqual([found.video.codec_name, found.audio.codec_name], ['h264', 'opus']);
  assert.ok(cadence(await pictures(worker.path), { person: 1, fps: 30 }).frames > 60);
});

test('a track into a file that is named by a template', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { audio: true });
  const worker = await scene.worker(['--track', ada.audio.sid, '--seconds', '3', '--name', '{room_name}/{publisher_identity}']);
  const { code } = await worker.ended();
  assert.equal(code, 0, worker.stderr);
  assert.equal(worker.path, `${scene.folder}/${scene.room}/${ada.identity}.ogg`);
  assert.ok(existsSync(worker.path));
});

test('a person who is not there, and an address where nobody answers, are said to be so', async (t) => {
  const scene = await Scene.open(t);
  await scene.person(1, { audio: true });
  const nobody = await scene.worker(['--identity', 'nobody', '--seconds', '1']);
  assert.notEqual((await nobody.ended(90_000)).code, 0);
  assert.match(nobody.stderr, /nobody|person|participant/i);
  const args = ['record', '--url', 'ws://127.0.0.1:9', '--room', 'r', '--identity', 'a', '--out', scene.folder];
  const lost = await Worker.start(args, { server: scene.server });
  t.after(() => lost.clean());
  assert.notEqual((await lost.ended(90_000)).code, 0);
  assert.match(lost.stderr, /answer|reach|connect/i);
});

test('records the whole room in a layout, and says which room it was', { timeout: 120_000 }, async (t) => {
  const scene = await Scene.open(t);
  await scene.person(1, { video: { codec: 'vp8' }, audio: true });
  const worker = await scene.worker(['--layout', 'single-speaker', '--seconds', '5', '--manifest', '--name', '{room_id}']);
  const { code } = await worker.ended();
  assert.equal(code, 0, worker.stderr);
  assert.match(basename(worker.path), /^RM_\w+\.mp4$/);
  const list = await pictures(worker.path);
  assert.ok(cadence(list, { person: 1, fps: 30 }).frames > list.length * 0.9);
  const name = readdirSync(scene.folder).find((file) => file.endsWith('.json'));
  assert.match(JSON.parse(readFileSync(join(scene.folder, name), 'utf8')).room_id, /^RM_/);
});

test('records a web page without any server', { timeout: 120_000 }, async (t) => {
  const scene = await Scene.open(t);
  const { base } = await site(scene);
  const args = ['record', '--web-url', `${base}/flashes`, '--audio-only', '--seconds', '4', '--out', scene.folder];
  const worker = await Worker.start(args, { server: null });
  t.after(() => worker.clean());
  const { code } = await worker.ended();
  assert.equal(code, 0, worker.stderr);
  const found = await probe(worker.path);
  assert.equal(found.video, undefined);
  assert.ok(beeps(await sound(worker.path), 1).length >= 3);
});
