// Questions asked of the snapshot in several places.

import type {
  ApiError,
  Figures,
  Job,
  JobOutput,
  OpenRoom,
  Participant,
  RecordRequest,
  RecordSource,
  RoomSummary,
  Snapshot,
  Track,
  TrackId,
} from "@/backend/types";

/** Whether something is being written, or was asked to be and has not ended. */
export function isRunning(job: Job): boolean {
  return !job.preview && ["starting", "active", "ending"].includes(job.status);
}

/** It is on air: media goes into a file of it right now, or a server takes its stream. */
export function isRecording(job: Job): boolean {
  const on = ({ destination }: JobOutput) => destination === null || destination.state.is === "live";
  return isRunning(job) && job.status === "active" && (job.outputs.length === 0 || job.outputs.some(on));
}

/** What of a person is on air: tracks, or none while a recording of them waits for some; null where nothing is. */
export function onAirOf(snapshot: Snapshot, identity: string): TrackId[] | null {
  const jobs = snapshot.jobs.filter(
    (job) => isRecording(job) && job.request.room_name === snapshot.room?.name,
  );
  const tracks = jobs
    .flatMap((job) => job.tracks)
    .filter((track) => track.publisher_identity === identity)
    .map((track) => track.track_id);
  const awaited = jobs.some(
    ({ request: { source } }) => source.type === "participant" && source.identity === identity,
  );
  return tracks.length > 0 || awaited ? tracks : null;
}

export function isOver(job: Job): boolean {
  return !job.preview && !isRunning(job);
}

/** What went wrong with a job, to be said; whoever pressed Stop before anything came knows why there is no file. */
export function errorOf(job: Job): ApiError | null {
  if (job.status === "aborted" && job.end_reason === "stop_requested") return null;
  return job.error ?? job.outputs.find((output) => output.result?.error)?.result?.error ?? null;
}

export const runningJobs = (snapshot: Snapshot): Job[] => snapshot.jobs.filter(isRunning);
export const pastJobs = (snapshot: Snapshot): Job[] => snapshot.jobs.filter(isOver);

const natural = new Intl.Collator(undefined, { numeric: true });

/** Rooms as people count them: `studio-2` before `studio-10`. */
export function inOrder(rooms: RoomSummary[]): RoomSummary[] {
  return rooms.toSorted((a, b) => natural.compare(a.name, b.name));
}

/** Names of the rooms of the open project that something of ours records. */
export function roomsOnAir({ jobs, projects }: Snapshot): string[] {
  return jobs
    .filter((job) => isRecording(job) && job.project_id === projects.current)
    .map((job) => job.request.room_name);
}

/** Whether two requests ask for the same; key order and absent values do not matter. */
export function sameRequest(a: RecordRequest, b: RecordRequest): boolean {
  return canonical(a) === canonical(b);
}

/** Whether two requests ask for the same but for the layout, which a job can change at any time. */
export function sameButLayout(a: RecordRequest, b: RecordRequest): boolean {
  if (a.source.type !== "room_composite" || b.source.type !== "room_composite") return sameRequest(a, b);
  return sameRequest({ ...a, source: { ...a.source, layout: b.source.layout } }, b);
}

/**
 * Whether two sources of one room are the same people, tracks or page. How a screen share is treated, in which
 * layout the room is shown and what of a page is taken does not matter.
 */
export function sameSource(a: RecordSource, b: RecordSource): boolean {
  return whatOf(a) === whatOf(b);
}

function whatOf(source: RecordSource): string {
  switch (source.type) {
    case "participant":
      return `person ${source.identity}`;
    case "track":
    case "track_composite":
      return `tracks ${sourceTracks(source).sort().join()}`;
    case "room_composite":
      return `room ${source.base_url ?? ""}`;
    case "web":
      return `page ${source.url}`;
  }
}

/** What Chromium draws: the page of a job that shows one. */
export type PageSource = Extract<RecordSource, { type: "room_composite" | "web" }>;

/** What the sound of a page is called among the levels of its job. */
export const PROGRAM: TrackId = "program";

export function isPageSource(source: RecordSource): source is PageSource {
  return source.type === "room_composite" || source.type === "web";
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (part === null || typeof part !== "object" || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** The tracks that a source names; none for a person or a room, whose tracks may change. */
export function sourceTracks(source: RecordSource): TrackId[] {
  switch (source.type) {
    case "participant":
    case "room_composite":
    case "web":
      return [];
    case "track":
      return [source.track_id];
    case "track_composite":
      return [source.video_track_id, source.audio_track_id].filter((id) => id !== null);
  }
}

/** The person's shown name. */
export function nameOf(person: Participant): string {
  return person.name.trim() || person.identity;
}

export function findTrack(room: OpenRoom | null, id: TrackId): { person: Participant; track: Track } | null {
  for (const person of room?.roster.participants ?? []) {
    const track = person.tracks.find((one) => one.sid === id);
    if (track) return { person, track };
  }
  return null;
}

export function findPerson(room: OpenRoom | null, identity: string): Participant | null {
  return room?.roster.participants.find((person) => person.identity === identity) ?? null;
}

/** Joining for the first time: nothing is known of the room yet, and nothing is wrong. */
export function isJoining(room: OpenRoom | null): boolean {
  return room?.connection === "connecting" && room.roster.participants.length === 0 && room.error === null;
}

/** How many are in the room, as far as it has been seen. */
export function headcount(room: OpenRoom | null): number | null {
  const count = room?.roster.participants.length ?? 0;
  return count > 0 || room?.connection === "connected" ? count : null;
}

/** What a source takes of the room as it stands: the pictures and sounds that a recording would hold. */
export function tracksNow(
  room: OpenRoom | null,
  source: RecordSource,
): { video: Track | null; audio: Track[] } {
  if (source.type === "participant") {
    const tracks = findPerson(room, source.identity)?.tracks ?? [];
    const camera = tracks.findLast((track) => track.source === "camera" && track.kind === "video");
    const screen = tracks.findLast((track) => track.source === "screen_share");
    const other = tracks.findLast((track) => track.kind === "video");
    const video = source.follow_screen_share ? (screen ?? camera ?? other) : (camera ?? null);
    return { video: video ?? null, audio: tracks.filter((track) => track.kind === "audio") };
  }
  if (source.type === "room_composite") {
    // Its picture is made of all of them, and is none of them.
    const tracks = room?.roster.participants.flatMap((person) => person.tracks) ?? [];
    return { video: null, audio: tracks.filter((track) => track.kind === "audio") };
  }
  const tracks = sourceTracks(source).flatMap((id) => findTrack(room, id)?.track ?? []);
  return {
    video: tracks.find((track) => track.kind === "video") ?? null,
    audio: tracks.filter((track) => track.kind === "audio"),
  };
}

/** Level of a track, dBFS; -127 while it is not heard. */
export function levelOf(figures: Figures | null | undefined, id: TrackId): number {
  return figures?.levels.find((level) => level.track_id === id)?.dbfs ?? -127;
}

/** Packets lost for good per packet expected, of a track; none before the first packet. */
export function lossOf(figures: Figures | null | undefined, id: TrackId): number | null {
  const track = figures?.tracks.find((one) => one.track_id === id);
  if (!track || track.packets + track.lost === 0) return null;
  return track.lost / (track.packets + track.lost);
}
