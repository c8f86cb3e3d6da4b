// Who records what is chosen, and what LiveKit cannot do of it. Names for tests: group "Record on" with the radios "this
// computer" and "LiveKit"; [data-testid=limits] with one [data-testid=limit][data-limit] each.

import { Cloud, Monitor, TriangleAlert } from "lucide-react";
import { useShallow } from "zustand/react/shallow";
import type { RecordRequest } from "@/backend/types";
import { Segments } from "@/kit/segments";
import { useDesk } from "@/store/desk";
import { limitsOf } from "@/store/elsewhere";
import { useStudio } from "@/store/studio";
import { t } from "@/words";

/** Nothing where there is no choice. */
export function WhereChoice() {
  const present = useStudio(({ elsewhere }) => elsewhere.service === "present");
  const where = useDesk((desk) => desk.where);
  if (!present) return null;
  return (
    <div className="flex flex-col gap-1">
      <span aria-hidden className="text-xs font-medium text-soft">
        {t("where.record")}
      </span>
      <Segments
        label={t("where.record")}
        value={where}
        spread
        options={[
          { value: "here", label: t("where.here"), icon: <Monitor /> },
          { value: "livekit", label: t("where.livekit"), icon: <Cloud /> },
        ]}
        onChange={(next) => useDesk.setState({ where: next })}
      />
    </div>
  );
}

/** Said before Record is pressed: the studio would refuse it. */
export function Limits({ request }: { request: RecordRequest }) {
  const ticked = useDesk((desk) => desk.ticked);
  const limits = useStudio(useShallow((snapshot) => limitsOf(request, ticked, snapshot)));
  if (limits.length === 0) return null;
  return (
    <div
      role="status"
      data-testid="limits"
      className="appear grid grid-cols-[1rem_1fr] gap-x-2 rounded-md border border-look/40 bg-look-dim px-2.5 py-2 text-xs"
    >
      <TriangleAlert className="mt-px size-3.5 text-look" aria-hidden />
      <div>
        <p className="font-medium text-look">{t("elsewhere.limits")}</p>
        <ul className="mt-0.5 flex flex-col gap-0.5 text-soft">
          {limits.map((limit) => (
            <li key={limit} data-testid="limit" data-limit={limit}>
              {t(`elsewhere.limit.${limit}`)}
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}
