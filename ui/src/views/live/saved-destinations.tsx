// The saved destinations, in the settings. Names for tests: region "Live destinations"; one [data-testid=destination]
// [data-destination][data-key] each with "Edit <name>" and "Forget <name>" ("Enter the key of <name>" where it is gone);
// while it asks, [data-testid=destination-forget] with "Keep it" and "Forget"; button "Add destination".

import { Plus, Radio } from "lucide-react";
import type { Destination, DestinationId } from "@/backend/types";
import { Button } from "@/kit/button";
import { KeptRow } from "@/kit/kept-row";
import { useOwnCommand } from "@/lib/commands";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { protocolWords, soundWords } from "./stream-words";

export function SavedDestinations({ onEdit }: { onEdit: (id: DestinationId | "new") => void }) {
  const list = useStudio((snapshot) => snapshot.destinations);
  const add = (
    <Button size="sm" onClick={() => onEdit("new")}>
      <Plus />
      {t("streams.add")}
    </Button>
  );
  return (
    <section aria-label={t("dests")} className="flex flex-col gap-2">
      <div className="flex items-end justify-between gap-3">
        <div>
          <h3 className="label-caps">{t("dests")}</h3>
          <p className="mt-1 text-xs text-faint">{t("dests.what")}</p>
        </div>
        {list.length > 0 && add}
      </div>
      {list.length === 0 ? (
        <div className="flex flex-col items-center gap-1 rounded-md border border-line px-4 py-6 text-center">
          <Radio className="mb-1 size-6 stroke-[1.5] text-faint" aria-hidden />
          <p className="font-medium">{t("dests.none")}</p>
          <p className="mb-2 text-xs text-faint">{t("dests.none.what")}</p>
          {add}
        </div>
      ) : (
        <ul className="divide-y divide-line rounded-md border border-line">
          {list.map((one) => (
            <Row key={one.id} one={one} onEdit={() => onEdit(one.id)} />
          ))}
        </ul>
      )}
    </section>
  );
}

function Row({ one, onEdit }: { one: Destination; onEdit: () => void }) {
  const { id, key, name, address } = one;
  const forget = useOwnCommand((backend, which: DestinationId) => backend.forgetDestination(which));
  const missing = key === "missing";
  return (
    <KeptRow
      icon={Radio}
      name={name}
      where={[protocolWords(one), soundWords(one), address].filter(Boolean).join(" · ")}
      note={t(`dest.key.${key}`)}
      missing={missing}
      edit={t(missing ? "dest.missing.enter" : "dest.edit", { name })}
      editShort={t("dest.missing.short")}
      onEdit={onEdit}
      forget={{
        label: t("dest.forget.one", { name }),
        what: t("dest.forget.what"),
        keep: t("dest.keep"),
        now: t("dest.forget"),
        error: forget.error,
        isPending: forget.isPending,
        onForget: () => forget.mutate(id),
        reset: forget.reset,
        testId: "destination-forget",
      }}
      mark={{ "data-testid": "destination", "data-destination": id, "data-key": key }}
    />
  );
}
