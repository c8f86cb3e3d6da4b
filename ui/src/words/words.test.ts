import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { t } from ".";
import { en } from "./en";

const src = join(import.meta.dirname, "..");
const sources = readdirSync(src, { recursive: true, encoding: "utf8" })
  .filter((file) => /\.tsx?$/.test(file) && !/test|words[/\\]/.test(file))
  .map((file) => readFileSync(join(src, file), "utf8"))
  .join("\n");

describe("words", () => {
  it("fill in values and count", () => {
    expect(t("room.menu", { name: "morning-show" })).toBe("Room: morning-show");
    expect(t("room.people", { n: 0 })).toBe("nobody");
    expect(t("room.people", { n: 1 })).toBe("1 person");
    expect(t("room.people", { n: 100 })).toBe("100 people");
  });

  it("take names as they are, markup and braces included", () => {
    expect(t("stop.label", { title: "<b>{x}</b>" })).toBe("Stop <b>{x}</b>");
  });

  it("are all used", () => {
    const dynamic = [...sources.matchAll(/t\(\s*`([^`$]+)\$\{/g)].map((match) => match[1] ?? "");
    const unused = Object.keys(en).filter(
      (id) => !sources.includes(`"${id}"`) && !dynamic.some((prefix) => id.startsWith(prefix)),
    );
    expect(unused).toEqual([]);
  });

  it("are the only ones: no text stands in a view", () => {
    const views = sources.replaceAll(/(Promise|Map|Set)<|<b>Robert<\/b>/g, "");
    const bare = [...views.matchAll(/[^=]>\s*([A-Z][a-z]+(?: [a-z]+)*)\s*</g)].map((match) => match[1]);
    expect(bare).toEqual([]);
  });
});
