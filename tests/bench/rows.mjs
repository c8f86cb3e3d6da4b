// The rows of the table, each measured for real: real server, real people, the built program.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { beeps, cadence, flashes, moved, pictures, silences, sync, units } from '../harness/content.mjs';
import { compositeEgress, fileOutput, participantEgress, trackEgress } from '../harness/job.mjs';
import { sound } from '../harness/media.mjs';
import { cpuSeconds, peakMemoryBytes } from '../harness/process.mjs';
import { frameMs } from '../harness/scene.mjs';
import { nowMs } from '../harness/schedule.mjs';
import { sleep, until } from '../harness/wait.mjs';
import { baseline, ssimLost } from './baseline.mjs';
import { BOUNDS } from './bounds.mjs';
import { BUS } from './bus.mjs';
import { COMPOSITE } from './composite.mjs';
import { hour } from './hour.mjs';
import { CAMERA, inScene } from './scene.mjs';
import { SOUND } from './sound.mjs';
import { added, away, ten } from './streams.mjs';

const run = promisify(execFile);
const MB = 1 << 20;

/** Five times, so that one unlucky moment does not decide; the worst of them counts. */
async function worstOf(times, once) {
  let worst = -Infinity;
  for (let i = 0; i < times; i++) worst = Math.max(worst, await once());
  return worst;
}

const firstFrameMs = async (who, path) => {
  const list = await pictures(path);
  if (!list[0].code) throw new Error('the first picture is not whole');
  return frameMs(who, cadence(list, { person: who.person, fps: 30 }).first);
};

async function armed() {
  return inScene({}, async (scene) => {
    const ada = await scene.person(1, { video: { codec: 'h264' } });
    const value = await worstOf(5, async () => {
      const job = await scene.job(trackEgress(ada.video.sid));
      await job.fact('armed');
      await sleep(1000 + Math.random() * 1000);
      const pressed = nowMs();
      await job.attach(fileOutput(scene.folder));
      await job.elapsed(1500);
      const { path } = await job.stop();
      // A file may begin with pictures from before the press: then it waited for nothing.
      return Math.max(0, (await firstFrameMs(ada, path)) - pressed);
    });
    return [{ name: 'record-armed', value, unit: 'ms', bar: 300, what: 'Record to first frame in the file, armed; worst of 5' }];
  });
}

async function cold() {
  return inScene({}, async (scene) => {
    const ada = await scene.person(1, { video: { codec: 'h264' } });
    await sleep(3000);
    const value = await worstOf(5, async () => {
      const job = await scene.job(trackEgress(ada.video.sid), [fileOutput(scene.folder)]);
      await job.elapsed(1500);
      const { path } = await job.stop();
      return (await firstFrameMs(ada, path)) - job.startedMs;
    });
    return [{ name: 'record-cold', value, unit: 'ms', bar: 1000, what: 'Record to first frame in the file, cold; worst of 5' }];
  });
}

async function stop() {
  return inScene({}, async (scene) => {
    const ada = await scene.person(1, { video: { codec: 'h264' }, audio: true });
    const egress = compositeEgress({ video: ada.video.sid, audio: ada.audio.sid, encoding: null });
    const value = await worstOf(3, async () => {
      const job = await scene.job(egress, [fileOutput(scene.folder)]);
      await job.elapsed(20_000);
      await job.stop();
      return job.endedMs - job.stopMs;
    });
    return [{ name: 'stop', value, unit: 'ms', bar: 500, what: 'Stop to a finalised file of 20 s; worst of 3 (hour-stop: of an hour)' }];
  });
}

async function offset() {
  return inScene({}, async (scene) => {
    const ada = await scene.person(1, { video: { codec: 'vp8' }, audio: true });
    const job = await scene.job(participantEgress(ada.identity), [fileOutput(scene.folder)]);
    await job.elapsed(40_000);
    const { path } = await job.stop();
    const together = sync(flashes(await pictures(path)), beeps(await sound(path), 1));
    if (together.pairs.length < 30) throw new Error(`only ${together.pairs.length} flashes with beeps`);
    return [{ name: 'av-offset', value: together.p80Ms, unit: 'ms', bar: 20, what: `flash against beep, p80 of ${together.pairs.length}, Participant` }];
  });
}

