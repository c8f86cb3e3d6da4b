// The panel of destinations may open below the fold.

import { screen, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { four, inRoom } from "@/backend/fixture/people";
import { adaOnAir, open, pickAda } from "@/backend/fixture/window";
import { clearDesk } from "@/store/desk";

/** What was brought into sight, and how. */
let seen: { testid: string | undefined; options: unknown }[] = [];
let watched: { element: Element; onChange: () => void }[] = [];

beforeEach(() => {
  seen = [];
  watched = [];
  vi.spyOn(Element.prototype, "scrollIntoView").mockImplementation(function (this: HTMLElement, options) {
    seen.push({ testid: this.dataset.testid, options });
  });
  vi.stubGlobal(
    "ResizeObserver",
    class {
      readonly #onChange: () => void;
      constructor(onChange: () => void) {
        this.#onChange = onChange;
      }
      observe(element: Element) {
        watched.push({ element, onChange: this.#onChange });
      }
      unobserve() {}
      disconnect() {}
    },
  );
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

const panel = () => seen.filter((one) => one.testid === "add-destination").map((one) => one.options);

async function show(still: boolean) {
  vi.stubGlobal("matchMedia", () => ({ matches: still, addEventListener() {}, removeEventListener() {} }));
  clearDesk({ pick: pickAda });
  const window = await open(inRoom(four, { jobs: [adaOnAir()] }));
  await window.user.keyboard("d");
  await screen.findByTestId("add-destination");
  return window;
}

describe("the panel of destinations", () => {
  it("comes into sight when it opens", async () => {
    await show(false);
    await waitFor(() => expect(panel()).toEqual([{ block: "nearest", behavior: "smooth" }]));
  });

  it("does so at once where nothing is to move", async () => {
    await show(true);
    await waitFor(() => expect(panel()).toEqual([{ block: "nearest", behavior: "auto" }]));
  });

  it("stays in sight when it grows, and is left alone when it does not", async () => {
    await show(true);
    await waitFor(() => expect(panel()).toHaveLength(1));
    const box = screen.getByTestId("add-destination");
    const change = () => watched.find((one) => one.element === box)?.onChange();
    change();
    expect(panel()).toHaveLength(1);
    Object.defineProperty(box, "offsetHeight", { configurable: true, get: () => 400 });
    change();
    expect(panel().at(-1)).toEqual({ block: "nearest" });
    expect(panel()).toHaveLength(2);
  });
});
