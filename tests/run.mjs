// npm test: every check there is, the fast ones first. `npm test -- NAME…` runs the stages named.

import { buildBinaries, buildLayouts, buildUi, run } from './build.mjs';
import { processors, testFiles, told, unusedSince } from './lanes.mjs';
import { rustTests } from './rust.mjs';
import { setup } from './setup.mjs';

const cargo = (...args) => run('cargo', args);
const npm = (script, workspace) => run('npm', ['run', script, '-w', workspace, '--silent']);
/** Everything that tests start, once: what is built does not change while they run. */
let programs;
const buildPrograms = () => {
  programs ??= buildBinaries(['tallylight', 'tallylight-job', 'tallylight-worker'], { quiet: true });
  return programs;
};

/** In order. */
const STAGES = {
  format: () => cargo('fmt', '--all', '--check'),
  ui: async () => {
    for (const workspace of ['ui', 'layout-template']) {
      await npm('check', workspace);
      await npm('test', workspace);
    }
  },
  house: () => testFiles([{ folder: 'house' }]),
  clippy: async () => {
    await buildUi();
    await buildLayouts();
    await cargo('clippy', '--workspace', '--all-targets', '--quiet', '--', '-D', 'warnings');
  },
  rust: async () => {
    await buildPrograms();
    await rustTests();
  },
};

/** Stages of test files that meet the real programs: in one go, since their files wait for different things. */
const LIVE = ['unit', 'layouts', 'e2e', 'api', 'fault', 'bus', 'window'];

async function live(folders) {
  await buildLayouts();
  await buildPrograms();
  await testFiles(folders);
}

// `npm test -- e2e:sync` runs the files of a stage whose names hold `sync`.
const asked = process.argv.slice(2).map((text) => text.split(':'));
const known = [...Object.keys(STAGES), ...LIVE];
const unknown = asked.filter(([name]) => !known.includes(name));
if (unknown.length) {
  console.error(`No such stage: ${unknown.join(' ')}. There are: ${known.join(' ')}`);
  process.exit(2);
}

/** What is to be done: `[name, act]`, in order. */
const wanted = asked.length ? asked : known.map((name) => [name]);
const steps = wanted.filter(([name]) => STAGES[name]).map(([name]) => [name, STAGES[name]]);
const folders = wanted.filter(([name]) => LIVE.includes(name)).map(([folder, part]) => ({ folder, part }));
if (folders.length) steps.push([folders.map(({ folder }) => folder).join(' '), () => live(folders)]);

const results = [];
async function step(name, act) {
  const [from, before] = [performance.now(), processors()];
  const done = (result, why) => {
    results.push([name, result, performance.now() - from, 1 - unusedSince(before), why]);
  };
  try {
    await act();
    done('ok');
    return true;
  } catch (error) {
    done('FAILED', error.message);
    return false;
  }
}

await step('setup', () => setup('test')).then((good) => good || process.exit(1));
for (const [name, act] of steps) {
  console.log(`\n── ${name}`);
  const good = await step(name, act);
  // Everything after would be built on sand, but what is asked for by name is run.
  if (!good && !asked.length && ['clippy', 'rust'].includes(name)) break;
}

console.log('\n── what took how long, and how busy the processors were');
for (const [name, result, ms, busy, why] of results) {
  console.log(`${(ms / 1000).toFixed(1).padStart(7)} s ${(busy * 100).toFixed().padStart(4)} %  ${result}  ${name}${why ? `  ${why}` : ''}`);
}
const slowest = told.tests.sort((a, b) => b.ms - a.ms).slice(0, 10);
if (slowest.length) console.log('\n── slowest tests');
for (const { name, ms } of slowest) console.log(`${(ms / 1000).toFixed(1).padStart(7)} s  ${name}`);
if (told.again.length) console.log('\n── run once more');
for (const text of told.again) console.log(`  ${text}`);
if (told.unmeasured.length) console.log('\n── not measured: publishers or all of the machine were late in each of three tries');
for (const text of told.unmeasured) console.log(`  ${text}`);
const failed = results.some(([, result]) => result === 'FAILED');
console.log(failed ? '\nNot everything holds.' : '\nEverything holds.');
process.exit(failed ? 1 : 0);
