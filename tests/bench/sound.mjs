// What becomes of sound: whether the sides of a stereo publisher stay apart, and what a pause of a publisher costs.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterPause, beeps, flashes, pictures, stereo } from '../harness/content.mjs';
import { fileOutput, participantEgress, PRESET, roomComposite, segmentsOutput, trackEgress } from '../harness/job.mjs';
import { sound } from '../harness/media.mjs';
import { stereoStudio } from '../harness/pion.mjs';
import { nowMs } from '../harness/schedule.mjs';
import { until } from '../harness/wait.mjs';
import { inScene } from './scene.mjs';

const SMALL = { ...PRESET, video: { ...PRESET.video, width: 640, height: 360, bitrate_bps: 800_000 } };

async function separation() {
  return inScene({}, async (scene) => {
    const studio = await stereoStudio(scene);
    const only = (codec, sample_rate_hz) => ({ video: null, audio: { codec, bitrate_bps: 128_000, sample_rate_hz } });
    const voice = (codec, rate) => participantEgress(studio.identity, { encoding: only(codec, rate) });
    const file = (name, container) => fileOutput(scene.folder, { name, container });
    const jobs = [
      await scene.job(voice('aac', 44_100), [file('aac', 'mp4'), segmentsOutput(scene.folder, { prefix: 'hls' })]),
      await scene.job(voice('opus', 48_000), [file('opus', 'ogg')]),
      await scene.job(voice('mp3', 44_100), [file('mp3', 'mp3')]),
      await scene.job(trackEgress(studio.sid), [file('track')]),
      await scene.job(roomComposite({ encoding: SMALL }), [file('page')]),
    ];
    await Promise.all(jobs.map((job) => job.elapsed(10_000)));
    const files = [];
    for (const job of jobs) files.push((await job.stop()).path);
    files.push(join(scene.folder, readdirSync(scene.folder).filter((name) => /^hls.*\.ts$/.test(name)).sort()[1]));
    const found = await Promise.all(files.map((path) => stereo(path)));
    const value = Math.min(...found.map((one) => one.separationDb));
    return [{ name: 'stereo-separation', value, unit: 'dB', bar: 40, least: true, what: 'Left from right, worst of MP4, OGG, MP3, TS, a track, a page' }];
  });
}

/** How long each of four people's pauses are, ms. */
const PAUSES_MS = [[300, 600, 1000, 3000, 5000], [12_000], [59_000], [61_000]];
const AFTER_MS = 5000;

async function stalls() {
  return inScene({}, async (scene) => {
    const camera = { codec: 'vp8', width: 320, height: 180, fps: 30 };
    const people = await Promise.all(PAUSES_MS.map((_, n) => scene.person(n + 1, { video: camera, audio: true })));
    const jobs = [];
    for (const who of people) {
      jobs.push(await scene.job(participantEgress(who.identity, { encoding: SMALL }), [fileOutput(scene.folder, { name: who.identity })]));
    }
    await Promise.all(jobs.map((job) => job.elapsed(8000)));
    const found = await Promise.all(
      people.map(async (who, n) => {
        const pauses = [];
        for (const ms of PAUSES_MS[n]) {
          const pause = await who.stall('microphone', ms);
          pauses.push(pause);
          await until('the pause is over', () => nowMs() >= pause.untilMs + AFTER_MS, { withinMs: 90_000 });
        }
        const result = await jobs[n].stop();
        const [flashed, heard] = [flashes(await pictures(result.path)), beeps(await sound(result.path), who.person)];
        const inFile = (ms) => (ms * 1e6 - result.started_at_ns) / 1e9;
        return pauses.map(({ untilMs }) => ({
          later: afterPause(flashed, heard, { fromS: inFile(untilMs) + 1, toS: inFile(untilMs + AFTER_MS) - 0.5 }),
          whole: afterPause(flashed, heard, { fromS: inFile(untilMs) + 0.15, toS: inFile(untilMs + AFTER_MS) - 0.5 }),
        }));
      }),
    );
    const all = found.flat();
    return [
      { name: 'stall-offset', value: Math.max(...all.map((p) => p.later.offsetMs)), unit: 'ms', bar: 20, what: 'Sound from picture a second after a microphone stood still for 0.3 to 61 s; worst' },
      { name: 'stall-lost', value: all.reduce((sum, p) => sum + p.whole.lost, 0), unit: 'beeps', bar: 0, what: 'Beeps lost after these pauses' },
    ];
  });
}

export const SOUND = [
  { names: ['stereo-separation'], measure: separation },
  { names: ['stall-offset', 'stall-lost'], measure: stalls },
];
