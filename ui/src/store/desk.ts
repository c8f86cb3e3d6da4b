// What the operator has laid out on the desk: what is looked at and what is to be recorded next. The studio knows
// nothing of it until a request is made of it.

import { create } from "zustand";
import { persist } from "zustand/middleware";
import type {
  AdvancedOptions,
  AfterCrash,
  ApiError,
  Container,
  DestinationId,
  EgressId,
  Mixing,
  OpenRoom,
  PageParts,
  Preset,
  ProjectId,
  RecordFormat,
  RecordRequest,
  RecordSource,
  RuleId,
  Snapshot,
  StorageId,
  TrackId,
  TrackKind,
  UploadRequest,
} from "@/backend/types";
import { tracksNow } from "./select";

/** The whole room in a layout. */
export interface RoomPick {
  kind: "room";
  layout: string;
  /** A template of the operator's own; none for the one that comes with Tallylight. */
  baseUrl: string | null;
  parts: PageParts;
  /** On which sides people are heard, of sound alone; together where nothing is said. */
  mixing?: Mixing;
}

/** A page of the web. */
export interface PagePick {
  kind: "page";
  /** As it is to be opened; empty while none is typed. */
  url: string;
  /** Begin when the page says so, and not already when it has loaded. */
  awaitStart: boolean;
  parts: PageParts;
}

/** What is chosen in the room. */
export type Pick =
  | { kind: "person"; identity: string; followScreenShare: boolean }
  | { kind: "tracks"; video: TrackId | null; audio: TrackId | null }
  | RoomPick
  | PagePick;

/** How it is to be recorded, as the form has it. */
export type How = "as_published" | "advanced" | Preset;

export interface Form {
  how: How;
  container: Container | null;
}

export type SettingsTab = "recordings" | "live" | "uploads" | "automatic" | "api";

export type DialogName =
  | {
      name: "settings";
      tab?: SettingsTab;
      storage?: StorageId | "new";
      /** What is added is where recordings go from then on. */
      choose?: boolean;
      destination?: DestinationId | "new";
      rule?: RuleId | "new";
      /** Which rooms a new rule is about, to begin with. */
      rooms?: string;
    }
  | { name: "new-room" }
  | { name: "upload-recording"; id: EgressId }
  | { name: "edit-destination"; id: DestinationId }
  | { name: "palette" }
  | { name: "quit" }
  | { name: "add-project" }
  | { name: "edit-project"; id: ProjectId }
  | { name: "forget-project"; id: ProjectId };

export interface Desk {
  page: "room" | "history" | "uploads";
  dialog: DialogName | null;
  pick: Pick | null;
  /** Identities whose tracks are shown in the list. */
  unfolded: string[];
  /** Why the pick cannot be made ready, and for which request. */
  armError: { error: ApiError; request: RecordRequest } | null;
  /** The room and the page as they were chosen last, for when they are chosen again. */
  lastRoom: RoomPick;
  lastPage: PagePick;
  /** For a person, for two tracks, for one, and for what Chromium draws. */
  forms: { person: Form; pair: Form; single: Form; page: Form };
  advanced: AdvancedOptions;
  /** What to do when a page crashes. */
  afterCrash: AfterCrash;
  /** Folder and name for the next recordings; none: those of the settings. */
  folder: string | null;
  name: string | null;
  /** The saved destinations that Record streams to as well. */
  ticked: DestinationId[];
  /** Whose panel of destinations to add is open: that of a job that runs, or that of what is to come next. */
  adding: EgressId | "next" | null;
  /** Where the next recordings go besides; none: nowhere. */
  upload: UploadRequest | null;
  /** What is made of them besides the file. */
  besides: Besides;
  /** Who records them: this computer, or LiveKit's own egress service where there is one. */
  where: "here" | "livekit";
}

export type Besides = { [K in "segments" | "images" | "proxy" | "copy_folder"]: RecordRequest[K] };

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
  lastRoom: { kind: "room", layout: "grid", baseUrl: null, parts: "both" },
  lastPage: { kind: "page", url: "", awaitStart: false, parts: "both" },
  forms: {
    person: { how: "H264_720P_30", container: "mp4" },
    pair: { how: "H264_720P_30", container: "mp4" },
    single: { how: "as_published", container: null },
    page: { how: "H264_720P_30", container: "mp4" },
  },
  advanced: defaultAdvanced,
  afterCrash: "reload",
  folder: null,
  name: null,
  ticked: [],
  adding: null,
  upload: null,
  besides: { segments: null, images: null, proxy: null, copy_folder: null },
  where: "here",
};

