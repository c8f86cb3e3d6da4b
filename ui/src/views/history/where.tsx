// Where the outputs of a recording are. Names for tests: [data-testid=past-where][data-where] each, with the address in
// past-location and button "Copy the address of <file>".

import { Check, CircleCheck, CloudUpload, Copy, TriangleAlert } from "lucide-react";
import { useMemo, useState } from "react";
import type { Job, JobOutput, Stored, Upload } from "@/backend/types";
import { Button } from "@/kit/button";
import { cx } from "@/lib/cx";
import { fileName } from "@/lib/format";
import { goTo } from "@/store/desk";
import { useStudio } from "@/store/studio";
import { isStored, leading, percentOf, progressOf, uploadsOf } from "@/store/uploads";
import { t } from "@/words";

/** Whether an output's file was removed after it went up. */
export const isRemoved = ({ stored }: JobOutput): boolean => stored?.local === "removed";

/** One line for each place; nothing for what is in its folder alone. */
export function WhereIs({ job }: { job: Job }) {
  const all = useStudio((snapshot) => snapshot.uploads);
  const going = useMemo(() => uploadsOf(all, job).filter((upload) => !isStored(upload)), [all, job]);
  const there = job.outputs.flatMap(({ id, path, stored }) => (stored ? [{ id, path, stored }] : []));
  const several = job.outputs.filter((output) => output.path).length > 1;
  return (
    <>
      {there.map(({ id, path, stored }) => (
        <InStorage key={id} stored={stored} name={fileName(path ?? job.title)} named={several} />
      ))}
      {going.length > 0 && <OnTheWay uploads={going} />}
    </>
  );
}

function InStorage({ stored, name, named }: { stored: Stored; name: string; named: boolean }) {
  const { storage, location, on_backup, local } = stored;
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(location);
      setCopied(true);
    } catch {
      setCopied(false);
    }
  };
  return (
    <p
      className="flex items-center gap-1 text-xs text-faint"
      data-testid="past-where"
      data-where={local === "removed" ? "storage" : "both"}
    >
      <CircleCheck className="size-3.5 shrink-0 text-ready" aria-hidden />
      <span className="max-w-1/2 shrink-0 truncate text-soft">
        {named && `${name}: `}
        {t(on_backup ? "where.stored.backup" : "where.stored", { storage })}
      </span>
      {local === "removed" && <span className="shrink-0">· {t("where.removed")}</span>}
      <span
        dir="ltr"
        className="ml-1 min-w-0 truncate"
        title={location}
        data-selectable
        data-testid="past-location"
      >
        {location}
      </span>
      <Button
        look="quiet"
        size="icon-sm"
        className="-my-1.5 size-6"
        aria-label={t("upload.location.copy", { name })}
        title={copied ? t("upload.location.copied") : t("upload.location.copy", { name })}
        onClick={copy}
      >
        {copied ? <Check /> : <Copy />}
      </Button>
    </p>
  );
}

function OnTheWay({ uploads }: { uploads: Upload[] }) {
  const state = leading(uploads);
  const waits = state === "waiting";
  const [first] = uploads;
  const words = waits
    ? t("where.waiting")
    : state === "paused"
      ? t("where.paused")
      : state === "queued"
        ? t("where.queued", { storage: first?.storage ?? "" })
        : t("where.going", { storage: first?.storage ?? "", percent: percentOf(progressOf(uploads)) });
  const Icon = waits ? TriangleAlert : CloudUpload;
  return (
    <button
      type="button"
      data-testid="past-where"
      data-where={state}
      onClick={() => goTo("uploads")}
      className="flex max-w-full items-center gap-1 rounded-sm text-left text-xs text-soft hover:underline"
    >
      <Icon className={cx("size-3.5 shrink-0", waits ? "text-look" : "text-faint")} aria-hidden />
      <span className="truncate">{words}</span>
    </button>
  );
}
