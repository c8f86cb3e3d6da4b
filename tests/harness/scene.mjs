// One test's world: a server of its own, its people, its jobs, its folder. All of it is gone at the end.

import assert, { AssertionError } from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Job } from './job.mjs';
import { LiveKit } from './livekit.mjs';
import { boxes, decodeErrors, probe } from './media.mjs';
import { Network } from './network.mjs';
import { Person } from './people.mjs';
import { Worker } from './studio.mjs';
import { Witness } from './witness.mjs';

export class Scene {
  #close = [];

  /**
   * @param {import('node:test').TestContext} t whose end ends the scene
   * @param {{network?: boolean, room?: object}} [options] `network`: clients come through a network that can be cut
   */
  static async open(t, options = {}) {
    const scene = new Scene();
    // One hook: node:test runs several in the order they were made, which would take the server away first.
    t.after(() => scene.close());
    scene.room = `room-${Math.random().toString(36).slice(2, 8)}`;
    scene.folder = await mkdtemp(join(tmpdir(), 'tl-out-'));
    scene.#close.push(() => rm(scene.folder, { recursive: true, force: true }));
    if (options.network) {
      const { server, network } = await Network.withServer(options);
      Object.assign(scene, { server, network });
      scene.#close.push(() => network.close());
    } else {
      scene.server = await LiveKit.start(options);
    }
    scene.#close.push(() => scene.server.stop());
    return scene;
  }

  /** A person in the room, who publishes `media`. */
  async person(person, media = {}, options = {}) {
    const who = new Person({ server: this.server, room: this.room, person, ...options });
    this.#close.push(() => who.quit());
    await who.join(media);
    return who;
  }

  async witness(options) {
    const witness = await Witness.join(this.server, this.room, options);
    this.#close.push(() => witness.leave());
    return witness;
  }

  async job(egress, outputs = [], options = {}) {
    const job = await Job.start({ server: this.server, room: this.room, egress, outputs, ...options });
    this.#close.push(() => job.clean());
    return job;
  }

  /** A job that watches the room as the window does. */
  async monitor() {
    const job = await Job.monitor({ server: this.server, room: this.room });
    this.#close.push(() => job.clean());
    return job;
  }

  async worker(args, options = {}) {
    const common = ['record', '--url', this.server.url, '--room', this.room, '--out', this.folder];
    const worker = await Worker.start([...common, ...args], { server: this.server, ...options });
    this.#close.push(() => worker.clean());
    return worker;
  }

  onClose(act) {
    this.#close.push(act);
  }

  /** What ends after everything else. */
  first(act) {
    this.#close.unshift(act);
  }

  async close() {
    const failures = [];
    for (const act of this.#close.splice(0).reverse()) await act().catch((error) => failures.push(error));
    if (failures.length) throw failures[0];
  }
}

/** Where on unix time, ms, a person's frame belongs. */
export function frameMs(person, frame, fps = 30) {
  return person.originMs + (frame * 1000) / fps;
}

/**
 * What holds for every finished file: it is there, the job told the truth of it, it decodes without an error, and an
 * MP4 is an ordinary one. Returns what ffprobe says.
 */
export async function assertWhole(result, { container, error = null } = {}) {
  assert.equal(result.error?.message ?? null, error);
  assert.ok(existsSync(result.path), `${result.path} is not there`);
  assert.equal(statSync(result.path).size, result.size_bytes);
  if (container) assert.ok(result.path.endsWith(`.${container}`), result.path);
  const found = await probe(result.path);
  assert.deepEqual(await decodeErrors(result.path), []);
  if (result.path.endsWith('.mp4')) {
    const types = (await boxes(result.path)).map((box) => box.type);
    assert.ok(types.includes('moov') && !types.includes('moof'), `an ordinary MP4, not ${types}`);
  }
  const told = result.duration_ns / 1e9;
  assert.ok(Math.abs(told - found.durationS) < 0.25, `told ${told} s, is ${found.durationS} s`);
  return found;
}

/** Fails with `what` unless `value` is at most `bar`. How far it is over tells steady.mjs noise from a fault. */
export function atMost(what, value, bar) {
  compare(value <= bar, `${what}: ${value}, and the bar is ${bar}`, value / bar);
}

/** Fails with `what` unless `value` is at least `bar`. Fewer than half are a fault, as ten times as late is. */
export function atLeast(what, value, bar) {
  compare(value >= bar, `${what}: ${value}, and the bar is ${bar}`, (5 * bar) / value);
}

function compare(holds, message, over) {
  if (!holds) throw Object.assign(new AssertionError({ message }), { over });
}
