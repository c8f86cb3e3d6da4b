// Media egress, LiveKit's unified request: a picture with whatever sound of the room.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { beeps, black, cadence, pictures } from '../harness/content.mjs';
import { fileOutput, mediaEgress, PRESET } from '../harness/job.mjs';
import { sound } from '../harness/media.mjs';
import { assertWhole, Scene } from '../harness/scene.mjs';

/** The names of the codecs of a file. */
const codecs = ({ video, audio }) => [video?.codec_name, audio?.codec_name];

test('tracks that nobody may see or hear are refused by name, and the rest is recorded', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { video: { codec: 'vp8' }, audio: true }, { secret: 'between us' });
  await scene.person(2, { audio: true });
  const job = await scene.job(mediaEgress(ada.identity), [fileOutput(scene.folder)]);
  await job.elapsed(6000);
  const result = await job.stop();
  assert.deepEqual(await job.end(), { type: 'ended', status: 'complete', error: null });
  await assertWhole(result, { container: 'mp4' });
  const refused = job.events.map(({ fact }) => fact).filter(({ type }) => type === 'track_refused');
  assert.deepEqual(new Set(refused.map(({ track_id }) => track_id)), new Set([ada.video.sid, ada.audio.sid]));
  for (const { error } of refused) assert.match(error.message, /end-to-end encrypted/);
  const heard = await sound(result.path);
  assert.ok(beeps(heard, 2).length >= 4, 'Ben is heard');
  assert.equal(beeps(heard, 1).length, 0, 'Ada is not');
  assert.equal(black(await pictures(result.path)).length, 1, 'there is no picture');
});

for (const [container, encoding, want] of [
  ['webm', { video: { ...PRESET.video, codec: 'vp8' }, audio: { codec: 'opus', bitrate_bps: 96_000, sample_rate_hz: 48_000 } }, ['vp8', 'opus']],
  ['ogg', { video: null, audio: { codec: 'opus', bitrate_bps: 96_000, sample_rate_hz: 48_000 } }, [undefined, 'opus']],
  ['mp3', { video: null, audio: { codec: 'mp3', bitrate_bps: 128_000, sample_rate_hz: 44_100 } }, [undefined, 'mp3']],
]) {
  test(`everybody's sound in a ${container.toUpperCase()}`, async (t) => {
    const scene = await Scene.open(t);
    const ada = await scene.person(1, { video: { codec: 'vp8' }, audio: true });
    await scene.person(2, { audio: true });
    const egress = mediaEgress(ada.identity, { encoding });
    if (!encoding.video) egress.source.tracks.video = null;
    const job = await scene.job(egress, [fileOutput(scene.folder, { container })]);
    await job.elapsed(5000);
    const result = await job.stop();
    const found = await assertWhole(result, { container });
    assert.deepEqual(codecs(found), want);
    const heard = await sound(result.path);
    for (const person of [1, 2]) assert.ok(beeps(heard, person).length >= 3, `person ${person} is heard`);
    if (found.video) assert.ok(cadence(await pictures(result.path), { person: 1, fps: 30 }).frames > 120);
  });
}

test('one to the left, the others to the right', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { audio: true });
  await scene.person(2, { audio: true });
  const egress = mediaEgress(ada.identity);
  egress.source.tracks.video = null;
  egress.source.tracks.audio = [
    { from: { participant: ada.identity }, channel: 'left' },
    { from: 'all', channel: 'right' },
  ];
  egress.treatment.encode = { video: null, audio: { codec: 'opus', bitrate_bps: 128_000, sample_rate_hz: 48_000 } };
  const job = await scene.job(egress, [fileOutput(scene.folder, { container: 'ogg' })]);
  await job.elapsed(5000);
  const { path } = await job.stop();
  for (const [channel, there, elsewhere] of [['left', 1, 2], ['right', 2, 1]]) {
    const heard = await sound(path, { channel });
    assert.ok(beeps(heard, there).length >= 3, `person ${there} on the ${channel}`);
    assert.equal(beeps(heard, elsewhere).length, 0, `person ${elsewhere} not on the ${channel}`);
  }
});
