// Every state there is to design, by name.

import {
  ada,
  anError,
  ben,
  chloe,
  crowd,
  emptySnapshot,
  four,
  inRoom,
  job,
  jobFigures,
  NOW_MS,
  past,
  person,
  proxied,
  request,
  someRooms,
  strange,
  track,
  wholePerson,
} from "@/backend/fixture/people";
import type { Job, RecordRequest, Snapshot, UploadRequest } from "@/backend/types";
import type { Besides, DialogName, Pick } from "@/store/desk";
import { autoScenes } from "./auto-scenes";
import { elsewhereScenes } from "./elsewhere-scenes";
import { liveScenes } from "./live-scenes";
import { pageScenes } from "./page-scenes";
import { projectScenes } from "./project-scenes";
import { uploadScenes } from "./upload-scenes";

export interface Scene {
  snapshot: Snapshot | null;
  pick?: Pick;
  page?: "room" | "history" | "uploads";
  dialog?: DialogName;
  unfolded?: string[];
  /** The saved destinations that are ticked, and whose panel to add one is open. */
  ticked?: string[];
  adding?: string;
  /** Which row of a destination is open, and which asks. */
  live?: { open?: string; asking?: string };
  upload?: UploadRequest;
  besides?: Besides;
  /** Who records, and what was asked of LiveKit's service from here. */
  where?: "here" | "livekit";
  started?: Record<string, RecordRequest>;
  how?: "advanced" | "PORTRAIT_H264_720P_30";
  /** Calls that fail in it. */
  fails?: Record<string, ReturnType<typeof anError>>;
  /** What a hand does in it before the picture is taken. */
  act?:
    | "layouts-end"
    | "fill-login"
    | "hold"
    | "ask"
    | "palette-type"
    | "project-menu"
    | "format-menu"
    | "besides"
    | "stop"
    | "forget"
    | "live-socket"
    | "live-wrong"
    | "live-settings"
    | "storage-forget"
    | "storage-s3"
    | "storage-checked"
    | "storage-wrong"
    | "storage-gcp"
    | "storage-identity"
    | "upload-cancel"
    | "record"
    | "rule-type"
    | "rule-save"
    | "rule-forget"
    | "room-there"
    | "room-egress"
    | "room-create"
    | "elsewhere-remove"
    | "elsewhere-layouts"
    | "elsewhere-more";
  /** Besides the ordinary size. */
  sizes?: [number, number][];
}

const pickAda: Pick = { kind: "person", identity: "ada", followScreenShare: false };
const armed = (change: Partial<Job> = {}): Job =>
  job("EG_armed", "Ada Lovelace", wholePerson("ada"), {
    status: "starting",
    preview: true,
    armed: true,
    outputs: [],
    figures: null,
    started_at_ms: null,
    ...change,
  });
const adaOnAir = job("EG_ada", "Ada Lovelace", wholePerson("ada"));
const withProxy = proxied(adaOnAir);
const chloeScreen = job(
  "EG_chloe",
  "Screen of Chloé Duarte",
  { type: "track", track_id: "TR_chloe_screen" },
  {
    request: request(
      { type: "track", track_id: "TR_chloe_screen" },
      { format: { type: "as_published", container: null } },
    ),
    tracks: [
      {
        track_id: "TR_chloe_screen",
        kind: "video",
        source: "screen_share",
        codec: "vp9",
        publisher_identity: "chloe",
      },
    ],
    figures: { ...jobFigures(312_000, "none"), encoder: null },
    outputs: [
      {
        id: "file",
        path: "/home/vera/Videos/Tallylight/TR_chloe_screen-2026-11-12T093618.webm",
        state: "active",
        started_at_ms: NOW_MS - 312_000,
        result: null,
        thumbnail: false,
        destination: null,
        set: null,
        upload_queued: false,
        stored: null,
      },
    ],
  },
);
const onAirMachine = { cpu_percent: 34, disk_free_bytes: 212_000_000_000, disk_left_s: 11_400, problems: [] };

const tenJobs = Array.from({ length: 10 }, (_, i) => {
  const who = crowd(10)[i] ?? ada;
  return job(`EG_${i}`, who.name, wholePerson(who.identity), {
    figures: jobFigures(764_000 - i * 61_000, `TR_${who.identity}_mic`),
    status: i === 9 ? "starting" : i === 8 ? "ending" : "active",
  });
});

