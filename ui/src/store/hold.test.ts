import { afterEach, describe, expect, it, vi } from "vitest";
import { beginHold, cancelHold, HOLD_MS, releaseHold, useHold } from "./hold";

afterEach(cancelHold);

describe("a hold", () => {
  it("that was long enough stops, also in a window that hears of both ends of it together", async () => {
    const stop = vi.fn(async () => undefined);
    beginHold("EG_1", stop, 1000);
    releaseHold(1000 + HOLD_MS);
    expect(stop).toHaveBeenCalledWith("EG_1");
    await vi.waitFor(() => expect(useHold.getState().phase).toBeNull());
  });

  it("that was too short asks, and so does one that the pointer left", () => {
    const stop = vi.fn(async () => undefined);
    beginHold("EG_1", stop, 1000);
    releaseHold(1000 + HOLD_MS - 1);
    expect(useHold.getState()).toEqual({ id: "EG_1", phase: "asking" });
    cancelHold();
    beginHold("EG_1", stop, 1000);
    releaseHold();
    expect(useHold.getState().phase).toBe("asking");
    expect(stop).not.toHaveBeenCalled();
  });
});
