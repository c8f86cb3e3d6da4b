// A job that LiveKit's egress service has ended, in the history. It cannot be played from here, and the service forgets it by
// itself. Names for tests: [data-testid=past-elsewhere][data-egress][data-status]; [data-testid=past-location] each with
// button "Copy the address of <file>".

import { CircleCheck, CircleSlash, Cloud, TriangleAlert } from "lucide-react";
import type { ElsewhereFile, ElsewhereJob, ElsewhereStream } from "@/backend/types";
import { CopyButton } from "@/kit/copy";
import { Notice } from "@/kit/notice";
import { cx } from "@/lib/cx";
import { bytes, fileName, length, moment } from "@/lib/format";
import { elapsedElsewhere } from "@/store/elsewhere";
import { t } from "@/words";
import { Place } from "../outputs/made-by";
import { saidOf } from "./said";
import { StreamIcon } from "./streams";

const INDENT = "ml-[calc(4rem*16/9+1rem)]";

export function PastElsewhere({ job }: { job: ElsewhereJob }) {
  const { files, streams } = job;
  const said = saidOf(job);
  const size = files.reduce((sum, file) => sum + file.size_bytes, 0);
  const [first] = files;
  const at = job.started_at_ms ?? job.ended_at_ms;
  return (
    <article
      data-testid="past-elsewhere"
      data-egress={job.egress_id}
      data-status={job.status}
      className="border-b border-line py-2.5"
    >
      <div className="flex items-center gap-4">
        <div className="flex aspect-video h-16 shrink-0 items-center justify-center rounded-sm bg-card">
          <Cloud className="size-5 stroke-[1.5] text-faint" aria-hidden />
        </div>
        <div className="min-w-0 flex-1">
          <p dir="auto" className="truncate text-left text-base font-medium">
            {job.title}
          </p>
          <p dir="auto" className="truncate text-left text-xs text-soft">
            {first ? fileName(first.name) : t(streams.length > 0 ? "streams.noFile" : "history.noFile")}
          </p>
          <p className="mt-0.5 flex items-center gap-1.5 text-xs text-faint">
            <EndSign status={job.status} />
            <span aria-hidden>·</span>
            <Place where="livekit" />
          </p>
        </div>
        <div className="w-40 shrink-0 text-right text-xs text-faint">
          <p dir="auto" className="truncate text-right">
            {job.room_name || t("sources.page")}
          </p>
          {at !== null && <p>{moment(at, Date.now())}</p>}
        </div>
        <div className="w-20 shrink-0 text-right">
          <p className="font-medium" data-testid="past-length">
            {job.started_at_ms === null ? "–" : length(elapsedElsewhere(job, Date.now()))}
          </p>
          <p className="text-xs text-faint">{size > 0 && bytes(size)}</p>
        </div>
        {/* As wide as the buttons of what was recorded here. */}
        <div className="w-35 shrink-0" />
      </div>
      <div className={cx("flex flex-col", INDENT)}>
        {files.map((file) => (
          <Location key={`${file.name} ${file.location}`} file={file} named={files.length > 1} />
        ))}
        {streams.length > 0 && (
          <ul aria-label={t("streams.before")} className="mt-1 flex flex-col gap-0.5 text-xs text-soft">
            {streams.map((stream) => (
              <PastStream key={stream.address} stream={stream} />
            ))}
          </ul>
        )}
      </div>
      {said && <Notice error={said} className={cx("mt-2", INDENT)} />}
    </article>
  );
}

function EndSign({ status }: Pick<ElsewhereJob, "status">) {
  const well = status === "complete" || status === "limit_reached";
  const aborted = status === "aborted";
  const Icon = well ? CircleCheck : aborted ? CircleSlash : TriangleAlert;
  return (
    <span
      className={cx("flex shrink-0 items-center gap-1", !well && !aborted && "text-look")}
      data-testid="past-end"
    >
      <Icon className={cx("size-3.5", well && "text-ready")} aria-hidden />
      {t(
        status === "limit_reached"
          ? "end.limit_reached"
          : well
            ? "end.complete"
            : aborted
              ? "end.aborted"
              : "end.failure",
      )}
    </span>
  );
}

function Location({ file: { name, location }, named }: { file: ElsewhereFile; named: boolean }) {
  const short = fileName(name);
  if (location === "")
    return (
      <p className="text-xs text-faint">
        {named ? `${short}: ` : ""}
        {t("history.location.none")}
      </p>
    );
  return (
    <p className="flex items-center gap-1 text-xs text-faint">
      {named && (
        <span dir="auto" className="max-w-1/3 shrink-0 truncate text-soft">
          {short}
        </span>
      )}
      <span
        dir="ltr"
        className="min-w-0 truncate"
        title={location}
        data-selectable
        data-testid="past-location"
      >
        {location}
      </span>
      <CopyButton text={location} label={t("upload.location.copy", { name: short })} className="-my-1.5" />
    </p>
  );
}

function PastStream({ stream: { address, state, error } }: { stream: ElsewhereStream }) {
  return (
    <li className="flex min-w-0 items-center gap-1.5">
      <StreamIcon state={state} />
      <bdi className="max-w-[50%] shrink-0 truncate font-medium" title={address}>
        {address}
      </bdi>
      <span className={cx("shrink-0", state === "failed" ? "text-look" : "text-faint")}>
        {t(state === "failed" ? "elsewhere.stream.failed" : "elsewhere.stream.finished")}
      </span>
      {error && (
        <span className="min-w-0 truncate text-faint" title={error}>
          {error}
        </span>
      )}
    </li>
  );
}
