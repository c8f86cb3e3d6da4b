// A LiveKit server with its Redis, and workers that take jobs from it, as a self-hoster has them.

import { execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EgressClient, EgressStatus, RoomServiceClient, WebhookReceiver } from 'livekit-server-sdk';
import { freePort, startProgram } from './livekit.mjs';
import { Scene } from './scene.mjs';
import { Worker } from './studio.mjs';
import { sleep, until } from './wait.mjs';

/** Statuses after which nothing follows. */
const OVER = [EgressStatus.EGRESS_COMPLETE, EgressStatus.EGRESS_FAILED, EgressStatus.EGRESS_ABORTED, EgressStatus.EGRESS_LIMIT_REACHED];

/** A real Redis. */
export class Redis {
  #child;

  static async start() {
    const redis = new Redis();
    redis.folder = await mkdtemp(join(tmpdir(), 'tl-redis-'));
    redis.port = await freePort();
    redis.address = `127.0.0.1:${redis.port}`;
    await redis.run();
    return redis;
  }

  /** Starts it (again); what it held when it was stopped properly is there again. */
  async run() {
    const args = ['--port', `${this.port}`, '--bind', '127.0.0.1', '--dir', this.folder, '--appendonly', 'yes', '--appendfsync', 'always'];
    this.#child = spawn('redis-server', args, { stdio: 'ignore' });
    await until('Redis answers', () => {
      try {
        return this.command('PING').includes('PONG');
      } catch {
        return false;
      }
    });
  }