export const useDesk = create<Desk>()(
  persist(() => fresh, {
    name: "desk",
    version: 1,
    // How somebody likes to record outlives the window; what was chosen in a room does not.
    partialize: ({ forms, advanced, afterCrash, folder, name, upload, besides, where }) => ({
      forms,
      advanced,
      afterCrash,
      folder,
      name,
      upload,
      besides,
      where,
    }),
    // What an earlier version kept knows nothing of forms that came later.
    merge: (kept, now) => {
      const before = (kept ?? {}) as Partial<Desk>;
      return {
        ...now,
        ...before,
        forms: { ...now.forms, ...before.forms },
        besides: besidesKept({ ...now.besides, ...before.besides }),
      };
    },
  }),
);

/** What an earlier version kept knows nothing of segments of MP4 either. */
const besidesKept = (kept: Besides): Besides => ({
  ...kept,
  segments: kept.segments && { ...kept.segments, fmp4: kept.segments.fmp4 ?? false },
});

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

/** Chooses the whole room, in the layout that it was last chosen in. */
export function pickRoom() {
  useDesk.setState(({ pick, lastRoom }) => ({ pick: pick?.kind === "room" ? pick : lastRoom }));
}

/** Changes how the whole room is taken. An address of nothing but spaces is none. */
export function setRoom(part: Partial<Omit<RoomPick, "kind">>) {
  useDesk.setState(({ pick }) => {
    if (pick?.kind !== "room") return {};
    const next = { ...pick, ...part };
    const room = { ...next, baseUrl: next.baseUrl?.trim() || null };
    return { pick: room, lastRoom: room };
  });
}

/** Chooses a page of the web: the one that was last typed. */
export function pickPage() {
  useDesk.setState(({ pick, lastPage }) => ({ pick: pick?.kind === "page" ? pick : lastPage }));
}

/** Changes which page is taken, or how. */
export function setPage(part: Partial<Omit<PagePick, "kind">>) {
  useDesk.setState(({ pick }) => {
    if (pick?.kind !== "page") return {};
    const next = { ...pick, ...part };
    const page = { ...next, url: next.url.trim() };
    return { pick: page, lastPage: page };
  });
}

export const setAfterCrash = (afterCrash: AfterCrash) => useDesk.setState({ afterCrash });

/** Opens the panel of destinations to add. */
export const openAdding = (adding: Desk["adding"]) => useDesk.setState({ adding });
export const closeAdding = () => useDesk.setState({ adding: null });

/** Record streams there as well, or no longer. */
export function tick(id: DestinationId, on: boolean) {
  useDesk.setState(({ ticked }) => {
    const others = ticked.filter((one) => one !== id);
    return { ticked: on ? [...others, id] : others };
  });
}

/** Whether something can be opened as a page: an http or https address with a host. */
export function isPageUrl(text: string): boolean {
  if (!/^https?:\/\//i.test(text.trim())) return false;
  try {
    return new URL(text.trim()).hostname !== "";
  } catch {
    return false;
  }
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
  const pick = pickOf(source);
  useDesk.setState({
    page: "room",
    pick,
    ...(pick.kind === "room" ? { lastRoom: pick } : {}),
    ...(pick.kind === "page" ? { lastPage: pick } : {}),
  });
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
    case "room_composite":
      return {
        kind: "room",
        layout: source.layout,
        baseUrl: source.base_url,
        parts: source.parts,
        mixing: source.mixing,
      };
    case "web":
      return { kind: "page", url: source.url, awaitStart: source.await_start_signal, parts: source.parts };
  }
}

/** Which of the forms a pick is recorded by. */
export function formFor(pick: Pick): keyof Desk["forms"] {
  switch (pick.kind) {
    case "person":
      return "person";
    case "tracks":
      return pick.video && pick.audio ? "pair" : "single";
    case "room":
    case "page":
      return "page";
  }
}

