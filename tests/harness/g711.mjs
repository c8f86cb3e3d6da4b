// A participant who publishes G.711, as a telephone bridge does: LiveKit's own SDKs publish Opus alone, so Pion does
// it (tests/servers/witness/publish.go). The sound is that of person.mjs at 8 kHz.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { nowMs, SAMPLE_RATE_HZ } from './schedule.mjs';
import { Sound } from './sound.mjs';
import { token } from './token.mjs';
import { until } from './wait.mjs';
import { witnessProgram } from './witness.mjs';

const FRAME_MS = 20;
// A packet leaves when it is handed over, and its sender report calls that the time of its first sample.
const SAMPLES = (8000 * FRAME_MS) / 1000;
const DOWN = SAMPLE_RATE_HZ / 8000;

export class Telephone {
  #child;
  #timer;
  #stderr = '';

  /** Joins and publishes `codec`, 'pcmu' or 'pcma'. */
  static async join(server, room, person, codec) {
    const phone = new Telephone();
    const child = spawn(await witnessProgram(), [server.url, codec], { stdio: ['pipe', 'pipe', 'pipe'] });
    phone.#child = child;
    child.stdin.on('error', () => {});
    child.stderr.on('data', (text) => (phone.#stderr += text));
    child.on('exit', () => (phone.ended = true));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { event, track } = JSON.parse(line);
      if (event === 'published') phone.sid = track;
      if (event === 'publishing') phone.publishing = true;
    });
    child.stdin.write(`${token(server, { identity: `phone-${person}`, room, publish: true })}\n`);
    await until('the telephone publishes', () => {
      if (phone.ended) throw new Error(`the telephone ended\n${phone.#stderr}`);
      return phone.sid && phone.publishing;
    });
    phone.#run(person, codec);
    return phone;
  }

  #run(person, codec) {
    const sound = new Sound({ person });
    const originMs = Math.floor(nowMs() / 1000) * 1000;
    const encode = codec === 'pcmu' ? mulaw : alaw;
    let k = Math.ceil((nowMs() - originMs) / FRAME_MS);
    const step = () => {
      while (originMs + k * FRAME_MS <= nowMs()) {
        const fine = sound.fill(new Int16Array(SAMPLES * DOWN), k * SAMPLES * DOWN);
        const payload = Buffer.alloc(SAMPLES);
        // The beeps lie far below 4 kHz, so every sixth sample will do.
        for (let i = 0; i < SAMPLES; i++) payload[i] = encode(fine[i * DOWN]);
        this.#child.stdin.write(`${payload.toString('base64')}\n`);
        k += 1;
      }
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

/** ITU-T G.711, µ-law. */
export function mulaw(sample) {
  const sign = sample < 0 ? 0x80 : 0;
  const v = Math.min(32635, Math.abs(sample)) + 132;
  const exponent = Math.max(0, 24 - Math.clz32(v));
  return ~(sign | (exponent << 4) | ((v >> (exponent + 3)) & 0xf)) & 0xff;
}

/** ITU-T G.711, A-law. */
export function alaw(sample) {
  const sign = sample >= 0 ? 0x80 : 0;
  const v = Math.min(32767, sample >= 0 ? sample : -sample - 1);
  const exponent = Math.max(0, 24 - Math.clz32(v));
  const low = exponent > 0 ? (exponent << 4) | ((v >> (exponent + 3)) & 0xf) : v >> 4;
  return (sign | low) ^ 0x55;
}
