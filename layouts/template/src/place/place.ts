// Who is where: a document, people and a frame become tiles. Pure: the same arguments always give the same tiles.
// The rules are told in PLACEMENT.md, for every compositor.

import type { Group, Layout, Region, When, Who } from "../../../types";
import { grid, whole } from "./grid";
import { cardOf, line, lookOf, tagOf } from "./look";
import { DEFAULT_HOLD_MS, follow, NOTHING, order, talks } from "./speakers";
import type { Choice, Frame, Memory, Person, Placement, Rect, Tile } from "./types";

/** A camera or a screen of somebody. Whoever is there has a camera picture: while it is off, a card. */
interface Picture {
  key: string;
  kind: Tile["kind"];
  person: Person;
}

const camera = (person: Person): Picture => ({ key: `camera:${person.identity}`, kind: "camera", person });
const screen = (person: Person): Picture => ({ key: `screen:${person.identity}`, kind: "screen", person });

const plain = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

interface Room {
  /** As they joined. */
  people: Person[];
  /** The screen that was shared last comes first. */
  screens: Picture[];
  /** As speakers' places are given. */
  speakers: Person[];
}

interface Drawn {
  document: Layout;
  regions: Region[];
  /** Tells seats of one arrangement from those of another. */
  name: string;
}

export function place(
  choice: Choice,
  everybody: readonly Person[],
  frame: Frame,
  now: number,
  previous: Memory = NOTHING,
): Placement {
  const people = [...everybody].sort((a, b) => a.joinedMs - b.joinedMs || plain(a.identity, b.identity));
  const screens = people
    .filter((person) => person.sharedMs !== null)
    .sort((a, b) => (b.sharedMs ?? 0) - (a.sharedMs ?? 0))
    .map(screen);
  const drawn = arrangement(choice, {
    frame,
    sharing: screens.length > 0,
    pictures: people.length + screens.length,
  });
  const followed = follow(people, holdOf(drawn.regions), now, previous);
  const room: Room = { people, screens, speakers: order(people, followed.memory) };

  const taken = singles(drawn.regions, room);
  const seating = groups(drawn, room, taken, now, followed.memory);
  const unit = Math.min(frame.width, frame.height);
  const used = new Map<string, number>();
  const tiles = drawn.regions.flatMap((region, index) => {
    const area = areaOf(region, frame, unit);
    const seated = seating.groups.get(index);
    const alone = taken.get(index);
    const pictures = seated?.pictures ?? (alone ? [alone] : []);
    const rects = seated
      ? grid(pictures.length, area, (seated.group.gap ?? 0) * unit, seated.group.aspect)
      : [area];
    return pictures.map((picture, i) => {
      const nth = (used.get(picture.key) ?? 0) + 1;
      used.set(picture.key, nth);
      const key = nth > 1 ? `${picture.key}#${nth}` : picture.key;
      return tileOf({ ...picture, key }, drawn.document, region, index, whole(rects[i] ?? area), unit);
    });
  });
  const times = [followed.againMs, seating.againMs].filter((time) => time !== null);
  return {
    layout: drawn.document.name,
    background: drawn.document.background,
    transition: drawn.document.transition,
    tiles,
    memory: { ...followed.memory, seated: seating.seated },
    againMs: times.length ? Math.min(...times) : null,
  };
}

interface Moment {
  frame: Frame;
  sharing: boolean;
  pictures: number;
}

function holds(when: When, moment: Moment): boolean {
  const shape = moment.frame.height > moment.frame.width ? "portrait" : "landscape";
  return (
    (when.sharing ?? moment.sharing) === moment.sharing &&
    moment.pictures >= (when.pictures_at_least ?? 0) &&
    moment.pictures <= (when.pictures_at_most ?? Number.POSITIVE_INFINITY) &&
    (when.frame ?? shape) === shape
  );
}

function arrangement(choice: Choice, moment: Moment, follows = true): Drawn {
  const { document, others } = choice;
  for (const [i, variant] of (document.variants ?? []).entries()) {
    if (!holds(variant.when, moment)) continue;
    if (variant.regions) return { document, regions: variant.regions, name: `${document.name}/${i}` };
    const other = follows && variant.layout ? others[variant.layout] : undefined;
    if (other) return arrangement({ document: other, others }, moment, false);
  }
  return { document, regions: document.regions, name: document.name };
}

function holdOf(regions: readonly Region[]): number {
  for (const { who, fallback = [] } of regions) {
    for (const one of [who, ...fallback]) {
      if (typeof one === "object" && "active_speaker" in one) return one.active_speaker.hold_ms;
    }
  }
  return DEFAULT_HOLD_MS;
}

function groupOf(who: Who): { group: Group; everyone: boolean } | null {
  if (typeof who !== "object") return null;
  if ("rest" in who) return { group: who.rest, everyone: false };
  return "everyone" in who ? { group: who.everyone, everyone: true } : null;
}

/** Who would go to such a place, best first. */
function candidates(who: Who, room: Room): Picture[] {
  if (who === "screen_share") return room.screens;
  if ("active_speaker" in who) return room.speakers.map(camera);
  const one = (person: Person | undefined) => (person ? [camera(person)] : []);
  if ("pinned" in who) return one(room.people.find((person) => person.identity === who.pinned.identity));
  return "person" in who ? one(room.people[who.person.n - 1]) : [];
}