export function setForm(pick: Pick, form: Partial<Form>) {
  const which = formFor(pick);
  useDesk.setState(({ forms }) => ({ forms: { ...forms, [which]: { ...forms[which], ...form } } }));
}

/** Whether the room's sound is mixed without a page. */
export function mixesHere({ parts, baseUrl }: RoomPick): boolean {
  return parts === "sound" && baseUrl === null;
}

/** The source that a pick stands for, recorded in this way. */
export function sourceOf(pick: Pick, how: How, after_crash: AfterCrash = "reload"): RecordSource {
  switch (pick.kind) {
    case "person":
      return { type: "participant", identity: pick.identity, follow_screen_share: pick.followScreenShare };
    case "room":
      return {
        type: "room_composite",
        layout: pick.layout,
        base_url: pick.baseUrl,
        parts: pick.parts,
        // A page mixes its sound itself.
        mixing: mixesHere(pick) ? (pick.mixing ?? "together") : "together",
        after_crash,
      };
    case "page":
      return {
        type: "web",
        url: pick.url,
        await_start_signal: pick.awaitStart,
        parts: pick.parts,
        after_crash,
      };
    case "tracks":
      return sourceOfTracks(pick, how);
  }
}

function sourceOfTracks(pick: Pick & { kind: "tracks" }, how: How): RecordSource {
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

/** Whether a pick is one of a picture, as the room stands. */
export function hasPicture(pick: Pick, source: RecordSource, room: OpenRoom | null): boolean {
  switch (pick.kind) {
    case "person":
      return true;
    case "tracks":
      return tracksNow(room, source).video !== null;
    case "room":
    case "page":
      return pick.parts !== "sound";
  }
}

/** What Record would ask for; none while nothing is chosen, or a page has no address yet. */
export function requestOf(desk: Desk, snapshot: Snapshot): RecordRequest | null {
  const { pick } = desk;
  const room = snapshot.room?.name ?? null;
  // A page of the web needs no room.
  if (!pick || (room === null && pick.kind !== "page")) return null;
  if (pick.kind === "page" && !isPageUrl(pick.url)) return null;
  if (pick.kind === "room" && pick.baseUrl !== null && !isPageUrl(pick.baseUrl)) return null;
  const form = desk.forms[formFor(pick)];
  const { how } = form;
  const source = sourceOf(pick, how, desk.afterCrash);
  const picture = hasPicture(pick, source, snapshot.room);
  const container = containerOf(form, picture, pick.kind === "person");
  const format: RecordFormat =
    how === "as_published"
      ? { type: "as_published", container }
      : how === "advanced"
        ? { type: "advanced", container, options: desk.advanced }
        : { type: "preset", container, preset: how };
  return {
    room_name: pick.kind === "page" ? "" : (room ?? ""),
    source,
    format,
    // Empty stands for what is set for all, as it does in the studio.
    folder: desk.folder || snapshot.settings.folder,
    name: desk.name || snapshot.settings.name,
    manifest: true,
    ...besidesOf(desk.besides, source, picture, container, desk.folder || snapshot.settings.folder),
    upload: uploadOf(desk.upload, snapshot),
  };
}

/** What is made besides the file, as far as there can be such of what is chosen. */
function besidesOf(
  besides: Besides,
  source: RecordSource,
  picture: boolean,
  container: Container | null,
  folder: string,
): Besides {
  const track = source.type === "track";
  // Of a person these take the sound alone.
  const silent = container === "ogg" || container === "mp3";
  return {
    segments: track ? null : besides.segments,
    images: track || !picture ? null : besides.images,
    proxy: track || !picture || silent ? null : besides.proxy,
    copy_folder: besides.copy_folder === folder ? null : besides.copy_folder,
  };
}

/** Where the next recordings go, as far as it still is saved: a storage may have been forgotten since. */
export function uploadOf(upload: UploadRequest | null, { storages }: Snapshot): UploadRequest | null {
  const known = (id: string | null) => storages.some((storage) => storage.id === id);
  if (!upload || !known(upload.storage)) return null;
  const backup = upload.backup !== upload.storage && known(upload.backup) ? upload.backup : null;
  return { ...upload, backup };
}
