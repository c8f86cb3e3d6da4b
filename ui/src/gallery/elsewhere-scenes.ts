// The states of what LiveKit's own egress service does for the project.

import {
  elsewhereJob,
  elsewhereStream,
  noWorker,
  onLiveKit,
  pastElsewhere,
} from "@/backend/fixture/elsewhere";
import {
  anError,
  emptySnapshot,
  four,
  inRoom,
  job,
  NOW_MS,
  past,
  request,
  someRooms,
  wholePerson,
  wholeRoom,
} from "@/backend/fixture/people";
import { someStorages } from "@/backend/fixture/uploads";
import type { ElsewhereJob, Job, Snapshot } from "@/backend/types";
import type { Pick } from "@/store/desk";
import { saved } from "./live-scenes";
import type { Scene } from "./scenes";

const both: [number, number][] = [
  [1024, 700],
  [1440, 900],
];
const onAirMachine = { cpu_percent: 34, disk_free_bytes: 212_000_000_000, disk_left_s: 11_400, problems: [] };
const pickAda: Pick = { kind: "person", identity: "ada", followScreenShare: false };
const pickRoom: Pick = { kind: "room", layout: "grid", baseUrl: null, parts: "both" };
const adaOnAir = job("EG_ada", "Ada Lovelace", wholePerson("ada"));

const room = (jobs: number | ElsewhereJob[], change: Partial<Snapshot> = {}, ours: Job[] = []) =>
  inRoom(four, {
    elsewhere: onLiveKit(jobs),
    jobs: ours,
    destinations: saved,
    storages: someStorages,
    machine: onAirMachine,
    ...change,
  });

const youtube = saved[0]?.address ?? "";
const streaming = elsewhereJob("EG_streams", "Whole room", {
  layout: "speaker",
  streams: [
    elsewhereStream(youtube),
    elsewhereStream("rtmp://venue.example/live/{abc...xyz}", { removable: false }),
    elsewhereStream("rtmp://old.example/live/{abc...xyz}", { state: "finished", removable: false }),
    elsewhereStream("rtmps://wrong.example:443/app/{sec...key}", {
      state: "failed",
      removable: false,
      error: "streaming failed: could not write to resource",
    }),
  ],
});
const whole = elsewhereJob("EG_whole", "Whole room", { layout: "grid" });
const theirs = Array.from({ length: 14 }, (_, i) =>
  elsewhereJob(`EG_far${i}`, i % 3 === 0 ? "Whole room" : `Guest ${i}`, {
    room_name: `studio-${i + 1}`,
    layout: i % 3 === 0 ? "grid" : null,
    status: i === 1 ? "starting" : i === 2 ? "ending" : "active",
    started_at_ms: i === 1 ? null : NOW_MS - i * 211_000,
  }),
);
const stale = anError({
  code: "unreachable",
  fault: "server",
  message: "LiveKit does not say what its egress service does.",
  remedy: "Check this computer's network. The list is asked for again every few seconds.",
  retryable: true,
});

export const elsewhereScenes: Record<string, Scene> = {
  "elsewhere-choice": { snapshot: room(0), pick: pickAda, sizes: both },
  "elsewhere-livekit": { snapshot: room(0), pick: pickRoom, where: "livekit", sizes: both },
  "elsewhere-limits": {
    snapshot: room(0),
    pick: { ...pickRoom, layout: "side-by-side" },
    where: "livekit",
    upload: { storage: "ST_disk", backup: null, remove_local: false },
    ticked: ["youtube"],
    besides: {
      segments: { duration_s: 4, live_playlist: true, fmp4: true },
      images: null,
      proxy: { height: 540, video_bitrate_kbps: null, folder: null },
      copy_folder: "/mnt/second",
    },
    sizes: both,
  },
  "elsewhere-no-worker": {
    snapshot: room(0),
    pick: pickAda,
    where: "livekit",
    act: "record",
    fails: { startElsewhere: noWorker },
  },
  "elsewhere-running": {
    snapshot: room([whole]),
    pick: pickRoom,
    where: "livekit",
    started: { EG_whole: request(wholeRoom()) },
    sizes: both,
  },
  "elsewhere-beside": { snapshot: room([whole], {}, [adaOnAir]), pick: pickAda, sizes: both },
  "elsewhere-starting": {
    snapshot: room([{ ...whole, status: "starting", started_at_ms: null, files: [] }]),
    sizes: [[1024, 700]],
  },
  "elsewhere-streams": { snapshot: room([streaming]), sizes: both },
  "elsewhere-remove": { snapshot: room([streaming]), act: "elsewhere-remove", sizes: [[1024, 700]] },
  "elsewhere-add": { snapshot: room([streaming]), adding: "EG_streams", sizes: both },
  "elsewhere-layouts": { snapshot: room([whole]), act: "elsewhere-layouts" },
  "elsewhere-many": {
    snapshot: room([whole, ...theirs], {}, [adaOnAir]),
    act: "elsewhere-more",
    sizes: both,
  },
  "elsewhere-stale": {
    snapshot: room([], { elsewhere: onLiveKit([whole], { error: stale }) }),
    sizes: [[1024, 700]],
  },
  "elsewhere-rooms": {
    snapshot: emptySnapshot({
      rooms: { list: someRooms(7), loading: false, error: null },
      elsewhere: onLiveKit(theirs),
    }),
    sizes: both,
  },
  "elsewhere-history": {
    snapshot: room(
      [
        pastElsewhere("EG_p1", "Whole room"),
        pastElsewhere("EG_p2", "Whole room", {
          status: "failed",
          error: "Start signal not received",
          started_at_ms: null,
          ended_at_ms: NOW_MS - 5 * 3_600_000,
          files: [],
        }),
        pastElsewhere("EG_p3", "Ben Okri", {
          started_at_ms: NOW_MS - 9 * 3_600_000,
          ended_at_ms: NOW_MS - 8 * 3_600_000,
          files: [
            ...pastElsewhere("", "").files,
            { name: "town-hall/show.m3u8", location: "", size_bytes: 0 },
          ],
          streams: streaming.streams.map((one) => ({
            ...one,
            state: one.state === "failed" ? ("failed" as const) : ("finished" as const),
          })),
        }),
      ],
      {},
      [
        past("EG_h1", "Ada Lovelace", { started_at_ms: NOW_MS - 2 * 3_600_000 }),
        past("EG_h2", "Ben Okri", { started_at_ms: NOW_MS - 26 * 3_600_000 }),
      ],
    ),
    page: "history",
    sizes: [[1024, 700]],
  },
};
