// What can be done about LiveKit's own egress service, by name.

import { Cloud, CloudOff, Square } from "lucide-react";
import type { Backend } from "@/backend/backend";
import type { Snapshot } from "@/backend/types";
import { useDesk } from "@/store/desk";
import { openElsewhere, recordsOn } from "@/store/elsewhere";
import { askToStop } from "@/store/hold";
import { t } from "@/words";
import type { Action } from "../actions";

export function elsewhereActions(
  backend: Backend,
  snapshot: Snapshot,
  attempt: (call: Promise<unknown>) => Promise<unknown>,
): Action[] {
  const actions: Action[] = [];
  if (snapshot.elsewhere.service === "present") {
    const there = recordsOn(useDesk.getState(), snapshot) === "livekit";
    actions.push({
      id: "where",
      title: t(there ? "action.here" : "action.livekit"),
      group: "record",
      icon: there ? CloudOff : Cloud,
      run: () => useDesk.setState({ where: there ? "here" : "livekit" }),
    });
  }
  for (const { egress_id, title, status } of openElsewhere(snapshot))
    if (status !== "ending")
      actions.push({
        id: `stop:${egress_id}`,
        title: t("elsewhere.stop", { title }),
        group: "stop",
        icon: Square,
        run: () => askToStop(egress_id, (id) => attempt(backend.stopElsewhere(id))),
      });
  return actions;
}
