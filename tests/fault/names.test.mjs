// File names that would lead out of the folder, break a file system or write over another recording.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { test } from 'node:test';
import { fileOutput, trackEgress } from '../harness/job.mjs';
import { probe } from '../harness/media.mjs';
import { Scene } from '../harness/scene.mjs';

const HOSTILE = [
  '../../../out',
  '/etc/tallylight-was-here',
  '..',
  '.',
  'a/../../b',
  'back\\..\\slash',
  'nul\u0000byte',
  'line\nfeed\rand\u0007bell',
  'CON',
  'NUL.ogg',
  'aux.tar.ogg',
  'ends with dots...',
  'x'.repeat(300),
  '😀'.repeat(100),
  'ل'.repeat(200),
  'colon: star* question? <pipe|>',
  '{room_name}/{publisher_identity}-{time}',
];

test('a hostile name stays in the folder, and the recording is made', async (t) => {
  const scene = await Scene.open(t);
  scene.room = '../../hostile room/\\:*';
  const ada = await scene.person(1, { audio: true }, { identity: '../ada/../../x' });
  const folder = join(scene.folder, 'inner');
  mkdirSync(folder);
  const job = await scene.job(trackEgress(ada.audio.sid));
  await job.fact('armed');
  for (const [i, name] of HOSTILE.entries()) await job.attach(fileOutput(folder, { id: `o${i}`, name }));
  for (const i of HOSTILE.keys()) await job.elapsed(800, `o${i}`);
  await job.stop('o0');
  const ended = job.events.filter((e) => e.fact.type === 'output_ended');
  assert.equal(ended.length, HOSTILE.length);
  const seen = new Set();
  for (const { fact } of ended) {
    const { path, error } = fact.result;
    const name = HOSTILE[Number(fact.output.slice(1))];
    assert.equal(error, null, name);
    const within = relative(folder, path);
    assert.ok(within && !within.startsWith('..') && !within.startsWith('/'), `${name} leads to ${path}`);
    for (const part of within.split('/')) {
      assert.ok(Buffer.byteLength(part) <= 255, `${name}: a part of ${Buffer.byteLength(part)} bytes`);
      // Linux takes everything else, and what was asked for is kept.
      assert.ok(!part.includes('\0') && part !== '.' && part !== '..', name);
    }
    assert.ok(!seen.has(path), `${path} twice`);
    seen.add(path);
    assert.ok(statSync(path).size > 500);
    await probe(path);
  }
  assert.deepEqual(readdirSync(scene.folder), ['inner'], 'nothing beside the folder');
  assert.ok(!existsSync('/etc/tallylight-was-here.ogg'));
});

test('a name that is taken is not written over', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { audio: true });
  const paths = [];
  for (let i = 0; i < 3; i++) {
    const job = await scene.job(trackEgress(ada.audio.sid), [fileOutput(scene.folder, { name: 'same.ogg' })]);
    await job.elapsed(500);
    paths.push((await job.stop()).path);
  }
  assert.equal(new Set(paths).size, 3, `${paths}`);
  assert.equal(basename(paths[0]), 'same.ogg');
  for (const path of paths) await probe(path);
});
