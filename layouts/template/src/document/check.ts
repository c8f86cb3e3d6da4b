// Whether a document is a layout, and if not where and why. The shape is checked by walking the schema that is made
// from the Rust types; Rust walks it in the same way (crates/egress/src/layout/schema.rs), and
// layouts/cases/broken.json holds the two to the same words.

import schemaFile from "../../../layout.schema.json";
import type { Broken, Group, Layout, Region, Variant, Who } from "../../../types";

export type Checked = { ok: true; layout: Layout } | { ok: false; error: Broken };

interface Schema {
  $ref?: string;
  const?: string;
  format?: string;
  items?: Schema;
  maxItems?: number;
  maxLength?: number;
  maximum?: number;
  minItems?: number;
  minLength?: number;
  minimum?: number;
  oneOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  type?: string;
}

// What the compiler makes of the file is too narrow to be walked.
const schema = schemaFile as unknown as Schema & { $defs: Record<string, Schema> };

const broken = (path: string, reason: string): Broken => ({ path, reason });

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const WANTED: Record<string, [string, (value: unknown) => boolean]> = {
  object: ["An object { … } is wanted here.", isObject],
  array: ["A list [ … ] is wanted here.", Array.isArray],
  string: ["A text in quotation marks is wanted here.", (value) => typeof value === "string"],
  boolean: ["true or false is wanted here.", (value) => typeof value === "boolean"],
  integer: ["A whole number is wanted here.", Number.isInteger],
  number: ["A number is wanted here.", Number.isFinite],
};

/** Reads a document from text. References to other layouts are not followed here. */
export function read(text: string): Checked {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const reason = "This is not JSON: look for a missing comma, bracket or quotation mark just before.";
    return { ok: false, error: { ...broken("", reason), ...placeOf(String(error), text) } };
  }
  return check(value);
}

export function check(value: unknown): Checked {
  const error = node(schema, value, "");
  if (error) return { ok: false, error };
  // The schema is made from the type, and the value has just been held to it.
  const layout = value as Layout;
  const against = rules(layout);
  return against ? { ok: false, error: against } : { ok: true, layout };
}

/** Line and column of the place that the browser's message names; of the end where it names none. */
function placeOf(message: string, text: string): { line: number; column: number } {
  const named = /position (\d+)/.exec(message)?.[1];
  const before = text.slice(0, named === undefined ? undefined : Number(named) + 1);
  const lines = before.split("\n");
  return { line: lines.length, column: lines.at(-1)?.length ?? 0 };
}

function node(at: Schema, value: unknown, path: string): Broken | null {
  if (at.$ref !== undefined) {
    const target = schema.$defs[at.$ref.slice("#/$defs/".length)];
    const error = target ? node(target, value, path) : null;
    if (error) return error;
  }
  if (at.oneOf) return choice(at.oneOf, value, path);
  const wanted = at.type === undefined ? undefined : WANTED[at.type];
  if (wanted && !wanted[1](value)) return broken(path, wanted[0]);
  if (isObject(value)) return object(at, value, path);
  if (Array.isArray(value)) return array(at, value, path);
  if (typeof value === "string") return string(at, value, path);
  return typeof value === "number" ? range(at, value, path) : null;
}

const wordOf = (one: Schema) => one.const ?? one.required?.[0] ?? "";

/** A thing that is one of several, told apart by its word: a text, or an object with one field. */
function choice(choices: Schema[], value: unknown, path: string): Broken | null {
  const known = choices.map(wordOf).join(", ");
  const fields = isObject(value) ? Object.keys(value) : [];
  const word = typeof value === "string" ? value : fields.length === 1 ? fields[0] : undefined;
  if (word === undefined) return broken(path, `One of these is wanted here: ${known}.`);
  const one = choices.find((option) => wordOf(option) === word);
  if (!one) return broken(path, `${word} is not known here. Known are: ${known}.`);
  if (one.const !== undefined) {
    return typeof value === "string" ? null : broken(path, `${word} stands alone: write "${word}".`);
  }
  return isObject(value) ? node(one, value, path) : broken(path, `More has to be said: { "${word}": … }.`);
}

