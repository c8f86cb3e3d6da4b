// How what is chosen stands, and what is done so that Record starts at once.

import { useEffect, useRef } from "react";
import { useShallow } from "zustand/react/shallow";
import { asApiError } from "@/backend/backend";
import { useBackend } from "@/backend/index";
import type { ApiError, EgressId, Job, RecordRequest, Snapshot } from "@/backend/types";
import { requestOf, useDesk } from "@/store/desk";
import { elsewhereFor, useStarted } from "@/store/elsewhere";
import { isRunning, sameRequest } from "@/store/select";
import { isHeldReady, liveOf, type Standing, standingOf } from "@/store/standing";
import { studioNow, useStudio } from "@/store/studio";
import { follow } from "@/store/wish";
import { tellError } from "../tell";

/** The standing of what is chosen now; drawn anew only when it changes, not with each figure. */
export function useStanding(): Standing {
  const desk = useDesk();
  const started = useStarted();
  const parts = useStudio(
    useShallow(
      (snapshot: Snapshot) =>
        [snapshot.room?.name, snapshot.settings, snapshot.storages, snapshot.elsewhere] as const,
    ),
  );
  // Figures change several times a second and are of no matter here.
  const jobs = useStudio(
    useShallow((snapshot: Snapshot) =>
      snapshot.jobs.filter((job) => job.preview || isRunning(job)).map(withoutFigures),
    ),
  );
  void parts;
  const snapshot = studioNow();
  const request = snapshot ? requestOf(desk, snapshot) : null;
  return standingOf(request, jobs, snapshot && elsewhereFor(desk, snapshot, request, started));
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
  const wanted = isHeldReady(standing);
  const key = wanted && !standing.job ? JSON.stringify(standing.request) : null;
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

/** Keeps the layout of the job that is looked at in step with the one that is chosen. Mounted once, in the room. */
export function useLayoutFollow(standing: Standing) {
  const backend = useBackend();
  const live = liveOf(standing);
  const layout = useDesk(({ pick }) => (pick?.kind === "room" ? pick.layout : null));
  useEffect(() => {
    if (layout !== null) follow(backend, live, tellError);
  }, [backend, live, layout]);
}

/** Why what is chosen cannot be made ready, if so, and what tries it once again. */
export function useFailure(standing: Standing): { error: ApiError; again: () => void } | null {
  const backend = useBackend();
  const armError = useDesk((desk) => desk.armError?.error ?? null);
  const error = armError ?? standing.failure;
  if (!error || standing.job || standing.armed) return null;
  const again = () => {
    useDesk.setState({ armError: null });
    letGo(backend);
  };
  return { error, again };
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
