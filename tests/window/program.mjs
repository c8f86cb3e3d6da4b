// What the program of the window shows: read from its canvas, by the codes that synthetic people carry in their pictures.

import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { CODE_COLUMNS, CODE_ROWS, decodeCode } from "../harness/schedule.mjs";
import { until } from "./processes.mjs";

/** The whole frame, in fractions of it: x, y, width, height. */
export const WHOLE = [0, 0, 1, 1];

/** Places of the grid of four. */
export const QUARTERS = [
  [26 / 1280, 15 / 720, 600 / 1280, 338 / 720],
  [654 / 1280, 15 / 720, 600 / 1280, 338 / 720],
  [26 / 1280, 367 / 720, 600 / 1280, 338 / 720],
  [654 / 1280, 367 / 720, 600 / 1280, 338 / 720],
];

/** A place as ffmpeg's crop of a frame of 1280x720. */
export const cropOf = ([x, y, w, h]) => [w * 1280, h * 720, x * 1280, y * 720].map(Math.round).join(":");

/** The light of the middle of each code block of these places, and the colour of a point of the background. */
function sample(window, places) {
  return window.script(
    `const [places, columns, rows] = arguments;
     const canvas = document.querySelector('[data-testid=program] canvas[data-live]');
     if (!canvas) return null;
     const { width, height } = canvas;
     const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
     const at = (x, y) => (Math.round(y) * width + Math.round(x)) * 4;
     const light = (i) => 0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2];
     const codes = places.map(([px, py, pw, ph]) => {
       const blocks = [];
       for (let n = 0; n < columns * rows; n++) {
         const x = (px + (pw * ((n % columns) + 0.5)) / 16) * width;
         const y = (py + (ph * (Math.floor(n / columns) + 0.5)) / 12) * height;
         blocks.push((light(at(x - 1, y)) + light(at(x + 1, y)) + light(at(x, y - 1)) + light(at(x, y + 1))) / 4);
       }
       return blocks;
     });
     const edge = at(4, height / 2);
     return { codes, edge: [...data.slice(edge, edge + 3)], middle: [...data.slice(at(width / 2, height / 2), at(width / 2, height / 2) + 3)], width, height };`,
    places,
    CODE_COLUMNS,
    CODE_ROWS,
  );
}

/** Who is in these places now: `{people: [number | null], frames, edge, middle, width, height}`; null without a picture. */
export async function shown(window, places = [WHOLE]) {
  const found = await sample(window, places);
  if (!found) return null;
  const codes = found.codes.map((blocks) => {
    const bits = blocks.reduce((all, light) => ((all << 1) | (light > 125 ? 1 : 0)) >>> 0, 0);
    return decodeCode(bits);
  });
  const people = codes.map((code) => code?.person ?? null);
  return { ...found, people, frames: codes.map((code) => code?.frame ?? null) };
}

/** Waits until exactly these people are in these places. */
export function waitForPlaces(window, places, people, options) {
  return until(
    `people ${people} in their places`,
    async () => {
      const now = await shown(window, places);
      if (now?.people.join() === people.join()) return now;
      throw new Error(`${JSON.stringify(now?.people)} ${await window.text()}`);
    },
    { within_ms: 40_000, ...options },
  );
}

/** Waits until a point of the picture has a colour, `[r, g, b]`, as nearly as a JPEG has it. `where`: edge or middle. */
export function waitForColour(window, where, colour, options) {
  return until(
    `the colour ${colour}`,
    async () => {
      const now = await shown(window);
      if (now?.[where].every((part, i) => Math.abs(part - colour[i]) < 24)) return now;
      throw new Error(`${JSON.stringify(now?.[where])} ${await window.text()}`);
    },
    { within_ms: 40_000, ...options },
  );
}

/** Waits until the people move: their frame numbers grow. */
export async function waitForMotion(window, places) {
  const first = await shown(window, places);
  return until("the program to move", async () => {
    const now = await shown(window, places);
    return now?.frames.every((frame, i) => frame !== null && frame !== first.frames[i]);
  });
}

/** How what is chosen stands: `{state, page, words}`. */
export function standing(window) {
  return window.script(
    `const program = document.querySelector('[data-testid=program]');
     const page = document.querySelector('[data-testid=page-state]');
     return { state: program?.dataset.state ?? null, page: page?.dataset.page ?? null, words: page?.innerText ?? '' };`,
  );
}

/** Waits until it stands like this, and gives how. */
export function waitForStanding(window, wanted, options) {
  return until(
    `the program to be ${JSON.stringify(wanted)}`,
    async () => {
      const now = await standing(window);
      if (Object.entries(wanted).every(([name, value]) => now[name] === value)) return now;
      throw new Error(`${JSON.stringify(now)} ${await window.text()}`);
    },
    { within_ms: 60_000, ...options },
  );
}

/** Writes down every state that the program goes through from now on; the returned function gives them. */
export async function follow(window) {
  await window.script(
    `const seen = [];
     const look = () => {
       const program = document.querySelector('[data-testid=program]');
       const page = document.querySelector('[data-testid=page-state]');
       const now = program.dataset.state + (page ? ' ' + page.dataset.page : '');
       if (seen.at(-1) !== now) seen.push(now);
     };
     look();
     window.programStates = { seen, observer: new MutationObserver(look) };
     window.programStates.observer.observe(document.querySelector('main'), { subtree: true, childList: true, attributes: true });`,
  );
  return () => window.script("window.programStates.observer.disconnect(); return window.programStates.seen");
}

/** The browsers that run for jobs of this desktop, one id each. */
export function browsers(desktop) {
  return readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      try {
        if (!/chrom/.test(readlinkSync(`/proc/${pid}/exe`))) return false;
        const [command, variables] = ["cmdline", "environ"].map((name) => readFileSync(`/proc/${pid}/${name}`, "latin1"));
        return (command + variables).includes(desktop.folder) && !/--type=|crashpad/.test(command);
      } catch {
        // Ended meanwhile.
        return false;
      }
    })
    .map(Number);
}

/** Everything that runs for a page of a job of this desktop. */
export function pagePrograms(desktop) {
  return readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid))
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
        const known = command + readFileSync(`/proc/${pid}/environ`, "latin1");
        return known.includes(`${desktop.dataDir}/jobs`) && /chrom|Xvfb|pulseaudio/.test(command) ? [command] : [];
      } catch {
        return [];
      }
    });
}
