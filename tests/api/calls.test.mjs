// Every egress type and every call, by the SDKs that LiveKit gives out: Node's speaks JSON, Python's Protobuf.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  DirectFileOutput,
  EncodedFileOutput,
  EncodingOptions,
  ImageOutput,
  SegmentedFileOutput,
  StartEgressRequest,
  StreamOutput,
  StreamProtocol,
} from 'livekit-server-sdk';
import { RtmpServer } from '../harness/ingest.mjs';
import { Listener } from '../harness/listener.mjs';
import { freePort } from '../harness/livekit.mjs';
import { decodeErrors, probe } from '../harness/media.mjs';
import { Python } from '../harness/python.mjs';
import { Scene } from '../harness/scene.mjs';
import { Hooks, Service, STATUS } from '../harness/service.mjs';
import { site } from '../harness/site.mjs';
import { sleep, until } from '../harness/wait.mjs';

/** Small, so that a busy machine keeps up. */
const SMALL = { width: 640, height: 360, framerate: 30, videoBitrate: 800 };
const small = () => new EncodingOptions(SMALL);
const SMALL_PROTO = { width: 640, height: 360, framerate: 30, video_bitrate: 800 };

async function scene(t, config) {
  const it = await Scene.open(t);
  const ada = await it.person(1, { video: { codec: 'vp8' }, audio: true });
  const { base } = await site(it);
  const service = await Service.start(it, { config });
  return { it, ada, base, service };
}

/** What a finished job says of its file, and what the file says. */
async function assertFile(service, egressId, { video, audio, size = null, extension = 'mp4' }) {
  const info = await service.reaches(egressId, 'COMPLETE');
  assert.equal(info.error, '');
  assert.ok(info.startedAt > 0n && info.endedAt > info.startedAt);
  const [file, ...others] = info.fileResults;
  assert.deepEqual(others, []);
  assert.ok(file.location.endsWith(`.${extension}`), file.location);
  assert.equal(Number(file.size), readFileSync(file.location).length);
  const found = await probe(file.location);
  assert.equal(found.video?.codec_name, video, 'picture');
  assert.equal(found.audio?.codec_name, audio, 'sound');
  if (size) assert.deepEqual([found.video.width, found.video.height], size);
  assert.ok(Math.abs(Number(file.duration) / 1e9 - found.durationS) < 0.3, `told ${file.duration}, is ${found.durationS}`);
  assert.ok(found.durationS > 2, `${found.durationS} s`);
  assert.deepEqual(await decodeErrors(file.location), []);
  return { info, file, found };
}

/** `StreamInfo.Status`, by number. */
const STREAM = ['ACTIVE', 'FINISHED', 'FAILED'];

/** What an egress says its outputs are called. */
const namesOf = (info) => ({
  files: info.fileResults.map((file) => file.filename),
  playlists: info.segmentResults.map((set) => set.playlistName),
  images: info.imageResults.map((set) => set.filenamePrefix),
});

