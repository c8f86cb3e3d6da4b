// A running recording. Names for tests: [data-testid=job][data-egress][data-status]; in it
// [data-testid=job-elapsed], job-proxy, job-size, job-disk, job-behind, job-dropped, job-connection, the stop button, and where it streams to
// (see live/streams.tsx).

import { Circle, LoaderCircle, RefreshCw } from "lucide-react";
import { memo } from "react";
import type { Job } from "@/backend/types";
import { FileName } from "@/kit/file-name";
import { Meter } from "@/kit/meter";
import { Notice } from "@/kit/notice";
import { cx } from "@/lib/cx";
import { bitrate, bytes, fileName, timecode, timeLeft } from "@/lib/format";
import { pickSource } from "@/store/desk";
import { airOf } from "@/store/live";
import { isRecording } from "@/store/select";
import { useStudio } from "@/store/studio";
import { waitsFor } from "@/store/waits";
import { t } from "@/words";
import { Streams } from "../live/streams";
import { formatWords } from "../room/track-words";
import { JobUpload } from "../uploads/job-upload";
import { BEHIND_MS, DISK_LOW_S, elapsedOf, kindOf, pathOf, proxyOf, sumOf, takesOf } from "./job-figures";
import { MadeBy } from "./made-by";
import { StopButton } from "./stop-button";

export const JobCard = memo(function JobCard({
  job,
  here,
  alone,
  dense,
  brief,
  keyed,
  placed,
}: {
  job: Job;
  here: boolean;
  /** No other job runs: the time left on the disk is at the top of the window, and not here again. */
  alone: boolean;
  dense: boolean;
  /** Where it streams to is only counted. */
  brief: boolean;
  /** The key for one more destination is about this job. */
  keyed: boolean;
  /** Others run elsewhere: it says that this one does not. */
  placed: boolean;
}) {
  const on = isRecording(job);
  const waits = useStudio((snapshot) => waitsFor(job, snapshot.room));
  const air = airOf(job);
  const kind = kindOf(job);
  const sum = sumOf(job, kind);
  const path = pathOf(job);
  const proxy = proxyOf(job);
  const { sounds, pictures } = takesOf(job);
  const diskLow = sum.disk_left_s !== null && sum.disk_left_s < DISK_LOW_S;
  const behind = sum.behind_ms >= BEHIND_MS;
  const dropping = sum.frames > 0 && sum.dropped_frames / (sum.frames + sum.dropped_frames) > 0.01;
  return (
    <article
      data-testid="job"
      data-egress={job.egress_id}
      data-status={job.status}
      aria-label={job.title}
      className={cx(
        "shrink-0 overflow-hidden rounded-md border bg-card",
        on ? "border-tally-ink/70" : "border-line",
      )}
    >
      <div className={cx("flex items-center gap-2 py-1.5 pr-1.5 pl-3", on && "bg-tally text-white")}>
        <Circle
          className={cx("size-2.5 shrink-0", on ? "text-white" : "text-faint")}
          fill={on ? "currentColor" : "none"}
          aria-hidden
        />
        <span className="text-xs font-bold tracking-wide">
          {on
            ? t(air.records ? "rec" : "live")
            : job.status === "ending"
              ? t("state.finishing")
              : job.status === "active"
                ? t("state.notLive")
                : t(job.page === "waiting" || waits ? "state.waiting" : "state.starting")}
        </span>
        <span className="flex-1" />
        {/* What is not on has a longer word beside it. */}
        <span
          className={cx("leading-7 font-semibold", on ? "text-lg" : "text-base")}
          data-testid="job-elapsed"
        >
          {timecode(elapsedOf(job))}
        </span>
        {job.status !== "ending" && <StopButton job={job} />}
      </div>
      <div className={cx("flex flex-col px-3", dense ? "gap-1 py-2" : "gap-2 py-3")}>
        <div className="min-w-0">
          <Title job={job} here={here} />
          <MadeBy job={job} placed={placed} />
          {waits && (
            <p role="status" className="text-xs text-soft" data-testid="job-waits">
              {t(`state.waiting.${waits}`, { name: job.title })}. {t("state.waiting.begins")}
            </p>
          )}
          {!dense && (
            <p className="flex gap-1.5 text-xs text-faint" title={path ?? undefined}>
              {!here && job.request.room_name && (
                <span dir="auto" className="max-w-2/5 shrink-0 truncate">
                  {job.request.room_name}
                </span>
              )}
              <span className="min-w-0 flex-1" data-testid="job-file">
                {path ? (
                  <FileName name={fileName(path)} />
                ) : kind === "streams" ? (
                  t("streams.noFile")
                ) : (
                  formatWords(job.request.format)
                )}
              </span>
            </p>
          )}
          {!dense && proxy && (
            <p className="truncate text-xs text-faint" title={proxy} data-testid="job-proxy">
              {t("proxy.file", { name: fileName(proxy) })}
            </p>
          )}
        </div>
        {sounds.length > 0 && <Meter tracks={sounds} egressId={job.egress_id} />}
        {dense ? (
          <p className="flex gap-3 text-xs text-soft">
            <span data-testid="job-size">{bytes(sum.size_bytes)}</span>
            {sum.disk_left_s !== null && (
              <span className={cx(diskLow && "font-semibold text-look")}>
                {t("figure.disk.short", { left: timeLeft(sum.disk_left_s) })}
              </span>
            )}
            {behind && (
              <span className="font-semibold text-look">
                {t("figure.behind.short", { s: Math.round(sum.behind_ms / 1000) })}
              </span>
            )}
            {pictures && (
              <span className={cx(dropping && "font-semibold text-look")}>
                {t("figure.dropped.short", { n: sum.dropped_frames })}
              </span>
            )}
          </p>
        ) : (
          <dl className="grid grid-cols-[auto_1fr_auto_1fr] gap-x-2 gap-y-1 text-xs">
            <Figure
              name={t(kind === "files" ? "figure.size" : "stream.sent")}
              value={bytes(sum.size_bytes)}
              testid="job-size"
            />
            <Figure name={t("figure.rate")} value={bitrate(sum.bitrate_bps)} testid="job-rate" />
            {!alone && kind === "files" && (
              <Figure
                name={t("figure.disk")}
                value={sum.disk_left_s === null ? "–" : timeLeft(sum.disk_left_s)}
                testid="job-disk"
                look={diskLow}
              />
            )}
            {behind && (
              <Figure
                name={t("figure.behind")}
                value={t("figure.behind.value", { s: Math.round(sum.behind_ms / 1000) })}
                testid="job-behind"
                look
              />
            )}
            {pictures && (
              <Figure
                name={t("figure.dropped")}
                value={String(sum.dropped_frames)}
                testid="job-dropped"
                look={dropping}
              />
            )}
          </dl>
        )}
        {(!dense || job.connection !== "connected") && <Connection job={job} />}
        <Streams job={job} keyed={keyed} brief={brief && !keyed} />
        <JobUpload job={job} dense={dense} />
        {job.warnings.slice(-2).map((warning) => (
          <Notice key={`${warning.code}${warning.message}`} error={warning} />
        ))}
      </div>
    </article>
  );
});

