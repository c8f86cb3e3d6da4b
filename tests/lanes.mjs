// Test files, several at a time where that changes nothing: most of what they do is wait for a recording to be long
// enough. What a file measures that a busy machine would spoil has the machine for itself.

import { readdirSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { run as nodeTests } from 'node:test';
import { spec } from 'node:test/reporters';
import { sleep } from './harness/wait.mjs';
import { ROOT, say } from './setup.mjs';

const FOLDER = join(ROOT, 'tests');
/** Files that run at once at most... */
const AT_ONCE = availableParallelism();
/** ...and one more is begun only while so much of the processors is unused. */
const UNUSED = 0.45;
/** How many files, or test programs, may need the machine for themselves to pass. More of them are no bad luck. */
export const BUDGET = 6;

/** How many tests of times may find the machine too busy to measure anything (harness/steady.mjs). */
const UNMEASURED = 8;

/** These measure when a browser draws, or what a first report sets right, or keep the machine busy themselves. */
const ALONE = ['e2e/busy', 'e2e/page', 'e2e/template', 'fault/network', 'layouts/room'];

/** Files of test folders, `[{folder, part}]`: those whose name holds `part`. */
function find(folders) {
  const lists = folders.map(({ folder, part = '' }) => {
    const names = readdirSync(join(FOLDER, folder)).filter((name) => name.endsWith('.test.mjs') && name.includes(part));
    if (!names.length) throw new Error(`no tests in tests/${folder}`);
    return names.map((name) => `${folder}/${name}`);
  });
  // One of each folder in turn: files of one kind want the same of the machine.
  const longest = Math.max(...lists.map((list) => list.length));
  return Array.from({ length: longest }, (_, at) => lists.flatMap((list) => list.slice(at, at + 1))).flat();
}

/** What was done so far, for the summary. */
export const told = {
  /** `{name, ms}` of every test. */
  tests: [],
  /** What was run once more, and why. */
  again: [],
  /** What could not be measured, and why. */
  unmeasured: [],
};

/** Seconds that all processors were there, and that they had nothing to do, so far. */
export function processors() {
  const times = cpus().map(({ times }) => times);
  const all = times.reduce((sum, of) => sum + Object.values(of).reduce((a, b) => a + b), 0);
  return { all: all / 1000, idle: times.reduce((sum, { idle }) => sum + idle, 0) / 1000 };
}

/** Share of the processors that was unused since `before`. */
export function unusedSince(before) {
  const now = processors();
  return (now.idle - before.idle) / (now.all - before.all);
}

/** Runs test files; those that fail beside others once more, alone. */
export async function testFiles(folders) {
  const files = find(folders);
  const isAlone = (file) => ALONE.some((name) => file.startsWith(`${name}.`));
  const failed = await beside(files.filter((file) => !isAlone(file)));
  const broken = await inTurn(files.filter(isAlone));
  if (failed.length > BUDGET) {
    broken.push(...failed);
  } else if (failed.length) {
    say(`once more, alone: ${failed.join(' ')}`);
    const still = await inTurn(failed);
    broken.push(...still);
    for (const file of failed) if (!still.includes(file)) told.again.push(`${file}: failed beside others`);
  }
  if (broken.length) throw new Error(`${broken.length} failed: ${broken.join(' ')}`);
  if (told.unmeasured.length > UNMEASURED) throw new Error(`${told.unmeasured.length} tests could not be measured`);
}

/** Runs files beside each other, as many as the machine has room for, and returns those that failed. */
async function beside(files) {
  const waiting = [...files];
  const failed = [];
  let running = 0;
  let starts = Promise.resolve();
  // One start at a time: what the one before needs has to show first.
  const room = () => {
    starts = starts.then(async () => {
      for (;;) {
        const before = processors();
        if (running > 0) await sleep(3000);
        if (running === 0 || unusedSince(before) > UNUSED) break;
      }
      running += 1;
    });
    return starts;
  };
  const lane = async () => {
    while (waiting.length) {
      await room();
      const file = waiting.shift();
      if (file && !(await testFile(file, true))) failed.push(file);
      running -= 1;
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, files.length) }, lane));
  return failed;
}

async function inTurn(files) {
  const failed = [];
  for (const file of files) if (!(await testFile(file, false))) failed.push(file);
  return failed;
}

/** Runs a file, and prints what it says when it is over. */
async function testFile(file, isBeside) {
  const began = performance.now();
  let good = true;
  // A test that measures times runs itself again (harness/steady.mjs), but not where others are the reason.
  process.env.TALLYLIGHT_TESTS_BESIDE = isBeside ? '1' : '';
  const stream = nodeTests({ files: [join(FOLDER, file)], concurrency: 1, timeout: 15 * 60_000 });
  const done = ({ name, details }) => {
    if (details?.type !== 'suite' && !name.endsWith('.mjs')) told.tests.push({ name, ms: details.duration_ms });
  };
  stream.on('test:pass', done).on('test:fail', done);
  stream.on('test:fail', ({ name }) => {
    good = false;
    say(`failed: ${name}`);
  });
  stream.on('test:diagnostic', ({ message }) => {
    if (message.startsWith('run again: ')) told.again.push(`${file}: ${message}`);
    if (message.startsWith('not measured: ')) told.unmeasured.push(`${file}: ${message}`);
  });
  const said = [];
  for await (const text of stream.compose(new spec())) said.push(text);
  const unimportant = /^ℹ (tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /;
  const lines = said.join('').split('\n').filter((line) => !unimportant.test(line));
  console.log(`${file} (${((performance.now() - began) / 1000).toFixed()} s)\n${lines.join('\n').trimEnd()}`);
  return good;
}
