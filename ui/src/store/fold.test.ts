import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { someRules } from "@/backend/fixture/auto";
import { onLiveKit } from "@/backend/fixture/elsewhere";
import {
  emptySnapshot,
  four,
  inRoom,
  job,
  noFigures,
  roomFigures,
  someRooms,
  wholePerson,
} from "@/backend/fixture/people";
import { anUpload, someStorages } from "@/backend/fixture/uploads";
import type { Change, Numbered, Snapshot } from "@/backend/types";
import { fold } from "./fold";

/** The studio's side, written apart from the fold: it changes its state in place and says so. */
class Server {
  state: Snapshot = emptySnapshot();

  do(change: Change): Numbered {
    const { state } = this;
    if (change.type === "job") {
      const known = state.jobs.some((one) => one.egress_id === change.job.egress_id);
      state.jobs = known
        ? state.jobs.map((one) => (one.egress_id === change.job.egress_id ? change.job : one))
        : [change.job].concat(state.jobs);
    } else if (change.type === "job_removed") {
      state.jobs = state.jobs.filter((one) => one.egress_id !== change.egress_id);
    } else if (change.type === "job_figures") {
      const at = state.jobs.findIndex((one) => one.egress_id === change.egress_id);
      const found = state.jobs[at];
      if (found) state.jobs = state.jobs.with(at, { ...found, figures: change.figures });
    } else if (change.type === "room_figures") {
      if (state.room) state.room = { ...state.room, figures: change.figures };
    } else if (change.type === "upload") {
      const known = state.uploads.some((one) => one.id === change.upload.id);
      state.uploads = known
        ? state.uploads.map((one) => (one.id === change.upload.id ? change.upload : one))
        : state.uploads.concat([change.upload]);
    } else if (change.type === "upload_progress") {
      const at = state.uploads.findIndex((one) => one.id === change.id);
      const found = state.uploads[at];
      if (found) state.uploads = state.uploads.with(at, { ...found, progress: change.progress });
    } else if (change.type === "upload_removed") {
      state.uploads = state.uploads.filter((one) => one.id !== change.id);
    } else {
      const { type, ...value } = change;
      void type;
      Object.assign(state, value);
    }
    state.seq += 1;
    return { seq: state.seq, change };
  }

  snapshot(): Snapshot {
    return structuredClone(this.state);
  }
}

const ids = fc.constantFrom("EG_1", "EG_2", "EG_3", "EG_4");
const uploadIds = fc.constantFrom("UP_1", "UP_2", "UP_3");
const figures = fc
  .record({ rtt_ms: fc.option(fc.nat(500)), cpu_percent: fc.nat(100), memory_bytes: fc.nat() })
  .map((some) => ({ ...noFigures, ...some }));
const change: fc.Arbitrary<Change> = fc.oneof(
  ids.map((id): Change => ({ type: "job", job: job(id, id, wholePerson("ada")) })),
  fc.tuple(ids, fc.boolean()).map(
    ([id, armed]): Change => ({
      type: "job",
      job: job(id, `${id} again`, wholePerson("ben"), { armed, preview: armed }),
    }),
  ),
  ids.map((egress_id): Change => ({ type: "job_removed", egress_id })),
  fc
    .tuple(ids, figures)
    .map(([egress_id, some]): Change => ({ type: "job_figures", egress_id, figures: some })),
  figures.map((some): Change => ({ type: "room_figures", figures: some })),
  fc.nat(4).map(
    (n): Change => ({
      type: "room",
      room: n === 0 ? null : { ...(inRoom(four.slice(0, n)).room ?? never()), figures: roomFigures(four) },
    }),
  ),
  fc
    .nat(20)
    .map((n): Change => ({ type: "rooms", rooms: { list: someRooms(n), loading: n === 0, error: null } })),
  fc
    .option(fc.string())
    .map((current): Change => ({ type: "projects", projects: { list: [], current, keyring_error: null } })),
  fc.nat().map(
    (n): Change => ({
      type: "machine",
      machine: { cpu_percent: n % 100, disk_free_bytes: n, disk_left_s: null, problems: [] },
    }),
  ),
  fc
    .tuple(uploadIds, fc.boolean())
    .map(([id, growing]): Change => ({ type: "upload", upload: anUpload(id, { growing }) })),
  fc.tuple(uploadIds, fc.nat()).map(
    ([id, sent_bytes]): Change => ({
      type: "upload_progress",
      id,
      progress: { sent_bytes, total_bytes: sent_bytes + 1, rate_bps: 0, remaining_ms: null },
    }),
  ),
  uploadIds.map((id): Change => ({ type: "upload_removed", id })),
  fc.nat(3).map((n): Change => ({ type: "storages", storages: someStorages.slice(0, n) })),
  fc.string().map(
    (folder): Change => ({
      type: "settings",
      settings: { folder, name: "", upload_limit_bps: null, api: { on: false, port: 7890 } },
    }),
  ),
  fc.nat(3).map((n): Change => ({ type: "rules", rules: someRules.slice(0, n) })),
  fc.nat(3).map((n): Change => ({ type: "elsewhere", elsewhere: onLiveKit(n) })),
  fc.webUrl().map((url): Change => ({ type: "api", api: { type: "on", url } })),
);

function never(): never {
  throw new Error("the fixture has a room");
}

describe("fold", () => {
  it("ends where the studio is, whatever happens in whatever order", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), fc.nat(20), (changes, before) => {
        const server = new Server();
        for (const one of changes.slice(0, before)) server.do(one);
        let folded = server.snapshot();
        for (const one of changes.slice(before)) {
          const next = fold(folded, structuredClone(server.do(one)));
          if (next === "gap") throw new Error("nothing was missed");
          folded = next;
          expect(folded).toEqual(server.state);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("asks for a new snapshot when a change was missed", () => {
    fc.assert(
      fc.property(fc.array(change, { minLength: 2, maxLength: 20 }), fc.nat(), (changes, which) => {
        const server = new Server();
        let folded: Snapshot | "gap" = server.snapshot();
        const missing = which % (changes.length - 1);
        changes.forEach((one, i) => {
          const numbered = server.do(one);
          if (i === missing || folded === "gap") return;
          folded = fold(folded, numbered);
        });
        expect(folded).toBe("gap");
      }),
    );
  });

  it("passes over what is in the snapshot already, and keeps the very same object", () => {
    const snapshot = emptySnapshot({ seq: 7 });
    const old: Numbered = {
      seq: 7,
      change: { type: "settings", settings: { ...snapshot.settings, folder: "/old" } },
    };
    expect(fold(snapshot, old)).toBe(snapshot);
  });

  it("leaves alone what did not change, so that only what did is drawn again", () => {
    const snapshot = inRoom(four, { jobs: [job("EG_1", "Ada", wholePerson("ada"))] });
    const next = fold(snapshot, { seq: 1, change: { type: "room_figures", figures: noFigures } });
    if (next === "gap") throw new Error("nothing was missed");
    expect(next.jobs).toBe(snapshot.jobs);
    expect(next.room?.roster).toBe(snapshot.room?.roster);
    expect(next.room?.figures).toBe(noFigures);
  });
});
