// The states of live streams: going live, being live, and what can go wrong with it.

import {
  four,
  inRoom,
  job,
  jobFigures,
  NOW_MS,
  noKeyring,
  past,
  wholePerson,
} from "@/backend/fixture/people";
import {
  destination,
  noAddress,
  notThere,
  refusedKey,
  stream,
  streamFigures,
} from "@/backend/fixture/streams";
import type { DestinationState, Job, JobOutput, OutputFigures } from "@/backend/types";
import type { Scene } from "./scenes";

const onAirMachine = { cpu_percent: 34, disk_free_bytes: 212_000_000_000, disk_left_s: 11_400, problems: [] };
const pickAda = { kind: "person", identity: "ada", followScreenShare: false } as const;

export const saved = [
  destination("youtube", "YouTube"),
  destination("twitch", "Twitch"),
  destination("mux", "Mux, the backup of the backup for the evening news", { address: "mux://{abc...xyz}" }),
  destination("venue", "Venue screens", {
    address: "srt://venue.example:9710?passphrase={...}&streamid={...}",
    protocol: "srt",
    key: "this_run",
  }),
  destination("church", "St. Mary’s", { key: "missing" }),
  destination("arabic", "قناة الصباح"),
  destination("captions", "Captions", {
    address: "wss://captions.example/listen?token={...}&lang={...}",
    sound: "mono16k",
  }),
];

const live = (retries = 0): DestinationState => ({ is: "live", retries });
const away: DestinationState = { is: "reconnecting", retries: 3, error: notThere };
const address = (id: string) =>
  saved.find((one) => one.id === id)?.address ?? `rtmp://${id}.example/live/{ab...yz}`;
const file = job("EG", "Ada", wholePerson("ada")).outputs;

type Sent = [JobOutput, OutputFigures];
const sent = (
  n: number,
  to: string,
  state: DestinationState,
  connection: Parameters<typeof streamFigures>[1] = {},
  change: Partial<OutputFigures> = {},
): Sent => {
  const id = `stream-${n}`;
  const uptime = state.is === "live" ? {} : { uptime_ms: null };
  const sound = to === "captions" ? "mono16k" : null;
  return [stream(id, address(to), state, sound), streamFigures(id, { ...uptime, ...connection }, change)];
};

const on = (streams: Sent[], change: Partial<Job> = {}, withFile = true): Job => {
  const figures = jobFigures(764_000, "TR_ada_mic");
  return job("EG_ada", "Ada Lovelace", wholePerson("ada"), {
    outputs: [...(withFile ? file : []), ...streams.map(([output]) => output)],
    figures: {
      ...figures,
      outputs: [...(withFile ? figures.outputs : []), ...streams.map(([, one]) => one)],
    },
    ...change,
  });
};

const two = [sent(1, "youtube", live()), sent(2, "venue", live(1), { rtt_ms: 38, uptime_ms: 94_000 })];
const each = [
  sent(1, "youtube", live()),
  sent(2, "twitch", away, { tries: 3, next_try_ms: 7_600 }),
  sent(3, "arabic", { is: "refused", error: refusedKey }),
  sent(4, "venue", { is: "connecting" }, { tries: 1 }),
  sent(5, "mux", live(), {}, { dropped_frames: 212 }),
  sent(6, "old", {
    is: "stopped",
    result: { started_at_ns: 1, ended_at_ns: 331e9, size_bytes: 182_000_000, retries: 0 },
  }),
  sent(7, "wrong", {
    is: "failed",
    error: { ...notThere, message: "This program cannot be sent by RTMP.", retryable: false },
    result: { started_at_ns: 0, ended_at_ns: 1, size_bytes: 0, retries: 0 },
  }),
];
const ten = Array.from({ length: 10 }, (_, i): Sent => {
  const n = i + 1;
  const to = saved[i]?.id ?? `rtmp-${n}`;
  if (to === "captions") return sent(n, to, live(), {}, { bitrate_bps: 256_000, frames: 0 });
  if (i === 5) return sent(n, to, { is: "connecting" }, { tries: 1 });
  if (i === 2) return sent(n, to, away, { tries: 12, next_try_ms: 21_300 });
  if (i === 7) return sent(n, to, { is: "refused", error: refusedKey });
  if (i === 8) return sent(n, to, away, { tries: 2, next_try_ms: null });
  return sent(n, to, live(), to === "venue" ? { rtt_ms: 38 } : {}, { dropped_frames: i === 4 ? 31 : 0 });
});

const room = (jobs: Job[]) => inRoom(four, { jobs, destinations: saved, machine: onAirMachine });
const preview = job("EG_armed", "Ada Lovelace", wholePerson("ada"), {
  status: "starting",
  preview: true,
  armed: true,
  outputs: [],
  figures: null,
  started_at_ms: null,
});
const both: [number, number][] = [
  [1024, 700],
  [1440, 900],
];

