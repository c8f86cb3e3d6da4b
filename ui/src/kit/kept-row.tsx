import { KeyRound, type LucideIcon, Pencil, Trash2 } from "lucide-react";
import { useState } from "react";
import type { ApiError } from "@/backend/types";
import { cx } from "@/lib/cx";
import { Button } from "./button";
import { Notice } from "./notice";

/** Something that is kept with a key: what it is called, where it leads, and whether its key is at hand. */
export function KeptRow({
  icon: Icon,
  name,
  where,
  note,
  missing,
  edit,
  editShort,
  onEdit,
  forget,
  mark,
}: {
  icon: LucideIcon;
  name: string;
  where: string;
  /** Where its key is; none where that needs no words. */
  note: string | null;
  /** The key is gone. */
  missing: boolean;
  /** What editing it is called, and what that says where its key is missing. */
  edit: string;
  editShort: string;
  onEdit: () => void;
  forget: Forgetting;
  /** Names for tests. */
  mark: Record<`data-${string}`, string>;
}) {
  const [asking, setAsking] = useState(false);
  return (
    <li className="p-2.5" {...mark}>
      <div className="flex items-center gap-3">
        <Icon className="ml-0.5 size-5 shrink-0 stroke-[1.5] text-faint" aria-hidden />
        <div className="min-w-0 flex-1">
          <p className="flex items-baseline gap-2">
            <span dir="auto" className="truncate text-left font-medium" title={name}>
              {name}
            </span>
            {note && (
              <span
                className={cx(
                  "flex shrink-0 items-center gap-1 text-xs",
                  missing ? "font-medium text-look" : "text-faint",
                )}
              >
                <KeyRound className="size-3 self-center" aria-hidden />
                {note}
              </span>
            )}
          </p>
          <p className="truncate text-xs text-faint" title={where}>
            {where}
          </p>
        </div>
        <Button
          look={missing ? "outline" : "quiet"}
          size={missing ? "sm" : "icon-sm"}
          aria-label={edit}
          title={edit}
          onClick={onEdit}
        >
          {missing ? editShort : <Pencil />}
        </Button>
        <Button
          look="quiet"
          size="icon-sm"
          aria-label={forget.label}
          title={forget.label}
          onClick={() => setAsking(true)}
        >
          <Trash2 />
        </Button>
      </div>
      {asking && <AskToForget forget={forget} onKeep={() => setAsking(false)} />}
    </li>
  );
}

export interface Forgetting {
  label: string;
  /** What is lost with it. */
  what: string;
  keep: string;
  now: string;
  error: ApiError | null;
  isPending: boolean;
  onForget: () => void;
  /** It stays: what went wrong is of no matter any more. */
  reset: () => void;
  /** Name of the question for tests. */
  testId: string;
}

/** Asks whether something that is kept is to be forgotten. */
export function AskToForget({ forget, onKeep }: { forget: Forgetting; onKeep: () => void }) {
  return (
    <div
      className="appear mt-2.5 flex flex-col gap-2 border-t border-line pt-2.5"
      data-testid={forget.testId}
    >
      {forget.error && <Notice error={forget.error} />}
      <div className="flex items-center gap-2">
        <p className="min-w-0 flex-1 text-soft">{forget.what}</p>
        <Button
          look="quiet"
          size="sm"
          autoFocus
          onClick={() => {
            onKeep();
            forget.reset();
          }}
        >
          {forget.keep}
        </Button>
        <Button look="outline" size="sm" disabled={forget.isPending} onClick={forget.onForget}>
          {forget.now}
        </Button>
      </div>
    </div>
  );
}
