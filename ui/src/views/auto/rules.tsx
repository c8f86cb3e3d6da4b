// The rules of auto egress of the open project, in the settings. Names for tests: region "Auto recording"; one
// [data-testid=rule][data-rule][data-on] each with the switch "In force: <rooms>", the buttons "Edit <rooms>" and
// "Forget <rooms>", and [data-testid=notice] where its last start failed; while it asks, [data-testid=rule-forget] with
// "Keep it" and "Forget"; button "Add rule".

import { CircleDotDashed, Pencil, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { useShallow } from "zustand/react/shallow";
import type { AutoEgress, AutoRule, RuleId } from "@/backend/types";
import { Button } from "@/kit/button";
import { AskToForget } from "@/kit/kept-row";
import { Notice } from "@/kit/notice";
import { Switch } from "@/kit/switch";
import { useCommand, useOwnCommand } from "@/lib/commands";
import { cx } from "@/lib/cx";
import { rulesOf } from "@/store/auto";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { whatWords } from "./rule-words";

export function RuleList({ onEdit }: { onEdit: (id: RuleId | "new") => void }) {
  const rules = useStudio(useShallow(rulesOf));
  const open = useStudio((snapshot) => snapshot.projects.current !== null);
  const add = (
    <Button size="sm" disabled={!open} onClick={() => onEdit("new")}>
      <Plus />
      {t("rule.add")}
    </Button>
  );
  return (
    <section aria-label={t("rules")} className="flex flex-col gap-2">
      {rules.length > 0 && (
        <div className="flex items-end justify-between gap-3">
          <div>
            <h3 className="label-caps">{t("rules")}</h3>
            <p className="mt-1 text-xs text-faint">{t("rules.what")}</p>
          </div>
          {add}
        </div>
      )}
      {rules.length === 0 ? (
        <div className="flex flex-col items-center gap-1 rounded-md border border-line px-4 py-6 text-center">
          <CircleDotDashed className="mb-1 size-6 stroke-[1.5] text-faint" aria-hidden />
          <p className="font-medium">{t("rules.none")}</p>
          <p className="mb-2 max-w-[24rem] text-xs text-faint">
            {t(open ? "rules.none.what" : "rules.noProject")}
          </p>
          {add}
        </div>
      ) : (
        <ul className="divide-y divide-line rounded-md border border-line">
          {rules.map((rule) => (
            <RuleRow key={rule.id} rule={rule} onEdit={() => onEdit(rule.id)} />
          ))}
        </ul>
      )}
    </section>
  );
}

function RuleRow({ rule, onEdit }: { rule: AutoRule; onEdit: () => void }) {
  const { id, what, trouble } = rule;
  const words = useStudio(({ layouts, storages }) => whatWords(what, layouts, storages));
  const [asking, setAsking] = useState(false);
  const turn = useCommand((backend, next: AutoEgress) => backend.editRule(id, next));
  const forget = useOwnCommand((backend, which: RuleId) => backend.forgetRule(which));
  const name = what.rooms;
  return (
    <li className="p-2.5" data-testid="rule" data-rule={id} data-on={what.on}>
      <div className="flex items-center gap-3">
        <CircleDotDashed
          className={cx("ml-0.5 size-5 shrink-0 stroke-[1.5]", what.on ? "text-soft" : "text-edge")}
          aria-hidden
        />
        <div className="min-w-0 flex-1">
          <p className="flex items-baseline gap-2">
            <span
              dir="auto"
              className={cx("truncate text-left font-medium", !what.on && "text-soft")}
              title={name}
            >
              {name}
            </span>
            {!what.on && <span className="shrink-0 text-xs text-faint">{t("rule.off")}</span>}
          </p>
          <p className="truncate text-xs text-faint" title={words} data-testid="rule-what">
            {words}
          </p>
        </div>
        <Switch
          checked={what.on}
          disabled={turn.isPending}
          label={t("rule.on.one", { name })}
          onChange={(on) => turn.mutate({ ...what, on })}
        />
        <span className="flex">
          <Button
            look="quiet"
            size="icon-sm"
            aria-label={t("rule.edit", { name })}
            title={t("rule.edit", { name })}
            onClick={onEdit}
          >
            <Pencil />
          </Button>
          <Button
            look="quiet"
            size="icon-sm"
            aria-label={t("rule.forget", { name })}
            title={t("rule.forget", { name })}
            onClick={() => setAsking(true)}
          >
            <Trash2 />
          </Button>
        </span>
      </div>
      {trouble && what.on && <Notice error={trouble} className="mt-2.5" />}
      {asking && (
        <AskToForget
          forget={{
            label: t("rule.forget", { name }),
            what: t("rule.forget.what"),
            keep: t("rule.keep"),
            now: t("rule.forget.short"),
            error: forget.error,
            isPending: forget.isPending,
            onForget: () => forget.mutate(id),
            reset: forget.reset,
            testId: "rule-forget",
          }}
          onKeep={() => setAsking(false)}
        />
      )}
    </li>
  );
}
