// Sound over a WebSocket: what a server hears of it, when it is muted, and when the server goes and comes back.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beeps } from '../harness/content.mjs';
import { compositeEgress, fileOutput, participantEgress, SMALL, socketOutput } from '../harness/job.mjs';
import { heard, Listener } from '../harness/listener.mjs';
import { assertWhole, atLeast, atMost, Scene } from '../harness/scene.mjs';
import { test } from '../harness/steady.mjs';
import { until } from '../harness/wait.mjs';

/** A Track egress to a WebSocket, as a request becomes it. */
const ofTrack = (sid) => compositeEgress({ audio: sid, encoding: { video: null, audio: SMALL.audio } });

async function sceneWith(t) {
  const listener = await Listener.start();
  const scene = await Scene.open(t);
  scene.onClose(() => listener.stop());
  return { scene, listener };
}

test('a track as samples, in two formats, with its mutes', async (t) => {
  const { scene, listener } = await sceneWith(t);
  const ada = await scene.person(1, { audio: true });
  const job = await scene.job(ofTrack(ada.audio.sid), [
    socketOutput(listener.url('?token=planted-token'), { id: 'wide' }),
    socketOutput(listener.url('?small'), { id: 'small', format: 'mono16k' }),
  ]);
  await job.becomes('live', { output: 'wide' });
  await job.becomes('live', { output: 'small' });
  await job.elapsed(5000, 'wide');
  const wide = listener.calls.find((call) => call.url === '/in?token=planted-token');
  const small = listener.calls.find((call) => call.url === '/in?small');
  assert.equal(wide.headers['content-type'], 'audio/x-raw');
  await ada.mute('microphone');
  await until('the mute is told', () => wide.texts.length === 1 && small.texts.length === 1);
  await ada.unmute('microphone');
  await until('the end of the mute is told', () => wide.texts.length === 2 && small.texts.length === 2);
  await job.elapsed(12_000, 'wide');
  await job.stopStreams();
  assert.equal((await job.end()).status, 'complete');
  assert.deepEqual(wide.texts, [{ muted: true }, { muted: false }]);
  await until('goodbye', () => wide.closed !== null && small.closed !== null);
  assert.deepEqual([wide.closed, small.closed], [1005, 1005], 'it says goodbye');

  for (const [call, format] of [[wide, { rateHz: 48_000, channels: 2 }], [small, { rateHz: 16_000, channels: 1 }]]) {
    const told = heard(call, format);
    atMost('sound against the time it took, s', Math.abs(told.seconds - job.of(call === wide ? 'wide' : 'small').elapsed_ms / 1000), 0.5);
    atLeast('beeps', beeps(told, 1).length, 6);
  }
  const facts = readFileSync(join(job.folder, 'events.jsonl'), 'utf8') + job.log();
  assert.ok(!facts.includes('planted'), 'the token is nowhere');
});

test('a server that goes and comes back costs the recording beside it nothing', async (t) => {
  const { scene, listener } = await sceneWith(t);
  const ada = await scene.person(1, { video: { codec: 'vp8' }, audio: true });
  const job = await scene.job(participantEgress(ada.identity, { encoding: SMALL }), [fileOutput(scene.folder), socketOutput(listener.url())]);
  await job.becomes('live', { output: 'socket' });
  await job.elapsed(2000, 'socket');
  await listener.stop();
  const lost = await job.becomes('reconnecting', { output: 'socket' });
  const back = await Listener.start(listener.port);
  scene.onClose(() => back.stop());
  await job.becomes('live', { output: 'socket', after: lost.seq });
  await until('sound comes again', () => back.calls[0]?.blocks.length > 100);
  const file = await job.stop();
  await assertWhole(file, { container: 'mp4' });
  assert.equal((await job.end()).status, 'complete');
  assert.equal(job.states('socket').at(-1), 'stopped');
});

test('a server that says no is asked again only when told to', async (t) => {
  const { scene, listener } = await sceneWith(t);
  listener.refuses = 403;
  const ada = await scene.person(1, { audio: true });
  const job = await scene.job(ofTrack(ada.audio.sid), [fileOutput(scene.folder), socketOutput(listener.url())]);
  const refused = await job.becomes('refused', { output: 'socket' });
  assert.match(refused.fact.state.error.detail, /403/);
  listener.refuses = 0;
  await job.retry('socket');
  await job.becomes('live', { output: 'socket' });
  await job.elapsed(1000, 'socket');
  await job.stop();
});
