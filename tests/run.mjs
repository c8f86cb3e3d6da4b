// npm test: every check there is, the fast ones first. `npm test -- NAME…` runs the stages named.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { run as nodeTests } from 'node:test';
import { spec } from 'node:test/reporters';
import { buildBinaries, buildLayouts, buildUi, run } from './build.mjs';
import { ROOT, say, setup } from './setup.mjs';

const cargo = (...args) => run('cargo', args);
const npm = (script, workspace) => run('npm', ['run', script, '-w', workspace, '--silent']);
/** Everything that tests start, once: what is built does not change while they run. */
let programs;
const buildPrograms = () => {
  programs ??= buildBinaries(['tallylight', 'tallylight-job', 'tallylight-worker'], { quiet: true });
  return programs;
};

const slow = [];

/** In order. */
const STAGES = {
  format: () => cargo('fmt', '--all', '--check'),
  ui: async () => {
    for (const workspace of ['ui', 'layout-template']) {
      await npm('check', workspace);
      await npm('test', workspace);
    }
  },
  harness: () => files('unit'),
  layouts: async () => {
    await buildLayouts();
    await files('layouts');
  },
  clippy: async () => {
    await buildUi();
    await cargo('clippy', '--workspace', '--all-targets', '--quiet', '--', '-D', 'warnings');
  },
  house: () => files('house'),
  rust: async () => {
    await buildPrograms();
    // One at a time: media tests measure time, and two cores are soon full.
    await cargo('test', '--workspace', '--quiet', '--', '--test-threads=1');
  },
  e2e: async () => {
    await buildPrograms();
    await files('e2e');
  },
  api: async () => {
    await buildLayouts();
    await buildPrograms();
    await files('api');
  },
  fault: async () => {
    await buildPrograms();
    await files('fault');
  },
  bus: async () => {
    await buildLayouts();
    await buildPrograms();
    await files('bus');
  },
  window: async () => {
    await buildPrograms();
    await files('window');
  },
};

/** Runs the test files of a folder one after the other, in order of name. */
async function files(folder) {
  const at = join(ROOT, 'tests', folder);
  const list = readdirSync(at)
    .filter((name) => name.endsWith('.test.mjs') && (!only || name.includes(only)))
    .map((name) => join(at, name));
  if (!list.length) throw new Error(`no tests in tests/${folder}`);
  let failed = 0;
  await new Promise((resolve, reject) => {
    const stream = nodeTests({ files: list, concurrency: 1, timeout: 15 * 60_000 });
    stream.on('test:fail', ({ name }) => {
      failed += 1;
      process.exitCode = 1;
      say(`failed: ${name}`);
    });
    const done = ({ name, nesting, details }) => {
      if (details?.type !== 'suite' && !name.endsWith('.mjs')) slow.push({ name, ms: details.duration_ms, nesting });
    };
    stream.on('test:pass', done).on('test:fail', done);
    stream.compose(new spec()).on('error', reject).on('end', resolve).pipe(process.stdout, { end: false });
  });
  if (failed) throw new Error(`${failed} failed in tests/${folder}`);
}

// `npm test -- e2e:sync` runs the files of a stage whose names hold `sync`.
let only;
const asked = process.argv.slice(2).map((text) => text.split(':'));
const unknown = asked.filter(([name]) => !STAGES[name]);
if (unknown.length) {
  console.error(`No such stage: ${unknown.join(' ')}. There are: ${Object.keys(STAGES).join(' ')}`);
  process.exit(2);
}

const began = performance.now();
await setup('test');
const results = [['setup', 'ok', performance.now() - began]];
for (const [name, part] of asked.length ? asked : Object.keys(STAGES).map((stage) => [stage])) {
  only = part;
  const from = performance.now();
  console.log(`\n── ${name}`);
  try {
    await STAGES[name]();
    results.push([name, 'ok', performance.now() - from]);
  } catch (error) {
    results.push([name, 'FAILED', performance.now() - from, error.message]);
    // Everything after would be built on sand, but what is asked for by name is run.
    if (!asked.length && ['clippy', 'rust'].includes(name)) break;
  }
}

console.log('\n── what took how long');
for (const [name, result, ms, why] of results) {
  console.log(`${name.padEnd(10)} ${(ms / 1000).toFixed(1).padStart(7)} s  ${result}${why ? `  ${why}` : ''}`);
}
const slowest = slow.sort((a, b) => b.ms - a.ms).slice(0, 10);
if (slowest.length) console.log('\n── slowest tests');
for (const { name, ms } of slowest) console.log(`${(ms / 1000).toFixed(1).padStart(7)} s  ${name}`);
const failed = results.some(([, result]) => result === 'FAILED');
console.log(failed ? '\nNot everything holds.' : '\nEverything holds.');
process.exit(failed ? 1 : 0);
