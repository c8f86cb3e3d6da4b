// How a stream is, in a producer's words.

import type { JobDestination, OutputFigures, SoundFormat } from "@/backend/types";
import { timecode } from "@/lib/format";
import { t } from "@/words";

/** `RTMPS`, `SRT`: how it is sent, with what the address says of it. */
export function protocolWords({ address, protocol }: Pick<JobDestination, "address" | "protocol">): string {
  if (protocol === "srt") return "SRT";
  if (protocol === "websocket") return "WebSocket";
  return /^(rtmps|mux|twitch):/i.test(address) ? "RTMPS" : "RTMP";
}

/** What goes to a destination that does not take the whole programme; none where it does, or where nobody knows. */
export function soundWords({
  protocol,
  sound,
}: Pick<JobDestination, "protocol"> & { sound: SoundFormat | null }): string | null {
  return protocol === "websocket" && sound ? t(`stream.sound.${sound}`) : null;
}

/** Seconds until the next try, rounded up: nothing is tried while it says more than none. */
export function secondsToTry(figures: OutputFigures | null): number | null {
  const next = figures?.destination?.next_try_ms ?? null;
  return next === null ? null : Math.max(1, Math.ceil(next / 1000));
}

/** Its state, short enough for a row. */
export function stateWords({ state }: JobDestination, figures: OutputFigures | null): string {
  if (state.is !== "reconnecting") return t(`stream.${state.is}`);
  const tries = figures?.destination?.tries;
  const seconds = secondsToTry(figures);
  if (tries === undefined) return t("stream.reconnecting");
  return seconds === null ? t("stream.trying", { n: tries }) : t("stream.next", { n: tries + 1, s: seconds });
}

/** How long it has been live without a break; none while it is not. */
export function uptimeWords(figures: OutputFigures | null): string | null {
  const ms = figures?.destination?.uptime_ms ?? null;
  return ms === null ? null : timecode(ms);
}
