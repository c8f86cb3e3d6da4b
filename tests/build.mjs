// Builds the program and puts its binaries into a folder of this clone: the target folder is shared, and another clone
// may build its own over them.

import { spawn } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, TARGET, WORK } from './setup.mjs';

/** Runs a program and shows what it says. Fails if it fails. */
export function run(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'], ...options });
    child.on('error', reject);
    child.on('exit', (code, signal) =>
      code === 0 ? resolve() : reject(new Error(`${program} ${args[0]} ended with ${signal ?? code}`)),
    );
  });
}

/** The window's pages. The shell embeds them, so they come first. */
export function buildUi() {
  return run('npm', ['run', 'build', '-w', 'ui', '--silent']);
}

let template;

/** The page that draws layouts. `tallylight-job` embeds it, so it comes first. */
function buildTemplate() {
  template ??= run('npm', ['run', 'build', '-w', 'layout-template', '--silent']);
  return template;
}

/** The page, and its gallery, which tests look at. */
export async function buildLayouts() {
  await buildTemplate();
  await run('npm', ['run', 'gallery', '-w', 'layout-template', '--silent']);
}

/**
 * Builds `packages` and returns where each binary is: `{'tallylight-job': path, …}`.
 * @param {string[]} packages names of binaries, each the package's name too
 */
export async function buildBinaries(packages, { release = false, quiet = false } = {}) {
  await buildTemplate();
  const args = ['build', ...packages.flatMap((name) => ['-p', name]), ...(release ? ['--release'] : [])];
  await run('cargo', quiet ? [...args, '--quiet'] : args);
  const profile = release ? 'release' : 'debug';
  const folder = join(WORK, 'bin', profile);
  mkdirSync(folder, { recursive: true });
  const binaries = {};
  for (const name of packages) {
    const built = join(TARGET, profile, name);
    if (!existsSync(built)) throw new Error(`cargo built no ${name}`);
    binaries[name] = join(folder, name);
    // A running program cannot be written over, but its name can be given to another.
    copyFileSync(built, `${binaries[name]}.new`);
    chmodSync(`${binaries[name]}.new`, 0o755);
    renameSync(`${binaries[name]}.new`, binaries[name]);
  }
  process.env.TALLYLIGHT_JOB = binaries['tallylight-job'] ?? process.env.TALLYLIGHT_JOB;
  return binaries;
}
