import { useSyncExternalStore } from "react";

const subscribe = (onChange: () => void) => {
  window.addEventListener("resize", onChange);
  return () => window.removeEventListener("resize", onChange);
};

/** How much larger than on an ordinary screen things are drawn (see `html` in styles.css). */
export function useFontScale(): number {
  return useSyncExternalStore(
    subscribe,
    () => (Number.parseFloat(getComputedStyle(document.documentElement).fontSize) || 16) / 16,
  );
}
