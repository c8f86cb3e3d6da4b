// Synthetic people for tests and the demo: each a process of its own on LiveKit's own SDK (person.mjs).

import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { spawnFirst } from './process.mjs';
import { token } from './token.mjs';
import { nowMs } from './schedule.mjs';
import { sleep } from './wait.mjs';

const SCRIPT = fileURLToPath(new URL('./person.mjs', import.meta.url));
const ANSWER_MS = 40_000;

/** One person. Number `person` decides colour, beep and code; 0 to 15. */
export class Person {
  /** How often anybody's sound was handed over late, and by how much, ms. */
  static late = [];

  #child;
  #waiting = new Map();
  #next = 1;
  #stderr = '';

  /** @param {{server: {url: string, key: string, secret: string}, room: string, person: number, name?: string,
   *   identity?: string, kind?: string, secret?: string}} who `secret`: by which all that is published is encrypted */
  constructor(who) {
    this.person = who.person;
    this.name = who.name ?? `Person ${who.person}`;
    this.identity = who.identity ?? `person-${who.person}`;
    this.room = who.room;
    /** Unix ms of frame 0 and sample 0. */
    this.originMs = who.originMs ?? Math.floor(nowMs() / 1000) * 1000;
    /** Things the SDK told: disconnected, reconnected, … */
    this.events = [];
    const config = {
      url: who.server.url,
      token: token(who.server, { identity: this.identity, name: this.name, room: who.room, publish: true, kind: who.kind }),
      person: this.person,
      name: this.name,
      originMs: this.originMs,
      secret: who.secret,
    };
    this.#child = spawnFirst(process.execPath, ['--no-warnings', SCRIPT, JSON.stringify(config)], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, RUST_LOG: process.env.PERSON_LOG ?? 'off' },
    });
    this.#child.stderr.on('data', (text) => {
      this.#stderr = (this.#stderr + text).slice(-4000);
      if (process.env.PERSON_LOG) process.stderr.write(text);
    });
    this.#child.stdin.on('error', () => {});
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#line(line));
    this.#child.on('exit', (code, signal) => {
      for (const { reject, command } of this.#waiting.values()) {
        reject(new Error(`${this.identity} ended (${signal ?? code}) during ${command}\n${this.#stderr}`));
      }
      this.#waiting.clear();
    });
  }

  get pid() {
    return this.#child.pid;
  }

  /** Joins the room, and publishes what is given. Returns once it is published. */
  async join({ video, audio } = {}) {
    const joined = await this.#ask('join');
    this.sid = joined.sid;
    // Sound first: a camera that starts alone would look like missing sound.
    if (audio) this.audio = await this.publishAudio(audio === true ? {} : audio);
    if (video) this.video = await this.publishVideo(video === true ? {} : video);
    return this;
  }

  /**
   * `{codec, width, height, fps, bitrateBps, simulcast, noise, source: 'camera' | 'screen', drawnAs, look: 'portrait'}`
   * → `{sid, atMs}`. `drawnAs`: whose picture it is, to tell a screen from a camera; `look`: without anything to measure.
   */
  async publishVideo(options = {}) {
    return (this.video = await this.#ask('publishVideo', options));
  }

  /** `{dtx, red, bitrateBps, voice: 'beeps' | 'tune' | 'song' | 'tone', side: 'left' | 'right'}` → `{sid, atMs}`. `side`: in stereo, silent on the other */
  async publishAudio(options = {}) {
    return (this.audio = await this.#ask('publishAudio', options));
  }

  mute(source) {
    return this.#ask('mute', { source });
  }

  unmute(source) {
    return this.#ask('unmute', { source });
  }

  /** Turns the camera by a quarter: what was wide is high from the next picture on. The track stays. */
  turn(source = 'camera') {
    return this.#ask('turn', { source });
  }

  /** Hands nothing over for `ms`, and what there was afterwards if it `keeps` it → `{fromMs, untilMs}`. */
  stall(source, ms, { keeps = false } = {}) {
    return this.#ask('stall', { source, ms, keeps });
  }

  /** Stops the whole process for `ms`, as a computer that is too busy does → `{fromMs, untilMs}`. */
  async freeze(ms) {
    const fromMs = nowMs();
    this.#child.kill('SIGSTOP');
    await sleep(ms);
    this.#child.kill('SIGCONT');
    return { fromMs, untilMs: nowMs() };
  }

  unpublish(source) {
    return this.#ask('unpublish', { source });
  }

  /** `[frame number, unix ms]` of each picture handed to the encoder. */
  async sent(source = 'camera') {
    return (await this.#ask('sent', { source })).frames;
  }

  /** Leaves the room; `join` may follow. */
  leave() {
    return this.#ask('leave');
  }

  async quit() {
    if (this.#child.exitCode !== null || this.#child.signalCode) return;
    const gone = once(this.#child, 'exit');
    this.#ask('quit').catch(() => {});
    const killer = setTimeout(() => this.#child.kill('SIGKILL'), 5000);
    await gone;
    clearTimeout(killer);
  }

  /** As if the person's computer had lost its power. */
  async kill() {
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  #ask(command, options = {}) {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      if (this.#child.exitCode !== null) return reject(new Error(`${this.identity} has ended\n${this.#stderr}`));
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`${this.identity} did not answer ${command} in ${ANSWER_MS} ms\n${this.#stderr}`));
      }, ANSWER_MS);
      this.#waiting.set(id, {
        command,
        resolve: (value) => (clearTimeout(timer), resolve(value)),
        reject: (error) => (clearTimeout(timer), reject(error)),
      });
      this.#child.stdin.write(`${JSON.stringify({ id, command, ...options })}\n`);
    });
  }

  #line(line) {
    let message;
    try {
      message = JSON.parse(line);
    } catch {
      this.#stderr = `${this.#stderr}${line}\n`.slice(-4000);
      return;
    }
    if (message.event === 'late') Person.late.push(message.byMs);
    if (message.event) {
      this.events.push({ ...message, atMs: nowMs() });
      return;
    }
    const waiting = this.#waiting.get(message.id);
    if (!waiting) return;
    this.#waiting.delete(message.id);
    if (message.error) waiting.reject(new Error(`${this.identity}: ${message.error}`));
    else waiting.resolve(message.result);
  }
}
