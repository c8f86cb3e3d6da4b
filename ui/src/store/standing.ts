// How a request stands: nothing, being made ready, ready, recording. Pure. Everything that shows it asks here, so that
// no two places can say different things.

import type { ApiError, ElsewhereJob, Job, RecordRequest } from "@/backend/types";
import { isPageSource, isRunning, sameButLayout, sameRequest, sameSource } from "./select";

export interface Standing {
  state: "empty" | "preparing" | "ready" | "elsewhere" | "starting" | "recording" | "finishing";
  /** What Record would ask for. */
  request: RecordRequest | null;
  /** The job that records what is chosen. */
  job: Job | null;
  /** The job that is held ready for it, or is about to be. Its layout may be about to change. */
  armed: Job | null;
  /** Why the job that was held ready is not any more. */
  failure: ApiError | null;
  /** LiveKit's own service is to record it, or does already; none where this computer is. */
  elsewhere: { job: ElsewhereJob | null } | null;
}

const isAlive = (job: Job) => ["starting", "active"].includes(job.status);

export function standingOf(
  request: RecordRequest | null,
  jobs: Job[],
  elsewhere: Standing["elsewhere"] = null,
): Standing {
  if (!request) return { state: "empty", request, job: null, armed: null, failure: null, elsewhere };
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
    return { state, request, job, armed, failure, elsewhere };
  }
  const state = elsewhere ? "elsewhere" : armed?.armed ? "ready" : "preparing";
  return { state, request, job: null, armed, failure, elsewhere };
}

/** Whether it is held ready here: what LiveKit records is not, but for a page, of which there is no other picture. */
export const isHeldReady = ({ request, elsewhere }: Standing): boolean =>
  request !== null && (elsewhere === null || isPageSource(request.source));

/** The job whose pictures are those of what is chosen. */
export const liveOf = ({ job, armed }: Standing): Job | null => job ?? armed;
