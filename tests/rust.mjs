// Runs the test programs that cargo builds, two at a time: `cargo test` runs them one after the other, and most of them
// wait for servers.

import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { basename, dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT, say } from './setup.mjs';
import { BUDGET, told } from './lanes.mjs';

/** These measure times, or load both processors: one test at a time in each. */
const ONE_BY_ONE = ['media', 'room'];
const LIMIT_MS = 10 * 60_000;

/** Every test program of the workspace: `{name, target, path, cwd}`. */
async function build() {
  const args = ['test', '--workspace', '--no-run', '--quiet', '--message-format=json-render-diagnostics'];
  const cargo = spawn('cargo', args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
  const code = new Promise((resolve, reject) => cargo.on('error', reject).on('close', resolve));
  const found = [];
  for await (const line of createInterface({ input: cargo.stdout })) {
    const message = JSON.parse(line);
    if (message.reason !== 'compiler-artifact' || !message.executable || !message.profile.test) continue;
    const cwd = dirname(message.manifest_path);
    found.push({ name: `${basename(cwd)}/${message.target.name}`, path: message.executable, cwd, package: basename(cwd) });
  }
  if ((await code) !== 0) throw new Error(`cargo test --no-run ended with ${await code}`);
  return found;
}

/** Runs one test program; what it said is printed when it is over. */
async function one(program) {
  const threads = ONE_BY_ONE.includes(program.package) ? 1 : availableParallelism();
  const began = performance.now();
  // As cargo does; some tests look for their fixtures by it.
  const env = { ...process.env, CARGO_MANIFEST_DIR: program.cwd };
  const child = spawn(program.path, [`--test-threads=${threads}`, '--quiet'], { cwd: program.cwd, env, timeout: LIMIT_MS, killSignal: 'SIGKILL' });
  const said = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => said.push(text));
  const result = await new Promise((resolve, reject) => child.on('error', reject).on('close', (code, signal) => resolve(signal ?? code)));
  const ms = performance.now() - began;
  const good = result === 0;
  const [summary] = /^test result: .*$/m.exec(Buffer.concat(said).toString()) ?? [];
  console.log(`${good ? '✔' : '✖'} ${program.name} (${(ms / 1000).toFixed(1)} s) ${summary ?? `ended with ${result}`}`);
  if (!good) process.stdout.write(Buffer.concat(said));
  told.tests.push({ name: program.name, ms });
  return good;
}

/** Runs all of them, and those that fail once more, alone. */
export async function rustTests() {
  const waiting = await build();
  // The slow ones first, so that none of them is left alone at the end.
  const slow = ['room/room', 'studio/studio', 'upload/upload', 'media/files'];
  const place = ({ name }) => (slow.includes(name) ? slow.indexOf(name) : slow.length);
  waiting.sort((a, b) => place(a) - place(b));
  const failed = [];
  const lane = async () => {
    for (let next; (next = waiting.shift()); ) if (!(await one(next))) failed.push(next);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, lane));
  if (failed.length > BUDGET) throw new Error(`${failed.length} failed: ${failed.map(({ name }) => name).join(' ')}`);
  const broken = [];
  for (const program of failed) {
    say(`once more, alone: ${program.name}`);
    if (await one(program)) told.again.push(`${program.name}: failed beside others`);
    else broken.push(program.name);
  }
  if (broken.length) throw new Error(`failed: ${broken.join(' ')}`);
}
