import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Picture } from "@/backend/backend";
import { emptySnapshot } from "@/backend/fixture/people";
import { FixtureStudio } from "@/backend/fixture/studio";
import { Pictures } from "./pictures";

/** A studio whose pictures come when the test says so. */
class Still extends FixtureStudio {
  asked: { track: string; after: number; signal: AbortSignal; give: (picture: Picture | null) => void }[] =
    [];

  override frame(track: string, after: number, signal: AbortSignal) {
    return new Promise<Picture | null>((give, fail) => {
      signal.addEventListener("abort", () => fail(new Error("aborted")));
      this.asked.push({ track, after, signal, give });
    });
  }
}

const image = () => ({ width: 320, height: 180, close: vi.fn() }) as unknown as ImageBitmap;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("pictures", () => {
  it("asks once for a track that is shown twice, and draws it in both places", async () => {
    const studio = new Still(emptySnapshot());
    const pictures = new Pictures(studio);
    const draws = [vi.fn(), vi.fn()];
    for (const draw of draws) pictures.show("TR_1", draw);
    expect(studio.asked).toHaveLength(1);
    const first = image();
    studio.asked[0]?.give({ seq: 7, image: first });
    await vi.advanceTimersByTimeAsync(0);
    for (const draw of draws) expect(draw).toHaveBeenCalledWith(first);
    expect(studio.asked[1]).toMatchObject({ track: "TR_1", after: 7 });
  });

  it("closes a picture when the next one is there, and shows the last one to whoever comes later", async () => {
    const studio = new Still(emptySnapshot());
    const pictures = new Pictures(studio);
    pictures.show("TR_1", () => {});
    const [one, two] = [image(), image()];
    studio.asked[0]?.give({ seq: 1, image: one });
    await vi.advanceTimersByTimeAsync(0);
    expect(one.close).not.toHaveBeenCalled();
    studio.asked[1]?.give({ seq: 2, image: two });
    await vi.advanceTimersByTimeAsync(0);
    expect(one.close).toHaveBeenCalledOnce();
    const late = vi.fn();
    pictures.show("TR_1", late);
    expect(late).toHaveBeenCalledWith(two);
  });

  it("asks again after a quiet time and after a failure", async () => {
    const studio = new Still(emptySnapshot());
    new Pictures(studio).show("TR_1", () => {});
    await vi.advanceTimersByTimeAsync(9000);
    studio.asked[0]?.give(null);
    await vi.advanceTimersByTimeAsync(0);
    expect(studio.asked).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(9000);
    studio.frame = () => Promise.reject(new Error("no"));
    studio.asked[1]?.give(null);
    await vi.advanceTimersByTimeAsync(0);
    const failing = vi.spyOn(studio, "frame");
    await vi.advanceTimersByTimeAsync(700);
    expect(failing).toHaveBeenCalled();
  });

  it("does not ask in a busy loop where nothing is to be had", async () => {
    const studio = new Still(emptySnapshot());
    const frame = vi.fn(async () => null);
    studio.frame = frame;
    const stop = new Pictures(studio).show("TR_1", () => {});
    await vi.advanceTimersByTimeAsync(6000);
    stop();
    expect(frame.mock.calls.length).toBeGreaterThan(5);
    expect(frame.mock.calls.length).toBeLessThan(15);
  });

  it("tells the studio what is seen once scrolling has settled, and stops asking for the rest", async () => {
    const studio = new Still(emptySnapshot());
    const pictures = new Pictures(studio);
    const watched = () => studio.calls.filter((call) => call.name === "watch").map((call) => call.args[0]);
    const hide = ["TR_1", "TR_2"].map((track) => pictures.show(track, () => {}));
    pictures.show("TR_3", () => {});
    await vi.advanceTimersByTimeAsync(100);
    expect(watched()).toEqual([["TR_1", "TR_2", "TR_3"]]);
    for (const stop of hide) stop();
    expect(studio.asked.filter((one) => one.signal.aborted).map((one) => one.track)).toEqual([
      "TR_1",
      "TR_2",
    ]);
    await vi.advanceTimersByTimeAsync(100);
    expect(watched().at(-1)).toEqual(["TR_3"]);
  });

  it("asks for nothing while the window is hidden, and goes on when it is seen again", async () => {
    const studio = new Still(emptySnapshot());
    const pictures = new Pictures(studio);
    const watched = () => studio.calls.filter((call) => call.name === "watch").map((call) => call.args[0]);
    pictures.show("TR_1", () => {});
    await vi.advanceTimersByTimeAsync(100);
    const hidden = vi.spyOn(document, "hidden", "get").mockReturnValue(true);
    document.dispatchEvent(new Event("visibilitychange"));
    await vi.advanceTimersByTimeAsync(9000);
    studio.asked[0]?.give(null);
    await vi.advanceTimersByTimeAsync(5000);
    expect(studio.asked).toHaveLength(1);
    expect(watched().at(-1)).toEqual([]);
    hidden.mockRestore();
    document.dispatchEvent(new Event("visibilitychange"));
    await vi.advanceTimersByTimeAsync(100);
    expect(studio.asked).toHaveLength(2);
    expect(watched().at(-1)).toEqual(["TR_1"]);
  });

  it("says again what is seen to a room that was joined anew", async () => {
    const studio = new Still(emptySnapshot());
    const pictures = new Pictures(studio);
    pictures.show("TR_1", () => {});
    await vi.advanceTimersByTimeAsync(100);
    pictures.again();
    await vi.advanceTimersByTimeAsync(100);
    expect(studio.calls.filter((call) => call.name === "watch")).toHaveLength(2);
  });
});
