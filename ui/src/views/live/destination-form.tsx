// Saves a destination, or new values for one. Names for tests: [data-testid=destination-form]; fields as in
// destination-fields.tsx; buttons "Save", "Cancel", "Keep it for this run only".

import { LoaderCircle } from "lucide-react";
import type { Destination } from "@/backend/types";
import { Button } from "@/kit/button";
import { Dialog } from "@/kit/dialog";
import { Notice } from "@/kit/notice";
import { useOwnCommand } from "@/lib/commands";
import { closeDialog, useDesk } from "@/store/desk";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { DestinationFields, inputOf, isWrong, useDraft } from "./destination-fields";

export function DestinationForm({ of, onDone }: { of: Destination | null; onDone: () => void }) {
  const keyringError = useStudio((snapshot) => snapshot.projects.keyring_error);
  const { draft, set } = useDraft(of, true);
  const save = useOwnCommand(async (backend, thisRunOnly: boolean) => {
    const input = { ...inputOf(draft, of), this_run_only: thisRunOnly };
    if (of) await backend.editDestination(of.id, input);
    else await backend.saveDestination(input);
  });
  const needed = !of || of.key === "missing";
  const submit = (thisRunOnly: boolean) => save.mutate(thisRunOnly, { onSuccess: onDone });
  return (
    <form
      data-testid="destination-form"
      className="flex flex-col gap-3 overflow-y-auto p-4"
      onSubmit={(event) => {
        event.preventDefault();
        submit(draft.thisRunOnly);
      }}
    >
      {of?.key === "missing" && <p className="text-soft">{t("dest.missing.why")}</p>}
      <DestinationFields draft={draft} set={set} of={of} wrong={isWrong(save.error)} autoFocus />
      {keyringError && <Notice error={keyringError} />}
      {save.error && (
        <Notice error={save.error}>
          {save.error.code === "keyring" && !draft.thisRunOnly && (
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
      <div className="flex justify-end gap-2">
        <Button look="quiet" onClick={onDone}>
          {t("cancel")}
        </Button>
        <Button type="submit" look="main" disabled={save.isPending || (needed && draft.url.trim() === "")}>
          {save.isPending && <LoaderCircle className="motion-safe:animate-spin" />}
          {t("save")}
        </Button>
      </div>
    </form>
  );
}

/** What the window of such a form is called. */
export const destinationTitle = (of: Destination | null) =>
  of ? t("dest.edit", { name: of.name }) : t("dest.new");

/** A saved destination is edited from where it was to be used. */
export function EditDestination() {
  const id = useDesk(({ dialog }) => (dialog?.name === "edit-destination" ? dialog.id : null));
  const of = useStudio(({ destinations }) => destinations.find((one) => one.id === id) ?? null);
  return (
    <Dialog
      open={of !== null}
      onClose={closeDialog}
      title={destinationTitle(of)}
      className="w-[min(26rem,calc(100vw-2rem))]"
    >
      {of && <DestinationForm of={of} onDone={closeDialog} />}
    </Dialog>
  );
}
