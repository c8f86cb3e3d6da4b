// Over the bus of an unmodified LiveKit server: how long whoever starts an egress waits.

import { EncodedFileOutput, RoomCompositeEgressRequest, RoomEgress } from 'livekit-server-sdk';
import { BusScene } from '../harness/bus.mjs';

const COSTS = { cpu_cost: { max_cpu_utilization: 50, participant_cpu_cost: 0.1, room_composite_cpu_cost: 0.1 } };

async function inBus(act) {
  const ends = [];
  const bus = await BusScene.open({ after: (end) => ends.push(end) });
  try {
    await bus.worker({ config: COSTS });
    return await act(bus);
  } finally {
    for (const end of ends) await end();
  }
}

async function tookMs(act) {
  const from = performance.now();
  const value = await act();
  return { ms: performance.now() - from, value };
}

async function start() {
  return inBus(async (bus) => {
    const ada = await bus.person(1, { audio: true });
    const took = [];
    for (let i = 0; i < 5; i++) {
      const file = new EncodedFileOutput({ filepath: `take-${i}` });
      const { ms, value } = await tookMs(() => bus.egress.startParticipantEgress(bus.room, ada.identity, { file }));
      took.push(ms);
      await bus.finish(value.egressId, 500);
    }
    const what = 'StartParticipantEgress at a LiveKit server, to its answer; worst of 5';
    return [{ name: 'bus-start', value: Math.max(...took), unit: 'ms', bar: 50, what }];
  });
}

async function create() {
  return inBus(async (bus) => {
    // The first of anything is slower, in the server too.
    await bus.rooms.createRoom({ name: 'first' });
    const extra = [];
    for (let i = 0; i < 5; i++) {
      const plain = await tookMs(() => bus.rooms.createRoom({ name: `plain-${i}` }));
      const roomName = `auto-${i}`;
      const fileOutputs = [new EncodedFileOutput({ filepath: roomName })];
      const egress = new RoomEgress({ room: new RoomCompositeEgressRequest({ roomName, layout: 'grid', fileOutputs }) });
      const auto = await tookMs(() => bus.rooms.createRoom({ name: roomName, egress }));
      extra.push(auto.ms - plain.ms);
      const [info] = await bus.egress.listEgress({ roomName });
      await bus.rooms.deleteRoom(roomName);
      await bus.over(info.egressId);
    }
    const what = 'CreateRoom with a room egress, beyond one without; worst of 5';
    return [{ name: 'bus-create-room', value: Math.max(...extra), unit: 'ms', bar: 50, what }];
  });
}

export const BUS = [
  { names: ['bus-start'], measure: start },
  { names: ['bus-create-room'], measure: create },
];
