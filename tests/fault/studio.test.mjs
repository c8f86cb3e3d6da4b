// The studio dies while its job records, alone or together with it. tallylight-worker holds the same studio as the window.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { cadence, pictures } from '../harness/content.mjs';
import { boxes, decodeErrors } from '../harness/media.mjs';
import { atMost, frameMs, Scene } from '../harness/scene.mjs';
import { test } from '../harness/steady.mjs';
import { nowMs } from '../harness/schedule.mjs';
import { Worker } from '../harness/studio.mjs';
import { sleep, until } from '../harness/wait.mjs';

/** Whether a process runs; one that nobody has waited for yet does not. */
function alive(pid) {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

/** A worker that records person 1, some seconds in. */
async function recording(scene) {
  const ada = await scene.person(1, { video: { codec: 'h264' }, audio: true });
  const worker = await scene.worker(['--identity', ada.identity]);
  const pid = await worker.jobPid();
  const file = await until('a file grows', () => {
    const [name] = readdirSync(scene.folder).filter((n) => n.endsWith('.mp4'));
    return name && statSync(join(scene.folder, name)).size > 60_000 && join(scene.folder, name);
  });
  return { ada, worker, pid, file };
}

test('the studio is killed: its job records on, and finishes when told', async (t) => {
  const scene = await Scene.open(t);
  const { ada, worker, pid, file } = await recording(scene);
  worker.child.kill('SIGKILL');
  await worker.ended();
  const goneMs = nowMs();
  await sleep(4000);
  assert.ok(alive(pid), 'the job outlives the studio');
  // The next start finds it, and leaves it alone.
  const next = await Worker.start(['rooms', '--url', scene.server.url], { server: scene.server, home: worker.home });
  assert.equal((await next.ended()).code, 0, next.stderr);
  assert.ok(alive(pid), 'a studio that comes and goes does not end it');
  process.kill(pid, 'SIGTERM');
  await until('the job ends', () => !alive(pid));
  assert.deepEqual(await decodeErrors(file), []);
  const seen = cadence(await pictures(file), { person: 1, fps: 30 });
  assert.ok(frameMs(ada, seen.last) > goneMs + 3500, 'what came after the studio died is in the file');
  // A busy machine costs a frame here and there; a hand-over that goes wrong costs many in a row.
  atMost('frames missing in a row', seen.longestGap, 10);
});

test('studio and job are killed together: the next start repairs the file', async (t) => {
  const scene = await Scene.open(t);
  const { ada, worker, pid, file } = await recording(scene);
  const killedMs = nowMs();
  worker.child.kill('SIGKILL');
  process.kill(pid, 'SIGKILL');
  await worker.ended();
  await until('the job is gone', () => !alive(pid));
  const next = await Worker.start(['rooms', '--url', scene.server.url], { server: scene.server, home: worker.home });
  assert.equal((await next.ended()).code, 0, next.stderr);
  assert.ok(existsSync(file), 'under its own name');
  const types = (await boxes(file)).map((b) => b.type);
  assert.ok(types.includes('moov') && !types.includes('moof'), `an ordinary MP4, not ${types}`);
  assert.deepEqual(await decodeErrors(file), []);
  const seen = cadence(await pictures(file), { person: 1, fps: 30 });
  atMost('material lost, ms', killedMs - frameMs(ada, seen.last), 1000);
});

test('the job alone is killed: the studio saves the file and says so', async (t) => {
  const scene = await Scene.open(t);
  const { ada, worker, pid, file } = await recording(scene);
  const killedMs = nowMs();
  process.kill(pid, 'SIGKILL');
  const { code } = await worker.ended();
  assert.notEqual(code, 0, 'a recording that was cut short is no success');
  assert.match(worker.stderr, /saved|killed|died|ended/i);
  assert.deepEqual(await decodeErrors(file), []);
  const seen = cadence(await pictures(file), { person: 1, fps: 30 });
  atMost('material lost, ms', killedMs - frameMs(ada, seen.last), 1000);
});