async function kept() {
  return inScene({}, async (scene) => {
    const ada = await scene.person(1, { video: CAMERA });
    const witness = await scene.witness();
    await witness.receives(ada.video.sid);
    const job = await scene.job(trackEgress(ada.video.sid), [fileOutput(scene.folder)]);
    await job.elapsed(30_000);
    const { path } = await job.stop();
    await witness.receives(ada.video.sid, witness.tracks.get(ada.video.sid).units.length + 2);
    const had = await units(path, 'h264');
    const all = witness.hashes(ada.video.sid);
    const from = all.indexOf(had[0]);
    const to = all.lastIndexOf(had.at(-1));
    if (from < 0 || to < from) throw new Error('the file does not hold what was published');
    const there = new Set(had);
    const value = all.slice(from, to + 1).filter((hash) => !there.has(hash)).length;
    return [{ name: 'frames-lost', value, unit: 'units', bar: 0, what: `of ${to - from + 1} coded units published, Track egress` }];
  });
}

async function killed() {
  return inScene({}, async (scene) => {
    const ada = await scene.person(1, { video: { codec: 'h264' }, audio: true });
    const egress = compositeEgress({ video: ada.video.sid, audio: ada.audio.sid, encoding: null });
    const value = await worstOf(5, async () => {
      const job = await scene.job(egress, [fileOutput(scene.folder)]);
      await job.elapsed(4000);
      await sleep(Math.random() * 1000);
      await job.kill();
      const { path } = job.logged().find((e) => e.fact.type === 'output_opening').fact;
      return job.killedMs - frameMs(ada, cadence(await pictures(path), { person: 1, fps: 30 }).last);
    });
    return [{ name: 'kill-loss', value, unit: 'ms', bar: 1000, what: 'material lost by SIGKILL, as published; worst of 5' }];
  });
}

async function cut() {
  return inScene({ network: true }, async (scene) => {
    const ada = await scene.person(1, { video: { codec: 'h264' }, audio: true });
    scene.network.mark();
    const job = await scene.job(participantEgress(ada.identity), [fileOutput(scene.folder)]);
    await job.elapsed(6000);
    scene.network.cut();
    await sleep(3000);
    scene.network.restore();
    await job.elapsed(20_000);
    const { path } = await job.stop();
    const heard = beeps(await sound(path), 1);
    const gap = silences(heard).reduce((a, b) => (b.toS - b.fromS > a.toS - a.fromS ? b : a));
    const list = await pictures(path);
    // By the numbers in the pictures: beeps are a second apart and would not show a gap that is a second too long.
    const off = moved(list, { person: 1, fps: 30, fromS: gap.fromS, toS: gap.toS + 1 });
    const after = sync(flashes(list).filter((f) => f > gap.toS - 0.5), heard);
    if (after.pairs.length < 5) throw new Error('too little after the cut');
    return [
      { name: 'cut-gap', value: Math.abs(off) * 1000, unit: 'ms', bar: 20, what: 'error of the gap’s length, network cut for 3 s' },
      { name: 'cut-sync', value: after.p80Ms, unit: 'ms', bar: 20, what: 'flash against beep after the cut, p80' },
    ];
  });
}

async function cpuTrack() {
  return inScene({}, async (scene) => {
    const ada = await scene.person(1, { video: CAMERA });
    const job = await scene.job(trackEgress(ada.video.sid), [fileOutput(scene.folder)]);
    await job.elapsed(8000);
    const [cpu, from, bytes] = [cpuSeconds(job.pid), nowMs(), job.figures.outputs[0].size_bytes];
    await job.elapsed(68_000);
    const wallS = (nowMs() - from) / 1000;
    const percent = ((cpuSeconds(job.pid) - cpu) / wallS) * 100;
    const rate = ((job.figures.outputs[0].size_bytes - bytes) * 8) / wallS / 1e6;
    const memory = peakMemoryBytes(job.pid) / MB;
    await job.stop();
    if (rate < 1.2) throw new Error(`the camera sent only ${rate.toFixed(2)} Mb/s`);
    return [
      { name: 'cpu-track', value: percent, unit: '% core', bar: 4, what: `Track egress, 720p30 H.264 at ${rate.toFixed(2)} Mb/s` },
      { name: 'memory-track', value: memory, unit: 'MB', bar: 80, what: 'most that was resident' },
    ];
  });
}

