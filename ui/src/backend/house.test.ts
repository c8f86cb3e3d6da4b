import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, it } from "vitest";

const src = join(import.meta.dirname, "..");
const files = readdirSync(src, { recursive: true, encoding: "utf8" })
  .filter((file) => /\.tsx?$/.test(file))
  .map((file) => join(src, file));

/** Files that a file imports, of ours. */
function importsOf(file: string): string[] {
  const text = readFileSync(file, "utf8");
  return [...text.matchAll(/(?:from|import\()\s*"((?:@\/|\.)[^"]*)"/g)].flatMap(([, name = ""]) => {
    const base = name.startsWith("@/") ? join(src, name.slice(2)) : join(dirname(file), name);
    return [`${base}.ts`, `${base}.tsx`, join(base, "index.ts"), join(base, "index.tsx")].filter((one) =>
      existsSync(one),
    );
  });
}

describe("the house", () => {
  it("reaches Tauri in one file alone", () => {
    const reaching = files.filter(
      (file) => !file.includes(".test.") && /from "@tauri-apps/.test(readFileSync(file, "utf8")),
    );
    expect(reaching.map((file) => relative(src, file))).toEqual([join("backend", "tauri.ts")]);
  });

  it("ships no fixture", () => {
    const seen = new Set<string>();
    const todo = [join(src, "main.tsx")];
    for (let file = todo.pop(); file; file = todo.pop()) {
      if (seen.has(file)) continue;
      seen.add(file);
      todo.push(...importsOf(file));
    }
    expect(seen.has(join(src, "views", "app.tsx"))).toBe(true);
    expect([...seen].filter((file) => /fixture|gallery|test/.test(relative(src, file)))).toEqual([]);
  });

  it("has no file of more than 600 lines", () => {
    const long = files.filter((file) => readFileSync(file, "utf8").split("\n").length > 600);
    expect(long.map((file) => relative(src, file))).toEqual([]);
  });
});
