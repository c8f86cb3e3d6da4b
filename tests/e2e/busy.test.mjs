// A room in a layout on a machine with twice as much to do as it can.

import { availableParallelism } from 'node:os';
import { beeps, flashes, pictures, sync } from '../harness/content.mjs';
import { fileOutput, roomComposite, SMALL } from '../harness/job.mjs';
import { sound } from '../harness/media.mjs';
import { load } from '../harness/process.mjs';
import { assertWhole, atLeast, atMost, Scene } from '../harness/scene.mjs';
import { test } from '../harness/steady.mjs';
import { sleep } from '../harness/wait.mjs';

/** Within so long after an unmute sound and picture are together again. */
const TOGETHER_S = 3;
/** What is more than this apart is seen. */
const APART_MS = 80;

test('sound and picture of a person come together again after an unmute on a busy machine', { timeout: 180_000 }, async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(0, { video: { codec: 'vp8', width: 320, height: 180, fps: 30, bitrateBps: 400_000 }, audio: true });
  const job = await scene.job(roomComposite({ layout: 'single-speaker', encoding: SMALL }), [fileOutput(scene.folder)]);
  await job.elapsed(1000);
  // Only now: how long a browser takes to start on such a machine is not what this is about.
  const end = load(2 * availableParallelism());
  scene.onClose(async () => end());
  await job.elapsed(4000);
  for (const source of ['camera', 'microphone']) await ada.mute(source);
  await sleep(2000);
  const unmutedMs = job.figures.outputs[0].elapsed_ms;
  for (const source of ['camera', 'microphone']) await ada.unmute(source);
  await job.elapsed(unmutedMs + 14_000);
  const result = await job.stop();
  end();
  await assertWhole(result, { container: 'mp4' });
  const both = sync(flashes(await pictures(result.path)), beeps(await sound(result.path), 0));
  t.diagnostic(both.pairs.map(({ atS, offsetMs }) => `${atS.toFixed(1)} s: ${offsetMs.toFixed()}`).join(', '));
  const after = both.pairs.filter(({ atS }) => atS > unmutedMs / 1000);
  atLeast('flashes with a beep', after.length, 8);
  // A machine as busy as this may part them again.
  let together = unmutedMs / 1000;
  for (const { atS, offsetMs } of after) {
    if (Math.abs(offsetMs) < APART_MS) together = atS;
    else atMost('how long they stay apart, s', atS - together, TOGETHER_S + 1);
  }
});
