// What becomes of a test of times on a machine that is too busy for it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';

const HARNESS = join(import.meta.dirname, '..', 'harness');

/** How tests of times end, by name: `cases` has their bodies, in which `late()` is a publisher who got no processor. */
async function outcomes(t, cases) {
  const folder = await mkdtemp(join(tmpdir(), 'steady-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const tests = Object.entries(cases).map(([name, body]) => `test('${name}', async () => { ${body} });`);
  await writeFile(join(folder, 'a.test.mjs'), `
import assert from 'node:assert/strict';
import { Person } from '${HARNESS}/people.mjs';
import { atLeast, atMost } from '${HARNESS}/scene.mjs';
import { test } from '${HARNESS}/steady.mjs';
const late = () => Person.late.push(20);
let tries = 0;
${tests.join('\n')}`);
  // A run of its own, alone on the machine as far as it knows.
  const { NODE_TEST_CONTEXT: _, TALLYLIGHT_TESTS_BESIDE: __, ...env } = process.env;
  const child = spawn(process.execPath, ['--test', '--test-reporter=tap', join(folder, 'a.test.mjs')], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const found = {};
  for await (const line of createInterface({ input: child.stdout })) {
    const [, not, name, skipped] = /^\s*(not )?ok \d+ - ([^#]*?)(?: # (SKIP).*)?$/.exec(line) ?? [];
    if (name in cases) found[name] = skipped ? 'skipped' : not ? 'failed' : 'passed';
  }
  return found;
}

test('what is only late on a busy machine is not measured; what is wrong fails', async (t) => {
  assert.deepEqual(
    await outcomes(t, {
      'is late each time': `late(); atMost('ms', 30, 20)`,
      'is too few each time': `late(); atLeast('beeps', 6, 8)`,
      'is late once': `if (tries++ === 0) { late(); atMost('ms', 30, 20); }`,
      'is far too late': `late(); atMost('ms', 201, 20)`,
      'is far too few': `late(); atLeast('beeps', 3, 8)`,
      'is no number': `late(); atMost('ms', NaN, 20)`,
      'is wrong in itself': `late(); assert.equal(1, 2)`,
    }),
    {
      'is late each time': 'skipped',
      'is too few each time': 'skipped',
      'is late once': 'passed',
      'is far too late': 'failed',
      'is far too few': 'failed',
      'is no number': 'failed',
      'is wrong in itself': 'failed',
    },
  );
});
