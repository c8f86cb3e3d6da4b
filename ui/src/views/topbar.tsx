// Names for tests: buttons "Project: <name>", "Room: <name>", "Find an action", "Settings";
// [data-testid=tally] is there while something records here, [data-testid=on-livekit] while LiveKit's egress service does.

import {
  Check,
  ChevronDown,
  Cloud,
  DoorOpen,
  Settings as Gear,
  KeyRound,
  LogOut,
  Pencil,
  Plus,
  Power,
  Search,
  Trash2,
  TriangleAlert,
} from "lucide-react";
import { useShallow } from "zustand/react/shallow";
import { Button } from "@/kit/button";
import { Key } from "@/kit/key";
import { Menu, MenuItem, MenuLine } from "@/kit/menu";
import { useCommand } from "@/lib/commands";
import { cx } from "@/lib/cx";
import { bytes, timecode, timeLeft } from "@/lib/format";
import { goTo, openDialog } from "@/store/desk";
import { openElsewhere } from "@/store/elsewhere";
import { airOf } from "@/store/live";
import { headcount, inOrder, isRecording } from "@/store/select";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { Mark } from "./mark";
import { DISK_LOW_S, elapsedOf, timeLeftOf } from "./outputs/job-figures";
import { useQuit } from "./quit";

export function Topbar() {
  const recording = useStudio((snapshot) => snapshot.jobs.filter(isRecording).length);
  return (
    <header className="relative flex h-11 shrink-0 items-center gap-1 border-b border-line bg-panel pr-2 pl-3">
      {recording > 0 && <div aria-hidden className="absolute inset-x-0 top-0 h-[3px] bg-tally" />}
      <span className="mr-3 flex items-center gap-2 font-semibold">
        <Mark lit={recording > 0} className="size-5" />
        <span className="max-[70rem]:sr-only">{t("app")}</span>
      </span>
      <ProjectMenu />
      <RoomMenu />
      <span className="flex-1" />
      <OnLiveKit />
      {recording > 0 && <Tally />}
      <MachineFigures />
      <Button
        look="quiet"
        aria-label={t("palette.open")}
        title={t("palette.open")}
        hotkey="Ctrl K"
        onClick={() => openDialog({ name: "palette" })}
        className="px-2"
      >
        <Search />
      </Button>
      <Button
        look="quiet"
        aria-label={t("settings")}
        title={t("settings")}
        hotkey="Ctrl ,"
        onClick={() => openDialog({ name: "settings" })}
        className="px-2"
      >
        <Gear />
      </Button>
    </header>
  );
}

function ProjectMenu() {
  const projects = useStudio((snapshot) => snapshot.projects);
  const current = projects.list.find((project) => project.id === projects.current);
  const select = useCommand((backend, id: string | null) => backend.selectProject(id));
  const quit = useQuit();
  if (projects.list.length === 0) return null;
  return (
    <Menu
      trigger={
        <Button
          look="quiet"
          className="max-w-56 min-w-0 shrink px-2"
          aria-label={t("project.menu", { name: current?.name ?? t("project.none") })}
        >
          <span dir="auto" className="truncate text-ink">
            {current?.name ?? t("project.none")}
          </span>
          <ChevronDown className="text-faint" />
        </Button>
      }
    >
      {projects.list.map((project) => (
        <MenuItem
          key={project.id}
          icon={
            project.id === projects.current ? (
              <Check />
            ) : project.secret === "missing" ? (
              <KeyRound className="text-look" />
            ) : null
          }
          onPick={() =>
            project.secret === "missing"
              ? openDialog({ name: "edit-project", id: project.id })
              : select.mutate(project.id)
          }
        >
          <span dir="auto">{project.name}</span>
        </MenuItem>
      ))}
      <MenuLine />
      <MenuItem icon={<Plus />} onPick={() => openDialog({ name: "add-project" })}>
        {t("project.new")}
      </MenuItem>
      {current && (
        <>
          <MenuItem icon={<Pencil />} onPick={() => openDialog({ name: "edit-project", id: current.id })}>
            {t("project.edit.this")}
          </MenuItem>
          <MenuItem icon={<LogOut />} onPick={() => select.mutate(null)}>
            {t("project.close")}
          </MenuItem>
          <MenuItem icon={<Trash2 />} onPick={() => openDialog({ name: "forget-project", id: current.id })}>
            {t("project.forget.this")}
          </MenuItem>
        </>
      )}
      <MenuLine />
      <MenuItem icon={<Power />} hint={<Key>Ctrl Q</Key>} onPick={quit}>
        {t("action.quit")}
      </MenuItem>
    </Menu>
  );
}

