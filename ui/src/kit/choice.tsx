import { Select } from "@base-ui/react/select";
import { Check, ChevronDown } from "lucide-react";
import { cx } from "@/lib/cx";
import { inputLook } from "./field";

export interface Option<T extends string> {
  value: T;
  label: string;
  /** Second line in the list. */
  hint?: string;
  disabled?: boolean;
}

/** One of several, from a list that opens. */
export function Choice<T extends string>({
  id,
  label,
  value,
  options,
  onChange,
  disabled,
}: {
  id?: string;
  /** The accessible name, where no label points here. */
  label?: string;
  value: T;
  options: Option<T>[];
  onChange: (value: T) => void;
  disabled?: boolean;
}) {
  return (
    <Select.Root
      value={value}
      disabled={disabled}
      onValueChange={(next) => next !== null && onChange(next as T)}
      items={options}
    >
      <Select.Trigger
        id={id}
        aria-label={label}
        className={cx(
          inputLook,
          "flex items-center justify-between gap-2 text-left data-popup-open:border-ink",
        )}
      >
        <Select.Value className="truncate" />
        <Select.Icon className="text-faint">
          <ChevronDown className="size-4" />
        </Select.Icon>
      </Select.Trigger>
      <Select.Portal>
        <Select.Positioner
          className="z-50 outline-none"
          sideOffset={4}
          alignItemWithTrigger={false}
          collisionPadding={8}
        >
          <Select.Popup className="appear max-h-[var(--available-height)] min-w-[var(--anchor-width)] overflow-y-auto rounded-md border border-line bg-card p-1 outline-none">
            {options.map((option) => (
              <Select.Item
                key={option.value}
                value={option.value}
                disabled={option.disabled}
                className="grid cursor-default grid-cols-[1rem_1fr] items-center gap-x-2 rounded-sm py-1.5 pr-3 pl-2 text-sm outline-none data-disabled:text-faint data-highlighted:bg-chosen"
              >
                <Select.ItemIndicator className="col-start-1">
                  <Check className="size-4" />
                </Select.ItemIndicator>
                <Select.ItemText className="col-start-2">{option.label}</Select.ItemText>
                {option.hint && <span className="col-start-2 text-xs text-faint">{option.hint}</span>}
              </Select.Item>
            ))}
          </Select.Popup>
        </Select.Positioner>
      </Select.Portal>
    </Select.Root>
  );
}
