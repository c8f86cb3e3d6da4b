// What is told in the corner of the window: it comes, it can be read, it goes.

import { CircleCheck, Info, X } from "lucide-react";
import type { ReactNode } from "react";
import { type ExternalToast, toast } from "sonner";
import type { ApiError } from "@/backend/types";
import { Button } from "@/kit/button";
import { Notice } from "@/kit/notice";
import { t } from "@/words";

/** Long enough to read three sentences, ms. */
const ERROR_MS = 15_000;
const NOTE_MS = 7_000;

/** Tells an error in its three parts. */
export function tellError(error: ApiError) {
  toast.custom(
    (id) => (
      <div className="relative w-(--width)">
        <Notice error={error} className="pr-9" />
        <Dismiss id={id} />
      </div>
    ),
    { duration: ERROR_MS, id: `${error.code}:${error.message}` },
  );
}

/** Tells that something is done, with what can be done next. */
export function tellDone(title: string, detail: string, actions?: ReactNode, onGone?: () => void) {
  const icon = <CircleCheck className="mt-0.5 size-4 text-ready" aria-hidden />;
  return tellNote(icon, title, detail, actions, { onDismiss: onGone, onAutoClose: onGone });
}

/** Tells what is missing for what was asked, once however often it was. */
export function tellMissing(title: string, detail: string) {
  const icon = <Info className="mt-0.5 size-4 text-soft" aria-hidden />;
  tellNote(icon, title, detail, null, { id: title });
}

function tellNote(
  icon: ReactNode,
  title: string,
  detail: string,
  actions: ReactNode,
  options: ExternalToast,
) {
  return toast.custom(
    (id) => (
      <div className="relative grid w-(--width) grid-cols-[1rem_1fr] gap-x-2 rounded-md border border-line bg-card p-3 pr-9">
        {icon}
        <div className="min-w-0">
          <p className="font-medium break-words">{title}</p>
          <p className="text-xs text-soft">{detail}</p>
          {actions && <div className="mt-2 -mr-7 flex flex-wrap gap-2">{actions}</div>}
        </div>
        <Dismiss id={id} />
      </div>
    ),
    { duration: NOTE_MS, ...options },
  );
}

function Dismiss({ id }: { id: string | number }) {
  return (
    <Button
      look="quiet"
      size="icon-sm"
      className="absolute top-1.5 right-1.5"
      aria-label={t("close")}
      onClick={() => toast.dismiss(id)}
    >
      <X />
    </Button>
  );
}
