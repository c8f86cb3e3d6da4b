// Checks on what is in a recorded file: whose picture, which frame, when the flashes and beeps are.

import { createHash } from 'node:crypto';
import { bare, eachPicture, packets, sides, sound } from './media.mjs';
import { beepHz, CODE_COLUMNS, CODE_ROWS, decodeCode } from './schedule.mjs';

const GRID_W = 64;
const GRID_H = 48;

/**
 * Every picture of a file: `[{ptsS, code: {person, frame} | null, flash, luma}]`. `luma` is the mean of the picture
 * without its code, 0 to 255; `flash` that of the half that flashes.
 */
export async function pictures(file, options) {
  const found = [];
  await eachPicture(
    file,
    (grey, ptsS) => {
      let bits = 0;
      let clear = true;
      for (let i = 0; i < CODE_COLUMNS * CODE_ROWS; i++) {
        const x = (i % CODE_COLUMNS) * 4 + 1;
        const y = Math.floor(i / CODE_COLUMNS) * 4 + 1;
        const v = (grey[y * GRID_W + x] + grey[y * GRID_W + x + 1] + grey[(y + 1) * GRID_W + x] + grey[(y + 1) * GRID_W + x + 1]) / 4;
        if (v > 90 && v < 160) clear = false;
        bits = (bits << 1) | (v > 125 ? 1 : 0);
      }
      found.push({
        ptsS,
        code: clear ? decodeCode(bits >>> 0) : null,
        flash: mean(grey, GRID_W / 2 + 2, 20, GRID_W - 2, GRID_H - 2),
        luma: mean(grey, 0, 18, GRID_W, GRID_H),
      });
    },
    options,
  );
  return found;
}

function mean(grey, x0, y0, x1, y1) {
  let sum = 0;
  for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) sum += grey[y * GRID_W + x];
  return sum / ((x1 - x0) * (y1 - y0));
}

/** How far a person's picture moved against its own clock across a gap, s: 0 where the gap has its true length. */
export function moved(list, { person, fps, fromS, toS }) {
  const lag = (part) => median(part.map((p) => p.ptsS - p.code.frame / fps));
  const mine = list.filter((p) => p.code?.person === person);
  return lag(mine.filter((p) => p.ptsS > toS)) - lag(mine.filter((p) => p.ptsS < fromS));
}

/**
 * How whole and how even a person's pictures are.
 * `frames`: number of pictures with the person's code; `missing`: frame numbers that are skipped; `longestGap`: most
 * of them in a row; `repeated`,
 * `backwards`: pictures whose number is that of the one before, or smaller; `jitterMs`: the largest distance of a
 * picture's time from the time its number stands for, after the best common offset.
 */
export function cadence(list, { person, fps }) {
  const mine = list.filter((p) => p.code?.person === person);
  const missing = [];
  let repeated = 0;
  let backwards = 0;
  let longestGap = 0;
  for (let i = 1; i < mine.length; i++) {
    const step = mine[i].code.frame - mine[i - 1].code.frame;
    if (step === 0) repeated += 1;
    else if (step < 0) backwards += 1;
    else for (let n = 1; n < step; n++) missing.push(mine[i - 1].code.frame + n);
    longestGap = Math.max(longestGap, step - 1);
  }
  const offsets = mine.map((p) => p.ptsS - p.code.frame / fps);
  const middle = median(offsets);
  return {
    frames: mine.length,
    first: mine[0]?.code.frame,
    last: mine.at(-1)?.code.frame,
    missing,
    longestGap,
    repeated,
    backwards,
    unreadable: list.filter((p) => !p.code).length,
    others: list.filter((p) => p.code && p.code.person !== person).length,
    offsetS: middle,
    jitterMs: offsets.reduce((most, o) => Math.max(most, Math.abs(o - middle)), 0) * 1000,
    p95JitterMs: percentile(offsets.map((o) => Math.abs(o - middle)), 0.95) * 1000,
  };
}

/** Times, s, at which the picture turns white. */
export function flashes(list) {
  const found = [];
  let on = true;
  for (const p of list) {
    const white = p.flash > 185;
    // The first picture may lie within a flash: its beginning is not seen, so it does not count.
    if (white && !on) found.push(p.ptsS);
    on = white;
  }
  return found;
}

/**
 * Times, s, at which a person's beep begins. A window of 10 ms over the beep's frequency rises to half of the tone's
 * level exactly when its middle is at the onset.
 */
