import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Layout } from "../../../types";
import { STOCK, stock } from "../document/stock";
import { grid } from "./grid";
import { hash, initials, lookOf, tagOf } from "./look";
import { place } from "./place";
import { NOTHING } from "./speakers";
import type { Memory, Person, Rect } from "./types";

const LANDSCAPE = { width: 1280, height: 720 };

function person(identity: string, change: Partial<Person> = {}): Person {
  const joinedMs = Number(identity.replace(/\D/g, ""));
  return {
    identity,
    name: "",
    joinedMs,
    camera: true,
    microphone: "on",
    level: 0,
    sharedMs: null,
    ...change,
  };
}

const people = (count: number) => Array.from({ length: count }, (_, i) => person(`p${i + 1}`));
const choice = (layout: string | Layout) => ({
  document: typeof layout === "string" ? stock(layout) : layout,
  others: STOCK,
});

const overlap = (a: Rect, b: Rect) =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

const anybody = fc.record({
  camera: fc.boolean(),
  microphone: fc.constantFrom<Person["microphone"]>("on", "muted", "none"),
  level: fc.constantFrom(0, 0, 0.2, 0.8),
  sharedMs: fc.constantFrom<number | null>(null, null, null, 5, 6),
  joinedMs: fc.integer({ min: 0, max: 5 }),
});
const crowd = fc
  .array(anybody, { maxLength: 32 })
  .map((list) => list.map((rest, i) => ({ ...rest, identity: `p${i}`, name: `Person ${i}` })));
const frames = fc.record({
  width: fc.integer({ min: 16, max: 2000 }),
  height: fc.integer({ min: 16, max: 2000 }),
});
const story = fc.array(fc.tuple(crowd, fc.integer({ min: 0, max: 4000 })), { minLength: 1, maxLength: 6 });
const names = fc.constantFrom(...Object.keys(STOCK));

describe("every stock layout, whoever is there and whatever happens", () => {
  it("keeps tiles in the frame, each picture once, and says what it would say again", () => {
    fc.assert(
      fc.property(names, frames, story, (name, frame, steps) => {
        let memory: Memory = NOTHING;
        let now = 1000;
        for (const [everybody, later] of steps) {
          now += later;
          const placed = place(choice(name), everybody, frame, now, memory);
          expect(place(choice(name), [...everybody].reverse(), frame, now, memory)).toEqual(placed);
          // Placing again at once changes nothing.
          expect(place(choice(name), everybody, frame, now, placed.memory).tiles).toEqual(placed.tiles);
          const keys = placed.tiles.map(({ key }) => key);
          expect(new Set(keys).size).toBe(keys.length);
          if (everybody.length) expect(keys.length).toBeGreaterThan(0);
          for (const { rect, identity, kind } of placed.tiles) {
            expect(Math.min(rect.x, rect.y, rect.width, rect.height)).toBeGreaterThanOrEqual(0);
            expect(rect.x + rect.width).toBeLessThanOrEqual(frame.width);
            expect(rect.y + rect.height).toBeLessThanOrEqual(frame.height);
            const who = everybody.find((one) => one.identity === identity);
            expect(who).toBeDefined();
            if (kind === "screen") expect(who?.sharedMs).not.toBeNull();
          }
          if (placed.againMs !== null) expect(placed.againMs).toBeGreaterThan(now);
          memory = placed.memory;
        }
      }),
      { numRuns: 300 },
    );
  });

  it.each(Object.keys(STOCK).filter((name) => !name.startsWith("picture")))(
    "lays nobody over another: %s",
    (name) => {
      for (let count = 0; count <= 30; count++) {
        const { tiles } = place(choice(name), people(count), LANDSCAPE, 0);
        for (const [i, a] of tiles.entries()) {
          for (const b of tiles.slice(i + 1))
            expect(overlap(a.rect, b.rect), `${a.key} ${b.key} of ${count}`).toBe(false);
        }
      }
    },
  );
});

