// Says what came of a recording when it ends, wherever the operator is looking.

import { FolderOpen, Play } from "lucide-react";
import { useEffect } from "react";
import { asApiError, type Backend } from "@/backend/backend";
import { useBackend } from "@/backend/index";
import type { Job, Snapshot } from "@/backend/types";
import { Button } from "@/kit/button";
import { bytes, fileName, length } from "@/lib/format";
import { openElsewhere, pastElsewhere, useStarted } from "@/store/elsewhere";
import { resultOf, streamsOf } from "@/store/live";
import { errorOf, isOver, isRunning } from "@/store/select";
import { useStudioState } from "@/store/studio";
import { t } from "@/words";
import { saidOf } from "./elsewhere/said";
import { lengthOf, pathOf, sizeOf } from "./outputs/job-figures";
import { tellDone, tellError } from "./tell";

export function useAnnouncements() {
  const backend = useBackend();
  useEffect(
    () =>
      useStudioState.subscribe(({ snapshot }, { snapshot: before }) => {
        if (!snapshot || !before) return;
        if (snapshot.elsewhere !== before.elsewhere) announceElsewhere(snapshot, before);
        if (snapshot.jobs === before.jobs) return;
        for (const job of snapshot.jobs) {
          const was = before.jobs.find((one) => one.egress_id === job.egress_id);
          if (was && was !== job && isRunning(was) && isOver(job)) announce(backend, job);
        }
      }),
    [backend],
  );
}

/** What this window has started there, and what is of the room that is looked at. */
function announceElsewhere(snapshot: Snapshot, before: Snapshot) {
  const { requests } = useStarted.getState();
  for (const job of pastElsewhere(snapshot)) {
    const ran = openElsewhere(before).some((one) => one.egress_id === job.egress_id);
    const ours = job.egress_id in requests || (job.room_name !== "" && job.room_name === snapshot.room?.name);
    if (!ran || !ours) continue;
    const said = saidOf(job);
    if (said) tellError(said);
    else tellDone(t("elsewhere.done", { title: job.title }), t("elsewhere.done.what"));
  }
}

function announce(backend: Backend, job: Job) {
  const path = pathOf(job);
  const output = job.outputs.find((one) => one.result?.path);
  const error = errorOf(job);
  if (error) tellError(error);
  if (!path || !output) {
    const on = streamsOf(job).filter((one) => (resultOf(one.destination.state)?.started_at_ns ?? 0) > 0);
    if (on.length > 0 && !error)
      tellDone(t("live.off", { title: job.title }), t("live.off.what", { n: on.length }));
    return;
  }
  const attempt = (call: Promise<unknown>) => call.catch((thrown: unknown) => tellError(asApiError(thrown)));
  tellDone(
    t("saved", { file: fileName(path) }),
    `${length(lengthOf(job))} · ${bytes(sizeOf(job))}`,
    <>
      <Button size="sm" onClick={() => attempt(backend.play(job.egress_id, output.id))}>
        <Play />
        {t("history.play.short")}
      </Button>
      <Button size="sm" onClick={() => attempt(backend.openFolder(job.egress_id, output.id))}>
        <FolderOpen />
        {t("history.folder.short")}
      </Button>
    </>,
  );
}
