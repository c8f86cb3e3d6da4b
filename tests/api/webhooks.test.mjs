// Webhooks, received over real HTTP and verified by LiveKit's own SDK.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { EncodedFileOutput, EncodedFileType } from 'livekit-server-sdk';
import { Scene } from '../harness/scene.mjs';
import { Hooks, Service, STATUS } from '../harness/service.mjs';
import { sleep, until } from '../harness/wait.mjs';

const file = (filepath) => ({ file: new EncodedFileOutput({ filepath, fileType: EncodedFileType.OGG }) });

test('a life is told in order: configured, and by the request, through faults and beside the dead', { timeout: 120_000 }, async (t) => {
  const scene = await Scene.open(t);
  await scene.person(1, { audio: true });
  const [configured, asked, few] = [await Hooks.start(scene), await Hooks.start(scene), await Hooks.start(scene)];
  asked.faults = 2;
  // Takes calls, and never answers.
  const dead = createServer().listen(0, '127.0.0.1');
  await once(dead, 'listening');
  scene.onClose(async () => dead.close());
  const service = await Service.start(scene, {
    config: { webhook: { api_key: scene.server.key, urls: [`http://127.0.0.1:${dead.address().port}/`, configured.url] } },
  });
  const webhooks = [
    { url: asked.url, signingKey: scene.server.key },
    { url: few.url, filterParams: { includeEvents: ['egress_ended'] } },
  ];
  const { egressId } = await service.egress.startParticipantEgress(scene.room, 'person-1', file('a.ogg'), { webhooks });
  await service.reaches(egressId, 'ACTIVE');
  await sleep(1500);
  await service.finish(egressId);
  for (const hooks of [configured, asked, few]) await hooks.ended(egressId);

  for (const hooks of [configured, asked]) {
    // LiveKit's service tells no more of a life, and no less. One that waits is overtaken by the next.
    const [told, statuses] = [hooks.of(egressId), hooks.statuses(egressId)];
    assert.deepEqual([told[0], told.at(-1)], ['egress_started', 'egress_ended'], String(told));
    assert.ok(told.slice(1, -1).every((name) => name === 'egress_updated'), String(told));
    if (hooks === configured) assert.deepEqual(statuses, ['STARTING', 'ACTIVE', 'ENDING', 'COMPLETE']);
    assert.equal(new Set(statuses).size, statuses.length, String(statuses));
    assert.deepEqual(hooks.bad, []);
    assert.equal(new Set(hooks.events.map((event) => event.id)).size, hooks.events.length, 'each has an id of its own');
  }
  assert.deepEqual(few.of(egressId), ['egress_ended']);
  const [started] = configured.events;
  assert.deepEqual([STATUS[started.egressInfo.status], started.egressInfo.roomName], ['STARTING', scene.room]);
  assert.equal(started.egressInfo.fileResults[0].filename, 'a.ogg');
  assert.ok(Math.abs(Number(started.createdAt) - Date.now() / 1000) < 60);
  const end = configured.events.at(-1).egressInfo;
  assert.equal(STATUS[end.status], 'COMPLETE');
  assert.ok(end.fileResults[0].location.endsWith('a.ogg'));
});

test('what fails is told too, and once', { timeout: 120_000 }, async (t) => {
  const scene = await Scene.open(t);
  await scene.person(1, { audio: true });
  const hooks = await Hooks.start(scene);
  const service = await Service.start(scene, { config: { webhook: { urls: [hooks.url] } } });
  const told = new Map();
  // Stopped before it runs, while it joins, and when it is there.
  for (const afterMs of [0, 30, 60, 100, 150, 1000]) {
    const { egressId } = await service.egress.startParticipantEgress(scene.room, 'nobody', file(`after-${afterMs}`));
    await sleep(afterMs);
    await service.egress.stopEgress(egressId);
    await hooks.ended(egressId);
    const end = hooks.events.findLast(({ egressInfo }) => egressInfo.egressId === egressId).egressInfo;
    assert.equal(STATUS[end.status], 'ABORTED');
    assert.match(end.error, /^(Start signal not received|Stop called before pipeline could start)/);
    assert.equal(end.details, 'End reason: StopEgress API');
    told.set(egressId, afterMs);
  }
  for (const [egressId, afterMs] of told) {
    assert.deepEqual(hooks.statuses(egressId), ['STARTING', 'ABORTED'], `straight to its end, stopped after ${afterMs} ms`);
  }
});

test('an end that came while no service ran is told by the next', { timeout: 120_000 }, async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { audio: true });
  const hooks = await Hooks.start(scene);
  const config = { webhook: { urls: [hooks.url] } };
  const service = await Service.start(scene, { config });
  const { egressId } = await service.egress.startParticipantEgress(scene.room, ada.identity, file('a.ogg'));
  await service.reaches(egressId, 'ACTIVE');
  await sleep(1500);
  service.worker.child.kill('SIGKILL');
  await service.worker.ended();
  const { pid } = JSON.parse(readFileSync(join(service.home, 'studio/jobs', egressId, 'events.jsonl'), 'utf8').split('\n')[0]).fact;
  await ada.leave();
  await until('the job is over', () => !existsSync(`/proc/${pid}`));
  assert.ok(!hooks.of(egressId).includes('egress_ended'));
  const next = await Service.start(scene, { config, home: service.home });
  await hooks.ended(egressId);
  assert.equal(STATUS[(await next.info(egressId)).status], 'COMPLETE');
  assert.equal(hooks.of(egressId).filter((name) => name === 'egress_started').length, 1);
});
