// An hour of one person, re-encoded: what only shows over time.

import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beeps, flashes, pictures, sync } from '../harness/content.mjs';
import { fileOutput, PRESET, participantEgress } from '../harness/job.mjs';
import { sound } from '../harness/media.mjs';
import { memoryBytes } from '../harness/process.mjs';
import { sleep } from '../harness/wait.mjs';
import { WORK } from '../setup.mjs';
import { inScene } from './scene.mjs';

// Shorter for a look whether it works at all; the bars are for an hour.
const MINUTES = Number(process.env.BENCH_MINUTES ?? 60);
const MB = 1 << 20;

export async function hour() {
  return inScene({}, async (scene) => {
    const media = { video: { codec: 'h264', width: 640, height: 360 }, audio: true };
    const ada = await scene.person(1, media);
    const encoding = { ...PRESET, video: { ...PRESET.video, width: 640, height: 360, bitrate_bps: 800_000 } };
    const job = await scene.job(participantEgress(ada.identity, { encoding }), [fileOutput(scene.folder)]);
    await job.elapsed(60_000);
    const early = memoryBytes(job.pid);
    let most = 0;
    for (let minute = 1; minute < MINUTES; minute++) {
      await sleep(60_000);
      most = Math.max(most, memoryBytes(job.pid));
    }
    await job.elapsed(MINUTES * 60_000);
    const late = memoryBytes(job.pid);
    // Kept: an hour should not have to be spent again to look closer.
    const path = join(WORK, 'hour.mp4');
    await copyFile((await job.stop()).path, path);
    const together = sync(flashes(await pictures(path)), beeps(await sound(path), 1));
    const told = `${MINUTES} min, ${together.pairs.length} flashes with beeps`;
    return [
      { name: 'hour-stop', value: job.endedMs - job.stopMs, unit: 'ms', bar: 500, what: `Stop to a finalised file of ${MINUTES} min` },
      { name: 'hour-drift', value: Math.abs(together.driftMs), unit: 'ms', bar: 20, what: told },
      { name: 'hour-offset', value: together.p80Ms, unit: 'ms', bar: 20, what: told },
      {
        name: 'hour-memory',
        value: (late - early) / MB,
        unit: 'MB more',
        bar: 8,
        what: `after ${MINUTES} min than after one (${(early / MB).toFixed(0)} MB); at most ${(most / MB).toFixed(0)} MB`,
      },
    ];
  });
}
