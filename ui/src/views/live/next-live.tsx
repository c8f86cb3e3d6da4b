// Where Record streams to as well, above the Record button. Names for tests: [data-testid=next-live] with its button
// "Go live as well" / "Live to …" (opens and shuts it); one checkbox per saved destination by its name; buttons
// "Key needed", "New destination", "Save and tick", "Go live without recording" ([data-testid=live-only]).

import { ChevronDown, KeyRound, LoaderCircle, Plus, Radio } from "lucide-react";
import { useState } from "react";
import { asApiError } from "@/backend/backend";
import type { Destination, EgressId } from "@/backend/types";
import { Button } from "@/kit/button";
import { Checkbox } from "@/kit/checkbox";
import { Key } from "@/kit/key";
import { Notice } from "@/kit/notice";
import { useOwnCommand } from "@/lib/commands";
import { cx } from "@/lib/cx";
import { closeAdding, openAdding, openDialog, tick, useDesk } from "@/store/desk";
import { rememberSaved, tickedOf } from "@/store/live";
import type { Standing } from "@/store/standing";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { tellError } from "../tell";
import { DestinationFields, inputOf, isWrong, streamOf, useDraft } from "./destination-fields";
import { goLive } from "./go-live";
import { protocolWords, soundWords } from "./stream-words";

export function NextLive({ standing }: { standing: Standing }) {
  const open = useDesk((desk) => desk.adding === "next");
  const ids = useDesk((desk) => desk.ticked);
  const list = useStudio((snapshot) => snapshot.destinations);
  const ticked = tickedOf(ids, list);
  return (
    <section
      data-testid="next-live"
      aria-label={t("next")}
      className={cx(
        "flex flex-col rounded-md border",
        open ? "min-h-36 overflow-y-auto border-edge" : "shrink-0 border-line",
      )}
    >
      <button
        type="button"
        aria-expanded={open}
        onClick={() => (open ? closeAdding() : openAdding("next"))}
        className="flex h-9 shrink-0 items-center gap-2 rounded-md px-2.5 text-left hover:bg-control"
      >
        <Radio className={cx("size-4 shrink-0", ticked.length > 0 ? "text-ink" : "text-faint")} aria-hidden />
        <bdi className={cx("min-w-0 flex-1 truncate", ticked.length > 0 ? "font-medium" : "text-soft")}>
          {ticked.length > 0
            ? t("next.to", { names: ticked.map((one) => one.name).join(", ") })
            : t("next.none")}
        </bdi>
        <Key>D</Key>
        <ChevronDown
          className={cx("size-4 shrink-0 text-faint transition-transform", open && "rotate-180")}
          aria-hidden
        />
      </button>
      {open && <Choice list={list} ticked={ticked} job={standing.armed?.egress_id ?? null} />}
    </section>
  );
}

function Choice({ list, ticked, job }: { list: Destination[]; ticked: Destination[]; job: EgressId | null }) {
  const [making, setMaking] = useState(list.length === 0);
  const { draft, set, clear } = useDraft(null, true);
  const typed = making && draft.url.trim() !== "";
  const save = useOwnCommand(async (studio, thisRunOnly: boolean) => {
    tick(await studio.saveDestination({ ...inputOf(draft), this_run_only: thisRunOnly }), true);
  });
  const live = useOwnCommand(async (studio, id: EgressId) => {
    // First what was typed: a wrong address is to be mended before anything is on air.
    const output = typed ? await studio.addStream(id, streamOf(draft)) : null;
    await goLive(studio, id, ticked);
    if (output === null) return;
    // It is on air whether it can be kept or not.
    const kept = studio.saveDestination(inputOf(draft)).then((one) => rememberSaved(id, output, one));
    await kept.catch((thrown: unknown) => tellError(asApiError(thrown)));
  });
  const error = save.error ?? live.error;
  const busy = save.isPending || live.isPending;
  const saveIt = (thisRunOnly: boolean) => {
    live.reset();
    save.mutate(thisRunOnly, {
      onSuccess: () => {
        clear();
        setMaking(false);
      },
    });
  };
  return (
    <div className="appear flex flex-col gap-2 px-2.5 pb-2.5">
      {list.length > 0 && (
        <ul className="-mx-1 flex max-h-44 shrink-0 flex-col overflow-y-auto">
          {list.map((one) => (
            <Tick key={one.id} one={one} on={ticked.includes(one)} />
          ))}
        </ul>
      )}
      {making ? (
        <form
          className="flex flex-col gap-2 border-t border-line pt-2 first:border-t-0 first:pt-0"
          onSubmit={(event) => {
            event.preventDefault();
            saveIt(draft.thisRunOnly);
          }}
        >
          <DestinationFields draft={draft} set={set} wrong={isWrong(error)} autoFocus />
          {error && (
            <Notice error={error}>
              {error.code === "keyring" && !draft.thisRunOnly && (
                <Button
                  look="outline"
                  size="sm"
                  onClick={() => {
                    set({ thisRunOnly: true });
                    saveIt(true);
                  }}
                >
                  {t("dest.thisRun.now")}
                </Button>
              )}
            </Notice>
          )}
          <Button type="submit" look="plain" disabled={busy || !typed}>
            {save.isPending && <LoaderCircle className="motion-safe:animate-spin" />}
            {t("next.save")}
          </Button>
        </form>
      ) : (
        <Button look="quiet" size="sm" className="-mx-1 justify-start" onClick={() => setMaking(true)}>
          <Plus />
          {t("next.new")}
        </Button>
      )}
      <Button
        look="outline"
        data-testid="live-only"
        disabled={busy || job === null || (ticked.length === 0 && !typed)}
        title={t("next.only.what")}
        onClick={() => {
          save.reset();
          if (job) live.mutate(job, { onSuccess: closeAdding });
        }}
      >
        {live.isPending ? <LoaderCircle className="motion-safe:animate-spin" /> : <Radio />}
        {t("next.only")}
      </Button>
    </div>
  );
}

function Tick({ one, on }: { one: Destination; on: boolean }) {
  return (
    <li
      className="flex items-center gap-2 rounded-sm px-1 hover:bg-control"
      title={[one.name, one.address, soundWords(one)].filter(Boolean).join("\n")}
    >
      <Checkbox
        checked={on}
        disabled={one.key === "missing"}
        onChange={(next) => tick(one.id, next)}
        label={one.name}
        className="min-w-0 flex-1 items-center py-1"
      >
        <bdi className="min-w-0 flex-1 truncate text-left">{one.name}</bdi>
      </Checkbox>
      {one.key === "missing" ? (
        <Button
          look="quiet"
          size="sm"
          className="-my-1 text-look"
          aria-label={t("dest.missing.enter", { name: one.name })}
          onClick={() => openDialog({ name: "edit-destination", id: one.id })}
        >
          <KeyRound />
          {t("dest.missing")}
        </Button>
      ) : (
        <span className="shrink-0 text-xs text-faint">{protocolWords(one)}</span>
      )}
    </li>
  );
}
