// Runs `tallylight-worker`: the studio without its window.

import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until, within } from './wait.mjs';

export function workerProgram() {
  const program = join(process.env.TALLYLIGHT_JOB ?? '', '..', 'tallylight-worker');
  if (!process.env.TALLYLIGHT_JOB || !existsSync(program)) throw new Error('tallylight-worker is not built: run through npm test');
  return program;
}

/** One run of the worker, in a home of its own unless one is given. */
export class Worker {
  static async start(args, { server, home, env = {}, secret } = {}) {
    const worker = new Worker();
    worker.home = home ?? (await mkdtemp(join(tmpdir(), 'tl-w-')));
    worker.ownsHome = !home;
    worker.stdout = '';
    worker.stderr = '';
    worker.child = spawn(workerProgram(), [...args, '--data-dir', join(worker.home, 'studio')], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        HOME: worker.home,
        XDG_DATA_HOME: join(worker.home, 'data'),
        XDG_CONFIG_HOME: join(worker.home, 'config'),
        XDG_CACHE_HOME: join(worker.home, 'cache'),
        XDG_RUNTIME_DIR: worker.home,
        LIVEKIT_API_KEY: server?.key,
        LIVEKIT_API_SECRET: secret ?? server?.secret,
        ...env,
      },
    });
    worker.child.stdout.on('data', (text) => (worker.stdout += text));
    worker.child.stderr.on('data', (text) => (worker.stderr += text));
    worker.exited = new Promise((resolve) =>
      worker.child.on('close', (code, signal) => resolve((worker.exit = { code, signal }))),
    );
    return worker;
  }

  /** The job that the worker runs: its process id. */
  async jobPid() {
    return until('the worker starts a job', () => {
      if (this.exit) throw new Error(`the worker ended\n${this.stderr}`);
      const children = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && parentOf(pid) === this.child.pid);
      // A job has no arguments; a probe of the encoders, which is soon gone, has one.
      return Number(children.find((pid) => /tallylight-job\0$/.test(commandLine(pid))));
    });
  }

  /** Waits until standard error holds something. */
  says(what, withinMs = 30_000) {
    return until(`the worker says ${what}`, () => {
      if (this.exit && !what.test(this.stderr)) throw new Error(`the worker ended\n${this.stderr}`);
      return what.test(this.stderr);
    }, { withinMs });
  }

  /** Waits for the end: `{code, signal}`. */
  async ended(withinMs = 60_000) {
    await within(withinMs, this.exited);
    if (!this.exit) throw new Error(`the worker does not end\n${this.stderr}`);
    return this.exit;
  }

  /** The last line of standard output: the path of the file. */
  get path() {
    return this.stdout.trim().split('\n').at(-1);
  }

  async clean() {
    if (!this.exit) this.child.kill('SIGKILL');
    if (this.ownsHome) await rm(this.home, { recursive: true, force: true });
  }
}

function commandLine(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}

function parentOf(pid) {
  try {
    return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
  } catch {
    return 0;
  }
}