export const liveScenes: Record<string, Scene> = {
  "live-none": { snapshot: room([on([])]), pick: pickAda, sizes: [[1024, 700]] },
  "live-two": { snapshot: room([on(two)]), pick: pickAda, sizes: both },
  "live-each": { snapshot: room([on(each)]), pick: pickAda, sizes: both },
  "live-ten": { snapshot: room([on(ten)]), pick: pickAda, sizes: [...both, [3840, 2160]] },
  "live-ten-details": {
    snapshot: room([on(ten)]),
    pick: pickAda,
    live: { open: "EG_ada/stream-3" },
    sizes: [[1024, 700]],
  },
  "live-captions": {
    snapshot: room([on(ten)]),
    pick: pickAda,
    live: { open: "EG_ada/stream-7" },
    sizes: both,
  },
  "live-add-socket": {
    snapshot: room([on(two)]),
    pick: pickAda,
    adding: "EG_ada",
    act: "live-socket",
    sizes: both,
  },
  "live-edit-socket": { snapshot: room([]), dialog: { name: "edit-destination", id: "captions" } },
  "live-remove": {
    snapshot: room([on(two)]),
    pick: pickAda,
    live: { open: "EG_ada/stream-2", asking: "EG_ada/stream-2" },
    sizes: [[1024, 700]],
  },
  "live-only": { snapshot: room([on(two.slice(0, 1), {}, false)]), pick: pickAda, sizes: both },
  "live-only-lost": {
    snapshot: room([on([sent(1, "youtube", away, { tries: 3, next_try_ms: 7_600 })], {}, false)]),
    pick: pickAda,
    live: { open: "EG_ada/stream-1", asking: "EG_ada/stream-1" },
    sizes: [[1024, 700]],
  },
  "live-add": { snapshot: room([on(two)]), pick: pickAda, adding: "EG_ada", sizes: both },
  "live-add-first": {
    snapshot: inRoom(four, { jobs: [on([])], machine: onAirMachine }),
    pick: pickAda,
    adding: "EG_ada",
  },
  "live-add-wrong": {
    snapshot: room([on(two)]),
    pick: pickAda,
    adding: "EG_ada",
    act: "live-wrong",
    fails: { addStream: noAddress },
    sizes: [[1024, 700]],
  },
  "live-next": {
    snapshot: room([preview]),
    pick: pickAda,
    ticked: ["youtube", "venue"],
    sizes: both,
  },
  "live-next-open": {
    snapshot: room([preview]),
    pick: pickAda,
    ticked: ["youtube", "venue"],
    adding: "next",
    sizes: both,
  },
  "live-next-new": {
    snapshot: inRoom(four, { jobs: [preview], machine: onAirMachine }),
    pick: pickAda,
    adding: "next",
    sizes: [[1024, 700]],
  },
  "live-jobs": {
    snapshot: room([
      on(two),
      ...["Ben Okri", "Chloé Duarte", "Dmitri Sato"].map((name, i) => ({
        ...on(i === 0 ? each.slice(0, 3) : i === 1 ? two : []),
        egress_id: `EG_${i}`,
        title: name,
        request: job("EG", name, wholePerson(`${i}`)).request,
      })),
    ]),
    pick: pickAda,
    sizes: [[1024, 700]],
  },
  "live-settings": { snapshot: room([]), dialog: { name: "settings" }, act: "live-settings", sizes: both },
  "live-edit": { snapshot: room([]), dialog: { name: "edit-destination", id: "church" } },
  "live-edit-no-keyring": {
    snapshot: {
      ...room([]),
      projects: {
        list: [
          { id: "PJ_live", name: "Northlight Radio", url: "wss://x", api_key: "API", secret: "this_run" },
        ],
        current: "PJ_live",
        keyring_error: noKeyring,
      },
    },
    dialog: { name: "edit-destination", id: "youtube" },
  },
  "live-history": {
    snapshot: room([
      past("EG_h1", "Ada Lovelace", { started_at_ms: NOW_MS - 2 * 3_600_000 }),
      {
        ...past("EG_h2", "Ben Okri", { started_at_ms: NOW_MS - 4 * 3_600_000 }),
        outputs: [
          ...past("EG_h2", "Ben Okri").outputs,
          ...ten.map(([output], i) => ({
            ...output,
            destination: output.destination && {
              ...output.destination,
              state:
                i === 1
                  ? {
                      is: "failed" as const,
                      error: refusedKey,
                      result: { started_at_ns: 0, ended_at_ns: 1, size_bytes: 0, retries: 4 },
                    }
                  : {
                      is: "stopped" as const,
                      result: {
                        started_at_ns: 1,
                        ended_at_ns: 1_912e9,
                        size_bytes: 1_070_000_000,
                        retries: 1,
                      },
                    },
            },
          })),
        ],
      },
      {
        ...past("EG_h3", "Chloé Duarte", {
          started_at_ms: NOW_MS - 6 * 3_600_000,
          end_reason: "streams_stopped",
        }),
        outputs: each.slice(5, 6).map(([output]) => output),
      },
    ]),
    page: "history",
    sizes: [[1024, 700]],
  },
};