async function cpuParticipant(binaries) {
  return inScene({}, async (scene) => {
    const ada = await scene.person(1, { video: CAMERA, audio: true });
    // What the baseline decodes: the same material, as it was published.
    const egress = compositeEgress({ video: ada.video.sid, audio: ada.audio.sid, encoding: null });
    const first = await scene.job(egress, [fileOutput(scene.folder, { name: 'source' })]);
    await first.elapsed(75_000);
    const source = (await first.stop()).path;

    // Side by side: a busy moment of the machine hits both. On a computer that has time to spare the job takes more
    // trouble after a while, which is another measure: what is told is its usual effort.
    const alone = await baseline(source, scene.folder);
    const job = await scene.job(participantEgress(ada.identity), [fileOutput(scene.folder)]);
    await job.elapsed(4000);
    const at = () => ({ ours: cpuSeconds(job.pid), theirs: cpuSeconds(alone.pid), ms: nowMs() });
    const from = at();
    let now = from;
    while (now.ms - from.ms < 60_000) {
      await sleep(500);
      if (job.figures.encoder !== 'x264') break;
      now = at();
    }
    const wallS = (now.ms - from.ms) / 1000;
    if (wallS < 15) throw new Error(`only ${wallS.toFixed(0)} s with the usual effort`);
    const ours = (now.ours - from.ours) / wallS;
    const theirs = (now.theirs - from.theirs) / wallS;
    const memory = peakMemoryBytes(job.pid) / MB;
    await alone.stop();
    await job.stop();
    const lost = await ssimLost(binaries['tallylight-job'], source, scene.folder);
    const what = `Participant ${ours.toFixed(3)} core for ${wallS.toFixed(0)} s; decode + x264 veryfast + AAC alone ${theirs.toFixed(3)}`;
    return [
      { name: 'cpu-participant', value: (ours / theirs - 1) * 100, unit: '% more', bar: -30, what },
      { name: 'ssim-participant', value: lost, unit: 'lost', bar: 0.002, what: 'SSIM that the encoder gives up against x264 veryfast at the same rate' },
      { name: 'memory-participant', value: memory, unit: 'MB', bar: 200, what: 'most that was resident' },
    ];
  });
}

/**
 * From when something has happened to its being told to the studio; drawing it takes the window a few milliseconds more.
 * What a person does has happened when their own SDK says so. That somebody came or left, the server says in its own
 * time: it has happened when LiveKit's SDK of somebody else in the room knows.
 */
async function roomChange() {
  return inScene({}, async (scene) => {
    const ada = await scene.person(1);
    const monitor = await scene.monitor();
    const people = () => monitor.roster?.participants ?? [];
    const at = (what) => what.then(nowMs);
    const lag = async (happened, is) => {
      const told = until('the room is told', () => is(people()), { everyMs: 2 });
      const [happenedMs, toldMs] = await Promise.all([at(happened), at(told)]);
      return Math.max(0, toldMs - happenedMs);
    };
    const camera = () => people().flatMap((one) => one.tracks).find((track) => track.source === 'camera');
    const adaKnows = (event) => until(event, () => ada.events.some((one) => one.event === event), { everyMs: 2 });
    await until('the room', () => people().length === 1);
    const took = [
      await lag(ada.publishVideo({ codec: 'vp8' }), () => camera()),
      await lag(ada.mute('camera'), () => camera()?.muted),
      await lag(ada.unmute('camera'), () => camera()?.muted === false),
      await lag(ada.unpublish('camera'), () => !camera()),
    ];
    const coming = scene.person(2);
    took.push(await lag(adaKnows('came'), () => people().length === 2));
    await (await coming).leave();
    took.push(await lag(adaKnows('left'), () => people().length === 1));
    const what = 'a change in the room to the studio knowing; worst of 6';
    return [{ name: 'room-change', value: Math.max(...took), unit: 'ms', bar: 1000, what }];
  });
}

async function links(binaries) {
  const all = await Promise.all(['tallylight-job', 'tallylight-worker'].map((name) => run('ldd', [binaries[name]])));
  const found = all.flatMap(({ stdout }) => stdout.split('\n')).filter((line) => /webkit|javascriptcore|libgtk/i.test(line));
  return [{ name: 'webkit-links', value: found.length, unit: 'libraries', bar: 0, what: 'WebKit or GTK linked by job and worker' }];
}

/** In the order of the table. */
export const BENCHES = [
  { names: ['record-armed'], measure: armed },
  { names: ['record-cold'], measure: cold },
  { names: ['stop'], measure: stop },
  { names: ['av-offset'], measure: offset },
  { names: ['frames-lost'], measure: kept },
  { names: ['kill-loss'], measure: killed },
  { names: ['cut-gap', 'cut-sync'], measure: cut },
  { names: ['cpu-track', 'memory-track'], measure: cpuTrack },
  { names: ['cpu-participant', 'ssim-participant', 'memory-participant'], measure: cpuParticipant },
  { names: ['room-change'], measure: roomChange },
  ...COMPOSITE,
  ...SOUND,
  { names: ['stream-add', 'stream-add-gap'], measure: added },
  { names: ['stream-return', 'stream-return-gap'], measure: away },
  { names: ['ten-broken', 'ten-gap', 'ten-memory'], measure: ten },
  ...BOUNDS,
  ...BUS,
  { names: ['webkit-links'], measure: links },
  { names: ['hour-stop', 'hour-drift', 'hour-offset', 'hour-memory'], measure: hour },
];
