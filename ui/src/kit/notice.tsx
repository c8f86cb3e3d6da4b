import { Check, ClipboardCopy, TriangleAlert } from "lucide-react";
import { type ReactNode, useState } from "react";
import type { ApiError } from "@/backend/types";
import { cx } from "@/lib/cx";
import { t } from "@/words";
import { Button } from "./button";

/** What an error looks like as text, to paste into a report. */
function report(error: ApiError): string {
  return [
    error.message,
    t(`fault.${error.fault}`),
    error.remedy,
    `${t("notice.code")}: ${error.code}`,
    error.detail && `${t("notice.detail")}: ${error.detail}`,
  ]
    .filter(Boolean)
    .join("\n");
}

/** An error or a warning in its three parts: what happened, whose side it is on, what to do. */
export function Notice({
  error,
  children,
  className,
}: {
  error: ApiError;
  /** What can be pressed. */
  children?: ReactNode;
  className?: string;
}) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(report(error));
      setCopied(true);
    } catch {
      setCopied(false);
    }
  };
  return (
    <div
      role="alert"
      data-testid="notice"
      data-code={error.code}
      className={cx(
        "appear grid grid-cols-[1rem_1fr] gap-x-2 gap-y-0.5 rounded-md border border-look/40 bg-look-dim p-3",
        className,
      )}
    >
      <TriangleAlert className="mt-0.5 size-4 text-look" aria-hidden />
      <div className="min-w-0">
        <p className="font-medium break-words text-look" data-testid="notice-message">
          {error.message}
        </p>
        <p className="text-xs text-soft" data-testid="notice-fault">
          {t(`fault.${error.fault}`)}
        </p>
        {error.remedy && (
          <p className="mt-1.5 break-words text-ink" data-testid="notice-remedy">
            {error.remedy}
          </p>
        )}
        <div className="mt-1.5 -mb-1 flex flex-wrap items-center gap-1">
          {children}
          {/* Its words, not its edge, stand under the words above. */}
          <Button look="quiet" size="sm" className="first:-ml-2" onClick={copy}>
            {copied ? <Check /> : <ClipboardCopy />}
            {copied ? t("notice.copied") : t("notice.copy")}
          </Button>
        </div>
      </div>
    </div>
  );
}
