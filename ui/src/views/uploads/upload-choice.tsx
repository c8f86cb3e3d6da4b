// Where recordings go besides. Names for tests: "Upload to"; once a storage is chosen, button "More" with "If that fails,
// to" and checkbox "Remove the local file once the upload is verified"; [data-testid=upload-keys] where the keys of the
// storage are missing.

import { ChevronDown, KeyRound } from "lucide-react";
import { useId, useState } from "react";
import { useShallow } from "zustand/react/shallow";
import type { StorageId, UploadRequest } from "@/backend/types";
import { Button } from "@/kit/button";
import { Checkbox } from "@/kit/checkbox";
import { Choice, type Option } from "@/kit/choice";
import { Field } from "@/kit/field";
import { cx } from "@/lib/cx";
import { openDialog, uploadOf } from "@/store/desk";
import { useStudio } from "@/store/studio";
import { t } from "@/words";

/** Stands for the wish to add one. No storage has it for its id. */
const ADD = "+";

export function UploadChoice({
  value,
  onChange,
  must,
  noAdding,
  none = t("upload.to.none"),
  apart,
  open: openAtFirst,
}: {
  value: UploadRequest | null;
  onChange: (value: UploadRequest | null) => void;
  /** A storage has to be chosen. */
  must?: boolean;
  /** Nothing leads away from here: what is filled in around it would be lost. */
  noAdding?: boolean;
  /** What it is called not to choose one. */
  none?: string;
  /** Another uploads: it has no backup, and nothing here that could be removed. */
  apart?: boolean;
  /** Whether what few need is in sight at first. */
  open?: boolean;
}) {
  const storages = useStudio((snapshot) => snapshot.storages);
  const now = useStudio(useShallow((snapshot) => uploadOf(value, snapshot)));
  const place = storages.find((one) => one.id === now?.storage);
  const [open, setOpen] = useState(
    openAtFirst ?? (now !== null && (now.backup !== null || now.remove_local)),
  );
  const id = useId();
  const named: Option<StorageId>[] = storages.map((one) => ({ value: one.id, label: one.name }));
  const options: Option<StorageId>[] = [
    ...(must ? [] : [{ value: "", label: none }]),
    ...named,
    ...(noAdding ? [] : [{ value: ADD, label: t("upload.to.add") }]),
  ];
  const choose = (storage: StorageId) => {
    if (storage === ADD) openDialog({ name: "settings", tab: "uploads", storage: "new", choose: true });
    else if (storage === "") onChange(null);
    else
      onChange({
        storage,
        backup: now?.backup === storage ? null : (now?.backup ?? null),
        remove_local: now?.remove_local ?? false,
      });
  };
  return (
    <div className="flex flex-col gap-2">
      <Field label={t("upload.to")}>
        {(ids) => <Choice {...ids} value={now?.storage ?? ""} options={options} onChange={choose} />}
      </Field>
      {place?.keys === "missing" && (
        <div className="flex items-start gap-2 text-xs text-look" data-testid="upload-keys">
          <KeyRound className="mt-0.5 size-3.5 shrink-0" aria-hidden />
          <p className="min-w-0 flex-1">{t(apart ? "elsewhere.upload.keys" : "upload.to.keys")}</p>
          {!noAdding && (
            <Button
              look="outline"
              size="sm"
              onClick={() => openDialog({ name: "settings", tab: "uploads", storage: place.id })}
            >
              {t("upload.to.keys.enter")}
            </Button>
          )}
        </div>
      )}
      {now && !apart && (
        <>
          {openAtFirst === undefined && (
            <Button
              look="quiet"
              size="sm"
              className="-my-1 -ml-2 self-start"
              aria-expanded={open}
              aria-controls={id}
              onClick={() => setOpen(!open)}
            >
              <ChevronDown className={cx("transition-transform", !open && "-rotate-90")} />
              {t("upload.more")}
            </Button>
          )}
          <div id={id} className={cx("flex flex-col gap-2.5", !open && "hidden")}>
            <Field label={t("upload.backup")}>
              {(ids) => (
                <Choice
                  {...ids}
                  value={now.backup ?? ""}
                  options={[
                    { value: "", label: t("upload.backup.none") },
                    ...named.filter((one) => one.value !== now.storage),
                  ]}
                  onChange={(backup) => onChange({ ...now, backup: backup || null })}
                />
              )}
            </Field>
            <Checkbox
              checked={now.remove_local}
              onChange={(on) => onChange({ ...now, remove_local: on })}
              label={t("upload.removeLocal")}
            >
              <span>
                {t("upload.removeLocal")}
                <span className="block text-xs text-faint">{t("upload.removeLocal.what")}</span>
              </span>
            </Checkbox>
          </div>
        </>
      )}
    </div>
  );
}
