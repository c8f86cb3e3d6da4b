// What the operator has laid out on the desk: what is looked at and what is to be recorded next. The studio knows
// nothing of it until a request is made of it.

import { create } from "zustand";
import { persist } from "zustand/middleware";
import type {
  AdvancedOptions,
  ApiError,
  Container,
  Preset,
  ProjectId,
  RecordFormat,
  RecordRequest,
  RecordSource,
  Snapshot,
  TrackId,
  TrackKind,
} from "@/backend/types";
import { tracksNow } from "./select";

/** What is chosen in the room. */
export type Pick =
  | { kind: "person"; identity: string; followScreenShare: boolean }
  | { kind: "tracks"; video: TrackId | null; audio: TrackId | null };

/** How it is to be recorded, as the form has it. */
export type How = "as_published" | "advanced" | Preset;

export interface Form {
  how: How;
  container: Container | null;
}

export type DialogName =
  | { name: "settings" }
  | { name: "palette" }
  | { name: "quit" }
  | { name: "add-project" }
  | { name: "edit-project"; id: ProjectId }
  | { name: "forget-project"; id: ProjectId };

interface Desk {
  page: "room" | "history";
  dialog: DialogName | null;
  pick: Pick | null;
  /** Identities whose tracks are shown in the list. */
  unfolded: string[];
  /** Why the pick cannot be made ready, and for which request. */
  armError: { error: ApiError; request: RecordRequest } | null;
  /** For a person, for two tracks, and for one. */
  forms: { person: Form; pair: Form; single: Form };
  advanced: AdvancedOptions;
  /** Folder and name for the next recordings; none: those of the settings. */
  folder: string | null;
  name: string | null;
}

/** LiveKit's defaults for hand-set options. */
export const defaultAdvanced: AdvancedOptions = {
  width: 1280,
  height: 720,
  framerate: 30,
  video_bitrate_kbps: 3000,
  video_codec: null,
  key_frame_interval_s: 0,
  audio_bitrate_kbps: 128,
  audio_frequency_hz: 0,
  audio_codec: null,
};

const fresh: Desk = {
  page: "room",
  dialog: null,
  pick: null,
  unfolded: [],
  armError: null,
  forms: {
    person: { how: "H264_720P_30", container: "mp4" },
    pair: { how: "H264_720P_30", container: "mp4" },
    single: { how: "as_published", container: null },
  },
  advanced: defaultAdvanced,
  folder: null,
  name: null,
};

export const useDesk = create<Desk>()(
  persist(() => fresh, {
    name: "desk",
    version: 1,
    // How somebody likes to record outlives the window; what was chosen in a room does not.
    partialize: ({ forms, advanced, folder, name }) => ({ forms, advanced, folder, name }),
  }),
);

/** Clears the desk, for tests and for the gallery. */
export function clearDesk(state: Partial<Desk> = {}) {
  useDesk.setState({ ...fresh, ...state }, true);
}

export const openDialog = (dialog: DialogName) => useDesk.setState({ dialog });
export const closeDialog = () => useDesk.setState({ dialog: null });
export const goTo = (page: Desk["page"]) => useDesk.setState({ page });

/** Chooses a whole person. A second time changes nothing: what is looked at must not go by a key too many. */
export function pickPerson(identity: string) {
  useDesk.setState(({ pick }) => ({
    pick: { kind: "person", identity, followScreenShare: pick?.kind === "person" && pick.followScreenShare },
  }));
}

export const pickNothing = () => useDesk.setState({ pick: null });

/** Adds a track to the chosen ones or takes it away. One picture and one sound go together at most. */
export function pickTrack(id: TrackId, kind: TrackKind, on: boolean) {
  useDesk.setState(({ pick }) => {
    const tracks = pick?.kind === "tracks" ? pick : { kind: "tracks" as const, video: null, audio: null };
    const without = {
      video: tracks.video === id ? null : tracks.video,
      audio: tracks.audio === id ? null : tracks.audio,
    };
    const next = { kind: "tracks" as const, ...without, ...(on ? { [kind]: id } : {}) };
    return { pick: next.video || next.audio ? next : null };
  });
}

export function followScreenShare(on: boolean) {
  useDesk.setState(({ pick }) =>
    pick?.kind === "person" ? { pick: { ...pick, followScreenShare: on } } : {},
  );
}

/** Shows what a job records, by choosing the same. */
export function pickSource(source: RecordSource) {
  useDesk.setState({ page: "room", pick: pickOf(source) });
}

function pickOf(source: RecordSource): Pick {
  switch (source.type) {
    case "participant":
      return { kind: "person", identity: source.identity, followScreenShare: source.follow_screen_share };
    case "track_composite":
      return { kind: "tracks", video: source.video_track_id, audio: source.audio_track_id };
    case "track":
      // Which kind it is shows from the room; a track alone stands in either place.
      return { kind: "tracks", video: source.track_id, audio: null };
  }
}

/** Which of the forms a pick is recorded by. */
export function formFor(pick: Pick): keyof Desk["forms"] {
  if (pick.kind === "person") return "person";
  return pick.video && pick.audio ? "pair" : "single";
}

export function setForm(pick: Pick, form: Partial<Form>) {
  const which = formFor(pick);
  useDesk.setState(({ forms }) => ({ forms: { ...forms, [which]: { ...forms[which], ...form } } }));
}

/** The source that a pick stands for, recorded in this way. */
export function sourceOf(pick: Pick, how: How): RecordSource {
  if (pick.kind === "person") {
    return { type: "participant", identity: pick.identity, follow_screen_share: pick.followScreenShare };
  }
  const single = pick.video ?? pick.audio;
  if (how === "as_published" && single && !(pick.video && pick.audio))
    return { type: "track", track_id: single };
  return { type: "track_composite", video_track_id: pick.video, audio_track_id: pick.audio };
}

/** Containers that can hold a pick, the likeliest first; null stands for the one that fits best. */
export function containersFor(how: How, picture: boolean, person: boolean): (Container | null)[] {
  if (how === "as_published") return picture ? [null, "mp4", "webm"] : [null, "ogg", "mp4", "webm"];
  if (person) return ["mp4", "webm", "ogg", "mp3"];
  return picture ? ["mp4", "webm"] : [null, "mp3", "ogg", "mp4", "webm"];
}

/** The container of a form, where it can hold the pick: the form may have been filled in for another. */
export function containerOf({ how, container }: Form, picture: boolean, person: boolean): Container | null {
  const fit = containersFor(how, picture, person);
  return fit.includes(container) ? container : (fit[0] ?? null);
}

/** What Record would ask for; none while nothing is chosen. */
export function requestOf(desk: Desk, snapshot: Snapshot): RecordRequest | null {
  const { pick } = desk;
  if (!pick || !snapshot.room) return null;
  const form = desk.forms[formFor(pick)];
  const { how } = form;
  const source = sourceOf(pick, how);
  const person = pick.kind === "person";
  const container = containerOf(form, person || tracksNow(snapshot.room, source).video !== null, person);
  const format: RecordFormat =
    how === "as_published"
      ? { type: "as_published", container }
      : how === "advanced"
        ? { type: "advanced", container, options: desk.advanced }
        : { type: "preset", container, preset: how };
  return {
    room_name: snapshot.room.name,
    source,
    format,
    // Empty stands for what is set for all, as it does in the studio.
    folder: desk.folder || snapshot.settings.folder,
    name: desk.name || snapshot.settings.name,
    manifest: true,
  };
}
