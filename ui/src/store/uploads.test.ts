import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NOW_MS, past } from "@/backend/fixture/people";
import { anUpload, stored, unreachable, waiting } from "@/backend/fixture/uploads";
import type { Job, Upload } from "@/backend/types";
import { groupsOf, isGoingUp, leading, percentOf, progressOf, sumOf } from "./uploads";

const size = (sent_bytes: number, total_bytes: number, rate_bps = 0, remaining_ms: number | null = null) => ({
  progress: { sent_bytes, total_bytes, rate_bps, remaining_ms },
});

/** A job of segments: `show.m3u8` and what lies beside it. */
function hls(id: string): Job {
  const job = past(id, "Whole room");
  const [output] = job.outputs;
  if (!output) throw new Error("the fixture has an output");
  const set = { of: "segments", live_playlist: null, count: 3 } as const;
  return { ...job, outputs: [{ ...output, id: "hls", path: "/rec/show/show.m3u8", set }] };
}

const segment = (n: number, change: Partial<Upload> = {}) =>
  anUpload(`UP_${n}`, { owner: "EG_hls", path: `/rec/show/show_${n}.ts`, ...change });

describe("percent", () => {
  it("is 100 only where all of it is up", () => {
    expect(percentOf({ sent_bytes: 999, total_bytes: 1000, rate_bps: 0, remaining_ms: null })).toBe(99);
    expect(percentOf({ sent_bytes: 1000, total_bytes: 1000, rate_bps: 0, remaining_ms: null })).toBe(100);
    expect(percentOf({ sent_bytes: 0, total_bytes: 0, rate_bps: 0, remaining_ms: null })).toBe(0);
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (sent_bytes, total_bytes) => {
        const percent = percentOf({ sent_bytes, total_bytes, rate_bps: 0, remaining_ms: null });
        return percent >= 0 && percent <= 100 && (percent < 100 || sent_bytes >= total_bytes);
      }),
    );
  });
});

describe("several uploads as one", () => {
  it("say first what has to be looked at", () => {
    const kinds = (...states: Upload["state"][]) =>
      leading(states.map((state, i) => anUpload(`UP_${i}`, { state })));
    expect(kinds({ kind: "uploading" }, waiting(), stored())).toBe("waiting");
    expect(kinds(stored(), { kind: "paused" }, { kind: "uploading" })).toBe("uploading");
    expect(kinds(stored(), stored())).toBe("stored");
  });

  it("take as long as what is left takes at the rate of all that moves", () => {
    const all = [
      anUpload("UP_1", { state: { kind: "uploading" }, ...size(100, 300, 800) }),
      anUpload("UP_2", { ...size(0, 100) }),
    ];
    expect(progressOf(all)).toEqual({ sent_bytes: 100, total_bytes: 400, rate_bps: 800, remaining_ms: 3000 });
    // What stands has no time.
    expect(
      progressOf([anUpload("UP_3", size(0, 100)), anUpload("UP_4", size(0, 100))]).remaining_ms,
    ).toBeNull();
    // What is known of one is taken as it is.
    expect(progressOf([anUpload("UP_5", size(0, 100, 800, 77))]).remaining_ms).toBe(77);
  });
});

describe("the sum of the list", () => {
  it("counts what waits apart, and leaves what is stored out", () => {
    const sum = sumOf([
      anUpload("UP_1", { state: stored(), ...size(500, 500) }),
      anUpload("UP_2", { state: waiting(), ...size(0, 1000) }),
      anUpload("UP_3", { state: { kind: "paused" }, ...size(0, 1000) }),
      anUpload("UP_4", { state: { kind: "uploading" }, ...size(50, 100, 400, 1000) }),
    ]);
    expect(sum).toEqual({ open: 3, waiting: 1, percent: 50, left_s: 1, moving: true });
  });

  it("moves nothing where everything is stored or waits", () => {
    expect(sumOf([anUpload("UP_1", { state: stored() })])).toMatchObject({ open: 0, moving: false });
    expect(sumOf([anUpload("UP_1", { state: waiting() })])).toMatchObject({ waiting: 1, moving: false });
    expect(sumOf([])).toEqual({ open: 0, waiting: 0, percent: 0, left_s: null, moving: false });
  });
});

describe("groups", () => {
  it("are recordings: what is on its way before what is stored, the newest first", () => {
    const uploads = [
      anUpload("UP_1", { owner: "EG_1", state: stored() }),
      anUpload("UP_2", { owner: "EG_2" }),
      anUpload("UP_3", { owner: "EG_3" }),
      anUpload("UP_4", { owner: "EG_2", path: "/rec/other.json", state: stored() }),
    ];
    const groups = groupsOf(uploads, [past("EG_2", "Ben")]);
    expect(groups.map((group) => group.owner)).toEqual(["EG_3", "EG_2", "EG_1"]);
    expect(groups.map((group) => group.job?.title)).toEqual([undefined, "Ben", undefined]);
    expect(groups.map((group) => group.lines.length)).toEqual([1, 2, 1]);
  });

  it("show the segments of a recording as one line, named after the playlist, and its other files apart", () => {
    const uploads = [
      segment(1, { state: { kind: "uploading" } }),
      segment(2),
      anUpload("UP_json", { owner: "EG_hls", path: "/rec/EG_hls.json" }),
    ];
    const [group] = groupsOf(uploads, [hls("EG_hls")]);
    expect(group?.lines.map(({ path, many, uploads: { length } }) => [path, many, length])).toEqual([
      ["/rec/show/show.m3u8", true, 2],
      ["/rec/EG_hls.json", false, 1],
    ]);
  });

  it("show very many files of a recording that is forgotten as one line", () => {
    const six = Array.from({ length: 6 }, (_, n) => segment(n));
    expect(groupsOf(six, [])[0]?.lines).toHaveLength(1);
    expect(groupsOf(six.slice(1), [])[0]?.lines).toHaveLength(5);
  });

  it("say each reason once", () => {
    const uploads = [
      segment(1, { state: waiting() }),
      segment(2, { state: waiting({ next_try_ms: NOW_MS }) }),
      segment(3, { state: waiting({ error: { ...unreachable, message: "Other." } }) }),
    ];
    expect(groupsOf(uploads, [])[0]?.errors.map((error) => error.message)).toEqual([
      unreachable.message,
      "Other.",
    ]);
  });
});

describe("a recording", () => {
  it("goes up until all of its files are stored", () => {
    const job = past("EG_1", "Ada");
    const mine = anUpload("UP_1", { owner: "EG_1" });
    expect(isGoingUp([mine], job)).toBe(true);
    expect(isGoingUp([{ ...mine, state: stored() }], job)).toBe(false);
    expect(isGoingUp([{ ...mine, owner: "EG_2" }], job)).toBe(false);
  });
});
