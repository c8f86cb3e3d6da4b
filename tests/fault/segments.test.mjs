// A job that writes segments dies without warning. What its playlist lists is whole, and a repair ends it.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cadence, pictures } from '../harness/content.mjs';
import { alone, joined, playlist, watch } from '../harness/hls.mjs';
import { jobProgram, participantEgress, PRESET, segmentsOutput } from '../harness/job.mjs';
import { decodeErrors } from '../harness/media.mjs';
import { atMost, frameMs, Scene } from '../harness/scene.mjs';
import { test } from '../harness/steady.mjs';
import { sleep } from '../harness/wait.mjs';

const run = promisify(execFile);
const SMALL = { ...PRESET, video: { ...PRESET.video, width: 640, height: 360, bitrate_bps: 800_000 } };

for (const [round, kind] of [[1, 'mpeg_ts'], [2, 'mpeg_ts'], [3, 'fmp4'], [4, 'fmp4']]) {
  test(`SIGKILL while segments are written, ${round} (${kind})`, async (t) => {
    const scene = await Scene.open(t);
    const ada = await scene.person(1, { video: { codec: 'h264' }, audio: true });
    const seen = watch(join(scene.folder, 'show.m3u8'));
    const output = segmentsOutput(scene.folder, { durationS: 1, live_playlist: 'now', kind });
    const job = await scene.job(participantEgress(ada.identity, { encoding: SMALL }), [output]);
    await job.elapsed(4000, 'segments');
    // Not in step with segments.
    await sleep(Math.random() * 1000);
    await job.kill();
    seen.stop();
    const { path } = job.logged().find((e) => e.fact.type === 'output_opening').fact;
    const before = playlist(path);
    assert.ok(!before.ended && before.segments.length >= 3);
    for (const segment of before.segments) assert.deepEqual(await decodeErrors(alone(segment)), [], segment.uri);

    const { stdout } = await run(jobProgram(), ['repair', path]);
    const result = JSON.parse(stdout);
    const after = playlist(path);
    assert.ok(after.ended && playlist(join(scene.folder, 'now.m3u8')).ended);
    assert.deepEqual(after.segments, before.segments);
    const lengthS = after.segments.reduce((sum, s) => sum + s.lengthS, 0);
    atMost('told against listed, s', Math.abs(result.duration_ns / 1e9 - lengthS), 0.01);
    const whole = await joined(path);
    assert.deepEqual(await decodeErrors(whole), []);
    const shown = cadence(await pictures(whole), { person: 1, fps: 30 });
    assert.deepEqual([shown.backwards, shown.others], [0, 0]);
    // What is not in a whole segment yet is what is lost: one segment, and what was on its way.
    atMost('material lost, ms', job.killedMs - frameMs(ada, shown.last), 1000 + 1000);
    await run(jobProgram(), ['repair', path]);
    assert.equal(readFileSync(path, 'utf8'), after.text, 'a second repair changes nothing');
  });
}
