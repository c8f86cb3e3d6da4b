// Uploads as they are looked at: by recording, files of one output together, and all of them in one figure. Pure.

import type { ApiError, Job, JobOutput, Upload, UploadProgress, UploadState } from "@/backend/types";

export type StateKind = UploadState["kind"];

/** Segments or images in one line: how many there are, where that is known, and how many of them are not there yet. */
export function countsOf({
  set,
  uploads,
}: Line): { of: "segments" | "images"; all: number | null; open: number } | null {
  if (!set?.set) return null;
  const lists = /\.(m3u8|json)$/;
  const open = uploads.filter((upload) => !isStored(upload) && !lists.test(upload.path)).length;
  // What is stored leaves the list, and how many there are in all is told at the end.
  const { of, count } = set.set;
  return { of, all: count > 0 ? Math.max(count, open) : null, open };
}

/** Whether all of it is there. */
export const isStored = (upload: Upload): boolean => upload.state.kind === "stored";

/** Several states as one: what has to be looked at leads, then what moves. */
const LEADS: StateKind[] = ["waiting", "uploading", "verifying", "queued", "following", "paused", "stored"];

export function leading(uploads: Upload[]): StateKind {
  return LEADS.find((kind) => uploads.some((upload) => upload.state.kind === kind)) ?? "stored";
}

/** Several uploads as one figure. */
export function progressOf(uploads: Upload[]): UploadProgress {
  const sum: UploadProgress = { sent_bytes: 0, total_bytes: 0, rate_bps: 0, remaining_ms: 0 };
  for (const { progress, state } of uploads) {
    sum.sent_bytes += progress.sent_bytes;
    sum.total_bytes += progress.total_bytes;
    if (state.kind === "uploading") sum.rate_bps += progress.rate_bps;
  }
  const [only] = uploads;
  if (only && uploads.length === 1) return { ...sum, remaining_ms: only.progress.remaining_ms };
  const left = Math.max(0, sum.total_bytes - sum.sent_bytes);
  return { ...sum, remaining_ms: sum.rate_bps > 0 ? ((left * 8) / sum.rate_bps) * 1000 : null };
}

/** Whole percent that is up; 100 only where all of it is. */
export function percentOf({ sent_bytes, total_bytes }: UploadProgress): number {
  if (total_bytes <= 0) return 0;
  return sent_bytes >= total_bytes ? 100 : Math.min(99, Math.floor((sent_bytes / total_bytes) * 100));
}

/** Files that are shown in one line: one file, or the many of one output. */
export interface Line {
  id: string;
  /** At least one. */
  uploads: Upload[];
  /** The file that the line is named after. */
  path: string;
  /** Whether it stands for an output of many files. */
  many: boolean;
  /** Which output that is, where its recording is known. */
  set: JobOutput | null;
}

/** All uploads of one recording. */
export interface Group {
  owner: string;
  /** None once it is forgotten. */
  job: Job | null;
  lines: Line[];
  state: StateKind;
  /** Why it waits, each reason once. */
  errors: ApiError[];
}

function grouped<T>(all: T[], key: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of all) {
    const group = groups.get(key(one));
    if (group) group.push(one);
    else groups.set(key(one), [one]);
  }
  return groups;
}

const folderOf = (path: string) => path.slice(0, Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")));

/** The output of many files that a file is one of: a segment or a playlist, or an image. */
export function setOf(job: Job | null, path: string): JobOutput | null {
  const holds = ({ set, path: own }: JobOutput) => {
    if (!set || !own) return false;
    return folderOf(path) === (set.of === "segments" ? folderOf(own) : own);
  };
  return job?.outputs.find(holds) ?? null;
}

/** From so many files of one folder on they are one line, also where nothing is known of their recording. */
const MANY = 6;

function linesOf(job: Job | null, uploads: Upload[]): Line[] {
  const folders = grouped(uploads, (upload) => folderOf(upload.path));
  const key = (upload: Upload) => {
    const set = setOf(job, upload.path);
    if (set) return `set ${set.id}`;
    const folder = folderOf(upload.path);
    return (folders.get(folder)?.length ?? 0) >= MANY ? `folder ${folder}` : upload.id;
  };
  return [...grouped(uploads, key)].map(([id, some]) => {
    const [first] = some;
    const set = first ? setOf(job, first.path) : null;
    const many = set !== null || some.length > 1;
    return { id, uploads: some, path: set?.path ?? first?.path ?? "", many, set };
  });
}

export const sameError = (a: ApiError, b: ApiError): boolean => a.code === b.code && a.message === b.message;

function errorsOf(uploads: Upload[]): ApiError[] {
  const errors: ApiError[] = [];
  for (const { state } of uploads)
    if (state.kind === "waiting" && !errors.some((one) => sameError(one, state.error)))
      errors.push(state.error);
  return errors;
}

/** By recording: what is on its way first, the newest first; then what is stored. */
export function groupsOf(uploads: Upload[], jobs: Job[]): Group[] {
  const groups = [...grouped(uploads, (upload) => upload.owner)].map(([owner, own]): Group => {
    const job = jobs.find((one) => one.egress_id === owner) ?? null;
    return { owner, job, lines: linesOf(job, own), state: leading(own), errors: errorsOf(own) };
  });
  groups.reverse();
  const done = (group: Group) => Number(group.state === "stored");
  return groups.sort((a, b) => done(a) - done(b));
}

/** All of the list in a few figures. */
export interface Sum {
  /** What is not there yet. */
  open: number;
  waiting: number;
  /** Of what is on its way and does not wait for anything but its turn. */
  percent: number;
  /** None where nobody can know. */
  left_s: number | null;
  /** Whether anything goes up right now. */
  moving: boolean;
}

const MOVING: StateKind[] = ["uploading", "verifying", "queued", "following"];

export function sumOf(uploads: Upload[]): Sum {
  const open = uploads.filter((upload) => !isStored(upload));
  const waiting = open.filter((upload) => upload.state.kind === "waiting").length;
  const moving = open.filter((upload) => MOVING.includes(upload.state.kind));
  const progress = progressOf(moving);
  return {
    open: open.length,
    waiting,
    percent: percentOf(progress),
    left_s:
      moving.length > 0 && progress.remaining_ms !== null ? Math.ceil(progress.remaining_ms / 1000) : null,
    moving: moving.some((upload) => upload.state.kind === "uploading" || upload.state.kind === "verifying"),
  };
}

/** The uploads of one recording. */
export const uploadsOf = (uploads: Upload[], { egress_id }: Job): Upload[] =>
  uploads.filter((upload) => upload.owner === egress_id);

/** Whether a recording is on the list, and not all there yet. */
export const isGoingUp = (uploads: Upload[], job: Job): boolean =>
  uploadsOf(uploads, job).some((upload) => !isStored(upload));
