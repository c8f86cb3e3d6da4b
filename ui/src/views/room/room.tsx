import { Unplug } from "lucide-react";
import { useEffect } from "react";
import { usePictures } from "@/backend/index";
import { Button } from "@/kit/button";
import { Notice } from "@/kit/notice";
import { useCommand } from "@/lib/commands";
import { useDesk } from "@/store/desk";
import { isRecording } from "@/store/select";
import { studioNow, useStudio } from "@/store/studio";
import { t } from "@/words";
import { Rail } from "../outputs/rail";
import { People } from "./people";
import { Program } from "./program";
import { SourceStrip } from "./source-strip";
import { useArming, useLayoutFollow, useStanding } from "./standing";

/** The room: people, program, outputs. */
export function RoomView() {
  const standing = useStanding();
  useArming(standing);
  useLayoutFollow(standing);
  const name = useStudio((snapshot) => snapshot.room?.name);
  const connected = useStudio((snapshot) => snapshot.room?.connection === "connected");
  const pictures = usePictures();
  useEffect(() => {
    if (connected) pictures.again();
  }, [connected, pictures]);
  // What was chosen belongs to its room.
  useEffect(
    () => () => {
      if (studioNow()?.room?.name !== name) useDesk.setState({ pick: null, unfolded: [], armError: null });
    },
    [name],
  );
  return (
    <main className="grid h-full min-h-0 grid-cols-[minmax(16rem,19vw)_minmax(0,1fr)_minmax(19rem,20vw)]">
      <h1 className="sr-only">{name ?? t("sources.page")}</h1>
      <People />
      <div className="flex min-h-0 min-w-0 flex-col">
        <RoomTrouble />
        <Program standing={standing} />
        <SourceStrip standing={standing} />
      </div>
      <Rail standing={standing} />
    </main>
  );
}

/** What is wrong with the connection to the room, over everything that it makes old. */
function RoomTrouble() {
  const connection = useStudio((snapshot) => snapshot.room?.connection);
  const error = useStudio((snapshot) => snapshot.room?.error ?? null);
  const name = useStudio((snapshot) => snapshot.room?.name ?? "");
  // Each recording is in the room for itself: ours may be cut and theirs not.
  const cut = useStudio(({ jobs, room }) => {
    const here = jobs.filter((job) => isRecording(job) && job.request.room_name === room?.name);
    return here.length > 0 ? here.some((job) => job.connection !== "connected") : null;
  });
  const open = useCommand((backend, room: string) => backend.openRoom(room));
  if (error) {
    return (
      <div className="p-3 pb-0">
        <Notice error={error}>
          <Button look="outline" size="sm" onClick={() => open.mutate(name)} disabled={open.isPending}>
            {t("again")}
          </Button>
        </Notice>
      </div>
    );
  }
  if (connection !== "resuming" && connection !== "reconnecting") return null;
  return (
    <div
      role="status"
      className="appear mx-3 mt-3 grid grid-cols-[1rem_1fr] gap-x-2 rounded-md border border-look/40 bg-look-dim px-3 py-2"
    >
      <Unplug className="mt-0.5 size-4 text-look" aria-hidden />
      <p className="font-medium text-look">
        {t("room.trouble")}
        <span className="ml-2 font-normal text-soft">{t("room.trouble.what")}</span>
      </p>
      {cut !== null && (
        <p className="col-start-2 text-soft">{t(cut ? "room.trouble.held" : "room.trouble.apart")}</p>
      )}
    </div>
  );
}
