// The computer stays awake while something records, and only then. Nobody sleeps here: a bus of the test's own has the
// part of systemd-logind that is asked.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileOutput, trackEgress } from '../harness/job.mjs';
import { Scene } from '../harness/scene.mjs';
import { until } from '../harness/wait.mjs';

/** Starts a program that says something; returns it with its lines so far. */
function start(scene, program, args, env = {}) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } });
  const said = { child, lines: [] };
  child.stdout.on('data', (text) => said.lines.push(...String(text).split('\n').filter(Boolean)));
  scene.onClose(async () => {
    if (child.exitCode !== null || child.signalCode) return;
    child.kill();
    await once(child, 'exit');
  });
  return said;
}

test('the computer is kept awake from Record to the end of the job, however it ends', async (t) => {
  const scene = await Scene.open(t);
  const bus = start(scene, 'dbus-daemon', ['--session', '--nofork', '--print-address']);
  await until('the bus', () => bus.lines[0]);
  const env = { DBUS_SYSTEM_BUS_ADDRESS: bus.lines[0] };
  const logind = start(scene, '/usr/bin/python3', ['-u', join(import.meta.dirname, 'logind.py')], env);
  await until('logind', () => logind.lines.includes('ready'));
  /** What is held back now. */
  const held = () => logind.lines.slice(1).reduce((all, line) => (line[0] === '+' ? [...all, line.slice(1)] : all.filter((what) => what !== line.slice(1))), []);
  const awake = () => until('the computer is kept awake', () => held().sort().join() === 'idle,sleep');
  const maySleep = () => until('it may sleep again', () => held().length === 0);

  const ada = await scene.person(1, { audio: true });
  const job = await scene.job(trackEgress(ada.audio.sid), [], { env });
  await job.fact('armed');
  assert.deepEqual(held(), [], 'a job that is only held ready keeps nothing awake');
  await job.attach(fileOutput(scene.folder));
  await awake();
  await job.stop();
  await maySleep();

  const killed = await scene.job(trackEgress(ada.audio.sid), [fileOutput(scene.folder)], { env });
  await awake();
  process.kill(killed.pid, 'SIGKILL');
  await maySleep();
});
