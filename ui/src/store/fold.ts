// The snapshot, carried on by changes. Pure, so that it can be held against the studio's own snapshot.

import type { Change, Job, Numbered, Snapshot, Upload } from "@/backend/types";

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
    case "storages":
      return { ...snapshot, storages: change.storages };
    case "upload":
      return { ...snapshot, uploads: withUpload(snapshot.uploads, change.upload) };
    case "upload_progress": {
      const at = snapshot.uploads.findIndex((upload) => upload.id === change.id);
      const known = snapshot.uploads[at];
      if (!known) return snapshot;
      return { ...snapshot, uploads: snapshot.uploads.with(at, { ...known, progress: change.progress }) };
    }
    case "upload_removed":
      return { ...snapshot, uploads: snapshot.uploads.filter((upload) => upload.id !== change.id) };
    case "rules":
      return { ...snapshot, rules: change.rules };
    case "elsewhere":
      return { ...snapshot, elsewhere: change.elsewhere };
    case "api":
      return { ...snapshot, api: change.api };
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

/** Replaces the upload of the same id, or adds it at the end: the list is oldest first. */
function withUpload(uploads: Upload[], upload: Upload): Upload[] {
  const at = uploads.findIndex((other) => other.id === upload.id);
  if (at < 0) return [...uploads, upload];
  return uploads.with(at, upload);
}
