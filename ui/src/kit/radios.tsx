import { useId } from "react";
import { cx } from "@/lib/cx";

export interface Radio<T extends string> {
  value: T;
  label: string;
  /** What it means, below its name. */
  hint?: string;
}

/** One of few, each with what it means: for what is to be read before it is chosen. */
export function Radios<T extends string>({
  label,
  value,
  options,
  onChange,
}: {
  label: string;
  value: T;
  options: Radio<T>[];
  onChange: (value: T) => void;
}) {
  const name = useId();
  return (
    <fieldset>
      <legend className="mb-1 text-xs font-medium text-soft">{label}</legend>
      <div className="flex flex-col divide-y divide-line rounded-md border border-edge bg-night">
        {options.map((option) => {
          const chosen = option.value === value;
          const hint = option.hint && `${name}-${option.value}`;
          return (
            <label
              key={option.value}
              className={cx(
                "grid grid-cols-[1rem_1fr] items-baseline gap-x-2.5 px-2.5 py-1.5 transition-colors has-focus-visible:outline-2 has-focus-visible:-outline-offset-2 has-focus-visible:outline-ink",
                !chosen && "hover:bg-control",
              )}
            >
              <input
                type="radio"
                name={name}
                value={option.value}
                checked={chosen}
                onChange={() => onChange(option.value)}
                aria-label={option.label}
                aria-describedby={hint}
                className="sr-only"
              />
              <span
                aria-hidden
                className={cx(
                  "flex size-4 items-center justify-center self-center rounded-full border",
                  chosen ? "border-ink" : "border-edge",
                )}
              >
                {chosen && <span className="size-2 rounded-full bg-ink" />}
              </span>
              <span className="min-w-0">
                <span className={cx("text-sm", chosen ? "font-medium text-ink" : "text-soft")}>
                  {option.label}
                </span>
                {option.hint && (
                  <span id={hint} className="ml-2 text-xs text-faint">
                    {option.hint}
                  </span>
                )}
              </span>
            </label>
          );
        })}
      </div>
    </fieldset>
  );
}
