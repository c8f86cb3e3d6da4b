// Adds a destination to a job that runs. Names for tests: [data-testid=add-destination]; saved ones are buttons
// "Go live to <name>", disabled where they are on; fields as in destination-fields.tsx; button "Go live"; buttons
// "Key needed" of those whose key is gone; what is wrong is [data-testid=notice] in it.

import { Check, KeyRound, LoaderCircle, Radio, X } from "lucide-react";
import { useEffect, useState } from "react";
import { useShallow } from "zustand/react/shallow";
import type { Backend } from "@/backend/backend";
import type { Destination, DestinationId, Job, OutputId, StreamInput } from "@/backend/types";
import { Button } from "@/kit/button";
import { Notice } from "@/kit/notice";
import { useOwnCommand } from "@/lib/commands";
import { useInSight } from "@/lib/in-sight";
import { closeAdding, openDialog } from "@/store/desk";
import { rememberSaved, savedOn, useLive } from "@/store/live";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { DestinationFields, inputOf, isWrong, streamOf, useDraft } from "./destination-fields";
import { protocolWords, soundWords } from "./stream-words";

/** Adds one to a job that runs here. */
export function AddPanel({ job }: { job: Job }) {
  const saved = useLive((live) => live.saved);
  const on = useStudio(useShallow(({ destinations }) => savedOn(job, destinations, saved)));
  const id = job.egress_id;
  return (
    <Panel
      on={on}
      add={(backend, stream) => backend.addStream(id, stream)}
      added={(output, which) => rememberSaved(id, output, which)}
    />
  );
}

/** The panel itself, whoever runs the job. */
export function Panel({
  on,
  add: addTo,
  added: remember,
}: {
  /** The saved ones that it streams to at present. */
  on: DestinationId[];
  /** Gives what it is called among the outputs of the job, where it has a name. */
  add: (backend: Backend, stream: StreamInput) => Promise<OutputId>;
  /** It is a saved one, or has been saved. */
  added: (output: OutputId, id: DestinationId) => void;
}) {
  const list = useStudio((snapshot) => snapshot.destinations);
  const box = useInSight();
  const { draft, set } = useDraft(null, false);
  // The stream that was added from what is typed, where only saving it failed.
  const [added, setAdded] = useState<OutputId | null>(null);
  const pick = useOwnCommand(async (backend, one: Destination) => {
    remember(await addTo(backend, { type: "saved", id: one.id }), one.id);
  });
  const add = useOwnCommand(async (backend, thisRunOnly: boolean) => {
    const output = added ?? (await addTo(backend, streamOf(draft)));
    if (!draft.save) return;
    setAdded(output);
    // Being live comes first: a keyring that refuses does not hold it up.
    const id = await backend.saveDestination({ ...inputOf(draft), this_run_only: thisRunOnly });
    remember(output, id);
  });
  const error = pick.error ?? add.error;
  const busy = pick.isPending || add.isPending;
  useEffect(() => {
    const first = box.current?.querySelector<HTMLElement>("[data-saved]:not(:disabled), input");
    first?.focus({ preventScroll: true });
  }, [box]);
  // What came of it must be seen.
  useEffect(() => {
    if (error) box.current?.scrollIntoView({ block: "end" });
  }, [error, box]);
  const done = { onSuccess: closeAdding };
  const submit = (thisRunOnly: boolean) => {
    pick.reset();
    add.mutate(thisRunOnly, done);
  };
  return (
    <div
      ref={box}
      role="group"
      aria-label={t("streams.add")}
      data-testid="add-destination"
      className="appear -mx-1.5 mt-1 flex flex-col gap-2 rounded-md border border-edge bg-panel p-2.5"
    >
      <div className="flex items-center">
        <h3 className="flex-1 font-medium">{t("streams.add")}</h3>
        <Button
          look="quiet"
          size="icon-sm"
          className="-my-1 -mr-1"
          aria-label={t("close")}
          onClick={closeAdding}
        >
          <X />
        </Button>
      </div>
      {list.length > 0 && (
        <ul className="-mx-1 flex max-h-48 flex-col overflow-y-auto">
          {list.map((one) => (
            <SavedRow
              key={one.id}
              one={one}
              on={on.includes(one.id)}
              busy={busy}
              onPick={() => {
                add.reset();
                pick.mutate(one, done);
              }}
            />
          ))}
        </ul>
      )}
      <form
        className="flex flex-col gap-2"
        onSubmit={(event) => {
          event.preventDefault();
          submit(draft.thisRunOnly);
        }}
      >
        <DestinationFields
          draft={draft}
          set={(part) => {
            if (part.url !== undefined) setAdded(null);
            set(part);
          }}
          wrong={isWrong(add.error)}
          choose
        />
        {error && (
          <Notice error={error}>
            {add.error?.code === "keyring" && !draft.thisRunOnly && (
              <Button
                look="outline"
                size="sm"
                onClick={() => {
                  set({ thisRunOnly: true });
                  submit(true);
                }}
              >
                {t("dest.thisRun.now")}
              </Button>
            )}
          </Notice>
        )}
        {added !== null && error && <p className="text-xs text-soft">{t("dest.liveNotSaved")}</p>}
        <Button type="submit" look="main" disabled={busy || draft.url.trim() === ""}>
          {add.isPending ? <LoaderCircle className="motion-safe:animate-spin" /> : <Radio />}
          {t(added !== null && error ? "dest.saveAgain" : "live.go")}
        </Button>
      </form>
    </div>
  );
}

function SavedRow({
  one,
  on,
  busy,
  onPick,
}: {
  one: Destination;
  on: boolean;
  busy: boolean;
  onPick: () => void;
}) {
  const missing = one.key === "missing";
  const edit = () => openDialog({ name: "edit-destination", id: one.id });
  return (
    <li>
      <button
        type="button"
        data-saved={one.id}
        aria-label={
          missing ? t("dest.missing.enter", { name: one.name }) : t("live.go.to", { name: one.name })
        }
        title={[one.name, one.address, soundWords(one)].filter(Boolean).join("\n")}
        disabled={on || busy}
        onClick={missing ? edit : onPick}
        className="flex h-8 w-full items-center gap-2 rounded-sm px-2 text-left not-disabled:hover:bg-chosen focus-visible:-outline-offset-2 disabled:text-faint"
      >
        <bdi className="min-w-0 flex-1 truncate text-left">{one.name}</bdi>
        {on ? (
          <span className="flex items-center gap-1 text-xs">
            <Check className="size-3.5" aria-hidden />
            {t("dest.on")}
          </span>
        ) : missing ? (
          <span className="flex items-center gap-1 text-xs font-medium text-look">
            <KeyRound className="size-3.5" aria-hidden />
            {t("dest.missing")}
          </span>
        ) : (
          <span className="text-xs text-faint">{protocolWords(one)}</span>
        )}
      </button>
    </li>
  );
}
