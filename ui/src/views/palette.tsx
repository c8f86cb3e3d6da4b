// Ctrl-K: every action by name. Names for tests: dialog "Actions", search "What to do?".

import { Command } from "cmdk";
import { Dialog } from "@/kit/dialog";
import { Key } from "@/kit/key";
import { closeDialog, useDesk } from "@/store/desk";
import { t } from "@/words";
import { type Action, useActions } from "./actions";

const GROUPS: Action["group"][] = ["record", "people", "rooms", "projects", "window"];

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
  return (
    <Command label={t("palette")} className="flex min-h-0 flex-col" loop>
      <Command.Input
        autoFocus
        placeholder={t("palette.what")}
        className="h-11 shrink-0 border-b border-line bg-transparent px-4 text-base outline-none placeholder:text-faint"
      />
      <Command.List className="min-h-0 overflow-y-auto p-1">
        <Command.Empty className="p-6 text-center text-soft">{t("palette.none")}</Command.Empty>
        {GROUPS.map((group) => {
          const some = actions.filter((action) => action.group === group);
          if (some.length === 0) return null;
          return (
            <Command.Group
              key={group}
              heading={t(`palette.${group}`)}
              className="[&_[cmdk-group-heading]]:label-caps [&_[cmdk-group-heading]]:px-3 [&_[cmdk-group-heading]]:pt-3 [&_[cmdk-group-heading]]:pb-1"
            >
              {some.map((action) => (
                <Command.Item
                  key={action.id}
                  value={`${action.title} ${action.id}`}
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
            </Command.Group>
          );
        })}
      </Command.List>
    </Command>
  );
}