function Title({ job, here }: { job: Job; here: boolean }) {
  const look = "block max-w-full truncate text-left font-medium";
  if (!here)
    return (
      <p dir="auto" className={look}>
        {job.title}
      </p>
    );
  return (
    <button
      type="button"
      dir="auto"
      className={cx(look, "hover:underline")}
      onClick={() => pickSource(job.request.source)}
    >
      {job.title}
    </button>
  );
}

function Figure({
  name,
  value,
  testid,
  look,
}: {
  name: string;
  value: string;
  testid: string;
  look?: boolean;
}) {
  return (
    <>
      <dt className="text-faint">{name}</dt>
      <dd className={cx("truncate", look ? "font-semibold text-look" : "text-ink")} data-testid={testid}>
        {value}
      </dd>
    </>
  );
}

/** How its connection to the room is; of what Chromium draws, how its page is. */
function connectionWords({ connection, page, request: { source } }: Job): string {
  const web = source.type === "web";
  if (page === "waiting") return t(web ? "page.waiting.page" : "page.waiting");
  if (page === "starting" || page === "loading" || page === "reloading") return t(`page.${page}`);
  if (web) return t(page === null ? "page.starting" : "page.on");
  return t(`connection.${connection}`);
}

function Connection({ job }: { job: Job }) {
  const { connection } = job;
  const well = connection === "connected";
  const joining = connection === "connecting";
  const rtt = job.figures?.rtt_ms;
  return (
    <p
      data-testid="job-connection"
      data-connection={connection}
      className={cx(
        "flex items-center gap-1.5 text-xs",
        well || joining ? "text-faint" : "font-medium text-look",
      )}
    >
      {well ? (
        <span className="size-2 rounded-full bg-ready" aria-hidden />
      ) : joining ? (
        <LoaderCircle className="size-3 motion-safe:animate-spin" aria-hidden />
      ) : (
        <RefreshCw className="size-3" aria-hidden />
      )}
      {connectionWords(job)}
      {well && typeof rtt === "number" && <span>{t("rtt", { ms: Math.round(rtt) })}</span>}
      {well && job.figures?.encoder && <span className="ml-auto">{job.figures.encoder}</span>}
    </p>
  );
}
