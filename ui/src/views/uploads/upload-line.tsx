// One file of the list of uploads, or the many of one output. Names for tests: [data-testid=upload][data-upload]
// [data-state], in it upload-state, upload-detail, upload-location; buttons "Pause …", "Go on with …", "Try … now", "Take …
// off the list", which asks in [data-testid=upload-cancel], and "Copy the address of …".

import {
  Check,
  CircleCheck,
  CircleDashed,
  CirclePause,
  Copy,
  LoaderCircle,
  type LucideIcon,
  Pause,
  Play,
  RotateCw,
  ShieldCheck,
  TriangleAlert,
  X,
} from "lucide-react";
import { useState } from "react";
import type { Upload } from "@/backend/types";
import { Button } from "@/kit/button";
import { FileName } from "@/kit/file-name";
import { useCommand } from "@/lib/commands";
import { cx } from "@/lib/cx";
import { fileName } from "@/lib/format";
import { isStored, type Line, leading, percentOf, progressOf, type StateKind } from "@/store/uploads";
import { t } from "@/words";
import { detailWords, filesWords, stateWords } from "./upload-words";

const ICONS: Record<StateKind, LucideIcon> = {
  following: LoaderCircle,
  queued: CircleDashed,
  uploading: LoaderCircle,
  verifying: ShieldCheck,
  waiting: TriangleAlert,
  paused: CirclePause,
  stored: CircleCheck,
};

const LOOKS: Partial<Record<StateKind, string>> = { waiting: "text-look", stored: "text-ready" };

export function UploadLine({ line, now_ms }: { line: Line; now_ms: number }) {
  const { uploads, path, many } = line;
  const [asking, setAsking] = useState(false);
  const state = leading(uploads);
  const Icon = ICONS[state];
  const [first] = uploads;
  const name = fileName(path);
  const progress = progressOf(uploads);
  const detail = detailWords(uploads, now_ms);
  const turning = state === "uploading" || state === "following";
  const barred = !["stored", "queued"].includes(state) && progress.total_bytes > 0;
  if (!first) return null;
  return (
    <li
      data-testid="upload"
      data-upload={first.id}
      data-state={state}
      className="grid grid-cols-[1rem_minmax(0,1fr)_auto] items-start gap-x-2.5 py-2"
    >
      <Icon
        className={cx("mt-0.5 size-4", LOOKS[state] ?? "text-faint", turning && "motion-safe:animate-spin")}
        aria-hidden
      />
      <div className="min-w-0">
        <div className="flex items-baseline gap-2" title={path}>
          <span className="min-w-0 flex-1 font-medium">
            <FileName name={name} />
          </span>
          {many && (
            <span className="shrink-0 text-xs text-faint" data-testid="upload-files">
              {filesWords(line)}
            </span>
          )}
          {first.on_backup && (
            <span
              className="shrink-0 rounded-sm border border-edge px-1 text-xs leading-4 text-soft"
              data-testid="upload-backup"
            >
              {t("upload.backup.mark")}
            </span>
          )}
        </div>
        <p className="flex gap-x-2 text-xs text-faint">
          <span
            className={cx("shrink-0 font-medium", state === "waiting" ? "text-look" : "text-soft")}
            data-testid="upload-state"
          >
            {stateWords(uploads)}
          </span>
          <span className="truncate" title={detail} data-testid="upload-detail">
            {detail}
          </span>
        </p>
        {isStored(first) && !many && first.location && <Location upload={first} name={name} />}
        {asking && <Confirm line={line} onKeep={() => setAsking(false)} />}
      </div>
      {!asking && <Actions line={line} name={name} onCancel={() => setAsking(true)} />}
      {barred && <Bar percent={percentOf(progress)} held={state === "waiting" || state === "paused"} />}
    </li>
  );
}

/** How far it is. Its figure is beside it in words. */
function Bar({ percent, held }: { percent: number; held: boolean }) {
  return (
    <div aria-hidden className="col-span-2 col-start-2 mt-1.5 h-1 overflow-hidden rounded-full bg-control">
      <div
        className={cx("h-full origin-left transition-transform", held ? "bg-edge" : "bg-soft")}
        style={{ transform: `scaleX(${percent / 100})` }}
      />
    </div>
  );
}

