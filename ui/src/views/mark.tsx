/** The sign of Tallylight: a lamp. It is lit only while something records. */
export function Mark({ lit, className }: { lit?: boolean; className?: string }) {
  return (
    <svg viewBox="0 0 20 20" className={className} aria-hidden>
      <circle cx="10" cy="10" r="8.5" fill="none" stroke="currentColor" strokeWidth="1.5" opacity="0.55" />
      <circle cx="10" cy="10" r="4.5" fill={lit ? "var(--color-tally-ink)" : "currentColor"} />
    </svg>
  );
}
