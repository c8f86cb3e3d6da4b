// Publishers that stand still: their sound or picture stops for a while and goes on. Whatever their timestamps say of it,
// what follows is all there, beside its picture, and files last as long as it did.

import assert from 'node:assert/strict';
import { afterPause, beeps, cadence, flashes, pictures } from '../harness/content.mjs';
import { fileOutput, participantEgress, SMALL, trackEgress } from '../harness/job.mjs';
import { probe, sound } from '../harness/media.mjs';
import { assertWhole, atLeast, atMost, Scene } from '../harness/scene.mjs';
import { nowMs } from '../harness/schedule.mjs';
import { test } from '../harness/steady.mjs';
import { until } from '../harness/wait.mjs';

/** Small: several people are recorded at once. */
const CAMERA = { codec: 'vp8', width: 320, height: 180, fps: 30 };
/** How long a person is recorded after each pause, ms. */
const AFTER_MS = 4500;

/** Lets `who` go through `pauses` one after the other; when each was, unix ms. */
async function through(who, pauses) {
  const found = [];
  for (const pause of pauses) {
    const between = await pause(who);
    found.push(between);
    await until('the pause is over', () => nowMs() >= between.untilMs + AFTER_MS, { withinMs: 90_000 });
  }
  return found;
}

const mic = (ms, options) => (who) => who.stall('microphone', ms, options);

/** What holds a second after each pause, in a person's recording. */
async function assertRecovered(job, result, who, pauses) {
  const found = await assertWhole(result, { container: 'mp4' });
  const list = await pictures(result.path);
  const heard = beeps(await sound(result.path), who.person);
  const inFile = (ms) => (ms * 1e6 - result.started_at_ns) / 1e9;
  for (const { fromMs, untilMs } of pauses) {
    const what = `after ${Math.round(untilMs - fromMs)} ms`;
    const after = { fromS: inFile(untilMs) + 1, toS: inFile(untilMs + AFTER_MS) - 0.5 };
    const { due, lost, offsetMs } = afterPause(flashes(list), heard, after);
    assert.ok(due >= 2, `${what}: ${due} flashes`);
    assert.equal(lost, 0, `${what}: beeps lost (${heard.map((b) => b.toFixed(2))})`);
    atMost(`${what}: flash against beep, ms`, offsetMs, 20);
  }
  const lengthS = (job.stopMs * 1e6 - result.started_at_ns) / 1e9;
  atMost('length of the file, s off', Math.abs(found.durationS - lengthS), 0.6);
  return { list, heard };
}

test('a microphone that gives nothing for a while and goes on', async (t) => {
  const scene = await Scene.open(t);
  const [ada, ben] = await Promise.all([1, 2].map((n) => scene.person(n, { video: CAMERA, audio: true })));
  const record = (who) => scene.job(participantEgress(who.identity, { encoding: SMALL }), [fileOutput(scene.folder, { name: who.identity })]);
  const [job, other] = [await record(ada), await record(ben)];
  const track = await scene.job(trackEgress(ada.audio.sid), [fileOutput(scene.folder, { name: 'track' })]);
  await Promise.all([job, other, track].map((each) => each.elapsed(4000)));
  const [short, long] = await Promise.all([
    through(ada, [300, 600, 1000, 5000].map((ms) => mic(ms))),
    through(ben, [mic(12_000)]),
  ]);
  const [result, longResult, published] = [await job.stop(), await other.stop(), await track.stop()];
  await assertRecovered(job, result, ada, short);
  await assertRecovered(other, longResult, ben, long);

  // As published, there is no picture to hold it to: the beeps after a pause go on in the second of those before.
  const heard = beeps(await sound(published.path), ada.person);
  const told = (published.ended_at_ns - published.started_at_ns) / 1e9;
  atMost('length of the track, s off', Math.abs((await probe(published.path)).durationS - told), 0.3);
  for (const { untilMs } of short) {
    const fromS = (untilMs * 1e6 - published.started_at_ns) / 1e9;
    const after = heard.filter((b) => b > fromS + 1 && b < fromS + 4);
    atLeast('beeps after a pause', after.length, 2);
    for (const beep of after) {
      const part = (beep - heard[0]) % 1;
      atMost('a beep off its second, ms', Math.min(part, 1 - part) * 1000, 20);
    }
  }
});

test('a publisher that is late with everything, or with its picture alone', async (t) => {
  const scene = await Scene.open(t);
  const cai = await scene.person(3, { video: CAMERA, audio: true });
  const job = await scene.job(participantEgress(cai.identity, { encoding: SMALL }), [fileOutput(scene.folder)]);
  await job.elapsed(4000);
  const pauses = await through(cai, [
    mic(3000, { keeps: true }),
    (who) => who.freeze(3000),
    (who) => who.stall('camera', 3000),
    async (who) => {
      await who.stall('camera', 1000);
      return who.stall('microphone', 1000);
    },
  ]);
  const result = await job.stop();
  const { list } = await assertRecovered(job, result, cai, pauses);
  assert.equal(cadence(list, { person: 3, fps: 30 }).backwards, 0);
});
