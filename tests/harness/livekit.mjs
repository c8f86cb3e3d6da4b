// A real LiveKit server for tests and the demo: built once from its Go module, own random loopback ports.

import { execFile } from 'node:child_process';
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, open, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { spawnFirst } from './process.mjs';

const run = promisify(execFile);
const SERVERS = fileURLToPath(new URL('../servers/', import.meta.url));

/** Where what was built once is kept, for all clones. */
export function cacheFolder() {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'tallylight');
}

/**
 * Builds a Go program of `tests/servers/<folder>` into the cache, if it is not there yet, and returns its path.
 * The name in the cache holds what it was built from, so a new version is a new file.
 */
export async function goProgram(folder, pkg, name) {
  const from = join(SERVERS, folder);
  const hash = createHash('sha256');
  for (const file of readdirSync(from).sort()) hash.update(readFileSync(join(from, file)));
  const program = join(cacheFolder(), `${name}-${hash.digest('hex').slice(0, 12)}`);
  if (existsSync(program)) return program;
  await mkdir(cacheFolder(), { recursive: true });
  // Beside it and then renamed: two runs at once must not see half a program.
  const half = `${program}.${process.pid}`;
  await run('go', ['build', '-o', half, pkg], { cwd: from, maxBuffer: 64 << 20 });
  await rename(half, program);
  return program;
}

export function livekitProgram() {
  return goProgram('livekit', 'github.com/livekit/livekit-server/cmd/server', 'livekit-server');
}

/** Sends workers on a Redis requests of its own (tests/servers/livekit/start.go). */
export function startProgram() {
  return goProgram('livekit', '.', 'start-egress');
}

/**
 * A port that was free a moment ago, below those that the system gives out by itself: nobody who merely connects, in a
 * test beside this one, takes it in that moment.
 */
async function free(bind) {
  for (;;) {
    const port = randomInt(12_000, 32_000);
    if (await bind(port)) return port;
  }
}

/** A TCP port that was free a moment ago. */
export function freePort(host = '127.0.0.1') {
  return free(async (port) => {
    const server = createServer();
    const bound = await new Promise((resolve) => server.once('error', () => resolve(false)).listen(port, host, () => resolve(true)));
    if (bound) await new Promise((resolve) => server.close(resolve));
    return bound;
  });
}

/** A UDP port that was free a moment ago. */
export function freeUdpPort(host = '127.0.0.1') {
  return free(async (port) => {
    const socket = createSocket('udp4');
    const bound = await new Promise((resolve) => socket.once('error', () => resolve(false)).bind(port, host, () => resolve(true)));
    socket.close();
    return bound;
  });
}

/** A running LiveKit server. Make one with `LiveKit.start()`. */
export class LiveKit {
  #child;
  #log;

  /**
   * Starts a server and waits until it answers.
   * @param {{advertise?: string, room?: object, keys?: object, logLevel?: string, redis?: {address: string},
   *   webhook?: object}} [options] `advertise`: the address that clients are told to send media to; see network.mjs.
   *   `redis`: where its bus is.
   */
  static async start(options = {}) {
    const server = new LiveKit();
    server.options = options;
    server.folder = await mkdtemp(join(tmpdir(), 'tallylight-livekit-'));
    server.port = await freePort();
    server.tcpPort = await freePort();
    server.udpPort = await freeUdpPort();
    server.key = `API${randomBytes(6).toString('hex')}`;
    server.secret = randomBytes(24).toString('hex');
    server.url = `ws://127.0.0.1:${server.port}`;
    await server.run();
    return server;
  }

  /** Starts the process (again), on the same ports with the same keys. */
  async run() {
    const program = await livekitProgram();
    const config = join(this.folder, 'config.json');
    await writeFile(config, JSON.stringify(this.#config()));
    this.#log = await open(join(this.folder, 'server.log'), 'a');
    // Its sender reports are everybody's clock.
    this.#child = spawnFirst(program, ['--config', config], { stdio: ['ignore', this.#log.fd, this.#log.fd] });
    await this.#answering();
  }

  // JSON is YAML.
  #config() {
    return {
      port: this.port,
      bind_addresses: ['127.0.0.1'],
      keys: { [this.key]: this.secret },
      logging: { level: this.options.logLevel ?? 'info', json: true },
      rtc: {
        // Both would lead around a network that is to be cut: the server listens for TCP media on every address, and
        // without ICE-lite it looks for a way to the client's own addresses.
        ...(this.options.advertise ? { tcp_port: 0, use_ice_lite: true } : { tcp_port: this.tcpPort }),
        udp_port: this.udpPort,
        node_ip: this.options.advertise ?? '127.0.0.1',
        use_external_ip: false,
        enable_loopback_candidate: true,
        interfaces: { includes: ['lo'] },
        stun_servers: [],
      },
      room: {
        empty_timeout: 60,
        departure_timeout: 5,
        enable_remote_unmute: true,
        ...this.options.room,
      },
      ...(this.options.redis && { redis: this.options.redis }),
      ...(this.options.webhook && { webhook: { api_key: this.key, ...this.options.webhook } }),
    };
  }

  async #answering() {
    const until = Date.now() + 30_000;
    for (;;) {
      if (this.#child.exitCode !== null) throw new Error(`livekit-server ended\n${this.log().slice(-4000)}`);
      try {
        const answer = await fetch(`http://127.0.0.1:${this.port}/`, { signal: AbortSignal.timeout(2000) });
        if (answer.ok) return;
      } catch {
        // Not yet.
      }
      if (Date.now() > until) throw new Error(`livekit-server does not answer\n${this.log().slice(-4000)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  log() {
    return readFileSync(join(this.folder, 'server.log'), 'utf8');
  }

  get pid() {
    return this.#child.pid;
  }

  /** Ends the process as a crash would; `run()` brings it back. */
  async kill(signal = 'SIGKILL') {
    if (this.#child.exitCode === null && !this.#child.signalCode) {
      const gone = once(this.#child, 'exit');
      this.#child.kill(signal);
      await gone;
    }
    await this.#log.close().catch(() => {});
  }

  /** Ends the process and removes its files. */
  async stop() {
    await this.kill('SIGKILL');
    await rm(this.folder, { recursive: true, force: true });
  }
}
