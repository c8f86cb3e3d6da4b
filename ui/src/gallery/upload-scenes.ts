// The states of storages, of what goes up, and of where recordings are.

import { anError, four, inRoom, job, NOW_MS, noKeyring, past, wholePerson } from "@/backend/fixture/people";
import { allStorages, anUpload, someStorages, stored, unreachable, waiting } from "@/backend/fixture/uploads";
import type { Job, Stored, Upload } from "@/backend/types";
import type { Pick } from "@/store/desk";
import type { Scene } from "./scenes";

const pickBen: Pick = { kind: "person", identity: "ben", followScreenShare: false };
const toShows = { storage: "ST_shows", backup: null, remove_local: false };
const FOLDER = "/home/vera/Videos/Tallylight";

const withUpload = (one: Job): Job => ({ ...one, request: { ...one.request, upload: toShows } });
const adaUp = withUpload(job("EG_ada", "Ada Lovelace", wholePerson("ada")));
const benUp = withUpload(past("EG_ben", "Ben Okri"));
const chloeUp = withUpload(past("EG_chloe", "Screen of Chloé Duarte"));

const going = (change: Partial<Upload> = {}): Upload =>
  anUpload("UP_ada", {
    state: { kind: "uploading" },
    growing: true,
    progress: { sent_bytes: 134_000_000, total_bytes: 142_000_000, rate_bps: 38_000_000, remaining_ms: null },
    ...change,
  });

const benFile = anUpload("UP_ben", {
  owner: "EG_ben",
  path: `${FOLDER}/ben-2026-11-11T140212.mp4`,
  state: { kind: "uploading" },
  progress: { sent_bytes: 227_000_000, total_bytes: 361_000_000, rate_bps: 41_000_000, remaining_ms: 26_000 },
});
const benManifest = anUpload("UP_ben_json", {
  owner: "EG_ben",
  path: `${FOLDER}/ben-2026-11-11T140212.mp4.EG_ben.json`,
  progress: { sent_bytes: 0, total_bytes: 4_100, rate_bps: 0, remaining_ms: null },
});

const hlsJob = withUpload(
  past("EG_hls", "Whole room", {
    outputs: [
      {
        id: "segments",
        path: `${FOLDER}/morning-show/show.m3u8`,
        state: "active",
        started_at_ms: NOW_MS - 764_000,
        result: null,
        thumbnail: false,
        destination: null,
        set: { of: "segments", live_playlist: null, count: 214 },
        upload_queued: false,
        stored: null,
      },
    ],
  }),
);
const segments = Array.from({ length: 3 }, (_, n) => n + 211).map((i) =>
  anUpload(`UP_seg${i}`, {
    owner: "EG_hls",
    path: `${FOLDER}/morning-show/show_${String(i).padStart(5, "0")}.ts`,
    state: { kind: i === 211 ? "uploading" : "queued" },
    progress: {
      sent_bytes: i === 211 ? 900_000 : 0,
      total_bytes: 1_120_000,
      rate_bps: i === 211 ? 12_000_000 : 0,
      remaining_ms: null,
    },
  }),
);

/** Sets of two recordings: one whose images wait for the storage, and one that runs, paused. */
const setJobs = ["EG_images", "EG_running"].map((id, i) =>
  withUpload(
    past(id, i === 0 ? "Panel of the afternoon" : "Ada Lovelace", {
      ...(i === 1 ? { status: "active", end_reason: null, ended_at_ms: null } : {}),
      outputs: (hlsJob.outputs[0] ? [hlsJob.outputs[0]] : []).map((output) => ({
        ...output,
        id: i === 0 ? "images" : "segments",
        path: i === 0 ? `${FOLDER}/panel-images` : `${FOLDER}/ada-hls/playlist.m3u8`,
        set:
          i === 0
            ? { of: "images", prefix: "panel-images/image", count: 1280 }
            : { of: "segments", live_playlist: null, count: 0 },
      })),
    }),
  ),
);
const ofSets: Upload[] = [
  ...segments,
  ...Array.from({ length: 40 }, (_, i) =>
    anUpload(`UP_image${i}`, {
      owner: "EG_images",
      path: `${FOLDER}/panel-images/image_${String(1240 + i).padStart(5, "0")}.jpeg`,
      state: waiting({ next_try_ms: NOW_MS + 42_000 }),
      progress: { sent_bytes: 0, total_bytes: 180_000, rate_bps: 0, remaining_ms: null },
    }),
  ),
  ...Array.from({ length: 96 }, (_, i) =>
    anUpload(`UP_running${i}`, {
      owner: "EG_running",
      path: `${FOLDER}/ada-hls/segment_${String(i).padStart(5, "0")}.ts`,
      state: { kind: "paused" },
      progress: { sent_bytes: 0, total_bytes: 1_120_000, rate_bps: 0, remaining_ms: null },
    }),
  ),
];

