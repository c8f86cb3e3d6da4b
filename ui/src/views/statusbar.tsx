// Names for tests: [data-testid=room-connection][data-connection]; button "History".

import { History, LoaderCircle, TriangleAlert } from "lucide-react";
import { Button } from "@/kit/button";
import { cx } from "@/lib/cx";
import { goTo, openDialog, useDesk } from "@/store/desk";
import { isJoining, isRunning, pastJobs } from "@/store/select";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { useForgotten } from "./history/forget";

export function Statusbar() {
  const running = useStudio((snapshot) => snapshot.jobs.filter(isRunning).length);
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
    (snapshot) => pastJobs(snapshot).filter((job) => !forgotten.includes(job.egress_id)).length,
  );
  const page = useDesk((desk) => desk.page);
  return (
    <footer className="flex h-8 shrink-0 items-center gap-4 border-t border-line bg-panel pr-1 pl-4 text-xs text-soft">
      <span data-testid="running">{t("status.running", { n: running })}</span>
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
