import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rule } from "@/backend/fixture/auto";
import { emptySnapshot, someRooms } from "@/backend/fixture/people";
import { fits, fitting, isByItself, rulesOf } from "./auto";

describe("a pattern", () => {
  it.each([
    ["town-hall", "town-hall", true],
    ["town-hall", "town-hall-2", false],
    ["town-hall", "Town-hall", false],
    ["*", "", true],
    ["*", "anything at all", true],
    ["", "", true],
    ["", "a", false],
    ["?", "", false],
    ["studio-?", "studio-7", true],
    ["studio-?", "studio-17", false],
    ["studio-?", "studio-👩", true],
    ["*-show", "morning-show", true],
    ["*-show", "morning-show-2", false],
    ["*-show*", "morning-show-2", true],
    ["m*ng*", "morning", true],
    ["a*b*c", "a--b--bc", true],
    ["a*b*c", "a--b--b", false],
    // Nothing else means anything.
    ["a.c", "abc", false],
    ["[ab]", "a", false],
    ["a+", "aa", false],
    ["نورة-*", "نورة-1", true],
  ])("%s and %s: %s", (pattern, name, is) => {
    expect(fits(pattern, name)).toBe(is);
  });

  it("fits what a regular expression of the same meaning fits", () => {
    const letters = fc.array(fc.constantFrom("a", "b", "*", "?", "-"), { maxLength: 8 });
    const name = fc.array(fc.constantFrom("a", "b", "-"), { maxLength: 10 });
    fc.assert(
      fc.property(letters, name, (some, other) => {
        const text = some.map((one) => (one === "*" ? ".*" : one === "?" ? "." : one)).join("");
        expect(fits(some.join(""), other.join(""))).toBe(new RegExp(`^${text}$`, "s").test(other.join("")));
      }),
      { numRuns: 500 },
    );
  });

  it("of many stars is looked at in no time", () => {
    const begun = performance.now();
    expect(fits("*a".repeat(60), `${"a".repeat(50)}b`.repeat(40))).toBe(false);
    expect(performance.now() - begun).toBeLessThan(1000);
  });
});

describe("rules", () => {
  const rules = [
    rule("RU_1", "*-show"),
    rule("RU_2", "town-*", { on: false }),
    rule("RU_3", "*", {}, { project_id: "PJ_other" }),
  ];
  const snapshot = emptySnapshot({ rules });

  it("are those of the open project", () => {
    expect(rulesOf(snapshot).map((one) => one.id)).toEqual(["RU_1", "RU_2"]);
    expect(rulesOf({ ...snapshot, projects: { ...snapshot.projects, current: null } })).toEqual([]);
  });

  it("record the rooms that fit while they are in force", () => {
    const mine = rulesOf(snapshot);
    expect(isByItself("morning-show", mine)).toBe(true);
    expect(isByItself("town-hall", mine)).toBe(false);
    expect(fitting("*-show", someRooms(10)).map((room) => room.name)).toEqual(["morning-show"]);
  });
});
