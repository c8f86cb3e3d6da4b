// Ctrl-K: every action by name. Names for tests: dialog "Actions", search "What to do?".

import { Command, defaultFilter } from "cmdk";
import { useState } from "react";
import { Dialog } from "@/kit/dialog";
import { Key } from "@/kit/key";
import { closeDialog, useDesk } from "@/store/desk";
import { t } from "@/words";
import { type Action, useActions } from "./actions";

/** Stop is last, also when it fits best: what Enter would take unasked must not be what is on air. */
const GROUPS: Action["group"][] = [
  "record",
  "live",
  "people",
  "layouts",
  "rooms",
  "projects",
  "window",
  "stop",
];
/** So many of one group are listed; the rest are found by name. */
const MOST = 30;

/** The actions that fit, best first, by group. */
function found(actions: Action[], wanted: string): [Action["group"], Action[]][] {
  const scores = new Map(
    actions.map((action) => [action, wanted ? defaultFilter(`${action.title} ${action.id}`, wanted) : 1]),
  );
  const score = (action: Action | undefined) => (action && scores.get(action)) ?? 0;
  return GROUPS.map((group): [Action["group"], Action[]] => [
    group,
    actions
      .filter((action) => action.group === group && score(action) > 0)
      .sort((a, b) => score(b) - score(a)),
  ])
    .filter(([, some]) => some.length > 0)
    .sort(
      ([a, [bestA]], [b, [bestB]]) =>
        Number(a === "stop") - Number(b === "stop") || score(bestB) - score(bestA),
    );
}

export function Palette() {
  const open = useDesk((desk) => desk.dialog?.name === "palette");
  return (
    <Dialog
      open={open}
      onClose={closeDialog}
      title={t("palette")}
      className="w-[min(36rem,calc(100vw-2rem))]"
    >
      <List />
    </Dialog>
  );
}

function List() {
  const actions = useActions()();
  const [wanted, setWanted] = useState("");
  return (
    <Command label={t("palette")} className="flex min-h-0 flex-col" loop shouldFilter={false}>
      <Command.Input
        autoFocus
        value={wanted}
        onValueChange={setWanted}
        placeholder={t("palette.what")}
        className="h-11 shrink-0 border-b border-line bg-transparent px-4 text-base outline-none placeholder:text-faint"
      />
      <Command.List className="min-h-0 overflow-y-auto p-1">
        <Command.Empty className="p-6 text-center text-soft">{t("palette.none")}</Command.Empty>
        {found(actions, wanted.trim()).map(([group, some]) => (
          <Command.Group
            key={group}
            heading={t(`palette.${group}`)}
            className="[&_[cmdk-group-heading]]:label-caps [&_[cmdk-group-heading]]:px-3 [&_[cmdk-group-heading]]:pt-3 [&_[cmdk-group-heading]]:pb-1"
          >
            {some.slice(0, MOST).map((action) => (
              <Command.Item
                key={action.id}
                value={action.id}
                onSelect={() => {
                  closeDialog();
                  action.run();
                }}
                className="flex h-9 cursor-default items-center gap-3 rounded-sm px-3 data-[selected=true]:bg-chosen"
              >
                <action.icon className="size-4 shrink-0 text-faint" aria-hidden />
                <span dir="auto" className="min-w-0 flex-1 truncate text-left">
                  {action.title}
                </span>
                {action.key && <Key>{action.key}</Key>}
              </Command.Item>
            ))}
            {some.length > MOST && (
              <div className="px-3 py-1.5 text-xs text-faint">
                {t("palette.more", { n: some.length - MOST })}
              </div>
            )}
          </Command.Group>
        ))}
      </Command.List>
    </Command>
  );
}
