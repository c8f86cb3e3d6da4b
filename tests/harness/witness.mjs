// A second receiver, on Pion (tests/servers/witness): what it received is what the recorder should have written.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { goProgram } from './livekit.mjs';
import { until } from './wait.mjs';
import { token } from './token.mjs';

export function witnessProgram() {
  return goProgram('witness', '.', 'witness');
}

export class Witness {
  #child;
  #stderr = '';

  /** Joins a room and takes every track in it. `folder`: where it puts VP8 and Opus files. */
  static async join(server, room, folder) {
    const witness = new Witness();
    const program = await witnessProgram();
    /** track id → `{codec, units: [{rtp, hashes, size, atMs}], reports: [{rtp, unixMs}], ended}` */
    witness.tracks = new Map();
    witness.#child = spawn(program, [server.url, ...(folder ? [folder] : [])], { stdio: ['pipe', 'pipe', 'pipe'] });
    witness.#child.stderr.on('data', (text) => (witness.#stderr = (witness.#stderr + text).slice(-4000)));
    witness.#child.stdin.on('error', () => {});
    witness.#child.on('exit', () => (witness.ended = true));
    createInterface({ input: witness.#child.stdout }).on('line', (line) => witness.#line(JSON.parse(line)));
    const identity = `witness-${Math.random().toString(36).slice(2)}`;
    witness.#child.stdin.write(`${token(server, { identity, room, hidden: true, kind: 'egress', recorder: true })}\n`);
    await until('the witness joins', () => {
      if (witness.ended) throw new Error(`the witness ended\n${witness.#stderr}`);
      return witness.joined;
    });
    return witness;
  }

  #line(line) {
    if (line.event === 'joined') this.joined = true;
    if (!line.sid) return;
    if (!this.tracks.has(line.sid)) this.tracks.set(line.sid, { units: [], reports: [] });
    const track = this.tracks.get(line.sid);
    if (line.event === 'track') track.codec = line.codec;
    if (line.event === 'file') track.fileRtp = line.rtp;
    if (line.event === 'report') track.reports.push({ rtp: line.rtp, unixMs: line.unixMs });
    if (line.event === 'unit') track.units.push({ rtp: line.rtp, hashes: line.units, size: line.size, atMs: line.atMs });
    if (line.event === 'ended') Object.assign(track, { ended: true, lost: line.lost, packets: line.packets });
  }

  /** Waits until media of a track has come. */
  receives(sid, units = 1) {
    return until(`the witness receives ${sid}`, () => {
      if (this.ended) throw new Error(`the witness ended\n${this.#stderr}`);
      return this.tracks.get(sid)?.units.length >= units;
    });
  }

  /** Hashes of all units of a track, in order. */
  hashes(sid) {
    return this.tracks.get(sid).units.flatMap((unit) => unit.hashes);
  }

  async leave() {
    if (this.ended) return;
    const gone = once(this.#child, 'exit');
    this.#child.stdin.end();
    const killer = setTimeout(() => this.#child.kill('SIGKILL'), 5000);
    await gone;
    clearTimeout(killer);
  }
}

/**
 * Compares what a file holds with what the witness received. The file may begin later and end earlier, nothing else:
 * returns `{same, from, count, differs}`. Silence makes packets that are all alike, so every beginning that fits is
 * tried, and the one that goes furthest counts.
 */
export function compareUnits(ofFile, ofWitness) {
  let best = { same: false, from: -1, count: ofFile.length, differs: 0 };
  for (let from = 0; ofFile.length && from < ofWitness.length; from++) {
    let i = 0;
    while (i < ofFile.length && ofFile[i] === ofWitness[from + i]) i += 1;
    if (i === ofFile.length) return { same: true, from, count: i, differs: -1 };
    if (i > best.differs) best = { ...best, from, differs: i };
  }
  return best;
}

/**
 * How far the times of a file's frames are from the RTP times of the same frames at the witness, ms: `strayMs`, from
 * `settledS` on and after the best common offset; `stepMs`, the most that is led in from any frame to the next. `from`:
 * of `compareUnits`.
 */
export function timingError(ptsS, witnessUnits, from, { settledS = 2, rateHz = 90_000 } = {}) {
  // `from` counts coded units, of which a frame may have several.
  let frame = 0;
  for (let seen = 0; seen < from; frame++) seen += witnessUnits[frame].hashes.length;
  const base = witnessUnits[frame].rtp;
  const errors = ptsS
    .slice(0, witnessUnits.length - frame)
    .map((pts, i) => (pts - ((witnessUnits[frame + i].rtp - base) | 0) / rateHz) * 1000);
  const steps = errors.slice(1).map((error, i) => Math.abs(error - errors[i]));
  const settled = errors.filter((_, i) => ptsS[i] - ptsS[0] >= settledS).sort((a, b) => a - b);
  const middle = settled[settled.length >> 1];
  return { strayMs: Math.max(middle - settled[0], settled.at(-1) - middle), stepMs: Math.max(...steps) };
}