/** The regions for one picture each. People by name or number have their places before speakers are looked for. */
function singles(regions: readonly Region[], room: Room): Map<number, Picture> {
  const taken = new Map<number, Picture>();
  const shown = new Set<string>();
  const fill = (index: number, region: Region, who: Who) => {
    const free = candidates(who, room).find(({ key }) => region.repeat || !shown.has(key));
    if (!free) return;
    taken.set(index, free);
    shown.add(free.key);
  };
  for (const [index, region] of regions.entries()) {
    const { who } = region;
    if (typeof who === "object" && ("pinned" in who || "person" in who)) fill(index, region, who);
  }
  for (const [index, region] of regions.entries()) {
    // A group has its turn when all single places are given.
    if (groupOf(region.who)) continue;
    for (const who of [region.who, ...(region.fallback ?? [])]) {
      if (taken.has(index) || groupOf(who)) break;
      fill(index, region, who);
    }
  }
  return taken;
}

interface Seated {
  group: Group;
  pictures: Picture[];
}

/** The regions with grids, and those that are left empty and have a grid to fall back on. */
function groups(drawn: Drawn, room: Room, taken: Map<number, Picture>, now: number, memory: Memory) {
  const shown = new Set([...taken.values()].map(({ key }) => key));
  const all = [...room.screens, ...room.people.map(camera)];
  const found = new Map<number, Seated>();
  const seated: Record<string, readonly string[]> = {};
  let againMs: number | null = null;
  for (const [index, region] of drawn.regions.entries()) {
    for (const who of [region.who, ...(region.fallback ?? [])]) {
      if (taken.has(index) || found.has(index)) break;
      const asked = groupOf(who);
      if (!asked) {
        // Whoever is meant has been looked for, unless a grid that is empty came before.
        const free =
          groupOf(region.who) && candidates(who, room).find(({ key }) => region.repeat || !shown.has(key));
        if (free) {
          taken.set(index, free);
          shown.add(free.key);
        }
        continue;
      }
      const twice = asked.everyone || region.repeat;
      const waiting = all.filter(({ key }) => twice || !shown.has(key));
      if (!waiting.length) continue;
      const slot = `${drawn.name}#${index}`;
      const part = shownNow(waiting, asked.group, now, memory, memory.seated[slot] ?? []);
      if (part.againMs !== null) againMs = Math.min(againMs ?? part.againMs, part.againMs);
      found.set(index, { group: asked.group, pictures: part.pictures });
      seated[slot] = part.pictures.map(({ key }) => key);
      for (const { key } of part.pictures) shown.add(key);
    }
  }
  return { groups: found, seated, againMs };
}

/** Those of a group that are seen at this moment, where it has not room for all. */
function shownNow(
  waiting: Picture[],
  { max_tiles: most, page_s }: Group,
  now: number,
  memory: Memory,
  before: readonly string[],
): { pictures: Picture[]; againMs: number | null } {
  if (!most || waiting.length <= most) return { pictures: waiting, againMs: null };
  if (page_s) {
    const pages = Math.ceil(waiting.length / most);
    const each = Math.ceil(waiting.length / pages);
    const turn = Math.floor(now / (page_s * 1000));
    const from = (turn % pages) * each;
    return { pictures: waiting.slice(from, from + each), againMs: (turn + 1) * page_s * 1000 };
  }
  const by = new Map(waiting.map((picture) => [picture.key, picture]));
  const seats = before.flatMap((key) => by.get(key) ?? []).slice(0, most);
  for (const picture of waiting) {
    if (seats.length < most && !seats.includes(picture)) seats.push(picture);
  }
  const heard = (picture: Picture) =>
    picture.kind === "screen" ? Number.POSITIVE_INFINITY : (memory.heardMs[picture.person.identity] ?? 0);
  for (const picture of waiting) {
    if (seats.includes(picture) || picture.kind === "screen" || !talks(picture.person)) continue;
    let silent = -1;
    for (const [i, seat] of seats.entries()) {
      const other = seats[silent];
      if (seat.kind === "screen" || talks(seat.person)) continue;
      if (!other || heard(seat) <= heard(other)) silent = i;
    }
    if (silent >= 0) seats[silent] = picture;
  }
  return { pictures: seats, againMs: null };
}

function areaOf(region: Region, frame: Frame, unit: number): Rect {
  const inset = (region.inset ?? 0) * unit;
  const width = region.width * frame.width;
  const height = region.height * frame.height;
  // An inset never eats up a region: half of it stays.
  const side = Math.min(inset, width / 4, height / 4);
  return {
    x: region.x * frame.width + side,
    y: region.y * frame.height + side,
    width: width - 2 * side,
    height: height - 2 * side,
  };
}

function tileOf(
  picture: Picture,
  document: Layout,
  region: Region,
  index: number,
  rect: Rect,
  unit: number,
): Tile {
  const look = lookOf(document.look, region.look);
  const { key, kind, person } = picture;
  const face = kind === "camera";
  return {
    key,
    kind,
    identity: person.identity,
    region: index,
    rect,
    fit: face ? look.fit : look.screen_fit,
    backdrop: look.backdrop,
    corner: Math.round(Math.min(look.corner * unit, rect.width / 2, rect.height / 2)),
    border: line(look.border, unit),
    ring: line(look.speaking_ring, unit),
    speaking: face && talks(person),
    // A screen is for reading: nothing is laid over it.
    tag: face ? tagOf(person, look, rect, unit) : null,
    card: cardOf(person, look),
    picture: !face || person.camera,
  };
}
