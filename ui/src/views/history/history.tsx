// What was recorded. Names for tests: heading "History"; one [data-testid=past-job][data-egress] per job with
// [data-testid=past-length], past-size, past-end, past-proxy; buttons "Play …", "Open folder …", "Upload …",
// "Forget …"; where it is stands in where.tsx. What LiveKit's egress service ended is in elsewhere/past.tsx.

import { useVirtualizer } from "@tanstack/react-virtual";
import {
  ArrowLeft,
  CircleCheck,
  CircleSlash,
  CloudUpload,
  Film,
  FolderOpen,
  History as HistoryIcon,
  LifeBuoy,
  Play,
  Trash2,
  TriangleAlert,
} from "lucide-react";
import { useDeferredValue, useMemo, useRef, useState } from "react";
import { useShallow } from "zustand/react/shallow";
import { useBackend } from "@/backend/index";
import type { Job } from "@/backend/types";
import { Button } from "@/kit/button";
import { Empty } from "@/kit/empty";
import { Notice } from "@/kit/notice";
import { Search } from "@/kit/search";
import { useCommand } from "@/lib/commands";
import { cx } from "@/lib/cx";
import { bytes, fileName, length, moment } from "@/lib/format";
import { useFontScale } from "@/lib/scale";
import { goTo, openDialog } from "@/store/desk";
import { pastElsewhere } from "@/store/elsewhere";
import { errorOf, pastJobs } from "@/store/select";
import { useStudio } from "@/store/studio";
import { isGoingUp } from "@/store/uploads";
import { t } from "@/words";
import { PastElsewhere } from "../elsewhere/past";
import { PastStreams } from "../live/past-streams";
import { kindOf, lengthOf, pathOf, proxyOf, sentOf, sizeOf } from "../outputs/job-figures";
import { Origin } from "../outputs/made-by";
import { type Entry, entriesOf, wordsOf } from "./entries";
import { forget, useForgotten } from "./forget";
import { isRemoved, WhereIs } from "./where";

const SEARCH_FROM = 8;

export function HistoryView() {
  const past = useStudio(useShallow(pastJobs));
  const forgotten = useForgotten((state) => state.ids);
  const theirs = useStudio(useShallow(pastElsewhere));
  const entries = useMemo(
    () =>
      entriesOf(
        past.filter((job) => !forgotten.includes(job.egress_id)),
        theirs,
      ),
    [past, theirs, forgotten],
  );
  const [wanted, setWanted] = useState("");
  const query = useDeferredValue(wanted.trim().toLocaleLowerCase());
  const list = useMemo(
    () => entries.filter((entry) => wordsOf(entry).toLocaleLowerCase().includes(query)),
    [entries, query],
  );
  return (
    <main className="flex h-full min-w-0 flex-1 flex-col" data-testid="history">
      <div className="mx-auto flex w-full max-w-[64rem] items-center gap-3 px-6 pt-6 pb-3">
        <Button
          look="quiet"
          size="icon"
          aria-label={t("back")}
          title={t("back")}
          onClick={() => goTo("room")}
        >
          <ArrowLeft />
        </Button>
        <h1 className="text-lg font-semibold">{t("history")}</h1>
        {entries.length >= SEARCH_FROM && (
          <Search label={t("history.find")} value={wanted} onChange={setWanted} className="ml-auto w-64" />
        )}
      </div>
      {list.length === 0 ? (
        <Empty
          icon={<HistoryIcon />}
          title={query ? t("history.none.found") : t("history.none")}
          what={query ? undefined : t("history.none.what")}
        />
      ) : (
        <PastJobs list={list} />
      )}
    </main>
  );
}

function PastJobs({ list }: { list: Entry[] }) {
  const scroller = useRef<HTMLDivElement>(null);
  const scale = useFontScale();
  const rows = useVirtualizer({
    count: list.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 92 * scale,
    getItemKey: (index) => list[index]?.job.egress_id ?? index,
    overscan: 4,
  });
  return (
    <div ref={scroller} className="min-h-0 flex-1 overflow-y-auto pb-6">
      <ul className="relative mx-auto w-full max-w-[64rem]" style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map((row) => {
          const entry = list[row.index];
          if (!entry) return null;
          return (
            <li
              key={row.key}
              ref={rows.measureElement}
              data-index={row.index}
              className="absolute inset-x-0 top-0 px-6"
              style={{ transform: `translateY(${row.start}px)` }}
            >
              {entry.where === "here" ? <PastJob job={entry.job} /> : <PastElsewhere job={entry.job} />}
            </li>
          );
        })}
      </ul>
    </div>
  );
}

