// The saved storages. Names for tests: region "Storages"; one [data-testid=storage][data-storage] each with buttons
// "Edit <name>" and "Forget <name>"; while it asks, [data-testid=storage-forget] with "Keep it" and "Forget"; button
// "Add storage".

import { HardDriveUpload, Plus } from "lucide-react";
import type { Storage, StorageId, StoragePlace } from "@/backend/types";
import { Button } from "@/kit/button";
import { KeptRow } from "@/kit/kept-row";
import { useOwnCommand } from "@/lib/commands";
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
  const forget = useOwnCommand((backend, which: StorageId) => backend.forgetStorage(which));
  const missing = keys === "missing";
  const note = missing ? t("storage.keysMissing") : t("storage.keysThisRun");
  return (
    <KeptRow
      icon={KIND_ICONS[profile.storage.kind]}
      name={name}
      where={`${t(`storage.kind.${profile.storage.kind}`)} · ${fullPlaceOf(profile)}`}
      note={keys === "keyring" ? null : note}
      missing={missing}
      edit={t("storage.edit", { name })}
      editShort={t("upload.to.keys.enter")}
      onEdit={() => onEdit(id)}
      forget={{
        label: t("storage.forget", { name }),
        what: t("storage.forget.what"),
        keep: t("storage.keep"),
        now: t("storage.forget.short"),
        error: forget.error,
        isPending: forget.isPending,
        onForget: () => forget.mutate(id),
        reset: forget.reset,
        testId: "storage-forget",
      }}
      mark={{ "data-testid": "storage", "data-storage": id, "data-keys": keys }}
    />
  );
}
