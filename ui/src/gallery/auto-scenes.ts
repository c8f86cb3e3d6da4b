// The states of auto egress, of new rooms, of who asked for a recording, and of the Egress API on this computer.

import { byRule, rule, ruleTrouble, someRules } from "@/backend/fixture/auto";
import { onLiveKit } from "@/backend/fixture/elsewhere";
import {
  anError,
  emptySnapshot,
  four,
  inRoom,
  job,
  NOW_MS,
  past,
  someRooms,
  wholePerson,
} from "@/backend/fixture/people";
import { portTaken } from "@/backend/fixture/studio";
import { someStorages } from "@/backend/fixture/uploads";
import type { AutoRule, Job, Snapshot } from "@/backend/types";
import type { Scene } from "./scenes";

const both: [number, number][] = [
  [1024, 700],
  [1440, 900],
];
const onAirMachine = { cpu_percent: 34, disk_free_bytes: 212_000_000_000, disk_left_s: 11_400, problems: [] };

const rooms = (change: Partial<Snapshot> = {}) =>
  emptySnapshot({
    rooms: { list: someRooms(7), loading: false, error: null },
    storages: someStorages,
    rules: someRules.map((one) => ({ ...one, trouble: null })),
    ...change,
  });

const longest =
  "the-evening-news-of-the-whole-house-with-a-name-that-goes-on-until-it-fits-into-no-row-of-any-window-*";
const many: AutoRule[] = [
  rule("RU_long", longest, { parts: { type: "room_composite", layout: "gone-layout" } }),
  rule("RU_rtl", "نورة-*", { upload: { storage: "ST_gone", backup: null, remove_local: false } }),
  ...Array.from({ length: 28 }, (_, i) =>
    rule(
      `RU_${i}`,
      `studio-${i + 1}-*`,
      {
        on: i % 4 !== 2,
        parts:
          i % 3 === 0
            ? { type: "tracks" }
            : i % 3 === 1
              ? { type: "participants" }
              : { type: "room_composite", layout: "speaker" },
      },
      { trouble: i === 1 ? ruleTrouble : null },
    ),
  ),
];

const tab = (name: "automatic" | "api", change: Partial<Snapshot> = {}): Scene => ({
  snapshot: rooms(change),
  dialog: { name: "settings", tab: name },
  sizes: both,
});

const asked: Job[] = [
  byRule("EG_auto", "Ada Lovelace"),
  job("EG_api", "Ben Okri", wholePerson("ben"), { origin: "api" }),
  job("EG_bus", "Chloé Duarte", wholePerson("chloe"), { origin: "bus" }),
];

const api = (on: boolean, state: Snapshot["api"], port = 7890): Partial<Snapshot> => ({
  settings: { folder: "/home/vera/Videos/Tallylight", name: "", upload_limit_bps: null, api: { on, port } },
  api: state,
});

export const autoScenes: Record<string, Scene> = {
  "rooms-auto": {
    snapshot: rooms({ jobs: [byRule("EG_auto", "Ada Lovelace")], machine: onAirMachine }),
    sizes: both,
  },
  "rooms-auto-trouble": { snapshot: rooms({ rules: someRules }) },
  "auto-rules": tab("automatic", { rules: someRules }),
  "auto-rules-none": tab("automatic", { rules: [] }),
  "auto-rules-many": tab("automatic", { rules: many }),
  "auto-rules-no-project": tab("automatic", {
    projects: { list: emptySnapshot().projects.list, current: null, keyring_error: null },
  }),
  "auto-rule-forget": { ...tab("automatic"), act: "rule-forget" },
  "auto-rule-new": {
    snapshot: rooms(),
    dialog: { name: "settings", tab: "automatic", rule: "new" },
    act: "rule-type",
    sizes: both,
  },
  "auto-rule-edit": {
    snapshot: rooms(),
    dialog: { name: "settings", tab: "automatic", rule: "RU_shows" },
    sizes: both,
  },
  "auto-rule-error": {
    snapshot: rooms(),
    dialog: { name: "settings", tab: "automatic", rule: "new" },
    act: "rule-save",
    fails: {
      saveRule: anError({
        code: "storage",
        fault: "environment",
        message: "The list of rules cannot be saved.",
        remedy: "Free some space on the disk, then save again.",
      }),
    },
    sizes: [[1024, 700]],
  },
  "room-new": { snapshot: rooms(), dialog: { name: "new-room" }, sizes: both },
  "room-new-there": { snapshot: rooms(), dialog: { name: "new-room" }, act: "room-there" },
  "room-new-egress": {
    snapshot: rooms({ elsewhere: onLiveKit() }),
    dialog: { name: "new-room" },
    act: "room-egress",
    sizes: both,
  },
  "room-new-error": {
    snapshot: rooms({ elsewhere: onLiveKit() }),
    dialog: { name: "new-room" },
    act: "room-create",
    fails: {
      createRoom: anError({
        code: "permission_denied",
        fault: "server",
        message: "This API key may not create rooms.",
        remedy: "Use a key of the project that may, or have somebody join the room: that creates it too.",
      }),
    },
  },
  "auto-jobs": {
    snapshot: inRoom(four, { jobs: asked, rules: someRules, machine: onAirMachine }),
    sizes: both,
  },
  "auto-history": {
    snapshot: inRoom(four, {
      rules: someRules,
      jobs: [
        past("EG_h1", "Ada Lovelace", {
          origin: "auto",
          auto: { rule: "RU_shows", room_sid: "RM_1", of: "" },
          started_at_ms: NOW_MS - 2 * 3_600_000,
        }),
        past("EG_h2", "Ben Okri", { origin: "api", started_at_ms: NOW_MS - 3 * 3_600_000 }),
        past("EG_h3", "Chloé Duarte", {
          origin: "bus",
          recovered: true,
          started_at_ms: NOW_MS - 4 * 3_600_000,
        }),
        past("EG_h4", "Dmitri Sato", { started_at_ms: NOW_MS - 5 * 3_600_000 }),
      ],
    }),
    page: "history",
    sizes: [[1024, 700]],
  },
  "api-off": tab("api", api(false, { type: "off" })),
  "api-starting": tab("api", api(true, { type: "off" })),
  "api-on": tab("api", api(true, { type: "on", url: "http://127.0.0.1:7890" })),
  "api-failed": tab("api", api(true, { type: "failed", error: portTaken }, 7880)),
};
