// One destination of a running job. Names for tests: [data-testid=stream][data-output][data-state] with [data-state] of
// connecting, live, reconnecting, refused, stopped or failed; in it [data-testid=stream-name], stream-state, stream-rate,
// stream-why, and the buttons "Try <name> again" and "Details of <name>" (its details are in stream-details.tsx).

import { Ban, Check, ChevronRight, Circle, LoaderCircle, RefreshCw, TriangleAlert } from "lucide-react";
import type { DestinationState, Job } from "@/backend/types";
import { Button } from "@/kit/button";
import { useCommand } from "@/lib/commands";
import { cx } from "@/lib/cx";
import { bitrate, bytes } from "@/lib/format";
import { figuresOf, keyOf, openRow, resultOf, type Stream, useLive } from "@/store/live";
import { t } from "@/words";
import { StreamDetails } from "./stream-details";
import { protocolWords, stateWords, uptimeWords } from "./stream-words";

const LOOK: Record<DestinationState["is"], string> = {
  connecting: "text-soft",
  live: "text-tally-ink",
  reconnecting: "text-look",
  refused: "text-look",
  stopped: "text-faint",
  failed: "text-look",
};

export function StreamRow({
  job,
  stream,
  name,
  roomy,
}: {
  job: Job;
  stream: Stream;
  name: string;
  /** There is room for its figures below its name. */
  roomy: boolean;
}) {
  const key = keyOf(job.egress_id, stream.id);
  const open = useLive((live) => live.open === key);
  const retry = useCommand((backend, output: string) => backend.retryOutput(job.egress_id, output));
  const { destination } = stream;
  const { state } = destination;
  const figures = figuresOf(job, stream.id);
  const live = state.is === "live";
  const error = "error" in state ? state.error.message : null;
  // What is tried again by itself needs no second line where there are many.
  const why = roomy || state.is !== "reconnecting" ? error : null;
  const result = resultOf(state);
  const facts = [
    protocolWords(destination),
    ...(live && figures?.destination?.rtt_ms != null
      ? [t("rtt", { ms: Math.round(figures.destination.rtt_ms) })]
      : []),
    ...(live && figures ? [t("figure.dropped.short", { n: figures.dropped_frames })] : []),
  ];
  return (
    <li
      data-testid="stream"
      data-output={stream.id}
      data-state={state.is}
      className={cx("rounded-sm", open && "bg-control/50")}
    >
      <div className="group relative flex items-center gap-2 py-1 pr-1 pl-2">
        <StateIcon is={state.is} />
        <button
          type="button"
          aria-expanded={open}
          aria-label={t("stream.details", { name })}
          title={[name, destination.address, error].filter(Boolean).join("\n")}
          onClick={() => openRow(open ? null : key)}
          className="min-w-0 flex-1 text-left after:absolute after:inset-0 after:rounded-sm hover:after:bg-chosen/40 focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:-outline-offset-1 focus-visible:after:outline-ink"
        >
          <bdi
            data-testid="stream-name"
            className={cx("block truncate font-medium", result && "font-normal text-soft")}
          >
            {name}
          </bdi>
        </button>
        {live && figures && (
          <span data-testid="stream-rate" className="shrink-0 text-xs text-soft">
            {bitrate(figures.bitrate_bps)}
          </span>
        )}
        {result && result.size_bytes > 0 && (
          <span className="shrink-0 text-xs text-faint">{bytes(result.size_bytes)}</span>
        )}
        <span data-testid="stream-state" className={cx("shrink-0 text-xs font-medium", LOOK[state.is])}>
          {stateWords(destination, figures)}
        </span>
        {state.is === "refused" ? (
          <Button
            look="outline"
            size="sm"
            className="relative -my-0.5 h-6"
            aria-label={t("stream.again", { name })}
            disabled={retry.isPending}
            onClick={() => retry.mutate(stream.id)}
          >
            {t("again")}
          </Button>
        ) : (
          <ChevronRight
            className={cx("size-3.5 shrink-0 text-faint transition-transform", open && "rotate-90")}
            aria-hidden
          />
        )}
      </div>
      {!open && why && (
        <p data-testid="stream-why" title={why} className="truncate pr-2 pb-1 pl-7 text-xs text-soft">
          {why}
        </p>
      )}
      {!open && !why && roomy && !result && (
        <p className="flex gap-2 pr-2 pb-1 pl-7 text-xs text-faint">
          <span className="min-w-0 flex-1 truncate">{facts.join(" · ")}</span>
          <span data-testid="stream-uptime">{uptimeWords(figures)}</span>
        </p>
      )}
      {open && <StreamDetails job={job} stream={stream} name={name} />}
    </li>
  );
}

/** The same as the words beside it, in a shape. */
export function StateIcon({ is }: { is: DestinationState["is"] }) {
  const look = cx("size-3 shrink-0", LOOK[is]);
  switch (is) {
    case "connecting":
      return <LoaderCircle className={cx(look, "motion-safe:animate-spin")} aria-hidden />;
    case "live":
      return <Circle className={look} fill="currentColor" aria-hidden />;
    case "reconnecting":
      return <RefreshCw className={look} aria-hidden />;
    case "refused":
      return <Ban className={look} aria-hidden />;
    case "stopped":
      return <Check className={look} aria-hidden />;
    case "failed":
      return <TriangleAlert className={look} aria-hidden />;
  }
}
