// Jobs that an unmodified LiveKit server sends over its Redis, in all forms that its API has, and what it tells of them.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { test } from 'node:test';
import {
  EgressStatus,
  EncodedFileOutput,
  EncodedFileType,
  DirectFileOutput,
  S3Upload,
  StartEgressRequest,
  StreamOutput,
  StreamProtocol,
} from 'livekit-server-sdk';
import { BusScene, refused } from '../harness/bus.mjs';
import { RtmpServer } from '../harness/ingest.mjs';
import { cornerLight, decodeErrors, probe } from '../harness/media.mjs';
import { site } from '../harness/site.mjs';
import { sleep, until } from '../harness/wait.mjs';

const file = (filepath = '') => new EncodedFileOutput({ fileType: EncodedFileType.DEFAULT_FILETYPE, filepath });

/** `EgressSourceType`, which the SDK does not give out. */
const [WEB, SDK] = [0, 1];

/** The file that an egress says it has made: it is there, and whole. */
async function whole(info) {
  const [result] = info.fileResults;
  assert.deepEqual(await decodeErrors(result.location), []);
  const found = await probe(result.location);
  assert.ok(Math.abs(Number(result.duration) / 1e9 - found.durationS) < 0.3, `${result.duration} ns, ${found.durationS} s`);
  return found;
}

test('a person, a track composite and a track are recorded, listed and told of', async (t) => {
  const bus = await BusScene.open(t, { hooks: true });
  const ada = await bus.person(1, { video: { codec: 'h264' }, audio: true });
  await bus.worker();
  const { egress, room } = bus;

  const person = await egress.startParticipantEgress(room, ada.identity, { file: file() });
  assert.match(person.egressId, /^EG_/);
  assert.equal(person.status, EgressStatus.EGRESS_STARTING);
  assert.equal(person.error, '');
  assert.deepEqual([person.roomName, person.sourceType], [room, SDK]);
  assert.match(person.roomId, /^RM_/);
  const [{ filename }] = person.fileResults;
  assert.match(filename, new RegExp(`^${ada.identity}-\\d{4}-\\d\\d-\\d\\dT\\d{6}\\.mp4$`), 'from the first answer on');
  const done = await bus.finish(person.egressId);
  assert.equal(done.details, 'End reason: StopEgress API');
  const found = await whole(done);
  assert.deepEqual([found.video.codec_name, found.audio.codec_name], ['h264', 'aac']);
  await until('the server has told of its end', () => bus.hooks.of(person.egressId).includes('egress_ended'));
  assert.equal(done.fileResults[0].filename, filename, 'to the last');
  // As LiveKit's own worker tells: no update but that it is active and that it ends.
  assert.deepEqual(bus.hooks.of(person.egressId), ['egress_started', 'egress_updated', 'egress_updated', 'egress_ended']);
  const infos = bus.hooks.infos(person.egressId);
  assert.deepEqual(
    infos.map((info) => EgressStatus[info.status]),
    ['EGRESS_STARTING', 'EGRESS_ACTIVE', 'EGRESS_ENDING', 'EGRESS_COMPLETE'],
  );
  assert.ok(infos.every((info) => info.fileResults[0].filename === filename));

  const both = await egress.startTrackCompositeEgress(room, file('both'), {
    audioTrackId: ada.audio.sid,
    videoTrackId: ada.video.sid,
  });
  await whole(await bus.finish(both.egressId));

  const track = await egress.startTrackEgress(room, new DirectFileOutput({ filepath: 'sound' }), ada.audio.sid);
  assert.equal((await whole(await bus.finish(track.egressId))).audio.codec_name, 'opus');

  const listed = await egress.listEgress({ roomName: room });
  assert.deepEqual(new Set(listed.map((info) => info.egressId)), new Set([person.egressId, both.egressId, track.egressId]));
  assert.deepEqual(await egress.listEgress({ roomName: room, active: true }), []);
});

test('a whole room: its layout is changed on air, and it ends with the room', async (t) => {
  const bus = await BusScene.open(t);
  await bus.person(1, { video: { codec: 'vp8' }, audio: true });
  await bus.worker();
  const info = await bus.egress.startRoomCompositeEgress(bus.room, file(), { layout: 'grid' });
  assert.equal(info.sourceType, WEB);
  await bus.reaches(info.egressId, EgressStatus.EGRESS_ACTIVE);
  await sleep(2000);
  const updated = await bus.egress.updateLayout(info.egressId, 'grid-light');
  assert.equal(updated.egressId, info.egressId);
  await sleep(3000);
  await bus.rooms.deleteRoom(bus.room);
  const done = await bus.reaches(info.egressId, EgressStatus.EGRESS_COMPLETE);
  assert.equal(done.details, 'End reason: Source closed');
  await whole(done);
  const light = await cornerLight(done.fileResults[0].location);
  assert.ok(light[0] < 80, `dark at first: ${light[0]}`);
  assert.ok(light.at(-10) > 180, `light in the end: ${light.at(-10)}`);
});

test('a web page, and the form of version 2', async (t) => {
  const bus = await BusScene.open(t);
  const ada = await bus.person(1, { video: { codec: 'h264' }, audio: true });
  await bus.worker();
  const page = await site(bus.scene);
  const web = await bus.egress.startWebEgress(`${page.base}/flashes`, file('page'));
  assert.equal(web.roomName, '');
  await whole(await bus.finish(web.egressId));

  const two = await bus.egress.startEgress(new StartEgressRequest({
    roomName: bus.room,
    source: { case: 'media', value: { video: { case: 'videoTrackId', value: ada.video.sid } } },
    outputs: [{ config: { case: 'file', value: { filepath: 'two' } } }],
  }));
  const done = await bus.finish(two.egressId);
  assert.equal(done.request.case, 'egress');
  assert.equal((await whole(done)).video.codec_name, 'h264');
});