const there = (change: Partial<Upload> = {}): Upload =>
  anUpload("UP_chloe", {
    owner: "EG_chloe",
    path: `${FOLDER}/screen-2026-11-11T140212.webm`,
    state: stored(),
    progress: { sent_bytes: 361_000_000, total_bytes: 361_000_000, rate_bps: 0, remaining_ms: null },
    location: "https://northlight-shows.s3.amazonaws.com/shows/2026/screen-2026-11-11T140212.webm",
    ...change,
  });

const longName =
  "Town hall interview with a name that goes on and on until it no longer fits into any reasonable row of any window";

const everyState: Upload[] = [
  there(),
  anUpload("UP_removed", {
    owner: "EG_old",
    path: `${FOLDER}/نورة-2026-11-11T140212.mp4`,
    state: stored({ verified: "on_receipt" }),
    location: "https://minio.northlight.example:9000/takes/نورة-2026-11-11T140212.mp4",
    storage: 'the bucket "takes"',
    on_backup: true,
    local: "removed",
  }),
  ...segments,
  benFile,
  benManifest,
  anUpload("UP_wait", {
    owner: "EG_dmitri",
    path: `${FOLDER}/${longName}.mp4`,
    state: waiting(),
    attempts: 3,
    progress: { sent_bytes: 88_000_000, total_bytes: 361_000_000, rate_bps: 0, remaining_ms: null },
  }),
  anUpload("UP_paused", {
    owner: "EG_paused",
    path: `${FOLDER}/town-hall-2026-11-11T100212.mp4`,
    state: { kind: "paused" },
    progress: { sent_bytes: 200_000_000, total_bytes: 1_361_000_000, rate_bps: 0, remaining_ms: null },
  }),
  anUpload("UP_verify", {
    owner: "EG_verify",
    path: `${FOLDER}/panel-2026-11-11T100212.mp4`,
    state: { kind: "verifying" },
    storage: "the folder /mnt/nearline/shows",
    progress: { sent_bytes: 361_000_000, total_bytes: 361_000_000, rate_bps: 0, remaining_ms: null },
  }),
  going(),
];

const everyJob: Job[] = [
  adaUp,
  benUp,
  hlsJob,
  chloeUp,
  withUpload(past("EG_dmitri", longName)),
  withUpload(past("EG_paused", "Town hall")),
  withUpload(past("EG_verify", "Panel")),
  withUpload(past("EG_old", "نورة بنت عبد الرحمن")),
];

/** Thirty recordings that wait for the same storage, and one that waits for another. */
const manyWaiting: Upload[] = Array.from({ length: 31 }, (_, i) =>
  anUpload(`UP_w${i}`, {
    owner: `EG_w${i}`,
    path: `${FOLDER}/guest-${i + 1}-2026-11-11T140212.mp4`,
    state:
      i === 30
        ? waiting({
            error: anError({
              code: "wrong_secret",
              fault: "input",
              message: "The storage knows the key, but its secret is wrong.",
              remedy: "Enter the secret again; copy it whole.",
            }),
          })
        : waiting({ next_try_ms: NOW_MS + (i + 1) * 9_000 }),
    progress: { sent_bytes: i * 9_000_000, total_bytes: 361_000_000, rate_bps: 0, remaining_ms: null },
  }),
);

const inStorage = (change: Partial<Stored> = {}): Stored => ({
  storage: 'the bucket "northlight-shows"',
  location: "https://northlight-shows.s3.amazonaws.com/shows/2026/ada-2026-11-11T140212.mp4",
  on_backup: false,
  local: "kept",
  at_ms: NOW_MS - 3_000_000,
  ...change,
});
const storedAs = (one: Job, change: Partial<Stored> = {}): Job => ({
  ...withUpload(one),
  outputs: one.outputs.map((output) => ({ ...output, stored: inStorage(change) })),
});

const small: [number, number][] = [
  [1024, 700],
  [1440, 900],
];

