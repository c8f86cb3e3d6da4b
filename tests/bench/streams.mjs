// The rows about live streams: real RTMP and SRT servers on loopback, read back.

import { RtmpServer, SrtListener } from '../harness/ingest.mjs';
import { fileOutput, participantEgress, streamOutput } from '../harness/job.mjs';
import { packets } from '../harness/media.mjs';
import { memoryBytes } from '../harness/process.mjs';
import { Proxy } from '../harness/proxy.mjs';
import { nowMs } from '../harness/schedule.mjs';
import { sleep } from '../harness/wait.mjs';
import { CAMERA, inScene } from './scene.mjs';

const MB = 1 << 20;
/** How long the ten destinations run, minutes: the bar's thirty, or fewer for a quick look. */
const TEN_MINUTES = Number(process.env.BENCH_TEN_MINUTES ?? 30);

/** The longest time between two packets, ms. */
export const largestGapMs = (list) => list.slice(1).reduce((most, p, i) => Math.max(most, (p.ptsS - list[i].ptsS) * 1000), 0);

async function withServer(act) {
  return inScene({}, async (scene) => {
    const rtmp = await RtmpServer.start();
    scene.onClose(() => rtmp.stop());
    const ada = await scene.person(1, { video: CAMERA, audio: true });
    return act(scene, rtmp, participantEgress(ada.identity));
  });
}

/** A second destination joins five times; the first one and the file go on. */
export async function added() {
  return withServer(async (scene, rtmp, egress) => {
    const job = await scene.job(egress, [fileOutput(scene.folder), streamOutput(rtmp.url('first'), { id: 'first' })]);
    await job.becomes('live', { output: 'first' });
    await job.elapsed(3000, 'first');
    let worst = 0;
    for (let i = 0; i < 5; i++) {
      const began = nowMs();
      await job.attach(streamOutput(rtmp.url(`joins${i}`), { id: `joins${i}` }));
      const live = await job.becomes('live', { output: `joins${i}` });
      worst = Math.max(worst, live.heardMs - began);
      await sleep(2000 + Math.random() * 500);
      await job.detach(`joins${i}`);
      await sleep(500);
    }
    const { path } = await job.stop();
    const gap = Math.max(largestGapMs(await packets(path)), largestGapMs(await packets(rtmp.kept('first')[0])));
    return [
      { name: 'stream-add', value: worst, unit: 'ms', bar: 2000, what: 'an RTMP destination added to a running job: live; worst of 5' },
      { name: 'stream-add-gap', value: gap, unit: 'ms', bar: 50, what: 'largest gap meanwhile in the file and in another stream' },
    ];
  });
}

/** The server is gone for a minute. */
export async function away() {
  return withServer(async (scene, rtmp, egress) => {
    const job = await scene.job(egress, [fileOutput(scene.folder), streamOutput(rtmp.url('key'))]);
    const first = await job.becomes('live');
    await job.elapsed(5000, 'stream');
    await rtmp.down();
    await sleep(60_000);
    await rtmp.up();
    const back = nowMs();
    const again = await job.becomes('live', { after: first.seq });
    await sleep(5000);
    const { path } = await job.stop();
    return [
      { name: 'stream-return', value: (again.heardMs - back) / 1000, unit: 's', bar: 10, what: 'RTMP server away for 60 s: live after its return' },
      { name: 'stream-return-gap', value: largestGapMs(await packets(path)), unit: 'ms', bar: 50, what: 'largest gap meanwhile in the file' },
    ];
  });
}

/** Ten destinations, three of them dead in different ways. */
export async function ten() {
  return withServer(async (scene, rtmp, egress) => {
    const srt = await SrtListener.start();
    const hole = await Proxy.to(rtmp.port);
    hole.mode = 'hole';
    for (const server of [srt, hole]) scene.onClose(() => server.stop());
    rtmp.refused.add('refused');
    const good = ['a', 'b', 'c', 'd', 'e', 'f'];
    const job = await scene.job(egress, [
      fileOutput(scene.folder),
      ...good.map((key) => streamOutput(rtmp.url(key), { id: key })),
      streamOutput(srt.url(), { id: 'srt' }),
      streamOutput(rtmp.url('refused'), { id: 'refused' }),
      streamOutput(`rtmp://127.0.0.1:${hole.port}/live/hole`, { id: 'hole' }),
      streamOutput('rtmp://127.0.0.1:1/live/nobody', { id: 'nobody' }),
    ]);
    for (const id of [...good, 'srt']) await job.becomes('live', { output: id });
    await sleep(60_000);
    const before = memoryBytes(job.pid);
    await sleep((TEN_MINUTES - 1) * 60_000);
    const grown = (memoryBytes(job.pid) - before) / MB;
    const { path } = await job.stop();
    let gap = largestGapMs(await packets(path));
    for (const key of good) gap = Math.max(gap, largestGapMs(await packets(rtmp.kept(key)[0])));
    const broken = [...good, 'srt'].filter((id) => job.states(id).join() !== 'connecting,live,stopped').length;
    const what = `10 destinations, 3 dead, ${TEN_MINUTES} min`;
    return [
      { name: 'ten-broken', value: broken, unit: 'streams', bar: 0, what: `${what}: good streams that were not whole` },
      { name: 'ten-gap', value: gap, unit: 'ms', bar: 50, what: `${what}: largest gap in the file and the good streams` },
      { name: 'ten-memory', value: grown, unit: 'MB', bar: 20, what: `${what}: memory grown after the first minute` },
    ];
  });
}
