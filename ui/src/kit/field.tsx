import { type ComponentProps, type ReactNode, useId } from "react";
import { cx } from "@/lib/cx";

export const inputLook =
  "h-8 w-full min-w-0 rounded-md border border-edge bg-night px-2.5 text-sm text-ink placeholder:text-faint hover:border-faint focus-visible:outline-offset-1 disabled:border-line disabled:text-faint aria-invalid:border-look";

/** A line to type into. */
export function Input({ className, ...rest }: ComponentProps<"input">) {
  return <input className={cx(inputLook, className)} spellCheck={false} autoComplete="off" {...rest} />;
}

/** A labelled thing to fill in. The child gets the id that the label points to. */
export function Field({
  label,
  hint,
  children,
  className,
}: {
  label: string;
  hint?: ReactNode;
  className?: string;
  children: (ids: { id: string; "aria-describedby"?: string }) => ReactNode;
}) {
  const id = useId();
  const hintId = `${id}-hint`;
  return (
    <div className={cx("flex min-w-0 flex-col gap-1", className)}>
      <label htmlFor={id} className="text-xs font-medium text-soft">
        {label}
      </label>
      {children({ id, ...(hint ? { "aria-describedby": hintId } : {}) })}
      {hint && (
        <div id={hintId} className="text-xs text-faint">
          {hint}
        </div>
      )}
    </div>
  );
}
