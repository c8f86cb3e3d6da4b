// Runs `tallylight-worker serve`: the studio in the place of LiveKit Egress, and the clients that LiveKit gives out.

import { createServer } from 'node:http';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EgressClient, WebhookReceiver } from 'livekit-server-sdk';
import { Worker } from './studio.mjs';
import { sign } from './token.mjs';
import { until } from './wait.mjs';

/** `EgressStatus`, by number. */
export const STATUS = ['STARTING', 'ACTIVE', 'ENDING', 'COMPLETE', 'FAILED', 'ABORTED', 'LIMIT_REACHED'];

export class Service {
  /**
   * Starts a service beside a scene's server, whose recordings go to the scene's folder.
   * @param {import('./scene.mjs').Scene} scene
   * @param {{config?: object, env?: object, home?: string, ready?: boolean}} [options] `config`: more of config.yaml
   */
  static async start(scene, { config = {}, env = {}, home, ready = true } = {}) {
    const service = new Service();
    service.server = scene.server;
    service.home = home ?? (await mkdtemp(join(tmpdir(), 'tl-serve-')));
    const file = join(service.home, 'config.yaml');
    const all = {
      api_key: scene.server.key,
      api_secret: scene.server.secret,
      ws_url: scene.server.url,
      local_directory: scene.folder,
      api: { port: 0 },
      // A test machine is small, and no test but one is about how much it carries.
      cpu_cost: { max_cpu_utilization: 50, room_composite_cpu_cost: 0.1, web_cpu_cost: 0.1, participant_cpu_cost: 0.1, track_composite_cpu_cost: 0.1, track_cpu_cost: 0.1 },
      ...config,
    };
    // JSON is YAML.
    await writeFile(file, JSON.stringify(all), { mode: 0o600 });
    const none = { LIVEKIT_API_KEY: '', LIVEKIT_API_SECRET: '' };
    service.worker = await Worker.start(['serve', '--config', file], { home: service.home, env: { ...none, ...env } });
    scene.onClose(async () => {
      await service.worker.clean();
      if (!home) await rm(service.home, { recursive: true, force: true });
    });
    if (ready) await service.ready();
    return service;
  }

  /** Waits until it answers, and learns where. */
  async ready() {
    await this.worker.says(/the API is at https?:\/\/\S+/, 60_000);
    [, this.url] = /the API is at (https?:\/\/[^\s"]+)/.exec(this.log);
    this.egress = new EgressClient(this.url, this.server.key, this.server.secret, { requestTimeout: 60 });
  }

  /** All it has said. */
  get log() {
    // Colours are for people.
    return this.worker.stderr.replaceAll(/\x1b\[[0-9;]*m/g, '');
  }

  /** A call without any SDK: `{status, headers, text, json}`. */
  async call(method, body = {}, { token = this.token(), type = 'application/json', verb = 'POST', headers = {} } = {}) {
    const answer = await fetch(`${this.url}/twirp/livekit.Egress/${method}`, {
      method: verb,
      headers: { ...(type && { 'content-type': type }), ...(token !== null && { authorization: `Bearer ${token}` }), ...headers },
      ...(verb === 'POST' && { body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body) }),
      signal: AbortSignal.timeout(60_000),
    });
    const text = await answer.text();
    let json;
    try {
      json = JSON.parse(text);
    } catch {}
    return { status: answer.status, headers: answer.headers, text, json };
  }

  /** A token that may record; `claims` are put over what one holds. */
  token(claims = {}, secret = this.server.secret) {
    const now = Math.floor(Date.now() / 1000);
    return sign(secret, { iss: this.server.key, nbf: now - 5, exp: now + 600, video: { roomRecord: true }, ...claims });
  }

  /** The one egress of this id. */
  async info(egressId) {
    const [info] = await this.egress.listEgress({ egressId });
    return info;
  }

  /** Waits until an egress has a status, and returns how it is then. It fails if it ends with another. */
  reaches(egressId, status, withinMs = 60_000) {
    return until(`${egressId} is ${status}`, async () => {
      const info = await this.info(egressId);
      const now = STATUS[info.status];
      if (now === status) return info;
      if (info.status > 2) throw new Error(`${egressId} is ${now}: ${info.error} (${info.details})\n${this.log}`);
      return null;
    }, { withinMs, everyMs: 100 });
  }

  /** Stops an egress and waits for its end. */
  async finish(egressId) {
    const stopped = await this.egress.stopEgress(egressId);
    if (STATUS[stopped.status] !== 'ENDING') throw new Error(`stopped, it is ${STATUS[stopped.status]}`);
    return this.reaches(egressId, 'COMPLETE');
  }
}

/** Receives webhooks, and checks each as LiveKit's SDK does. */
export class Hooks {
  /** `WebhookEvent` of the SDK, in order. */
  events = [];
  /** What could not be verified. */
  bad = [];
  /** How many calls are answered with 503 first. */
  faults = 0;

  static async start(scene) {
    const hooks = new Hooks();
    const receiver = new WebhookReceiver(scene.server.key, scene.server.secret);
    const server = createServer(async (request, answer) => {
      const parts = [];
      for await (const part of request) parts.push(part);
      const body = Buffer.concat(parts).toString();
      if (hooks.faults > 0) {
        hooks.faults -= 1;
        return answer.writeHead(503).end();
      }
      try {
        if (request.headers['content-type'] !== 'application/webhook+json') throw new Error(request.headers['content-type']);
        hooks.events.push(await receiver.receive(body, request.headers.authorization));
        answer.end();
      } catch (error) {
        hooks.bad.push(error);
        answer.writeHead(401).end();
      }
      return null;
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    hooks.url = `http://127.0.0.1:${server.address().port}/hook`;
    scene.onClose(async () => {
      server.closeAllConnections();
      server.close();
    });
    return hooks;
  }

  /** The names of the events of an egress, in order. */
  of(egressId) {
    return this.events.filter((event) => event.egressInfo?.egressId === egressId).map((event) => event.event);
  }

  /** The statuses that an egress was told with, in order. */
  statuses(egressId) {
    const own = this.events.filter((event) => event.egressInfo?.egressId === egressId);
    return own.map((event) => STATUS[event.egressInfo.status]);
  }

  ended(egressId) {
    return until(`egress_ended of ${egressId}`, () => this.of(egressId).includes('egress_ended'));
  }
}
