import { type RefObject, useEffect, useRef } from "react";

/** Whether nothing is to move by itself. */
const isStill = () => window.matchMedia?.("(prefers-reduced-motion: reduce)").matches ?? false;

/** Brings what has just opened into sight, and keeps it there while it grows: it may open below the fold. */
export function useInSight(): RefObject<HTMLDivElement | null> {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    element.scrollIntoView({ block: "nearest", behavior: isStill() ? "auto" : "smooth" });
    let height = element.offsetHeight;
    const growing = new ResizeObserver(() => {
      const now = element.offsetHeight;
      // At once: what is being typed into must not slide away under the hand.
      if (now > height) element.scrollIntoView({ block: "nearest" });
      height = now;
    });
    growing.observe(element);
    return () => growing.disconnect();
  }, []);
  return box;
}
