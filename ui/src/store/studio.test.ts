import { waitFor } from "@testing-library/react";
import { afterEach, describe, expect, it, vi } from "vitest";
import { anError, emptySnapshot } from "@/backend/fixture/people";
import { FixtureStudio } from "@/backend/fixture/studio";
import { follow, useStudioState } from "./studio";

const folderNow = () => useStudioState.getState().snapshot?.settings.folder;
const settings = (folder: string) => ({
  type: "settings" as const,
  settings: { folder, name: "", upload_limit_bps: null, api: { on: false, port: 7890 } },
});

let stop = () => {};
afterEach(() => {
  stop();
  vi.useRealTimers();
});

describe("follow", () => {
  it("misses nothing that happens between subscribing and the snapshot", async () => {
    const studio = new FixtureStudio(emptySnapshot());
    const take = studio.snapshot.bind(studio);
    studio.snapshot = async () => {
      const taken = await take();
      studio.emit(settings("/while-it-was-on-its-way"));
      return taken;
    };
    stop = follow(studio);
    await waitFor(() => expect(folderNow()).toBe("/while-it-was-on-its-way"));
    expect(studio.calls.map((call) => call.name)).toEqual(["subscribe", "snapshot"]);
  });

  it("takes a new snapshot after a lost change, and goes on from there", async () => {
    const studio = new FixtureStudio(emptySnapshot());
    stop = follow(studio);
    await waitFor(() => expect(useStudioState.getState().snapshot).not.toBeNull());
    studio.emitLost(settings("/lost"));
    studio.emit({
      type: "machine",
      machine: { cpu_percent: 3, disk_free_bytes: 1, disk_left_s: null, problems: [] },
    });
    await waitFor(() => expect(useStudioState.getState().snapshot).toEqual(studio.now));
    expect(folderNow()).toBe("/lost");
    studio.emit(settings("/after"));
    expect(folderNow()).toBe("/after");
    expect(studio.calls.filter((call) => call.name === "snapshot")).toHaveLength(2);
  });

  it("says why the studio cannot be reached, and gets over it", async () => {
    vi.useFakeTimers();
    const studio = new FixtureStudio(emptySnapshot());
    studio.failures.set("snapshot", anError({ message: "The studio is still opening." }));
    stop = follow(studio);
    await vi.advanceTimersByTimeAsync(0);
    expect(useStudioState.getState().error?.message).toBe("The studio is still opening.");
    studio.failures.clear();
    await vi.advanceTimersByTimeAsync(5000);
    expect(useStudioState.getState().error).toBeNull();
    expect(useStudioState.getState().snapshot).toEqual(studio.now);
  });

  it("hears nothing more once it is stopped", async () => {
    const studio = new FixtureStudio(emptySnapshot());
    const end = follow(studio);
    await waitFor(() => expect(useStudioState.getState().snapshot).not.toBeNull());
    const before = folderNow();
    end();
    studio.emit(settings("/later"));
    expect(folderNow()).toBe(before);
  });
});
