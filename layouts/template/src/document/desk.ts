// The layout that is on, and the ways to change it: `window.tallylight.setLayout` and LiveKit's UpdateLayout. A change
// that fails leaves what is on.

import type { Broken } from "../../../types";
import type { Choice } from "../place/types";
import { type Fetch, find, findStock } from "./find";

export type Answer = { ok: true; layout: string } | { ok: false; error: Broken };

export class Desk {
  readonly #get: Fetch;
  readonly #listeners = new Set<() => void>();
  #on: Choice;
  #asked = 0;

  constructor(on: Choice, get: Fetch) {
    this.#on = on;
    this.#get = get;
  }

  /** For React: the same object until the layout changes. */
  readonly now = (): Choice => this.#on;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /**
   * Changes the layout to a stock one, one that lies beside the page, or a document (an object or its text).
   * `strict`: a name that nobody knows is refused, rather than read as LiveKit reads it.
   */
  async set(asked: unknown, strict = true): Promise<Answer> {
    const turn = ++this.#asked;
    const at = typeof asked === "string" ? findStock(asked) : null;
    const found = at ?? (await find(asked, this.#get, strict));
    if (!found.ok) return found;
    // Whoever asked last decides, even if their document came sooner.
    if (turn === this.#asked) {
      this.#on = found.choice;
      for (const listener of this.#listeners) listener();
    }
    return { ok: true, layout: found.choice.document.name };
  }
}
