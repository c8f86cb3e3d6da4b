// Where a job runs and who asked for it, where that is not what everybody takes for granted. Names for tests:
// [data-testid=made-by], in it [data-testid=place] and [data-testid=origin].

import { Cloud, Monitor } from "lucide-react";
import type { Job } from "@/backend/types";
import { cx } from "@/lib/cx";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { ruleWords } from "../auto/rule-words";

export function Place({ where }: { where: "here" | "livekit" }) {
  const Icon = where === "livekit" ? Cloud : Monitor;
  return (
    <span data-testid="place" className="flex shrink-0 items-center gap-1">
      <Icon className="size-3" aria-hidden />
      {t(`place.${where}`)}
    </span>
  );
}

/** Who asked for a job; nothing where it was the operator. */
export function Origin({ job: { origin, auto } }: { job: Job }) {
  const rule = useStudio(({ rules }) => ruleWords(rules, auto?.rule));
  if (origin === "window") return null;
  return (
    <span data-testid="origin" className="min-w-0 truncate" title={rule}>
      {t(`origin.${origin}`)}
    </span>
  );
}

/** Both of a job that runs here, in one line; `placed` where there are jobs elsewhere as well. */
export function MadeBy({ job, placed, className }: { job: Job; placed: boolean; className?: string }) {
  const asked = job.origin !== "window";
  if (!asked && !placed) return null;
  return (
    <p
      data-testid="made-by"
      className={cx("flex min-w-0 items-center gap-1.5 text-xs text-faint", className)}
    >
      {placed && <Place where="here" />}
      {placed && asked && <span aria-hidden>·</span>}
      <Origin job={job} />
    </p>
  );
}
