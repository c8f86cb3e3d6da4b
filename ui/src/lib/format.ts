// Figures as a producer reads them. Fixed widths: nothing here may jump while it counts.

/** `00:12:44` of milliseconds. Hours go on past 99. */
export function timecode(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number) => String(n).padStart(2, "0");
  return `${two(Math.floor(s / 3600))}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

/** `12:44` or `1:12:44`, for lengths in lists. Rounded down, as the counter that ran before it was. */
export function length(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number) => String(n).padStart(2, "0");
  const h = Math.floor(s / 3600);
  const m = Math.floor(s / 60) % 60;
  return h > 0 ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
}

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** `142 MB`, `1.42 GB`: three figures, decimal units as disks are sold in. */
export function bytes(n: number): string {
  let value = Math.max(0, n);
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit < 2 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** `4.5 Mb/s`, `128 kb/s`. */
export function bitrate(bps: number): string {
  if (bps >= 999_500) return `${(bps / 1e6).toFixed(1)} Mb/s`;
  return `${Math.round(bps / 1000)} kb/s`;
}

/** `3 h 10 min`, `45 min`, `50 s`: for time that is left. Rounded down, so that it never promises too much. */
export function timeLeft(s: number): string {
  const whole = Math.max(0, Math.floor(s));
  if (whole < 60) return `${whole} s`;
  const m = Math.floor(whole / 60);
  if (m < 60) return `${m} min`;
  if (m < 48 * 60) return `${Math.floor(m / 60)} h ${String(m % 60).padStart(2, "0")} min`;
  return `${Math.floor(m / 1440)} days`;
}

/** `9:05` of a moment today, `12 Nov 9:05` of an earlier one. */
export function moment(ms: number, now_ms: number): string {
  const at = new Date(ms);
  const clock = `${at.getHours()}:${String(at.getMinutes()).padStart(2, "0")}`;
  if (at.toDateString() === new Date(now_ms).toDateString()) return clock;
  const year = at.getFullYear() === new Date(now_ms).getFullYear() ? undefined : "numeric";
  const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year }).format(at);
  return `${day} ${clock}`;
}

/** The last part of a path, of either kind of slash. */
export function fileName(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}

/** A path that fits: the beginning goes, the end is what tells. */
export function tailOf(path: string, longest: number): string {
  return path.length <= longest ? path : `…${path.slice(path.length - longest + 1)}`;
}

/** One or two letters for a person without a picture. Takes whole characters, emoji included. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/u).filter(Boolean);
  const first = (word: string | undefined) => {
    if (!word) return "";
    const [part] = new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(word);
    return part?.segment ?? "";
  };
  const two = words.length > 1 ? first(words[0]) + first(words.at(-1)) : first(words[0]);
  return two.toLocaleUpperCase() || "?";
}
