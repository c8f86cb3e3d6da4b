// A small disk that can be filled: a tmpfs of its own.

import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
// Mounting needs root; on most build machines sudo asks nothing.
const asRoot = process.getuid() === 0 ? [] : ['sudo', '-n'];

/** Mounts a disk of `megabytes`: `{path, unmount()}`. */
export async function smallDisk(megabytes) {
  const path = await mkdtemp(join(tmpdir(), 'tallylight-disk-'));
  const options = `size=${megabytes}m,mode=0777`;
  const [program, ...args] = [...asRoot, 'mount', '-t', 'tmpfs', '-o', options, 'tallylight', path];
  await run(program, args);
  return {
    path,
    async unmount() {
      const [umount, ...rest] = [...asRoot, 'umount', '--lazy', path];
      await run(umount, rest);
      await rm(path, { recursive: true, force: true });
    },
  };
}
