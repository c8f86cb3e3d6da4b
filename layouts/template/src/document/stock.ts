// The layouts that come with the program: the same files that Rust embeds.

import type { Layout } from "../../../types";

const files = import.meta.glob<Layout>("../../../stock/*.json", { eager: true, import: "default" });

export const STOCK: Readonly<Record<string, Layout>> = Object.fromEntries(
  Object.values(files).map((layout) => [layout.name, layout]),
);

/** The stock layout that a name stands for, as LiveKit reads names. The same rule is in Rust. */
export function resolve(name: string): string {
  if (Object.hasOwn(STOCK, name)) return name;
  const end = name.endsWith("-light") ? "-light" : "";
  if (name.startsWith("speaker")) return `speaker${end}`;
  if (name.startsWith("single-speaker")) return `single-speaker${end}`;
  return `grid${end}`;
}

export function stock(name: string): Layout {
  const layout = STOCK[resolve(name)];
  if (!layout) throw new Error("the page was built without its stock layouts");
  return layout;
}
