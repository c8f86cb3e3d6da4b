// Creates a room. Names for tests: dialog "New room"; "Name" with [data-testid=room-there] where there is one of that name,
// "Stays while it is empty"; the fields of parts-fields.tsx with "File name" and "Files go to", or, without LiveKit's egress
// service, [data-testid=room-no-egress] with button "Add rule"; buttons "Create room", "Cancel".

import { LoaderCircle } from "lucide-react";
import { type FormEvent, type RefObject, useRef, useState } from "react";
import type { RoomInput, StorageId } from "@/backend/types";
import { Button } from "@/kit/button";
import { Choice } from "@/kit/choice";
import { Dialog } from "@/kit/dialog";
import { Field, Input } from "@/kit/field";
import { Notice } from "@/kit/notice";
import { useCommand, useOwnCommand } from "@/lib/commands";
import { closeDialog, goTo, openDialog, useDesk } from "@/store/desk";
import { isWithinReach, layoutsElsewhere } from "@/store/elsewhere";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { freshParts, type PartsDraft, PartsFields, partsOf } from "../auto/parts-fields";

export function NewRoomDialog() {
  const open = useDesk(({ dialog }) => dialog?.name === "new-room");
  const project = useStudio((snapshot) => snapshot.projects.current !== null);
  const first = useRef<HTMLInputElement>(null);
  return (
    <Dialog open={open && project} onClose={closeDialog} title={t("room.new")} focusFirst={first}>
      <NewRoom first={first} />
    </Dialog>
  );
}

/** Seconds as they are typed; none for no answer, NaN for what is none. */
function secondsOf(text: string): number | null {
  if (text.trim() === "") return null;
  const s = Number(text);
  return Number.isInteger(s) && s >= 0 && s < 2 ** 32 ? s : Number.NaN;
}

/** Nothing is recorded unless somebody says so. */
const nothing: PartsDraft = { ...freshParts, kind: "none" };

function NewRoom({ first }: { first: RefObject<HTMLInputElement | null> }) {
  const rooms = useStudio((snapshot) => snapshot.rooms.list);
  const service = useStudio((snapshot) => snapshot.elsewhere.service);
  const [name, setName] = useState("");
  const [empty, setEmpty] = useState("");
  const [draft, setDraft] = useState(nothing);
  const [file, setFile] = useState("");
  const [storage, setStorage] = useState<StorageId | null>(null);
  const open = useCommand((backend, room: string) => backend.openRoom(room));
  const create = useOwnCommand((backend, input: RoomInput) => backend.createRoom(input));
  const there = rooms.some((room) => room.name === name.trim());
  const seconds = secondsOf(empty);
  const complete = name.trim() !== "" && !Number.isNaN(seconds);
  const parts = service === "present" ? partsOf(draft) : null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!complete || create.isPending) return;
    const input: RoomInput = {
      name: name.trim(),
      empty_timeout_s: seconds,
      egress: parts && { parts, name: file.trim(), preset: draft.preset, storage },
    };
    create.mutate(input, {
      onSuccess: () => {
        closeDialog();
        goTo("room");
        open.mutate(input.name);
      },
    });
  };
  return (
    <form onSubmit={submit} className="flex min-h-0 flex-col" noValidate>
      <div className="flex min-h-0 flex-col gap-3.5 overflow-y-auto p-4">
        <Field
          label={t("room.new.name")}
          hint={there && <span data-testid="room-there">{t("room.new.there")}</span>}
        >
          {(ids) => (
            <Input
              {...ids}
              ref={first}
              dir="auto"
              value={name}
              placeholder={t("room.new.name.example")}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        <Field label={t("room.new.empty")} hint={t("room.new.empty.hint")}>
          {(ids) => (
            <span className="flex items-center gap-2">
              <Input
                {...ids}
                inputMode="numeric"
                className="w-24"
                value={empty}
                placeholder={t("room.new.empty.default")}
                aria-invalid={Number.isNaN(seconds) || undefined}
                onChange={(event) => setEmpty(event.target.value)}
              />
              <span className="text-soft">{t("room.new.empty.unit")}</span>
            </span>
          )}
        </Field>
        {service === "present" ? (
          <ByServer
            draft={draft}
            set={(part) => setDraft((before) => ({ ...before, ...part }))}
            file={file}
            setFile={setFile}
            storage={storage}
            setStorage={setStorage}
          />
        ) : (
          <NoEgress known={service === "absent"} room={name.trim()} />
        )}
      </div>
      {create.error && <Notice error={create.error} className="mx-4 mb-3 shrink-0" />}
      <div className="flex shrink-0 justify-end gap-2 border-t border-line p-3">
        <Button look="quiet" onClick={closeDialog}>
          {t("cancel")}
        </Button>
        <Button type="submit" look="main" disabled={!complete || create.isPending}>
          {create.isPending && <LoaderCircle className="motion-safe:animate-spin" />}
          {t("room.new.create")}
        </Button>
      </div>
    </form>
  );
}

function ByServer({
  draft,
  set,
  file,
  setFile,
  storage,
  setStorage,
}: {
  draft: PartsDraft;
  set: (part: Partial<PartsDraft>) => void;
  file: string;
  setFile: (name: string) => void;
  storage: StorageId | null;
  setStorage: (id: StorageId | null) => void;
}) {
  const layouts = useStudio((snapshot) => snapshot.layouts);
  const storages = useStudio((snapshot) => snapshot.storages);
  // A folder of this computer is no place for a service elsewhere.
  const reachable = storages.filter(isWithinReach);
  return (
    <>
      <PartsFields
        label={t("room.new.egress")}
        draft={draft}
        set={set}
        none
        layouts={layoutsElsewhere(layouts, draft.layout)}
      />
      {draft.kind !== "none" && (
        <div className="grid grid-cols-2 gap-3">
          <Field label={t("room.new.egress.name")}>
            {(ids) => (
              <Input
                {...ids}
                value={file}
                placeholder={t("room.new.egress.name.default")}
                onChange={(event) => setFile(event.target.value)}
              />
            )}
          </Field>
          <Field label={t("room.new.egress.storage")}>
            {(ids) => (
              <Choice
                {...ids}
                value={storage ?? ""}
                options={[
                  { value: "", label: t("room.new.egress.storage.none") },
                  ...reachable.map((one) => ({
                    value: one.id,
                    label: one.name,
                    disabled: one.keys === "missing",
                  })),
                ]}
                onChange={(id) => setStorage(id || null)}
              />
            )}
          </Field>
        </div>
      )}
    </>
  );
}

/** Why the server records nothing by itself, and what does. */
function NoEgress({ known, room }: { known: boolean; room: string }) {
  return (
    <div
      data-testid="room-no-egress"
      className="flex items-center gap-3 rounded-md border border-line p-2.5 text-xs text-faint"
    >
      <p className="min-w-0 flex-1">{t(known ? "room.new.egress.absent" : "room.new.egress.unknown")}</p>
      <Button
        look="outline"
        size="sm"
        onClick={() => openDialog({ name: "settings", tab: "automatic", rule: "new", rooms: room })}
      >
        {t("rule.add")}
      </Button>
    </div>
  );
}
