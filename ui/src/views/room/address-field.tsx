// The address of a page, typed. It counts when it is typed to its end: with Enter, on leaving the field, or when a
// whole address has stood for a moment.

import { Globe } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { Input } from "@/kit/field";
import { isPageUrl } from "@/store/desk";
import { t } from "@/words";

/** How long a whole address must stand before it counts, ms. */
const SETTLE_MS = 900;

/** What was meant: people leave out how addresses begin. */
export function completed(text: string): string {
  const typed = text.trim();
  if (/^(localhost|127\.0\.0\.1)(:\d+)?(\/|$)/i.test(typed)) return `http://${typed}`;
  return /^[\w-]+(\.[\w-]+)+(:\d+)?([/?#]|$)/.test(typed) ? `https://${typed}` : typed;
}

export function AddressField({
  label,
  placeholder,
  value,
  onChange,
  autoFocus,
}: {
  label: string;
  placeholder: string;
  value: string;
  onChange: (address: string) => void;
  autoFocus?: boolean;
}) {
  const [draft, setDraft] = useState(value);
  const [seen, setSeen] = useState(value);
  if (seen !== value) {
    // Another was chosen elsewhere.
    setSeen(value);
    setDraft(value);
  }
  const change = useRef(onChange);
  change.current = onChange;
  const settle = (text: string) => {
    setDraft(text);
    if (text !== value) change.current(text);
  };
  useEffect(() => {
    if (draft === value || !isPageUrl(draft)) return;
    const timer = setTimeout(() => change.current(draft.trim()), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [draft, value]);
  const wrong = value !== "" && draft === value && !isPageUrl(value);
  return (
    <div className="min-w-0 flex-1">
      <div className="relative">
        <Globe
          className="pointer-events-none absolute top-1/2 left-2.5 size-3.5 -translate-y-1/2 text-faint"
          aria-hidden
        />
        <Input
          type="url"
          inputMode="url"
          dir="ltr"
          aria-label={label}
          aria-invalid={wrong || undefined}
          autoFocus={autoFocus}
          placeholder={placeholder}
          value={draft}
          className="pl-8"
          onChange={(event) => setDraft(event.target.value)}
          onBlur={(event) => {
            // What stands there, which may be newer than what was drawn last.
            settle(completed(event.currentTarget.value));
          }}
          onKeyDown={(event) => {
            // Its keys are the window's again.
            if (event.key === "Enter") event.currentTarget.blur();
          }}
        />
      </div>
      {wrong && (
        <p role="alert" className="mt-1 text-xs text-look">
          {t("page.url.wrong")}
        </p>
      )}
    </div>
  );
}
