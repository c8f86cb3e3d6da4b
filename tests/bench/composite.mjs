// The rows of Room composite and Web egress: what Chromium shows, measured in the file and in the process tree.

import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { beeps, cadence, flashes, pictures, sync } from '../harness/content.mjs';
import { fileOutput, roomComposite, webEgress } from '../harness/job.mjs';
import { sound } from '../harness/media.mjs';
import { processesOf, treeCpuSeconds } from '../harness/process.mjs';
import { frameMs } from '../harness/scene.mjs';
import { nowMs } from '../harness/schedule.mjs';
import { site } from '../harness/site.mjs';
import { sleep, until } from '../harness/wait.mjs';
import { inScene } from './scene.mjs';

const VIDEO = { codec: 'vp8', width: 640, height: 360, fps: 30, bitrateBps: 600_000 };
/** The speaker's number: theirs is the sound. */
const SPEAKER = 2;
/** Where they are in the grid, as ffmpeg's crop has it. */
const SPEAKERS_QUARTER = '600:338:26:367';

async function four(scene) {
  const people = [];
  for (const person of [0, 1, 2, 3]) people.push(await scene.person(person, { video: VIDEO, audio: person === SPEAKER }));
  return people;
}

/** When the picture of `who` that the file begins with was taken, unix ms; the file shows `who` alone. */
async function firstMs(who, path) {
  return frameMs(who, cadence(await pictures(path), { person: who.person, fps: 30 }).first);
}

/** Cold, then from a running preview, each the worst of three: from the request to the first frame in the file. */
async function start() {
  return inScene({}, async (scene) => {
    const speaker = (await four(scene))[SPEAKER];
    const egress = roomComposite({ layout: 'single-speaker' });
    let [cold, armed] = [0, 0];
    for (let i = 0; i < 4; i++) {
      const job = await scene.job(egress, [fileOutput(scene.folder, { name: `cold-${i}` })]);
      await job.elapsed(3000);
      const tookMs = (await firstMs(speaker, (await job.stop()).path)) - job.startedMs;
      // The first reads Chromium's 200 MB from the disk, which says more of the disk than of us.
      if (i > 0) cold = Math.max(cold, tookMs);
    }
    for (let i = 0; i < 3; i++) {
      const job = await scene.job(egress);
      await job.fact('armed');
      await sleep(1000 + Math.random() * 1000);
      const pressed = nowMs();
      await job.attach(fileOutput(scene.folder, { name: `armed-${i}` }));
      await job.elapsed(3000);
      armed = Math.max(armed, (await firstMs(speaker, (await job.stop()).path)) - pressed);
    }
    return [
      { name: 'composite-cold', value: cold, unit: 'ms', bar: 5500, what: 'Room composite to its first frame, four people; worst of 3, Chromium in the disk cache (LiveKit Egress: 5500)' },
      { name: 'composite-armed', value: armed, unit: 'ms', bar: 300, what: 'Record on a running preview to the first frame; worst of 3' },
    ];
  });
}

async function minute() {
  return inScene({}, async (scene) => {
    await four(scene);
    const job = await scene.job(roomComposite({ layout: 'grid' }), [fileOutput(scene.folder)]);
    await job.elapsed(3000);
    const [cpu, from] = [treeCpuSeconds(job.pid), nowMs()];
    await job.elapsed(61_000);
    const cores = (treeCpuSeconds(job.pid) - cpu) / ((nowMs() - from) / 1000);
    const { path, duration_ns } = await job.stop();
    const quarter = await pictures(path, { crop: SPEAKERS_QUARTER });
    const [seen, heard] = [flashes(quarter), beeps(await sound(path), SPEAKER)];
    const { p80Ms, pairs } = sync(seen, heard);
    const expected = Math.floor(duration_ns / 1e9) - 1;
    const missing = Math.max(0, expected - seen.length) + Math.max(0, expected - heard.length);
    const bar = 40;
    return [
      { name: 'composite-offset', value: p80Ms, unit: 'ms', bar, what: `flash against beep, p80 of ${pairs.length}, four people, 720p30` },
      { name: 'composite-missing', value: missing, unit: 'of both', bar: 0, what: `${seen.length} flashes and ${heard.length} beeps in ${(duration_ns / 1e9).toFixed(1)} s` },
      { name: 'composite-cpu', value: cores, unit: 'cores', bar: 1.19, what: 'job, Chromium, screen and sound; four people, grid, 720p30, MP4' },
    ];
  });
}

/** From the request to the first picture in which the speaker, who moves at once, is no longer where they were. */
async function change() {
  return inScene({}, async (scene) => {
    await four(scene);
    const job = await scene.job(roomComposite({ layout: 'grid' }), [fileOutput(scene.folder)]);
    await job.elapsed(5000);
    const asked = [];
    for (const layout of ['single-speaker', 'grid', 'single-speaker', 'grid', 'single-speaker']) {
      asked.push({ layout, atMs: nowMs() });
      await job.updateLayout({ name: layout });
      await sleep(3000);
    }
    const { path, started_at_ns } = await job.stop();
    const before = { grid: await pictures(path), 'single-speaker': await pictures(path, { crop: SPEAKERS_QUARTER }) };
    const took = asked.map(({ layout, atMs }) => {
      const at = atMs / 1000 - started_at_ns / 1e9;
      const there = before[layout].find(({ ptsS, code }) => ptsS > at && code?.person !== SPEAKER);
      // The file's times are those of the capture less the 40 ms that it finds pictures late.
      return (there.ptsS - at) * 1000 + 40;
    });
    const gaps = before.grid.filter(({ ptsS }, i) => i && ptsS - before.grid[i - 1].ptsS > 0.05).length;
    return [
      { name: 'layout-change', value: Math.max(...took), unit: 'ms', bar: 200, what: `UpdateLayout to the first changed picture; worst of ${took.length}: ${took.map((ms) => ms.toFixed(0))}` },
      { name: 'layout-missing', value: gaps, unit: 'frames', bar: 0, what: 'missing across the changes' },
    ];
  });
}

/** Programs, sockets and temporary files that twenty jobs leave, half of them killed. */
async function leftovers() {
  const temporary = () => new Set([tmpdir(), '/tmp/.X11-unix'].filter(existsSync).flatMap((folder) => readdirSync(folder)));
  return inScene({}, async (scene) => {
    const { base } = await site(scene);
    const before = temporary();
    const folders = [];
    for (let i = 0; i < 20; i++) {
      const job = await scene.job(webEgress(`${base}/flashes`), [fileOutput(scene.folder, { name: `show-${i}` })], { room: '' });
      folders.push(job.folder);
      await job.elapsed(500);
      if (i % 2) await job.kill();
      else await job.stop();
    }
    const left = () => folders.flatMap(processesOf);
    await until('programs to end', () => left().length === 0, { withinMs: 10_000 }).catch(() => {});
    const own = new Set(folders.map((folder) => folder.split('/').pop()));
    const files = [...temporary()].filter((name) => !before.has(name) && !own.has(name) && !name.startsWith('tl-out-'));
    const value = left().length + files.length;
    return [{ name: 'composite-left', value, unit: 'things', bar: 0, what: `after 20 jobs, 10 of them killed ${[...left(), ...files].join(' ')}` }];
  });
}

export const COMPOSITE = [
  { names: ['composite-cold', 'composite-armed'], measure: start },
  { names: ['composite-offset', 'composite-missing', 'composite-cpu'], measure: minute },
  { names: ['layout-change', 'layout-missing'], measure: change },
  { names: ['composite-left'], measure: leftovers },
];
