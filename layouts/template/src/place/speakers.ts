// Who has the speaker's place. Told in PLACEMENT.md.

import type { Memory, Person } from "./types";

/** Used where the arrangement on air has no speaker's place: the next one may. */
export const DEFAULT_HOLD_MS = 2000;

export const NOTHING: Memory = { speakers: [], sinceMs: null, challenger: null, heardMs: {}, seated: {} };

export function talks(person: Person | undefined): boolean {
  return person?.microphone === "on" && person.level > 0;
}

/** The loudest of those who talk; of two alike the one who joined first. */
function loudest(people: readonly Person[]): Person | undefined {
  let found: Person | undefined;
  for (const person of people) {
    if (talks(person) && (!found || person.level > found.level)) found = person;
  }
  return found;
}

/** Who takes a place that is free: with microphone before muted, then who spoke last, then with camera. */
function best(people: readonly Person[], speakers: readonly string[]): Person | undefined {
  const rank = (person: Person) => {
    const spoke = speakers.indexOf(person.identity);
    return [person.microphone === "on" ? 0 : 1, spoke < 0 ? speakers.length : spoke, person.camera ? 0 : 1];
  };
  return [...people].sort((a, b) => {
    const [left, right] = [rank(a), rank(b)];
    const at = left.findIndex((value, i) => value !== right[i]);
    return at < 0 ? 0 : (left[at] ?? 0) - (right[at] ?? 0);
  })[0];
}

export interface Followed {
  memory: Memory;
  /** When somebody who talks now will get the place if nothing changes. */
  againMs: number | null;
}

/** `people` in the order in which they joined. */
export function follow(people: readonly Person[], holdMs: number, now: number, before: Memory): Followed {
  const here = new Map(people.map((person) => [person.identity, person]));
  const heardMs: Record<string, number> = {};
  for (const person of people) {
    const heard = talks(person) ? now : before.heardMs[person.identity];
    if (heard !== undefined) heardMs[person.identity] = heard;
  }
  const speakers = before.speakers.filter((identity) => here.has(identity));
  const memory = { ...before, speakers, heardMs, challenger: null };
  const settled = (first: string, sinceMs: number | null): Followed => ({
    memory: { ...memory, speakers: [first, ...speakers.filter((one) => one !== first)], sinceMs },
    againMs: null,
  });

  const loud = loudest(people);
  const present = before.speakers[0];
  if (present === undefined || present !== speakers[0]) {
    if (loud) return settled(loud.identity, now);
    const next = best(people, speakers);
    return next ? settled(next.identity, null) : { memory: { ...memory, sinceMs: null }, againMs: null };
  }
  if (!loud || loud.identity === present) {
    const since = loud ? (before.sinceMs ?? now) : before.sinceMs;
    return { memory: { ...memory, sinceMs: since }, againMs: null };
  }
  const freeMs = before.sinceMs === null ? now : before.sinceMs + holdMs;
  if (!talks(here.get(present))) {
    return now >= freeMs ? settled(loud.identity, now) : { memory, againMs: freeMs };
  }
  const challenger =
    before.challenger?.identity === loud.identity
      ? before.challenger
      : { identity: loud.identity, sinceMs: now };
  const dueMs = Math.max(freeMs, challenger.sinceMs + holdMs);
  if (now >= dueMs) return settled(loud.identity, now);
  return { memory: { ...memory, challenger }, againMs: dueMs };
}

/** Everybody, in the order in which speakers' places are given to them. */
export function order(people: readonly Person[], memory: Memory): Person[] {
  const spoke = memory.speakers.flatMap((identity) =>
    people.filter((person) => person.identity === identity),
  );
  const rest = people.filter((person) => !memory.speakers.includes(person.identity));
  return [...spoke, ...rest.filter((person) => person.camera), ...rest.filter((person) => !person.camera)];
}
