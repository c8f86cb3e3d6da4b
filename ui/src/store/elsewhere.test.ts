import { describe, expect, it } from "vitest";
import { elsewhereJob, onLiveKit, pastElsewhere } from "@/backend/fixture/elsewhere";
import { stockLayouts } from "@/backend/fixture/layouts";
import { four, inRoom, NOW_MS, past, request, wholePerson, wholeRoom } from "@/backend/fixture/people";
import { destination } from "@/backend/fixture/streams";
import { someStorages } from "@/backend/fixture/uploads";
import { entriesOf } from "@/views/history/entries";
import { clearDesk, requestOf, useDesk } from "./desk";
import {
  elapsedElsewhere,
  elsewhereFor,
  layoutsElsewhere,
  limitsOf,
  recordsOn,
  rememberStarted,
} from "./elsewhere";
import { isHeldReady, standingOf } from "./standing";

const snapshot = inRoom(four, { elsewhere: onLiveKit(), storages: someStorages });
const limits = (
  change: Parameters<typeof request>[1],
  source = wholeRoom() as Parameters<typeof request>[0],
) => limitsOf(request(source, change), [], snapshot);

describe("where Record records", () => {
  it("is LiveKit only where it has an egress service", () => {
    expect(recordsOn({ where: "livekit" }, snapshot)).toBe("livekit");
    for (const service of ["absent", "unknown"] as const)
      expect(recordsOn({ where: "livekit" }, { ...snapshot, elsewhere: onLiveKit(0, { service }) })).toBe(
        "here",
      );
  });

  it("knows what this window has started there, and nothing of what others have", () => {
    clearDesk({ where: "livekit", pick: { kind: "person", identity: "ada", followScreenShare: false } });
    const asked = requestOf(useDesk.getState(), snapshot);
    const running = { ...snapshot, elsewhere: onLiveKit([elsewhereJob("EG_1", "Ada Lovelace")]) };
    expect(elsewhereFor(useDesk.getState(), running, asked)).toEqual({ job: null });
    rememberStarted("EG_1", request(wholePerson("ada")));
    expect(elsewhereFor(useDesk.getState(), running, asked)?.job?.egress_id).toBe("EG_1");
    rememberStarted("EG_1", request(wholePerson("ben")));
    expect(elsewhereFor(useDesk.getState(), running, asked)?.job).toBeNull();
    const over = { ...snapshot, elsewhere: onLiveKit([pastElsewhere("EG_1", "Ada Lovelace")]) };
    rememberStarted("EG_1", request(wholePerson("ada")));
    expect(elsewhereFor(useDesk.getState(), over, asked)?.job).toBeNull();
  });

  it("holds nothing ready here for LiveKit but a page, of which there is no other picture", () => {
    const there = { job: null };
    const ready = (source: Parameters<typeof request>[0], elsewhere: typeof there | null) =>
      isHeldReady(standingOf(request(source), [], elsewhere));
    expect(ready(wholePerson("ada"), null)).toBe(true);
    expect(ready(wholePerson("ada"), there)).toBe(false);
    expect(ready(wholeRoom(), there)).toBe(true);
    expect(standingOf(request(wholeRoom()), [], there).state).toBe("elsewhere");
  });
});

describe("what LiveKit cannot do of a request", () => {
  it("is said of each thing, and of nothing else", () => {
    expect(limits({})).toEqual([]);
    expect(
      limits({ images: { interval_s: 5 }, segments: { duration_s: 4, live_playlist: true, fmp4: false } }),
    ).toEqual([]);
    expect(limits({ copy_folder: "/mnt/second" })).toEqual(["copy"]);
    expect(limits({ proxy: { height: 540, video_bitrate_kbps: null, folder: null } })).toEqual(["proxy"]);
    expect(limits({ segments: { duration_s: 4, live_playlist: true, fmp4: true } })).toEqual(["fmp4"]);
    expect(limits({ upload: { storage: "ST_disk", backup: null, remove_local: false } })).toEqual([
      "storage",
    ]);
    expect(limits({ upload: { storage: "ST_shows", backup: null, remove_local: false } })).toEqual([]);
    expect(limits({}, wholeRoom("side-by-side"))).toEqual(["layout"]);
    expect(limits({}, wholeRoom("speaker-light"))).toEqual([]);
    expect(limits({}, { ...wholeRoom("mine"), base_url: "https://template.example" })).toEqual([]);
    expect(limits({ format: { type: "preset", container: "webm", preset: "H264_720P_30" } })).toEqual([
      "webm",
    ]);
  });

  it("as published is one track alone", () => {
    const format = { type: "as_published", container: null } as const;
    expect(limits({ format }, { type: "track", track_id: "TR_1" })).toEqual([]);
    expect(limits({ format }, wholePerson("ada"))).toEqual(["as_published"]);
    expect(
      limits({ format }, { type: "track_composite", video_track_id: "TR_1", audio_track_id: "TR_2" }),
    ).toEqual(["as_published"]);
  });

  it("live destinations come later, also where one is ticked that is gone", () => {
    const with_ = { ...snapshot, destinations: [destination("youtube", "YouTube")] };
    expect(limitsOf(request(wholeRoom()), ["youtube"], with_)).toEqual(["live"]);
    expect(limitsOf(request(wholeRoom()), ["gone"], with_)).toEqual([]);
  });
});

describe("a job there", () => {
  it("goes on by the clock until it has ended", () => {
    const job = elsewhereJob("EG_1", "Ada", { started_at_ms: NOW_MS - 65_000 });
    expect(elapsedElsewhere(job, NOW_MS)).toBe(65_000);
    expect(elapsedElsewhere({ ...job, ended_at_ms: NOW_MS - 5000 }, NOW_MS)).toBe(60_000);
    expect(elapsedElsewhere({ ...job, started_at_ms: null }, NOW_MS)).toBe(0);
    // A clock that is a little behind the server's.
    expect(elapsedElsewhere(job, NOW_MS - 100_000)).toBe(0);
  });

  it("has the layouts of LiveKit's template, or the one of a template of one's own", () => {
    const names = (current: string) => layoutsElsewhere(stockLayouts, current).map((one) => one.name);
    expect(names("grid")).toEqual([
      "grid",
      "grid-light",
      "speaker",
      "speaker-light",
      "single-speaker",
      "single-speaker-light",
    ]);
    expect(names("mine")[0]).toBe("mine");
    expect(names("grid-dark")).toEqual(names("grid"));
    expect(names("")).toEqual(names("grid"));
  });
});

describe("the history", () => {
  it("has both in one list, newest first, and leaves ours in their order", () => {
    const hour = 3_600_000;
    const ours = [1, 4, 3].map((h) => past(`EG_${h}`, "Ada", { started_at_ms: NOW_MS - h * hour }));
    const theirs = [5, 2].map((h) =>
      pastElsewhere(`EG_lk${h}`, "Room", { started_at_ms: NOW_MS - h * hour }),
    );
    expect(entriesOf(ours, theirs).map((entry) => entry.job.egress_id)).toEqual([
      "EG_1",
      "EG_lk2",
      "EG_4",
      "EG_3",
      "EG_lk5",
    ]);
  });
});
