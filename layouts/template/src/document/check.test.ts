import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Broken } from "../../../types";
import { check, read } from "./check";
import { find } from "./find";
import { resolve, STOCK } from "./stock";

const file = (name: string) => readFileSync(new URL(`../../../${name}`, import.meta.url), "utf8");

interface Case {
  why: string;
  set?: string;
  to?: unknown;
  text?: string;
  expect: Broken;
}

const cases: Case[] = JSON.parse(file("cases/broken.json"));

/** The stock grid with one thing set, or taken away. */
function changed(pointer: string, has: boolean, to: unknown): unknown {
  const document: unknown = JSON.parse(file("stock/grid.json"));
  const steps = pointer
    .slice(1)
    .split("/")
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
  const name = steps.pop() ?? "";
  const parent = steps.reduce<unknown>((at, step) => Reflect.get(Object(at), step), document);
  if (has) Reflect.set(Object(parent), name, to);
  else Reflect.deleteProperty(Object(parent), name);
  return document;
}

describe("the check of a document", () => {
  it.each(cases)("refuses $why", (one) => {
    const checked =
      one.set === undefined ? read(one.text ?? "") : check(changed(one.set, "to" in one, one.to));
    expect(checked).toEqual({ ok: false, error: one.expect });
  });

  it.each(Object.values(STOCK))("takes the stock layout $name", (layout) => {
    expect(check(layout)).toEqual({ ok: true, layout });
  });

  it("takes a document with everything in it", () => {
    const text = file("cases/everything.json");
    expect(read(text)).toEqual({ ok: true, layout: JSON.parse(text) });
  });
});

describe("names", () => {
  it.each<[string, string]>(JSON.parse(file("cases/names.json")))("%j stands for %s", (asked, meant) => {
    expect(resolve(asked)).toBe(meant);
  });
});

describe("finding what was asked for", () => {
  const grid = STOCK.grid;
  const custom = JSON.stringify({ ...grid, name: "mine" });
  const files: Record<string, string> = {
    "layouts/mine.json": custom,
    "layouts/bad.json": '{"format": 1}',
    "layouts/leads.json": JSON.stringify({
      ...grid,
      name: "leads",
      variants: [{ when: { sharing: true }, layout: "mine" }],
    }),
    "layouts/lost.json": JSON.stringify({
      ...grid,
      name: "lost",
      variants: [{ when: { sharing: true }, layout: "nowhere" }],
    }),
    "layouts/worse.json": JSON.stringify({
      ...grid,
      name: "worse",
      variants: [{ when: { sharing: true }, layout: "bad" }],
    }),
  };
  const asked: string[] = [];
  const get = async (path: string) => {
    asked.push(path);
    return files[path] ?? null;
  };
  const name = async (what: unknown, strict = true) => {
    const found = await find(what, get, strict);
    return found.ok ? found.choice.document.name : `${found.error.path}: ${found.error.reason}`;
  };

  it("knows stock layouts without asking the server", async () => {
    asked.length = 0;
    expect(await name("speaker-light")).toBe("speaker-light");
    expect(asked).toEqual([]);
  });

  it("fetches others by name, and takes them as objects and as text", async () => {
    expect(await name("mine")).toBe("mine");
    expect(await name(JSON.parse(custom))).toBe("mine");
    expect(await name(` ${custom}`)).toBe("mine");
  });

  it("never makes a path out of what is no name", async () => {
    asked.length = 0;
    expect(await name("../../secret", false)).toBe("grid");
    expect(asked).toEqual([]);
  });

  it("reads an unknown name as LiveKit does, or refuses it where it is asked to", async () => {
    expect(await name("speaker-of-the-house", false)).toBe("speaker");
    expect(await name("", false)).toBe("grid");
    expect(await name("speaker-of-the-house")).toBe(": There is no layout called speaker-of-the-house.");
  });

  it("refuses what is broken", async () => {
    expect(await name("bad", false)).toBe(": name is missing.");
    expect(await name(null)).toBe(": An object { … } is wanted here.");
    expect(await name('{"format": 1,}')).toContain("This is not JSON");
  });

  it("brings the layouts along that a document gives way to", async () => {
    const found = await find("leads", get, true);
    expect(found.ok && found.choice.others.mine?.name).toBe("mine");
    expect(await name("lost")).toBe("/variants/0/layout: There is no layout called nowhere.");
    expect(await name("worse")).toBe("/variants/0/layout: The layout bad is broken: name is missing.");
  });

  it("takes a server that cannot be reached for one without the file", async () => {
    const found = await find("mine", () => Promise.reject(new TypeError("no network")), false);
    expect(found.ok && found.choice.document.name).toBe("grid");
  });
});
