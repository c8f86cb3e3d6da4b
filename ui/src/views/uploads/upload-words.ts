// Uploads in words.

import type { Upload, UploadProgress } from "@/backend/types";
import { bitrate, bytes, timeLeft } from "@/lib/format";
import { countsOf, type Line, leading, percentOf, progressOf, type Sum } from "@/store/uploads";
import { t } from "@/words";

/** How far all that moves is. */
export function movingWords({ percent, left_s }: Sum): string {
  if (left_s === null) return t("uploads.status", { percent });
  return t("uploads.status.left", { percent, left: timeLeft(left_s) });
}

/** How many files a line stands for: `412 segments, 3 waiting`. */
export function filesWords(line: Line): string {
  const counts = countsOf(line);
  if (!counts) return t("uploads.files", { n: line.uploads.length });
  const of = (n: number) => t(`uploads.${counts.of}`, { n });
  if (counts.all === null) return t("uploads.set.open", { some: of(counts.open) });
  return counts.open > 0 ? t("uploads.set", { all: of(counts.all), n: counts.open }) : of(counts.all);
}

/** When something is tried again. */
export function nextWords(next_try_ms: number, now_ms: number): string {
  const left_s = Math.ceil((next_try_ms - now_ms) / 1000);
  return left_s > 0 ? t("upload.next", { left: timeLeft(left_s) }) : t("upload.next.now");
}

/** The state of one upload, or of several that are shown as one. */
export function stateWords(uploads: Upload[]): string {
  const state = leading(uploads);
  const percent = percentOf(progressOf(uploads));
  if (state === "uploading" && uploads.some((upload) => upload.growing))
    return t("upload.state.growing", { percent });
  return t(`upload.state.${state}`, { percent });
}

/** How much there is of it, how fast it goes and how long it takes. */
export function figureWords({ sent_bytes, total_bytes, rate_bps, remaining_ms }: UploadProgress): string {
  return [
    t("upload.size", { sent: bytes(sent_bytes), total: bytes(total_bytes) }),
    rate_bps > 0 && bitrate(rate_bps),
    rate_bps > 0 &&
      remaining_ms !== null &&
      t("upload.left", { left: timeLeft(Math.ceil(remaining_ms / 1000)) }),
  ]
    .filter(Boolean)
    .join(" · ");
}

/** What is said of several uploads beside their state. */
export function detailWords(uploads: Upload[], now_ms: number): string {
  const progress = progressOf(uploads);
  switch (leading(uploads)) {
    case "waiting": {
      const next = uploads.flatMap(({ state }) => (state.kind === "waiting" ? [state.next_try_ms] : []));
      const why = uploads.flatMap(({ state }) => (state.kind === "waiting" ? [state.error.message] : []));
      return `${nextWords(Math.min(...next), now_ms)} · ${why[0]}`;
    }
    case "uploading":
    case "following":
    case "paused":
      return figureWords(progress);
    case "stored": {
      const [first] = uploads;
      return first?.state.kind === "stored" ? t(`upload.verified.${first.state.verified}`) : "";
    }
    default:
      return bytes(progress.total_bytes);
  }
}
