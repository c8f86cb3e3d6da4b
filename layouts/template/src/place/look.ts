// How a tile looks: the document's look, what its region changes, and sizes in pixels.

import type { Border, Look, LookChange } from "../../../types";
import type { Card, Person, Rect, Tag } from "./types";

/** In a small tile the type is smaller: this share of the tile's shorter side at most. */
const TAG_SHARE = 1 / 9;

export function lookOf(base: Look, change: LookChange | undefined): Look {
  return { ...base, ...change };
}

/** A line that is wanted is never thinner than a pixel. */
export function line(border: Border, unit: number): Border {
  const width = border.width > 0 ? Math.max(1, Math.round(border.width * unit)) : 0;
  return { width, colour: border.colour };
}

export function shownName(person: Person): string {
  return person.name.trim() || person.identity;
}

export function tagOf(person: Person, look: Look, rect: Rect, unit: number): Tag | null {
  const { at, size, text, background } = look.name_tag;
  if (at === "none") return null;
  const height = Math.min(size * unit, Math.min(rect.width, rect.height) * TAG_SHARE);
  return {
    at,
    text,
    background,
    words: shownName(person),
    size: Math.round(height * 10) / 10,
    muted: look.muted_mark && person.microphone !== "on",
  };
}

export function cardOf(person: Person, look: Look): Card {
  const { background, colours, text } = look.camera_off;
  const disc = colours[hash(person.identity) % colours.length] ?? background;
  return { background, text, disc, initials: initials(shownName(person)) };
}

/** FNV-1a over UTF-8, 32 bits: the same person has the same colour everywhere. */
export function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value;
}

const letters = new Intl.Segmenter(undefined, { granularity: "grapheme" });

function first(word: string): string {
  for (const { segment } of letters.segment(word)) return segment.toUpperCase();
  return "";
}

/** The first signs of the first and the last word that hold a letter or a digit; of other names the first sign. */
export function initials(name: string): string {
  const words = name
    .split(/[\s_.@-]+/u)
    .map((word) => word.replace(/^[^\p{L}\p{N}]+/u, ""))
    .filter(Boolean);
  const [one, last] = [words[0], words.at(-1)];
  if (one === undefined || last === undefined) return first(name.trim());
  return words.length > 1 ? first(one) + first(last) : first(one);
}
