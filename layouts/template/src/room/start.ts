// When the recording begins. Pure; start.test.ts has the cases.

/** How long the first pictures wait for the others. */
const OTHERS_MS = 1500;
/** How long sound alone waits for a camera to be switched on. */
const SOUND_MS = 1000;
/** How long pictures that are published and never come are waited for. */
const NEVER_MS = 5000;

export interface Scene {
  /** Pictures that the arrangement shows and that ought to move. */
  wanted: readonly string[];
  /** Pictures that have been drawn. */
  drawn: ReadonlySet<string>;
  /** Since when a picture of them is drawn. */
  drawnMs: number | null;
  /** Since when any track is subscribed. */
  subscribedMs: number | null;
}

/** When to begin, unix ms; null while there is nothing to record. */
export function startMs({ wanted, drawn, drawnMs, subscribedMs }: Scene, now: number): number | null {
  if (subscribedMs === null) return null;
  if (!wanted.length) return subscribedMs + SOUND_MS;
  if (wanted.every((key) => drawn.has(key))) return now;
  const patience = drawnMs === null ? Number.POSITIVE_INFINITY : drawnMs + OTHERS_MS;
  return Math.min(patience, subscribedMs + NEVER_MS);
}
