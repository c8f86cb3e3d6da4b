// Rules of the house that no compiler checks.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../setup.mjs';

const tracked = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: ROOT, encoding: 'utf8' })
  .split('\n')
  .filter(Boolean);
const text = (file) => readFileSync(join(ROOT, file), 'utf8');

test('no source file is longer than about 600 lines', () => {
  const source = tracked.filter((file) => /\.(rs|ts|tsx|mjs|go|css)$/.test(file));
  assert.ok(source.length > 50);
  const long = source.map((file) => [file, text(file).split('\n').length]).filter(([, lines]) => lines > 620);
  assert.deepEqual(long, []);
});

test('the lock files name no download addresses', () => {
  assert.doesNotMatch(text('package-lock.json'), /https?:\/\/[^"]*\.tgz/);
  const sources = new Set([...text('Cargo.lock').matchAll(/^source = "(.*)"$/gm)].map((m) => m[1]));
  assert.deepEqual([...sources], ['registry+https://github.com/rust-lang/crates.io-index']);
});

const ALLOWED = new Set([
  '0BSD', 'Apache-2.0', 'Apache-2.0 WITH LLVM-exception', 'BSD-1-Clause', 'BSD-2-Clause', 'BSD-3-Clause', 'BSL-1.0',
  'CC0-1.0', 'CDLA-Permissive-2.0', 'ISC', 'MIT', 'MIT-0', 'MPL-2.0', 'OpenSSL', 'Unicode-3.0', 'Unicode-DFS-2016',
  'Unlicense', 'Zlib', 'bzip2-1.0.6',
]);

/** Whether an SPDX expression can be met with allowed licences alone. */
function fits(expression) {
  const words = expression.replaceAll('/', ' OR ').match(/\(|\)|[^\s()]+/g);
  let at = 0;
  const one = () => {
    if (words[at] === '(') {
      at += 1;
      const inner = or();
      at += 1;
      return inner;
    }
    let name = words[at++];
    if (words[at] === 'WITH') {
      name += ` WITH ${words[at + 1]}`;
      at += 2;
    }
    return ALLOWED.has(name);
  };
  const and = () => {
    let good = one();
    while (words[at] === 'AND') {
      at += 1;
      good = one() && good;
    }
    return good;
  };
  const or = () => {
    let good = and();
    while (words[at] === 'OR') {
      at += 1;
      good = and() || good;
    }
    return good;
  };
  return or();
}

test('every crate has a licence that fits Apache-2.0', () => {
  const out = execFileSync('cargo', ['metadata', '--format-version', '1', '--locked'], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 256 << 20,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const crates = JSON.parse(out).packages;
  assert.ok(crates.length > 100);
  const strange = crates
    .filter((c) => !(c.license ? fits(c.license) : c.license_file))
    .map((c) => `${c.name} ${c.version}: ${c.license}`);
  assert.deepEqual(strange, []);
});

test('every npm package that ships has a licence that fits', () => {
  const packages = Object.entries(JSON.parse(text('package-lock.json')).packages).filter(
    ([name, p]) => name.startsWith('node_modules/') && !p.link && !p.dev && p.license,
  );
  assert.ok(packages.length > 10);
  const ours = new Set([...ALLOWED, 'OFL-1.1', 'BlueOak-1.0.0', 'Python-2.0']);
  for (const licence of ours) ALLOWED.add(licence);
  assert.deepEqual(packages.filter(([, p]) => !fits(p.license)).map(([name, p]) => `${name}: ${p.license}`), []);
});

test('a stage of the media uses only itself and the stages before it', () => {
  const stages = ['source', 'compose', 'encode', 'output', 'job'];
  const uses = [];
  for (const [place, stage] of stages.entries()) {
    for (const file of tracked.filter((name) => name.startsWith(`crates/media/src/${stage}/`) && name.endsWith('.rs'))) {
      for (const [, other] of text(file).matchAll(/\bcrate::(\w+)::/g)) uses.push({ file, other, back: stages.indexOf(other) > place });
    }
  }
  assert.ok(uses.length > 50);
  assert.deepEqual(uses.filter((use) => use.back), []);
});
