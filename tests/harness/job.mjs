// Starts `tallylight-job` and talks to it as the studio does (crates/egress/src/wire.rs).

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nowMs } from './schedule.mjs';
import { monitorToken, recorderToken } from './token.mjs';
import { until, within } from './wait.mjs';

/** The program under test. */
export function jobProgram() {
  const program = process.env.TALLYLIGHT_JOB;
  if (!program || !existsSync(program)) throw new Error('TALLYLIGHT_JOB does not name the built tallylight-job: run through npm test');
  return program;
}

/** H264_720P_30 with MP4's sound. */
export const PRESET = {
  video: { codec: 'h264_main', width: 1280, height: 720, framerate: 30, bitrate_bps: 3_000_000, key_frame_interval_s: null },
  audio: { codec: 'aac', bitrate_bps: 128_000, sample_rate_hz: 44_100 },
};

/** The same at a quarter of the pixels: for what is not about their number. */
export const SMALL = { ...PRESET, video: { ...PRESET.video, width: 640, height: 360, bitrate_bps: 800_000 } };

const both = (from) => [{ from, channel: 'both' }];

/** One track as published. */
export function trackEgress(trackId) {
  const tracks = { video: { track: trackId }, audio: both({ track: trackId }), ends: 'tracks_gone' };
  return { source: { tracks }, treatment: 'passthrough' };
}

/** A page that is shown by Chromium. */
function page(address, { signal, encoding = PRESET, afterCrash = 'reload' }) {
  return {
    source: { page: { address, await_start_signal: signal, after_crash: afterCrash } },
    treatment: { encode: encoding },
  };
}

/** The whole room in a layout. `base`: a template of somebody else's. */
export function roomComposite({ layout = 'grid', base = null, ...options } = {}) {
  return page({ template: { base_url: base, layout, document: null } }, { signal: true, ...options });
}

/** Any web page. */
export function webEgress(url, { signal = false, ...options } = {}) {
  return page({ web: { url } }, { signal, ...options });
}

/** One picture and one sound together. `encoding` null: as published. */
export function compositeEgress({ video = null, audio = null, encoding = PRESET }) {
  return {
    source: {
      tracks: {
        video: video && { track: video },
        audio: audio ? both({ track: audio }) : [],
        ends: 'tracks_gone',
      },
    },
    treatment: encoding ? { encode: encoding } : 'passthrough',
  };
}

/** A person, across republishing. */
export function participantEgress(identity, { screen = false, encoding = PRESET } = {}) {
  return {
    source: {
      tracks: {
        video: { participant: { identity, prefer: screen ? 'screen_share' : 'camera' } },
        audio: both({ voice: identity }),
        ends: { participant_leaves: identity },
      },
    },
    treatment: encoding ? { encode: encoding } : 'passthrough',
  };
}

/** A file output. */
export function fileOutput(folder, { id = 'file', name = 'show', container = null, manifest = false } = {}) {
  return { id, kind: { file: { folder, name, container, manifest } } };
}

/** A file of what is published, whatever the job encodes. */
export function publishedOutput(folder, { id = 'published', name = 'raw', container = null, manifest = false } = {}) {
  return { id, kind: { file: { folder, name, container, manifest, as_published: true } } };
}

/** A small proxy of a file. */
export function proxyOutput(folder, { id = 'proxy', of = 'file', name = 'show-proxy', height = 360, bitrate_bps = null, manifest = false } = {}) {
  return { id, kind: { file: { folder, name, container: 'mp4', manifest, proxy: { of, height, bitrate_bps } } } };
}

/** A live stream. Its `secret` travels beside its specification. */
export function streamOutput(url, { id = 'stream', anyCertificate = false } = {}) {
  const protocol = url.startsWith('srt') ? 'srt' : 'rtmp';
  const stream = { protocol, address: `${url.split(':')[0]}://{...}`, any_certificate: anyCertificate };
  return { id, kind: { stream }, secret: url };
}

/** Segments and playlists of HLS. */
export function segmentsOutput(folder, { id = 'segments', durationS = 2, manifest = false, kind: of = 'mpeg_ts', ...names } = {}) {
  const { prefix = 'show', playlist = '', live_playlist = '', suffix = 'index' } = names;
  const segments = { folder, prefix, playlist, live_playlist, suffix, kind: of, duration_ms: durationS * 1000, manifest };
  return { id, kind: { segments } };
}

/** Images. */
export function imagesOutput(folder, { id = 'images', everyS = 1, manifest = false, ...options } = {}) {
  const { prefix = 'shot', suffix = 'index', width = null, height = null } = options;
  return { id, kind: { images: { folder, prefix, suffix, interval_ms: everyS * 1000, width, height, manifest } } };
}

/** Sound over a WebSocket. */
export function socketOutput(url, { id = 'socket', format = 'stereo48k' } = {}) {
  return { id, kind: { web_socket: { address: 'ws://{...}', format } }, secret: url };
}

