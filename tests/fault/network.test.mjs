// The way to the server is cut, or loses packets, while the people go on.

import assert from 'node:assert/strict';
import { beeps, cadence, flashes, moved, pictures, silences, sync } from '../harness/content.mjs';
import { compositeEgress, fileOutput, participantEgress, trackEgress } from '../harness/job.mjs';
import { sound } from '../harness/media.mjs';
import { assertWhole, atLeast, atMost, Scene } from '../harness/scene.mjs';
import { nowMs } from '../harness/schedule.mjs';
import { test } from '../harness/steady.mjs';
import { sleep } from '../harness/wait.mjs';

/** Cuts the recorder off for so long; returns when it was, unix ms. */
async function cutFor(network, ms) {
  const fromMs = nowMs();
  network.cut();
  await sleep(ms);
  network.restore();
  return { fromMs, toMs: nowMs() };
}

const heldMs = (job) => job.figures?.outputs[0]?.elapsed_ms ?? 0;

for (const { what, egress, seconds } of [
  { what: 'a person, re-encoded', egress: (ada) => participantEgress(ada.identity), seconds: 3 },
  {
    what: 'as published',
    egress: (ada) => compositeEgress({ video: ada.video.sid, audio: ada.audio.sid, encoding: null }),
    seconds: 3,
  },
  { what: 'a person, re-encoded', egress: (ada) => participantEgress(ada.identity), seconds: 20 },
]) {
  test(`cut for ${seconds} s: the job goes on, the gap has its true length, sync holds (${what})`, async (t) => {
    const scene = await Scene.open(t, { network: true });
    const ada = await scene.person(1, { video: { codec: 'h264' }, audio: true });
    scene.network.mark();
    const job = await scene.job(egress(ada), [fileOutput(scene.folder)]);
    // What the sender's first report puts right of the first packets' times, up to 40 ms, is led in at 2 ms a second.
    await job.elapsed(18_000);
    const cut = await cutFor(scene.network, seconds * 1000);
    // Media has to come again, and then for a while.
    const back = await job.fact('connection', { where: (f) => f.state === 'connected', withinMs: 40_000 });
    assert.ok(back);
    const wanted = (cut.toMs - job.events.find((e) => e.fact.type === 'output_active').fact.started_at_ns / 1e6) + 9000;
    await job.elapsed(wanted);
    const result = await job.stop();
    await assertWhole(result);
    assert.equal((await job.end()).status, 'complete');

    const list = await pictures(result.path);
    const heard = beeps(await sound(result.path), 1);
    const seen = cadence(list, { person: 1, fps: 30 });
    assert.ok(seen.last > seen.first + (seconds + 8) * 30, 'there is picture after the cut');
    const [gap, ...more] = silences(heard);
    assert.equal(more.length, 0, `one gap in the sound: ${JSON.stringify(heard)}`);
    const part = (gap.toS - gap.fromS) % 1;
    atMost('the gap in the sound is whole seconds, ms off', Math.min(part, 1 - part) * 1000, 30);
    atMost('sound is back after, s', gap.toS - gap.fromS - seconds, seconds > 10 ? 9 : 4);
    const flashed = flashes(list);
    const before = sync(flashed.filter((f) => f < gap.fromS + 0.5), heard);
    const after = sync(flashed.filter((f) => f > gap.toS - 0.5), heard);
    atLeast('flashes with beeps after the cut', after.pairs.length, 3);
    atMost('flash against beep before, p80, ms', before.p80Ms, 20);
    atMost('flash against beep after, p80, ms', after.p80Ms, 20);
    // Time in the file is time in the world, before and after alike.
    const off = moved(list, { person: 1, fps: 30, fromS: gap.fromS, toS: gap.toS + 1 });
    atMost('the picture moved against the clock across the cut, ms', Math.abs(off) * 1000, 60);
    assert.ok(heldMs(job) >= wanted);
  });
}

test('5 % of the packets lost: the picture is asked for again and whole', async (t) => {
  const scene = await Scene.open(t, { network: true });
  const ada = await scene.person(2, { video: { codec: 'vp8' }, audio: { red: true } });
  scene.network.mark();
  const job = await scene.job(trackEgress(ada.video.sid), [fileOutput(scene.folder)]);
  await job.elapsed(2000);
  scene.network.loss = 0.05;
  await job.elapsed(12_000);
  const result = await job.stop();
  await assertWhole(result);
  const seen = cadence(await pictures(result.path), { person: 2, fps: 30 });
  atMost('frames missing, of 360', seen.missing.length, 18);
});
