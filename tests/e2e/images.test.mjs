// Images of the program at an interval, in all their ways of being named.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pictures } from '../harness/content.mjs';
import { fileOutput, imagesOutput, participantEgress, SMALL } from '../harness/job.mjs';
import { probe } from '../harness/media.mjs';
import { assertWhole, atMost, Scene } from '../harness/scene.mjs';
import { test } from '../harness/steady.mjs';

test('images beside a file and beside each other', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { video: { codec: 'h264' }, audio: true });
  const job = await scene.job(participantEgress(ada.identity, { encoding: SMALL }), [
    fileOutput(scene.folder),
    imagesOutput(scene.folder, { id: 'counted', prefix: 'a/counted', manifest: true }),
    imagesOutput(scene.folder, { id: 'timed', prefix: 'timed', suffix: 'timestamp', everyS: 2, width: 320 }),
    imagesOutput(scene.folder, { id: 'newest', prefix: 'newest', suffix: 'overwrite', width: 200, height: 200 }),
  ]);
  await job.elapsed(6500, 'counted');
  const file = await job.stop();
  await assertWhole(file, { container: 'mp4' });
  assert.equal((await job.end()).status, 'complete');

  const counted = readdirSync(join(scene.folder, 'a')).filter((name) => name.endsWith('.jpeg')).sort();
  assert.ok(counted.length >= 7, `${counted}`);
  assert.deepEqual(counted, counted.map((_, n) => `counted_${String(n).padStart(5, '0')}.jpeg`));
  const codes = [];
  for (const name of counted) {
    const path = join(scene.folder, 'a', name);
    const { video } = await probe(path);
    assert.deepEqual([video.codec_name, video.width, video.height], ['mjpeg', 640, 360]);
    codes.push((await pictures(path))[0].code);
  }
  for (const [n, code] of codes.entries()) {
    assert.equal(code.person, 1);
    if (n) atMost('frames from one image to the next, against 30', Math.abs(code.frame - codes[n - 1].frame - 30), 2);
  }

  const timed = readdirSync(scene.folder).filter((name) => name.startsWith('timed_')).sort();
  assert.ok(timed.length >= 3 && timed.every((name) => /^timed_\d{17}\.jpeg$/.test(name)), `${timed}`);
  const { video } = await probe(join(scene.folder, timed[0]));
  assert.deepEqual([video.width, video.height], [320, 180]);
  const newest = await probe(join(scene.folder, 'newest.jpeg'));
  assert.deepEqual([newest.video.width, newest.video.height], [200, 200]);
  assert.deepEqual(readdirSync(scene.folder, { recursive: true }).filter((name) => name.endsWith('.part')), []);

  const sets = Object.fromEntries(job.events.filter((e) => e.fact.type === 'set').map((e) => [e.fact.output, e.fact.set]));
  assert.deepEqual(sets.counted, { of: 'images', prefix: 'a/counted', count: counted.length });
  assert.ok(sets.newest.count >= 6);
  const manifest = JSON.parse(readFileSync(join(scene.folder, 'a', `${job.id}.json`), 'utf8'));
  assert.deepEqual(manifest.images.map((image) => image.filename), counted.map((name) => `a/${name}`));
});

test('images alone, while the picture comes and goes', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { video: { codec: 'vp8' } });
  const job = await scene.job(participantEgress(ada.identity, { encoding: { ...SMALL, audio: null } }), [imagesOutput(scene.folder)]);
  await job.elapsed(3000, 'images');
  await job.stopStreams();
  const result = await job.result('images');
  assert.equal((await job.end()).status, 'complete');
  assert.equal(result.path, scene.folder);
  assert.ok(existsSync(join(scene.folder, 'shot_00003.jpeg')));
  assert.equal((await pictures(join(scene.folder, 'shot_00002.jpeg')))[0].code.person, 1);
});
