// The one store. It holds nothing but the folded snapshot and how the stream of changes is doing.

import { create } from "zustand";
import type { Backend } from "@/backend/backend";
import { asApiError } from "@/backend/backend";
import type { ApiError, Numbered, Snapshot } from "@/backend/types";
import { fold } from "./fold";

interface StudioState {
  /** None until the first one came. */
  snapshot: Snapshot | null;
  /** Why there is none, or why it may be old. */
  error: ApiError | null;
}

export const useStudioState = create<StudioState>(() => ({ snapshot: null, error: null }));

/** A part of the snapshot; the view is only mounted once there is one. */
export function useStudio<T>(pick: (snapshot: Snapshot) => T): T {
  return useStudioState((state) => {
    if (!state.snapshot) throw new Error("useStudio before the first snapshot");
    return pick(state.snapshot);
  });
}

/** The snapshot as it is now, for handlers. */
export function studioNow(): Snapshot | null {
  return useStudioState.getState().snapshot;
}

/** How long to wait before asking again for a snapshot that could not be had, ms. */
const RETRY_MS = 1000;

/**
 * Keeps the store in step with the studio until the returned function is called. Subscribes first and
 * takes the snapshot then, so that no change can fall between the two.
 */
export function follow(backend: Backend): () => void {
  let stopped = false;
  let unsubscribe: (() => void) | null = null;
  let taking = false;
  let waiting: Numbered[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;

  const onChange = (numbered: Numbered) => {
    if (stopped) return;
    if (taking) {
      waiting.push(numbered);
      return;
    }
    const { snapshot } = useStudioState.getState();
    if (!snapshot) return;
    const next = fold(snapshot, numbered);
    if (next === "gap") {
      waiting = [numbered];
      void take();
    } else if (next !== snapshot) {
      useStudioState.setState({ snapshot: next });
    }
  };

  const take = async () => {
    if (taking || stopped) return;
    taking = true;
    try {
      let snapshot = await backend.snapshot();
      if (stopped) return;
      let again = false;
      for (const numbered of waiting) {
        const next = fold(snapshot, numbered);
        if (next === "gap") {
          again = true;
          break;
        }
        snapshot = next;
      }
      waiting = [];
      useStudioState.setState({ snapshot, error: null });
      taking = false;
      if (again) void take();
    } catch (thrown) {
      taking = false;
      waiting = [];
      useStudioState.setState({ error: asApiError(thrown) });
      if (!stopped) timer = setTimeout(() => void take(), RETRY_MS);
    }
  };

  const begin = async () => {
    try {
      const end = await backend.subscribe(onChange);
      if (stopped) end();
      else unsubscribe = end;
    } catch (thrown) {
      useStudioState.setState({ error: asApiError(thrown) });
      if (!stopped) timer = setTimeout(() => void begin(), RETRY_MS);
      return;
    }
    await take();
  };

  void begin();
  return () => {
    stopped = true;
    clearTimeout(timer);
    unsubscribe?.();
  };
}
