// Where a recording that is over was streamed to, in the history. Names for tests: [data-testid=past-streams]; one
// [data-testid=past-stream][data-state] each.

import { useState } from "react";
import { useShallow } from "zustand/react/shallow";
import type { Job } from "@/backend/types";
import { cx } from "@/lib/cx";
import { bytes, length } from "@/lib/format";
import { resultOf, type Stream, streamName, streamsOf, useLive } from "@/store/live";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { StateIcon } from "./stream-row";

/** So many are in sight at first. */
const FIRST = 3;

export function PastStreams({ job, className }: { job: Job; className?: string }) {
  const streams = streamsOf(job);
  const saved = useLive((live) => live.saved);
  const names = useStudio(
    useShallow(({ destinations }) =>
      streams.map((one) => streamName(job.egress_id, one, destinations, saved)),
    ),
  );
  const [all, setAll] = useState(false);
  if (streams.length === 0) return null;
  const shown = all ? streams : streams.slice(0, FIRST);
  return (
    <ul
      aria-label={t("streams.before")}
      data-testid="past-streams"
      className={cx("mt-1.5 flex flex-col gap-0.5 text-xs text-soft", className)}
    >
      {shown.map((stream, index) => (
        <PastStream key={stream.id} stream={stream} name={names[index] ?? ""} />
      ))}
      {shown.length < streams.length && (
        <li>
          <button
            type="button"
            className="text-faint hover:text-ink hover:underline"
            onClick={() => setAll(true)}
          >
            {t("streams.more", { n: streams.length - shown.length })}
          </button>
        </li>
      )}
    </ul>
  );
}

function PastStream({ stream, name }: { stream: Stream; name: string }) {
  const { state, address } = stream.destination;
  const result = resultOf(state);
  const error = "error" in state ? state.error : null;
  // A job that died left its streams as they were.
  const is = result ? state.is : "failed";
  const ms = result && result.started_at_ns > 0 ? (result.ended_at_ns - result.started_at_ns) / 1e6 : null;
  return (
    <li data-testid="past-stream" data-state={state.is} className="flex min-w-0 items-center gap-1.5">
      <StateIcon is={is} />
      <bdi className="max-w-[40%] shrink-0 truncate font-medium" title={`${name}\n${address}`}>
        {name}
      </bdi>
      <span className={cx("shrink-0", is === "failed" ? "text-look" : "text-faint")}>
        {t(result ? (state.is === "failed" ? "stream.failed" : "stream.stopped") : "stream.cut")}
      </span>
      <span className="shrink-0 text-faint">
        {ms === null ? result && t("stream.never") : `${length(ms)} · ${bytes(result?.size_bytes ?? 0)}`}
      </span>
      {error && (
        <span className="min-w-0 truncate text-faint" title={`${error.message} ${error.remedy}`}>
          {error.message}
        </span>
      )}
    </li>
  );
}
