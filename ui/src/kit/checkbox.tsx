import { Checkbox as Base } from "@base-ui/react/checkbox";
import { Check } from "lucide-react";
import { type ReactNode, useId } from "react";
import { cx } from "@/lib/cx";

/** A box to tick, with its words. */
export function Checkbox({
  checked,
  onChange,
  children,
  label,
  disabled,
  className,
}: {
  checked: boolean;
  onChange: (checked: boolean) => void;
  children?: ReactNode;
  /** The accessible name, where the words beside it are not enough. */
  label?: string;
  disabled?: boolean;
  className?: string;
}) {
  const id = useId();
  return (
    <label
      htmlFor={id}
      className={cx("flex items-start gap-2 text-sm text-ink", disabled && "text-faint", className)}
    >
      <Base.Root
        id={id}
        checked={checked}
        disabled={disabled}
        onCheckedChange={onChange}
        aria-label={label}
        className="mt-0.5 flex size-4 shrink-0 items-center justify-center rounded-sm border border-edge bg-night transition-colors data-checked:border-ink data-checked:bg-ink data-disabled:border-line"
      >
        <Base.Indicator className="text-night">
          <Check className="size-3" strokeWidth={3.5} />
        </Base.Indicator>
      </Base.Root>
      {children}
    </label>
  );
}
