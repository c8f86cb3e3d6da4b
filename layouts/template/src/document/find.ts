// From what somebody asks for (a name, a document, a document as text) to a document and those it may give way to.

import type { Broken, Layout } from "../../../types";
import type { Choice } from "../place/types";
import { check, isName, read } from "./check";
import { resolve, STOCK, stock } from "./stock";

/** The text of a file of the page, or null if there is none. */
export type Fetch = (path: string) => Promise<string | null>;

export type Found = { ok: true; choice: Choice } | { ok: false; error: Broken };

/** Looks on the page's own server. A name that is not there must not look like a broken document. */
export const fromPage: Fetch = async (path) => {
  const answer = await fetch(path, { cache: "no-cache" });
  const text = answer.ok ? await answer.text() : "<";
  // Static servers for single-page apps answer with their front page where they have no file.
  return text.trimStart().startsWith("<") ? null : text;
};

/** At once for stock layouts, so that a switch does not wait for anything. */
export function findStock(name: string): Found | null {
  return Object.hasOwn(STOCK, name) ? withStock(stock(name)) : null;
}

function withStock(document: Layout): Found {
  return { ok: true, choice: { document, others: STOCK } };
}

/**
 * `strict`: a name that nobody knows is refused. Otherwise it is read as LiveKit reads it.
 */
export async function find(asked: unknown, get: Fetch, strict: boolean): Promise<Found> {
  if (typeof asked !== "string") return whole(check(asked), get);
  const text = asked.trim();
  if (text.startsWith("{")) return whole(read(text), get);
  const known = findStock(text);
  if (known) return known;
  const custom = isName(text) ? await file(text, get) : null;
  if (custom) return custom.ok ? whole(custom, get) : custom;
  if (strict) return { ok: false, error: { path: "", reason: `There is no layout called ${text}.` } };
  return withStock(stock(resolve(text)));
}

async function file(name: string, get: Fetch) {
  const text = await get(`layouts/${name}.json`).catch(() => null);
  return text === null ? null : read(text);
}

/** A checked document with all that it refers to. */
async function whole(checked: ReturnType<typeof check>, get: Fetch): Promise<Found> {
  if (!checked.ok) return checked;
  const others: Record<string, Layout> = { ...STOCK };
  for (const [i, { layout: name }] of (checked.layout.variants ?? []).entries()) {
    if (name === undefined || Object.hasOwn(others, name)) continue;
    const other = await file(name, get);
    const path = `/variants/${i}/layout`;
    if (!other) return { ok: false, error: { path, reason: `There is no layout called ${name}.` } };
    if (!other.ok) {
      const reason = `The layout ${name} is broken${other.error.path && ` at ${other.error.path}`}: ${other.error.reason}`;
      return { ok: false, error: { path, reason } };
    }
    others[name] = other.layout;
  }
  return { ok: true, choice: { document: checked.layout, others } };
}
