// Words for what a track is.

import type { RecordFormat, Track, TrackSource } from "@/backend/types";
import { t } from "@/words";

/** `Camera`, or the publisher's own name for it where the source is not told. */
export function trackTitle(track: { source: TrackSource; name: string; kind: "audio" | "video" }): string {
  if (track.source !== "unknown") return t(`source.${track.source}`);
  return track.name.trim() || t(`kind.${track.kind}`);
}

const CODECS: Record<string, string> = {
  h264: "H.264",
  h265: "H.265",
  vp8: "VP8",
  vp9: "VP9",
  av1: "AV1",
  opus: "Opus",
  red: "Opus + RED",
  pcmu: "G.711",
  pcma: "G.711",
};

export function codecTitle(codec: string): string {
  return CODECS[codec] ?? codec.toUpperCase();
}

/** `H.264 · 1280×720 · 3 layers`. */
export function trackFacts(track: Track): string {
  const facts = [track.codec ? codecTitle(track.codec) : t("track.codecUnknown")];
  if (track.width > 0) facts.push(`${track.width}×${track.height}`);
  if (track.layers.length > 1) facts.push(t("track.layers", { n: track.layers.length }));
  return facts.join(" · ");
}

/** `720p, 30 fps`, `as published`, `1920×1080, 25 fps`. */
export function formatWords(format: RecordFormat): string {
  switch (format.type) {
    case "as_published":
      return t("how.as_published");
    case "preset":
      return t(`how.${format.preset}`);
    case "advanced":
      return `${format.options.width || 1280}×${format.options.height || 720}, ${format.options.framerate || 30} fps`;
  }
}
