// What placement takes and gives. Pixels are those of the frame, times are unix milliseconds.

import type { Background, Border, CameraOff, Fit, Layout, NameTag, Transition } from "../../../types";

/** Somebody who publishes something, or did: an audience that only watches is no part of the picture. */
export interface Person {
  identity: string;
  /** May be empty: then the identity is shown. */
  name: string;
  joinedMs: number;
  /** There is a camera, and it is on. */
  camera: boolean;
  microphone: "on" | "muted" | "none";
  /** How loud they speak, 0 to 1; 0 when they do not. */
  level: number;
  /** Since when they share a screen. */
  sharedMs: number | null;
}

export interface Frame {
  width: number;
  height: number;
}

export interface Rect {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A document, and those that it may give way to. */
export interface Choice {
  document: Layout;
  others: Readonly<Record<string, Layout>>;
}

/** One picture on its place. Everything a compositor needs to draw it, in pixels. */
export interface Tile {
  /** The same for the same picture in every arrangement, so that it can be seen to move. */
  key: string;
  kind: "camera" | "screen";
  identity: string;
  /** Index of the region it is in; tiles of later regions lie above. */
  region: number;
  rect: Rect;
  fit: Fit;
  backdrop: string;
  corner: number;
  border: Border;
  ring: Border;
  speaking: boolean;
  tag: Tag | null;
  /** What is shown instead of a camera that is off. */
  card: Card;
  /** Whether there is a picture; otherwise the card is shown. */
  picture: boolean;
}

export interface Tag extends Omit<NameTag, "size"> {
  words: string;
  /** Height of the type. */
  size: number;
  /** Their microphone is off, and the layout wants that shown. */
  muted: boolean;
}

export interface Card extends Omit<CameraOff, "colours"> {
  disc: string;
  initials: string;
}

/** What placement has to remember from one moment to the next. */
export interface Memory {
  /** Who had the speaker's place, the one who has it first. */
  speakers: readonly string[];
  /** Since when the first of them has it because they spoke; null if they were only the best there was. */
  sinceMs: number | null;
  /** Who talks louder than the one who has the place and talks too, and since when. */
  challenger: { identity: string; sinceMs: number } | null;
  /** When each was last heard. */
  heardMs: Readonly<Record<string, number>>;
  /** Who sits in a group that has not room for all: region → pictures. */
  seated: Readonly<Record<string, readonly string[]>>;
}

export interface Placement {
  /** Name of the document that is drawn, which may be another than the one asked for. */
  layout: string;
  background: Background;
  transition: Transition;
  tiles: Tile[];
  memory: Memory;
  /** When to place again if nothing happens before; null: never. */
  againMs: number | null;
}