function Location({ upload: { location, local }, name }: { upload: Upload; name: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(location ?? "");
      setCopied(true);
    } catch {
      setCopied(false);
    }
  };
  return (
    <>
      <p className="flex items-center gap-1 text-xs text-faint">
        <span
          dir="ltr"
          className="truncate"
          title={location ?? undefined}
          data-selectable
          data-testid="upload-location"
        >
          {location}
        </span>
        <Button
          look="quiet"
          size="icon-sm"
          className="-my-1.5"
          aria-label={t("upload.location.copy", { name })}
          title={copied ? t("upload.location.copied") : t("upload.location.copy", { name })}
          onClick={copy}
        >
          {copied ? <Check /> : <Copy />}
        </Button>
      </p>
      {local === "removed" && <p className="text-xs text-faint">{t("upload.local.removed")}</p>}
    </>
  );
}

/** The same done to all of a line: at once to the output that it stands for, else to each file. */
function useAll(call: "pause" | "resume" | "retry" | "cancel", { set, uploads }: Line) {
  return useCommand(async (backend, some: Upload[]) => {
    const [first] = uploads;
    if (set && first) {
      if (call === "retry") await backend.retrySet(first.owner, set.id);
      else if (call === "cancel") await backend.cancelSet(first.owner, set.id);
      else await backend.pauseSet(first.owner, set.id, call === "pause");
      return;
    }
    for (const { id } of some) {
      if (call === "retry") await backend.retryUpload(id);
      else if (call === "cancel") await backend.cancelUpload(id);
      else await backend.pauseUpload(id, call === "pause");
    }
  });
}

function Actions({ line, name, onCancel }: { line: Line; name: string; onCancel: () => void }) {
  const { uploads } = line;
  const pause = useAll("pause", line);
  const resume = useAll("resume", line);
  const retry = useAll("retry", line);
  const open = uploads.filter((upload) => !isStored(upload));
  const waiting = open.filter((upload) => upload.state.kind === "waiting");
  const paused = open.filter((upload) => upload.state.kind === "paused");
  const going = open.filter((upload) => upload.state.kind !== "paused");
  if (open.length === 0) return null;
  return (
    <div className="-my-1 flex items-center gap-1">
      {waiting.length > 0 && (
        <Button
          look="outline"
          size="sm"
          aria-label={t("upload.retry", { name })}
          disabled={retry.isPending}
          onClick={() => retry.mutate(waiting)}
        >
          <RotateCw />
          {t("upload.retry.short")}
        </Button>
      )}
      {paused.length > 0 ? (
        <Button
          look="outline"
          size="sm"
          aria-label={t("upload.resume", { name })}
          disabled={resume.isPending}
          onClick={() => resume.mutate(paused)}
        >
          <Play />
          {t("upload.resume.short")}
        </Button>
      ) : (
        <Button
          look="quiet"
          size="icon-sm"
          aria-label={t("upload.pause", { name })}
          title={t("upload.pause.short")}
          disabled={pause.isPending}
          onClick={() => pause.mutate(going)}
        >
          <Pause />
        </Button>
      )}
      <Button
        look="quiet"
        size="icon-sm"
        aria-label={t("upload.cancel", { name })}
        title={t("upload.cancel.short")}
        onClick={onCancel}
      >
        <X />
      </Button>
    </div>
  );
}

function Confirm({ line, onKeep }: { line: Line; onKeep: () => void }) {
  const cancel = useAll("cancel", line);
  return (
    <div className="appear mt-2 flex items-center gap-2" data-testid="upload-cancel">
      <p className="min-w-0 flex-1 text-soft">{t(line.set ? "upload.cancel.askSet" : "upload.cancel.ask")}</p>
      <Button look="quiet" size="sm" autoFocus onClick={onKeep}>
        {t("upload.cancel.keep")}
      </Button>
      <Button
        look="outline"
        size="sm"
        disabled={cancel.isPending}
        onClick={() => cancel.mutate(line.uploads.filter((upload) => !isStored(upload)))}
      >
        {t("upload.cancel.now")}
      </Button>
    </div>
  );
}
