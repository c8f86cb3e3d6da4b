// Adding and editing a storage. Names for tests: [data-testid=storage-kind][data-kind] are the kinds;
// [data-testid=storage-form] with the labels of its fields; checkboxes "Keep the keys for this run only" and, where
// it can be, "Without keys, as this computer itself"; buttons
// "Check", "Save storage", "Cancel" and, while it is checked, [data-testid=check-cancel]; the result is
// [data-testid=storage-checked] with [data-testid=check-remark] each, or [data-testid=notice].

import { ArrowLeft, CircleCheck, LoaderCircle, TriangleAlert } from "lucide-react";
import { type FormEvent, useRef, useState } from "react";
import { asApiError } from "@/backend/backend";
import { useBackend } from "@/backend/index";
import type { ApiError, Checked, StorageId, StorageInput, StoragePlace } from "@/backend/types";
import { Button } from "@/kit/button";
import { Checkbox } from "@/kit/checkbox";
import { Notice } from "@/kit/notice";
import { useOwnCommand } from "@/lib/commands";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { byIdentity, type Draft, draftOf, fieldOf, inputOf, isComplete, type Kind, keepsKeys } from "./draft";
import { KIND_ICONS, KindChoice } from "./kinds";
import { type FormState, KindFields, MoreFields, Text } from "./storage-fields";

type Probe =
  | { is: "unasked" }
  | { is: "asked" }
  | { is: "well"; checked: Checked }
  | { is: "wrong"; error: ApiError };

/** Checks what is entered, as often as asked. An answer that nobody waits for any more is left aside. */
function useProbe(saved: string | null) {
  const backend = useBackend();
  const [probe, setProbe] = useState<Probe>({ is: "unasked" });
  const asked = useRef(0);
  const forget = () => {
    asked.current += 1;
    setProbe({ is: "unasked" });
  };
  const ask = (input: StorageInput) => {
    asked.current += 1;
    const mine = asked.current;
    setProbe({ is: "asked" });
    const answer = (next: Probe) => mine === asked.current && setProbe(next);
    backend.checkStorage(input, saved).then(
      (checked) => answer({ is: "well", checked }),
      (thrown: unknown) => answer({ is: "wrong", error: asApiError(thrown) }),
    );
  };
  return { probe, ask, forget };
}

