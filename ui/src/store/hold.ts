// Stopping takes half a second of holding, or a press and then Enter: no stray key or click ends what is on air.
// There is one hold at a time, whichever button or key it comes from.

import { create } from "zustand";
import type { EgressId } from "@/backend/types";

/** How long Stop is held, ms. */
export const HOLD_MS = 500;
/** How long a short press waits for Enter, ms. */
export const ASK_MS = 5000;

interface Hold {
  /** Which job. */
  id: EgressId | null;
  phase: "holding" | "asking" | "stopping" | null;
}

export const useHold = create<Hold>(() => ({ id: null, phase: null }));

type Stop = (id: EgressId) => Promise<unknown>;

let timer: ReturnType<typeof setTimeout> | undefined;
let stopCall: Stop | null = null;
/** When the button or key went down, by the event's own time, ms. */
let since_ms = Number.POSITIVE_INFINITY;

function to(state: Hold) {
  clearTimeout(timer);
  useHold.setState(state);
}

/** The button or key goes down. */
export function beginHold(id: EgressId, stop: Stop, at_ms = Number.POSITIVE_INFINITY) {
  const now = useHold.getState();
  if (now.phase === "stopping" || (now.phase === "holding" && now.id === id)) return;
  stopCall = stop;
  since_ms = at_ms;
  to({ id, phase: "holding" });
  timer = setTimeout(() => void end(id), HOLD_MS);
}

/**
 * The button or key comes up, too early to stop: Enter is asked for. A window that is busy hears of both late and
 * together; what counts is how long it was held.
 */
export function releaseHold(at_ms = Number.NEGATIVE_INFINITY) {
  const { id, phase } = useHold.getState();
  if (phase !== "holding" || !id) return;
  if (at_ms - since_ms >= HOLD_MS) return void end(id);
  to({ id, phase: "asking" });
  timer = setTimeout(cancelHold, ASK_MS);
}

/** Stop was chosen by name: Enter is asked for, as after a short press. */
export function askToStop(id: EgressId, stop: Stop) {
  beginHold(id, stop);
  releaseHold();
}

/** Enter was pressed. Says whether it was meant for a stop. */
export function confirmHold(): boolean {
  const { id, phase } = useHold.getState();
  if (phase !== "asking" || !id) return false;
  void end(id);
  return true;
}

/** Nothing was meant by it. */
export function cancelHold() {
  if (useHold.getState().phase !== "stopping") to({ id: null, phase: null });
}

async function end(id: EgressId) {
  to({ id, phase: "stopping" });
  try {
    await stopCall?.(id);
  } finally {
    if (useHold.getState().id === id) to({ id: null, phase: null });
  }
}
