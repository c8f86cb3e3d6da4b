import { cleanup, configure } from "@testing-library/react";
import { toast } from "sonner";
import { afterAll, afterEach } from "vitest";
import { clearDesk } from "@/store/desk";
import { noneStarted, useStarted } from "@/store/elsewhere";
import { cancelHold, useHold } from "@/store/hold";
import { noneKept, useLive } from "@/store/live";
import { useStudioState } from "@/store/studio";
import { useWish } from "@/store/wish";
import { useForgotten } from "@/views/history/forget";

// What jsdom has no layout for: long lists are given a window to be seen through.
Object.defineProperties(Element.prototype, {
  clientHeight: { configurable: true, get: () => 600 },
  clientWidth: { configurable: true, get: () => 800 },
});
Object.defineProperty(HTMLElement.prototype, "offsetHeight", { configurable: true, get: () => 60 });
globalThis.ResizeObserver = class {
  observe() {}
  unobserve() {}
  disconnect() {}
};
Element.prototype.setPointerCapture = () => undefined;
Element.prototype.scrollIntoView = () => undefined;
Element.prototype.getAnimations = () => [];
HTMLCanvasElement.prototype.getContext = () => null;
HTMLCanvasElement.prototype.toDataURL = () => "";
if (!("PointerEvent" in window)) Object.assign(window, { PointerEvent: class extends MouseEvent {} });

// Conditions are waited for as long as a busy machine may take.
configure({ asyncUtilTimeout: 10_000 });

afterEach(() => {
  cleanup();
  // A notice that still stands would be shown to whoever opens a window next.
  toast.dismiss();
  cancelHold();
  useHold.setState({ id: null, phase: null });
  clearDesk();
  useLive.setState(noneKept);
  useStarted.setState(noneStarted);
  useWish.setState({ wish: null });
  useForgotten.setState({ ids: [] });
  useStudioState.setState({ snapshot: null, error: null }, true);
});

// Whose pictures are on the screen is told a moment after it has changed, the last change of a file too, and the page
// must still be there then.
const wait = setTimeout;
afterAll(() => new Promise((resolve) => wait(resolve, 150)));