export const uploadScenes: Record<string, Scene> = {
  "uploads-sets": {
    snapshot: inRoom(four, { storages: allStorages, uploads: ofSets, jobs: [hlsJob, ...setJobs] }),
    page: "uploads",
    sizes: small,
  },
  "storages-none": { snapshot: inRoom(four), dialog: { name: "settings", tab: "uploads" }, sizes: small },
  storages: {
    snapshot: inRoom(four, { storages: allStorages }),
    dialog: { name: "settings", tab: "uploads" },
    sizes: small,
  },
  "storage-forget": {
    snapshot: inRoom(four, { storages: someStorages }),
    dialog: { name: "settings", tab: "uploads" },
    act: "storage-forget",
    fails: {
      forgetStorage: anError({
        code: "failed_precondition",
        fault: "input",
        message: "Something still goes to this storage.",
        remedy: "Wait until its uploads are done, or cancel them; stop the recordings that go there.",
      }),
    },
  },
  "storage-kinds": {
    snapshot: inRoom(four),
    dialog: { name: "settings", tab: "uploads", storage: "new" },
    sizes: small,
  },
  "storage-s3": {
    snapshot: inRoom(four),
    dialog: { name: "settings", tab: "uploads", storage: "new" },
    act: "storage-s3",
    sizes: small,
  },
  "storage-s3-checked": {
    snapshot: inRoom(four),
    dialog: { name: "settings", tab: "uploads", storage: "new" },
    act: "storage-checked",
  },
  "storage-s3-wrong": {
    snapshot: inRoom(four),
    dialog: { name: "settings", tab: "uploads", storage: "new" },
    act: "storage-wrong",
    sizes: small,
  },
  "storage-identity": {
    snapshot: inRoom(four),
    dialog: { name: "settings", tab: "uploads", storage: "new" },
    act: "storage-identity",
    sizes: small,
    fails: {
      checkStorage: {
        code: "permission_denied",
        message:
          "This computer's own identity cannot be used: no keys are in the environment, in ~/.aws or with a container, and the instance's metadata service does not answer.",
        remedy:
          "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile in AWS_PROFILE, or give the machine a role; or give the storage keys.",
        retryable: true,
        fault: "environment",
        detail: "the instance's metadata service: error sending request: connection timed out",
      },
    },
  },
  "storage-gcp": {
    snapshot: inRoom(four, {
      projects: { ...inRoom(four).projects, keyring_error: noKeyring },
    }),
    dialog: { name: "settings", tab: "uploads", storage: "new" },
    act: "storage-gcp",
  },
  "storage-edit": {
    snapshot: inRoom(four, { storages: allStorages }),
    dialog: { name: "settings", tab: "uploads", storage: "ST_minio" },
    sizes: small,
  },
  "uploads-none": { snapshot: inRoom(four), page: "uploads" },
  uploads: {
    snapshot: inRoom(four, { jobs: everyJob, uploads: everyState, storages: someStorages }),
    page: "uploads",
    sizes: [...small, [1920, 1080]],
  },
  "uploads-cancel": {
    snapshot: inRoom(four, { jobs: [benUp], uploads: [benFile, benManifest], storages: someStorages }),
    page: "uploads",
    act: "upload-cancel",
  },
  "uploads-stored": {
    snapshot: inRoom(four, {
      jobs: everyJob,
      uploads: everyState.filter(({ state, owner }) => state.kind === "stored" || owner === "EG_paused"),
      storages: someStorages,
    }),
    page: "uploads",
    sizes: small,
  },
  "uploads-waiting": {
    snapshot: inRoom(four, { uploads: manyWaiting, storages: someStorages }),
    page: "uploads",
    sizes: small,
  },
  "record-upload": {
    snapshot: inRoom(four, { storages: allStorages }),
    pick: pickBen,
    upload: { storage: "ST_shows", backup: "ST_disk", remove_local: true },
    sizes: small,
  },
  "record-upload-keys": {
    snapshot: inRoom(four, { storages: allStorages }),
    pick: pickBen,
    upload: { storage: "ST_azure", backup: null, remove_local: false },
  },
  "recording-upload": {
    snapshot: inRoom(four, {
      jobs: [withUpload(job("EG_dmitri", "Dmitri Sato", wholePerson("dmitri"))), adaUp],
      uploads: [
        going(),
        going({
          id: "UP_dmitri",
          owner: "EG_dmitri",
          state: waiting({ error: unreachable }),
          progress: { sent_bytes: 88_000_000, total_bytes: 142_000_000, rate_bps: 0, remaining_ms: null },
        }),
      ],
      storages: someStorages,
    }),
    pick: { kind: "person", identity: "ada", followScreenShare: false },
    sizes: small,
  },
  "history-where": {
    snapshot: inRoom(four, {
      jobs: [
        storedAs(past("EG_1", "Ada Lovelace")),
        storedAs(past("EG_2", "Chloé Duarte"), { local: "removed" }),
        storedAs(past("EG_3", "نورة بنت عبد الرحمن"), {
          on_backup: true,
          storage: "the folder /mnt/nearline/shows",
          location: "/mnt/nearline/shows/shows/2026/نورة-2026-11-11T140212.mp4",
        }),
        benUp,
        withUpload(past("EG_dmitri", "Dmitri Sato")),
        past("EG_5", "Jonas Hahn"),
      ],
      uploads: [benFile, anUpload("UP_d", { owner: "EG_dmitri", state: waiting() })],
      storages: someStorages,
    }),
    page: "history",
    sizes: small,
  },
  "upload-recording": {
    snapshot: inRoom(four, { jobs: [past("EG_5", "Jonas Hahn")], storages: someStorages }),
    page: "history",
    dialog: { name: "upload-recording", id: "EG_5" },
  },
};
