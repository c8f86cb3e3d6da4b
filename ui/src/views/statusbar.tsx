// Names for tests: [data-testid=room-connection][data-connection]; buttons "Uploads" (see uploads-button.tsx), "History".

import { History, LoaderCircle, Radio, TriangleAlert } from "lucide-react";
import { useShallow } from "zustand/react/shallow";
import { Button } from "@/kit/button";
import { cx } from "@/lib/cx";
import { goTo, openDialog, useDesk } from "@/store/desk";
import { openElsewhere, pastElsewhere } from "@/store/elsewhere";
import { airOfAll } from "@/store/live";
import { isJoining, pastJobs } from "@/store/select";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { useForgotten } from "./history/forget";
import { UploadsButton } from "./uploads/uploads-button";

export function Statusbar() {
  const air = useStudio(useShallow((snapshot) => airOfAll(snapshot.jobs)));
  const there = useStudio((snapshot) => openElsewhere(snapshot).length > 0);
  const connection = useStudio((snapshot) => snapshot.room?.connection ?? null);
  const joining = useStudio((snapshot) => isJoining(snapshot.room));
  const rtt = useStudio((snapshot) => {
    const ms = snapshot.room?.figures.rtt_ms;
    return typeof ms === "number" ? Math.round(ms) : null;
  });
  const encoder = useStudio(
    (snapshot) => snapshot.jobs.find((job) => job.figures?.encoder)?.figures?.encoder ?? null,
  );
  const problems = useStudio((snapshot) => snapshot.machine.problems);
  const forgotten = useForgotten((state) => state.ids);
  const past = useStudio(
    (snapshot) =>
      pastJobs(snapshot).filter((job) => !forgotten.includes(job.egress_id)).length +
      pastElsewhere(snapshot).length,
  );
  const page = useDesk((desk) => desk.page);
  return (
    <footer className="flex h-8 shrink-0 items-center gap-4 border-t border-line bg-panel pr-1 pl-4 text-xs text-soft">
      {/* Where there is nothing but streams, there is nothing to say of recordings. */}
      {(air.recording > 0 || air.wanted === 0) && (
        <span data-testid="running">{t(there ? "status.here" : "status.running", { n: air.recording })}</span>
      )}
      {air.wanted > 0 && (
        <span
          data-testid="live-count"
          className={cx("flex items-center gap-1.5", air.live < air.wanted && "font-medium text-look")}
        >
          <Radio className={cx("size-3.5", air.live > 0 && "text-tally-ink")} aria-hidden />
          {air.live === air.wanted
            ? t("live.all", { n: air.live })
            : t("live.some", { n: air.live, of: air.wanted })}
        </span>
      )}
      {connection && (
        <span
          data-testid="room-connection"
          data-connection={connection}
          className={cx(
            "flex items-center gap-1.5",
            connection !== "connected" && !joining && "font-medium text-look",
          )}
        >
          {joining ? (
            <LoaderCircle className="size-3 motion-safe:animate-spin" aria-hidden />
          ) : (
            <span
              aria-hidden
              className={cx(
                "size-2 rounded-full",
                connection === "connected" ? "bg-ready" : "border border-current",
              )}
            />
          )}
          {t(`room.connection.${connection}`)}
          {connection === "connected" && rtt !== null && <span>{t("rtt", { ms: rtt })}</span>}
        </span>
      )}
      {encoder && <span className="max-[70rem]:hidden">{t("status.encoder", { name: encoder })}</span>}
      <span className="flex-1" />
      {problems.length > 0 && (
        <Button look="quiet" size="sm" className="text-look" onClick={() => openDialog({ name: "settings" })}>
          <TriangleAlert />
          {t("status.problems", { n: problems.length })}
        </Button>
      )}
      <UploadsButton />
      <Button
        look="quiet"
        size="sm"
        aria-pressed={page === "history"}
        hotkey="H"
        onClick={() => goTo(page === "history" ? "room" : "history")}
        className={page === "history" ? "bg-control text-ink" : undefined}
      >
        <History />
        {t("history")}
        {past > 0 && <span className="text-faint">{past}</span>}
      </Button>
    </footer>
  );
}
