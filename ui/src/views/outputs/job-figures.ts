// Figures of a job, summed over its outputs. What is written to a disk and what is sent to servers are never summed:
// the one is what fills the disk, the other what fills the line.

import type { Job, OutputFigures, Snapshot, TrackId } from "@/backend/types";
import { airOf, filesOf, resultOf, streamsOf } from "@/store/live";
import { isPageSource, isRunning, PROGRAM } from "@/store/select";

/** The output that is a small proxy of the file. */
const PROXY = "proxy";

type Kind = "files" | "streams";

/** What a job is told by: its files, or its streams where it has nothing else. */
export const kindOf = (job: Job): Kind =>
  airOf(job).records || filesOf(job).length > 0 ? "files" : "streams";

/** The figures of those outputs of a job that are of one kind. */
function figuresBy(job: Job, kind: Kind): OutputFigures[] {
  const sent = new Set(streamsOf(job).map((one) => one.id));
  return (job.figures?.outputs ?? []).filter(({ output }) => sent.has(output) === (kind === "streams"));
}

/** Media time in the file so far, ms. While it runs this is what has been written, never the wall clock. */
export function elapsedOf(job: Job | null): number {
  if (!job) return 0;
  return Math.max(0, ...figuresBy(job, kindOf(job)).map((output) => output.elapsed_ms));
}

export interface Sum {
  size_bytes: number;
  bitrate_bps: number;
  frames: number;
  dropped_frames: number;
  disk_left_s: number | null;
  /** How far the slowest disk is behind, ms. */
  behind_ms: number;
}

export function sumOf(job: Job, kind: Kind = "files"): Sum {
  const sum: Sum = {
    size_bytes: 0,
    bitrate_bps: 0,
    frames: 0,
    dropped_frames: 0,
    disk_left_s: null,
    behind_ms: 0,
  };
  for (const output of figuresBy(job, kind)) {
    sum.size_bytes += output.size_bytes;
    sum.bitrate_bps += output.bitrate_bps;
    sum.frames += output.frames;
    sum.dropped_frames += output.dropped_frames;
    sum.behind_ms = Math.max(sum.behind_ms, output.behind_ms);
    if (output.disk_left_s !== null)
      sum.disk_left_s = Math.min(sum.disk_left_s ?? Number.POSITIVE_INFINITY, output.disk_left_s);
  }
  return sum;
}

/** The sounds of a job among its levels, and whether it takes pictures. */
export function takesOf({ request: { source }, page, tracks }: Job): {
  sounds: TrackId[];
  pictures: boolean;
} {
  // What a page plays is one sound.
  if (isPageSource(source) && page !== null)
    return { sounds: source.parts === "picture" ? [] : [PROGRAM], pictures: source.parts !== "sound" };
  return {
    sounds: tracks.filter((track) => track.kind === "audio").map((track) => track.track_id),
    pictures: tracks.some((track) => track.kind === "video"),
  };
}

/** How long the fullest disk that is written to lasts, s; none while nothing records. */
export function timeLeftOf({ machine, jobs }: Snapshot): number | null {
  const all = [machine.disk_left_s, ...jobs.filter(isRunning).map((job) => sumOf(job).disk_left_s)].filter(
    (left) => left !== null,
  );
  return all.length > 0 ? Math.min(...all) : null;
}

/** Length of what was saved, ms; of a job that wrote nothing, how long it was live. */
export function lengthOf(job: Job): number {
  if (kindOf(job) === "files")
    return Math.max(0, ...job.outputs.map((output) => (output.result?.duration_ns ?? 0) / 1e6));
  const live = streamsOf(job)
    .flatMap((one) => resultOf(one.destination.state) ?? [])
    .filter((result) => result.started_at_ns > 0);
  if (live.length === 0) return 0;
  const begun = Math.min(...live.map((result) => result.started_at_ns));
  return (Math.max(...live.map((result) => result.ended_at_ns)) - begun) / 1e6;
}

/** Bytes that were sent to servers. */
export function sentOf(job: Job): number {
  return streamsOf(job).reduce((sum, one) => sum + (resultOf(one.destination.state)?.size_bytes ?? 0), 0);
}

/** Bytes of what was saved. */
export function sizeOf(job: Job): number {
  return job.outputs.reduce((sum, output) => sum + (output.result?.size_bytes ?? 0), 0);
}

/** Where the first file is or will be. */
export function pathOf(job: Job): string | null {
  for (const output of job.outputs) {
    const path = output.result?.path ?? output.path;
    if (path) return path;
  }
  return null;
}

/** Where the small proxy of a job is or will be; none where it has none. */
export function proxyOf(job: Job): string | null {
  const output = job.outputs.find((one) => one.id === PROXY);
  return output?.result?.path ?? output?.path ?? null;
}

/** A disk so far behind is worth a look, ms. */
export const BEHIND_MS = 1000;

/** Less than this left on the disk is worth a look, s. */
export const DISK_LOW_S = 20 * 60;
