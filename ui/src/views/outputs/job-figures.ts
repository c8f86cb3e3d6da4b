// Figures of a job, summed over its outputs.

import type { Job, Snapshot, TrackId } from "@/backend/types";
import { isPageSource, isRunning, PROGRAM } from "@/store/select";

/** Media time in the file so far, ms. While it runs this is what has been written, never the wall clock. */
export function elapsedOf(job: Job | null): number {
  if (!job) return 0;
  const written = job.figures?.outputs.map((output) => output.elapsed_ms) ?? [];
  return Math.max(0, ...written);
}

export interface Sum {
  size_bytes: number;
  bitrate_bps: number;
  frames: number;
  dropped_frames: number;
  disk_left_s: number | null;
}

export function sumOf(job: Job): Sum {
  const sum: Sum = { size_bytes: 0, bitrate_bps: 0, frames: 0, dropped_frames: 0, disk_left_s: null };
  for (const output of job.figures?.outputs ?? []) {
    sum.size_bytes += output.size_bytes;
    sum.bitrate_bps += output.bitrate_bps;
    sum.frames += output.frames;
    sum.dropped_frames += output.dropped_frames;
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

/** Length of what was saved, ms. */
export function lengthOf(job: Job): number {
  return Math.max(0, ...job.outputs.map((output) => (output.result?.duration_ns ?? 0) / 1e6));
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

/** Less than this left on the disk is worth a look, s. */
export const DISK_LOW_S = 20 * 60;
