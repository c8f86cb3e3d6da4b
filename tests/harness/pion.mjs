// Participants who publish sound by Pion (tests/servers/witness/publish.go): what LiveKit's SDK for Node cannot, G.711 as
// a telephone bridge does, and stereo as a music studio does.

import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../build.mjs';
import { SIDES } from './content.mjs';
import { spawnFirst } from './process.mjs';
import { nowMs } from './schedule.mjs';
import { token } from './token.mjs';
import { until } from './wait.mjs';
import { witnessProgram } from './witness.mjs';

const FRAME_MS = 20;

/** One participant, one track of sound, given packet by packet. */
export class PionPublisher {
  #child;
  #stderr = '';
  #timer;

  /** Joins and publishes `codec`: 'pcmu', 'pcma' or 'opus' (stereo). */
  async join(server, room, identity, codec) {
    const child = spawnFirst(await witnessProgram(), [server.url, codec], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child = child;
    this.identity = identity;
    child.stdin.on('error', () => {});
    child.stderr.on('data', (text) => (this.#stderr += text));
    child.on('exit', () => (this.ended = true));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { event, track } = JSON.parse(line);
      if (event === 'published') this.sid = track;
      if (event === 'publishing') this.publishing = true;
    });
    child.stdin.write(`${token(server, { identity, room, publish: true })}\n`);
    await until(`${identity} publishes`, () => {
      if (this.ended) throw new Error(`${identity} ended\n${this.#stderr}`);
      return this.sid && this.publishing;
    });
    return this;
  }

  /** Sends `packet(k)` at `k` times 20 ms after `originMs`, of `clock()`, from now on. */
  run(originMs, clock, packet) {
    let k = Math.ceil((clock() - originMs) / FRAME_MS);
    const step = () => {
      for (; originMs + k * FRAME_MS <= clock(); k++) this.#child.stdin.write(`${packet(k).toString('base64')}\n`);
      this.#timer = setTimeout(step, 5);
    };
    step();
  }

  async quit() {
    clearTimeout(this.#timer);
    if (this.ended) return;
    const gone = once(this.#child, 'exit');
    this.#child.stdin.end();
    const killer = setTimeout(() => this.#child.kill('SIGKILL'), 5000);
    await gone;
    clearTimeout(killer);
  }
}

/** A participant of `scene` who publishes stereo: a tone on the left and another on the right (SIDES of content.mjs). */
export async function stereoStudio(scene) {
  const tone = (hz) => `${SIDES.amplitude}*sin(2*PI*${hz}*t)`;
  const packets = await stereoPackets({ left: tone(SIDES.leftHz), right: tone(SIDES.rightHz) });
  const studio = await new PionPublisher().join(scene.server, scene.room, 'studio', 'opus');
  scene.onClose(() => studio.quit());
  studio.run(nowMs(), nowMs, (k) => packets[k % packets.length]);
  return studio;
}

/** The packets of `seconds` of stereo Opus, 20 ms each; `left` and `right` are ffmpeg's expressions of the time `t`. */
async function stereoPackets({ left, right, seconds = 60 }) {
  const folder = await mkdtemp(join(tmpdir(), 'tl-opus-'));
  try {
    const file = join(folder, 'stereo.ogg');
    const source = `aevalsrc=exprs='${left}|${right}':s=48000:d=${seconds}:c=stereo`;
    const encoder = ['-c:a', 'libopus', '-b:a', '256k', '-frame_duration', String(FRAME_MS), '-page_duration', '1'];
    await run('ffmpeg', ['-nostdin', '-v', 'error', '-f', 'lavfi', '-i', source, ...encoder, file]);
    // Two headers come first.
    return oggPackets(await readFile(file)).slice(2);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The packets of an Ogg file with one stream (RFC 3533). */
function oggPackets(file) {
  const packets = [];
  let packet = [];
  for (let at = 0; at < file.length; ) {
    const count = file[at + 26];
    let body = at + 27 + count;
    for (const size of file.subarray(at + 27, at + 27 + count)) {
      packet.push(file.subarray(body, body + size));
      body += size;
      // A segment that is not full ends its packet.
      if (size < 255) packets.push(Buffer.concat(packet.splice(0)));
    }
    at = body;
  }
  return packets;
}
