// What can be recorded besides people: the whole room, and a page. Names for tests: buttons "Whole room" and "Web page"
// (aria-pressed).

import { Globe, LayoutGrid, type LucideIcon } from "lucide-react";
import { Key } from "@/kit/key";
import { cx } from "@/lib/cx";
import { pickPage, pickRoom, useDesk } from "@/store/desk";
import { isRecording } from "@/store/select";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { OnAir } from "../on-air";

/** `room`: whether one is open. */
export function Sources({ room: some }: { room: boolean }) {
  const kind = useDesk(({ pick }) => pick?.kind);
  const roomOnAir = useStudio(({ jobs, room }) =>
    jobs.some(
      (job) =>
        isRecording(job) &&
        job.request.source.type === "room_composite" &&
        job.request.room_name === room?.name,
    ),
  );
  const pageOnAir = useStudio(({ jobs }) =>
    jobs.some((job) => isRecording(job) && job.request.source.type === "web"),
  );
  return (
    <ul aria-label={t("sources")} className="flex shrink-0 flex-col gap-1 border-b border-line p-2">
      {some && (
        <Entry
          icon={LayoutGrid}
          name={t("sources.room")}
          hotkey="0"
          chosen={kind === "room"}
          onAir={roomOnAir}
          onPick={pickRoom}
        />
      )}
      <Entry
        icon={Globe}
        name={t("sources.page")}
        hotkey="W"
        chosen={kind === "page"}
        onAir={pageOnAir}
        onPick={pickPage}
      />
    </ul>
  );
}

function Entry({
  icon: Icon,
  name,
  hotkey,
  chosen,
  onAir,
  onPick,
}: {
  icon: LucideIcon;
  name: string;
  hotkey: string;
  chosen: boolean;
  onAir: boolean;
  onPick: () => void;
}) {
  return (
    <li>
      <button
        type="button"
        aria-pressed={chosen}
        aria-label={name}
        aria-description={onAir ? t("state.recording") : undefined}
        onClick={onPick}
        className={cx(
          "flex h-9 w-full items-center gap-2.5 rounded-md border px-2 text-left transition-colors focus-visible:-outline-offset-2",
          chosen ? "border-ink bg-card" : "border-transparent hover:bg-card",
        )}
      >
        <Icon className={cx("size-4 shrink-0", chosen ? "text-ink" : "text-faint")} aria-hidden />
        <span className="min-w-0 flex-1 truncate font-medium">{name}</span>
        {onAir && <OnAir />}
        <Key>{hotkey}</Key>
      </button>
    </li>
  );
}