describe("the grid", () => {
  it("has tiles of one allowed shape, inside its area, none over another, in the middle", () => {
    const sizes = fc.double({ min: 50, max: 2000, noNaN: true });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        sizes,
        sizes,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (count, width, height, gap) => {
          const area = { x: 10, y: 20, width, height };
          const aspect = { least: 0.75, most: 16 / 9 };
          const tiles = grid(count, area, gap, aspect);
          expect(tiles).toHaveLength(count);
          for (const [i, tile] of tiles.entries()) {
            expect(tile.width / tile.height).toBeGreaterThan(aspect.least - 1e-6);
            expect(tile.width / tile.height).toBeLessThan(aspect.most + 1e-6);
            expect(tile.x).toBeGreaterThan(area.x - 1e-6);
            expect(tile.y).toBeGreaterThan(area.y - 1e-6);
            expect(tile.x + tile.width).toBeLessThan(area.x + width + 1e-6);
            expect(tile.y + tile.height).toBeLessThan(area.y + height + 1e-6);
            for (const other of tiles.slice(i + 1)) {
              const apart = Math.max(
                Math.abs(tile.x - other.x) - tile.width,
                Math.abs(tile.y - other.y) - tile.height,
              );
              expect(apart).toBeGreaterThan(gap - 1e-6);
            }
          }
          const middle =
            (Math.min(...tiles.map(({ y }) => y)) +
              Math.max(...tiles.map(({ y }) => y)) +
              (tiles[0]?.height ?? 0)) /
            2;
          expect(middle).toBeCloseTo(area.y + height / 2, 3);
        },
      ),
    );
  });

  it("chooses the columns that make tiles largest", () => {
    const columns = (count: number) => {
      const tiles = grid(count, { x: 0, y: 0, width: 1600, height: 900 }, 0, { least: 1.2, most: 1.7778 });
      return tiles.filter(({ y }) => Math.abs(y - (tiles[0]?.y ?? 0)) < 1e-6).length;
    };
    expect([1, 2, 3, 4, 5, 6, 7, 9, 10, 12, 13, 16, 17, 25].map(columns)).toEqual([
      1, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5,
    ]);
  });

  it("has no tiles for nobody", () => {
    expect(grid(0, { x: 0, y: 0, width: 100, height: 100 }, 0, { least: 1, most: 1 })).toEqual([]);
  });
});

describe("the look of a tile", () => {
  it("changes where its region says so", () => {
    const { look } = stock("grid");
    expect(lookOf(look, undefined)).toEqual(look);
    expect(lookOf(look, { fit: "fit" })).toEqual({ ...look, fit: "fit" });
  });

  it("has smaller type in small tiles, and none where none is wanted", () => {
    const { look } = stock("grid");
    const tag = (width: number, height: number) =>
      tagOf(person("p1"), look, { x: 0, y: 0, width, height }, 1000);
    expect(tag(800, 600)?.size).toBe(28);
    expect(tag(160, 80)?.size).toBe(8.9);
    expect(
      tagOf(
        person("p1"),
        { ...look, name_tag: { ...look.name_tag, at: "none" } },
        { x: 0, y: 0, width: 9, height: 9 },
        9,
      ),
    ).toBeNull();
  });

  it("marks whoever cannot be heard, if the layout wants it", () => {
    const { look } = stock("grid");
    const muted = (microphone: Person["microphone"], muted_mark: boolean) =>
      tagOf(person("p1", { microphone }), { ...look, muted_mark }, { x: 0, y: 0, width: 90, height: 90 }, 90)
        ?.muted;
    expect([muted("on", true), muted("muted", true), muted("none", true), muted("muted", false)]).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  it("lays nothing over a screen, and shows a card only for cameras", () => {
    const { tiles } = place(
      choice("speaker"),
      [person("p1", { camera: false, sharedMs: 1, level: 1 })],
      LANDSCAPE,
      0,
    );
    expect(tiles.map(({ key, picture, tag, speaking }) => [key, picture, tag === null, speaking])).toEqual([
      ["screen:p1", true, true, false],
      ["camera:p1", false, false, true],
    ]);
  });

  it.each([
    ["Ada Lovelace", "AL"],
    ["ada", "A"],
    ["  Jean-Luc  Picard ", "JP"],
    ["Ludwig van Beethoven", "LB"],
    ["🦊 Foxy", "F"],
    ["🦊", "🦊"],
    ["👩‍🚀", "👩‍🚀"],
    ["李小龍", "李"],
    ["שרה כהן", "שכ"],
    ["ada.lovelace@example.org", "AO"],
    ["(Ada)", "A"],
    ["éva", "É"],
    ["", ""],
  ])("makes initials of %j: %j", (name, expected) => {
    expect(initials(name)).toBe(expected);
  });

  it("gives a person the same colour everywhere", () => {
    // FNV-1a's own examples.
    expect(hash("")).toBe(0x811c9dc5);
    expect(hash("a")).toBe(0xe40c292c);
    expect(hash("foobar")).toBe(0xbf9cf968);
  });
});