/** Every type: by Node's SDK, by Python's, and what the file holds. */
const TYPES = {
  'room composite': {
    node: (c, { room }, filepath) => c.startRoomCompositeEgress(room, { file: new EncodedFileOutput({ filepath }) }, { layout: 'grid', encodingOptions: small() }),
    python: ({ room }, filepath) => ['start_room_composite_egress', { room_name: room, layout: 'grid', advanced: SMALL_PROTO, file_outputs: [{ filepath }] }],
    holds: { video: 'h264', audio: 'aac', size: [640, 360] },
    request: 'roomComposite',
  },
  web: {
    node: (c, { base }, filepath) => c.startWebEgress(`${base}/flashes`, { file: new EncodedFileOutput({ filepath }) }, { encodingOptions: small() }),
    python: ({ base }, filepath) => ['start_web_egress', { url: `${base}/flashes`, advanced: SMALL_PROTO, file_outputs: [{ filepath }] }],
    holds: { video: 'h264', audio: 'aac', size: [640, 360] },
    request: 'web',
  },
  participant: {
    node: (c, { room, ada }, filepath) => c.startParticipantEgress(room, ada.identity, { file: new EncodedFileOutput({ filepath }) }, { encodingOptions: small() }),
    python: ({ room, ada }, filepath) => ['start_participant_egress', { room_name: room, identity: ada.identity, advanced: SMALL_PROTO, file_outputs: [{ filepath }] }],
    holds: { video: 'h264', audio: 'aac', size: [640, 360] },
    request: 'participant',
  },
  'track composite': {
    node: (c, { room, ada }, filepath) => c.startTrackCompositeEgress(room, { file: new EncodedFileOutput({ filepath }) }, { videoTrackId: ada.video.sid, audioTrackId: ada.audio.sid, encodingOptions: small() }),
    python: ({ room, ada }, filepath) => ['start_track_composite_egress', { room_name: room, video_track_id: ada.video.sid, audio_track_id: ada.audio.sid, advanced: SMALL_PROTO, file_outputs: [{ filepath }] }],
    holds: { video: 'h264', audio: 'aac', size: [640, 360] },
    request: 'trackComposite',
  },
  track: {
    node: (c, { room, ada }, filepath) => c.startTrackEgress(room, new DirectFileOutput({ filepath }), ada.audio.sid),
    python: ({ room, ada }, filepath) => ['start_track_egress', { room_name: room, track_id: ada.audio.sid, file: { filepath } }],
    holds: { video: undefined, audio: 'opus', extension: 'ogg' },
    request: 'track',
  },
  'the unified request': {
    node: (c, { room, ada }, filepath) =>
      c.startEgress(
        new StartEgressRequest({
          roomName: room,
          source: { case: 'media', value: { video: { case: 'participantVideo', value: { identity: ada.identity } }, audio: { captureAll: true } } },
          encoding: { case: 'advanced', value: small() },
          outputs: [{ config: { case: 'file', value: { filepath } } }],
        }),
      ),
    python: ({ room, ada }, filepath) => [
      'start_egress',
      {
        room_name: room,
        media: { participant_video: { identity: ada.identity }, audio: { capture_all: true } },
        advanced: SMALL_PROTO,
        outputs: [{ file: { filepath } }],
      },
    ],
    holds: { video: 'h264', audio: 'aac', size: [640, 360] },
    request: 'egress',
  },
};

for (const [type, { node, python, holds, request }] of Object.entries(TYPES)) {
  test(`${type}, by both SDKs`, { timeout: 180_000 }, async (t) => {
    const { it, ada, base, service } = await scene(t);
    const where = { room: it.room, ada, base };

    const started = await node(service.egress, where, 'by-node');
    assert.match(started.egressId, /^EG_/);
    assert.equal(STATUS[started.status], 'STARTING');
    assert.deepEqual([started.error, started.request.case], ['', request]);
    if (type !== 'web') assert.equal(started.roomName, it.room);
    await service.reaches(started.egressId, 'ACTIVE');
    await sleep(3000);
    await service.finish(started.egressId);
    const { file } = await assertFile(service, started.egressId, holds);
    assert.ok(file.location.includes('by-node'), file.location);

    const sdk = await Python.start(it, service);
    const other = await sdk.ok(...python(where, 'by-python'));
    assert.match(other.egress_id, /^EG_/);
    assert.equal(other.status ?? 'EGRESS_STARTING', 'EGRESS_STARTING');
    await service.reaches(other.egress_id, 'ACTIVE');
    await sleep(3000);
    assert.equal((await sdk.ok('stop_egress', { egress_id: other.egress_id })).status, 'EGRESS_ENDING');
    await assertFile(service, other.egress_id, holds);

    // Newest first, by both, and by each filter.
    const ids = [other.egress_id, started.egressId];
    assert.deepEqual((await service.egress.listEgress()).map((info) => info.egressId), ids);
    const { items } = await sdk.ok('list_egress');
    assert.deepEqual(items.map((info) => info.egress_id), ids);
    assert.deepEqual(await service.egress.listEgress({ active: true }), []);
    assert.deepEqual(await service.egress.listEgress({ roomName: 'another room' }), []);
    if (type !== 'web') assert.equal((await service.egress.listEgress({ roomName: it.room })).length, 2);
    assert.equal((await sdk.ok('list_egress', { egress_id: ids[1] })).items[0].egress_id, ids[1]);
    assert.doesNotMatch(service.log, new RegExp(it.server.secret));
  });
}

