// The content checks are checked themselves: on files whose faults are known because they were put there.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { beeps, black, cadence, flashes, pictures, sync } from '../harness/content.mjs';
import { boxes, decodeErrors, packets, probe, sound } from '../harness/media.mjs';
import { Picture } from '../harness/picture.mjs';
import { decodeCode, encodeCode } from '../harness/schedule.mjs';
import { Sound } from '../harness/sound.mjs';

const FPS = 30;
const FIRST = 15;
let folder;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'tallylight-unit-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** A file of `seconds`, low in bits; `skip` leaves frames out, `lateMs` delays the sound. */
function make(name, { person = 3, seconds = 6, skip = () => false, lateMs = 0, voice = 'tune' } = {}) {
  const picture = new Picture({ person, name: 'Ada', width: 320, height: 180, fps: FPS });
  const frames = [];
  for (let n = FIRST; n < FIRST + seconds * FPS; n++) if (!skip(n)) frames.push(Buffer.from(picture.draw(n)));
  const samples = new Sound({ person, voice }).fill(new Int16Array(48000 * seconds), (FIRST * 48000) / FPS);
  writeFileSync(join(folder, 'v'), Buffer.concat(frames));
  writeFileSync(join(folder, 'a'), Buffer.concat([Buffer.alloc(lateMs * 96), Buffer.from(samples.buffer)]));
  const file = join(folder, name);
  const video = ['-f', 'rawvideo', '-s', '320x180', '-r', String(FPS), '-i', join(folder, 'v')];
  const audio = ['-f', 's16le', '-ar', '48000', '-ac', '1', '-i', join(folder, 'a')];
  const codecs = ['-c:v', 'libx264', '-preset', 'ultrafast', '-b:v', '150k', '-c:a', 'aac', '-shortest'];
  execFileSync('ffmpeg', ['-y', '-v', 'error', ...video, ...audio, ...codecs, file]);
  return file;
}

test('a code survives any frame number and a wrong bit is found', () => {
  for (let frame = 0; frame < 1 << 20; frame += 9973) {
    const bits = encodeCode(frame % 16, frame);
    assert.deepEqual(decodeCode(bits), { person: frame % 16, frame });
    assert.equal(decodeCode((bits ^ (1 << (frame % 32))) >>> 0), null);
  }
  assert.equal(decodeCode(0), null, 'black is nobody');
  assert.equal(decodeCode(0xffffffff), null, 'white is nobody');
});

test('a whole file is found whole and in sync', async () => {
  const file = make('whole.mp4');
  const list = await pictures(file);
  const found = cadence(list, { person: 3, fps: FPS });
  assert.deepEqual([found.first, found.last, found.missing.length, found.repeated], [FIRST, FIRST + 179, 0, 0]);
  assert.ok(found.jitterMs < 1);
  const heard = beeps(await sound(file), 3);
  assert.equal(heard.length, 6);
  const together = sync(flashes(list), heard);
  assert.equal(together.pairs.length, 6);
  assert.ok(together.worstMs < 2, `${together.worstMs}`);
  assert.deepEqual(beeps(await sound(file), 4), [], 'nobody else is heard');
  assert.deepEqual(await decodeErrors(file), []);
  assert.equal((await packets(file)).length, 180);
  assert.equal((await probe(file)).video.codec_name, 'h264');
  assert.deepEqual((await boxes(file)).map((b) => b.type).sort(), ['free', 'ftyp', 'mdat', 'moov']);
});

test('missing frames are named', async () => {
  const list = await pictures(make('missing.mp4', { skip: (n) => n === 40 || (n >= 90 && n < 93) }));
  assert.deepEqual(cadence(list, { person: 3, fps: FPS }).missing, [40, 90, 91, 92]);
});

test('late sound is measured to the millisecond', async () => {
  for (const lateMs of [25, 40]) {
    const file = make('late.mp4', { lateMs });
    const { meanMs } = sync(flashes(await pictures(file)), beeps(await sound(file), 3));
    assert.ok(Math.abs(meanMs + lateMs) < 2, `${meanMs} for ${lateMs}`);
  }
});

test('sound that is somebody else’s is told apart', async () => {
  const file = make('other.mp4', { person: 7, voice: 'beeps' });
  assert.equal(beeps(await sound(file), 7).length, 6);
  assert.deepEqual(beeps(await sound(file), 6), []);
  assert.equal(cadence(await pictures(file), { person: 6, fps: FPS }).frames, 0);
});

test('black is found with its times', async () => {
  const file = join(folder, 'black.mp4');
  const from = make('bright.mp4');
  const filter = "drawbox=t=fill:c=black:enable='between(t,2,2.99)'";
  execFileSync('ffmpeg', ['-y', '-v', 'error', '-i', from, '-vf', filter, file]);
  const [one, ...more] = black(await pictures(file));
  assert.equal(more.length, 0);
  assert.ok(Math.abs(one.fromS - 2) < 0.04 && Math.abs(one.toS - 3) < 0.04, JSON.stringify(one));
});
