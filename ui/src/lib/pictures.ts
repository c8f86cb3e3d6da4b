// Pictures of tracks. Each track is asked for once, however many places show it; the newest wins; a track
// that no place shows is not asked for, and the studio makes no pictures of it.

import type { Backend, Picture } from "@/backend/backend";
import type { TrackId } from "@/backend/types";

/** Draws a picture now. It must not keep it: the picture is closed when the next one comes. */
export type Draw = (image: Picture["image"]) => void;

/** How long a set of visible tracks must stand before the studio is told, ms: scrolling changes it often. */
const SETTLE_MS = 80;
/** How long to wait after a picture that could not be had, ms. */
const RETRY_MS = 600;

interface Feed {
  places: Set<Draw>;
  last: Picture | null;
  stop: AbortController;
}

export class Pictures {
  readonly #backend: Backend;
  readonly #feeds = new Map<TrackId, Feed>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #told: string | null = null;

  constructor(backend: Backend) {
    this.#backend = backend;
    // A window in the tray shows nothing.
    document.addEventListener("visibilitychange", () => this.#tell());
  }

  /** Says again what is seen, to a room that was joined anew and has not heard it. */
  again() {
    this.#told = null;
    this.#tell();
  }

  /** Shows a track in one more place, until the returned function is called. */
  show(track: TrackId, draw: Draw): () => void {
    let feed = this.#feeds.get(track);
    if (!feed) {
      feed = { places: new Set(), last: null, stop: new AbortController() };
      this.#feeds.set(track, feed);
      void this.#pull(track, feed);
    }
    feed.places.add(draw);
    if (feed.last) draw(feed.last.image);
    this.#tell();
    return () => {
      feed.places.delete(draw);
      if (feed.places.size > 0 || this.#feeds.get(track) !== feed) return;
      this.#feeds.delete(track);
      feed.stop.abort();
      close(feed.last);
      feed.last = null;
      this.#tell();
    };
  }

  #tell() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const tracks = document.hidden ? [] : [...this.#feeds.keys()].sort();
      if (tracks.join() === this.#told) return;
      this.#told = tracks.join();
      this.#backend.watch(tracks).catch(() => {
        // No room is open, or it is just closing: the next change of what is seen tells it again.
        this.#told = null;
      });
    }, SETTLE_MS);
  }

  async #pull(track: TrackId, feed: Feed) {
    const { signal } = feed.stop;
    while (!signal.aborted) {
      if (document.hidden) await seen();
      try {
        const asked = performance.now();
        const picture = await this.#backend.frame(track, feed.last?.seq ?? 0, signal);
        if (!picture) {
          // Nothing new for a while, which is how it should be; nothing at once must not become a busy loop.
          if (performance.now() - asked < RETRY_MS) await pause();
          continue;
        }
        if (signal.aborted) {
          close(picture);
          return;
        }
        for (const draw of feed.places) draw(picture.image);
        close(feed.last);
        feed.last = picture;
      } catch {
        if (!signal.aborted) await pause();
      }
    }
  }
}

const pause = () => new Promise((resolve) => setTimeout(resolve, RETRY_MS));

/** Waits until the window can be seen. */
function seen(): Promise<void> {
  return new Promise((resolve) =>
    document.addEventListener("visibilitychange", () => resolve(), { once: true }),
  );
}

function close(picture: Picture | null) {
  if (picture && "close" in picture.image) picture.image.close();
}