export function beeps({ samples, startS }, person) {
  const level = tone(samples, beepHz(person));
  const peaks = [];
  for (let from = 0; from < level.length; from += 48000) {
    let top = 0;
    for (let i = from; i < Math.min(from + 48000, level.length); i++) if (level[i] > top) top = level[i];
    if (top > 0.1) peaks.push(top);
  }
  if (!peaks.length) return [];
  const half = median(peaks) / 2;
  const found = [];
  let quiet = 0;
  for (let i = 1; i < level.length; i++) {
    if (level[i] < half) {
      quiet += 1;
      continue;
    }
    // A beep that starts with the file is cut, and its onset not seen.
    // Another person's onset sounds a little at every frequency, but never for 50 ms.
    if (quiet > 9600 && level[i + 2400] >= half) {
      found.push(startS + (i - 1 + (half - level[i - 1]) / (level[i] - level[i - 1])) / 48000);
    }
    quiet = 0;
  }
  return found;
}

/**
 * How loud one person's tone is from one time to another, dB of full scale, as most of the time. In windows of 100 ms: so
 * long that nothing of others' tones gets in, so short that a recorder may lead the sound to its clock.
 */
export function toneDb({ samples, startS }, person, fromS, toS) {
  const window = 4800;
  const step = (2 * Math.PI * beepHz(person)) / 48000;
  const levels = [];
  for (let from = Math.round((fromS - startS) * 48000); from + window <= (toS - startS) * 48000; from += window) {
    let [re, im, weight] = [0, 0, 0];
    for (let i = 0; i < window; i++) {
      const hann = 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / window);
      re += (samples[from + i] ?? 0) * hann * Math.cos(step * i);
      im += (samples[from + i] ?? 0) * hann * Math.sin(step * i);
      weight += hann;
    }
    levels.push(20 * Math.log10(Math.max(1e-5, (2 * Math.hypot(re, im)) / weight)));
  }
  return median(levels);
}

/** Amplitude of one frequency around each sample, window 10 ms. */
function tone(samples, hz) {
  const window = 480;
  const out = new Float32Array(samples.length);
  const step = (2 * Math.PI * hz) / 48000;
  // hz is a multiple of 100, so the reference repeats every 480 samples.
  const cos = Float64Array.from({ length: window }, (_, i) => Math.cos(step * i));
  const sin = Float64Array.from({ length: window }, (_, i) => Math.sin(step * i));
  let re = 0;
  let im = 0;
  for (let i = 0; i < samples.length + window / 2; i++) {
    if (i < samples.length) {
      re += samples[i] * cos[i % window];
      im += samples[i] * sin[i % window];
    }
    if (i >= window) {
      re -= samples[i - window] * cos[i % window];
      im -= samples[i - window] * sin[i % window];
    }
    const centre = i - window / 2;
    if (centre >= 0) out[centre] = (2 * Math.hypot(re, im)) / window;
  }
  return out;
}

/**
 * Flash against beep: `{pairs, p80Ms, meanMs, driftMs, worstMs}`. Positive: the picture is late. `driftMs` is what a
 * straight line through all pairs gains from the first to the last.
 */
export function sync(flashTimes, beepTimes) {
  const pairs = [];
  for (const f of flashTimes) {
    const b = nearest(beepTimes, f);
    if (b !== undefined && Math.abs(f - b) < 0.45) pairs.push({ atS: f, offsetMs: (f - b) * 1000 });
  }
  const offsets = pairs.map((p) => p.offsetMs);
  return {
    pairs,
    p80Ms: percentile(offsets.map(Math.abs), 0.8),
    meanMs: average(offsets),
    worstMs: offsets.reduce((most, o) => Math.max(most, Math.abs(o)), 0),
    driftMs: pairs.length > 2 ? slope(pairs) * (pairs.at(-1).atS - pairs[0].atS) : 0,
  };
}

/** Everything about flash against beep in one file of one person. */
export async function syncOf(file, person) {
  const [list, audio] = [await pictures(file), await sound(file)];
  return sync(flashes(list), beeps(audio, person));
}

/** What stereo publishers play: on the left, and on the right. */
export const SIDES = { leftHz: 400, rightHz: 1000, amplitude: 0.5 };

/**
 * How far the sides of a file are apart that a publisher of `SIDES` was recorded into, in the middle of it:
 * `{separationDb, levelsDb: {left, right}}`; levels are those of each side's own tone.
 */
export async function stereo(file) {
  const [left, right] = await sides(file);
  const db = (samples, hz) => {
    const from = Math.floor(samples.length / 3);
    return 20 * Math.log10(Math.max(1e-6, levelOf(samples.subarray(from, Math.floor((2 * samples.length) / 3)), hz)));
  };
  const [l, r] = [db(left, SIDES.leftHz), db(right, SIDES.rightHz)];
  const leaks = [db(left, SIDES.rightHz) - r, db(right, SIDES.leftHz) - l];
  return { separationDb: -Math.max(...leaks), levelsDb: { left: l, right: r } };
}

/**
 * Amplitude of a frequency in `samples`, which are at 48 kHz: the median of windows of 100 ms, so that neither a sound
 * that is led to its clock nor one window with a gap changes it.
 */
