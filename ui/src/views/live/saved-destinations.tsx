// The saved destinations, in the settings. Names for tests: region "Live destinations"; one
// [data-testid=destination][data-key] each with "Edit <name>" and "Forget <name>"; button "Add destination"; the question
// is a dialog "Forget <name>?".

import { KeyRound, Pencil, Plus, Radio, Trash2 } from "lucide-react";
import { useState } from "react";
import type { Destination, DestinationId } from "@/backend/types";
import { Button } from "@/kit/button";
import { Dialog } from "@/kit/dialog";
import { Notice } from "@/kit/notice";
import { useOwnCommand } from "@/lib/commands";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { DestinationDialog } from "./destination-form";
import { protocolWords } from "./stream-words";

type Doing = { what: "add" } | { what: "edit" | "forget"; id: DestinationId } | null;

export function SavedDestinations() {
  const list = useStudio((snapshot) => snapshot.destinations);
  const [doing, setDoing] = useState<Doing>(null);
  const done = () => setDoing(null);
  const of = list.find((one) => doing !== null && "id" in doing && one.id === doing.id) ?? null;
  return (
    <section aria-label={t("dests")} className="flex flex-col gap-2">
      <div className="flex items-center justify-between">
        <h3 className="label-caps">{t("dests")}</h3>
        <Button size="sm" onClick={() => setDoing({ what: "add" })}>
          <Plus />
          {t("streams.add")}
        </Button>
      </div>
      {list.length === 0 ? (
        <p className="flex items-center gap-2 rounded-md border border-dashed border-line px-3 py-3 text-xs text-faint">
          <Radio className="size-4 shrink-0" aria-hidden />
          {t("dests.none")}
        </p>
      ) : (
        <ul className="flex flex-col divide-y divide-line rounded-md border border-line">
          {list.map((one) => (
            <Row key={one.id} one={one} onDo={(what) => setDoing({ what, id: one.id })} />
          ))}
        </ul>
      )}
      <DestinationDialog
        of={doing?.what === "edit" ? of : null}
        open={doing?.what === "add" || (doing?.what === "edit" && of !== null)}
        onClose={done}
      />
      <Dialog
        open={doing?.what === "forget" && of !== null}
        onClose={done}
        title={t("dest.forget.title", { name: of?.name ?? "" })}
      >
        {of && <Forget of={of} onDone={done} />}
      </Dialog>
    </section>
  );
}

function Row({ one, onDo }: { one: Destination; onDo: (what: "edit" | "forget") => void }) {
  const { key, name, address } = one;
  return (
    <li data-testid="destination" data-key={key} className="flex items-center gap-2 py-1.5 pr-1.5 pl-3">
      <div className="min-w-0 flex-1">
        <p className="flex items-baseline gap-2">
          <bdi className="truncate font-medium" title={name}>
            {name}
          </bdi>
          <span className="shrink-0 text-xs text-faint">{protocolWords(one)}</span>
        </p>
        <p className="flex gap-2 text-xs text-faint">
          <span className="truncate" title={address}>
            {address}
          </span>
        </p>
      </div>
      {key === "missing" ? (
        <Button
          look="outline"
          size="sm"
          className="text-look"
          aria-label={t("dest.missing.enter", { name })}
          onClick={() => onDo("edit")}
        >
          <KeyRound />
          {t("dest.missing")}
        </Button>
      ) : (
        <span className="flex shrink-0 items-center gap-1 text-xs text-soft">
          <KeyRound className="size-3.5 text-faint" aria-hidden />
          {t(key === "keyring" ? "dest.key.keyring" : "dest.key.this_run")}
        </span>
      )}
      <Button
        look="quiet"
        size="icon-sm"
        aria-label={t("dest.edit", { name })}
        title={t("dest.edit", { name })}
        onClick={() => onDo("edit")}
      >
        <Pencil />
      </Button>
      <Button
        look="quiet"
        size="icon-sm"
        aria-label={t("dest.forget.one", { name })}
        title={t("dest.forget.one", { name })}
        onClick={() => onDo("forget")}
      >
        <Trash2 />
      </Button>
    </li>
  );
}

function Forget({ of, onDone }: { of: Destination; onDone: () => void }) {
  const forget = useOwnCommand((backend, id: DestinationId) => backend.forgetDestination(id));
  return (
    <div className="flex flex-col gap-4 p-4">
      <p className="text-soft">{t("dest.forget.what")}</p>
      {forget.error && <Notice error={forget.error} />}
      <div className="flex justify-end gap-2">
        <Button look="quiet" onClick={onDone}>
          {t("cancel")}
        </Button>
        <Button
          look="outline"
          disabled={forget.isPending}
          onClick={() => forget.mutate(of.id, { onSuccess: onDone })}
        >
          {t("dest.forget")}
        </Button>
      </div>
    </div>
  );
}
