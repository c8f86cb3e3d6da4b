/** The sign of Tallylight: a lamp on its mount. It is lit only while something records. */
export function Mark({ lit, className }: { lit?: boolean; className?: string }) {
  const lamp = lit ? "var(--color-tally-ink)" : "none";
  return (
    <svg viewBox="0 0 16 16" className={className} aria-hidden>
      <rect x="6" y="8" width="4" height="7" rx="1" fill="currentColor" opacity="0.7" />
      <rect
        x="1.75"
        y="1.75"
        width="12.5"
        height="4.5"
        rx="1.5"
        fill={lamp}
        stroke="currentColor"
        strokeWidth="1.5"
      />
    </svg>
  );
}
