// Which size of each picture is asked of the server. LiveKit's adaptive stream would watch the elements on the page and
// stop pictures while the page is hidden, which a recorder's page may be; here sizes follow from placement alone.

import { type RemoteTrackPublication, VideoQuality } from "livekit-client";
import type { Tile } from "../place/types";
import type { People } from "./people";

/** A picture that gets smaller keeps its size for so long: a layout that is tried may be taken back. */
const SHRINK_AFTER_MS = 3000;

/** So many pictures that are not seen come in all the same, in their smallest size, so that they are there at once. */
const READY = 12;

interface Wish {
  width: number;
  height: number;
}

export class Layers {
  readonly #people: People;
  readonly #asked = new Map<string, Wish>();
  #tiles: readonly Tile[] = [];
  #sizes = "";
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(people: People) {
    this.#people = people;
  }

  /** Asks for what these tiles need. Larger pictures at once, smaller ones after a while. */
  want(tiles: readonly Tile[]) {
    this.#tiles = tiles;
    this.#ask(tiles, false);
    // Who speaks changes all the time, and must not put the moment off.
    const shown = tiles.map(({ key, rect }) => `${key} ${rect.width} ${rect.height}`);
    const sizes = [...shown, ...this.#videos().map(({ trackSid }) => trackSid)].join("\n");
    if (sizes === this.#sizes) return;
    this.#sizes = sizes;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(this.#tiles, true), SHRINK_AFTER_MS);
  }

  #ask(tiles: readonly Tile[], shrink: boolean) {
    const wishes = new Map<RemoteTrackPublication, Wish>();
    for (const tile of tiles) {
      const publication = this.#people.publication(tile);
      if (!publication) continue;
      const { width, height } = tile.rect;
      const other = wishes.get(publication);
      wishes.set(publication, {
        width: Math.max(width, other?.width ?? 0),
        height: Math.max(height, other?.height ?? 0),
      });
    }
    let ready = 0;
    for (const publication of this.#videos()) {
      const wish = wishes.get(publication);
      if (wish) this.#show(publication, wish, shrink);
      else if (shrink) this.#hide(publication, ++ready <= READY);
    }
  }

  #videos(): RemoteTrackPublication[] {
    const everybody = [...this.#people.room.remoteParticipants.values()];
    return everybody.flatMap((person) => [...person.videoTrackPublications.values()]);
  }

  #show(publication: RemoteTrackPublication, wish: Wish, shrink: boolean) {
    if (!publication.isEnabled) publication.setEnabled(true);
    const before = this.#asked.get(publication.trackSid);
    const smaller = before && wish.width <= before.width && wish.height <= before.height;
    const same = before && wish.width === before.width && wish.height === before.height;
    if (same || (smaller && !shrink)) return;
    this.#asked.set(publication.trackSid, wish);
    publication.setVideoDimensions(wish);
  }

  #hide(publication: RemoteTrackPublication, ready: boolean) {
    this.#asked.delete(publication.trackSid);
    if (publication.isEnabled !== ready) publication.setEnabled(ready);
    if (ready) publication.setVideoQuality(VideoQuality.LOW);
  }
}
