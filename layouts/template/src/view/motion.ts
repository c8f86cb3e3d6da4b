// How a tile moves from one place to another. Only transforms and opacity change, as keyframes that the browser plays
// by itself. The frame of the tile is stretched on its way; picture and words are stretched back, so that faces and
// letters keep their shape.

import type { Easing } from "../../../types";
import type { Rect } from "../place/types";

export function ease(easing: Easing, t: number): number {
  if (easing === "linear") return t;
  if (easing === "ease_out") return 1 - (1 - t) ** 3;
  return t < 0.5 ? 4 * t ** 3 : 1 - 4 * (1 - t) ** 3;
}

export function between(from: Rect, to: Rect, share: number): Rect {
  const at = (a: number, b: number) => a + (b - a) * share;
  return {
    x: at(from.x, to.x),
    y: at(from.y, to.y),
    width: at(from.width, to.width),
    height: at(from.height, to.height),
  };
}

export interface Motion {
  frame: Keyframe[];
  /** Of the picture: it goes on filling its tile. */
  picture: Keyframe[];
  /** Of the name tag: it keeps its size. */
  tag: Keyframe[];
}

// A keyframe for each picture of 60 a second up to 24: between two of them the browser goes straight.
function steps(ms: number): number {
  return Math.max(4, Math.min(24, Math.ceil(ms / 16)));
}

/** `to` is where the tile is laid out; `fills` whether its picture is cropped to the tile. */
export function motion(from: Rect, to: Rect, ms: number, easing: Easing, fills: boolean): Motion {
  const count = steps(ms);
  const all: Motion = { frame: [], picture: [], tag: [] };
  for (let i = 0; i <= count; i++) {
    const offset = i / count;
    const rect = between(from, to, ease(easing, offset));
    const sx = rect.width / Math.max(1, to.width);
    const sy = rect.height / Math.max(1, to.height);
    const one = fills ? Math.max(sx, sy) : Math.min(sx, sy);
    const move = `translate(${rect.x - to.x}px, ${rect.y - to.y}px) scale(${sx}, ${sy})`;
    all.frame.push({ offset, transform: move });
    all.picture.push({ offset, transform: `scale(${one / sx}, ${one / sy})` });
    all.tag.push({ offset, transform: `scale(${1 / sx}, ${1 / sy})` });
  }
  return all;
}
