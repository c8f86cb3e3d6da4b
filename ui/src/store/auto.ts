// Rules of auto egress, as questions asked of the snapshot. Pure.

import type { AutoRule, RoomSummary, Snapshot } from "@/backend/types";
import { inOrder } from "./select";

/** Whether a room's name fits a pattern: `*` stands for any characters, `?` for one, and case counts, as in the studio. */
export function fits(pattern: string, name: string): boolean {
  // By hand and not as a regular expression: many stars in one of those can take for ever.
  const want = [...pattern];
  const have = [...name];
  let at = 0;
  let star = -1;
  let tried = 0;
  for (let i = 0; i < have.length; ) {
    if (want[at] === "*") {
      star = at;
      tried = i;
      at += 1;
    } else if (at < want.length && (want[at] === "?" || want[at] === have[i])) {
      at += 1;
      i += 1;
    } else if (star >= 0) {
      // The last star takes one more.
      at = star + 1;
      tried += 1;
      i = tried;
    } else return false;
  }
  return want.slice(at).every((letter) => letter === "*");
}

/** The rules of the open project, in the order they were made. */
export const rulesOf = ({ rules, projects }: Snapshot): AutoRule[] =>
  rules.filter((rule) => rule.project_id === projects.current);

export const inForce = (rule: AutoRule): boolean => rule.what.on;

/** The rooms, of those there are now, that fit a pattern. */
export const fitting = (pattern: string, rooms: RoomSummary[]): RoomSummary[] =>
  inOrder(rooms.filter((room) => fits(pattern, room.name)));

/** Whether a room is recorded by itself. */
export const isByItself = (name: string, rules: AutoRule[]): boolean =>
  rules.some((rule) => inForce(rule) && fits(rule.what.rooms, name));
