// The rooms of the project. Names for tests: heading "Rooms", search "Find a room", buttons "Auto recording" (with the
// number of rules in force, [data-testid=rules-button]) and "New room"; one button per room ([data-testid=room], accessible
// name begins with the room's name; [data-testid=by-itself] in it where a rule records it).

import { useVirtualizer } from "@tanstack/react-virtual";
import {
  ChevronRight,
  CircleDotDashed,
  DoorClosed,
  Globe,
  LoaderCircle,
  Plus,
  TriangleAlert,
  Users,
} from "lucide-react";
import { useDeferredValue, useMemo, useRef, useState } from "react";
import { useShallow } from "zustand/react/shallow";
import type { RoomSummary } from "@/backend/types";
import { Button } from "@/kit/button";
import { Empty } from "@/kit/empty";
import { Notice } from "@/kit/notice";
import { Search } from "@/kit/search";
import { useCommand } from "@/lib/commands";
import { moment } from "@/lib/format";
import { useFontScale } from "@/lib/scale";
import { inForce, isByItself, rulesOf } from "@/store/auto";
import { openDialog, pickPage } from "@/store/desk";
import { inOrder, roomsOnAir } from "@/store/select";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { OnAir } from "../on-air";

const ROW = 52;

export function RoomsView() {
  const rooms = useStudio((snapshot) => snapshot.rooms);
  // The open project, if its secret has to be asked for.
  const missing = useStudio(
    ({ projects }) =>
      projects.list.find((one) => one.id === projects.current && one.secret === "missing")?.id ?? null,
  );
  const [wanted, setWanted] = useState("");
  const query = useDeferredValue(wanted.trim().toLocaleLowerCase());
  const list = useMemo(
    () => inOrder(rooms.list.filter((room) => room.name.toLocaleLowerCase().includes(query))),
    [rooms.list, query],
  );
  const open = useCommand((backend, name: string) => backend.openRoom(name));
  const current = useStudio((snapshot) => snapshot.projects.current);
  // The keyring is not asked again by itself: its question would come back every few seconds.
  const again = useCommand((backend, id: string) => backend.selectProject(id));

  return (
    <main className="flex h-full min-w-0 flex-1 flex-col">
      <div className="mx-auto flex w-full max-w-[52rem] flex-col gap-3 px-6 pt-8 pb-3">
        <div className="flex items-center gap-4">
          <h1 className="text-lg font-semibold">{t("rooms")}</h1>
          {!rooms.loading && rooms.list.length > 0 && <span className="text-soft">{rooms.list.length}</span>}
          <span className="flex-1" />
          <Button look="quiet" hotkey="W" onClick={pickPage}>
            <Globe />
            {t("sources.page")}
          </Button>
          {current && (
            <Button hotkey="N" onClick={() => openDialog({ name: "new-room" })}>
              <Plus />
              {t("room.new")}
            </Button>
          )}
        </div>
        <div className="flex items-center gap-4">
          <Search label={t("rooms.find")} value={wanted} onChange={setWanted} className="min-w-0 flex-1" />
          <RulesButton />
        </div>
        {rooms.error && (
          <Notice error={rooms.error}>
            {current && rooms.error.code === "keyring" && rooms.error.retryable && (
              <Button
                look="outline"
                size="sm"
                onClick={() => again.mutate(current)}
                disabled={again.isPending}
              >
                {t("again")}
              </Button>
            )}
            {missing && (
              <Button
                look="outline"
                size="sm"
                onClick={() => openDialog({ name: "edit-project", id: missing })}
              >
                {t("project.secret.enter")}
              </Button>
            )}
          </Notice>
        )}
        {rooms.error && rooms.list.length > 0 && <p className="text-xs text-faint">{t("rooms.old")}</p>}
      </div>
      {rooms.loading && rooms.list.length === 0 && !rooms.error ? (
        <div className="mx-auto w-full max-w-[52rem] px-6" role="status" aria-label={t("rooms.loading")}>
          {[0, 1, 2, 3].map((row) => (
            <div key={row} className="flex h-[3.25rem] items-center gap-4 border-b border-line px-3">
              <div className="h-3 rounded-sm bg-card" style={{ width: `${38 - row * 6}%` }} />
              <div className="ml-auto h-3 w-10 rounded-sm bg-card" />
            </div>
          ))}
        </div>
      ) : list.length === 0 ? (
        !rooms.error && (
          <Empty
            icon={<DoorClosed />}
            title={query ? t("rooms.none.found", { query: wanted.trim() }) : t("rooms.none")}
            what={query ? t("rooms.none.found.what") : t("rooms.none.what")}
          />
        )
      ) : (
        <RoomList
          list={list}
          onOpen={(name) => open.mutate(name)}
          opening={open.isPending ? open.variables : null}
        />
      )}
    </main>
  );
}