  command(...words) {
    return execFileSync('redis-cli', ['-p', `${this.port}`, ...words], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  }

  /** How many workers would hear a request. */
  workers() {
    return Number(this.command('PUBSUB', 'NUMSUB', 'EgressInternal|StartEgress|REQ').trim().split('\n')[1]);
  }

  async kill() {
    if (this.#child.exitCode !== null || this.#child.signalCode) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  async stop() {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A scene whose server has a Redis. */
export class BusScene {
  static async open(t, { hooks = false, ...options } = {}) {
    const bus = new BusScene();
    const redis = await Redis.start();
    const sink = hooks ? await Sink.start() : null;
    const webhook = sink && { urls: [sink.url] };
    try {
      bus.scene = await Scene.open(t, { ...options, redis: { address: redis.address }, ...(webhook && { webhook }) });
    } catch (error) {
      await redis.stop();
      throw error;
    }
    // They go last.
    bus.scene.first(() => redis.stop());
    if (sink) bus.scene.first(() => sink.stop());
    const { server } = bus.scene;
    const url = server.url.replace('ws', 'http');
    if (sink) sink.receiver = new WebhookReceiver(server.key, server.secret);
    const clients = [url, server.key, server.secret, { requestTimeout: 60 }];
    return Object.assign(bus, {
      redis,
      hooks: sink,
      server,
      room: bus.scene.room,
      folder: bus.scene.folder,
      egress: new EgressClient(...clients),
      rooms: new RoomServiceClient(...clients),
    });
  }

  person(...args) {
    return this.scene.person(...args);
  }

  /** A worker on the bus, which is there when this comes back. `home`: that of one that ran before. */
  async worker({ home, config = {}, wait = true } = {}) {
    const own = home ?? (await mkdtemp(join(tmpdir(), 'tl-bus-')));
    if (!home) this.scene.onClose(() => rm(own, { recursive: true, force: true }));
    const file = join(own, 'config.yaml');
    const all = {
      redis: { address: this.redis.address },
      api_key: this.server.key,
      api_secret: this.server.secret,
      ws_url: this.server.url,
      local_directory: this.folder,
      api: { port: 0 },
      // A test machine is small, and no test but one is about how much it carries.
      cpu_cost: { max_cpu_utilization: 50, participant_cpu_cost: 0.1, track_composite_cpu_cost: 0.1, track_cpu_cost: 0.1 },
      ...config,
    };
    // JSON is YAML.
    await writeFile(file, JSON.stringify(all), { mode: 0o600 });
    const before = this.redis.workers();
    const env = { LIVEKIT_API_KEY: '', LIVEKIT_API_SECRET: '', RUST_LOG: 'info,api=debug' };
    const worker = await Worker.start(['serve', '--config', file], { home: own, env });
    this.scene.onClose(() => worker.clean());
    if (wait) await this.joined(worker, before + 1);
    return worker;
  }

  joined(worker, workers) {
    return until('the worker is on the bus', () => {
      if (worker.exit) throw new Error(`the worker ended\n${worker.stderr}`);
      return this.redis.workers() >= workers;
    }, { withinMs: 60_000 });
  }

  /** Sends a request as servers do that try an egress again; comes back with the answer, or why there is none. */
  async sendAgain(request) {
    const child = spawn(await startProgram(), [this.redis.address], { stdio: 'pipe' });
    child.stdin.end(JSON.stringify(request));
    const said = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr']) child[stream].on('data', (data) => (said[stream] += data));
    const [code] = await once(child, 'close');
    return code === 0 ? { info: JSON.parse(said.stdout) } : { refused: said.stderr.trim() };
  }

  async info(egressId) {
    const [info] = await this.egress.listEgress({ egressId });
    return info;
  }

  /** Waits until the server lists an egress with this status. It fails if it ends with another. */
  reaches(egressId, status, withinMs = 60_000) {
    return until(`${egressId} is ${EgressStatus[status]}`, async () => {
      const info = await this.info(egressId);
      if (info.status === status) return info;
      if (OVER.includes(info.status)) {
        throw new Error(`${egressId} is ${EgressStatus[info.status]}: ${info.error} (${info.details})`);
      }
      return null;
    }, { withinMs, everyMs: 100 });
  }

  /** Waits until the server knows that an egress is over, however. */
  over(egressId, withinMs = 60_000) {
    return until(`${egressId} is over`, async () => {
      const info = await this.info(egressId);
      return OVER.includes(info.status) && info;
    }, { withinMs, everyMs: 100 });
  }

  /** Records for a while, stops, and returns the end. */
  async finish(egressId, ms = 3000) {
    await this.reaches(egressId, EgressStatus.EGRESS_ACTIVE);
    await sleep(ms);
    const stopped = await this.egress.stopEgress(egressId);
    if (stopped.status !== EgressStatus.EGRESS_ENDING) throw new Error(`stopped, it is ${EgressStatus[stopped.status]}`);
    return this.reaches(egressId, EgressStatus.EGRESS_COMPLETE);
  }
}

/** The processes of a worker's jobs: they have its home in their environment. */
export function jobsOf(worker) {
  const all = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid)).map(Number);
  return all.filter((pid) => {
    try {
      const of = (name) => readFileSync(`/proc/${pid}/${name}`, 'latin1');
      return of('comm') === 'tallylight-job\n' && of('environ').includes(`HOME=${worker.home}\0`);
    } catch {
      return false;
    }
  });
}

/** Receives the server's webhooks. */
class Sink {
  events = [];

  static async start() {
    const sink = new Sink();
    sink.http = createServer(async (request, answer) => {
      const parts = [];
      for await (const part of request) parts.push(part);
      sink.events.push(await sink.receiver.receive(Buffer.concat(parts).toString(), request.headers.authorization));
      answer.end();
    });
    sink.http.listen(0, '127.0.0.1');
    await once(sink.http, 'listening');
    sink.url = `http://127.0.0.1:${sink.http.address().port}/hook`;
    return sink;
  }

  /** The names of the events of an egress, in order. */
  of(egressId) {
    return this.events.filter((event) => event.egressInfo?.egressId === egressId).map((event) => event.event);
  }

  /** What the events of an egress say of it, in order. */
  infos(egressId) {
    return this.events.map((event) => event.egressInfo).filter((info) => info?.egressId === egressId);
  }

  async stop() {
    this.http.closeAllConnections();
    this.http.close();
  }
}

/** What a call is refused with: `{code, message}` of Twirp. */
export async function refused(call) {
  try {
    await call;
  } catch (error) {
    return { code: error.code, message: error.message };
  }
  throw new Error('it was not refused');
}
