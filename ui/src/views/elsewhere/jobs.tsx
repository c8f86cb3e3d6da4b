// What LiveKit's egress service runs for the project, below what this computer does. The room that is open comes first; a
// service may run many for others. Names for tests: group "On LiveKit"; cards as in card.tsx; button "<n> more on LiveKit".

import { ChevronRight } from "lucide-react";
import { useState } from "react";
import { useShallow } from "zustand/react/shallow";
import { Button } from "@/kit/button";
import { Notice } from "@/kit/notice";
import { cx } from "@/lib/cx";
import { useDesk } from "@/store/desk";
import { openElsewhere, recordsOn, useStarted } from "@/store/elsewhere";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { ElsewhereCard } from "./card";

/** So many are in sight at first, of those that are not of the room that is open. */
const FIRST = 4;
/** From so many on each says only what is needed. */
const DENSE_FROM = 4;

export function ElsewhereJobs({ beside }: { beside: number }) {
  const jobs = useStudio(useShallow(openElsewhere));
  const room = useStudio((snapshot) => snapshot.room?.name ?? null);
  const error = useStudio((snapshot) => snapshot.elsewhere.error);
  const where = useDesk((desk) => desk.where);
  const wanted = useStudio((snapshot) => recordsOn({ where }, snapshot) === "livekit");
  const mine = useStarted((state) => state.requests);
  const [all, setAll] = useState(false);
  const near = jobs.filter((job) => job.egress_id in mine || (room !== null && job.room_name === room));
  const far = jobs.filter((job) => !near.includes(job));
  // Those of other rooms only fill up what is there of this one.
  const first = room === null ? FIRST : 0;
  const shown = [...near, ...(all ? far : far.slice(0, first))];
  const more = far.length - first;
  if (jobs.length === 0 && !(error && wanted)) return null;
  return (
    <section aria-label={t("elsewhere.jobs")} className="flex shrink-0 flex-col gap-2">
      {error && <Notice error={error} />}
      {error && jobs.length > 0 && <p className="text-xs text-faint">{t("elsewhere.old")}</p>}
      {shown.map((job) => (
        <ElsewhereCard
          key={job.egress_id}
          job={job}
          here={job.room_name === room}
          dense={shown.length + beside >= DENSE_FROM && !near.includes(job)}
        />
      ))}
      {more > 0 && (
        <Button
          look="quiet"
          size="sm"
          className="justify-start"
          aria-expanded={all}
          onClick={() => setAll(!all)}
        >
          <ChevronRight className={cx("transition-transform", all && "rotate-90")} />
          {all ? t("elsewhere.fewer") : t("elsewhere.more", { n: more })}
        </Button>
      )}
    </section>
  );
}
