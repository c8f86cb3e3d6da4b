// Draws a placement, and lets tiles move when it changes.

import { useLayoutEffect, useRef, useState } from "react";
import type { Background, Easing } from "../../../types";
import type { Placement, Rect, Tile } from "../place/types";
import { between, ease, motion } from "./motion";
import { type Draw, TileView } from "./tile";

interface Flight {
  from: Rect;
  to: Rect;
  beganMs: number;
  ms: number;
  easing: Easing;
}

interface Props {
  placement: Placement;
  draw: Draw;
  onDrawn: (key: string) => void;
  /** Everything stands at once: before the recording begins, and on stills. */
  still?: boolean;
}

function paint(background: Background): string {
  if ("colour" in background) return background.colour;
  const { from, to, angle_deg } = background.gradient;
  return `linear-gradient(${angle_deg}deg, ${from}, ${to})`;
}

/** Where a tile is seen at this moment. */
function seenAt({ from, to, beganMs, ms, easing }: Flight, now: number): Rect {
  return between(from, to, ease(easing, Math.min(1, (now - beganMs) / Math.max(1, ms))));
}

/** How far animations are when they begin, ms: about a frame. */
const LEAD_MS = 40;

const same = (a: Rect, b: Rect) => a.x === b.x && a.y === b.y && a.width === b.width && a.height === b.height;

export function Stage({ placement, draw, onDrawn, still = false }: Props) {
  const root = useRef<HTMLDivElement>(null);
  const flights = useRef(new Map<string, Flight>());
  const leaving = useLeaving(placement, still);
  const tiles = [
    ...placement.tiles.map((tile) => ({ tile, gone: false })),
    ...leaving.map((tile) => ({ tile, gone: true })),
  ];
  // In an order that never changes: a video that is moved within the page may stop.
  tiles.sort((a, b) => (a.tile.key < b.tile.key ? -1 : 1));

  useLayoutEffect(() => {
    const now = performance.now();
    const { ms, easing } = placement.transition;
    const first = flights.current.size === 0;
    const next = new Map<string, Flight>();
    for (const tile of placement.tiles) {
      const before = flights.current.get(tile.key);
      if (before && same(before.to, tile.rect)) {
        next.set(tile.key, before);
        continue;
      }
      const duration = still ? 0 : ms;
      const from = before && duration > 0 ? seenAt(before, now) : tile.rect;
      next.set(tile.key, { from, to: tile.rect, beganMs: now - LEAD_MS, ms: duration, easing });
      const element = root.current?.querySelector(`[data-key="${CSS.escape(tile.key)}"]`);
      if (!element) continue;
      stop(element);
      if (duration > 0 && !first) play(element, tile, before ? from : null, duration, easing);
    }
    flights.current = next;
  }, [placement, still]);

  return (
    <div className="stage" ref={root} data-layout={placement.layout} data-still={still || undefined}>
      <Backdrop background={paint(placement.background)} ms={still ? 0 : placement.transition.ms} />
      {tiles.map(({ tile, gone }) => (
        <TileView key={tile.key} tile={tile} leaving={gone} draw={draw} onDrawn={onDrawn} />
      ))}
    </div>
  );
}

/** Ends what a tile is about to do: to move, or to fade because it was gone a moment ago. */
function stop(element: Element) {
  for (const part of [element, ...element.querySelectorAll(".moves, .tag")]) {
    for (const one of part.getAnimations()) if (!(one instanceof CSSTransition)) one.cancel();
  }
}

/** Moves a tile to its place from where it was, or lets it appear. */
function play(element: Element, tile: Tile, from: Rect | null, duration: number, easing: Easing) {
  const timing = { duration, easing: "linear" };
  if (!from) {
    const small = "translate(3%, 3%) scale(0.94)";
    const frames = [
      { opacity: 0, transform: small },
      { opacity: 1, transform: "none" },
    ];
    underWay(element.animate(frames, { duration, easing: "ease-out" }));
    return;
  }
  const cropped = element.querySelector('.picture [data-fit="crop"]') !== null;
  const keyframes = motion(from, tile.rect, duration, easing, cropped);
  underWay(element.animate(keyframes.frame, timing));
  for (const part of element.querySelectorAll(".picture .moves"))
    underWay(part.animate(keyframes.picture, timing));
  const discs = motion(from, tile.rect, duration, easing, false);
  for (const part of element.querySelectorAll(".card .moves")) underWay(part.animate(discs.picture, timing));
  for (const part of element.querySelectorAll(".tag")) underWay(part.animate(keyframes.tag, timing));
}

/** Lets the first frame of an animation be one that differs: whoever changes the layout sees it a frame earlier. */
function underWay(animation: Animation) {
  animation.currentTime = LEAD_MS;
}

/** Tiles that were there a moment ago. They fade, then they are gone. */
function useLeaving(placement: Placement, still: boolean): Tile[] {
  const [before, setBefore] = useState(placement);
  const [leaving, setLeaving] = useState<Tile[]>([]);
  const here = (key: string) => placement.tiles.some((tile) => tile.key === key);
  if (before !== placement) {
    setBefore(placement);
    const staying = leaving.filter(({ key }) => !here(key));
    const fresh = before.tiles.filter(({ key }) => !here(key));
    // The same list while it stays the same: a new one would begin the fading anew.
    if (still || placement.transition.ms === 0) {
      if (leaving.length) setLeaving([]);
    } else if (fresh.length || staying.length < leaving.length) setLeaving([...staying, ...fresh]);
  }
  const { ms } = placement.transition;
  useLayoutEffect(() => {
    if (!leaving.length) return;
    for (const { key } of leaving) {
      const element = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
      const fading = element?.getAnimations().some(({ id }) => id === "leave");
      if (element && !fading) {
        const frames = [{ opacity: 1 }, { opacity: 0 }];
        underWay(
          element.animate(frames, { id: "leave", duration: ms, fill: "forwards", easing: "ease-out" }),
        );
      }
    }
    const timer = setTimeout(() => setLeaving((now) => now.filter((tile) => !leaving.includes(tile))), ms);
    return () => clearTimeout(timer);
  }, [leaving, ms]);
  return leaving.filter(({ key }) => !here(key));
}

/** The background, and the one before it, which it covers while it comes. */
function Backdrop({ background, ms }: { background: string; ms: number }) {
  const [layers, setLayers] = useState([{ id: 0, background, fadeMs: 0 }]);
  const top = layers.at(-1);
  if (top && top.background !== background) {
    setLayers([...layers.slice(-1), { id: top.id + 1, background, fadeMs: ms }]);
  }
  return layers.map(({ id, ...layer }) => <Layer key={id} {...layer} />);
}

function Layer({ background, fadeMs }: { background: string; fadeMs: number }) {
  const element = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const timing = { duration: fadeMs, easing: "ease-out" };
    if (fadeMs > 0) element.current?.animate([{ opacity: 0 }, { opacity: 1 }], timing);
  }, [fadeMs]);
  return <div ref={element} className="background" style={{ background }} />;
}
