import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { palette } from "./palette";

type Name = keyof typeof palette | "white";

function light(name: Name): number {
  const hex = name === "white" ? "#ffffff" : palette[name];
  const [r = 0, g = 0, b = 0] = [1, 3, 5]
    .map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255)
    .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Contrast by WCAG 2. */
function contrast(a: Name, b: Name): number {
  const [low = 0, high = 0] = [light(a), light(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

const surfaces: Name[] = ["night", "panel", "card", "control"];

describe("colours", () => {
  for (const text of ["ink", "soft", "faint", "ready", "look", "tallyInk"] as Name[])
    it(`${text} can be read on every surface`, () => {
      for (const surface of surfaces)
        expect(contrast(text, surface), `${text} on ${surface}`).toBeGreaterThanOrEqual(4.5);
    });

  it("text can be read on coloured surfaces", () => {
    const pairs: [Name, Name][] = [
      ["white", "tally"],
      ["ready", "readyDim"],
      ["look", "lookDim"],
      ["soft", "lookDim"],
      ["ink", "lookDim"],
      ["night", "ink"],
      ["ink", "chosen"],
      ["soft", "chosen"],
      ["faint", "chosen"],
      ["ink", "edge"],
    ];
    for (const [text, surface] of pairs)
      expect(contrast(text, surface), `${text} on ${surface}`).toBeGreaterThanOrEqual(4.5);
  });

  it("edges of controls, and the focus, stand out from what is behind", () => {
    for (const surface of surfaces.slice(0, 3))
      expect(contrast("edge", surface), `edge on ${surface}`).toBeGreaterThanOrEqual(3);
    for (const surface of surfaces) expect(contrast("ink", surface)).toBeGreaterThanOrEqual(3);
  });

  it("are the same in the style sheet", () => {
    const css = readFileSync(join(import.meta.dirname, "styles.css"), "utf8");
    for (const [name, value] of Object.entries(palette)) {
      const variable = `--color-${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
      expect(css, variable).toContain(`${variable}: ${value};`);
    }
  });
});

describe("red", () => {
  it("is in no file but those that show what is recording or live", () => {
    const files = readdirSync(import.meta.dirname, { recursive: true, encoding: "utf8" })
      .filter((file) => /\.tsx?$/.test(file) && !/test|palette/.test(file))
      .filter((file) =>
        /tally(-ink)?\b/i.test(classesOf(readFileSync(join(import.meta.dirname, file), "utf8"))),
      );
    expect(files.map((file) => file.replaceAll("\\", "/")).sort()).toEqual([
      "views/live/stream-row.tsx",
      "views/live/streams.tsx",
      "views/mark.tsx",
      "views/on-air.tsx",
      "views/outputs/job-card.tsx",
      "views/quit.tsx",
      "views/room/people.tsx",
      "views/room/program.tsx",
      "views/statusbar.tsx",
      "views/topbar.tsx",
    ]);
  });
});

/** The uses of the colour, without the product's name or a test id. */
function classesOf(source: string): string {
  return (source.match(/(?:bg|text|border|outline|fill|stroke|color|--color)-tally(?:-ink)?/g) ?? []).join(
    " ",
  );
}