/** A person's picture with the sound of everybody. */
export function mediaEgress(identity, { encoding = PRESET } = {}) {
  return {
    source: {
      tracks: {
        video: { participant: { identity, prefer: 'camera' } },
        audio: both('all'),
        ends: 'room_ends',
      },
    },
    treatment: { encode: encoding },
  };
}

/** One running `tallylight-job`. */
export class Job {
  #child;
  #socket;
  #buffer = Buffer.alloc(0);
  #requests = new Map();
  #request = 1;

  /**
   * Starts a job and connects to it.
   * @param {{server: object, room: string, egress: object, outputs?: object[], limits?: object, launch?: object,
   *   connect?: boolean}} what
   */
  static async start({ server, room, egress, outputs = [], limits = {}, launch = {}, connect: connects = true, env = {} }) {
    const job = new Job();
    job.id = `EG_${randomBytes(6).toString('hex')}`;
    job.folder = await mkdtemp(join(tmpdir(), 'tl-job-'));
    /** Facts so far, in order. */
    job.events = [];
    job.figures = null;
    job.startedMs = nowMs();
    job.#child = spawn(jobProgram(), [], {
      stdio: ['pipe', 'ignore', 'pipe'],
      detached: true,
      env: { ...process.env, XAUTHORITY: join(job.folder, 'xauthority'), ...env },
    });
    job.stderr = '';
    job.#child.stderr.on('data', (text) => (job.stderr = (job.stderr + text).slice(-8000)));
    job.#child.stdin.on('error', () => {});
    job.exited = new Promise((resolve) => job.#child.on('exit', (code, signal) => resolve((job.exit = { code, signal }))));
    const specs = outputs.map(({ secret, ...output }) => output);
    const secrets = Object.fromEntries(outputs.filter((o) => o.secret).map((o) => [o.id, o.secret]));
    const limitless = { max_duration_s: null, max_size_bytes: null };
    const spec = {
      egress_id: job.id,
      url: server.url,
      room_name: room,
      task: { egress: { ...egress, outputs: specs, limits: { ...limitless, ...limits } } },
    };
    const token = recorderToken(server, { identity: job.id, room });
    job.#child.stdin.end(JSON.stringify({ spec, token, secrets, folder: job.folder, ...launch }));
    if (connects) await job.connect();
    return job;
  }

  get pid() {
    return this.#child.pid;
  }

  /** Starts a job that watches a room as the window does; its `roster` has the people. */
  static async monitor({ server, room }) {
    const id = `MO_${randomBytes(6).toString('hex')}`;
    const spec = {
      egress_id: id,
      url: server.url,
      room_name: room,
      task: { monitor: { thumbnail_width: 320, thumbnail_fps: 5 } },
    };
    const token = monitorToken(server, { identity: id, room });
    return Job.start({ server, room, egress: {}, launch: { spec, token } });
  }

  /** Connects to the job's socket and takes the facts after the ones that are known. */
  async connect() {
    const path = join(this.folder, 'socket');
    this.#socket = await until(
      'the job listens',
      () => {
        if (this.exit) throw new Error(`the job ended (${JSON.stringify(this.exit)})\n${this.stderr}\n${this.log()}`);
        if (!existsSync(path)) return null;
        return new Promise((resolve) => {
          const socket = connect(path, () => resolve(socket));
          socket.on('error', () => resolve(null));
        });
      },
      { everyMs: 5 },
    );
    this.#socket.on('data', (data) => this.#read(data));
    this.#socket.on('error', () => {});
    this.#send({ type: 'hello', after: this.events.at(-1)?.seq ?? 0 });
  }

  /** Lets go of the socket, as a studio that dies does. */
  disconnect() {
    this.#socket?.destroy();
    this.#socket = undefined;
    this.#buffer = Buffer.alloc(0);
  }

  #send(message) {
    const body = Buffer.from(JSON.stringify(message));
    const head = Buffer.alloc(5);
    head.writeUInt32LE(body.length + 1, 0);
    this.#socket.write(Buffer.concat([head, body]));
  }

  #read(data) {
    this.#buffer = Buffer.concat([this.#buffer, data]);
    while (this.#buffer.length >= 5) {
      const size = this.#buffer.readUInt32LE(0);
      if (this.#buffer.length < 4 + size) return;
      const kind = this.#buffer[4];
      const body = this.#buffer.subarray(5, 4 + size);
      this.#buffer = this.#buffer.subarray(4 + size);
      if (kind === 0) this.#message(JSON.parse(body));
    }
  }

  #message(message) {
    if (message.type === 'event') this.events.push({ ...message.event, heardMs: nowMs() });
    if (message.type === 'figures') this.figures = message.figures;
    if (message.type === 'roster') this.roster = message.roster;
    if (message.type === 'reply') {
      const { resolve, reject } = this.#requests.get(message.request) ?? {};
      this.#requests.delete(message.request);
      if (message.error) reject?.(Object.assign(new Error(message.error.message), message.error));
      else resolve?.();
    }
  }

  #ask(message) {
    const request = this.#request++;
    return new Promise((resolve, reject) => {
      this.#requests.set(request, { resolve, reject });
      this.#send({ ...message, request });
    });
  }

  /** Attaches an output, and others in the same moment. */
  attach({ secret, ...output }, others = []) {
    return this.#ask({ type: 'attach', output, with: others, ...(secret && { secret }) });
  }

  detachStream(url) {
    return this.#ask({ type: 'detach_stream', url });
  }

  retry(output) {
    return this.#ask({ type: 'retry', output });
  }

  /** The states that a destination has been in so far, in order. */
  states(output = 'stream') {
    return this.events.filter((e) => e.fact.type === 'destination' && e.fact.output === output).map((e) => e.fact.state.is);
  }

  /** Waits until a destination is in a state (again); the fact of it. */
  async becomes(state, { output = 'stream', ...options } = {}) {
    const where = (f) => f.output === output && f.state.is === state;
    return this.fact('destination', { where, ...options });
  }

  /** The figures of an output. */
  of(output) {
    return this.figures?.outputs.find((o) => o.output === output);
  }

  updateLayout(layout) {
    return this.#ask({ type: 'update_layout', layout });
  }

  startAnyway() {
    return this.#ask({ type: 'start_anyway' });
  }

  detach(output) {
    return this.#ask({ type: 'detach', output });
  }

  /** The first fact of a type, once it is there. */
  fact(type, { withinMs = 30_000, where = () => true, after = 0 } = {}) {
    return until(
      `the job tells ${type}`,
      () => {
        const found = this.events.find((e) => e.seq > after && e.fact.type === type && where(e.fact));
        if (!found && this.exit && !this.#socket?.readable) this.#dead(type);
        return found;
      },
      { withinMs, everyMs: 5 },
    ).catch((error) => {
      throw new Error(`${error.message}\n${this.told()}\n${this.stderr}\n${this.log()}`);
    });
  }

  #dead(type) {
    this.events = this.logged();
    if (!this.events.some((e) => e.fact.type === type)) {
      throw new Error(`the job ended (${JSON.stringify(this.exit)}) without ${type}`);
    }
  }

  /** Waits until an output holds so much media, ms. */
  elapsed(ms, output = 'file') {
    return until(
      `${ms} ms in the output`,
      () => {
        if (this.exit) throw new Error(`the job ended ${JSON.stringify(this.exit)}\n${this.told()}\n${this.log()}`);
        return this.figures?.outputs.find((o) => o.output === output)?.elapsed_ms >= ms;
      },
      { withinMs: ms * 2 + 30_000 },
    ).catch((error) => {
      throw new Error(`${error.message}\n${JSON.stringify(this.figures)}\n${this.told()}\n${this.log()}`);
    });
  }

  /** Stops the job and returns what came of its output. */
  async stop(output = 'file') {
    this.stopMs = nowMs();
    this.#ask({ type: 'stop' }).catch(() => {});
    return this.result(output);
  }

  /** Stops a job that has no file. */
  stopStreams() {
    this.stopMs = nowMs();
    return this.#ask({ type: 'stop' });
  }

  /** What came of an output, once it has ended; the job may go on. */
  async outputEnded(output = 'file', withinMs = 40_000) {
    const ended = await this.fact('output_ended', { where: (f) => f.output === output, withinMs });
    this.endedMs = ended.heardMs;
    return ended.fact.result;
  }

  /** What came of an output, once the job has ended. */
  async result(output = 'file', withinMs = 40_000) {
    const result = await this.outputEnded(output, withinMs);
    await within(15_000, this.exited);
    if (!this.exit) throw new Error(`the job does not exit\n${this.told()}\n${this.log()}`);
    return result;
  }

  /** The last fact. */
  async end(withinMs = 40_000) {
    const ended = await this.fact('ended', { withinMs });
    return ended.fact;
  }

  kill(signal = 'SIGKILL') {
    this.killedMs = nowMs();
    process.kill(this.pid, signal);
    return this.exited;
  }

  /** The job's own log of its facts. */
  logged() {
    const file = join(this.folder, 'events.jsonl');
    if (!existsSync(file)) return [];
    return readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
  }

  told() {
    return this.events.map((e) => `${e.seq} ${JSON.stringify(e.fact)}`).join('\n');
  }

  log() {
    const file = join(this.folder, 'job.log');
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(-40).join('\n') : '';
  }

  /** Ends whatever still runs and removes the job's folder. */
  async clean() {
    this.disconnect();
    if (!this.exit) {
      try {
        process.kill(this.pid, 'SIGKILL');
      } catch {
        // Gone just now.
      }
      await this.exited;
    }
    await rm(this.folder, { recursive: true, force: true });
  }
}
