// What there is to know of a destination, and what can be done about it. Names for tests: [data-testid=stream-details];
// [data-testid=stream-address]; buttons "Try again now", "Remove", and when asked "Take off air" / "End the job" and "Keep".

import { RotateCw, X } from "lucide-react";
import { useEffect, useRef } from "react";
import type { Job, OutputFigures } from "@/backend/types";
import { Button } from "@/kit/button";
import { Notice } from "@/kit/notice";
import { useOwnCommand } from "@/lib/commands";
import { bytes, length } from "@/lib/format";
import {
  airOf,
  askToRemove,
  figuresOf,
  isLastOf,
  isStreamOver,
  keyOf,
  openRow,
  resultOf,
  type Stream,
  useLive,
} from "@/store/live";
import { t } from "@/words";
import { Asking } from "./asking";
import { protocolWords, soundWords, uptimeWords } from "./stream-words";

export function StreamDetails({ job, stream, name }: { job: Job; stream: Stream; name: string }) {
  const key = keyOf(job.egress_id, stream.id);
  const asking = useLive((live) => live.asking === key);
  const box = useRef<HTMLDivElement>(null);
  const retry = useOwnCommand((backend, _: null) => backend.retryOutput(job.egress_id, stream.id));
  const remove = useOwnCommand((backend, _: null) => backend.removeOutput(job.egress_id, stream.id));
  const { destination } = stream;
  const { state } = destination;
  const figures = figuresOf(job, stream.id);
  const over = isStreamOver(state);
  const error = "error" in state ? state.error : null;
  const waits = state.is === "reconnecting" && figures?.destination?.next_try_ms != null;
  const last = isLastOf(job, stream.id);
  useEffect(() => {
    box.current?.scrollIntoView({ block: "nearest" });
  }, []);
  const end = () => remove.mutate(null, { onSuccess: () => openRow(null) });
  return (
    <div ref={box} data-testid="stream-details" className="flex flex-col gap-2 pr-2 pb-2 pl-7 text-xs">
      {!asking && <Facts stream={stream} figures={figures} />}
      {!asking && error && <Notice error={error} />}
      {retry.error && <Notice error={retry.error} />}
      {remove.error && <Notice error={remove.error} />}
      {!over &&
        (asking ? (
          <Asking
            what={t(
              last
                ? "stream.remove.last"
                : airOf(job).records
                  ? "stream.remove.file"
                  : "stream.remove.others",
              { name },
            )}
            yes={t(last ? "stream.remove.end" : "stream.remove.yes")}
            busy={remove.isPending}
            onYes={end}
            onNo={() => openRow(key)}
          />
        ) : (
          <div className="flex gap-2">
            {(waits || state.is === "refused") && (
              <Button look="outline" size="sm" disabled={retry.isPending} onClick={() => retry.mutate(null)}>
                <RotateCw />
                {t("stream.again.now")}
              </Button>
            )}
            <Button
              look="outline"
              size="sm"
              disabled={remove.isPending}
              // What is on air there is asked about, and so is what would end with it.
              onClick={() => (state.is === "refused" && !last ? end() : askToRemove(key))}
            >
              <X />
              {t("stream.remove")}
            </Button>
          </div>
        ))}
    </div>
  );
}

function Facts({ stream: { destination }, figures }: { stream: Stream; figures: OutputFigures | null }) {
  const { state } = destination;
  const over = isStreamOver(state);
  const result = resultOf(state);
  const retries = "retries" in state ? state.retries : (result?.retries ?? 0);
  const uptime = uptimeWords(figures);
  const sound = soundWords(destination);
  return (
    <>
      <p data-testid="stream-address" data-selectable className="[overflow-wrap:anywhere] text-soft">
        {destination.address}
      </p>
      <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-3 gap-y-0.5">
        <Fact name={t("stream.protocol")}>{protocolWords(destination)}</Fact>
        {sound && <Fact name={t("stream.sound")}>{sound}</Fact>}
        {uptime && <Fact name={t("stream.uptime")}>{uptime}</Fact>}
        {result && result.started_at_ns > 0 && (
          <Fact name={t("stream.uptime")}>{length((result.ended_at_ns - result.started_at_ns) / 1e6)}</Fact>
        )}
        <Fact name={t("stream.sent")}>{bytes(result?.size_bytes ?? figures?.size_bytes ?? 0)}</Fact>
        {figures && !over && (
          <>
            {destination.protocol !== "websocket" && (
              <Fact name={t("figure.dropped")}>{t("stream.dropped", { n: figures.dropped_frames })}</Fact>
            )}
            {figures.destination?.rtt_ms != null && (
              <Fact name={t("stream.rtt")}>{t("rtt", { ms: Math.round(figures.destination.rtt_ms) })}</Fact>
            )}
            {(figures.destination?.waiting_ms ?? 0) >= 1000 && (
              <Fact name={t("stream.waiting")}>
                {t("stream.waiting.s", { s: ((figures.destination?.waiting_ms ?? 0) / 1000).toFixed(1) })}
              </Fact>
            )}
          </>
        )}
        {retries > 0 && <Fact name={t("stream.retries")}>{String(retries)}</Fact>}
      </dl>
    </>
  );
}

function Fact({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <>
      <dt className="text-faint">{name}</dt>
      <dd className="min-w-0 text-ink">{children}</dd>
    </>
  );
}