/** With a storage it is edited; without one, one is added. `onDone` is given the one that was saved, if one was. */
export function StorageForm({
  place,
  onDone,
}: {
  place: StoragePlace | null;
  onDone: (saved: StorageId | null) => void;
}) {
  const keyringError = useStudio((snapshot) => snapshot.projects.keyring_error);
  const [draft, setDraft] = useState<Draft>(() => draftOf(place, keyringError !== null));
  const [kind, setKind] = useState<Kind | null>(place?.profile.storage.kind ?? null);
  const { probe, ask, forget } = useProbe(place?.id ?? null);
  const save = useOwnCommand(async (backend, input: StorageInput) => {
    if (!place) return backend.saveStorage(input);
    await backend.editStorage(place.id, input);
    return place.id;
  });
  const set = (part: Partial<Draft>) => {
    setDraft((before) => ({ ...before, ...part }));
    forget();
    if (save.isError) save.reset();
  };
  if (kind === null)
    return (
      <div className="flex min-h-0 flex-col">
        <div className="overflow-y-auto p-4">
          <h3 className="mb-3 text-sm font-medium text-soft">{t("storage.kind")}</h3>
          <KindChoice
            onChoose={(chosen) => {
              setKind(chosen);
              set({ kind: chosen });
            }}
          />
        </div>
        <div className="flex shrink-0 justify-end border-t border-line p-3">
          <Button look="quiet" onClick={() => onDone(null)}>
            {t("cancel")}
          </Button>
        </div>
      </div>
    );

  const error = save.error ?? (probe.is === "wrong" ? probe.error : null);
  const identity = byIdentity(draft);
  const kept = place !== null && place.keys !== "missing" && !byIdentity(draftOf(place, false));
  const keysNeeded = kind !== "local" && !identity && !kept;
  const form: FormState = { draft, set, wrong: error && fieldOf(error, kind), keysNeeded };
  const complete = isComplete(draft, keysNeeded);
  const checking = probe.is === "asked";
  const submit = (change: Partial<Draft> = {}) => {
    forget();
    save.mutate(inputOf({ ...draft, ...change }), { onSuccess: onDone });
  };
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    // It may be in the page of another form.
    event.stopPropagation();
    if (complete && !save.isPending) submit();
  };
  const Icon = KIND_ICONS[kind];
  return (
    <form onSubmit={onSubmit} className="flex min-h-0 flex-col" data-testid="storage-form" noValidate>
      <div className="flex min-h-0 flex-col gap-3.5 overflow-y-auto p-4">
        <div className="flex items-center gap-2 text-soft">
          {!place && (
            <Button
              look="quiet"
              size="icon-sm"
              className="-ml-1.5"
              aria-label={t("storage.kind.change")}
              title={t("storage.kind.change")}
              onClick={() => {
                forget();
                save.reset();
                setKind(null);
              }}
            >
              <ArrowLeft />
            </Button>
          )}
          <Icon className="size-4 shrink-0 stroke-[1.5]" aria-hidden />
          <h3 className="font-medium text-ink">{t(`storage.kind.${kind}`)}</h3>
        </div>
        <KindFields form={form} />
        {kept && !identity && kind !== "local" && (
          <p className="-mt-1.5 text-xs text-faint">{t("storage.secret.kept")}</p>
        )}
        <div className="grid grid-cols-2 gap-3">
          <Text
            form={form}
            name="prefix"
            label={t("storage.prefix")}
            example={t("storage.prefix.example")}
            hint={t("storage.prefix.hint")}
          />
          <Text form={form} name="name" label={t("storage.name")} hint={t("storage.name.hint")} />
        </div>
        <MoreFields key={kind} form={form} />
        {keepsKeys(draft) && (
          <div>
            {keyringError && <Notice error={keyringError} className="mb-3" />}
            <Checkbox
              checked={draft.this_run_only}
              onChange={(on) => set({ this_run_only: on })}
              disabled={keyringError !== null && draft.this_run_only}
              label={t("storage.thisRun")}
            >
              <span>
                {t("storage.thisRun")}
                <span className="block text-xs text-faint">
                  {draft.this_run_only ? t("storage.secret.thisRun") : t("storage.secret.keyring")}
                </span>
              </span>
            </Checkbox>
          </div>
        )}
      </div>
      {/* What came of it is never out of sight. */}
      {error && (
        <Notice error={error} className="mx-4 mb-3 shrink-0">
          {error.code === "keyring" && save.error && (
            <Button
              look="outline"
              size="sm"
              onClick={() => {
                set({ this_run_only: true });
                submit({ this_run_only: true });
              }}
            >
              {t("project.thisRun.now")}
            </Button>
          )}
        </Notice>
      )}
      {probe.is === "well" && <Well checked={probe.checked} />}
      <div className="flex shrink-0 items-center gap-2 border-t border-line p-3">
        <Button
          look="outline"
          disabled={!complete || checking || save.isPending}
          onClick={() => {
            save.reset();
            ask(inputOf(draft));
          }}
        >
          {t("storage.check")}
        </Button>
        <p role="status" className="flex min-w-0 flex-1 items-center gap-2 text-xs text-faint">
          {checking ? (
            <>
              <LoaderCircle className="size-3.5 shrink-0 motion-safe:animate-spin" aria-hidden />
              <span className="truncate">{t("storage.checking")}</span>
              <Button look="quiet" size="sm" onClick={forget} data-testid="check-cancel">
                {t("cancel")}
              </Button>
            </>
          ) : (
            probe.is === "unasked" && <span>{t("storage.check.offer")}</span>
          )}
        </p>
        <Button look="quiet" onClick={() => onDone(null)}>
          {t("cancel")}
        </Button>
        <Button type="submit" look="main" disabled={!complete || save.isPending} data-testid="storage-save">
          {save.isPending && <LoaderCircle className="motion-safe:animate-spin" />}
          {t("storage.save")}
        </Button>
      </div>
    </form>
  );
}

function Well({ checked: { location, remarks } }: { checked: Checked }) {
  const limited = remarks.length > 0;
  const Icon = limited ? TriangleAlert : CircleCheck;
  return (
    <div
      role="status"
      data-testid="storage-checked"
      className="appear mx-4 mb-3 grid shrink-0 grid-cols-[1rem_1fr] gap-x-2 rounded-md border border-line bg-card p-3"
    >
      <Icon className={limited ? "mt-0.5 size-4 text-look" : "mt-0.5 size-4 text-ready"} aria-hidden />
      <div className="min-w-0">
        <p className={limited ? "font-medium text-look" : "font-medium text-ready"}>
          {limited ? t("storage.check.remarks") : t("storage.check.well")}
        </p>
        {remarks.map((remark) => (
          <p key={remark} className="text-ink" data-testid="check-remark">
            {remark}
          </p>
        ))}
        <p className="mt-1 text-xs break-all text-faint" data-selectable data-testid="check-location">
          {t("storage.check.where", { location })}
        </p>
      </div>
    </div>
  );
}
