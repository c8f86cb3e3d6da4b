// Where a running job streams to, in its card. Names for tests: [data-testid=streams][data-live][data-wanted], its
// summary [data-testid=streams-summary], rows as in stream-row.tsx, button "Add destination" (opens add-panel.tsx),
// button "Record it as well" where nothing is recorded, button "<n> ended".

import { ChevronRight, Circle, Plus, Radio } from "lucide-react";
import { useState } from "react";
import { useShallow } from "zustand/react/shallow";
import type { Job } from "@/backend/types";
import { Button } from "@/kit/button";
import { useCommand } from "@/lib/commands";
import { cx } from "@/lib/cx";
import { openAdding, useDesk } from "@/store/desk";
import { airOf, filesOf, isStreamOver, type Stream, streamName, streamsOf, useLive } from "@/store/live";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { AddPanel } from "./add-panel";
import { StreamRow } from "./stream-row";

/** Up to so many rows have their figures below their names. */
const ROOMY = 3;

export function Streams({
  job,
  keyed,
  brief,
}: {
  job: Job;
  /** The key D is about this job. */
  keyed: boolean;
  /** Only how many there are and what is wrong with them. */
  brief: boolean;
}) {
  const streams = streamsOf(job);
  const adding = useDesk((desk) => desk.adding === job.egress_id);
  const names = useNames(job, streams);
  const { live, wanted } = airOf(job);
  const alive = streams.filter((one) => !isStreamOver(one.destination.state));
  const addressesNow = alive.map((one) => one.destination.address);
  const over = streams.filter(
    (one) => isStreamOver(one.destination.state) && !addressesNow.includes(one.destination.address),
  );
  const failed = over.filter((one) => one.destination.state.is === "failed");
  const stopped = over.filter((one) => one.destination.state.is === "stopped");
  const ending = job.status === "ending";
  if (streams.length === 0 && (brief || ending)) return null;
  const row = (stream: Stream) => (
    <StreamRow
      key={stream.id}
      job={job}
      stream={stream}
      name={names[stream.id] ?? stream.destination.address}
      roomy={alive.length <= ROOMY}
    />
  );
  return (
    <section
      aria-label={t("streams", { title: job.title })}
      data-testid="streams"
      data-live={live}
      data-wanted={wanted}
      className="flex flex-col gap-1 border-t border-line pt-2"
    >
      {streams.length > 0 && <Summary streams={streams} live={live} wanted={wanted} />}
      {!brief && (
        <>
          {streams.length > 0 && (
            <ul className="-mx-2 flex flex-col">
              {alive.map(row)}
              {failed.map(row)}
            </ul>
          )}
          {stopped.length > 0 && <Ended rows={stopped.map(row)} />}
          {streams.length > 0 && filesOf(job).length === 0 && !ending && <RecordToo job={job} />}
          {adding ? (
            <AddPanel job={job} />
          ) : (
            !ending && (
              <Button
                look="quiet"
                size="sm"
                hotkey={keyed ? "D" : undefined}
                className="-mx-2 justify-start"
                onClick={() => openAdding(job.egress_id)}
              >
                <Plus />
                <span className="flex-1 text-left">{t("streams.add")}</span>
              </Button>
            )
          )}
        </>
      )}
    </section>
  );
}

/** What goes out can be kept, from now on. */
function RecordToo({ job }: { job: Job }) {
  const record = useCommand((backend, id: string) => backend.record(id));
  return (
    <Button
      look="quiet"
      size="sm"
      className="-mx-2 justify-start"
      disabled={record.isPending}
      onClick={() => record.mutate(job.egress_id)}
    >
      <Circle className="fill-current" />
      <span className="flex-1 text-left">{t("streams.record")}</span>
    </Button>
  );
}

function useNames(job: Job, streams: Stream[]): Record<string, string> {
  const saved = useLive((state) => state.saved);
  return useStudio(
    useShallow(({ destinations }) =>
      Object.fromEntries(streams.map((one) => [one.id, streamName(job.egress_id, one, destinations, saved)])),
    ),
  );
}

/** How many are live of how many, and what is wrong. */
function Summary({ streams, live, wanted }: { streams: Stream[]; live: number; wanted: number }) {
  const count = (is: string) => streams.filter((one) => one.destination.state.is === is).length;
  const trouble = (["reconnecting", "refused", "failed"] as const)
    .filter((is) => count(is) > 0)
    .map((is) => t(`streams.${is}`, { n: count(is) }));
  return (
    <p className="flex min-h-5 items-center gap-2 text-xs">
      {live > 0 ? (
        <span className="flex items-center gap-1.5 rounded-sm bg-tally px-1.5 font-bold tracking-wide text-white">
          <Radio className="size-3" aria-hidden />
          {t("live")}
        </span>
      ) : (
        <Radio className="size-3.5 text-faint" aria-hidden />
      )}
      <span role="status" data-testid="streams-summary" className="min-w-0 flex-1 truncate">
        <span className="font-medium text-ink">
          {wanted === 0
            ? t("streams.none")
            : wanted === live
              ? t("streams.all", { n: live })
              : t("streams.some", { n: live, of: wanted })}
        </span>
        {trouble.length > 0 && <span className="ml-2 font-medium text-look">{trouble.join(", ")}</span>}
      </span>
    </p>
  );
}

function Ended({ rows }: { rows: React.ReactNode[] }) {
  const [open, setOpen] = useState(false);
  return (
    <div>
      <button
        type="button"
        aria-expanded={open}
        className="flex items-center gap-1.5 py-0.5 text-xs text-faint hover:text-soft"
        onClick={() => setOpen(!open)}
      >
        <ChevronRight className={cx("size-3 transition-transform", open && "rotate-90")} aria-hidden />
        {t("streams.ended", { n: rows.length })}
      </button>
      {open && <ul className="-mx-2 flex flex-col">{rows}</ul>}
    </div>
  );
}
