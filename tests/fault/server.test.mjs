// The server goes away, comes back, deletes the room, or knows us not.

import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { beeps, cadence, pictures } from '../harness/content.mjs';
import { fileOutput, participantEgress, trackEgress } from '../harness/job.mjs';
import { sound } from '../harness/media.mjs';
import { assertWhole, Scene } from '../harness/scene.mjs';
import { roomService } from '../harness/token.mjs';
import { sleep } from '../harness/wait.mjs';

test('the server restarts: the recording of a person goes on when they are back', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { video: { codec: 'vp8' }, audio: true });
  const job = await scene.job(participantEgress(ada.identity), [fileOutput(scene.folder)]);
  await job.elapsed(4000);
  const before = job.events.at(-1).seq;
  await scene.server.kill();
  await sleep(1500);
  await scene.server.run();
  await job.fact('connection', { after: before, where: (f) => f.state === 'connected', withinMs: 60_000 });
  await job.fact('track_added', { after: before, where: (f) => f.track.kind === 'video', withinMs: 60_000 });
  await job.elapsed(job.figures.outputs[0].elapsed_ms + 6000);
  const result = await job.stop();
  await assertWhole(result, { container: 'mp4' });
  assert.equal((await job.end()).status, 'complete');
  const list = await pictures(result.path);
  const seen = cadence(list, { person: 1, fps: 30 });
  const late = list.filter((p) => p.code && p.ptsS > list.at(-1).ptsS - 3);
  assert.ok(late.length > 60, `${late.length} pictures in the last 3 s; ${seen.frames} in all`);
  assert.ok(beeps(await sound(result.path), 1).at(-1) > list.at(-1).ptsS - 2);
});

test('the room is deleted: the file is finished, and the reason given', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { video: { codec: 'h264' } });
  const job = await scene.job(trackEgress(ada.video.sid), [fileOutput(scene.folder)]);
  await job.elapsed(3000);
  await roomService(scene.server, 'DeleteRoom', { room: scene.room });
  const result = await job.result();
  await assertWhole(result, { container: 'mp4' });
  assert.equal((await job.fact('ending')).fact.reason, 'source_closed');
  assert.equal((await job.end()).status, 'complete');
});

test('the recorder is removed by an administrator: the file is finished', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { video: { codec: 'h264' } });
  const job = await scene.job(trackEgress(ada.video.sid), [fileOutput(scene.folder)]);
  await job.elapsed(3000);
  await roomService(scene.server, 'RemoveParticipant', { room: scene.room, identity: job.id });
  const result = await job.result();
  assert.ok(existsSync(result.path));
  const end = await job.end();
  assert.ok(['complete', 'failed'].includes(end.status));
  assert.ok(cadence(await pictures(result.path), { person: 1, fps: 30 }).frames > 60);
});

test('nobody sees the recorder, and the room knows that it is recorded', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { audio: true });
  const job = await scene.job(participantEgress(ada.identity), [fileOutput(scene.folder)]);
  await job.elapsed(1500);
  const { participants } = await roomService(scene.server, 'ListParticipants', { room: scene.room });
  const recorder = participants.find((p) => p.identity === job.id);
  assert.ok(recorder?.permission?.hidden && recorder.permission.recorder, JSON.stringify(participants));
  const { rooms } = await roomService(scene.server, 'ListRooms', { names: [scene.room] });
  assert.equal(rooms[0].active_recording, true);
  assert.equal(rooms[0].num_participants, 1, 'it is not counted');
  await job.stop();
});

test('a wrong token is refused at once, in words', async (t) => {
  const scene = await Scene.open(t);
  await scene.person(1, { audio: true });
  const job = await scene.job(participantEgress('person-1'), [fileOutput(scene.folder)], { launch: { token: 'no.such.token' } });
  const end = await job.end(20_000);
  assert.equal(end.status, 'failed');
  assert.ok(end.error.message.length > 10 && end.error.remedy.length > 5, JSON.stringify(end.error));
  assert.doesNotMatch(JSON.stringify(job.logged()) + job.log(), /no\.such\.token/, 'the token is in no log');
  assert.deepEqual(readdirSync(scene.folder), []);
});

for (const [what, change, says] of [
  ['a wrong secret', { secret: 'x'.repeat(32) }, /secret/i],
  ['an unknown key', { env: { LIVEKIT_API_KEY: 'APInobody' } }, /key/i],
]) {
  test(`${what} is named as such`, async (t) => {
    const scene = await Scene.open(t);
    await scene.person(1, { audio: true });
    const worker = await scene.worker(['--identity', 'person-1', '--seconds', '2'], change);
    const { code } = await worker.ended();
    assert.notEqual(code, 0);
    assert.match(worker.stderr, says);
    assert.doesNotMatch(worker.stderr, new RegExp(scene.server.secret));
    assert.deepEqual(readdirSync(scene.folder), []);
  });
}
