// The template in Debian's Chromium, served as any static server would serve it.

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { chromium } from 'playwright-core';
import { CODE_COLUMNS, CODE_ROWS, colour, decodeCode } from '../harness/schedule.mjs';
import { until } from '../harness/wait.mjs';
import { ROOT } from '../setup.mjs';

export const TEMPLATE = join(ROOT, 'layouts/template/dist');
export const GALLERY = join(ROOT, 'layouts/template/gallery-dist');

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json', '.woff2': 'font/woff2' };

/**
 * Serves a folder, in a folder of the address as some hosts do.
 * @returns {Promise<{base: string, extra: Record<string, string>, close: () => Promise<void>}>} `extra`: texts of files
 *   beside those of the folder
 */
export async function serve(folder) {
  const extra = {};
  const server = createServer(async (request, answer) => {
    const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname).replace(/^\/some\/where\//, '');
    try {
      const body = extra[path] ?? (await readFile(join(folder, path)));
      answer.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream' }).end(body);
    } catch {
      answer.writeHead(404).end('not found');
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return { base: `http://127.0.0.1:${server.address().port}/some/where/`, extra, close };
}

export function browser() {
  const args = [
    '--autoplay-policy=no-user-gesture-required',
    // A machine may have no network but this.
    '--allow-loopback-in-peer-connection',
    '--force-color-profile=srgb',
    '--font-render-hinting=none',
    '--lang=en',
    ...(process.getuid() === 0 ? ['--no-sandbox'] : []),
  ];
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args });
}

/** The template on a page of its own. */
export class Template {
  /** What it wrote on the console, with unix ms: `[{text, atMs}]`. */
  console = [];

  static async open(chrome, base, { layout, url, token, width = 1280, height = 720 }) {
    const template = new Template();
    const page = await chrome.newPage({ viewport: { width, height } });
    template.page = page;
    page.on('console', (message) => template.console.push({ text: message.text(), atMs: Date.now() }));
    page.on('pageerror', (error) => template.console.push({ text: `PAGE ERROR ${error.message}`, atMs: Date.now() }));
    const asked = Object.entries({ layout, url, token }).filter(([, value]) => value !== undefined);
    await page.goto(`${base}index.html?${new URLSearchParams(asked)}`);
    return template;
  }

  said(text) {
    return this.console.find((line) => line.text === text);
  }

  started(withinMs = 15_000) {
    return until('START_RECORDING', () => this.said('START_RECORDING'), { withinMs });
  }

  setLayout(asked) {
    return this.page.evaluate((layout) => window.tallylight.setLayout(layout), asked);
  }

  /** Name of the document that is drawn. */
  layout() {
    return this.page.evaluate(() => document.querySelector('.stage')?.dataset.layout);
  }

  /** The tiles that are there, without those that leave: `{key: {x, y, width, height}}` as they are seen. */
  tiles() {
    return this.page.evaluate(() => {
      const tiles = [...document.querySelectorAll('.tile:not([data-leaving])')];
      const place = ({ x, y, width, height }) => ({ x, y, width, height });
      return Object.fromEntries(tiles.map((tile) => [tile.dataset.key, place(tile.getBoundingClientRect())]));
    });
  }

  error() {
    return this.page.evaluate(() => document.querySelector('div.error')?.textContent ?? null);
  }

  /** Waits until nothing moves any more. */
  async settled() {
    await until('the picture to stand still', () =>
      this.page.evaluate(
        () => !document.getAnimations().length && !document.querySelector('[data-leaving]'),
      ),
    );
  }

  async shot() {
    return new Shot(await this.page.screenshot());
  }

  close() {
    return this.page.close();
  }
}

/** A screenshot, to be looked into. */
export class Shot {
  constructor(png, size) {
    this.png = png;
    this.width = size?.width ?? png.readUInt32BE(16);
    this.height = size?.height ?? png.readUInt32BE(20);
    const scale = size ? ['-vf', `scale=${size.width}:${size.height}:flags=area`] : [];
    const args = ['-v', 'error', '-f', 'png_pipe', '-i', '-', ...scale, '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-'];
    this.rgb = execFileSync('ffmpeg', args, { input: png, maxBuffer: 64 << 20 });
  }

  at(x, y) {
    const i = (Math.min(this.height - 1, Math.round(y)) * this.width + Math.min(this.width - 1, Math.round(x))) * 3;
    return [this.rgb[i], this.rgb[i + 1], this.rgb[i + 2]];
  }

  luma(x, y) {
    const [r, g, b] = this.at(x, y);
    return 0.299 * r + 0.587 * g + 0.114 * b;
  }

  /**
   * The person whose picture fills a place of the frame, by colour; null where the place has nobody's colour.
   * Looks at the left of the middle: flashes are on the right, codes above, names below.
   * @param {[number, number, number, number]} place x, y, width and height, fractions of the frame
   */
  person([x, y, width, height]) {
    const [us, vs] = [[], []];
    for (let i = 1; i < 8; i++) {
      for (let j = 0; j < 8; j++) {
        const [r, g, b] = this.at((x + width * (0.22 + i * 0.03)) * this.width, (y + height * (0.5 + j * 0.02)) * this.height);
        us.push(128 - 0.169 * r - 0.331 * g + 0.5 * b);
        vs.push(128 + 0.5 * r - 0.419 * g - 0.081 * b);
      }
    }
    const middle = (list) => list.sort((a, b) => a - b)[list.length >> 1];
    const [u, v] = [middle(us), middle(vs)];
    const away = (person) => Math.hypot(colour(person).yuv[1] - u, colour(person).yuv[2] - v);
    const [best] = [0, 1, 2, 3, 4, 5, 6, 7].sort((a, b) => away(a) - away(b));
    return away(best) < 18 ? best : null;
  }

  /** The code in a picture of 16 by 9 that lies whole in a place (pixels): `{person, frame}` or null. */
  code({ x, y, width, height }) {
    const scale = Math.min(width / 16, height / 9);
    const left = x + (width - scale * 16) / 2;
    const top = y + (height - scale * 9) / 2;
    let bits = 0;
    for (let i = 0; i < CODE_COLUMNS * CODE_ROWS; i++) {
      const column = (i % CODE_COLUMNS) + 0.5;
      const row = Math.floor(i / CODE_COLUMNS) + 0.5;
      const luma = this.luma(left + (column / 16) * scale * 16, top + (row / 12) * scale * 9);
      bits = (bits << 1) | (luma > 125 ? 1 : 0);
    }
    return decodeCode(bits >>> 0);
  }
}
