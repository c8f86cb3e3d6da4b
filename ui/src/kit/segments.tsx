import { type ReactNode, useId } from "react";
import { cx } from "@/lib/cx";

export interface Segment<T extends string> {
  value: T;
  label: string;
  icon: ReactNode;
}

/**
 * One of few, all of them in sight. Where it is narrow, only the chosen one says its name, or none does; unless they
 * share what room there is and are all to be read.
 */
export function Segments<T extends string>({
  label,
  value,
  options,
  onChange,
  disabled,
  spread,
}: {
  /** The accessible name of the group. */
  label: string;
  value: T;
  options: Segment<T>[];
  onChange: (value: T) => void;
  disabled?: boolean;
  /** Takes the whole width, and each says its name. */
  spread?: boolean;
}) {
  const name = useId();
  return (
    <fieldset
      aria-label={label}
      disabled={disabled}
      className={cx(
        "flex shrink-0 rounded-md border border-edge bg-night p-px disabled:border-line",
        spread && "w-full",
      )}
    >
      {options.map((option) => {
        const chosen = option.value === value;
        return (
          <label
            key={option.value}
            title={option.label}
            className={cx(
              "flex h-6.5 items-center gap-1.5 rounded-sm px-2 text-xs transition-colors has-focus-visible:outline-2 has-focus-visible:outline-offset-1 has-focus-visible:outline-ink [&_svg]:size-3.5",
              chosen ? "bg-chosen font-medium text-ink" : "text-soft",
              spread && "min-w-0 flex-1 justify-center",
              disabled ? "cursor-not-allowed" : !chosen && "hover:bg-control hover:text-ink",
            )}
          >
            <input
              type="radio"
              name={name}
              value={option.value}
              checked={chosen}
              onChange={() => onChange(option.value)}
              aria-label={option.label}
              className="sr-only"
            />
            {option.icon}
            <span
              aria-hidden
              className={spread ? "truncate" : chosen ? "hidden @xl:inline" : "hidden @3xl:inline"}
            >
              {option.label}
            </span>
          </label>
        );
      })}
    </fieldset>
  );
}
