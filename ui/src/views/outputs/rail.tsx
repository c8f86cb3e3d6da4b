// The right side: what runs, and what will run next. Names for tests: region "Outputs".

import { Clapperboard } from "lucide-react";
import { useShallow } from "zustand/react/shallow";
import { Button } from "@/kit/button";
import { Notice } from "@/kit/notice";
import { cx } from "@/lib/cx";
import { useDesk } from "@/store/desk";
import { openElsewhere } from "@/store/elsewhere";
import { streamsOf } from "@/store/live";
import { isPageSource, runningJobs } from "@/store/select";
import { liveOf, type Standing } from "@/store/standing";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { ElsewhereJobs } from "../elsewhere/jobs";
import { WhereChoice } from "../elsewhere/where";
import { addsTo } from "../live/go-live";
import { NextLive } from "../live/next-live";
import { useFailure } from "../room/standing";
import { JobCard } from "./job-card";
import { RecordButton } from "./record-button";
import { RecordForm } from "./record-form";
import { StopButton } from "./stop-button";

/** From so many jobs on each shows only what tells them apart and what is wrong. */
const DENSE_FROM = 4;
/** So does one that streams to more than so many: they need the room. */
const STREAMS_DENSE = 5;

export function Rail({ standing }: { standing: Standing | null }) {
  const jobs = useStudio(useShallow(runningJobs));
  const room = useStudio((snapshot) => snapshot.room?.name);
  const open = useStudio((snapshot) => snapshot.projects.current !== null);
  const there = useStudio((snapshot) => openElsewhere(snapshot).length);
  const addTo = addsTo(standing, jobs);
  return (
    <aside aria-label={t("outputs")} className="flex min-h-0 flex-col border-l border-line bg-panel">
      <div className="flex h-9 shrink-0 items-center justify-between px-3">
        <h2 className="label-caps">{t("outputs")}</h2>
        {jobs.length > 0 && (
          <span className="text-xs text-faint">{t("outputs.running", { n: jobs.length })}</span>
        )}
      </div>
      <div className="flex min-h-0 flex-1 flex-col gap-2 overflow-y-auto px-3 pb-3">
        {jobs.length === 0 && there === 0 && (
          <div className="flex flex-1 flex-col items-center justify-center gap-1.5 py-4 text-center text-faint">
            <Clapperboard className="size-6 stroke-[1.5]" aria-hidden />
            <p>{t("outputs.none")}</p>
          </div>
        )}
        {jobs.map((job) => (
          <JobCard
            key={job.egress_id}
            job={job}
            here={job.request.source.type === "web" ? open : job.request.room_name === room}
            alone={jobs.length === 1}
            dense={jobs.length >= DENSE_FROM || streamsOf(job).length > STREAMS_DENSE}
            brief={jobs.length >= DENSE_FROM}
            keyed={job.egress_id === addTo}
            placed={there > 0}
          />
        ))}
        <ElsewhereJobs beside={jobs.length} />
      </div>
      {standing && <Next standing={standing} />}
    </aside>
  );
}

function Next({ standing }: { standing: Standing }) {
  const pick = useDesk((desk) => desk.pick);
  const { job, request, state } = standing;
  const away = standing.elsewhere?.job ?? null;
  const adding = useDesk((desk) => desk.adding === "next") && request !== null && !job && !standing.elsewhere;
  const failure = useFailure(standing);
  // A page that cannot be shown says so where it would be.
  const onStage = request !== null && isPageSource(request.source);
  const waiting = liveOf(standing)?.page === "waiting";
  return (
    <div
      className={cx(
        "flex min-h-0 shrink-0 flex-col border-t border-line",
        adding ? "max-h-[85%]" : "max-h-[70%]",
      )}
    >
      {/* One thing at a time: there is no room for both on a small screen. */}
      {pick && request && !job && !away && !adding && (
        <div className="min-h-0 overflow-y-auto p-3 pb-0">
          <RecordForm pick={pick} request={request} elsewhere={standing.elsewhere !== null} />
        </div>
      )}
      <div className={cx("flex flex-col gap-2 p-3", adding ? "min-h-0" : "shrink-0")}>
        {failure && !onStage && (
          <Notice error={failure.error}>
            <Button look="outline" size="sm" onClick={failure.again}>
              {t("again")}
            </Button>
          </Notice>
        )}
        {job ? (
          <StopButton job={job} large />
        ) : away ? (
          <>
            <WhereChoice />
            <StopButton job={away} large elsewhere />
          </>
        ) : (
          <>
            <p
              role="status"
              data-testid="record-state"
              className={cx(
                "flex items-center gap-2 text-xs",
                state === "ready" ? "font-medium text-ready" : "text-faint",
              )}
            >
              <span
                className={cx(
                  "size-2 shrink-0 rounded-full",
                  state === "ready" ? "bg-ready" : "border border-current",
                )}
                aria-hidden
              />
              {state === "elsewhere"
                ? t("elsewhere.ready")
                : state === "ready"
                  ? t("record.ready")
                  : state === "empty"
                    ? t(pick ? "record.address" : "record.choose")
                    : failure
                      ? t("state.notReady")
                      : waiting
                        ? t("record.waiting")
                        : t("state.preparing")}
            </p>
            {request && !standing.elsewhere && <NextLive standing={standing} />}
            <RecordButton standing={standing} />
          </>
        )}
      </div>
    </div>
  );
}