function object(at: Schema, fields: Record<string, unknown>, path: string): Broken | null {
  if (!at.properties) return null;
  for (const [name, value] of Object.entries(fields)) {
    const place = `${path}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    const known = Object.hasOwn(at.properties, name) ? at.properties[name] : undefined;
    if (!known) {
      const names = Object.keys(at.properties).filter((one) => !one.startsWith("$"));
      return broken(place, `There is nothing called ${name} here. There is: ${names.sort().join(", ")}.`);
    }
    const error = node(known, value, place);
    if (error) return error;
  }
  const missing = at.required?.find((name) => !Object.hasOwn(fields, name));
  return missing === undefined ? null : broken(path, `${missing} is missing.`);
}

function array(at: Schema, items: unknown[], path: string): Broken | null {
  if (items.length < (at.minItems ?? 0)) return broken(path, "This list is empty.");
  if (at.maxItems !== undefined && items.length > at.maxItems) {
    return broken(path, `Too many: ${at.maxItems} are the most.`);
  }
  const each = at.items;
  if (!each) return null;
  for (const [i, item] of items.entries()) {
    const error = node(each, item, `${path}/${i}`);
    if (error) return error;
  }
  return null;
}

const NAME = /^[a-z0-9][a-z0-9-]{0,63}$/;
const COLOUR = /^#([0-9a-fA-F]{6}|[0-9a-fA-F]{8})$/;

/** Whether a text can be a layout's name. Such a name is safe in a path and in an address. */
export function isName(text: string): boolean {
  return NAME.test(text);
}

function string(at: Schema, text: string, path: string): Broken | null {
  if (at.format === "colour" && !COLOUR.test(text)) {
    return broken(path, "This is no colour: write #rrggbb or #rrggbbaa.");
  }
  if (at.format === "layout-name" && !isName(text)) {
    return broken(path, "A name has small letters, digits and hyphens, 64 at most.");
  }
  const length = [...text].length;
  if (length < (at.minLength ?? 0)) return broken(path, "This is empty.");
  return at.maxLength !== undefined && length > at.maxLength
    ? broken(path, `Too long: ${at.maxLength} characters are the most.`)
    : null;
}

function range(at: Schema, value: number, path: string): Broken | null {
  if (at.minimum !== undefined && value < at.minimum)
    return broken(path, `Too small: ${at.minimum} is the least.`);
  return at.maximum !== undefined && value > at.maximum
    ? broken(path, `Too large: ${at.maximum} is the most.`)
    : null;
}

/** Fractions are written in decimal and added: 0.1 + 0.9 may come out a little over 1. */
const SLACK = 1e-6;

/** What a schema cannot say. */
function rules(layout: Layout): Broken | null {
  const error = regions("/regions", layout.regions);
  if (error) return error;
  for (const [i, one] of (layout.variants ?? []).entries()) {
    const wrong = variant(`/variants/${i}`, one, layout);
    if (wrong) return wrong;
  }
  return null;
}

function variant(at: string, { when, regions: list, layout: other }: Variant, layout: Layout): Broken | null {
  if (!Object.keys(when).length) {
    return broken(`${at}/when`, "Say when: sharing, pictures_at_least, pictures_at_most or frame.");
  }
  const { pictures_at_least: least, pictures_at_most: most } = when;
  if (least !== undefined && most !== undefined && least > most) {
    const reason = "No number is at least pictures_at_least and at most pictures_at_most.";
    return broken(`${at}/when/pictures_at_most`, reason);
  }
  if ((list === undefined) === (other === undefined)) {
    return broken(at, "A variant has either regions or layout.");
  }
  if (other === layout.name) return broken(`${at}/layout`, "A layout cannot give way to itself.");
  return list ? regions(`${at}/regions`, list) : null;
}

function regions(at: string, list: Region[]): Broken | null {
  const pinned = new Set<string>();
  for (const [i, region] of list.entries()) {
    const place = `${at}/${i}`;
    if (region.x + region.width > 1 + SLACK) {
      const reason = "x and width together are more than 1: the region leaves the frame on the right.";
      return broken(`${place}/width`, reason);
    }
    if (region.y + region.height > 1 + SLACK) {
      const reason = "y and height together are more than 1: the region leaves the frame at the bottom.";
      return broken(`${place}/height`, reason);
    }
    const wrong =
      group(`${place}/who`, region.who) ??
      region.fallback?.map((who, k) => group(`${place}/fallback/${k}`, who)).find((error) => error !== null);
    if (wrong) return wrong;
    if (typeof region.who === "object" && "pinned" in region.who && !region.repeat) {
      const { identity } = region.who.pinned;
      if (pinned.has(identity)) {
        const reason = 'This person is pinned twice. To show somebody twice, say "repeat": true.';
        return broken(`${place}/who/pinned/identity`, reason);
      }
      pinned.add(identity);
    }
  }
  return null;
}

function group(at: string, who: Who): Broken | null {
  if (typeof who !== "object") return null;
  const found: [string, Group] | null =
    "rest" in who ? ["rest", who.rest] : "everyone" in who ? ["everyone", who.everyone] : null;
  if (!found) return null;
  const [name, { aspect, max_tiles, page_s }] = found;
  if (aspect.least > aspect.most) return broken(`${at}/${name}/aspect/most`, "most is smaller than least.");
  return page_s !== undefined && max_tiles === undefined
    ? broken(`${at}/${name}/page_s`, "Pages need max_tiles: how many are on one.")
    : null;
}
