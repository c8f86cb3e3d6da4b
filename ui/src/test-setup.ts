import { cleanup } from "@testing-library/react";
import { afterEach } from "vitest";
import { clearDesk } from "@/store/desk";
import { cancelHold, useHold } from "@/store/hold";
import { useStudioState } from "@/store/studio";

// What jsdom has no layout for: long lists are given a window to be seen through.
Object.defineProperties(HTMLElement.prototype, {
  offsetHeight: { configurable: true, get: () => 600 },
  offsetWidth: { configurable: true, get: () => 800 },
});
globalThis.ResizeObserver = class {
  observe() {}
  unobserve() {}
  disconnect() {}
};
Element.prototype.scrollIntoView = () => undefined;
Element.prototype.getAnimations = () => [];
HTMLCanvasElement.prototype.getContext = () => null;

afterEach(() => {
  cleanup();
  cancelHold();
  useHold.setState({ id: null, phase: null });
  clearDesk();
  useStudioState.setState({ snapshot: null, error: null }, true);
});
