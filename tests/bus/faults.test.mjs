// What goes wrong on a bus: workers that are killed, a Redis that is restarted, more jobs than a computer carries.

import assert from 'node:assert/strict';
import { cpus } from 'node:os';
import { test } from 'node:test';
import { EgressStatus, EncodedFileOutput } from 'livekit-server-sdk';
import { BusScene, jobsOf, refused } from '../harness/bus.mjs';
import { freePort } from '../harness/livekit.mjs';
import { decodeErrors } from '../harness/media.mjs';
import { sleep, until } from '../harness/wait.mjs';

const file = (filepath = '') => new EncodedFileOutput({ filepath });
const start = (bus, who) => bus.egress.startParticipantEgress(bus.room, who.identity, { file: file('{publisher_identity}-{time}') });

test('two workers: one is killed with its jobs, the other goes on; restarted, it tells the truth of all', async (t) => {
  const bus = await BusScene.open(t, { hooks: true });
  const people = [await bus.person(1, { audio: true }), await bus.person(2, { audio: true })];
  const first = await bus.worker();
  const one = await start(bus, people[0]);
  await bus.reaches(one.egressId, EgressStatus.EGRESS_ACTIVE);
  const second = await bus.worker();
  await sleep(3000);
  first.child.kill('SIGKILL');
  for (const pid of jobsOf(first)) process.kill(pid, 'SIGKILL');
  await first.ended();
  // The server does not know yet; the other worker takes what comes.
  assert.equal((await bus.info(one.egressId)).status, EgressStatus.EGRESS_ACTIVE);
  const two = await start(bus, people[1]);
  await bus.reaches(two.egressId, EgressStatus.EGRESS_ACTIVE);

  await bus.worker({ home: first.home });
  const told = await bus.over(one.egressId);
  assert.ok([EgressStatus.EGRESS_COMPLETE, EgressStatus.EGRESS_FAILED].includes(told.status));
  assert.match(`${told.details} ${told.error}`, /killed|Failure/);
  const [result] = told.fileResults;
  assert.ok(Number(result.duration) > 2e9, `${result.duration} ns are safe`);
  assert.deepEqual(await decodeErrors(result.location), []);
  await until('the server has told of it', () => bus.hooks.of(one.egressId).includes('egress_ended'));
  await bus.finish(two.egressId, 500);
  assert.equal(second.exit, undefined);
  assert.deepEqual(await bus.egress.listEgress({ active: true }), []);
});

test('the worker alone is killed: its jobs go on, and the next one stops them when it is asked to', async (t) => {
  const bus = await BusScene.open(t);
  const ada = await bus.person(1, { audio: true });
  const worker = await bus.worker();
  const info = await start(bus, ada);
  await bus.reaches(info.egressId, EgressStatus.EGRESS_ACTIVE);
  worker.child.kill('SIGKILL');
  await worker.ended();
  await sleep(2000);
  await bus.worker({ home: worker.home });
  const done = await bus.finish(info.egressId, 500);
  assert.ok(Number(done.fileResults[0].duration) > 2e9);
});

test('an end that nobody heard is told when the worker is back', async (t) => {
  const bus = await BusScene.open(t);
  const ada = await bus.person(1, { audio: true });
  const worker = await bus.worker();
  const info = await start(bus, ada);
  await bus.reaches(info.egressId, EgressStatus.EGRESS_ACTIVE);
  worker.child.kill('SIGKILL');
  await worker.ended();
  // The job ends by itself while nobody can tell of it.
  await ada.leave();
  await until('the job has ended', () => jobsOf(worker).length === 0, { withinMs: 30_000 });
  assert.equal((await bus.info(info.egressId)).status, EgressStatus.EGRESS_ACTIVE);
  await bus.worker({ home: worker.home });
  const done = await bus.reaches(info.egressId, EgressStatus.EGRESS_COMPLETE);
  assert.equal(done.details, 'End reason: Source closed');
});

test('Redis is restarted: jobs go on, their state arrives, and new ones are taken', async (t) => {
  const bus = await BusScene.open(t);
  const ada = await bus.person(1, { audio: true });
  await bus.worker();
  const one = await start(bus, ada);
  await bus.reaches(one.egressId, EgressStatus.EGRESS_ACTIVE);
  await bus.redis.kill();
  await sleep(1500);
  await bus.redis.run();
  await until('the worker is back', () => bus.redis.workers() === 1);
  const two = await start(bus, ada);
  await bus.finish(two.egressId, 500);
  await bus.finish(one.egressId, 0);
});

test('more jobs than the computer carries: some are taken, the others refused, and all that were taken end well', async (t) => {
  const bus = await BusScene.open(t);
  const ada = await bus.person(1, { audio: true });
  // Room for two at a time, whatever the machine is.
  const cost = cpus().length * 0.49;
  const worker = await bus.worker({ config: { cpu_cost: { max_cpu_utilization: 1, participant_cpu_cost: cost } } });
  const asked = await Promise.allSettled(Array.from({ length: 8 }, () => start(bus, ada)));
  const taken = asked.filter((one) => one.status === 'fulfilled').map((one) => one.value.egressId);
  const left = asked.filter((one) => one.status === 'rejected').map((one) => one.reason.code);
  assert.ok(taken.length >= 1 && taken.length <= 3, `${taken.length} were taken`);
  assert.ok(left.every((code) => ['unavailable', 'resource_exhausted'].includes(code)), `${left}`);
  assert.equal(new Set(taken).size, taken.length);
  for (const id of taken) await bus.finish(id, 0);
  assert.deepEqual(await bus.egress.listEgress({ active: true }), []);
  assert.equal(worker.exit, undefined);
});

test('told to end, it takes nothing new, and goes when its job is over', async (t) => {
  const bus = await BusScene.open(t);
  const ada = await bus.person(1, { audio: true });
  const worker = await bus.worker();
  const info = await start(bus, ada);
  await bus.reaches(info.egressId, EgressStatus.EGRESS_ACTIVE);
  worker.child.kill('SIGTERM');
  await sleep(500);
  const late = await refused(start(bus, ada));
  assert.equal(late.code, 'unavailable');
  assert.equal(worker.exit, undefined, 'it waits for its job');
  await bus.finish(info.egressId, 0);
  assert.equal((await worker.ended()).code, 0, worker.stderr);
});

test('told to end at once, it finishes its job, and the server has heard of that when it is gone', async (t) => {
  const bus = await BusScene.open(t);
  const ada = await bus.person(1, { audio: true });
  const health_port = await freePort();
  const worker = await bus.worker({ config: { health_port } });
  const info = await start(bus, ada);
  await bus.reaches(info.egressId, EgressStatus.EGRESS_ACTIVE);
  const page = await (await fetch(`http://127.0.0.1:${health_port}/status`)).json();
  assert.deepEqual([page.bus.redis_error, page.bus.running], [null, 1]);
  await sleep(1500);
  worker.child.kill('SIGINT');
  assert.equal((await worker.ended()).code, 0, worker.stderr);
  const done = await bus.info(info.egressId);
  assert.equal(done.status, EgressStatus.EGRESS_COMPLETE);
  assert.deepEqual(await decodeErrors(done.fileResults[0].location), []);
});
