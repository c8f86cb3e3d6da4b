// How the stock layouts look: people who are made up and stand still, against pictures that were looked at and kept.
// TALLYLIGHT_BLESS=1 keeps the present ones: look at them before they are committed.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT, WORK } from '../setup.mjs';
import { browser, GALLERY, serve, Shot } from './page.mjs';

const KEPT = join(ROOT, 'tests/layouts/kept');
const NAMES = [
  'Ada Lovelace', 'Ben Okafor', 'Chloé Dubois', 'محمد عبد الله', '🦊 Foxy',
  'Maximiliane-Josephine von Hohenstein-Breitenbach the Third', 'Διονύσης', 'שרה כהן', 'Grace Hopper', 'Ivo',
  'Jun 🎧', 'Katherine Johnson', 'Linus', 'Mary', 'Noor Inayat', 'Oluwaseun', 'Søren',
];

const UPRIGHT = { width: 720, height: 1280 };
const SQUARE = { width: 720, height: 720 };

/** `off`, `muted`, `shares`: indices of people; the one with index `speaks` speaks. `shapes`: of cameras, by index. */
function people(count, { off = [], muted = [], shares = [], speaks = 0, shapes = {} } = {}) {
  return Array.from({ length: count }, (_, i) => ({
    identity: `p${i}`,
    name: NAMES[i],
    joinedMs: i,
    camera: !off.includes(i),
    microphone: muted.includes(i) ? 'muted' : 'on',
    level: i === speaks ? 0.5 : 0,
    sharedMs: shares.includes(i) ? 1 : null,
    shape: shapes[i],
  }));
}

const PORTRAIT = { width: 720, height: 1280 };
const SCENES = [
  ['grid-1', 'grid', people(1)],
  ['grid-4', 'grid', people(4, { off: [3], muted: [1, 3] })],
  ['grid-9-1080', 'grid', people(9, { off: [4, 7], speaks: 5 }), { width: 1920, height: 1080 }],
  ['grid-17', 'grid', people(17, { off: [3, 9], muted: [0, 5, 6], speaks: 8 })],
  ['grid-light-9', 'grid-light', people(9, { off: [4, 7], muted: [2] })],
  ['speaker-6', 'speaker', people(6, { off: [3], muted: [2] })],
  ['speaker-screen', 'speaker', people(4, { shares: [1] })],
  ['speaker-light-2', 'speaker-light', people(2, { off: [1] })],
  ['single-speaker', 'single-speaker', people(3)],
  ['single-speaker-light-card', 'single-speaker-light', people(1, { off: [0] })],
  ['side-by-side-2', 'side-by-side', people(2, { muted: [1] })],
  ['side-by-side-light-5', 'side-by-side-light', people(5)],
  ['side-by-side-screen', 'side-by-side', people(3, { shares: [0], speaks: 2 })],
  ['picture-in-picture-2', 'picture-in-picture', people(2)],
  ['picture-in-picture-light-screen', 'picture-in-picture-light', people(2, { shares: [1] })],
  ['grid-portrait-4', 'grid-portrait', people(4, { off: [2] }), PORTRAIT],
  ['grid-portrait-light-17', 'grid-portrait-light', people(17, { off: [3, 9], muted: [5] }), PORTRAIT],
  ['speaker-portrait-5', 'speaker-portrait', people(5, { off: [4] }), PORTRAIT],
  ['grid-upright-4', 'grid', people(4, { shapes: { 0: UPRIGHT, 2: SQUARE } })],
  ['speaker-light-upright', 'speaker-light', people(4, { shapes: { 0: UPRIGHT, 2: UPRIGHT } })],
  ['grid-portrait-upright-3', 'grid-portrait', people(3, { shapes: { 0: UPRIGHT, 1: SQUARE } }), PORTRAIT],
  ['speaker-portrait-light-screen', 'speaker-portrait-light', people(5, { shares: [0] }), PORTRAIT],
];

let chrome;
let host;
let page;

