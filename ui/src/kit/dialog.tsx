import { Dialog as Base } from "@base-ui/react/dialog";
import { X } from "lucide-react";
import type { ReactNode, RefObject } from "react";
import { cx } from "@/lib/cx";
import { t } from "@/words";
import { buttonLook } from "./button";

/** A window in the window. Closes with Escape. */
export function Dialog({
  open,
  onClose,
  title,
  children,
  className,
  focusFirst,
}: {
  open: boolean;
  onClose: () => void;
  title: string;
  children: ReactNode;
  className?: string;
  /** What has the focus at first; the first thing that can, if not given. */
  focusFirst?: RefObject<HTMLElement | null>;
}) {
  return (
    <Base.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <Base.Portal>
        {/* Not over the bar at the top: the tally light stays lit. */}
        <Base.Backdrop
          data-testid="backdrop"
          className="fixed inset-x-0 top-11 bottom-0 z-40 bg-night/80 transition-opacity data-ending-style:opacity-0 data-starting-style:opacity-0"
        />
        <Base.Popup
          initialFocus={focusFirst}
          className={cx(
            "fixed top-[12vh] left-1/2 z-40 flex max-h-[80vh] w-[min(30rem,calc(100vw-2rem))] -translate-x-1/2 flex-col rounded-md border border-line bg-panel transition-all outline-none data-ending-style:opacity-0 data-starting-style:translate-y-1 data-starting-style:opacity-0",
            className,
          )}
        >
          <Base.Title
            dir="auto"
            className="shrink-0 truncate border-b border-line py-2.5 pr-12 pl-4 text-left text-base font-semibold"
          >
            {title}
          </Base.Title>
          {children}
          {/* Last, so that the focus begins with what the window is for. */}
          <Base.Close
            aria-label={t("close")}
            className={cx(buttonLook({ look: "quiet", size: "icon-sm" }), "absolute top-2 right-2")}
          >
            <X />
          </Base.Close>
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  );
}