function RulesButton() {
  const count = useStudio((snapshot) => rulesOf(snapshot).filter(inForce).length);
  const trouble = useStudio((snapshot) => rulesOf(snapshot).some((rule) => inForce(rule) && rule.trouble));
  return (
    <Button
      look="quiet"
      hotkey="A"
      data-testid="rules-button"
      title={t("rules.what")}
      className={trouble ? "text-look hover:text-look" : undefined}
      onClick={() => openDialog({ name: "settings", tab: "automatic" })}
    >
      {trouble ? <TriangleAlert /> : <CircleDotDashed />}
      {t("auto")}
      {count > 0 && <span className={trouble ? undefined : "text-faint"}>{count}</span>}
    </Button>
  );
}

function RoomList({
  list,
  onOpen,
  opening,
}: {
  list: RoomSummary[];
  onOpen: (name: string) => void;
  opening: string | null;
}) {
  const scroller = useRef<HTMLDivElement>(null);
  const scale = useFontScale();
  const rows = useVirtualizer({
    count: list.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW * scale,
    overscan: 8,
  });
  const now = Date.now();
  const onAir = useStudio(useShallow(roomsOnAir));
  const rules = useStudio(useShallow(rulesOf));
  return (
    <div ref={scroller} className="min-h-0 flex-1 overflow-y-auto pb-8">
      <ul className="relative mx-auto w-full max-w-[52rem]" style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map((row) => {
          const room = list[row.index];
          if (!room) return null;
          return (
            <li
              key={room.sid || room.name}
              className="absolute inset-x-0 px-6"
              style={{ height: row.size, transform: `translateY(${row.start}px)` }}
            >
              <button
                type="button"
                data-testid="room"
                data-room={room.name}
                onClick={() => onOpen(room.name)}
                aria-busy={opening === room.name}
                className="group flex size-full items-center gap-5 border-b border-line px-3 text-left transition-colors hover:bg-panel focus-visible:-outline-offset-2"
              >
                <span className="flex min-w-0 flex-1 items-baseline gap-3">
                  <span dir="auto" className="truncate text-base font-medium">
                    {room.name}
                  </span>
                  {onAir.includes(room.name) ? (
                    <OnAir />
                  ) : (
                    room.active_recording && (
                      <span className="shrink-0 text-xs text-faint">{t("rooms.recorder")}</span>
                    )
                  )}
                  {isByItself(room.name, rules) && (
                    <span
                      data-testid="by-itself"
                      className="flex shrink-0 items-center gap-1 self-center text-xs text-faint"
                    >
                      <CircleDotDashed className="size-3.5" aria-hidden />
                      {t("auto.byItself")}
                    </span>
                  )}
                </span>
                <span className="w-28 text-right text-xs text-faint">
                  {t("rooms.since", { at: moment(room.created_at_ms, now) })}
                </span>
                <span
                  className={
                    room.num_participants > 0
                      ? "flex w-14 items-center justify-end gap-1.5 text-ink"
                      : "flex w-14 items-center justify-end gap-1.5 text-faint"
                  }
                >
                  <Users className="size-4 text-faint" aria-hidden />
                  <span data-testid="room-people">{room.num_participants}</span>
                  <span className="sr-only">{t("people")}</span>
                </span>
                {opening === room.name ? (
                  <LoaderCircle className="size-4 motion-safe:animate-spin" aria-hidden />
                ) : (
                  <ChevronRight className="size-4 text-faint group-hover:text-ink" aria-hidden />
                )}
              </button>
            </li>
          );
        })}
      </ul>
    </div>
  );
}
