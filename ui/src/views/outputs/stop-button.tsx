// Names for tests: button "Stop <title>"; [data-phase] is idle, holding, asking or stopping. Held for half a second
// it stops; after a short press it asks for Enter.

import { Square } from "lucide-react";
import { type KeyboardEvent, useEffect, useRef } from "react";
import type { ElsewhereJob, Job } from "@/backend/types";
import { Key } from "@/kit/key";
import { useCommand } from "@/lib/commands";
import { cx } from "@/lib/cx";
import { beginHold, confirmHold, releaseHold, useHold } from "@/store/hold";
import { t } from "@/words";

const LONG = {
  idle: t("stop.hold"),
  holding: t("stop.keepHolding"),
  asking: t("stop.enter"),
  stopping: t("stop.stopping"),
};
const SHORT = {
  idle: t("stop"),
  holding: t("stop.short.holding"),
  asking: t("stop.short.enter"),
  stopping: t("stop.short.stopping"),
};

/** Stops a job, when it is meant. */
export function StopButton({
  job,
  large,
  elsewhere,
}: {
  job: Pick<Job | ElsewhereJob, "egress_id" | "title" | "status">;
  large?: boolean;
  /** LiveKit's own service runs it. */
  elsewhere?: boolean;
}) {
  const phase = useHold((hold) => (hold.id === job.egress_id ? hold.phase : null));
  const stop = useCommand((backend, id: string) =>
    elsewhere ? backend.stopElsewhere(id) : backend.stop(id),
  );
  const button = useRef<HTMLButtonElement>(null);
  // What asks for Enter must be seen, also where Stop was chosen by name.
  useEffect(() => {
    if (phase === "asking") button.current?.scrollIntoView({ block: "nearest" });
  }, [phase]);
  const begin = (at_ms: number) =>
    beginHold(job.egress_id, (id) => stop.mutateAsync(id).catch(() => undefined), at_ms);
  const leave = () => releaseHold();
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    if (event.repeat) return;
    if (event.key === "Enter" && confirmHold()) return;
    begin(event.timeStamp);
  };
  const stopping = phase === "stopping" || job.status === "ending";
  const words = (large ? LONG : SHORT)[stopping ? "stopping" : (phase ?? "idle")];
  return (
    <button
      ref={button}
      type="button"
      aria-label={t(elsewhere ? "elsewhere.stop" : "stop.label", { title: job.title })}
      aria-description={t("stop.how")}
      title={t("stop.how")}
      data-testid="stop"
      data-phase={stopping ? "stopping" : (phase ?? "idle")}
      disabled={stopping}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.focus();
        begin(event.timeStamp);
      }}
      onPointerUp={(event) => releaseHold(event.timeStamp)}
      onPointerLeave={leave}
      onPointerCancel={leave}
      onKeyDown={onKeyDown}
      onKeyUp={(event) => (event.key === "Enter" || event.key === " ") && releaseHold(event.timeStamp)}
      onContextMenu={(event) => event.preventDefault()}
      className={cx(
        "relative flex shrink-0 touch-none items-center justify-center overflow-hidden rounded-md border font-semibold transition-colors",
        large ? "h-14 w-full gap-3 text-base" : "h-7 w-20 gap-1.5 text-xs",
        stopping
          ? "border-line text-soft"
          : phase === "asking"
            ? "border-ink bg-ink text-night"
            : "border-edge bg-control text-ink hover:bg-chosen",
      )}
    >
      {phase === "holding" && (
        <span
          aria-hidden
          className="hold-fill absolute inset-0 origin-left bg-edge"
          style={{ animation: "fill-up 500ms linear both" }}
        />
      )}
      <span className="relative flex items-center gap-2">
        <Square className={large ? "size-4" : "size-3"} fill="currentColor" aria-hidden />
        {words}
        {large && !stopping && phase === null && <Key>S</Key>}
      </span>
    </button>
  );
}