test('streams are added and removed on air', async (t) => {
  const bus = await BusScene.open(t);
  const ada = await bus.person(1, { video: { codec: 'h264' }, audio: true });
  await bus.worker();
  const ingest = await RtmpServer.start();
  bus.scene.onClose(() => ingest.stop());
  const stream = new StreamOutput({ protocol: StreamProtocol.RTMP, urls: [ingest.url('first-secret-key')] });
  const info = await bus.egress.startParticipantEgress(bus.room, ada.identity, { stream });
  await bus.reaches(info.egressId, EgressStatus.EGRESS_ACTIVE);
  const second = ingest.url('second-secret-key');
  const added = await bus.egress.updateStream(info.egressId, [second], []);
  assert.equal(added.streamResults.length, 2);
  await until('both are listed', async () => (await bus.info(info.egressId)).streamResults.length === 2);
  await bus.egress.updateStream(info.egressId, [], [second]);
  await until('one is finished', async () => (await bus.info(info.egressId)).streamResults.some((s) => s.status === 1));
  const wrong = await refused(bus.egress.updateStream(info.egressId, [], [ingest.url('never-there')]));
  assert.equal(wrong.code, 'not_found');
  const done = await bus.finish(info.egressId, 500);
  const told = JSON.stringify(done, (_, value) => (typeof value === 'bigint' ? `${value}` : value));
  assert.doesNotMatch(told, /(first|second)-secret-key/);
});

test('what cannot be done is refused at once, in words', async (t) => {
  const bus = await BusScene.open(t);
  const ada = await bus.person(1, { audio: true });
  const worker = await bus.worker();
  const began = Date.now();
  const nobody = await refused(bus.egress.startParticipantEgress(bus.room, '', { file: file() }));
  assert.equal(nobody.code, 'invalid_argument');
  assert.match(nobody.message, /request has missing or invalid field: identity: No person is named/);
  const nothing = await refused(bus.egress.startTrackEgress(bus.room, new DirectFileOutput(), ''));
  assert.equal(nothing.code, 'invalid_argument');
  assert.ok(Date.now() - began < 3000, 'refusals are not tried again');
  const unknown = await refused(bus.egress.stopEgress('EG_unknown'));
  assert.equal(unknown.code, 'not_found');
  const info = await bus.egress.startParticipantEgress(bus.room, ada.identity, { file: file() });
  await bus.finish(info.egressId, 1000);
  const twice = await refused(bus.egress.stopEgress(info.egressId));
  assert.deepEqual(twice.code, 'failed_precondition');
  // One that was refused leaves nothing behind that the server is told of.
  assert.equal((await bus.egress.listEgress({})).length, 1);
  assert.equal(worker.exit, undefined);
});

test('a further try: its names hold its number, and others than it are refused', async (t) => {
  const bus = await BusScene.open(t);
  const ada = await bus.person(1, { audio: true });
  await bus.worker();
  const [{ sid }] = await bus.rooms.listRooms([bus.room]);
  const again = (egressId, filepath) => {
    const participant = { roomName: bus.room, identity: ada.identity, fileOutputs: [{ filepath }] };
    return bus.sendAgain({ egressId, roomId: sid, retryCount: 2, participant });
  };
  const { info } = await again('EG_again1', 'show_{retry}.mp4');
  assert.deepEqual([info.egressId, info.retryCount], ['EG_again1', 2]);
  assert.equal(info.fileResults[0].filename, 'show_2.mp4');
  const done = await bus.finish(info.egressId, 1000);
  assert.deepEqual([done.retryCount, done.fileResults[0].filename], [2, 'show_2.mp4']);
  await whole(done);
  const { refused: why } = await again('EG_again2', 'show.mp4');
  assert.match(why, /output configuration does not support retry/);
});

test('keys of storages are in one file that nobody else may read, for as long as an upload needs them', async (t) => {
  const bus = await BusScene.open(t);
  const ada = await bus.person(1, { audio: true });
  const worker = await bus.worker();
  const secret = 'sTorAgE-s3cret-0123456789';
  const upload = new S3Upload({ accessKey: 'AKIAPLANTED', secret, bucket: 'shows', region: 'eu-west-1', endpoint: 'http://127.0.0.1:1' });
  const output = new EncodedFileOutput({ filepath: 'a.mp4', output: { case: 's3', value: upload } });
  const info = await bus.egress.startParticipantEgress(bus.room, ada.identity, { file: output });
  await bus.reaches(info.egressId, EgressStatus.EGRESS_ACTIVE);
  await bus.egress.stopEgress(info.egressId);
  const planted = (text) => text.includes(secret) || text.includes('AKIAPLANTED');
  assert.ok(!planted(worker.stderr + worker.stdout));
  assert.ok(!planted(bus.redis.command('HGETALL', 'egress')));
  const found = spawnSync('grep', ['-rl', '-e', secret, '-e', 'AKIAPLANTED', `${worker.home}/studio`], { encoding: 'utf8' });
  const kept = `${worker.home}/studio/secrets.json`;
  assert.equal(found.stdout.trim(), kept);
  assert.equal((await stat(kept)).mode & 0o077, 0);
});
