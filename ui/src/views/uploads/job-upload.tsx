// What becomes of the upload of a recording that runs, in one quiet line: an upload that waits is no recording that fails.
// Names for tests: [data-testid=job-upload][data-state].

import { CircleCheck, CirclePause, CloudUpload, TriangleAlert } from "lucide-react";
import { useMemo } from "react";
import type { Job } from "@/backend/types";
import { useSeconds } from "@/lib/clock";
import { cx } from "@/lib/cx";
import { goTo } from "@/store/desk";
import { useStudio } from "@/store/studio";
import { leading, percentOf, progressOf, uploadsOf } from "@/store/uploads";
import { t } from "@/words";
import { nextWords } from "./upload-words";

/** Whether none of its files goes up before it is complete: only an MP4, and what is made of many files, do. */
function isForLater({ outputs }: Job): boolean {
  const files = outputs.filter((output) => !output.destination);
  return files.length > 0 && files.every(({ path, set }) => path && !set && !path.endsWith(".mp4"));
}

export function JobUpload({ job, dense }: { job: Job; dense: boolean }) {
  const all = useStudio((snapshot) => snapshot.uploads);
  const uploads = useMemo(() => uploadsOf(all, job), [all, job]);
  const storage = useStudio(
    (snapshot) => snapshot.storages.find((one) => one.id === job.request.upload?.storage)?.name ?? null,
  );
  const state = uploads.length > 0 ? leading(uploads) : null;
  const now_ms = useSeconds(state === "waiting");
  if (!job.request.upload) return null;
  const name = uploads.find((upload) => upload.on_backup)?.storage ?? storage ?? uploads[0]?.storage ?? "";
  const first = uploads.find((upload) => upload.state.kind === "waiting")?.state;
  const progress = progressOf(uploads);
  const words =
    state === "waiting" || state === "paused" || state === "stored"
      ? t(`job.upload.${state}`, { storage: name })
      : state === null && isForLater(job)
        ? t("job.upload.later", { storage: name })
        : progress.total_bytes === 0 || job.outputs.some((output) => output.set)
          ? t("job.upload", { storage: name })
          : t("job.upload.percent", { storage: name, percent: percentOf(progress) });
  const why = first?.kind === "waiting" ? `${first.error.message} ${first.error.remedy}` : undefined;
  const Icon =
    state === "waiting"
      ? TriangleAlert
      : state === "paused"
        ? CirclePause
        : state === "stored"
          ? CircleCheck
          : CloudUpload;
  return (
    <button
      type="button"
      data-testid="job-upload"
      data-state={state ?? "later"}
      onClick={() => goTo("uploads")}
      className={cx(
        "flex w-full items-start gap-1.5 rounded-sm text-left text-xs hover:underline",
        state === "waiting" ? "text-soft" : "text-faint",
      )}
      title={why ?? words}
    >
      <Icon className={cx("mt-0.5 size-3 shrink-0", state === "waiting" && "text-look")} aria-hidden />
      <span className="min-w-0 flex-1">
        <span className="block truncate">{words}</span>
        {!dense && first?.kind === "waiting" && (
          <span className="block text-faint" data-testid="job-upload-why">
            <span className="block truncate">{first.error.message}</span>
            <span className="block truncate">{nextWords(first.next_try_ms, now_ms)}</span>
          </span>
        )}
      </span>
    </button>
  );
}
