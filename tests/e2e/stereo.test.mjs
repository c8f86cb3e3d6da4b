// A stereo publisher stays stereo in everything that is made of it.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { SIDES, stereo } from '../harness/content.mjs';
import { RtmpServer } from '../harness/ingest.mjs';
import { fileOutput, participantEgress, roomComposite, segmentsOutput, SMALL, streamOutput, trackEgress } from '../harness/job.mjs';
import { stereoStudio } from '../harness/pion.mjs';
import { Scene } from '../harness/scene.mjs';
import { test } from '../harness/steady.mjs';

const sound = (codec, sample_rate_hz) => ({ video: null, audio: { codec, bitrate_bps: 128_000, sample_rate_hz } });

/** At least 40 dB between the sides, and each within a dB of what was published. */
async function assertStereo(what, file) {
  const { separationDb, levelsDb } = await stereo(file);
  assert.ok(separationDb >= 40, `${what}: the sides are ${separationDb.toFixed(1)} dB apart`);
  for (const [side, db] of Object.entries(levelsDb)) {
    assert.ok(Math.abs(db - 20 * Math.log10(SIDES.amplitude)) < 1, `${what}: ${side} at ${db.toFixed(1)} dB`);
  }
}

test('a stereo publisher stays stereo in files, segments and streams', async (t) => {
  const scene = await Scene.open(t);
  const studio = await stereoStudio(scene);
  const server = await RtmpServer.start();
  scene.onClose(() => server.stop());
  const voice = (encoding) => participantEgress(studio.identity, { encoding });
  const file = (name, container) => fileOutput(scene.folder, { name, container });
  const aac = await scene.job(voice(sound('aac', 44_100)), [
    file('aac', 'mp4'),
    segmentsOutput(scene.folder, { prefix: 'hls' }),
    streamOutput(server.url('stereo')),
  ]);
  const jobs = {
    aac,
    opus: await scene.job(voice(sound('opus', 48_000)), [file('opus', 'ogg')]),
    mp3: await scene.job(voice(sound('mp3', 44_100)), [file('mp3', 'mp3')]),
    track: await scene.job(trackEgress(studio.sid), [file('track')]),
  };
  await Promise.all(Object.values(jobs).map((job) => job.elapsed(6000)));
  for (const [name, job] of Object.entries(jobs)) {
    const { path } = await job.stop();
    await assertStereo(name, path);
  }
  const segment = readdirSync(scene.folder).filter((name) => /^hls.*\.ts$/.test(name)).sort()[1];
  await assertStereo('a segment', join(scene.folder, segment));
  await assertStereo('a stream', server.kept('stereo')[0]);
});

test('a stereo publisher stays stereo in a page', async (t) => {
  const scene = await Scene.open(t);
  await stereoStudio(scene);
  const job = await scene.job(roomComposite({ encoding: SMALL }), [fileOutput(scene.folder)]);
  await job.elapsed(6000);
  const { path } = await job.stop();
  await assertStereo('a room composite', path);
});
