// Media egress, LiveKit's unified request: a picture with whatever sound of the room.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { beeps, black, cadence, pictures, toneDb } from '../harness/content.mjs';
import { fileOutput, mediaEgress, PRESET } from '../harness/job.mjs';
import { sound } from '../harness/media.mjs';
import { assertWhole, Scene } from '../harness/scene.mjs';
import { nowMs } from '../harness/schedule.mjs';

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

test('everybody on one side, in turn, and nobody changes it', async (t) => {
  const scene = await Scene.open(t);
  const tone = { voice: 'tone' };
  await scene.person(1, { audio: tone });
  // In stereo, and all of it on the side that becomes somebody else's.
  const ben = await scene.person(2, { audio: { ...tone, side: 'left' } });
  const jobs = {};
  for (const [container, codec, sample_rate_hz] of [['ogg', 'opus', 48_000], ['mp3', 'mp3', 44_100]]) {
    const egress = mediaEgress('nobody', { encoding: { video: null, audio: { codec, bitrate_bps: 128_000, sample_rate_hz } } });
    egress.source.tracks.video = null;
    egress.source.tracks.audio = [{ from: 'all', channel: 'alternate' }];
    jobs[container] = await scene.job(egress, [fileOutput(scene.folder, { name: container, container })]);
  }
  const both = Object.values(jobs);
  await Promise.all(both.map((job) => job.elapsed(3500)));
  // Whoever comes late is the third and the fourth; who is muted meanwhile keeps his side.
  await ben.mute('microphone');
  await scene.person(3, { audio: tone });
  await ben.unmute('microphone');
  const last = await scene.person(4, {});
  await last.publishAudio(tone);
  const allMs = nowMs();
  await Promise.all(both.map((job) => job.elapsed(job.figures.outputs[0].elapsed_ms + 4000)));
  const results = await Promise.all(both.map((job) => job.stop()));
  for (const { path, started_at_ns } of results) {
    const left = await sound(path, { channel: 'left' });
    const right = await sound(path, { channel: 'right' });
    const apart = (person, fromS, toS) => toneDb(left, person, fromS, toS) - toneDb(right, person, fromS, toS);
    const fromS = allMs / 1000 - started_at_ns / 1e9 + 1;
    const found = { one: apart(1, 1, 3), two: apart(2, 1, 3), ...Object.fromEntries([1, 2, 3, 4].map((person) => [person, apart(person, fromS, fromS + 2)])) };
    t.diagnostic(`${path.slice(-3)}: left above right, dB: ${JSON.stringify(found, (_, v) => (typeof v === 'number' ? Math.round(v) : v))}`);
    for (const [who, side] of [['one', 1], ['two', -1], [1, 1], [2, -1], [3, 1], [4, -1]]) {
      assert.ok(found[who] * side > 40, `${path.slice(-3)}: ${who} is ${found[who]} dB louder on the left`);
    }
    for (const [heard, person] of [[left, 1], [right, 2], [left, 3], [right, 4]]) {
      assert.ok(toneDb(heard, person, fromS, fromS + 2) > -22, `${person} is as loud as he speaks`);
    }
  }
});
