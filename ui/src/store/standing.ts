// How a request stands: nothing, being made ready, ready, recording. Pure. Everything that shows it asks here, so that
// no two places can say different things.

import type { ApiError, Job, RecordRequest } from "@/backend/types";
import { isRunning, sameButLayout, sameRequest, sameSource } from "./select";

export interface Standing {
  state: "empty" | "preparing" | "ready" | "starting" | "recording" | "finishing";
  /** What Record would ask for. */
  request: RecordRequest | null;
  /** The job that records what is chosen. */
  job: Job | null;
  /** The job that is held ready for it, or is about to be. Its layout may be about to change. */
  armed: Job | null;
  /** Why the job that was held ready is not any more. */
  failure: ApiError | null;
}

const isAlive = (job: Job) => ["starting", "active"].includes(job.status);

export function standingOf(request: RecordRequest | null, jobs: Job[]): Standing {
  if (!request) return { state: "empty", request, job: null, armed: null, failure: null };
  const job =
    jobs.find(
      (one) =>
        isRunning(one) &&
        one.request.room_name === request.room_name &&
        sameSource(one.request.source, request.source),
    ) ?? null;
  const held =
    jobs.find((one) => one.preview && sameRequest(one.request, request)) ??
    jobs.find((one) => one.preview && isAlive(one) && sameButLayout(one.request, request)) ??
    null;
  const armed = held && isAlive(held) ? held : null;
  const failure = held?.error ?? null;
  if (job) {
    const state = job.status === "active" ? "recording" : job.status === "ending" ? "finishing" : "starting";
    return { state, request, job, armed, failure };
  }
  return { state: armed?.armed ? "ready" : "preparing", request, job: null, armed, failure };
}

/** The job whose pictures are those of what is chosen. */
export const liveOf = ({ job, armed }: Standing): Job | null => job ?? armed;
