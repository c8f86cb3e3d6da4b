// Asked when Tallylight is to end while something records. Names for tests: dialog "Quit Tallylight?"; buttons
// "Finish and quit", "Keep recording in the background", "Cancel".

import { LoaderCircle } from "lucide-react";
import { useEffect, useEffectEvent, useRef } from "react";
import { useShallow } from "zustand/react/shallow";
import type { ShellEvent } from "@/backend/backend";
import { useBackend } from "@/backend/index";
import { Button } from "@/kit/button";
import { Dialog } from "@/kit/dialog";
import { useCommand } from "@/lib/commands";
import { timecode } from "@/lib/format";
import { closeDialog, openDialog, useDesk } from "@/store/desk";
import { isRecording, isRunning, runningJobs } from "@/store/select";
import { studioNow, useStudio } from "@/store/studio";
import { t } from "@/words";
import { forgetAllNow } from "./history/forget";
import { elapsedOf } from "./outputs/job-figures";

/** Goes, with or without finishing what records. */
function useQuitNow() {
  return useCommand(async (backend, finish: boolean) => {
    await forgetAllNow();
    await backend.quit(finish);
  });
}

/** Asks, or goes at once where there is nothing to ask about. */
export function useQuit() {
  const quit = useQuitNow();
  return () => {
    if (studioNow()?.jobs.some(isRunning)) openDialog({ name: "quit" });
    else quit.mutate(true);
  };
}

export function QuitDialog() {
  const open = useDesk((desk) => desk.dialog?.name === "quit");
  const jobs = useStudio(useShallow(runningJobs));
  const backend = useBackend();
  const ask = useQuit();
  const heard = useEffectEvent((event: ShellEvent) => {
    if (event === "quit_requested") ask();
  });
  // Once: a request that comes between two listeners would be lost.
  useEffect(() => {
    let gone = false;
    let end: (() => void) | null = null;
    void backend
      .onShell((event) => heard(event))
      .then((stop) => {
        if (gone) stop();
        else end = stop;
      });
    return () => {
      gone = true;
      end?.();
    };
  }, [backend]);
  // A stray Enter must not end what is on air.
  const cancel = useRef<HTMLButtonElement>(null);
  const quit = useQuitNow();
  const hide = useCommand((api, _: null) => api.hide());
  return (
    <Dialog open={open} onClose={closeDialog} title={t("quit.title")} focusFirst={cancel}>
      <div className="flex flex-col gap-4 p-4">
        <p className="text-soft">{t("quit.what", { n: jobs.length })}</p>
        <ul className="flex max-h-40 flex-col gap-1 overflow-y-auto">
          {jobs.map((job) => (
            <li key={job.egress_id} className="flex items-center gap-3 rounded-md bg-card px-3 py-1.5">
              <span
                aria-hidden
                data-lit={isRecording(job)}
                className="size-2 shrink-0 rounded-full border border-faint data-[lit=true]:border-tally-ink data-[lit=true]:bg-tally-ink"
              />
              <span dir="auto" className="min-w-0 flex-1 truncate">
                {job.title}
              </span>
              <span className="font-medium">{timecode(elapsedOf(job))}</span>
            </li>
          ))}
        </ul>
        <div className="flex flex-col gap-2">
          <Button look="main" size="lg" disabled={quit.isPending} onClick={() => quit.mutate(true)}>
            {quit.isPending && quit.variables && <LoaderCircle className="motion-safe:animate-spin" />}
            {quit.isPending && quit.variables ? t("quit.finishing") : t("quit.finish")}
          </Button>
          <Button
            look="outline"
            size="lg"
            disabled={quit.isPending}
            onClick={() => {
              closeDialog();
              hide.mutate(null);
            }}
          >
            {t("quit.background")}
          </Button>
          <Button ref={cancel} look="quiet" size="lg" disabled={quit.isPending} onClick={closeDialog}>
            {t("cancel")}
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
