// A participant who publishes G.711, as a telephone bridge does. The sound is that of person.mjs at 8 kHz.

import { PionPublisher } from './pion.mjs';
import { nowMs, SAMPLE_RATE_HZ } from './schedule.mjs';
import { Sound } from './sound.mjs';

// A packet leaves when it is handed over, and its sender report calls that the time of its first sample.
const SAMPLES = (8000 * 20) / 1000;
const DOWN = SAMPLE_RATE_HZ / 8000;

/** Joins and publishes `codec`, 'pcmu' or 'pcma'. */
export async function telephone(server, room, person, codec) {
  const phone = await new PionPublisher().join(server, room, `phone-${person}`, codec);
  const sound = new Sound({ person });
  const encode = codec === 'pcmu' ? mulaw : alaw;
  phone.run(Math.floor(nowMs() / 1000) * 1000, nowMs, (k) => {
    const fine = sound.fill(new Int16Array(SAMPLES * DOWN), k * SAMPLES * DOWN);
    // The beeps lie far below 4 kHz, so every sixth sample will do.
    return Buffer.from(Array.from({ length: SAMPLES }, (_, i) => encode(fine[i * DOWN])));
  });
  return phone;
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
