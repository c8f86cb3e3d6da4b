// The history in one list: what was recorded here, and what LiveKit's egress service did of late.

import type { ElsewhereJob, Job } from "@/backend/types";
import { pathOf } from "../outputs/job-figures";

export type Entry = { where: "here"; job: Job } | { where: "livekit"; job: ElsewhereJob };

/** When an entry is from, as it is shown, unix time, ms. */
function atOf({ where, job }: Entry): number {
  if (where === "here") return job.started_at_ms ?? job.created_at_ms;
  return job.started_at_ms ?? job.ended_at_ms ?? 0;
}

/** Newest first. Ours keep the order they have. */
export function entriesOf(ours: Job[], theirs: ElsewhereJob[]): Entry[] {
  const waiting: Entry[] = theirs
    .map((job): Entry => ({ where: "livekit", job }))
    .sort((a, b) => atOf(b) - atOf(a));
  const list: Entry[] = [];
  for (const job of ours) {
    const mine: Entry = { where: "here", job };
    for (let next = waiting[0]; next && atOf(next) > atOf(mine); next = waiting[0]) {
      list.push(next);
      waiting.shift();
    }
    list.push(mine);
  }
  return [...list, ...waiting];
}

/** What it can be found by. */
export function wordsOf({ where, job }: Entry): string {
  if (where === "here") return `${job.title}\n${job.request.room_name}\n${pathOf(job) ?? ""}`;
  return [job.title, job.room_name, ...job.files.map((file) => file.name)].join("\n");
}
