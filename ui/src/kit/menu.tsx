import { Menu as Base } from "@base-ui/react/menu";
import type { ReactElement, ReactNode } from "react";
import { cx } from "@/lib/cx";

/** A list of actions that opens from a button. */
export function Menu({
  trigger,
  children,
  align = "start",
}: {
  /** The button itself; it is given what opens the menu. */
  trigger: ReactElement;
  children: ReactNode;
  align?: "start" | "end";
}) {
  return (
    <Base.Root>
      <Base.Trigger render={trigger} />
      <Base.Portal>
        <Base.Positioner className="z-30 outline-none" sideOffset={4} align={align} collisionPadding={8}>
          <Base.Popup className="appear max-h-[var(--available-height)] max-w-[24rem] min-w-56 overflow-y-auto rounded-md border border-line bg-card p-1 outline-none">
            {children}
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  );
}

/** One action of a {@link Menu}. */
export function MenuItem({
  icon,
  children,
  hint,
  onPick,
  disabled,
}: {
  icon?: ReactNode;
  children: ReactNode;
  /** Small text at the right: a key, a count. */
  hint?: ReactNode;
  onPick: () => void;
  disabled?: boolean;
}) {
  return (
    <Base.Item
      disabled={disabled}
      onClick={onPick}
      className={cx(
        "flex min-h-8 cursor-default items-center gap-2 rounded-sm px-2 py-1 text-sm outline-none data-disabled:text-faint data-highlighted:bg-chosen [&_svg]:size-4 [&_svg]:shrink-0",
      )}
    >
      <span className="flex size-4 items-center justify-center text-soft">{icon}</span>
      <span className="min-w-0 flex-1 truncate">{children}</span>
      {hint && <span className="text-xs text-faint">{hint}</span>}
    </Base.Item>
  );
}

export function MenuLine() {
  return <Base.Separator className="my-1 h-px bg-line" />;
}