function levelOf(samples, hz) {
  const found = [];
  for (let from = 0; from + 4800 <= samples.length; from += 4800) {
    let [re, im] = [0, 0];
    for (let i = 0; i < 4800; i++) {
      re += samples[from + i] * Math.cos((2 * Math.PI * hz * i) / 48000);
      im += samples[from + i] * Math.sin((2 * Math.PI * hz * i) / 48000);
    }
    found.push((2 * Math.hypot(re, im)) / 4800);
  }
  return median(found);
}

/**
 * What became of a person's sound between `fromS` and `toS`, some time after a pause of either medium: of the `due`
 * flashes in it so many have `lost` their beep, and the others are `offsetMs` from it (the median).
 */
export function afterPause(flashTimes, beepTimes, { fromS, toS }) {
  const due = flashTimes.filter((f) => f >= fromS && f <= toS);
  const heard = due.map((f) => f - (nearest(beepTimes, f) ?? Number.POSITIVE_INFINITY)).filter((o) => Math.abs(o) < 0.45);
  return { due: due.length, lost: due.length - heard.length, offsetMs: Math.abs(median(heard)) * 1000 };
}

/** Stretches in which `is(picture)` holds: `[{fromS, toS}]`, to the time of the first picture after. */
export function stretches(list, is) {
  const found = [];
  let from = null;
  for (const p of list) {
    if (is(p) && from === null) from = p.ptsS;
    if (!is(p) && from !== null) {
      found.push({ fromS: from, toS: p.ptsS });
      from = null;
    }
  }
  if (from !== null) found.push({ fromS: from, toS: list.at(-1).ptsS });
  return found;
}

/** Stretches of black longer than `minS`. */
export function black(list, minS = 0.3) {
  return stretches(list, (p) => p.luma < 24 && !p.code).filter((s) => s.toS - s.fromS >= minS);
}

/** Stretches without a beep: between two onsets more than 1.5 s apart. */
export function silences(beepTimes) {
  const found = [];
  for (let i = 1; i < beepTimes.length; i++) {
    if (beepTimes[i] - beepTimes[i - 1] > 1.5) found.push({ fromS: beepTimes[i - 1], toS: beepTimes[i] });
  }
  return found;
}

const sha = (bytes) => createHash('sha256').update(bytes).digest('hex');

/**
 * The coded pictures of a file, unit by unit, in a form that does not depend on the container: hashes of frames (VP8,
 * VP9), of NAL units without parameter sets and delimiters (H.264), of OBUs without delimiters (AV1), of packets
 * (Opus). What the witness (witness.mjs) received has the same form.
 */
export async function units(file, codec) {
  if (codec === 'h264') return nals(await bare(file, 'h264')).map(sha);
  if (codec === 'av1') return obus(await bare(file, 'obu')).map(sha);
  return (await packets(file, codec === 'opus' ? 'a' : 'v')).map((p) => p.hash);
}

/** NAL units of an Annex B stream that hold picture data: parameter sets, delimiters and SEI are left out. */
export function nals(stream) {
  const found = [];
  let from = -1;
  for (let i = 0; i + 2 < stream.length; i++) {
    if (stream[i] || stream[i + 1] || stream[i + 2] !== 1) continue;
    if (from >= 0) found.push(stream.subarray(from, stream[i - 1] === 0 ? i - 1 : i));
    from = i + 3;
    i += 2;
  }
  if (from >= 0) found.push(stream.subarray(from));
  return found.filter((nal) => nal.length && (nal[0] & 0x1f) >= 1 && (nal[0] & 0x1f) <= 5);
}

/** OBUs that hold picture data, without their headers' size fields: frames, tile groups, frame headers. */
export function obus(stream) {
  const found = [];
  for (let at = 0; at < stream.length; ) {
    const head = stream[at];
    const type = (head >> 3) & 0xf;
    const body = at + (head & 4 ? 2 : 1);
    if (!(head & 2)) throw new Error('an OBU without a size');
    let size = 0;
    let bytes = 0;
    for (;;) {
      const b = stream[body + bytes];
      size += (b & 0x7f) * 2 ** (7 * bytes++);
      if (!(b & 0x80)) break;
    }
    if ([3, 4, 6].includes(type)) found.push(stream.subarray(body + bytes, body + bytes + size));
    at = body + bytes + size;
  }
  return found;
}

export function percentile(values, share) {
  if (!values.length) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
}

export const median = (values) => percentile(values, 0.5);
export const average = (values) => values.reduce((a, b) => a + b, 0) / values.length;

function nearest(sorted, to) {
  let best;
  for (const v of sorted) if (best === undefined || Math.abs(v - to) < Math.abs(best - to)) best = v;
  return best;
}

function slope(pairs) {
  const x = average(pairs.map((p) => p.atS));
  const y = average(pairs.map((p) => p.offsetMs));
  let up = 0;
  let down = 0;
  for (const p of pairs) {
    up += (p.atS - x) * (p.offsetMs - y);
    down += (p.atS - x) ** 2;
  }
  return down ? up / down : 0;
}
