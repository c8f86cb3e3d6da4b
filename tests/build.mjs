// Builds the program and puts its binaries into a folder of this clone: the target folder is shared, and another clone
// may build its own over them.

import { spawn, spawnSync } from 'node:child_process';
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

let ui;

/** The window's pages. The shell embeds them, so they come first. */
export function buildUi() {
  ui ??= run('npm', ['run', 'build', '-w', 'ui', '--silent']);
  return ui;
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
 * Cargo builds every library anew for each set of packages that is named, because they ask for different features of it:
 * as long as the window can be built too, there is one set for everything, which tests use as well.
 */
function canBuildAll() {
  return spawnSync('pkg-config', ['--exists', 'webkit2gtk-4.1']).status === 0;
}

/**
 * Builds `packages` and returns where each binary is: `{'tallylight-job': path, …}`.
 * @param {string[]} packages names of binaries, each the package's name too
 */
export async function buildBinaries(packages, { release = false, quiet = false } = {}) {
  await buildTemplate();
  const all = !release && canBuildAll();
  if (all || packages.includes('tallylight')) await buildUi();
  const named = packages.flatMap((name) => ['-p', name]);
  // With the examples, which tests start, come the features that tests' own libraries ask of others: without them the
  // tests would build everything once more.
  const everything = ['--workspace', '--bins', ...(process.env.TALLYLIGHT_TESTS ? ['--examples'] : [])];
  const args = ['build', ...(all ? everything : named), ...(release ? ['--release'] : [])];
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
