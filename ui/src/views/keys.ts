// The keyboard. Keys do what the buttons beside which they are shown do; none of them works while something is typed
// or a dialog is open.

import { useEffect, useRef } from "react";
import { asApiError } from "@/backend/backend";
import { useBackend } from "@/backend/index";
import { closeAdding, closeDialog, goTo, openDialog, pickNothing, useDesk } from "@/store/desk";
import { beginHold, cancelHold, confirmHold, releaseHold, useHold } from "@/store/hold";
import { isRunning } from "@/store/select";
import { studioNow } from "@/store/studio";
import { t } from "@/words";
import { jobToStop, useActions } from "./actions";
import { tellError, tellMissing } from "./tell";

/** Keys of what is in the room: they do nothing while it is not in sight. */
const ROOM_KEYS: Record<string, string> = {
  0: "whole-room",
  w: "web-page",
  "[": "layout-before",
  "]": "layout-after",
};

/** Keys of actions by their id; the rest is below. */
const KEYS: Record<string, string> = {
  r: "record",
  f: "follow",
  d: "add-destination",
  h: "history",
  u: "uploads",
  g: "rooms",
  o: "last-folder",
  a: "rules",
  n: "new-room",
};

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement && ["radio", "checkbox"].includes(target.type)) return false;
  return target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName);
}

/** Whether a list or a menu is open, which then has the keys. */
function isBusy(): boolean {
  return document.querySelector('[aria-expanded="true"]:is([aria-haspopup], [role="combobox"])') !== null;
}

export function useKeys() {
  const backend = useBackend();
  const actions = useActions();
  const run = useRef<(id: string) => boolean>(() => false);
  run.current = (id) => {
    const action = actions().find((one) => one.id === id);
    action?.run();
    return action !== undefined;
  };

  useEffect(() => {
    const onDown = (event: KeyboardEvent) => {
      const key = event.key.toLowerCase();
      const withCtrl = (event.ctrlKey || event.metaKey) && !event.altKey;
      const { dialog, page, adding } = useDesk.getState();
      if (withCtrl && key === "k") {
        event.preventDefault();
        if (dialog?.name === "palette") closeDialog();
        else if (studioNow()) openDialog({ name: "palette" });
        return;
      }
      if (dialog || isBusy()) return;
      if (withCtrl && key === ",") {
        event.preventDefault();
        run.current("settings");
        return;
      }
      if (withCtrl && key === "q") {
        event.preventDefault();
        run.current("quit");
        return;
      }
      if (withCtrl || event.altKey) return;
      if (event.key === "Enter" && !event.repeat && confirmHold()) {
        event.preventDefault();
        event.stopPropagation();
        return;
      }
      if (event.key === "Escape") {
        if (isTyping(event.target)) (event.target as HTMLElement).blur();
        else if (useHold.getState().phase === "asking") cancelHold();
        else if (adding !== null) closeAdding();
        else if (page !== "room") goTo("room");
        else pickNothing();
        return;
      }
      if (isTyping(event.target)) return;
      // Letters and figures are keys of the window: they must not change a closed list that has the focus.
      if (event.key.length === 1 && event.key !== " ") event.stopPropagation();
      if (event.repeat) return;
      if (key === "s") {
        const snapshot = studioNow();
        const job = snapshot && jobToStop(snapshot);
        if (!job) {
          if (snapshot?.jobs.some(isRunning)) tellMissing(t("stop.which"), t("stop.which.what"));
          return;
        }
        event.preventDefault();
        beginHold(
          job.egress_id,
          (id) =>
            (job.elsewhere ? backend.stopElsewhere(id) : backend.stop(id)).catch((thrown: unknown) =>
              tellError(asApiError(thrown)),
            ),
          event.timeStamp,
        );
        return;
      }
      if (key === "/") {
        const search = document.querySelector<HTMLInputElement>("[data-search]");
        if (search) {
          event.preventDefault();
          search.focus();
        }
        return;
      }
      if (/^[1-9]$/.test(key)) {
        const person = studioNow()?.room?.roster.participants[Number(key) - 1];
        if (person && page === "room") run.current(`person:${person.identity}`);
        return;
      }
      const id = KEYS[key] ?? (page === "room" ? ROOM_KEYS[key] : undefined);
      if (id && run.current(id)) event.preventDefault();
    };
    const onUp = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() === "s") releaseHold(event.timeStamp);
    };
    // A key whose release went elsewhere must not go on holding.
    const onBlur = () => releaseHold();
    // Before anything else sees them.
    window.addEventListener("keydown", onDown, { capture: true });
    window.addEventListener("keyup", onUp);
    window.addEventListener("blur", onBlur);
    return () => {
      window.removeEventListener("keydown", onDown, { capture: true });
      window.removeEventListener("keyup", onUp);
      window.removeEventListener("blur", onBlur);
    };
  }, [backend]);
}
