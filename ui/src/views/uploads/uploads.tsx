// What goes up, waits to, and is there. Names for tests: heading "Uploads"; one [data-testid=upload-group][data-owner]
// [data-state] per recording, with its lines (see upload-line.tsx); each reason why something waits is told once, in
// [data-testid=uploads-reason]; buttons "Try all now", "Storages".

import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowLeft, CloudUpload, HardDriveUpload, Plus, RotateCw } from "lucide-react";
import { useDeferredValue, useMemo, useRef, useState } from "react";
import type { ApiError, ErrorCode } from "@/backend/types";
import { Button } from "@/kit/button";
import { Empty } from "@/kit/empty";
import { Notice } from "@/kit/notice";
import { Search } from "@/kit/search";
import { useSeconds } from "@/lib/clock";
import { useCommand } from "@/lib/commands";
import { fileName, moment } from "@/lib/format";
import { useFontScale } from "@/lib/scale";
import { goTo, openDialog } from "@/store/desk";
import { useStudio } from "@/store/studio";
import { type Group, groupsOf, sameError, sumOf } from "@/store/uploads";
import { t } from "@/words";
import { UploadLine } from "./upload-line";
import { movingWords } from "./upload-words";

const SEARCH_FROM = 8;

const textOf = ({ job, lines, owner }: Group) =>
  [job?.title, job?.request.room_name, owner, ...lines.map((line) => fileName(line.path))]
    .join("\n")
    .toLocaleLowerCase();

export function UploadsView() {
  const uploads = useStudio((snapshot) => snapshot.uploads);
  const jobs = useStudio((snapshot) => snapshot.jobs);
  const storages = useStudio((snapshot) => snapshot.storages.length);
  const [wanted, setWanted] = useState("");
  const query = useDeferredValue(wanted.trim().toLocaleLowerCase());
  const groups = useMemo(() => groupsOf(uploads, jobs), [uploads, jobs]);
  const list = useMemo(() => groups.filter((group) => textOf(group).includes(query)), [groups, query]);
  const reasons = useMemo(() => reasonsOf(list), [list]);
  const sum = useMemo(() => sumOf(uploads), [uploads]);
  const retry = useCommand((backend, _: null) => backend.retryUpload(null));
  return (
    <main className="flex h-full min-w-0 flex-1 flex-col" data-testid="uploads">
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
        <h1 className="text-lg font-semibold">{t("uploads")}</h1>
        <p className="min-w-0 flex-1 truncate text-soft max-[80rem]:invisible" data-testid="uploads-sum">
          {sum.moving && movingWords(sum)}
        </p>
        {groups.length >= SEARCH_FROM && (
          <Search label={t("uploads.find")} value={wanted} onChange={setWanted} className="w-56" />
        )}
        {sum.waiting > 0 && (
          <Button disabled={retry.isPending} onClick={() => retry.mutate(null)}>
            <RotateCw />
            {t("uploads.all")}
          </Button>
        )}
        {storages > 0 && (
          <Button look="quiet" onClick={() => openDialog({ name: "settings", tab: "uploads" })}>
            <HardDriveUpload />
            {t("storages")}
          </Button>
        )}
      </div>
      {list.length === 0 ? (
        <Empty
          icon={<CloudUpload />}
          title={query ? t("uploads.none.found") : t("uploads.none")}
          what={query ? undefined : t("uploads.none.what")}
        >
          {!query && storages === 0 && (
            <Button
              className="mt-2"
              onClick={() => openDialog({ name: "settings", tab: "uploads", storage: "new" })}
            >
              <Plus />
              {t("storage.add")}
            </Button>
          )}
        </Empty>
      ) : (
        <Groups list={list} reasons={reasons} />
      )}
    </main>
  );
}

/** What is put right where the storage is set up. */
const OF_THE_STORAGE: ErrorCode[] = [
  "unknown_key",
  "wrong_secret",
  "permission_denied",
  "keyring",
  "not_found",
  "unreachable",
  "invalid_argument",
];

/** Why recordings wait, and how many. */
interface Reason {
  error: ApiError;
  count: number;
}

function reasonsOf(groups: Group[]): Reason[] {
  const all: Reason[] = [];
  for (const error of groups.flatMap((group) => group.errors)) {
    const known = all.find((one) => sameError(one.error, error));
    if (known) known.count += 1;
    else all.push({ error, count: 1 });
  }
  return all;
}

