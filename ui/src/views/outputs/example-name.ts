// What a file-name template comes to. An example for the eye: the job resolves the real one when it knows its tracks.

import type { RecordRequest, Track } from "@/backend/types";

/** Placeholders a template may hold, LiveKit's names. */
export const PLACEHOLDERS = [
  "room_name",
  "room_id",
  "publisher_identity",
  "track_id",
  "track_type",
  "track_source",
  "time",
  "utc",
] as const;

const two = (n: number) => String(n).padStart(2, "0");

function localTime(at: Date): string {
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}${two(at.getMinutes())}${two(at.getSeconds())}`;
}

/** The extension that a format ends up with, as far as it can be told beforehand. */
function extensionOf({ format, source }: RecordRequest, track: Track | null): string {
  if (format.container) return format.container;
  if ("parts" in source) return source.parts === "sound" ? "ogg" : "mp4";
  if (track?.kind === "audio") return "ogg";
  if (format.type === "as_published" && track) return track.codec.startsWith("vp") ? "webm" : "mp4";
  return "mp4";
}

export function exampleName(request: RecordRequest, track: Track | null, roomSid: string, at: Date): string {
  const { source } = request;
  const identity = source.type === "participant" ? source.identity : "";
  const single = source.type === "track" ? source.track_id : "";
  const values: Record<string, string> = {
    identifier: source.type === "web" ? "web" : identity || single || request.room_name,
    room_name: request.room_name,
    room_id: roomSid,
    egress_id: "EG_…",
    publisher_identity: identity,
    track_id: single,
    track_type: source.type === "track" ? (track?.kind ?? "") : "",
    track_source: source.type === "track" ? (track?.source ?? "") : "",
    time: localTime(at),
    utc: `${at.toISOString().replace(/\D/g, "").slice(0, 17)}`,
    retry: "0",
  };
  const fill = (template: string) =>
    template
      .replace(/\{(\w+)\}/g, (whole, name: string) => values[name]?.replaceAll(/[/\\]/g, "_") ?? whole)
      .replaceAll(/[<>:"|?*]/g, "_");
  const template = request.name.trim();
  const at_ = Math.max(template.lastIndexOf("/"), template.lastIndexOf("\\"));
  const folder = template.slice(0, at_ + 1);
  const stem = template.slice(at_ + 1).replace(/\.(mp4|ogg|mp3|webm|ivf|ts|m3u8|raw|jpe?g|mkv)$/i, "");
  return `${fill(folder)}${fill(stem || "{identifier}-{time}")}.${extensionOf(request, track)}`;
}
