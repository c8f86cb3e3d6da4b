// Disks that tests may spoil: a small one that can be filled, and one that can be made to hang.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from './wait.mjs';

const run = promisify(execFile);
/** Mounting needs root; on most build machines sudo asks nothing. */
const asRoot = (program, ...args) => (process.getuid() === 0 ? [program, args] : ['sudo', ['-n', program, ...args]]);

/** Mounts a disk of `megabytes`: `{path, unmount()}`. */
export async function smallDisk(megabytes) {
  const path = await mkdtemp(join(tmpdir(), 'tallylight-disk-'));
  const options = `size=${megabytes}m,mode=0777`;
  await run(...asRoot('mount', '-t', 'tmpfs', '-o', options, 'tallylight', path));
  return {
    path,
    async unmount() {
      await run(...asRoot('umount', '--lazy', path));
      await rm(path, { recursive: true, force: true });
    },
  };
}

/**
 * Mounts a folder that can hang, as a network disk does whose server is gone: whoever asks it for anything waits, and
 * nothing but KILL helps. `{path, hang(), goOn(), unmount()}`
 */
export async function hangingDisk() {
  const under = await mkdtemp(join(tmpdir(), 'tallylight-under-'));
  const path = await mkdtemp(join(tmpdir(), 'tallylight-hangs-'));
  // A group of its own, so that sudo is stopped with what it runs.
  const child = spawn(...asRoot('bindfs', '-f', `--force-user=${process.getuid()}`, under, path), {
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const exited = once(child, 'exit');
  await until('the disk is mounted', async () => {
    if (child.exitCode !== null) throw new Error(`bindfs ended with ${child.exitCode}`);
    return (await readFile('/proc/mounts', 'utf8')).includes(` ${path} fuse`);
  });
  const signal = (name) => run(...asRoot('kill', `-${name}`, '--', `-${child.pid}`));
  return {
    path,
    hang: () => signal('STOP'),
    goOn: () => signal('CONT'),
    async unmount() {
      await signal('CONT');
      await run(...asRoot('umount', '--lazy', path));
      await exited;
      for (const folder of [under, path]) await rm(folder, { recursive: true, force: true });
    },
  };
}
