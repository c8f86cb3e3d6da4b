import type { LayoutChoice } from "@/backend/types";
import { cx } from "@/lib/cx";

type Region = LayoutChoice["regions"][number];

const GAP = 0.022;

/** A place that many share, cut into so many; told by its shape, as the list does not say it. */
function tilesOf(layout: LayoutChoice, [x, y, w, h]: Region): Region[] {
  const [width, height] = layout.portrait ? [9, 16] : [16, 9];
  const shape = (w * width) / (h * height);
  const everybody = layout.regions.length === 1 && layout.name.startsWith("grid");
  const many = (ratio: number) => Math.min(4, Math.max(1, Math.round(ratio)));
  const [columns, rows] = everybody
    ? layout.portrait
      ? [1, 3]
      : [2, 2]
    : shape > 2.4
      ? [many(shape / (16 / 9)), 1]
      : shape < 0.5
        ? [1, many(1 / shape)]
        : [1, 1];
  return Array.from({ length: columns * rows }, (_, i) => [
    x + ((i % columns) * w) / columns,
    y + (Math.floor(i / columns) * h) / rows,
    w / columns,
    h / rows,
  ]);
}

/** A layout in small: its places, on a dark or a light ground. */
export function LayoutDrawing({ layout, className }: { layout: LayoutChoice; className?: string }) {
  const [width, height] = layout.portrait ? [45, 80] : [80, 45];
  return (
    <svg viewBox={`0 0 ${width} ${height}`} className={cx("block rounded-sm", className)} aria-hidden="true">
      <rect width={width} height={height} rx="2" className={layout.light ? "fill-ink" : "fill-night"} />
      {layout.regions
        .flatMap((region, over) => tilesOf(layout, region).map((tile) => ({ tile, over })))
        .map(({ tile: [x, y, w, h], over }) => {
          const gap = GAP * 80;
          return (
            <rect
              key={`${over} ${x} ${y}`}
              x={x * width + gap / 2}
              y={y * height + gap / 2}
              width={Math.max(1, w * width - gap)}
              height={Math.max(1, h * height - gap)}
              rx="1.5"
              strokeWidth={over > 0 ? 1.5 : 0}
              className={cx(
                layout.light ? "fill-soft stroke-ink" : "fill-edge stroke-night",
                over > 0 && (layout.light ? "fill-faint" : "fill-faint"),
              )}
            />
          );
        })}
    </svg>
  );
}
