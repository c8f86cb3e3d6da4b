import { describe, expect, it } from "vitest";
import { job, jobFigures, past, wholePerson } from "@/backend/fixture/people";
import { destination, notThere, refusedKey, stream, streamFigures } from "@/backend/fixture/streams";
import type { DestinationState, Job } from "@/backend/types";
import { protocolWords, stateWords } from "@/views/live/stream-words";
import { elapsedOf, kindOf, lengthOf, sentOf, sizeOf, sumOf } from "@/views/outputs/job-figures";
import {
  airOf,
  airOfAll,
  isLastOf,
  keyOf,
  rememberSaved,
  savedOn,
  streamName,
  streamsOf,
  tickedOf,
} from "./live";
import { isRecording } from "./select";

const live: DestinationState = { is: "live", retries: 0 };
const lost: DestinationState = { is: "reconnecting", retries: 2, error: notThere };
const stopped: DestinationState = {
  is: "stopped",
  result: { started_at_ns: 10e9, ended_at_ns: 70e9, size_bytes: 5_000_000, retries: 0 },
};
const ada = job("EG_ada", "Ada", wholePerson("ada"));
const A = "rtmp://a.example/live/{a...z}";
const B = "rtmp://b.example/live/{b...z}";

const withStreams = (states: DestinationState[], file = true): Job => ({
  ...ada,
  outputs: [
    ...(file ? ada.outputs : []),
    ...states.map((state, i) => stream(`stream-${i + 1}`, i === 0 ? A : B, state)),
  ],
  figures: {
    ...jobFigures(0, ""),
    outputs: [
      ...(file
        ? jobFigures(60_000, "", { size_bytes: 1000, bitrate_bps: 10, dropped_frames: 1 }).outputs
        : []),
      ...states.map((_, i) =>
        streamFigures(`stream-${i + 1}`, {}, { size_bytes: 500, bitrate_bps: 7, elapsed_ms: 90_000 }),
      ),
    ],
  },
});

describe("figures", () => {
  it("of files and of streams are never one sum", () => {
    const both = withStreams([live, live]);
    expect(sumOf(both)).toMatchObject({ size_bytes: 1000, bitrate_bps: 10, dropped_frames: 1 });
    expect(sumOf(both, "streams")).toMatchObject({ size_bytes: 1000, bitrate_bps: 14, disk_left_s: null });
    expect(elapsedOf(both)).toBe(60_000);
    expect(kindOf(both)).toBe("files");
  });

  it("of a job without a file are those of its streams", () => {
    const only = withStreams([live], false);
    expect(kindOf(only)).toBe("streams");
    expect(elapsedOf(only)).toBe(90_000);
    expect(sumOf(only).size_bytes).toBe(0);
  });

  it("of what is over: the file's own size and length, and beside it what was sent", () => {
    const over = past("EG_p", "Ada", { size: 42, length_ms: 3000 });
    const streamed = { ...over, outputs: [...over.outputs, stream("stream-1", A, stopped)] };
    expect([sizeOf(streamed), lengthOf(streamed), sentOf(streamed)]).toEqual([42, 3000, 5_000_000]);
    const only = { ...over, outputs: [stream("stream-1", A, stopped)] };
    expect([sizeOf(only), lengthOf(only)]).toEqual([0, 60_000]);
  });
});

describe("on air", () => {
  it("is what is recorded or taken by a server, and nothing else", () => {
    expect(airOf(withStreams([live, lost, stopped]))).toEqual({ records: true, live: 1, wanted: 2 });
    expect(isRecording(withStreams([lost]))).toBe(true);
    expect(isRecording(withStreams([lost], false))).toBe(false);
    expect(isRecording(withStreams([lost, live], false))).toBe(true);
    expect(airOfAll([withStreams([live], false), withStreams([lost]), { ...ada, preview: true }])).toEqual({
      recording: 1,
      live: 1,
      wanted: 2,
    });
  });

  it("ends with the last destination, where nothing else is done", () => {
    expect(isLastOf(withStreams([live], false), "stream-1")).toBe(true);
    expect(isLastOf(withStreams([live, stopped], false), "stream-1")).toBe(true);
    expect(isLastOf(withStreams([live, lost], false), "stream-1")).toBe(false);
    expect(isLastOf(withStreams([live]), "stream-1")).toBe(false);
  });
});

describe("destinations", () => {
  it("are in the order in which they were added", () => {
    const many = withStreams(Array.from({ length: 11 }, () => live));
    const mixed = { ...many, outputs: many.outputs.toSorted((a, b) => (a.id < b.id ? -1 : 1)) };
    expect(streamsOf(mixed).map((one) => one.id)).toEqual(many.outputs.slice(1).map((one) => one.id));
  });

  it("have the name that they are saved by, where it is known which it is", () => {
    const one = withStreams([live]);
    const [output] = streamsOf(one);
    if (!output) throw new Error("it streams");
    const first = destination("d1", "First", { address: A });
    const second = destination("d2", "Second", { address: A });
    expect(streamName("EG_ada", output, [])).toBe("a.example/live/{a...z}");
    expect(streamName("EG_ada", output, [first])).toBe("First");
    // Two whose keys look alike: which it is, only who added it knows.
    expect(streamName("EG_ada", output, [first, second])).toBe("a.example/live/{a...z}");
    expect(savedOn(one, [first, second])).toEqual([]);
    rememberSaved("EG_ada", "stream-1", "d2");
    expect(streamName("EG_ada", output, [first, second])).toBe("Second");
    expect(savedOn(one, [first, second])).toEqual(["d2"]);
    expect(keyOf("EG_ada", "stream-1")).toBe("EG_ada/stream-1");
  });

  it("are ticked only while they are saved and their key is at hand", () => {
    const gone = destination("d2", "Gone", { key: "missing" });
    const ticked = tickedOf(["d1", "d2", "d9"], [destination("d1", "First"), gone]);
    expect(ticked.map((one) => one.name)).toEqual(["First"]);
  });

  it("say how they are", () => {
    const words = (state: DestinationState, tries?: number, next_try_ms: number | null = null) =>
      stateWords(
        { address: A, protocol: "rtmp", sound: null, state, since_ms: 0 },
        tries === undefined ? null : streamFigures("s", { uptime_ms: null, tries, next_try_ms }),
      );
    expect(words({ is: "connecting" })).toBe("Connecting…");
    expect(words(live)).toBe("Live");
    expect(words(lost)).toBe("Reconnecting");
    expect(words(lost, 3, 7_600)).toBe("Try 4 in 8 s");
    expect(words(lost, 3, 10)).toBe("Try 4 in 1 s");
    expect(words(lost, 4)).toBe("Try 4…");
    expect(words({ is: "refused", error: refusedKey })).toBe("Refused");
    expect(protocolWords({ address: "mux://{a...b}", protocol: "rtmp" })).toBe("RTMPS");
    expect(protocolWords({ address: A, protocol: "rtmp" })).toBe("RTMP");
    expect(protocolWords({ address: "srt://a:1", protocol: "srt" })).toBe("SRT");
  });
});
