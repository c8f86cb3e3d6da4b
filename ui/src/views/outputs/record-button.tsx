import { Circle, LoaderCircle } from "lucide-react";
import { Key } from "@/kit/key";
import { useCommand } from "@/lib/commands";
import { cx } from "@/lib/cx";
import { closeAdding, useDesk } from "@/store/desk";
import { rememberStarted } from "@/store/elsewhere";
import { tickedOf } from "@/store/live";
import type { Standing } from "@/store/standing";
import { studioNow, useStudio } from "@/store/studio";
import { t } from "@/words";
import { goLive } from "../live/go-live";

/** Whether a press is on its way; a second one, by key or by hand, must not start a second recording. */
let pressed = false;

/** Presses Record for what is chosen. The studio attaches the file where a job is held ready, and starts one otherwise. */
export function useRecord() {
  return useCommand(async (backend, { request, job, armed, elsewhere }: Standing) => {
    if (!request || job || elsewhere?.job || pressed) return;
    pressed = true;
    try {
      if (elsewhere) {
        rememberStarted(await backend.startElsewhere(request), request);
        closeAdding();
        return;
      }
      // By the request of the job that is held ready, whose layout may be about to change.
      const id = await backend.start(armed?.request ?? request);
      // It records by now, whatever becomes of the streams.
      const ticked = tickedOf(useDesk.getState().ticked, studioNow()?.destinations ?? []);
      closeAdding();
      void goLive(backend, id, ticked);
    } finally {
      pressed = false;
    }
  });
}

/** The one button that matters. */
export function RecordButton({ standing }: { standing: Standing }) {
  const record = useRecord();
  const ready = standing.state === "ready";
  const can = standing.request !== null && !record.isPending;
  const ticked = useDesk((desk) => desk.ticked);
  const there = standing.elsewhere !== null;
  const live = useStudio(({ destinations }) => (there ? 0 : tickedOf(ticked, destinations).length));
  return (
    <button
      type="button"
      data-testid="record"
      data-ready={ready}
      disabled={!can}
      onClick={() => record.mutate(standing)}
      className={cx(
        "flex h-14 w-full items-center justify-center gap-3 rounded-md border-2 font-semibold transition-colors",
        live > 0 || there ? "text-base" : "text-lg",
        can
          ? ready
            ? "border-ready bg-ink text-night hover:bg-white"
            : "border-ink bg-ink text-night hover:bg-white"
          : "cursor-not-allowed border-line bg-card text-faint",
      )}
    >
      {record.isPending ? (
        <LoaderCircle className="size-5 motion-safe:animate-spin" aria-hidden />
      ) : (
        <Circle className="size-4" fill="currentColor" aria-hidden />
      )}
      {there ? t("elsewhere.record") : live > 0 ? t("next.record", { n: live }) : t("record")}
      <Key onLight={can}>R</Key>
    </button>
  );
}
