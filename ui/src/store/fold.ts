// The snapshot, carried on by changes. Pure, so that it can be held against the studio's own snapshot.

import type { Change, Job, Numbered, Snapshot } from "@/backend/types";

/** A folded snapshot, or `"gap"` where a change was missed and a new snapshot must be taken. */
export type Folded = Snapshot | "gap";

/** Carries a snapshot on by one change. Changes that are already in it are passed over. */
export function fold(snapshot: Snapshot, { seq, change }: Numbered): Folded {
  if (seq <= snapshot.seq) return snapshot;
  if (seq !== snapshot.seq + 1) return "gap";
  return { ...apply(snapshot, change), seq };
}

function apply(snapshot: Snapshot, change: Change): Snapshot {
  switch (change.type) {
    case "projects":
      return { ...snapshot, projects: change.projects };
    case "rooms":
      return { ...snapshot, rooms: change.rooms };
    case "room":
      return { ...snapshot, room: change.room };
    case "job":
      return { ...snapshot, jobs: withJob(snapshot.jobs, change.job) };
    case "job_removed":
      return { ...snapshot, jobs: snapshot.jobs.filter((job) => job.egress_id !== change.egress_id) };
    case "job_figures":
      return {
        ...snapshot,
        jobs: snapshot.jobs.map((job) =>
          job.egress_id === change.egress_id ? { ...job, figures: change.figures } : job,
        ),
      };
    case "room_figures":
      return snapshot.room ? { ...snapshot, room: { ...snapshot.room, figures: change.figures } } : snapshot;
    case "machine":
      return { ...snapshot, machine: change.machine };
    case "settings":
      return { ...snapshot, settings: change.settings };
    case "layouts":
      return { ...snapshot, layouts: change.layouts };
    case "destinations":
      return { ...snapshot, destinations: change.destinations };
    default:
      // A newer studio may say more than this window knows; the parts it knows stay right.
      return snapshot;
  }
}

/** Replaces the job of the same id, or adds it at the front: the list is newest first. */
function withJob(jobs: Job[], job: Job): Job[] {
  const at = jobs.findIndex((other) => other.egress_id === job.egress_id);
  if (at < 0) return [job, ...jobs];
  return jobs.with(at, job);
}
