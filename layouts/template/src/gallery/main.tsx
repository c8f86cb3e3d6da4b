// The layouts without a room: `window.gallery.show(…)` draws people who are made up, with pictures that stand still.

import { flushSync } from "react-dom";
import { createRoot } from "react-dom/client";
import { find, fromPage } from "../document/find";
import type { Shape } from "../place/fit";
import { hash } from "../place/look";
import { place } from "../place/place";
import type { Person, Tile } from "../place/types";
import { Stage } from "../view/stage";
import "../view/styles.css";

/** Somebody who is made up. */
interface Figure extends Person {
  /** Of the picture of their camera; 1280x720 where nothing is said. */
  shape?: Shape;
}

declare global {
  interface Window {
    gallery: { show: (layout: unknown, people: readonly Figure[]) => Promise<void> };
  }
}

const WIDE: Shape = { width: 1280, height: 720 };
const shapes = new Map<string, Shape>();

// Wall, clothes, skin, hair.
const LOOKS = [
  ["#5d6a7d", "#2c3444", "#d9a98a", "#2b211d"],
  ["#7c6f63", "#dfe3e6", "#8d5a3f", "#15110f"],
  ["#5f7a72", "#54708e", "#edc3a5", "#8a5a33"],
  ["#8a8378", "#303a36", "#b57b58", "#241a16"],
  ["#6c6883", "#c9b37e", "#f0cdb4", "#c8a063"],
  ["#566f86", "#6f2f3f", "#6b412e", "#0f0c0b"],
] as const;

function portrait(canvas: HTMLCanvasElement | null, identity: string) {
  const pen = canvas?.getContext("2d");
  if (!canvas || !pen) return;
  const [wall, clothes, skin, hair] = LOOKS[hash(identity) % LOOKS.length] ?? LOOKS[0];
  // Drawn for 1280x720: in another shape the middle of it, as high as there is room.
  const scale = canvas.height / 720;
  pen.setTransform(scale, 0, 0, scale, (canvas.width - 1280 * scale) / 2, 0);
  const light = pen.createRadialGradient(320, 180, 60, 640, 400, 900);
  light.addColorStop(0, "#ffffff55");
  light.addColorStop(1, "#00000066");
  const oval = (x: number, y: number, w: number, h: number, colour: string) => {
    pen.fillStyle = colour;
    pen.beginPath();
    pen.ellipse(x, y, w, h, 0, 0, Math.PI * 2);
    pen.fill();
  };
  pen.fillStyle = wall;
  pen.fillRect(0, 0, 1280, 720);
  pen.fillStyle = light;
  pen.fillRect(0, 0, 1280, 720);
  oval(640, 760, 270, 250, clothes);
  oval(640, 510, 62, 90, skin);
  oval(640, 310, 138, 168, hair);
  oval(640, 340, 112, 148, skin);
  oval(598, 322, 10, 13, "#1c1715");
  oval(682, 322, 10, 13, "#1c1715");
  oval(640, 412, 34, 9, "#8c4d43");
}

function slides(canvas: HTMLCanvasElement | null) {
  const pen = canvas?.getContext("2d");
  if (!pen) return;
  pen.fillStyle = "#fbfbfc";
  pen.fillRect(0, 0, 1280, 720);
  pen.fillStyle = "#1d2733";
  pen.font = "600 54px 'Inter Variable'";
  pen.fillText("Third quarter", 90, 140);
  for (const [i, share] of [0.42, 0.58, 0.5, 0.76, 0.88].entries()) {
    pen.fillStyle = i === 4 ? "#2f7fd0" : "#c3cfdd";
    pen.fillRect(100 + i * 220, 620 - share * 380, 150, share * 380);
  }
}

function draw(tile: Tile, drawn: (shape: Shape) => void) {
  const shape = (tile.kind === "camera" && shapes.get(tile.identity)) || WIDE;
  const size = `${shape.width}x${shape.height}`;
  return (
    <canvas
      width={shape.width}
      height={shape.height}
      ref={(canvas) => {
        if (tile.kind === "screen") slides(canvas);
        else portrait(canvas, tile.identity);
        if (canvas && canvas.dataset.drawn !== size) {
          canvas.dataset.drawn = size;
          drawn(shape);
        }
      }}
    />
  );
}

const element = document.getElementById("root");
if (!element) throw new Error("the page has no root");
const root = createRoot(element);

window.gallery = {
  show: async (layout, people) => {
    await document.fonts.load("600 16px 'Inter Variable'");
    const found = await find(layout, fromPage, true);
    if (!found.ok) throw new Error(`${found.error.path}: ${found.error.reason}`);
    shapes.clear();
    for (const { identity, shape } of people) if (shape) shapes.set(identity, shape);
    const frame = { width: innerWidth, height: innerHeight };
    const placement = place(found.choice, people, frame, Date.now());
    // On the page when the call returns.
    flushSync(() => root.render(<Stage placement={placement} draw={draw} onDrawn={() => {}} still />));
  },
};
