// Files are called what was asked for, character by character: in a bucket, on the disk, in answers, and in playlists.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { probe } from '../harness/media.mjs';
import { Scene } from '../harness/scene.mjs';
import { Service } from '../harness/service.mjs';
import { Minio } from '../harness/stores.mjs';
import { sleep } from '../harness/wait.mjs';

const addresses = (playlist) => playlist.split('\n').filter((line) => line && !line.startsWith('#'));

test('names with everything in them, and a room whose name is a path', { timeout: 120_000 }, async (t) => {
  const scene = await Scene.open(t);
  scene.room = 'acme/daily|ep:1';
  const minio = await Minio.start();
  scene.onClose(() => minio.stop());
  await scene.person(1, { audio: true });
  const service = await Service.start(scene);
  const s3 = { access_key: minio.key, secret: minio.secret, endpoint: minio.url, bucket: minio.bucket, region: 'us-east-1', force_path_style: true };
  const common = { room_name: scene.room, identity: 'person-1' };
  const start = async (request) => {
    const { status, json, text } = await service.call('StartParticipantEgress', { ...common, ...request });
    assert.equal(status, 200, text);
    return json;
  };
  const segments = { filename_prefix: '{room_name}/seg #1: 100%+|"?', playlist_name: '{room_name}/list ?#', segment_duration: 2 };
  const stored = await start({
    // Where recordings go on this computer means nothing in a bucket.
    file_outputs: [{ file_type: 'MP4', filepath: `${scene.folder}/ rec: *?"<>\\%41+#/./{room_name}//\u{1F469} a. .mp4`, s3 }],
    segment_outputs: [{ ...segments, s3 }],
  });
  const here = await start({ file_outputs: [{ file_type: 'MP4', filepath: '{room_name}/ .a:b|c*d?"<>\\e%41 .mp4' }], segment_outputs: [segments] });
  await Promise.all([stored, here].map(({ egress_id }) => service.reaches(egress_id, 'ACTIVE')));
  await sleep(5000);
  await Promise.all([stored, here].map(({ egress_id }) => service.finish(egress_id)));

  const [file] = (await service.info(stored.egress_id)).fileResults;
  const key = `${scene.folder.slice(1)}/ rec: *?"<>\\%41+#/acme/daily|ep:1/\u{1F469} a. .mp4`;
  assert.equal(file.filename, `/${key}`);
  assert.equal(stored.file_results[0].filename, file.filename, 'from the first answer on');
  assert.ok((await minio.object(key)).length > 10_000, 'in the bucket');
  assert.equal(decodeURIComponent(new URL(file.location).pathname), `/${minio.bucket}/${key}`);
  // What is told as complete is there, all of it.
  const [inBucket] = (await service.info(stored.egress_id)).segmentResults;
  const name = 'acme/daily|ep:1/list ?#.m3u8';
  assert.equal(decodeURIComponent(new URL(inBucket.playlistLocation).pathname), `/${minio.bucket}/${name}`);
  const whole = (await minio.object(name)).toString();
  assert.match(whole, /#EXT-X-ENDLIST/);
  for (const uri of addresses(whole)) {
    const { pathname } = new URL(uri, inBucket.playlistLocation);
    assert.ok((await minio.object(decodeURIComponent(pathname).slice(`/${minio.bucket}/`.length))).length > 0, uri);
  }

  const [local] = (await service.info(here.egress_id)).fileResults;
  const path = join(scene.folder, 'acme/daily|ep:1/ .a:b|c*d?"<>\\e%41 .mp4');
  assert.equal(local.location, path);
  assert.ok(path.endsWith(local.filename), local.filename);
  assert.equal(here.file_results[0].filename, local.filename, 'from the first answer on');
  // The request comes back with the fields that hold nothing, as LiveKit's server writes it.
  assert.deepEqual([here.participant.screen_share, here.participant.stream_outputs], [false, []]);
  assert.equal(here.participant.file_outputs[0].disable_manifest, false);
  assert.ok((await probe(path)).durationS > 3);
  const manifest = JSON.parse(await readFile(join(scene.folder, 'acme/daily|ep:1', `${here.egress_id}.json`)));
  assert.ok(manifest.files.some((file) => file.location === path));

  const [set] = (await service.info(here.egress_id)).segmentResults;
  const list = join(scene.folder, 'acme/daily|ep:1/list ?#.m3u8');
  assert.equal(set.playlistLocation, list);
  const uris = addresses(await readFile(list, 'utf8'));
  assert.ok(uris.length >= 2, `${uris}`);
  for (const [at, uri] of uris.entries()) {
    // As a player finds it.
    const segment = fileURLToPath(new URL(uri, pathToFileURL(list)));
    assert.equal(segment, join(scene.folder, `acme/daily|ep:1/seg #1: 100%+|"?_${String(at).padStart(5, '0')}.ts`));
    assert.ok((await readFile(segment)).length > 0);
  }
});

test('what leads outside or cannot be written is refused with words', { timeout: 60_000 }, async (t) => {
  const scene = await Scene.open(t);
  await scene.person(1, { audio: true });
  const service = await Service.start(scene);
  const refused = async (field, output, words) => {
    const request = { room_name: scene.room, identity: 'person-1', ...output };
    const { status, json } = await service.call('StartParticipantEgress', request);
    assert.deepEqual([status, json.code], [400, 'invalid_argument'], JSON.stringify(output));
    assert.match(json.msg, new RegExp(`missing or invalid field: ${field}: .*${words}`));
  };
  const s3 = { access_key: 'a', secret: 'b', bucket: 'c' };
  await refused('filepath', { file_outputs: [{ filepath: '../x' }] }, 'leads out');
  await refused('filepath', { file_outputs: [{ filepath: 'a/../../x' }] }, 'leads out');
  await refused('filepath', { file_outputs: [{ filepath: 'a\0b' }] }, 'NUL');
  await refused('filepath', { file_outputs: [{ filepath: 'a\nb', s3 }] }, 'control');
  await refused('filepath', { file_outputs: [{ filepath: 'x'.repeat(300) }] }, '255 bytes');
  await refused('filename_prefix', { segment_outputs: [{ filename_prefix: '../x' }] }, 'leads out');
  await refused('playlist_name', { segment_outputs: [{ playlist_name: '/../x' }] }, 'leads out');
  await refused('live_playlist_name', { segment_outputs: [{ live_playlist_name: 'x'.repeat(256) }] }, '255 bytes');
  await refused('filename_prefix', { image_outputs: [{ filename_prefix: '..' }] }, 'leads out');
  assert.deepEqual(await service.egress.listEgress(), [], 'nothing was begun');
});
