// The layout that was chosen for a job and that its page has not shown yet. A page takes no layout while it is being
// loaded: then the wish waits for it.

import { create } from "zustand";
import { asApiError, type Backend } from "@/backend/backend";
import type { ApiError, EgressId, Job } from "@/backend/types";
import { requestOf, setRoom, useDesk } from "./desk";
import { liveOf, standingOf } from "./standing";
import { studioNow } from "./studio";

interface Wish {
  id: EgressId;
  layout: string;
  asked: boolean;
}

export const useWish = create<{ wish: Wish | null }>(() => ({ wish: null }));

/** The layout that a job shows, as far as it says. */
function shownBy(job: Job): string | null {
  const { source } = job.request;
  return source.type === "room_composite" ? (job.layout ?? source.layout) : null;
}

/** The layout that is, or is about to be, on the page of a job; none for a job without layouts. */
export function layoutOf(job: Job | null, wish = useWish.getState().wish): string | null {
  if (!job) return null;
  return wish?.id === job.egress_id ? wish.layout : shownBy(job);
}

export function useLayoutOf(job: Job | null): string | null {
  return layoutOf(
    job,
    useWish((state) => state.wish),
  );
}

type Tell = (error: ApiError) => void;

/**
 * Shows the whole room in another layout, at once where a job shows it already. Where that fails, the one that is
 * on stays chosen.
 */
export function chooseLayout(backend: Backend, layout: string, tell: Tell) {
  const snapshot = studioNow();
  if (!snapshot) return;
  const live = liveOf(standingOf(requestOf(useDesk.getState(), snapshot), snapshot.jobs));
  setRoom({ layout });
  if (live && shownBy(live) !== null) wishFor(backend, live, layout, tell);
}

/** Carries out what waits for the page of a job, and brings one that was held ready for another layout along. */
export function follow(backend: Backend, live: Job | null, tell: Tell) {
  const { pick } = useDesk.getState();
  if (!live || pick?.kind !== "room" || shownBy(live) === null) return;
  const { wish } = useWish.getState();
  const mine = wish?.id === live.egress_id ? wish : null;
  // What is on air changes by hand alone.
  if (live.preview && (mine?.layout ?? shownBy(live)) !== pick.layout) {
    wishFor(backend, live, pick.layout, tell);
  } else if (mine?.asked && shownBy(live) === mine.layout) {
    useWish.setState({ wish: null });
  } else if (mine && !mine.asked) {
    ask(backend, live, mine, tell);
  }
}

function wishFor(backend: Backend, job: Job, layout: string, tell: Tell) {
  const wish: Wish = { id: job.egress_id, layout, asked: false };
  useWish.setState({ wish });
  ask(backend, job, wish, tell);
}

function ask(backend: Backend, job: Job, wish: Wish, tell: Tell) {
  if (job.page !== "on" && job.page !== "waiting") return;
  const asked: Wish = { ...wish, asked: true };
  useWish.setState({ wish: asked });
  backend.updateLayout(asked.id, asked.layout).catch((thrown: unknown) => {
    // Another was chosen in the meantime: that one counts.
    if (useWish.getState().wish !== asked) return;
    useWish.setState({ wish: null });
    const now = studioNow()?.jobs.find((one) => one.egress_id === asked.id) ?? job;
    const { pick } = useDesk.getState();
    if (pick?.kind === "room" && pick.layout === asked.layout) setRoom({ layout: shownBy(now) ?? "" });
    tell(asApiError(thrown));
  });
}
