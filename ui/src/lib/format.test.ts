import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bitrate, bytes, fileName, initials, length, moment, tailOf, timecode, timeLeft } from "./format";

describe("figures", () => {
  it("timecodes keep their width", () => {
    expect(timecode(764_999)).toBe("00:12:44");
    expect(timecode(-5)).toBe("00:00:00");
    fc.assert(fc.property(fc.nat(99 * 3_600_000), (ms) => timecode(ms).length === 8));
  });

  it("sizes have three figures and the right unit", () => {
    expect([0, 999, 1000, 142_300_000, 1_420_000_000, 999_600_000].map(bytes)).toEqual([
      "0 B",
      "999 B",
      "1 kB",
      "142 MB",
      "1.42 GB",
      "1.00 GB",
    ]);
  });

  it("rates", () =>
    expect([34_000, 1_480_000, 999_900].map(bitrate)).toEqual(["34 kb/s", "1.5 Mb/s", "1.0 Mb/s"]));

  it("time left never promises too much", () => {
    expect([59.9, 60, 3599, 11_400, 400_000].map(timeLeft)).toEqual([
      "59 s",
      "1 min",
      "59 min",
      "3 h 10 min",
      "4 days",
    ]);
  });

  it("lengths end where the counter stood", () =>
    expect([62_000, 62_999, 5_412_000].map(length)).toEqual(["1:02", "1:02", "1:30:12"]));

  it("moments of today have no date", () => {
    const now = new Date(2026, 10, 12, 9, 41).getTime();
    expect(moment(new Date(2026, 10, 12, 7, 5).getTime(), now)).toBe("7:05");
    expect(moment(new Date(2026, 10, 11, 14, 2).getTime(), now)).toBe("11 Nov 14:02");
    expect(moment(new Date(2025, 10, 11, 14, 2).getTime(), now)).toBe("11 Nov 2025 14:02");
  });
});

describe("names", () => {
  it("file names of either kind of path", () => {
    expect(fileName("/home/vera/a b.mp4")).toBe("a b.mp4");
    expect(fileName("C:\\Videos\\show.mp4")).toBe("show.mp4");
  });

  it("the end of a path is what is kept", () => expect(tailOf("/a/very/long/path", 9)).toBe("…ong/path"));

  it("initials take whole characters", () => {
    expect(initials("Ada Lovelace")).toBe("AL");
    expect(initials("👩‍🚀 Zoë 🚀🎉")).toBe("👩‍🚀🚀");
    expect(initials("")).toBe("?");
    expect(initials("山田 太郎")).toBe("山太");
  });
});
