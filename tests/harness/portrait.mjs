// Draws the people of the demo: somebody before a plain wall, who moves and talks. Nothing in it is measured.

import { text } from './glyphs.mjs';

// Wall, clothes, skin and hair as Y, U, V. No red: in the studio red means that something records.
const LOOKS = [
  { wall: [92, 138, 108], clothes: [62, 150, 120], skin: [172, 110, 146], hair: [45, 124, 134] },
  { wall: [84, 152, 112], clothes: [176, 126, 126], skin: [126, 112, 150], hair: [28, 128, 128] },
  { wall: [96, 146, 136], clothes: [88, 108, 116], skin: [196, 114, 140], hair: [112, 104, 146] },
  { wall: [122, 104, 136], clothes: [52, 140, 122], skin: [148, 110, 150], hair: [34, 126, 132] },
];

/** The pictures of one person in one size. */
export class Portrait {
  constructor({ person, name, width, height, fps }) {
    Object.assign(this, { person, name, width, height, fps });
    this.look = LOOKS[person % LOOKS.length];
    this.data = new Uint8Array(width * height + 2 * Math.ceil(width / 2) * Math.ceil(height / 2));
    this.#wall();
    this.background = this.data.slice();
  }

  /** Draws frame `n` and returns the buffer, which the next call overwrites. */
  draw(n) {
    const { data, width, height, look, fps, person } = this;
    data.set(this.background);
    const t = n / fps + person * 1.7;
    const sway = Math.sin(t * 0.9) * width * 0.035 + Math.sin(t * 0.37) * width * 0.02;
    const nod = Math.sin(t * 1.9) * height * 0.012;
    const x = width / 2 + sway;
    const unit = height / 10;
    this.#ellipse(width / 2 + sway * 0.55, height + unit * 0.4, unit * 3.4, unit * 3.3, look.clothes);
    this.#ellipse(x * 0.75 + (width / 2) * 0.25, height * 0.66, unit * 0.75, unit * 1.5, shade(look.skin, -18));
    this.#ellipse(x, height * 0.39 + nod, unit * 1.75, unit * 2.15, look.hair);
    this.#ellipse(x, height * 0.43 + nod, unit * 1.45, unit * 1.85, look.skin);
    const blink = t % 3.7 < 0.12 ? 0.06 : 0.2;
    for (const side of [-1, 1]) {
      this.#ellipse(x + side * unit * 0.55, height * 0.4 + nod, unit * 0.17, unit * blink, [30, 128, 128]);
    }
    // Opens with the notes of the tune, two a second.
    const open = 0.08 + 0.3 * Math.exp(-((t * 2) % 1) * 3);
    this.#ellipse(x, height * 0.52 + nod, unit * 0.42, unit * open, [60, 122, 150]);
    return data;
  }

  #wall() {
    const { data, width, height, look } = this;
    const [y, u, v] = look.wall;
    const luma = width * height;
    for (let row = 0; row < height; row++) {
      const line = data.subarray(row * width, (row + 1) * width);
      // Light falls from the upper left.
      for (let x = 0; x < width; x++) line[x] = y + 26 * (1 - Math.hypot(x / width - 0.25, (row / height - 0.2) * 0.8) * 1.5);
    }
    const chroma = (data.length - luma) / 2;
    data.fill(u, luma, luma + chroma);
    data.fill(v, luma + chroma);
    const scale = Math.max(1, Math.floor(height / 120));
    text(this.name.toUpperCase(), width * 0.04, height * 0.9, scale, width, (px, py, size) => {
      for (let row = py; row < Math.min(height, py + size); row++) data.fill(215, row * width + px, row * width + px + size);
    });
  }

  #ellipse(cx, cy, rx, ry, [luma, u, v]) {
    const { data, width, height } = this;
    const cw = Math.ceil(width / 2);
    const uPlane = width * height;
    const vPlane = uPlane + cw * Math.ceil(height / 2);
    for (let row = Math.max(0, Math.ceil(cy - ry)); row <= Math.min(height - 1, cy + ry); row++) {
      const half = rx * Math.sqrt(Math.max(0, 1 - ((row - cy) / ry) ** 2));
      const from = Math.max(0, Math.round(cx - half));
      const to = Math.min(width, Math.round(cx + half));
      if (to <= from) continue;
      data.fill(luma, row * width + from, row * width + to);
      if (row % 2) continue;
      const at = (row / 2) * cw;
      data.fill(u, uPlane + at + (from >> 1), uPlane + at + (to >> 1));
      data.fill(v, vPlane + at + (from >> 1), vPlane + at + (to >> 1));
    }
  }
}

function shade([y, u, v], by) {
  return [y + by, u, v];
}
