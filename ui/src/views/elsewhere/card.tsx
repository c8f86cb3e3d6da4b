// A job of LiveKit's egress service, beside those of this computer. It is not on this computer's tally light, and looks so.
// Names for tests: [data-testid=elsewhere-job][data-egress][data-status]; in it [data-testid=elsewhere-elapsed], button
// "Layout of <title> on LiveKit" (a menu), "Stop <title> on LiveKit", and its streams (streams.tsx).

import { Check, ChevronDown, Circle, LayoutTemplate, LoaderCircle } from "lucide-react";
import type { ElsewhereJob } from "@/backend/types";
import { Button } from "@/kit/button";
import { FileName } from "@/kit/file-name";
import { Menu, MenuItem } from "@/kit/menu";
import { Notice } from "@/kit/notice";
import { useSeconds } from "@/lib/clock";
import { useCommand } from "@/lib/commands";
import { cx } from "@/lib/cx";
import { fileName, timecode } from "@/lib/format";
import { elapsedElsewhere, layoutsElsewhere, ourName } from "@/store/elsewhere";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { Place } from "../outputs/made-by";
import { StopButton } from "../outputs/stop-button";
import { saidOf } from "./said";
import { ElsewhereStreams } from "./streams";

export function ElsewhereCard({ job, here, dense }: { job: ElsewhereJob; here: boolean; dense: boolean }) {
  const { status, title, room_name, layout } = job;
  const active = status === "active";
  const now_ms = useSeconds(active);
  const said = saidOf(job);
  const live = job.files.length === 0 && job.streams.length > 0;
  const words =
    status === "active"
      ? t(live ? "elsewhere.active.live" : "elsewhere.active")
      : t(status === "ending" ? "elsewhere.ending" : "elsewhere.starting");
  return (
    <article
      data-testid="elsewhere-job"
      data-egress={job.egress_id}
      data-status={status}
      aria-label={t("elsewhere.label", { title })}
      className="shrink-0 overflow-hidden rounded-md border border-line bg-card"
    >
      <div className="flex items-center gap-2 py-1.5 pr-1.5 pl-3">
        {active ? (
          <Circle className="size-2.5 shrink-0 text-soft" fill="currentColor" aria-hidden />
        ) : (
          <LoaderCircle className="size-3 shrink-0 text-faint motion-safe:animate-spin" aria-hidden />
        )}
        <span className={cx("text-xs font-bold tracking-wide", active ? "text-ink" : "text-soft")}>
          {words}
        </span>
        <span className="flex-1" />
        <span className="text-base leading-7 font-semibold" data-testid="elsewhere-elapsed">
          {timecode(elapsedElsewhere(job, now_ms))}
        </span>
        {status !== "ending" && <StopButton job={job} elsewhere />}
      </div>
      <div className={cx("flex flex-col px-3", dense ? "gap-1 py-2" : "gap-2 py-3")}>
        <div className="min-w-0">
          <p dir="auto" className="truncate text-left font-medium">
            {title}
          </p>
          <p className="flex items-center gap-1.5 text-xs text-faint">
            <Place where="livekit" />
            {!here && room_name && (
              <>
                <span aria-hidden>·</span>
                <span dir="auto" className="min-w-0 truncate">
                  {room_name}
                </span>
              </>
            )}
          </p>
          {!dense && <Files job={job} />}
        </div>
        {layout !== null && status !== "ending" && <LayoutMenu job={job} layout={layout} />}
        {said && <Notice error={said} />}
        {!dense && <ElsewhereStreams job={job} />}
      </div>
    </article>
  );
}

function Files({ job: { files } }: { job: ElsewhereJob }) {
  const [first] = files;
  if (!first) return null;
  const name = fileName(first.name);
  return (
    <div className="text-xs text-faint" title={files.map((file) => file.location || file.name).join("\n")}>
      <FileName name={files.length > 1 ? t("elsewhere.files", { name, n: files.length - 1 }) : name} />
    </div>
  );
}

/** Which layout is on is what was asked for: LiveKit does not say more. */
function LayoutMenu({ job: { egress_id, title }, layout }: { job: ElsewhereJob; layout: string }) {
  const layouts = useStudio((snapshot) => snapshot.layouts);
  const change = useCommand((backend, name: string) => backend.updateLayoutElsewhere(egress_id, name));
  const list = layoutsElsewhere(layouts, layout);
  const shown = ourName(change.isPending ? change.variables : layout);
  const name = list.find((one) => one.name === shown)?.title ?? (shown || t("elsewhere.layout.none"));
  return (
    <Menu
      trigger={
        <Button
          look="outline"
          size="sm"
          className="self-start font-normal"
          aria-label={t("elsewhere.layout.of", { title })}
          disabled={change.isPending}
        >
          {change.isPending ? <LoaderCircle className="motion-safe:animate-spin" /> : <LayoutTemplate />}
          <span className="truncate">{t("elsewhere.layout", { name })}</span>
          <ChevronDown className="text-faint" />
        </Button>
      }
    >
      {list.map((one) => (
        <MenuItem
          key={one.name}
          icon={one.name === shown ? <Check /> : null}
          onPick={() => one.name !== shown && change.mutate(one.name)}
        >
          {one.title}
        </MenuItem>
      ))}
    </Menu>
  );
}
