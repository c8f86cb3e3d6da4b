// A rule of auto egress, new or edited. Names for tests: [data-testid=rule-form]; "Rooms called" with
// [data-testid=rule-matches][data-count] below; the fields of parts-fields.tsx; "Upload to" (upload-choice.tsx); switch
// "In force"; buttons "Save rule", "Cancel"; what is wrong is [data-testid=notice].

import { DoorOpen, LoaderCircle } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useShallow } from "zustand/react/shallow";
import type { AutoEgress, AutoRule } from "@/backend/types";
import { Button } from "@/kit/button";
import { Field, Input } from "@/kit/field";
import { Notice } from "@/kit/notice";
import { Switch } from "@/kit/switch";
import { useOwnCommand } from "@/lib/commands";
import { cx } from "@/lib/cx";
import { fitting } from "@/store/auto";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { UploadChoice } from "../uploads/upload-choice";
import { freshParts, type PartsDraft, PartsFields, partsOf } from "./parts-fields";
import { namesWords } from "./rule-words";

const draftOf = (rule: AutoRule | null): PartsDraft =>
  rule
    ? {
        kind: rule.what.parts.type,
        layout: rule.what.parts.type === "room_composite" ? rule.what.parts.layout : freshParts.layout,
        preset: rule.what.preset,
      }
    : freshParts;

export function RuleForm({
  rule,
  rooms: begin,
  onDone,
}: {
  rule: AutoRule | null;
  /** Which rooms a new one is about, to begin with. */
  rooms: string;
  onDone: () => void;
}) {
  const [rooms, setRooms] = useState(rule?.what.rooms ?? begin);
  const [draft, setDraft] = useState(() => draftOf(rule));
  const [upload, setUpload] = useState(rule?.what.upload ?? null);
  const [on, setOn] = useState(rule?.what.on ?? true);
  const save = useOwnCommand(async (backend, what: AutoEgress) => {
    if (rule) await backend.editRule(rule.id, what);
    else await backend.saveRule(what);
  });
  const parts = partsOf(draft);
  const complete = rooms.trim() !== "" && parts !== null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!complete || save.isPending) return;
    const what = { rooms: rooms.trim(), parts, preset: draft.preset, upload, on };
    save.mutate(what, { onSuccess: onDone });
  };
  return (
    <form onSubmit={submit} className="flex min-h-0 flex-col" data-testid="rule-form" noValidate>
      <div className="flex min-h-0 flex-col gap-3.5 overflow-y-auto p-4">
        <Field label={t("rule.rooms")} hint={<Matches pattern={rooms.trim()} />}>
          {(ids) => (
            <Input
              {...ids}
              dir="auto"
              autoFocus
              value={rooms}
              placeholder={t("rule.rooms.example")}
              aria-invalid={save.error?.code === "invalid_argument" || undefined}
              onChange={(event) => {
                setRooms(event.target.value);
                if (save.isError) save.reset();
              }}
            />
          )}
        </Field>
        <PartsFields
          label={t("rule.what")}
          draft={draft}
          set={(part) => setDraft((before) => ({ ...before, ...part }))}
        />
        <UploadChoice value={upload} onChange={setUpload} noAdding />
        <Field label={t("rule.on")} hint={t("rule.on.what")}>
          {(ids) => <Switch {...ids} label={t("rule.on")} checked={on} onChange={setOn} />}
        </Field>
      </div>
      {save.error && <Notice error={save.error} className="mx-4 mb-3 shrink-0" />}
      <div className="flex shrink-0 justify-end gap-2 border-t border-line p-3">
        <Button look="quiet" onClick={onDone}>
          {t("cancel")}
        </Button>
        <Button type="submit" look="main" disabled={!complete || save.isPending}>
          {save.isPending && <LoaderCircle className="motion-safe:animate-spin" />}
          {t("rule.save")}
        </Button>
      </div>
    </form>
  );
}

/** Which of the rooms there are now fit, while it is typed. */
function Matches({ pattern }: { pattern: string }) {
  const names = useStudio(
    useShallow((snapshot) =>
      pattern === "" ? [] : fitting(pattern, snapshot.rooms.list).map((room) => room.name),
    ),
  );
  const some = names.length > 0;
  return (
    <span
      role="status"
      data-testid="rule-matches"
      data-count={names.length}
      className={cx("flex items-start gap-1.5", some && "text-ink")}
    >
      {some && <DoorOpen className="mt-0.5 size-3 shrink-0 text-ready" aria-hidden />}
      <bdi className="min-w-0 [overflow-wrap:anywhere]">
        {some
          ? t("rule.rooms.match", { n: names.length, names: namesWords(names) })
          : pattern === ""
            ? t("rule.rooms.hint")
            : t("rule.rooms.noMatch")}
      </bdi>
    </span>
  );
}
