// LiveKit's SDK for Python, in an environment of its own, and a process that makes the calls it is told to.

import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cacheFolder } from './livekit.mjs';

const run = promisify(execFile);
const REQUIREMENTS = fileURLToPath(new URL('../api/requirements.txt', import.meta.url));
const SCRIPT = fileURLToPath(new URL('../api/client.py', import.meta.url));

/** Python with the SDK, in the cache; made if it is not there. Its name holds what is installed. */
export async function pythonProgram() {
  const hash = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 12);
  const folder = join(cacheFolder(), `livekit-python-${hash}`);
  const program = join(folder, 'bin/python');
  if (existsSync(program)) return program;
  await mkdir(cacheFolder(), { recursive: true });
  const half = `${folder}.${process.pid}`;
  await run('python3', ['-m', 'venv', half]);
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:'];
  await run(join(half, 'bin/python'), [...install, '-r', REQUIREMENTS], { maxBuffer: 16 << 20 });
  // Another run may have been faster.
  if (existsSync(program)) await rm(half, { recursive: true });
  else await rename(half, folder);
  return program;
}

/** Calls by way of Python. */
export class Python {
  #waiting = [];

  static async start(scene, service) {
    const python = new Python();
    const env = { ...process.env, URL: service.url, KEY: scene.server.key, SECRET: scene.server.secret };
    const child = spawn(await pythonProgram(), [SCRIPT], { env, stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: child.stdout }).on('line', (line) => python.#waiting.shift()(JSON.parse(line)));
    scene.onClose(async () => child.kill('SIGKILL'));
    python.child = child;
    return python;
  }

  /** One call of the SDK's: `{answer}` or `{error: {code, msg, status}}`, names as in the protocol. */
  call(name, request = {}) {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.child.stdin.write(`${JSON.stringify({ name, request })}\n`);
    });
  }

  /** The same, and it must not fail. */
  async ok(name, request) {
    const { answer, error } = await this.call(name, request);
    if (error) throw new Error(`${name}: ${error.code} ${error.msg}`);
    return answer;
  }
}