type Row =
  | { of: "reason"; reason: Reason }
  | { of: "heading"; title: string }
  | { of: "group"; group: Group };

const keyOf = (row: Row) => {
  if (row.of === "group") return row.group.owner;
  return row.of === "heading" ? row.title : `${row.reason.error.code} ${row.reason.error.message}`;
};

function rowsOf(list: Group[], reasons: Reason[]): Row[] {
  const done = list.findIndex((group) => group.state === "stored");
  const at = done < 0 ? list.length : done;
  const under = list.slice(0, at);
  const stored = list.slice(at);
  return [
    ...reasons.map((reason): Row => ({ of: "reason", reason })),
    ...(under.length > 0 && stored.length > 0 ? [{ of: "heading", title: t("uploads.under") } as const] : []),
    ...under.map((group): Row => ({ of: "group", group })),
    ...(stored.length > 0 ? [{ of: "heading", title: t("uploads.done") } as const] : []),
    ...stored.map((group): Row => ({ of: "group", group })),
  ];
}

function Groups({ list, reasons }: { list: Group[]; reasons: Reason[] }) {
  const scroller = useRef<HTMLDivElement>(null);
  const scale = useFontScale();
  const now_ms = useSeconds(list.some((group) => group.state === "waiting"));
  const all = useMemo(() => rowsOf(list, reasons), [list, reasons]);
  const rows = useVirtualizer({
    count: all.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => (all[index]?.of === "heading" ? 40 : 108) * scale,
    getItemKey: (index) => {
      const row = all[index];
      return row ? keyOf(row) : index;
    },
    overscan: 4,
  });
  return (
    <div ref={scroller} className="min-h-0 flex-1 overflow-y-auto pb-6">
      <ul className="relative mx-auto w-full max-w-[64rem]" style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map((item) => {
          const row = all[item.index];
          if (!row) return null;
          return (
            <li
              key={item.key}
              ref={rows.measureElement}
              data-index={item.index}
              className="absolute inset-x-0 top-0 px-6"
              style={{ transform: `translateY(${item.start}px)` }}
            >
              {row.of === "heading" && <h2 className="label-caps pt-4 pb-1.5">{row.title}</h2>}
              {row.of === "reason" && (
                <div className="pb-3" data-testid="uploads-reason">
                  <Notice error={row.reason.error}>
                    <span className="mr-2 text-soft">{t("uploads.reason", { n: row.reason.count })}</span>
                    {OF_THE_STORAGE.includes(row.reason.error.code) && (
                      <Button
                        look="outline"
                        size="sm"
                        onClick={() => openDialog({ name: "settings", tab: "uploads" })}
                      >
                        {t("uploads.look")}
                      </Button>
                    )}
                  </Notice>
                </div>
              )}
              {row.of === "group" && <Recording group={row.group} now_ms={now_ms} />}
            </li>
          );
        })}
      </ul>
    </div>
  );
}

function Recording({ group, now_ms }: { group: Group; now_ms: number }) {
  const { job, owner, lines, state } = group;
  const storages = [...new Set(lines.flatMap((line) => line.uploads.map((upload) => upload.storage)))];
  return (
    <article
      data-testid="upload-group"
      data-owner={owner}
      data-state={state}
      className="mb-2 rounded-md border border-line bg-card px-3 pt-2.5 pb-1"
    >
      <header className="flex items-baseline gap-3">
        <h2 dir="auto" className="min-w-0 truncate text-left text-base font-medium" title={job?.title}>
          {job?.title ?? t("uploads.recording", { id: owner })}
        </h2>
        {job && (
          <span className="shrink-0 text-xs text-faint">
            {moment(job.started_at_ms ?? job.created_at_ms, Date.now())}
          </span>
        )}
        <span className="flex-1" />
        <span
          className="max-w-1/2 truncate text-xs text-soft"
          data-testid="upload-storage"
          title={storages.join(", ")}
        >
          {storages.join(", ")}
        </span>
      </header>
      <ul className="mt-0.5 divide-y divide-line">
        {lines.map((line) => (
          <UploadLine key={line.id} line={line} now_ms={now_ms} />
        ))}
      </ul>
    </article>
  );
}
