// An egress that another worker has taken over: the server removes the first worker's participant for another one of
// the same identity. What becomes of the egress is the other worker's to say, to upload, and to answer for.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { EgressClient, EgressStatus, EncodedFileOutput, S3Upload } from 'livekit-server-sdk';
import { BusScene, jobsOf } from '../harness/bus.mjs';
import { decodeErrors } from '../harness/media.mjs';
import { Minio } from '../harness/stores.mjs';
import { until } from '../harness/wait.mjs';

const LIGHT = { max_cpu_utilization: 50, room_composite_cpu_cost: 0.1, participant_cpu_cost: 0.1, track_cpu_cost: 0.1 };

/** What a worker itself says of an egress, over its own API. */
async function own(bus, worker, egressId) {
  await worker.says(/the API is at/);
  const said = worker.stderr.replaceAll(/\x1b\[[0-9;]*m/g, '');
  const [, url] = /the API is at (https?:\/\/[^\s"]+)/.exec(said);
  const [info] = await new EgressClient(url, bus.server.key, bus.server.secret).listEgress({ egressId });
  return info;
}

/** It has ended for this worker, whole, on its own disk. */
async function evicted(bus, worker, egressId) {
  const info = await until(`${egressId} is over for its worker`, async () => {
    const now = await own(bus, worker, egressId);
    return now.status === EgressStatus.EGRESS_FAILED && now;
  });
  assert.deepEqual([info.errorCode, info.details], [409, 'End reason: Duplicate identity']);
  assert.deepEqual(await decodeErrors(info.fileResults[0].location), []);
  return info;
}

test('tracks, a page and a job that ends while its worker is away: nobody is told, nothing is uploaded', async (t) => {
  const minio = await Minio.start();
  t.after(() => minio.stop());
  const bus = await BusScene.open(t, { hooks: true });
  const ada = await bus.person(1, { video: { codec: 'h264' }, audio: true });
  const worker = await bus.worker({ config: { cpu_cost: LIGHT } });
  const s3 = new S3Upload({ accessKey: minio.key, secret: minio.secret, bucket: minio.bucket, region: 'us-east-1', endpoint: minio.url, forcePathStyle: true });
  const file = (filepath) => new EncodedFileOutput({ filepath, output: { case: 's3', value: s3 } });
  const start = (name) => bus.egress.startParticipantEgress(bus.room, ada.identity, { file: file(name) });

  const tracks = await start('tracks.mp4');
  const page = await bus.egress.startRoomCompositeEgress(bus.room, file('page.mp4'), { layout: 'grid' });
  for (const { egressId } of [tracks, page]) {
    await bus.reaches(egressId, EgressStatus.EGRESS_ACTIVE);
    await bus.person(2, {}, { identity: egressId });
    await evicted(bus, worker, egressId);
  }

  const away = await start('away.mp4');
  await bus.reaches(away.egressId, EgressStatus.EGRESS_ACTIVE);
  worker.child.kill('SIGKILL');
  await worker.ended();
  await bus.person(3, {}, { identity: away.egressId });
  await until('the job has ended', () => jobsOf(worker).length === 0);
  const again = await bus.worker({ home: worker.home, config: { cpu_cost: LIGHT } });
  await evicted(bus, again, away.egressId);

  // The server has heard of an end that came later, and it is in the bucket.
  const last = await start('last.mp4');
  await bus.finish(last.egressId, 500);
  for (const { egressId } of [tracks, page, away]) {
    assert.equal((await bus.info(egressId)).status, EgressStatus.EGRESS_ACTIVE);
    assert.ok(!bus.hooks.of(egressId).includes('egress_ended'), `${bus.hooks.of(egressId)}`);
  }
  assert.deepEqual(readdirSync(join(minio.folder, minio.bucket)).filter((name) => name.endsWith('.mp4')), ['last.mp4']);
});

/** A way to Redis that a worker's connections take. It breaks for good when a worker tells the server of an egress. */
async function brittle(bus) {
  const open = new Set();
  const way = { cut: false };
  const server = createServer((near) => {
    if (way.cut) return near.destroy();
    const far = connect(bus.redis.port, '127.0.0.1');
    for (const [from, to] of [[near, far], [far, near]]) {
      open.add(from);
      from.on('error', () => {});
      from.on('close', () => {
        open.delete(from);
        to.destroy();
      });
    }
    far.on('data', (bytes) => near.write(bytes));
    near.on('data', (bytes) => {
      if (bytes.includes('IOInfo|CreateEgress|REQ')) way.cut = true;
      if (!way.cut) return far.write(bytes);
      for (const socket of open) socket.destroy();
    });
    return null;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  bus.scene.onClose(async () => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  way.address = `127.0.0.1:${server.address().port}`;
  return way;
}

test('two workers: one loses its way to Redis as it starts, the server sends the egress to the other', async (t) => {
  const bus = await BusScene.open(t, { hooks: true });
  const ada = await bus.person(1, { audio: true });
  const way = await brittle(bus);
  const folder = await mkdtemp(join(tmpdir(), 'tl-first-'));
  bus.scene.onClose(() => rm(folder, { recursive: true, force: true }));
  const first = await bus.worker({ config: { redis: { address: way.address }, local_directory: folder } });
  const starting = bus.egress.startParticipantEgress(bus.room, ada.identity, { file: new EncodedFileOutput({ filepath: 'show.mp4' }) });
  await until('the first worker records', () => way.cut && jobsOf(first).length === 1);
  const second = await bus.worker();
  const { egressId } = await starting;
  await bus.reaches(egressId, EgressStatus.EGRESS_ACTIVE);
  await evicted(bus, first, egressId);
  way.cut = false;
  await until('the first worker is back', () => bus.redis.workers() === 2);

  const done = await bus.finish(egressId, 1000);
  assert.ok(done.fileResults[0].location.startsWith(bus.folder), 'it is the second worker that the server hears');
  assert.deepEqual(await decodeErrors(done.fileResults[0].location), []);
  await until('the server has told of its end', () => bus.hooks.of(egressId).includes('egress_ended'));
  const events = bus.hooks.of(egressId);
  for (const once of ['egress_started', 'egress_ended']) assert.equal(events.filter((event) => event === once).length, 1, `${events}`);
  assert.deepEqual([first.exit, second.exit], [undefined, undefined]);
});