function PastJob({ job }: { job: Job }) {
  const play = useCommand((studio, output: string) => studio.play(job.egress_id, output));
  const folder = useCommand((studio, output: string) => studio.openFolder(job.egress_id, output));
  const backend = useBackend();
  const path = pathOf(job);
  const proxy = proxyOf(job);
  const saved = job.outputs.find((output) => output.result?.path && (output.result.size_bytes ?? 0) > 0);
  // What was removed once it was stored can neither be played nor sent elsewhere.
  const here = job.outputs.find(
    (output) => output.result?.path && output.result.size_bytes > 0 && !isRemoved(output),
  );
  const gone = saved && !here ? t("upload.recording.gone") : undefined;
  const going = useStudio((snapshot) => isGoingUp(snapshot.uploads, job));
  // What was saved leads; that it had to be is told in passing.
  const recovered = job.recovered && saved !== undefined;
  const error = errorOf(job);
  const streamed = kindOf(job) === "streams";
  return (
    <article
      data-testid="past-job"
      data-egress={job.egress_id}
      data-status={job.status}
      className="border-b border-line py-2.5"
    >
      <div className="flex items-center gap-4">
        <Still job={job} />
        <div className="min-w-0 flex-1">
          <p dir="auto" className="truncate text-left text-base font-medium">
            {job.title}
          </p>
          <p
            dir="auto"
            className="truncate text-left text-xs text-soft"
            title={path ?? undefined}
            data-testid="past-file"
          >
            {path ? fileName(path) : t(streamed ? "streams.noFile" : "history.noFile")}
          </p>
          {proxy && (
            <p
              dir="auto"
              className="truncate text-left text-xs text-faint"
              title={proxy}
              data-testid="past-proxy"
            >
              {t("proxy.file", { name: fileName(proxy) })}
            </p>
          )}
          <p className="mt-0.5 flex items-center gap-1 text-xs text-faint">
            {recovered && (
              <span
                className="flex shrink-0 items-center gap-1 font-medium text-soft"
                data-testid="recovered"
              >
                <LifeBuoy className="size-3.5" aria-hidden />
                {t("history.recovered")}
              </span>
            )}
            {recovered && error ? (
              <span className="ml-2 truncate" title={error.message} data-testid="past-end">
                {error.message}
              </span>
            ) : (
              <EndSign job={job} />
            )}
            {job.origin !== "window" && (
              <>
                <span aria-hidden>·</span>
                <Origin job={job} />
              </>
            )}
          </p>
        </div>
        <div className="w-40 shrink-0 text-right text-xs text-faint">
          <p dir="auto" className="truncate text-right">
            {job.request.room_name || t("sources.page")}
          </p>
          <p>{moment(job.started_at_ms ?? job.created_at_ms, Date.now())}</p>
        </div>
        <div className="w-20 shrink-0 text-right">
          <p className="font-medium" data-testid="past-length">
            {saved || streamed ? length(lengthOf(job)) : "–"}
          </p>
          <p className="text-xs text-faint" data-testid="past-size">
            {saved ? bytes(sizeOf(job)) : streamed ? t("live.sent", { size: bytes(sentOf(job)) }) : ""}
          </p>
        </div>
        <div className="flex shrink-0 items-center gap-1">
          <Button
            look="quiet"
            size="icon"
            disabled={!here}
            aria-label={t("history.play", { title: job.title })}
            aria-description={gone}
            title={gone ?? t("history.play.short")}
            onClick={() => here && play.mutate(here.id)}
          >
            <Play />
          </Button>
          <Button
            look="quiet"
            size="icon"
            disabled={!here}
            aria-label={t("history.folder", { title: job.title })}
            aria-description={gone}
            title={gone ?? t("history.folder.short")}
            onClick={() => here && folder.mutate(here.id)}
          >
            <FolderOpen />
          </Button>
          <Button
            look="quiet"
            size="icon"
            disabled={!here || going}
            aria-label={t("upload.recording", { title: job.title })}
            aria-description={going ? t("upload.recording.busy") : gone}
            title={going ? t("upload.recording.busy") : (gone ?? t("upload.recording.short"))}
            onClick={() => openDialog({ name: "upload-recording", id: job.egress_id })}
          >
            <CloudUpload />
          </Button>
          <Button
            look="quiet"
            size="icon"
            aria-label={t("history.forget", { title: job.title })}
            title={t("history.forget.short")}
            onClick={() => forget(backend, job)}
          >
            <Trash2 />
          </Button>
        </div>
      </div>
      <div className="ml-[calc(4rem*16/9+1rem)]">
        <WhereIs job={job} />
      </div>
      <PastStreams job={job} className="ml-[calc(4rem*16/9+1rem)]" />
      {error && !recovered && <Notice error={error} className="mt-2 ml-[calc(4rem*16/9+1rem)]" />}
    </article>
  );
}

/** What ended it, in a producer's words. */
function EndSign({ job }: { job: Job }) {
  const cutShort = job.end_reason === "disk_full" || job.end_reason === "room_lost";
  const well = (job.status === "complete" || job.status === "limit_reached") && !cutShort;
  const Icon = well ? CircleCheck : job.status === "aborted" ? CircleSlash : TriangleAlert;
  const words =
    job.status === "aborted"
      ? t("end.aborted")
      : job.end_reason
        ? t(`end.${job.end_reason}`)
        : well
          ? t("end.complete")
          : t("end.failure");
  return (
    <span
      className={cx("flex items-center gap-1", !well && job.status !== "aborted" && "text-look")}
      data-testid="past-end"
    >
      <Icon className={cx("size-3.5", well && "text-ready")} aria-hidden />
      {words}
    </span>
  );
}

function Still({ job }: { job: Job }) {
  const backend = useBackend();
  const [broken, setBroken] = useState(false);
  const output = job.outputs.find((one) => one.thumbnail);
  return (
    <div className="flex aspect-video h-16 shrink-0 items-center justify-center overflow-hidden rounded-sm bg-card">
      {output && !broken ? (
        <img
          src={backend.stillUrl(job.egress_id, output.id)}
          alt=""
          className="size-full object-cover"
          onError={() => setBroken(true)}
        />
      ) : (
        <Film className="size-5 stroke-[1.5] text-faint" aria-hidden />
      )}
    </div>
  );
}