before(async () => {
  host = await serve(GALLERY);
  chrome = await browser();
  page = await chrome.newPage();
  await page.goto(`${host.base}gallery.html`);
});
after(async () => {
  await chrome?.close();
  await host?.close();
});

async function shot(layout, everybody, { width, height } = { width: 1280, height: 720 }) {
  await page.setViewportSize({ width, height });
  await page.evaluate(([name, list]) => window.gallery.show(name, list), [layout, everybody]);
  await page.waitForFunction(
    () =>
      document.querySelector('.tile') &&
      !document.getAnimations().length &&
      [...document.querySelectorAll('.picture')].every((one) => getComputedStyle(one).opacity === '1'),
  );
  return new Shot(await page.screenshot(), small({ width, height }));
}

const small = ({ width, height }) => (width > height ? { width: 480, height: 270 } : { width: 270, height: 480 });

function keep(file, { rgb, width, height }) {
  mkdirSync(KEPT, { recursive: true });
  const raw = ['-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', `${width}x${height}`, '-i', '-'];
  execFileSync('ffmpeg', ['-y', '-v', 'error', ...raw, '-q:v', '3', '-update', '1', file], { input: rgb });
}

function kept(file, size) {
  const args = ['-v', 'error', '-i', file, '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-'];
  return { ...size, rgb: execFileSync('ffmpeg', args, { maxBuffer: 16 << 20 }) };
}

/** How far two pictures of one size differ in blocks of 9 by 9: `{worst, mean}`, 0 to 255. */
function difference(a, b) {
  assert.equal(a.rgb.length, b.rgb.length);
  const blocks = [];
  for (let top = 0; top + 9 <= a.height; top += 9) {
    for (let left = 0; left + 9 <= a.width; left += 9) {
      let sum = 0;
      for (let y = top; y < top + 9; y++) {
        const from = (y * a.width + left) * 3;
        for (let i = from; i < from + 27; i++) sum += Math.abs(a.rgb[i] - b.rgb[i]);
      }
      blocks.push(sum / 243);
    }
  }
  return { worst: Math.max(...blocks), mean: blocks.reduce((x, y) => x + y, 0) / blocks.length };
}

// Letters that another version of the browser draws a hair differently come to about 10 in the worst block.
const alike = ({ worst, mean }) => worst < 22 && mean < 2.5;

for (const [name, layout, everybody, size] of SCENES) {
  test(`${name} looks as it did`, { timeout: 30_000 }, async () => {
    const now = await shot(layout, everybody, size);
    const file = join(KEPT, `${name}.jpg`);
    if (process.env.TALLYLIGHT_BLESS) keep(file, now);
    assert.ok(existsSync(file), `there is no kept picture of ${name}`);
    const found = difference(now, kept(file, now));
    if (!alike(found)) {
      mkdirSync(WORK, { recursive: true });
      writeFileSync(join(WORK, `${name}.png`), now.png);
    }
    assert.ok(alike(found), `differs by ${JSON.stringify(found)}; see ${name}.png in tests/.work`);
  });
}

test('a name tag, a ring or a disc that is missing is noticed', { timeout: 30_000 }, async () => {
  const document = JSON.parse(readFileSync(join(ROOT, 'layouts/stock/grid.json'), 'utf8'));
  const [, , everybody] = SCENES.find(([name]) => name === 'grid-4');
  const file = join(KEPT, 'grid-4.jpg');
  const { look } = document;
  const faults = [
    { name_tag: { ...look.name_tag, at: 'none' } },
    { name_tag: { ...look.name_tag, at: 'top_left' } },
    { speaking_ring: { ...look.speaking_ring, width: 0 } },
    { camera_off: { ...look.camera_off, colours: ['#1f252d'] } },
    { corner: 0.1 },
  ];
  for (const fault of faults) {
    const wrong = await shot({ ...document, look: { ...look, ...fault } }, everybody);
    const found = difference(wrong, kept(file, wrong));
    assert.ok(!alike(found), `${JSON.stringify(fault)} went unnoticed: ${JSON.stringify(found)}`);
  }
});
