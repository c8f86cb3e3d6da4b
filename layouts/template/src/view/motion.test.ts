import { describe, expect, it } from "vitest";
import type { Easing } from "../../../types";
import { between, ease, motion } from "./motion";

const EASINGS: Easing[] = ["linear", "ease_out", "ease_in_out"];
const from = { x: 100, y: 0, width: 200, height: 100 };
const to = { x: 0, y: 50, width: 800, height: 800 };

/** The numbers in a transform. */
const numbers = (frame: Keyframe | undefined) =>
  (String(frame?.transform).match(/-?[\d.]+(e-?\d+)?/g) ?? []).map(Number);

describe("the motion of a tile", () => {
  it.each(EASINGS)("goes from beginning to end without turning back: %s", (easing) => {
    expect(ease(easing, 0)).toBe(0);
    expect(ease(easing, 1)).toBe(1);
    for (let t = 0; t < 1; t += 0.01) expect(ease(easing, t + 0.01)).toBeGreaterThan(ease(easing, t));
  });

  it("is half-way in the middle where it says so", () => {
    expect(ease("linear", 0.5)).toBe(0.5);
    expect(ease("ease_in_out", 0.5)).toBe(0.5);
    expect(ease("ease_out", 0.5)).toBe(0.875);
    expect(between(from, to, 0.5)).toEqual({ x: 50, y: 25, width: 500, height: 450 });
  });

  it("begins where the tile was and ends where it is", () => {
    const { frame } = motion(from, to, 300, "ease_out", true);
    expect(numbers(frame[0])).toEqual([100, -50, 0.25, 0.125]);
    expect(numbers(frame.at(-1))).toEqual([0, 0, 1, 1]);
  });

  it.each([true, false])("keeps pictures in shape, filling their tile: %s", (fills) => {
    const all = motion(from, to, 300, "ease_in_out", fills);
    for (const [i, frame] of all.frame.entries()) {
      const [, , sx = 0, sy = 0] = numbers(frame);
      const [px = 0, py = 0] = numbers(all.picture[i]);
      const [tx = 0, ty = 0] = numbers(all.tag[i]);
      expect(sx * px).toBeCloseTo(sy * py, 9);
      expect(sx * tx).toBeCloseTo(1, 9);
      expect(sy * ty).toBeCloseTo(1, 9);
      // Cropped pictures are never smaller than their tile, fitted ones never larger.
      if (fills) expect(Math.min(px, py)).toBeGreaterThan(1 - 1e-9);
      else expect(Math.max(px, py)).toBeLessThan(1 + 1e-9);
    }
  });
});
