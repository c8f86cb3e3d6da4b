import { Switch as Base } from "@base-ui/react/switch";
import { cx } from "@/lib/cx";

/** Something that is on or off, at once. */
export function Switch({
  id,
  "aria-describedby": describedBy,
  checked,
  onChange,
  label,
  disabled,
  className,
}: {
  id?: string;
  "aria-describedby"?: string;
  checked: boolean;
  onChange: (checked: boolean) => void;
  /** The accessible name, where no label points here. */
  label?: string;
  disabled?: boolean;
  className?: string;
}) {
  return (
    <Base.Root
      id={id}
      checked={checked}
      disabled={disabled}
      onCheckedChange={(next) => onChange(next)}
      aria-label={label}
      aria-describedby={describedBy}
      className={cx(
        "flex h-5 w-9 shrink-0 items-center rounded-full border border-edge bg-night p-0.5 transition-colors data-checked:border-ink data-checked:bg-ink data-disabled:border-line",
        className,
      )}
    >
      <Base.Thumb className="size-3.5 rounded-full bg-soft transition-transform data-checked:translate-x-4 data-checked:bg-night" />
    </Base.Root>
  );
}
