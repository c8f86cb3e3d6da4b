// Where a job of LiveKit's egress service streams to. Names for tests: region "Streams of <title> on LiveKit"; one
// [data-testid=elsewhere-stream][data-state] each with the button "Remove <name>" where that can be done, and when asked
// "Take off air" and "Keep"; button "Add destination" (opens add-panel.tsx).

import { Ban, Check, Circle, Plus, X } from "lucide-react";
import { useState } from "react";
import { useShallow } from "zustand/react/shallow";
import type { ElsewhereJob, ElsewhereStream } from "@/backend/types";
import { Button } from "@/kit/button";
import { Notice } from "@/kit/notice";
import { useOwnCommand } from "@/lib/commands";
import { cx } from "@/lib/cx";
import { openAdding, useDesk } from "@/store/desk";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { Panel } from "../live/add-panel";
import { Asking } from "../live/asking";

/** What an address is called: the name it is saved by, else itself from the server's name on. */
function useStreamName(address: string): string {
  const saved = useStudio(({ destinations }) => {
    const alike = destinations.filter((one) => one.address === address);
    return alike.length === 1 ? alike[0]?.name : undefined;
  });
  return saved ?? address.replace(/^(rtmps?|srt):\/\//i, "");
}

export function ElsewhereStreams({ job }: { job: ElsewhereJob }) {
  const adding = useDesk((desk) => desk.adding === job.egress_id);
  const ending = job.status === "ending";
  const can = job.can_stream && !ending;
  if (job.streams.length === 0 && !can) return null;
  return (
    <section
      aria-label={t("elsewhere.streams", { title: job.title })}
      className="flex flex-col gap-1 border-t border-line pt-2"
    >
      {job.streams.length > 0 && (
        <ul className="-mx-2 flex flex-col">
          {job.streams.map((stream) => (
            <Row key={stream.address} job={job} stream={stream} />
          ))}
        </ul>
      )}
      {can &&
        (adding ? (
          <Adding job={job} />
        ) : (
          <Button
            look="quiet"
            size="sm"
            className="-mx-2 justify-start"
            onClick={() => openAdding(job.egress_id)}
          >
            <Plus />
            <span className="flex-1 text-left">{t("streams.add")}</span>
          </Button>
        ))}
    </section>
  );
}

function Adding({ job: { egress_id, streams } }: { job: ElsewhereJob }) {
  const active = streams.filter((one) => one.state === "active").map((one) => one.address);
  const on = useStudio(
    useShallow(({ destinations }) =>
      destinations.filter((one) => active.includes(one.address)).map((one) => one.id),
    ),
  );
  return (
    <Panel
      on={on}
      add={async (backend, stream) => {
        await backend.addStreamElsewhere(egress_id, stream);
        // There it has no name but its address.
        return "";
      }}
      added={() => undefined}
    />
  );
}

const LOOK = { active: "text-ink", finished: "text-faint", failed: "text-look" };

function Row({ job, stream }: { job: ElsewhereJob; stream: ElsewhereStream }) {
  const { address, state, error, removable } = stream;
  const name = useStreamName(address);
  const [asking, setAsking] = useState(false);
  const remove = useOwnCommand((backend, shown: string) =>
    backend.removeStreamElsewhere(job.egress_id, shown),
  );
  const on = state === "active" && job.status !== "ending";
  return (
    <li data-testid="elsewhere-stream" data-state={state} className="px-2 py-1">
      <div className="flex h-6 items-center gap-2">
        <StreamIcon state={state} />
        <bdi
          className={cx("min-w-0 flex-1 truncate font-medium", !on && "font-normal text-soft")}
          title={[name, address].join("\n")}
        >
          {name}
        </bdi>
        <span
          className={cx("shrink-0 text-xs font-medium", LOOK[state])}
          title={on && !removable ? t("elsewhere.stream.fixed") : undefined}
        >
          {t(`elsewhere.stream.${state}`)}
        </span>
        {on && removable && (
          <Button
            look="quiet"
            size="icon-sm"
            className="-mr-1.5 size-6"
            aria-label={t("elsewhere.stream.remove", { name })}
            title={t("elsewhere.stream.remove", { name })}
            disabled={remove.isPending}
            onClick={() => setAsking(true)}
          >
            <X />
          </Button>
        )}
      </div>
      {error && (
        <p className="truncate pl-5 text-xs text-soft" title={error}>
          {error}
        </p>
      )}
      {remove.error && <Notice error={remove.error} className="mt-1" />}
      {on && asking && (
        <Asking
          what={t("elsewhere.stream.ask", { name })}
          yes={t("stream.remove.yes")}
          busy={remove.isPending}
          onYes={() => remove.mutate(address, { onSuccess: () => setAsking(false) })}
          onNo={() => {
            setAsking(false);
            remove.reset();
          }}
        />
      )}
    </li>
  );
}

/** The same as the words beside it, in a shape. */
export function StreamIcon({ state }: { state: ElsewhereStream["state"] }) {
  const look = cx("size-3 shrink-0", LOOK[state]);
  if (state === "active") return <Circle className={look} fill="currentColor" aria-hidden />;
  return state === "finished" ? <Check className={look} aria-hidden /> : <Ban className={look} aria-hidden />;
}
