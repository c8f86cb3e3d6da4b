// What can be done about rooms that record by themselves, and about new ones, by name.

import { CircleDotDashed, DoorOpen } from "lucide-react";
import type { Snapshot } from "@/backend/types";
import { openDialog } from "@/store/desk";
import { t } from "@/words";
import type { Action } from "../actions";

export function roomActions({ projects }: Snapshot): Action[] {
  if (projects.current === null) return [];
  return [
    {
      id: "new-room",
      title: t("room.new"),
      group: "rooms",
      icon: DoorOpen,
      key: "N",
      run: () => openDialog({ name: "new-room" }),
    },
    {
      id: "rules",
      title: t("auto"),
      group: "rooms",
      icon: CircleDotDashed,
      key: "A",
      run: () => openDialog({ name: "settings", tab: "automatic" }),
    },
    {
      id: "add-rule",
      title: t("action.rule"),
      group: "rooms",
      icon: CircleDotDashed,
      run: () => openDialog({ name: "settings", tab: "automatic", rule: "new" }),
    },
  ];
}
