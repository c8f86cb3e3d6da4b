// Storage without keys: what the service's own identity may upload, and what is left of it here.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { EncodedFileOutput, EncodedFileType, S3Upload, SegmentedFileOutput } from 'livekit-server-sdk';
import { Scene } from '../harness/scene.mjs';
import { Service } from '../harness/service.mjs';
import { Minio } from '../harness/stores.mjs';
import { until } from '../harness/wait.mjs';

test('the configuration and a request name a bucket alone', { timeout: 120_000 }, async (t) => {
  const scene = await Scene.open(t);
  await scene.person(1, { audio: true });
  const minio = await Minio.start();
  scene.onClose(() => minio.stop());
  // Keys where every SDK of AWS looks for them.
  const home = await mkdtemp(join(tmpdir(), 'tl-serve-'));
  scene.onClose(() => rm(home, { recursive: true, force: true }));
  await mkdir(join(home, '.aws'));
  const keys = `[recorder]\naws_access_key_id = ${minio.key}\naws_secret_access_key = ${minio.secret}\n`;
  await writeFile(join(home, '.aws/credentials'), keys);
  const place = { bucket: minio.bucket, endpoint: minio.url };
  const storage = { prefix: 'all', s3: { ...place, force_path_style: true } };
  const env = { AWS_PROFILE: 'recorder', AWS_ACCESS_KEY_ID: '', AWS_EC2_METADATA_DISABLED: 'true' };
  const service = await Service.start(scene, { config: { storage }, env, home });

  const file = new EncodedFileOutput({ filepath: 'a/b/show.ogg', fileType: EncodedFileType.OGG });
  const own = { case: 's3', value: new S3Upload({ ...place, forcePathStyle: true }) };
  const segments = new SegmentedFileOutput({ filenamePrefix: 'hls/part', playlistName: 'hls/list.m3u8', segmentDuration: 2, output: own });
  const started = await Promise.all([
    service.egress.startParticipantEgress(scene.room, 'person-1', { file }),
    service.egress.startParticipantEgress(scene.room, 'person-1', { segments }),
  ]);
  const ids = started.map(({ egressId }) => egressId);
  for (const id of ids) await service.reaches(id, 'ACTIVE');
  await until('a segment is there', () => existsSync(join(minio.folder, minio.bucket, 'all/hls/part_00001.ts')));
  const [ofFile, ofSegments] = await Promise.all(ids.map((id) => service.finish(id)));
  assert.equal(ofFile.fileResults[0].location, `${minio.url}/${minio.bucket}/all/a/b/show.ogg`);
  assert.equal(ofSegments.segmentResults[0].playlistLocation, `${minio.url}/${minio.bucket}/all/hls/list.m3u8`);
  for (const name of ['a/b/show.ogg', 'hls/list.m3u8', 'hls/part_00000.ts'])
    assert.ok(existsSync(join(minio.folder, minio.bucket, 'all', name)), name);

  // Nothing stays here: no file, no list, no empty folder; and the keys are where they were, and nowhere else.
  for (const id of ids) await until(`nothing is left of ${id}`, () => !existsSync(join(scene.folder, id)));
  assert.doesNotMatch(service.log, new RegExp(minio.secret));
  assert.match(service.log, /profile "recorder"|profile \\"recorder\\"/);
  const kept = await readdir(join(home, 'studio'), { recursive: true, withFileTypes: true });
  for (const entry of kept.filter((entry) => entry.isFile())) {
    const bytes = await readFile(join(entry.parentPath, entry.name));
    assert.ok(!bytes.includes(minio.secret), entry.name);
  }
});
