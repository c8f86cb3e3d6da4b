// Recordings that begin by themselves: CreateRoom names them, the server asks for them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AutoParticipantEgress,
  AutoTrackEgress,
  EgressStatus,
  EncodedFileOutput,
  RoomCompositeEgressRequest,
  RoomEgress,
} from 'livekit-server-sdk';
import { BusScene } from '../harness/bus.mjs';
import { decodeErrors } from '../harness/media.mjs';
import { until } from '../harness/wait.mjs';

/** Waits until so many egresses of a room run. */
function active(bus, count) {
  return until(`${count} run`, async () => {
    const list = await bus.egress.listEgress({ roomName: bus.room });
    const running = list.filter((info) => info.status === EgressStatus.EGRESS_ACTIVE);
    return running.length === count && running;
  }, { withinMs: 60_000, everyMs: 100 });
}

async function ended(bus, infos) {
  for (const { egressId } of infos) {
    const done = await bus.reaches(egressId, EgressStatus.EGRESS_COMPLETE);
    assert.equal(done.details, 'End reason: Source closed');
    for (const result of done.fileResults) assert.deepEqual(await decodeErrors(result.location), []);
  }
}

test('the whole room', async (t) => {
  const bus = await BusScene.open(t);
  await bus.worker();
  const plain = Date.now();
  await bus.rooms.createRoom({ name: 'plain' });
  const withoutMs = Date.now() - plain;
  const began = Date.now();
  const room = new RoomCompositeEgressRequest({ roomName: bus.room, layout: 'grid', fileOutputs: [new EncodedFileOutput({ filepath: 'room' })] });
  await bus.rooms.createRoom({ name: bus.room, egress: new RoomEgress({ room }) });
  const withMs = Date.now() - began;
  t.diagnostic(`CreateRoom took ${withMs} ms, and ${withoutMs} ms without`);
  assert.ok(withMs < 1000, `${withMs} ms`);
  await bus.person(1, { video: { codec: 'vp8' }, audio: true });
  const running = await active(bus, 1);
  await bus.rooms.deleteRoom(bus.room);
  await ended(bus, running);
});

test('each person, and each track', async (t) => {
  const bus = await BusScene.open(t);
  await bus.worker();
  const participant = new AutoParticipantEgress({ fileOutputs: [new EncodedFileOutput({ filepath: '{publisher_identity}' })] });
  const tracks = new AutoTrackEgress({ filepath: 'track', output: { case: undefined } });
  await bus.rooms.createRoom({ name: bus.room, egress: new RoomEgress({ participant, tracks }) });
  const ada = await bus.person(1, { audio: true });
  await bus.person(2, { audio: true });
  const running = await active(bus, 4);
  const kinds = running.map((info) => info.request.case).sort();
  assert.deepEqual(kinds, ['participant', 'participant', 'track', 'track']);
  const own = running.find((info) => info.request.value.identity === ada.identity);
  assert.equal(own.request.case, 'participant');
  await bus.rooms.deleteRoom(bus.room);
  await ended(bus, running);
});