const history: Job[] = [
  past("EG_h1", "Ada Lovelace", { started_at_ms: NOW_MS - 2 * 3_600_000 }),
  past("EG_h2", "Ben Okri", {
    started_at_ms: NOW_MS - 2.1 * 3_600_000,
    length_ms: 5_412_000,
    size: 1_012_000_000,
    end_reason: "source_closed",
  }),
  past("EG_h3", "Screen of Chloé Duarte", {
    recovered: true,
    started_at_ms: NOW_MS - 26 * 3_600_000,
    length_ms: 713_000,
    size: 142_000_000,
    status: "failed",
    end_reason: "failure",
    error: anError({
      code: "job_died",
      fault: "environment",
      message: "The recording was cut off when the computer lost power.",
      remedy: "Nothing to do: the file was repaired at the next start and is playable to its last second.",
      detail: "EG_h3: events end without Ended; repaired 142 MB, 713 s",
    }),
  }),
  past("EG_h4", "Dmitri Sato", {
    started_at_ms: NOW_MS - 27 * 3_600_000,
    length_ms: 62_000,
    size: 11_900_000,
    end_reason: "disk_full",
    status: "limit_reached",
  }),
  past("EG_h5", "نورة بنت عبد الرحمن", { started_at_ms: NOW_MS - 50 * 3_600_000 }),
  past(
    "EG_h6",
    "Town hall interview with a title that goes on and on until it no longer fits into any reasonable row",
    {
      started_at_ms: NOW_MS - 51 * 3_600_000,
      status: "aborted",
      end_reason: "stop_requested",
      outputs: [],
    },
  ),
  ...Array.from({ length: 30 }, (_, i) =>
    past(`EG_old${i}`, crowd(30)[i]?.name ?? "", { started_at_ms: NOW_MS - (72 + i * 5) * 3_600_000 }),
  ),
];

