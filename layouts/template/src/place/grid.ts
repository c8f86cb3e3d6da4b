// The grid rule, told in PLACEMENT.md. Nothing is rounded here.

import type { Aspect } from "../../../types";
import type { Rect } from "./types";

interface Shape {
  columns: number;
  width: number;
  height: number;
}

/** The tile's size in a cell: as large as its allowed shapes let it be. */
function within(width: number, height: number, aspect: Aspect): { width: number; height: number } {
  const shape = width / height;
  if (shape > aspect.most) return { width: height * aspect.most, height };
  if (shape < aspect.least) return { width, height: width / aspect.least };
  return { width, height };
}

function shapeFor(count: number, area: Rect, gap: number, aspect: Aspect): Shape {
  let best: Shape = { columns: 1, width: 0, height: 0 };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const width = (area.width - (columns - 1) * gap) / columns;
    const height = (area.height - (rows - 1) * gap) / rows;
    if (width <= 0 || height <= 0) continue;
    const tile = within(width, height, aspect);
    // A hair's breadth more must not decide, or two machines could choose differently.
    if (tile.width * tile.height > best.width * best.height * 1.000001) best = { columns, ...tile };
  }
  return best;
}

/** Places `count` tiles of one size in an area, row by row, all in the middle. */
export function grid(count: number, area: Rect, gap: number, aspect: Aspect): Rect[] {
  if (count < 1) return [];
  const { columns, width, height } = shapeFor(count, area, gap, aspect);
  const rows = Math.ceil(count / columns);
  const top = area.y + (area.height - rows * height - (rows - 1) * gap) / 2;
  return Array.from({ length: count }, (_, i) => {
    const row = Math.floor(i / columns);
    const inRow = Math.min(columns, count - row * columns);
    const left = area.x + (area.width - inRow * width - (inRow - 1) * gap) / 2;
    return { x: left + (i % columns) * (width + gap), y: top + row * (height + gap), width, height };
  });
}

// A hair's breadth left of the frame would be minus nothing.
const round = (value: number) => Math.round(value) || 0;

/** Whole pixels: edges are rounded, not sizes, so that what touches goes on touching. */
export function whole(rect: Rect): Rect {
  const x = round(rect.x);
  const y = round(rect.y);
  return { x, y, width: round(rect.x + rect.width) - x, height: round(rect.y + rect.height) - y };
}
