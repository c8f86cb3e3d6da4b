import { Search as Glass } from "lucide-react";
import { cx } from "@/lib/cx";
import { Input } from "./field";
import { Key } from "./key";

/** A line to find something by. The key `/` leads to it (see `keys.ts`). */
export function Search({
  label,
  value,
  onChange,
  className,
}: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  className?: string;
}) {
  return (
    <div className={cx("relative", className)}>
      <Glass className="pointer-events-none absolute top-2 left-2.5 size-4 text-faint" aria-hidden />
      <Input
        type="search"
        aria-label={label}
        placeholder={label}
        data-search
        value={value}
        onChange={(event) => onChange(event.target.value)}
        className="peer pr-8 pl-8"
      />
      {value === "" && (
        <span className="pointer-events-none absolute inset-y-0 right-2 flex items-center peer-focus:hidden">
          <Key>/</Key>
        </span>
      )}
    </div>
  );
}
