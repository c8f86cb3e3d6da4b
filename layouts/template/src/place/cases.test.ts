// The examples that every compositor has to meet, layouts/cases/place.json. TALLYLIGHT_BLESS=1 writes what placement
// makes of them now: look at the difference before it is committed.

import { readFileSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { Layout } from "../../../types";
import { STOCK, stock } from "../document/stock";
import { place } from "./place";
import { NOTHING } from "./speakers";
import type { Frame, Person } from "./types";

interface Step {
  nowMs: number;
  people: Person[];
  /** Name of the document that is drawn. */
  layout?: string;
  /** Picture, region, x, y, width, height. */
  tiles?: [string, number, number, number, number, number][];
  againMs?: number | null;
}

interface Case {
  why: string;
  /** The name of a stock layout, or a document. */
  layout: string | Layout;
  frame: Frame;
  steps: Step[];
}

const file = new URL("../../../cases/place.json", import.meta.url);
const cases: Case[] = JSON.parse(readFileSync(file, "utf8"));

function play({ layout, frame, steps }: Case): Step[] {
  const document = typeof layout === "string" ? stock(layout) : layout;
  let memory = NOTHING;
  return steps.map(({ nowMs, people }) => {
    const placed = place({ document, others: STOCK }, people, frame, nowMs, memory);
    memory = placed.memory;
    const tiles = placed.tiles.map(
      ({ key, region, rect }): [string, number, number, number, number, number] => [
        key,
        region,
        rect.x,
        rect.y,
        rect.width,
        rect.height,
      ],
    );
    return { nowMs, people, layout: placed.layout, tiles, againMs: placed.againMs };
  });
}

if (process.env.TALLYLIGHT_BLESS) {
  const one = (step: Step) => `      ${JSON.stringify(step)}`;
  const text = cases.map((item) => {
    const { steps: _, ...head } = item;
    const steps = play(item).map(one).join(",\n");
    return `  ${JSON.stringify(head).slice(0, -1)},\n    "steps": [\n${steps}\n    ]\n  }`;
  });
  writeFileSync(file, `[\n${text.join(",\n")}\n]\n`);
  cases.splice(0, cases.length, ...JSON.parse(readFileSync(file, "utf8")));
}

it.each(cases)("$why", (item) => {
  expect(play(item)).toEqual(item.steps);
});
