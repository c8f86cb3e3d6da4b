import { describe, expect, it } from "vitest";
import { type Scene, startMs } from "./start";

const scene = (change: Partial<Scene>): Scene => ({
  wanted: ["camera:ada", "camera:ben"],
  drawn: new Set<string>(),
  drawnMs: null,
  subscribedMs: 1000,
  ...change,
});

describe("the start of a recording", () => {
  it("never comes in an empty room", () => {
    expect(startMs(scene({ wanted: [], subscribedMs: null }), 1e12)).toBeNull();
    expect(startMs(scene({ subscribedMs: null }), 1e12)).toBeNull();
  });

  it("comes when every picture that is shown is drawn", () => {
    const both = new Set(["camera:ada", "camera:ben"]);
    expect(startMs(scene({ drawn: both, drawnMs: 1400 }), 1600)).toBe(1600);
  });

  it("waits for the others a while once the first is drawn", () => {
    const one = new Set(["camera:ada"]);
    expect(startMs(scene({ drawn: one, drawnMs: 1400 }), 1600)).toBe(2900);
  });

  it("gives up on pictures that never come", () => {
    expect(startMs(scene({}), 1600)).toBe(6000);
    expect(startMs(scene({ drawn: new Set(["camera:ada"]), drawnMs: 5900 }), 5950)).toBe(6000);
  });

  it("gives sound alone a moment, in case a camera follows", () => {
    expect(startMs(scene({ wanted: [] }), 1100)).toBe(2000);
  });

  it("does not count a picture that is not shown", () => {
    const others = new Set(["camera:eve", "screen:eve"]);
    expect(startMs(scene({ drawn: others }), 1600)).toBe(6000);
  });
});
