// Cloud storage for tests: MinIO from its Go module, Azurite from npm. The tests of `upload` start them themselves.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort, goProgram } from './livekit.mjs';
import { until } from './wait.mjs';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The S3 server. Its first build takes minutes. */
export function minioProgram() {
  return goProgram('minio', 'github.com/minio/minio', 'minio');
}

/** Azure's blob service, run by Node. */
export function azuriteProgram() {
  return join(ROOT, 'node_modules/azurite/dist/src/blob/main.js');
}

/** An S3 server with one bucket, at a port of its own; it can go away and come back with what it has. */
export class Minio {
  #child;
  bucket = 'shows';
  key = 'tallylight';
  secret = 'no-secret-at-all';

  static async start() {
    const server = new Minio();
    server.program = await minioProgram();
    server.folder = await mkdtemp(join(tmpdir(), 'tl-minio-'));
    // A folder is a bucket.
    await mkdir(join(server.folder, server.bucket));
    [server.port, server.console] = [await freePort(), await freePort()];
    await server.up();
    return server;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  async up() {
    const env = { ...process.env, MINIO_ROOT_USER: this.key, MINIO_ROOT_PASSWORD: this.secret, MINIO_BROWSER: 'off', MINIO_UPDATE: 'off', MINIO_CI_CD: '1' };
    const places = ['--address', `127.0.0.1:${this.port}`, '--console-address', `127.0.0.1:${this.console}`];
    this.#child = spawn(this.program, ['server', '--quiet', ...places, this.folder], { env, stdio: 'ignore' });
    this.exited = once(this.#child, 'exit');
    // It answers before it has read its keys.
    await until('MinIO is ready', async () => (await this.#get('')).status === 200, { withinMs: 60_000 });
  }

  async down() {
    this.#child.kill('SIGKILL');
    await this.exited;
  }

  /** Asks for an object, or with no name for the list of them: the answer's status and body. */
  async #get(name) {
    // As signatures want it.
    const encoded = encodeURIComponent(name).replaceAll('%2F', '/').replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
    const url = `${this.url}/${this.bucket}/${encoded}`;
    const signed = ['--aws-sigv4', 'aws:amz:us-east-1:s3', '--user', `${this.key}:${this.secret}`];
    const asked = run('curl', ['-s', '-w', '%{http_code}', ...signed, url], { encoding: 'buffer', maxBuffer: 1 << 28 });
    // Of one that nobody answers the status is 000.
    const { stdout } = await asked.catch((error) => error);
    return { status: Number(stdout.subarray(-3).toString()), body: stdout.subarray(0, -3) };
  }

  /** Waits until an object is there, and is these bytes. */
  async holds(name, bytes, { withinMs = 60_000 } = {}) {
    const there = async () => {
      const { status, body } = await this.#get(name);
      return status === 200 && body;
    };
    const found = await until(`${name} in the bucket`, there, { withinMs });
    if (!found.equals(bytes)) throw new Error(`${name}: ${found.length} bytes in the bucket are not the ${bytes.length} here`);
  }

  /** An object's bytes; null if there is none of that name. */
  async object(name) {
    const { status, body } = await this.#get(name);
    return status === 200 ? body : null;
  }

  async stop() {
    await this.down();
    await rm(this.folder, { recursive: true, force: true });
  }
}
