// The demo without a window, as README.md has it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { decodeErrors, probe } from '../harness/media.mjs';
import { ROOT } from '../setup.mjs';

test('the last line of the demo is the path of what it recorded', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tl-out-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const demo = spawn('npm', ['run', 'demo', '--', '--record', '4', '--out', folder], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [said, trouble] = ['', ''];
  demo.stdout.on('data', (text) => (said += text));
  demo.stderr.on('data', (text) => (trouble += text));
  const [code] = await once(demo, 'close');
  assert.equal(code, 0, said + trouble);
  const path = said.trimEnd().split('\n').at(-1);
  assert.equal(dirname(path), folder);
  const found = await probe(path);
  assert.ok(Math.abs(found.durationS - 4) < 1, `${found.durationS} s`);
  assert.deepEqual([found.video.codec_name, found.audio.codec_name], ['h264', 'aac']);
  assert.deepEqual(await decodeErrors(path), []);
});
