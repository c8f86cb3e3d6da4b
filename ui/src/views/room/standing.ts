// How what is chosen stands: nothing, being made ready, ready, recording. Everything that shows it asks here, so that
// no two places can say different things.

import { useEffect, useRef } from "react";
import { useShallow } from "zustand/react/shallow";
import { asApiError } from "@/backend/backend";
import { useBackend } from "@/backend/index";
import type { ApiError, EgressId, Job, RecordRequest, Snapshot } from "@/backend/types";
import { requestOf, useDesk } from "@/store/desk";
import { isRunning, sameRequest, sameSource } from "@/store/select";
import { studioNow, useStudio } from "@/store/studio";

export interface Standing {
  state: "empty" | "preparing" | "ready" | "starting" | "recording" | "finishing";
  /** What Record would ask for. */
  request: RecordRequest | null;
  /** The job that records what is chosen. */
  job: Job | null;
  /** The job that is held ready for it, or is about to be. */
  armed: Job | null;
  /** Why the job that was held ready is not any more. */
  failure: ApiError | null;
}

/** Pure, for the tests. */
export function standingOf(request: RecordRequest | null, jobs: Job[]): Standing {
  if (!request) return { state: "empty", request, job: null, armed: null, failure: null };
  const job =
    jobs.find(
      (one) =>
        isRunning(one) &&
        one.request.room_name === request.room_name &&
        sameSource(one.request.source, request.source),
    ) ?? null;
  const held = jobs.find((one) => one.preview && sameRequest(one.request, request)) ?? null;
  const armed = held && ["starting", "active"].includes(held.status) ? held : null;
  const failure = held?.error ?? null;
  if (job) {
    const state = job.status === "active" ? "recording" : job.status === "ending" ? "finishing" : "starting";
    return { state, request, job, armed, failure };
  }
  return { state: armed?.armed ? "ready" : "preparing", request, job: null, armed, failure };
}

/** The standing of what is chosen now; drawn anew only when it changes, not with each figure. */
export function useStanding(): Standing {
  const desk = useDesk();
  const parts = useStudio(
    useShallow((snapshot: Snapshot) => [snapshot.room?.name, snapshot.settings] as const),
  );
  // Figures change several times a second and are of no matter here.
  const jobs = useStudio(
    useShallow((snapshot: Snapshot) =>
      snapshot.jobs.filter((job) => job.preview || isRunning(job)).map(withoutFigures),
    ),
  );
  void parts;
  const snapshot = studioNow();
  return standingOf(snapshot ? requestOf(desk, snapshot) : null, jobs);
}

const bare = new WeakMap<Job["request"], Job>();

/** The same object as long as nothing but the figures changes. */
function withoutFigures(job: Job): Job {
  const known = bare.get(job.request);
  if (known && sameButFigures(known, job)) return known;
  const next = { ...job, figures: null };
  bare.set(job.request, next);
  return next;
}

function sameButFigures(a: Job, b: Job): boolean {
  return (Object.keys(b) as (keyof Job)[]).every((key) => key === "figures" || a[key] === b[key]);
}

/** How long a choice must stand before it is made ready, ms: long enough to pass over what is only clicked through. */
const SETTLE_MS = 200;
/** How long until the same is asked for again, ms. */
const AGAIN_MS = 2000;

/** Holds what is chosen ready, so that Record only has to attach the file. Mounted once, in the room. */
export function useArming(standing: Standing) {
  const backend = useBackend();
  const asked = useRef<{ key: string; at: number } | null>(null);
  const key = standing.request && !standing.job ? JSON.stringify(standing.request) : null;
  const failed = useDesk((desk) => desk.armError !== null);
  const wish = useRef(key);
  wish.current = key;
  const held = standing.armed !== null || standing.failure !== null;

  useEffect(() => {
    if (key === null || held) return;
    const request = JSON.parse(key) as RecordRequest;
    const failure = useDesk.getState().armError;
    if (failed && failure && sameRequest(failure.request, request)) return;
    // A job that keeps going away is not asked for at full speed.
    const again = asked.current?.key === key ? asked.current.at + AGAIN_MS - performance.now() : 0;
    const timer = setTimeout(
      () => {
        const mine = { key, at: performance.now() };
        asked.current = mine;
        useDesk.setState({ armError: null });
        backend.arm(request).then(
          // It may come when nothing is wanted any more. What records by now is not touched by this.
          (id) => wish.current === null && disarm(backend, id),
          (thrown: unknown) => {
            const error = asApiError(thrown);
            if (asked.current === mine && error.code !== "aborted")
              useDesk.setState({ armError: { error, request } });
          },
        );
      },
      Math.max(SETTLE_MS, again),
    );
    return () => clearTimeout(timer);
  }, [backend, key, held, failed]);

  // What is held ready and no longer wanted is let go of, also when the room is left.
  const wanted = standing.request !== null;
  useEffect(() => {
    if (wanted) return;
    useDesk.setState({ armError: null });
    const timer = setTimeout(() => letGo(backend), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [backend, wanted]);
  useEffect(
    () => () => {
      wish.current = null;
      letGo(backend);
    },
    [backend],
  );
}

function letGo(backend: ReturnType<typeof useBackend>) {
  for (const job of studioNow()?.jobs ?? []) {
    if (job.preview) disarm(backend, job.egress_id);
  }
}

function disarm(backend: ReturnType<typeof useBackend>, id: EgressId) {
  backend.disarm(id).catch(() => {
    // It has gone by itself, which is what was wanted.
  });
}
