// The saved storages. Names for tests: region "Storages"; one [data-testid=storage][data-storage] each with buttons
// "Edit <name>" and "Forget <name>"; while it asks, [data-testid=storage-forget] with "Keep it" and "Forget"; button
// "Add storage".

import { HardDriveUpload, KeyRound, Pencil, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import type { Storage, StorageId, StoragePlace } from "@/backend/types";
import { Button } from "@/kit/button";
import { Notice } from "@/kit/notice";
import { useOwnCommand } from "@/lib/commands";
import { cx } from "@/lib/cx";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { KIND_ICONS } from "./kinds";

/** Where a storage is, short. */
function placeOf(storage: Storage): string {
  switch (storage.kind) {
    case "s3":
      return storage.endpoint ? `${storage.endpoint}/${storage.bucket}` : storage.bucket;
    case "gcp":
      return storage.bucket;
    case "azure":
      return `${storage.account_name}/${storage.container_name}`;
    case "ali_oss":
      return `${storage.endpoint}/${storage.bucket}`;
    case "local":
      return storage.folder;
  }
}

const fullPlaceOf = ({ storage, prefix }: StoragePlace["profile"]) =>
  prefix ? `${placeOf(storage)}/${prefix}` : placeOf(storage);

export function StorageList({ onEdit }: { onEdit: (id: StorageId | "new") => void }) {
  const storages = useStudio((snapshot) => snapshot.storages);
  const add = (
    <Button size="sm" onClick={() => onEdit("new")}>
      <Plus />
      {t("storage.add")}
    </Button>
  );
  return (
    <section aria-label={t("storages")} className="flex flex-col gap-2">
      <div className="flex items-end justify-between gap-3">
        <div>
          <h3 className="label-caps">{t("storages")}</h3>
          <p className="mt-1 text-xs text-faint">{t("storages.what")}</p>
        </div>
        {storages.length > 0 && add}
      </div>
      {storages.length === 0 ? (
        <div className="flex flex-col items-center gap-1 rounded-md border border-line px-4 py-6 text-center">
          <HardDriveUpload className="mb-1 size-6 stroke-[1.5] text-faint" aria-hidden />
          <p className="font-medium">{t("storages.none")}</p>
          <p className="mb-2 text-xs text-faint">{t("storages.none.what")}</p>
          {add}
        </div>
      ) : (
        <ul className="divide-y divide-line rounded-md border border-line">
          {storages.map((place) => (
            <StorageRow key={place.id} place={place} onEdit={onEdit} />
          ))}
        </ul>
      )}
    </section>
  );
}

function StorageRow({ place, onEdit }: { place: StoragePlace; onEdit: (id: StorageId) => void }) {
  const { id, name, profile, keys } = place;
  const [asking, setAsking] = useState(false);
  const forget = useOwnCommand((backend, which: StorageId) => backend.forgetStorage(which));
  const Icon = KIND_ICONS[profile.storage.kind];
  const where = fullPlaceOf(profile);
  return (
    <li className="p-2.5" data-testid="storage" data-storage={id} data-keys={keys}>
      <div className="flex items-center gap-3">
        <Icon className="ml-0.5 size-5 shrink-0 stroke-[1.5] text-faint" aria-hidden />
        <div className="min-w-0 flex-1">
          <p className="flex items-baseline gap-2">
            <span dir="auto" className="truncate text-left font-medium" title={name}>
              {name}
            </span>
            {keys !== "keyring" && (
              <span
                className={cx(
                  "flex shrink-0 items-center gap-1 text-xs",
                  keys === "missing" ? "font-medium text-look" : "text-faint",
                )}
              >
                {keys === "missing" && <KeyRound className="size-3 self-center" aria-hidden />}
                {keys === "missing" ? t("storage.keysMissing") : t("storage.keysThisRun")}
              </span>
            )}
          </p>
          <p className="truncate text-xs text-faint" title={where}>
            {t(`storage.kind.${profile.storage.kind}`)} · {where}
          </p>
        </div>
        <Button
          look={keys === "missing" ? "outline" : "quiet"}
          size={keys === "missing" ? "sm" : "icon-sm"}
          aria-label={t("storage.edit", { name })}
          title={t("storage.edit.short")}
          onClick={() => onEdit(id)}
        >
          {keys === "missing" ? t("upload.to.keys.enter") : <Pencil />}
        </Button>
        <Button
          look="quiet"
          size="icon-sm"
          aria-label={t("storage.forget", { name })}
          title={t("storage.forget.short")}
          onClick={() => setAsking(true)}
        >
          <Trash2 />
        </Button>
      </div>
      {asking && (
        <div
          className="appear mt-2.5 flex flex-col gap-2 border-t border-line pt-2.5"
          data-testid="storage-forget"
        >
          {forget.error && <Notice error={forget.error} />}
          <div className="flex items-center gap-2">
            <p className="min-w-0 flex-1 text-soft">{t("storage.forget.what")}</p>
            <Button
              look="quiet"
              size="sm"
              autoFocus
              onClick={() => {
                setAsking(false);
                forget.reset();
              }}
            >
              {t("storage.keep")}
            </Button>
            <Button look="outline" size="sm" disabled={forget.isPending} onClick={() => forget.mutate(id)}>
              {t("storage.forget.short")}
            </Button>
          </div>
        </div>
      )}
    </li>
  );
}
