import { cx } from "@/lib/cx";

/** A key of the keyboard, beside the action it is for. Says nothing to a screen reader. */
export function Key({ children, onLight }: { children: string; onLight?: boolean }) {
  return (
    <kbd
      aria-hidden
      className={cx(
        "inline-flex h-4 min-w-4 items-center justify-center rounded-sm border px-1 font-sans text-xs leading-none font-medium",
        onLight ? "border-edge text-night" : "border-edge/60 text-faint",
      )}
    >
      {children}
    </kbd>
  );
}
