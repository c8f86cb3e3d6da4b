// As a service: over the bus of an unmodified LiveKit server, and over HTTP.

import { join } from 'node:path';
import { EgressStatus, EncodedFileOutput, RoomCompositeEgressRequest, RoomEgress } from 'livekit-server-sdk';
import { BusScene, jobsOf } from '../harness/bus.mjs';
import { cadence, pictures } from '../harness/content.mjs';
import { decodeErrors } from '../harness/media.mjs';
import { Service } from '../harness/service.mjs';
import { sleep } from '../harness/wait.mjs';
import { inScene } from './scene.mjs';

const COSTS = { cpu_cost: { max_cpu_utilization: 50, participant_cpu_cost: 0.1, room_composite_cpu_cost: 0.1 } };

async function inBus(act) {
  const ends = [];
  const bus = await BusScene.open({ after: (end) => ends.push(end) });
  try {
    return await act(bus, await bus.worker({ config: COSTS }));
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
    // The first of anything is slower, in the server too.
    for (let i = 0; i < 6; i++) {
      const file = new EncodedFileOutput({ filepath: `take-${i}` });
      const { ms, value } = await tookMs(() => bus.egress.startParticipantEgress(bus.room, ada.identity, { file }));
      if (i > 0) took.push(ms);
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
      await bus.egress.stopEgress(info.egressId);
      await bus.over(info.egressId);
      await bus.rooms.deleteRoom(roomName);
    }
    const what = 'CreateRoom with a room egress, beyond one without; worst of 5';
    return [{ name: 'bus-create-room', value: Math.max(...extra), unit: 'ms', bar: 50, what }];
  });
}

/** A worker is killed with its ten jobs, and started again. */
async function killed() {
  return inBus(async (bus, worker) => {
    const ada = await bus.person(1, { audio: true });
    const ids = [];
    for (let i = 0; i < 10; i++) {
      const file = new EncodedFileOutput({ filepath: `take-${i}` });
      ids.push((await bus.egress.startParticipantEgress(bus.room, ada.identity, { file })).egressId);
    }
    for (const id of ids) await bus.reaches(id, EgressStatus.EGRESS_ACTIVE);
    await sleep(5000);
    worker.child.kill('SIGKILL');
    for (const pid of jobsOf(worker)) process.kill(pid, 'SIGKILL');
    await worker.ended();
    const { ms, value: ends } = await tookMs(async () => {
      await bus.worker({ home: worker.home, config: COSTS });
      return Promise.all(ids.map((id) => bus.over(id)));
    });
    let unsafe = 0;
    for (const { details, error, fileResults: [file] } of ends) {
      const whole = file && (await decodeErrors(file.location)).length === 0 && Number(file.duration) > 4e9;
      if (!whole || !/killed|Failure/.test(`${details} ${error}`)) unsafe += 1;
    }
    return [
      { name: 'bus-killed', value: ms / 1000, unit: 's', bar: 10, what: 'worker killed with 10 jobs: the server knows how each ended, after the restart' },
      { name: 'bus-killed-lost', value: unsafe, unit: 'jobs', bar: 0, what: 'of these, without a whole file or the true reason' },
    ];
  });
}

/** A thousand starts at once, beside a recording, on this computer as it is. */
async function burst() {
  return inScene({}, async (scene) => {
    const ada = await scene.person(1, { video: { codec: 'vp8' }, audio: true });
    // What the publisher leaves out is not lost here: another receiver says what there was.
    const witness = await scene.witness(scene.folder);
    await witness.receives(ada.video.sid);
    const service = await Service.start(scene, { config: { cpu_cost: {} } });
    const body = (filepath) => ({ room_name: scene.room, identity: ada.identity, file_outputs: [{ filepath }] });
    const { json: first } = await service.call('StartParticipantEgress', body('first'));
    await service.reaches(first.egress_id, 'ACTIVE');
    await sleep(5000);
    const answers = [];
    let next = 0;
    const lane = async () => {
      while (next < 1000) answers.push(await service.call('StartParticipantEgress', body(`more-${next++}`)));
    };
    const { ms } = await tookMs(() => Promise.all(Array.from({ length: 200 }, lane)));
    await sleep(5000);
    const taken = answers.filter(({ status }) => status === 200);
    const unsaid = answers.filter(({ status, text }) => status !== 200 && !(status === 429 && /not enough/.test(text))).length;
    const { fileResults: [file] } = await service.finish(first.egress_id);
    for (const { json } of taken) await service.egress.stopEgress(json.egress_id).catch(() => {});
    await witness.leave();
    const published = cadence(await pictures(join(scene.folder, `${ada.video.sid}.ivf`)), { person: 1, fps: 30 });
    const { missing } = cadence(await pictures(file.location), { person: 1, fps: 30 });
    const lost = missing.filter((n) => n > published.first && n < published.last && !published.missing.includes(n));
    const what = `1000 starts in ${(ms / 1000).toFixed(1)} s beside a recording, ${taken.length} taken`;
    return [
      { name: 'burst-lost', value: lost.length, unit: 'pictures', bar: 0, what: `${what}: pictures that it lost` },
      { name: 'burst-unsaid', value: unsaid, unit: 'starts', bar: 0, what: `${what}: neither taken nor refused with the reason` },
    ];
  });
}

export const BUS = [
  { names: ['bus-start'], measure: start },
  { names: ['bus-create-room'], measure: create },
  { names: ['bus-killed', 'bus-killed-lost'], measure: killed },
  { names: ['burst-lost', 'burst-unsaid'], measure: burst },
];
