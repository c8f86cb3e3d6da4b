// Test files, several at a time where that changes nothing: most of what they do is wait for a recording to be long
// enough. What a file measures that a busy machine would spoil has the machine for itself.

import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { run as nodeTests } from 'node:test';
import { spec } from 'node:test/reporters';
import { ROOT, say } from './setup.mjs';

const FOLDER = join(ROOT, 'tests');
const AT_ONCE = availableParallelism() + 1;
/** How many files may need the machine for themselves to pass. More of them are no bad luck. */
const BUDGET = 3;

/** These measure when a browser draws, or keep the machine busy themselves. */
const ALONE = ['e2e/busy', 'e2e/page', 'e2e/template', 'layouts/room'];

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
  /** What passed only when it was run once more, and why it was. */
  again: [],
};

/** Runs test files; those that fail beside others once more, alone. */
export async function testFiles(folders) {
  const files = find(folders);
  const isAlone = (file) => ALONE.some((name) => file.startsWith(`${name}.`));
  const failed = await pass(files.filter((file) => !isAlone(file)), AT_ONCE);
  const broken = await pass(files.filter(isAlone), 1);
  if (failed.length > BUDGET) {
    broken.push(...failed);
  } else if (failed.length) {
    say(`once more, alone: ${failed.join(' ')}`);
    const still = await pass(failed, 1);
    broken.push(...still);
    for (const file of failed) if (!still.includes(file)) told.again.push(`${file}: failed beside others`);
  }
  if (broken.length) throw new Error(`${broken.length} failed: ${broken.join(' ')}`);
}

/** Runs `files`, so many at once, and returns those that failed. */
async function pass(files, atOnce) {
  if (!files.length) return [];
  const failed = new Set();
  // A test that measures times runs itself again (harness/steady.mjs), but not where others are the reason.
  process.env.TALLYLIGHT_TESTS_BESIDE = atOnce > 1 ? '1' : '';
  await new Promise((resolve, reject) => {
    const paths = files.map((file) => join(FOLDER, file));
    const stream = nodeTests({ files: paths, concurrency: atOnce, timeout: 15 * 60_000 });
    const name = (file) => relative(FOLDER, file);
    const done = ({ name, nesting, details }) => {
      if (details?.type !== 'suite' && !name.endsWith('.mjs')) told.tests.push({ name, ms: details.duration_ms, nesting });
    };
    stream.on('test:pass', done).on('test:fail', done);
    stream.on('test:fail', (test) => {
      failed.add(name(test.file));
      say(`failed: ${test.name}`);
    });
    stream.on('test:diagnostic', ({ message, file }) => {
      if (message.startsWith('run again: ')) told.again.push(`${name(file)}: ${message}`);
    });
    stream.compose(new spec()).on('error', reject).on('end', resolve).pipe(process.stdout, { end: false });
  });
  return [...failed];
}