test('segments and images beside a file', { timeout: 120_000 }, async (t) => {
  const { it, ada, service } = await scene(t);
  const outputs = {
    file: new EncodedFileOutput({ filepath: 'show' }),
    segments: new SegmentedFileOutput({ filenamePrefix: 'hls/show', playlistName: 'show.m3u8', segmentDuration: 2 }),
    images: new ImageOutput({ filenamePrefix: 'images/show', captureInterval: 1, width: 320, height: 180 }),
  };
  const started = await service.egress.startParticipantEgress(it.room, ada.identity, outputs, { encodingOptions: small() });
  const { egressId } = started;
  const names = { files: ['show.mp4'], playlists: ['hls/show.m3u8'], images: ['images/show'] };
  assert.deepEqual(namesOf(started), names, 'from the first answer on');
  assert.deepEqual(namesOf(await service.info(egressId)), names);
  const python = await Python.start(it, service);
  const [listed] = (await python.ok('list_egress', { egress_id: egressId })).items;
  assert.equal(listed.file_results[0].filename, 'show.mp4');
  // One of the same names is given others at once, before there is a file.
  const second = await service.egress.startParticipantEgress(it.room, ada.identity, { file: new EncodedFileOutput({ filepath: 'show' }) }, { encodingOptions: small() });
  assert.deepEqual(namesOf(second).files, ['show-2.mp4']);
  await service.reaches(egressId, 'ACTIVE');
  await sleep(6000);
  const [info, other] = [await service.finish(egressId), await service.finish(second.egressId)];
  assert.deepEqual(namesOf(info), names, 'to the last');
  assert.deepEqual(namesOf(other).files, ['show-2.mp4']);
  assert.ok(other.fileResults[0].location.endsWith('/show-2.mp4'), other.fileResults[0].location);
  assert.ok(existsSync(info.manifestLocation), info.manifestLocation);
  assert.equal(info.fileResults.length, 1);
  const [segments] = info.segmentResults;
  assert.ok(Number(segments.segmentCount) >= 3, `${segments.segmentCount} segments`);
  const playlist = readFileSync(segments.playlistLocation, 'utf8');
  assert.match(playlist, /#EXT-X-ENDLIST/);
  assert.equal(playlist.match(/#EXTINF/g).length, Number(segments.segmentCount));
  const [images] = info.imageResults;
  assert.ok(Number(images.imageCount) >= 4, `${images.imageCount} images`);
});

test('streams are added, removed, and told with their keys hidden', { timeout: 120_000 }, async (t) => {
  const { it, ada, service } = await scene(t);
  const servers = [await RtmpServer.start(), await RtmpServer.start()];
  for (const server of servers) it.onClose(() => server.stop());
  const [one, two] = servers.map((server, at) => `rtmp://127.0.0.1:${server.port}/live/a-secret-key-${at}`);
  const stream = new StreamOutput({ protocol: StreamProtocol.RTMP, urls: [one] });
  const { egressId } = await service.egress.startParticipantEgress(it.room, ada.identity, { stream }, { encodingOptions: small() });
  await service.reaches(egressId, 'ACTIVE');
  await until('the first server is sent to', () => servers[0].publishers.includes('a-secret-key-0'));
  const updated = await service.egress.updateStream(egressId, [two]);
  assert.equal(updated.egressId, egressId);
  assert.deepEqual(updated.streamResults.map((stream) => STREAM[stream.status]), ['ACTIVE', 'ACTIVE'], 'after the change');
  await until('the second server is sent to', () => servers[1].publishers.includes('a-secret-key-1'));
  await sleep(2000);
  // As it was shown: there is no other of this form.
  const shown = updated.streamResults[0].url;
  const removed = await service.egress.updateStream(egressId, [], [shown]);
  assert.deepEqual(removed.streamResults.map((stream) => STREAM[stream.status]), ['FINISHED', 'ACTIVE'], 'after the change');
  assert.ok(removed.streamResults[0].endedAt > removed.streamResults[0].startedAt);
  const info = await service.finish(egressId);
  for (const result of info.streamResults) assert.match(result.url, /\{a-s\.\.\.y-[01]\}$/);
  const said = JSON.stringify(await service.call('ListEgress').then(({ json }) => json));
  assert.doesNotMatch(said + service.log, /a-secret-key/);
});

test('streams are told as they are: what never comes up has failed at once, what is lost is tried again', { timeout: 180_000 }, async (t) => {
  const { it, ada, service } = await scene(t);
  const hooks = await Hooks.start(it);
  const rtmp = await RtmpServer.start();
  it.onClose(() => rtmp.stop());
  rtmp.refused.add('a-refused-key');
  const start = (urls) =>
    service.egress.startParticipantEgress(it.room, ada.identity, { stream: new StreamOutput({ urls }) }, { encodingOptions: small(), webhooks: [{ url: hooks.url }] });
  const nobody = `rtmp://127.0.0.1:${await freePort()}/live/nobody-there`;

  // Nothing else to do: the egress fails, in LiveKit's words, and goes there straight.
  for (const urls of [[nobody], [rtmp.url('a-refused-key')]]) {
    const { egressId } = await start(urls);
    await hooks.ended(egressId);
    const [failed, status] = [await service.info(egressId), hooks.statuses(egressId)];
    assert.deepEqual([STATUS[failed.status], failed.errorCode], ['FAILED', 503], failed.error);
    assert.notEqual(failed.error, '');
    const [stream] = failed.streamResults;
    assert.deepEqual([failed.streamResults.length, STREAM[stream.status]], [1, 'FAILED']);
    assert.ok(stream.error && stream.startedAt > 0n && stream.endedAt >= stream.startedAt, `${stream.error} ${stream.startedAt} ${stream.endedAt}`);
    assert.ok(status.every((one) => one === 'STARTING' || one === 'FAILED'), String(status));
  }

  // Beside one that is well, nothing else changes.
  const { egressId } = await start([rtmp.url('a-good-key'), nobody, rtmp.url('a-refused-key')]);
  const told = () => service.info(egressId).then((info) => info.streamResults.map((stream) => STREAM[stream.status]));
  await until('each is told', async () => String(await told()) === 'ACTIVE,FAILED,FAILED', { withinMs: 30_000 });
  await service.reaches(egressId, 'ACTIVE');
  const failed = (await service.info(egressId)).streamResults.slice(1);
  // It goes away, and is looked for.
  await rtmp.down();
  const retried = await until('it is tried again', async () => (await service.info(egressId)).streamResults.find((stream) => stream.retries > 0), { withinMs: 60_000 });
  assert.deepEqual([STREAM[retried.status], retried.error], ['ACTIVE', '']);
  assert.ok(retried.lastRetryAt > retried.startedAt);
  await rtmp.up();
  await until('it is sent to again', () => rtmp.publishers.filter((key) => key === 'a-good-key').length >= 2, { withinMs: 60_000 });
  await sleep(2000);
  const info = await service.finish(egressId);
  assert.equal(STREAM[info.streamResults[0].status], 'FINISHED');
  assert.ok(info.streamResults[0].retries > 0);
  assert.deepEqual(info.streamResults.slice(1), failed, 'what has failed stays so');
  await hooks.ended(egressId);
  const order = hooks.statuses(egressId).filter((status, at, all) => status !== all[at - 1]);
  assert.deepEqual(order, ['STARTING', 'ACTIVE', 'ENDING', 'COMPLETE']);
});

test('a track to a WebSocket', { timeout: 60_000 }, async (t) => {
  const { it, ada, service } = await scene(t);
  const listener = await Listener.start();
  it.onClose(() => listener.stop());
  const { egressId } = await service.egress.startTrackEgress(it.room, listener.url(), ada.audio.sid);
  await until('sound arrives', () => listener.calls.some((call) => call.blocks.length > 20));
  await service.finish(egressId);
});

test('the layout is changed on air', { timeout: 120_000 }, async (t) => {
  const { it, service } = await scene(t);
  const file = new EncodedFileOutput({ filepath: 'layouts' });
  const { egressId } = await service.egress.startRoomCompositeEgress(it.room, { file }, { layout: 'grid', encodingOptions: small() });
  await service.reaches(egressId, 'ACTIVE');
  const info = await service.egress.updateLayout(egressId, 'speaker');
  assert.equal(info.egressId, egressId);
  await sleep(2500);
  await service.finish(egressId);
  await assertFile(service, egressId, { video: 'h264', audio: 'aac', size: [640, 360] });
});

test('file names are those that LiveKit gives, and the manifest lies beside', { timeout: 60_000 }, async (t) => {
  const { it, ada, service } = await scene(t);
  const file = new EncodedFileOutput({ filepath: '{room_name}/{publisher_identity}-{time}' });
  const { egressId } = await service.egress.startParticipantEgress(it.room, ada.identity, { file }, { encodingOptions: small() });
  await service.reaches(egressId, 'ACTIVE');
  await sleep(2500);
  const info = await service.finish(egressId);
  const { location } = info.fileResults[0];
  assert.match(location, new RegExp(`/${it.room}/${ada.identity}-\\d{4}-\\d\\d-\\d\\dT\\d{6}\\.mp4$`));
  assert.ok(existsSync(join(location, '..', `${egressId}.json`)), 'a manifest');
});
