// The saved destinations, in the settings. Names for tests: region "Live destinations"; one [data-testid=destination]
// [data-destination][data-key] each with "Edit <name>" and "Forget <name>" ("Enter the key of <name>" where it is gone);
// while it asks, [data-testid=destination-forget] with "Keep it" and "Forget"; button "Add destination".

import { KeyRound, Pencil, Plus, Radio, Trash2 } from "lucide-react";
import { useState } from "react";
import type { Destination, DestinationId } from "@/backend/types";
import { Button } from "@/kit/button";
import { Notice } from "@/kit/notice";
import { useOwnCommand } from "@/lib/commands";
import { cx } from "@/lib/cx";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { protocolWords } from "./stream-words";

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
  const [asking, setAsking] = useState(false);
  const forget = useOwnCommand((backend, which: DestinationId) => backend.forgetDestination(which));
  const missing = key === "missing";
  return (
    <li className="p-2.5" data-testid="destination" data-destination={id} data-key={key}>
      <div className="flex items-center gap-3">
        <Radio className="ml-0.5 size-5 shrink-0 stroke-[1.5] text-faint" aria-hidden />
        <div className="min-w-0 flex-1">
          <p className="flex items-baseline gap-2">
            <span dir="auto" className="truncate text-left font-medium" title={name}>
              {name}
            </span>
            <span
              className={cx(
                "flex shrink-0 items-center gap-1 text-xs",
                missing ? "font-medium text-look" : "text-faint",
              )}
            >
              <KeyRound className="size-3 self-center" aria-hidden />
              {t(`dest.key.${key}`)}
            </span>
          </p>
          <p className="truncate text-xs text-faint" title={address}>
            {protocolWords(one)} · {address}
          </p>
        </div>
        <Button
          look={missing ? "outline" : "quiet"}
          size={missing ? "sm" : "icon-sm"}
          aria-label={t(missing ? "dest.missing.enter" : "dest.edit", { name })}
          title={t(missing ? "dest.missing.enter" : "dest.edit", { name })}
          onClick={onEdit}
        >
          {missing ? t("dest.missing.short") : <Pencil />}
        </Button>
        <Button
          look="quiet"
          size="icon-sm"
          aria-label={t("dest.forget.one", { name })}
          title={t("dest.forget.one", { name })}
          onClick={() => setAsking(true)}
        >
          <Trash2 />
        </Button>
      </div>
      {asking && (
        <div
          className="appear mt-2.5 flex flex-col gap-2 border-t border-line pt-2.5"
          data-testid="destination-forget"
        >
          {forget.error && <Notice error={forget.error} />}
          <div className="flex items-center gap-2">
            <p className="min-w-0 flex-1 text-soft">{t("dest.forget.what")}</p>
            <Button
              look="quiet"
              size="sm"
              autoFocus
              onClick={() => {
                setAsking(false);
                forget.reset();
              }}
            >
              {t("dest.keep")}
            </Button>
            <Button look="outline" size="sm" disabled={forget.isPending} onClick={() => forget.mutate(id)}>
              {t("dest.forget")}
            </Button>
          </div>
        </div>
      )}
    </li>
  );
}