export const scenes: Record<string, Scene> = {
  ...projectScenes,
  "first-start-recording": {
    snapshot: emptySnapshot({
      projects: { list: [], current: null, keyring_error: null },
      jobs: [adaOnAir],
      machine: onAirMachine,
    }),
    sizes: [[1024, 700]],
  },
  rooms: { snapshot: emptySnapshot({ rooms: { list: someRooms(7), loading: false, error: null } }) },
  "rooms-200": { snapshot: emptySnapshot({ rooms: { list: someRooms(200), loading: false, error: null } }) },
  "rooms-recording": {
    snapshot: emptySnapshot({
      rooms: { list: someRooms(7), loading: false, error: null },
      jobs: [adaOnAir],
      machine: onAirMachine,
    }),
    sizes: [[1024, 700]],
  },
  "rooms-none": { snapshot: emptySnapshot() },
  "rooms-loading": { snapshot: emptySnapshot({ rooms: { list: [], loading: true, error: null } }) },
  "rooms-error": {
    snapshot: emptySnapshot({
      rooms: {
        list: someRooms(5),
        loading: false,
        error: anError({
          code: "unreachable",
          fault: "server",
          message: "northlight.livekit.cloud does not answer.",
          remedy: "Check this computer's network. The list is asked for again every few seconds.",
          retryable: true,
        }),
      },
    }),
  },
  "rooms-secret-missing": {
    snapshot: emptySnapshot({
      projects: {
        list: [
          {
            id: "PJ_live",
            name: "Northlight Radio",
            url: "wss://northlight.livekit.cloud",
            api_key: "APIvqp3rTn",
            secret: "missing",
          },
        ],
        current: "PJ_live",
        keyring_error: null,
      },
      rooms: {
        list: [],
        loading: false,
        error: anError({
          code: "keyring",
          fault: "environment",
          message: "The API secret of this project is not at hand: it was kept for an earlier run only.",
          remedy: "Edit the project and give its secret again.",
        }),
      },
    }),
  },
  "room-nobody": { snapshot: inRoom([]) },
  "room-joining": {
    snapshot: inRoom([], {
      room: {
        name: "morning-show",
        connection: "connecting",
        roster: { room_sid: "", room_name: "morning-show", active_recording: false, participants: [] },
        figures: jobFigures(0, ""),
        error: null,
      },
    }),
  },
  "room-one": { snapshot: inRoom([ada]) },
  "room-four": {
    snapshot: inRoom(four),
    sizes: [
      [1024, 700],
      [1920, 1080],
    ],
  },
  "room-ready": {
    snapshot: inRoom(four, { jobs: [armed()] }),
    pick: pickAda,
    unfolded: ["ada"],
    sizes: [
      [1024, 700],
      [1920, 1080],
      [3840, 2160],
    ],
  },
  "room-recording": {
    snapshot: inRoom(four, { jobs: [adaOnAir], machine: onAirMachine }),
    pick: pickAda,
    sizes: [
      [1024, 700],
      [1920, 1080],
      [3840, 2160],
    ],
  },
  "room-recording-holding": {
    snapshot: inRoom(four, { jobs: [adaOnAir], machine: onAirMachine }),
    pick: pickAda,
    act: "hold",
  },
  "room-which": {
    snapshot: inRoom(four, { jobs: [chloeScreen, adaOnAir], machine: onAirMachine }),
    act: "ask",
  },
  "room-recording-asking": {
    snapshot: inRoom(four, { jobs: [adaOnAir], machine: onAirMachine }),
    pick: pickAda,
    act: "ask",
  },
  "room-saved": {
    snapshot: inRoom(four, { jobs: [adaOnAir, chloeScreen], machine: onAirMachine }),
    pick: pickAda,
    act: "stop",
  },
  "room-two-jobs": {
    snapshot: inRoom(four, { jobs: [chloeScreen, adaOnAir], machine: onAirMachine }),
    pick: { kind: "person", identity: "ben", followScreenShare: false },
  },
  "room-ten-jobs": {
    snapshot: inRoom(crowd(10), {
      jobs: tenJobs,
      machine: { ...onAirMachine, cpu_percent: 93, disk_left_s: 2_900 },
    }),
    pick: { kind: "person", identity: "guest-2", followScreenShare: false },
    sizes: [[1024, 700]],
  },
  "room-tracks": {
    snapshot: inRoom(four),
    pick: { kind: "tracks", video: "TR_chloe_screen", audio: "TR_ada_mic" },
    unfolded: ["ada", "chloe"],
  },
  "room-single-track": {
    snapshot: inRoom(four),
    pick: { kind: "tracks", video: null, audio: "TR_ben_mic" },
    unfolded: ["ben"],
  },
  ...uploadScenes,
  ...pageScenes,
  ...liveScenes,
  ...autoScenes,
  ...elsewhereScenes,
  "room-format-menu": { snapshot: inRoom(four, { jobs: [armed()] }), pick: pickAda, act: "format-menu" },
  "room-advanced": { snapshot: inRoom(four), pick: pickAda, how: "advanced", sizes: [[1024, 700]] },
  "room-screen-follow": {
    snapshot: inRoom(four),
    pick: { kind: "person", identity: "chloe", followScreenShare: true },
  },
  "room-camera-off": {
    snapshot: inRoom(four),
    pick: { kind: "person", identity: "dmitri", followScreenShare: false },
  },
  "room-person-gone": { snapshot: inRoom([ben, chloe]), pick: pickAda },
  "room-all-muted": {
    snapshot: inRoom(
      four.map((one) => ({
        ...one,
        speaking: false,
        tracks: one.tracks.map((each) => ({ ...each, muted: true })),
      })),
    ),
    pick: pickAda,
  },
  "room-strange-names": {
    snapshot: inRoom(strange, { jobs: [job("EG_rtl", "نورة بنت عبد الرحمن", wholePerson("rtl"))] }),
    pick: { kind: "person", identity: "long", followScreenShare: false },
    sizes: [[1024, 700]],
  },
  "room-100-people": {
    snapshot: inRoom(crowd(100)),
    pick: { kind: "person", identity: "guest-1", followScreenShare: false },
    sizes: [
      [1024, 700],
      [3840, 2160],
    ],
  },
  "room-kinds": {
    snapshot: inRoom([
      ada,
      person("phone", "+49 30 901820", {
        kind: "sip",
        tracks: [track("TR_phone_mic", "microphone", { codec: "pcmu" })],
      }),
      person("agent", "Transcriber", { kind: "agent", tracks: [] }),
      person("obs", "OBS studio 2", { kind: "ingress" }),
      person("secret", "Encrypted guest", {
        connection: "lost",
        tracks: [
          track("TR_secret_cam", "camera", { encrypted: true }),
          track("TR_secret_mic", "microphone", { encrypted: true }),
        ],
      }),
    ]),
    unfolded: ["secret", "phone"],
  },
  "room-besides": {
    snapshot: inRoom(four),
    pick: pickAda,
    besides: {
      segments: { duration_s: 4, live_playlist: true, fmp4: true },
      images: { interval_s: 10 },
      proxy: { height: 540, video_bitrate_kbps: null, folder: null },
      copy_folder: "/media/vera/Second disk/Recordings",
    },
    act: "besides",
    sizes: [[1024, 700]],
  },
  "room-proxy": {
    snapshot: inRoom(four, { jobs: [withProxy], machine: onAirMachine }),
    pick: pickAda,
  },
  "room-connection-lost": {
    snapshot: (() => {
      const snapshot = inRoom(four, {
        jobs: [{ ...adaOnAir, connection: "reconnecting" }],
        machine: onAirMachine,
      });
      return snapshot.room
        ? { ...snapshot, room: { ...snapshot.room, connection: "reconnecting" as const } }
        : snapshot;
    })(),
    pick: pickAda,
  },
  "room-cannot-watch": {
    snapshot: (() => {
      const snapshot = inRoom([]);
      return snapshot.room
        ? {
            ...snapshot,
            room: {
              ...snapshot.room,
              connection: "disconnected" as const,
              error: anError({
                code: "permission_denied",
                fault: "input",
                message: "This API key may not join rooms as a recorder.",
                remedy:
                  "Use a key with the rights to join and to record, from your LiveKit project's settings.",
              }),
            },
          }
        : snapshot;
    })(),
  },
  "room-unseen": {
    snapshot: (() => {
      const snapshot = inRoom([], { jobs: [adaOnAir], machine: onAirMachine });
      return snapshot.room
        ? { ...snapshot, room: { ...snapshot.room, connection: "connecting" as const } }
        : snapshot;
    })(),
    pick: pickAda,
  },
  "room-arm-failed": {
    snapshot: inRoom(four),
    pick: { kind: "tracks", video: "TR_chloe_screen", audio: "TR_ada_mic" },
    fails: {
      arm: anError({
        code: "unsupported",
        fault: "input",
        message: "MP4 files cannot carry VP9 as published.",
        remedy:
          "Leave the file format open, so that the one that fits is taken, or choose a preset to re-encode.",
        detail: "format video/mp4 incompatible with codec vp9",
      }),
    },
  },
  "room-armed-died": {
    snapshot: inRoom(four, {
      jobs: [
        armed({
          armed: false,
          status: "failed",
          error: anError({
            code: "room_lost",
            fault: "server",
            message: "The server would not let the recorder into the room.",
            remedy: "Check that the API key may join and record, then try again.",
            detail: "join failed: 403",
          }),
        }),
      ],
    }),
    pick: pickAda,
  },
  "room-disk-low": {
    snapshot: inRoom(four, {
      jobs: [
        {
          ...adaOnAir,
          figures: jobFigures(764_000, "TR_ada_mic", { disk_left_s: 412, dropped_frames: 318 }),
          warnings: [
            anError({
              code: "disk_full",
              fault: "destination",
              message: "The disk is full in about 7 minutes.",
              remedy:
                "Free some space, or stop. Tallylight ends the recording while there is still room to finish the file.",
            }),
          ],
        },
      ],
      machine: { cpu_percent: 36, disk_free_bytes: 77_000_000, disk_left_s: 412, problems: [] },
    }),
    pick: pickAda,
  },
  "room-disk-slow": {
    snapshot: inRoom(four, {
      jobs: [
        {
          ...adaOnAir,
          figures: jobFigures(764_000, "TR_ada_mic", { behind_ms: 12_400 }),
          warnings: [
            anError({
              code: "storage",
              fault: "destination",
              message: "The disk with /mnt/show is slow: the recording on it is 5 s behind.",
              remedy: "Nothing is lost yet. Stop what else writes to that disk, or record to another one.",
            }),
          ],
        },
      ],
      machine: onAirMachine,
    }),
    pick: pickAda,
  },
  "room-problems": {
    snapshot: inRoom(four, {
      machine: {
        ...onAirMachine,
        problems: [
          anError({
            code: "unsupported",
            fault: "environment",
            message: "No AAC encoder is installed.",
            remedy: "Install gstreamer1.0-libav. Until then MP4 files hold Opus.",
          }),
        ],
      },
    }),
    dialog: { name: "settings" },
  },
  history: { snapshot: inRoom(four, { jobs: history }), page: "history", sizes: [[1024, 700]] },
  "history-recording": {
    snapshot: inRoom(four, { jobs: [adaOnAir, ...history], machine: onAirMachine }),
    page: "history",
  },
  "history-forget": { snapshot: inRoom(four, { jobs: history }), page: "history", act: "forget" },
  "history-empty": { snapshot: inRoom(four), page: "history" },
  settings: { snapshot: inRoom(four), dialog: { name: "settings" } },
  palette: { snapshot: inRoom(four, { jobs: [armed()] }), pick: pickAda, dialog: { name: "palette" } },
  "palette-many": {
    snapshot: inRoom(crowd(100), { jobs: [adaOnAir], machine: onAirMachine }),
    dialog: { name: "palette" },
  },
  "project-menu": { snapshot: inRoom(four), act: "project-menu" },
  quit: {
    snapshot: inRoom(four, { jobs: [chloeScreen, adaOnAir], machine: onAirMachine }),
    dialog: { name: "quit" },
  },
};