/** So many rooms are in the menu; the rest are on the page of rooms. */
const MENU_ROOMS = 12;

function RoomMenu() {
  const room = useStudio((snapshot) => snapshot.room?.name ?? null);
  const count = useStudio((snapshot) => headcount(snapshot.room));
  const rooms = useStudio((snapshot) => snapshot.rooms.list);
  const open = useCommand((backend, name: string) => backend.openRoom(name));
  const close = useCommand((backend, _: null) => backend.closeRoom());
  if (room === null) return null;
  return (
    <>
      <span aria-hidden className="text-faint">
        /
      </span>
      <Menu
        trigger={
          <Button
            look="quiet"
            className="max-w-72 min-w-0 shrink px-2"
            aria-label={t("room.menu", { name: room })}
          >
            <span dir="auto" className="truncate text-ink">
              {room}
            </span>
            <ChevronDown className="text-faint" />
          </Button>
        }
      >
        {inOrder(rooms)
          .slice(0, MENU_ROOMS)
          .map((one) => (
            <MenuItem
              key={one.name}
              icon={one.name === room ? <Check /> : null}
              hint={one.num_participants}
              onPick={() => {
                goTo("room");
                if (one.name !== room) open.mutate(one.name);
              }}
            >
              <span dir="auto">{one.name}</span>
            </MenuItem>
          ))}
        <MenuLine />
        <MenuItem icon={<DoorOpen />} hint={<Key>G</Key>} onPick={() => close.mutate(null)}>
          {t("rooms.all")}
        </MenuItem>
      </Menu>
      {count !== null && (
        <span className="shrink-0 text-xs text-faint max-[64rem]:hidden">
          {t("room.people", { n: count })}
        </span>
      )}
    </>
  );
}

function Tally() {
  const [rec, count, longest] = useStudio(
    useShallow((snapshot) => {
      const jobs = snapshot.jobs.filter(isRecording);
      // The longest of what records; of what streams alone where nothing records.
      const records = jobs.filter((job) => airOf(job).records);
      const told = records.length > 0 ? records : jobs;
      return [records.length > 0, told.length, timecode(Math.max(0, ...told.map(elapsedOf)))] as const;
    }),
  );
  return (
    <button
      type="button"
      data-testid="tally"
      onClick={() => goTo("room")}
      className="mr-2 flex h-7 items-center gap-2 rounded-md bg-tally px-2.5 text-sm font-semibold text-white"
    >
      <span aria-hidden className="size-2 rounded-full bg-white" />
      {rec ? (count > 1 ? t("tally.several", { n: count }) : t("rec")) : t("live")}
      <span>{longest}</span>
    </button>
  );
}

/** What runs elsewhere is told, and lights nothing. */
function OnLiveKit() {
  const count = useStudio((snapshot) => openElsewhere(snapshot).length);
  if (count === 0) return null;
  return (
    <button
      type="button"
      data-testid="on-livekit"
      onClick={() => goTo("room")}
      className="mr-2 flex h-7 shrink-0 items-center gap-1.5 rounded-md px-2 text-xs text-soft hover:bg-control hover:text-ink"
    >
      <Cloud className="size-3.5" aria-hidden />
      {t("elsewhere.count", { n: count })}
    </button>
  );
}

function MachineFigures() {
  const cpu = useStudio((snapshot) => Math.round(snapshot.machine.cpu_percent));
  const free = useStudio((snapshot) => snapshot.machine.disk_free_bytes);
  const left = useStudio(timeLeftOf);
  return (
    <div className="mr-2 flex shrink-0 items-center gap-4 text-xs text-soft">
      <MachineFigure look={cpu >= 90}>{t("machine.cpu", { n: cpu })}</MachineFigure>
      {left !== null ? (
        <MachineFigure look={left < DISK_LOW_S} testid="disk">
          {t("machine.diskLeft", { left: timeLeft(left) })}
        </MachineFigure>
      ) : (
        free !== null && (
          <MachineFigure testid="disk">{t("machine.diskFree", { size: bytes(free) })}</MachineFigure>
        )
      )}
    </div>
  );
}

/** A figure in words, with a mark where it is worth a look. */
function MachineFigure({ look, testid, children }: { look?: boolean; testid?: string; children: string }) {
  return (
    <span
      className={cx("flex min-w-16 items-center gap-1.5", look && "font-semibold text-look")}
      data-testid={testid}
    >
      {look && <TriangleAlert className="size-3.5" aria-hidden />}
      {children}
    </span>
  );
}
