// A recording job dies without warning. What it had recorded stays playable, up to about its last second.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beeps, cadence, flashes, pictures, sync } from '../harness/content.mjs';
import { compositeEgress, fileOutput, jobProgram, participantEgress, proxyOutput, trackEgress } from '../harness/job.mjs';
import { boxes, decodeErrors, sound } from '../harness/media.mjs';
import { atMost, frameMs, Scene } from '../harness/scene.mjs';
import { test } from '../harness/steady.mjs';
import { sleep } from '../harness/wait.mjs';

const run = promisify(execFile);

/** Repairs a file and returns what the program says of it. */
async function repair(path) {
  const { stdout } = await run(jobProgram(), ['repair', path]);
  return JSON.parse(stdout);
}

const CASES = [
  {
    what: 'H.264 as published',
    media: { video: { codec: 'h264' } },
    egress: (ada) => trackEgress(ada.video.sid),
    afterMs: 6000,
  },
  {
    what: 'VP8 as published',
    media: { video: { codec: 'vp8' } },
    egress: (ada) => trackEgress(ada.video.sid),
    afterMs: 6000,
  },
  {
    what: 'picture and sound as published, soon after the start',
    media: { video: { codec: 'h264' }, audio: true },
    egress: (ada) => compositeEgress({ video: ada.video.sid, audio: ada.audio.sid, encoding: null }),
    afterMs: 1500,
  },
  {
    what: 'a person, re-encoded',
    media: { video: { codec: 'vp8' }, audio: true },
    egress: (ada) => participantEgress(ada.identity),
    afterMs: 6000,
  },
];

for (const { what, media, egress, afterMs } of CASES) {
  test(`SIGKILL of the job: ${what}`, async (t) => {
    const scene = await Scene.open(t);
    const ada = await scene.person(1, media);
    const job = await scene.job(egress(ada), [fileOutput(scene.folder)]);
    await job.elapsed(afterMs);
    // Not in step with fragments or seconds.
    await sleep(Math.random() * 900);
    await job.kill();
    const { path } = job.logged().find((e) => e.fact.type === 'output_opening').fact;

    const check = async (file, state) => {
      const list = await pictures(file);
      const seen = cadence(list, { person: 1, fps: 30 });
      assert.ok(seen.frames > 0, `${state}: nothing to see`);
      atMost(`${state}: material lost, ms`, job.killedMs - frameMs(ada, seen.last), 1000);
      if (media.audio) {
        const heard = await sound(file);
        const endS = heard.startS + heard.samples.length / 48000;
        const videoEndS = list.at(-1).ptsS;
        atMost(`${state}: sound ends before the picture, s`, videoEndS - endS, 1);
        const together = sync(flashes(list), beeps(heard, 1));
        if (together.pairs.length > 2) atMost(`${state}: flash against beep, p80, ms`, together.p80Ms, 20);
      }
      return seen;
    };
    // As it lies there, before anything of ours has touched it. The cut at the very end may be noticed.
    const copy = join(scene.folder, `as-it-lay${path.slice(path.lastIndexOf('.'))}`);
    copyFileSync(path, copy);
    const before = await check(copy, 'untouched');

    const result = await repair(path);
    assert.equal(result.error, null);
    assert.equal(result.path, path);
    const after = await check(path, 'repaired');
    assert.ok(after.frames >= before.frames - 1, `${after.frames} of ${before.frames} frames are left`);
    assert.deepEqual(await decodeErrors(path), []);
    if (path.endsWith('.mp4')) {
      const types = (await boxes(path)).map((b) => b.type);
      assert.ok(types.includes('moov') && !types.includes('moof'), `an ordinary MP4, not ${types}`);
    }
    // Once more does no harm.
    const again = await repair(path);
    assert.equal(again.size_bytes, result.size_bytes);
  });
}

test('SIGKILL of a job with a proxy leaves it and its master playable', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { video: { codec: 'h264' }, audio: true });
  const job = await scene.job(participantEgress(ada.identity), [fileOutput(scene.folder), proxyOutput(scene.folder)]);
  await job.elapsed(5000, 'proxy');
  await sleep(Math.random() * 900);
  await job.kill();
  const opened = job.logged().filter((e) => e.fact.type === 'output_opening').map((e) => e.fact.path);
  assert.deepEqual(opened, ['show.mp4', 'show-proxy.mp4'].map((name) => join(scene.folder, name)));
  const begun = [];
  for (const path of opened) {
    const result = await repair(path);
    assert.equal(result.error, null);
    assert.deepEqual(await decodeErrors(path), []);
    const types = (await boxes(path)).map((b) => b.type);
    assert.ok(types.includes('moov') && !types.includes('moof'), `an ordinary MP4, not ${types}`);
    const seen = cadence(await pictures(path), { person: 1, fps: 30 });
    atMost(`${path}: material lost, ms`, job.killedMs - frameMs(ada, seen.last), 1500);
    begun.push(seen.first);
  }
  assert.equal(begun[1], begun[0], 'they begin with the same picture');
});

test('SIGKILL before the first media leaves nothing that claims to be a recording', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { audio: true });
  const job = await scene.job(participantEgress('nobody-yet'), [fileOutput(scene.folder)]);
  await job.fact('room_joined');
  await job.kill();
  const opened = job.logged().find((e) => e.fact.type === 'output_opening');
  if (opened) {
    const failed = await run(jobProgram(), ['repair', opened.fact.path]).catch((error) => error);
    assert.equal(failed.code, 1);
    const said = JSON.parse(failed.stdout);
    assert.ok(said.message && said.code, failed.stdout);
  }
  assert.ok(ada);
});

test('SIGTERM finishes the file', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { video: { codec: 'h264' }, audio: true });
  const egress = compositeEgress({ video: ada.video.sid, audio: ada.audio.sid, encoding: null });
  const job = await scene.job(egress, [fileOutput(scene.folder)]);
  await job.elapsed(3000);
  job.kill('SIGTERM');
  const result = await job.result();
  assert.equal((await job.fact('ending')).fact.reason, 'process_killed');
  assert.deepEqual(await decodeErrors(result.path), []);
  const seen = cadence(await pictures(result.path), { person: 1, fps: 30 });
  atMost('material lost, ms', job.killedMs - frameMs(ada, seen.last), 500);
});

test('SIGHUP and a studio that is gone end nothing', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { video: { codec: 'vp8' } });
  const job = await scene.job(trackEgress(ada.video.sid), [fileOutput(scene.folder)]);
  await job.elapsed(1500);
  process.kill(job.pid, 'SIGHUP');
  const known = job.events.length;
  job.disconnect();
  await sleep(3000);
  assert.equal(job.exit, undefined);
  await job.connect();
  await job.elapsed(4500);
  const result = await job.stop();
  const numbers = job.events.map((e) => e.seq);
  assert.deepEqual(numbers, numbers.map((_, i) => i + 1), 'every fact once, none lost');
  assert.ok(job.events.length > known);
  atMost('frames missing in a row', cadence(await pictures(result.path), { person: 1, fps: 30 }).longestGap, 6);
});
