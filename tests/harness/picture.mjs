// Draws the pictures of synthetic people into I420 buffers.

import { text } from './glyphs.mjs';
import { BLOCK_H, BLOCK_W, CODE_COLUMNS, CODE_ROWS, colour, encodeCode, FLASH_MS } from './schedule.mjs';

const BLACK = 16;
const WHITE = 235;

/** The pictures of one person in one size. */
export class Picture {
  /**
   * @param {{person: number, name: string, width: number, height: number, fps: number, noise?: number}} of
   *   `noise`: share of the picture, 0 to 1, filled with fresh noise in every frame, so that the encoder has to
   *   spend its bits.
   */
  constructor({ person, name, width, height, fps, noise = 0 }) {
    Object.assign(this, { person, name, width, height, fps, noise });
    this.data = new Uint8Array(width * height + 2 * Math.ceil(width / 2) * Math.ceil(height / 2));
    this.background = this.#background();
    this.flashFrames = Math.max(1, Math.round((FLASH_MS * fps) / 1000));
    if (noise > 0) this.noisePool = noisePool(width * 64);
  }

  /** Draws frame `n` and returns the buffer, which the next call overwrites. */
  draw(n) {
    const { data, width, height } = this;
    data.set(this.background);
    const top = Math.ceil(height * BLOCK_H * CODE_ROWS) + 2;
    if (this.noise > 0) this.#noise(n, top);
    // Whatever moves: a square that crosses the picture once every four seconds.
    const size = Math.round(height / 8);
    const way = (n % (this.fps * 4)) / (this.fps * 4);
    this.#rect(Math.round(way * (width - size)), Math.round(height * 0.78), size, size, 180);
    this.#text(clock(n, this.fps), width * 0.05, height * 0.62, Math.max(1, Math.floor(height / 90)));
    if (n % this.fps < this.flashFrames) {
      // The right half below the code: the flash must not touch the code.
      this.#rect(Math.floor(width / 2), top, Math.ceil(width / 2), height - top, WHITE, true);
    }
    this.#code(encodeCode(this.person, n));
    return data;
  }

  #background() {
    const { width, height, data } = this;
    const [y, u, v] = colour(this.person).yuv;
    const luma = width * height;
    const chroma = (data.length - luma) / 2;
    for (let row = 0; row < height; row++) {
      // A gentle slope, so that the picture is not flat.
      data.fill(Math.round(y + (24 * row) / height - 12), row * width, (row + 1) * width);
    }
    data.fill(u, luma, luma + chroma);
    data.fill(v, luma + chroma);
    const scale = Math.max(1, Math.floor(height / 60));
    this.#text(this.name.toUpperCase(), width * 0.05, height * 0.42, scale);
    return data.slice();
  }

  #noise(n, top) {
    const { data, width, height, noisePool: pool } = this;
    const rows = Math.round((height - top) * this.noise);
    for (let row = 0; row < rows; row++) {
      const at = ((n * 7919 + row * 104729) % (pool.length - width / 2)) | 0;
      data.set(pool.subarray(at, at + width / 2), (height - 1 - row) * width);
    }
  }

  #code(bits) {
    const w = this.width * BLOCK_W;
    const h = this.height * BLOCK_H;
    for (let i = 0; i < CODE_COLUMNS * CODE_ROWS; i++) {
      const x = Math.round((i % CODE_COLUMNS) * w);
      const y = Math.round(Math.floor(i / CODE_COLUMNS) * h);
      const bit = (bits >>> (31 - i)) & 1;
      this.#rect(x, y, Math.round(w), Math.round(h), bit ? WHITE : BLACK, true);
    }
  }

  /** A filled rectangle of one luma; `grey` takes the colour out of it. */
  #rect(x, y, w, h, luma, grey = false) {
    const { data, width, height } = this;
    const right = Math.min(width, x + w);
    const bottom = Math.min(height, y + h);
    for (let row = Math.max(0, y); row < bottom; row++) data.fill(luma, row * width + x, row * width + right);
    if (!grey) return;
    const cw = Math.ceil(width / 2);
    const planes = [width * height, width * height + cw * Math.ceil(height / 2)];
    for (const plane of planes) {
      for (let row = y >> 1; row < Math.ceil(bottom / 2); row++) {
        data.fill(128, plane + row * cw + (x >> 1), plane + row * cw + Math.ceil(right / 2));
      }
    }
  }

  #text(words, left, top, scale) {
    text(words, left, top, scale, this.width, (x, y, size) => this.#rect(x, y, size, size, 225));
  }
}

function clock(n, fps) {
  const s = Math.floor(n / fps);
  const two = (v) => String(v).padStart(2, '0');
  return `${two(Math.floor(s / 60) % 60)}:${two(s % 60)}:${two(n % fps)}`;
}

// Not Math.random: the same noise in every run.
function noisePool(length) {
  const pool = new Uint8Array(length * 16);
  let state = 0x2545f491;
  for (let i = 0; i < pool.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    pool[i] = 60 + (state & 0x7f);
  }
  return pool;
}
