// What a recording that has not begun waits for, as far as it shows from its room.

import type { Job, OpenRoom } from "@/backend/types";
import { isPageSource, tracksNow } from "./select";

/** Nobody publishes, or all that is published is muted; null where it is about to begin, or cannot be seen from here. */
export type Waits = "publish" | "unmute" | null;

export function waitsFor(job: Job | null, room: OpenRoom | null): Waits {
  if (job?.status !== "starting" || job.preview || job.connection !== "connected") return null;
  const { source, room_name } = job.request;
  if (isPageSource(source) || room?.name !== room_name || room.connection !== "connected") return null;
  const { video, audio } = tracksNow(room, source);
  const tracks = video ? [video, ...audio] : audio;
  if (tracks.length === 0) return "publish";
  return tracks.every((track) => track.muted) ? "unmute" : null;
}
