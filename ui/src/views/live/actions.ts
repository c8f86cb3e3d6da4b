// What can be done about live streams, by name.

import { Plus, Radio, RotateCw, X } from "lucide-react";
import type { Backend } from "@/backend/backend";
import type { Snapshot } from "@/backend/types";
import { goTo, openAdding, useDesk } from "@/store/desk";
import { askToRemove, isStreamOver, keyOf, streamName, streamsOf, tickedOf } from "@/store/live";
import { runningJobs } from "@/store/select";
import type { Standing } from "@/store/standing";
import { t } from "@/words";
import type { Action } from "../actions";
import { tellMissing } from "../tell";
import { addsTo, goLive } from "./go-live";

export function liveActions(
  backend: Backend,
  snapshot: Snapshot,
  standing: Standing,
  attempt: (call: Promise<unknown>) => unknown,
): Action[] {
  const running = runningJobs(snapshot);
  const to = addsTo(standing, running);
  const actions: Action[] = [];
  const add = (id: string, title: string, icon: Action["icon"], run: () => void, key?: string) =>
    actions.push({ id, title, icon, run, key, group: "live" });

  if (to !== null)
    add(
      "add-destination",
      t("streams.add"),
      Plus,
      () => {
        if (standing.request) goTo("room");
        openAdding(to);
      },
      "D",
    );
  else if (running.length > 1)
    add(
      "add-destination",
      t("streams.add"),
      Plus,
      () => tellMissing(t("action.addTo"), t("action.addTo.what")),
      "D",
    );

  const { armed, job, elsewhere } = standing;
  const ticked = tickedOf(useDesk.getState().ticked, snapshot.destinations);
  if (armed && !job && !elsewhere && ticked.length > 0)
    add("live-only", t("next.only"), Radio, () => void goLive(backend, armed.egress_id, ticked));

  for (const one of running)
    for (const stream of streamsOf(one)) {
      const { state } = stream.destination;
      if (isStreamOver(state)) continue;
      const name = streamName(one.egress_id, stream, snapshot.destinations);
      const key = keyOf(one.egress_id, stream.id);
      if (state.is === "refused" || state.is === "reconnecting")
        add(`retry:${key}`, t("stream.again", { name }), RotateCw, () =>
          attempt(backend.retryOutput(one.egress_id, stream.id)),
        );
      // What is on air is never ended unasked.
      add(`remove:${key}`, t("action.remove", { name }), X, () => askToRemove(key));
    }
  return actions;
}
