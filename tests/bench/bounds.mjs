// The rows of what must hold whatever the computer does: a disk that hangs, processors that others keep busy.

import { availableParallelism } from 'node:os';
import { cadence, pictures, units } from '../harness/content.mjs';
import { hangingDisk } from '../harness/disk.mjs';
import { RtmpServer } from '../harness/ingest.mjs';
import { fileOutput, participantEgress, PRESET, streamOutput, trackEgress } from '../harness/job.mjs';
import { packets } from '../harness/media.mjs';
import { load, peakMemoryBytes } from '../harness/process.mjs';
import { nowMs } from '../harness/schedule.mjs';
import { compareUnits } from '../harness/witness.mjs';
import { CAMERA, inScene } from './scene.mjs';
import { largestGapMs } from './streams.mjs';

const MB = 1 << 20;
const MINUTE_MS = 60_000;

/** A file on a good disk and a stream, beside a file on a disk that hangs for a minute and does not come back. */
async function hung() {
  return inScene({}, async (scene) => {
    const disk = await hangingDisk();
    scene.onClose(() => disk.unmount());
    const rtmp = await RtmpServer.start();
    scene.onClose(() => rtmp.stop());
    const ada = await scene.person(1, { video: CAMERA, audio: true });
    const job = await scene.job(participantEgress(ada.identity), [
      fileOutput(scene.folder),
      fileOutput(disk.path, { id: 'hung' }),
      streamOutput(rtmp.url('show')),
    ]);
    await job.becomes('live');
    for (const output of ['file', 'hung', 'stream']) await job.elapsed(5000, output);
    const before = peakMemoryBytes(job.pid);
    await disk.hang();
    await job.elapsed(job.of('file').elapsed_ms + MINUTE_MS);
    const grown = (peakMemoryBytes(job.pid) - before) / MB;
    const asked = nowMs();
    await job.stopStreams();
    const answered = nowMs() - asked;
    const { path } = await job.outputEnded();
    const gaps = [largestGapMs(await packets(path)), largestGapMs(await packets(rtmp.kept('show')[0]))];
    const what = 'beside a disk that hangs for a minute';
    return [
      { name: 'hung-gap', value: Math.max(...gaps), unit: 'ms', bar: 50, what: `${what}: largest gap in a file and a stream` },
      { name: 'hung-stop', value: answered, unit: 'ms', bar: 500, what: `${what}: Stop to its answer` },
      { name: 'hung-memory', value: grown, unit: 'MB', bar: 64, what: `${what}: memory grown` },
    ];
  });
}

/** A re-encoded person, and their camera as published, while as many processes as there are processors do nothing else. */
async function busy() {
  return inScene({}, async (scene) => {
    const ada = await scene.person(1, { video: { codec: 'h264', fps: 30 }, audio: true });
    const witness = await scene.witness();
    await witness.receives(ada.video.sid);
    const person = await scene.job(participantEgress(ada.identity, { encoding: PRESET }), [fileOutput(scene.folder, { name: 'person' })]);
    const track = await scene.job(trackEgress(ada.video.sid), [fileOutput(scene.folder, { name: 'track' })]);
    for (const job of [person, track]) await job.elapsed(3000);
    const end = load(availableParallelism());
    scene.onClose(async () => end());
    for (const job of [person, track]) await job.elapsed(3000 + MINUTE_MS);
    end();
    const [recorded, published] = [(await person.stop()).path, (await track.stop()).path];
    const seen = cadence(await pictures(recorded), { person: 1, fps: 30 });
    await witness.receives(ada.video.sid, witness.tracks.get(ada.video.sid).units.length + 2);
    const same = compareUnits(await units(published, 'h264'), witness.hashes(ada.video.sid));
    if (!same.same) throw new Error(`the track differs from what was published: ${JSON.stringify(same)}`);
    const lost = cadence(await pictures(published), { person: 1, fps: 30 }).missing.length;
    const what = 'as many busy processes as processors, for a minute';
    return [
      { name: 'busy-repeated', value: (seen.repeated / seen.frames) * 100, unit: '%', bar: 1, what: `${what}: pictures shown twice in a Participant egress` },
      { name: 'busy-lost', value: lost, unit: 'pictures', bar: 0, what: `${what}: pictures missing in a Track egress` },
    ];
  });
}

export const BOUNDS = [
  { names: ['hung-gap', 'hung-stop', 'hung-memory'], measure: hung },
  { names: ['busy-repeated', 'busy-lost'], measure: busy },
];
