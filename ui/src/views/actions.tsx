// Every action by name, with its key: the palette lists them, the keyboard reaches them.

import {
  Circle,
  CloudUpload,
  DoorOpen,
  FolderOpen,
  Globe,
  HardDriveUpload,
  History,
  LayoutGrid,
  LayoutTemplate,
  LogIn,
  LogOut,
  type LucideIcon,
  Pencil,
  Plus,
  Power,
  RotateCw,
  ScreenShare,
  Settings,
  Square,
  Trash2,
  User,
} from "lucide-react";
import { asApiError } from "@/backend/backend";
import { useBackend } from "@/backend/index";
import type { EgressId, Snapshot } from "@/backend/types";
import {
  followScreenShare,
  goTo,
  openDialog,
  pickPage,
  pickPerson,
  pickRoom,
  requestOf,
  useDesk,
} from "@/store/desk";
import { elsewhereFor } from "@/store/elsewhere";
import { askToStop } from "@/store/hold";
import { inOrder, isOver, nameOf, runningJobs } from "@/store/select";
import { liveOf, type Standing, standingOf } from "@/store/standing";
import { studioNow } from "@/store/studio";
import { chooseLayout, layoutOf } from "@/store/wish";
import { t } from "@/words";
import { roomActions } from "./auto/actions";
import { elsewhereActions } from "./elsewhere/actions";
import { liveActions } from "./live/actions";
import { pathOf } from "./outputs/job-figures";
import { useRecord } from "./outputs/record-button";
import { useQuit } from "./quit";
import { tellError } from "./tell";

export interface Action {
  id: string;
  title: string;
  group: "record" | "live" | "layouts" | "people" | "rooms" | "projects" | "window" | "stop";
  icon: LucideIcon;
  key?: string;
  run: () => void;
}

/** The job that the Stop key is about: the one that is looked at, or the only one there is. */
export function jobToStop(snapshot: Snapshot): { egress_id: EgressId; elsewhere: boolean } | null {
  const { job, elsewhere } = standingNow(snapshot);
  if (job) return { egress_id: job.egress_id, elsewhere: false };
  if (elsewhere?.job) return { egress_id: elsewhere.job.egress_id, elsewhere: true };
  const [only, another] = runningJobs(snapshot);
  return only && !another ? { egress_id: only.egress_id, elsewhere: false } : null;
}

function standingNow(snapshot: Snapshot): Standing {
  const desk = useDesk.getState();
  const request = requestOf(desk, snapshot);
  return standingOf(request, snapshot.jobs, elsewhereFor(desk, snapshot, request));
}

/** The actions that make sense now, made when asked for. */
export function useActions(): () => Action[] {
  const backend = useBackend();
  const record = useRecord();
  const quit = useQuit();
  const attempt = (call: Promise<unknown>) => call.catch((thrown: unknown) => tellError(asApiError(thrown)));

  return () => {
    const snapshot = studioNow();
    if (!snapshot) return [];
    const desk = useDesk.getState();
    const actions: Action[] = [];
    const add = (action: Action) => actions.push(action);
    const { room, projects } = snapshot;

    const standing = standingNow(snapshot);
    if (standing.request && !standing.job && !standing.elsewhere?.job)
      add({
        id: "record",
        title: t(standing.elsewhere ? "elsewhere.record" : "record"),
        group: "record",
        icon: Circle,
        key: "R",
        run: () => record.mutate(standing),
      });
    if (desk.pick?.kind === "person") {
      const on = desk.pick.followScreenShare;
      if (!standing.job)
        add({
          id: "follow",
          title: on ? t("action.follow.off") : t("action.follow.on"),
          group: "record",
          icon: ScreenShare,
          key: "F",
          run: () => followScreenShare(!on),
        });
    }
    actions.push(...liveActions(backend, snapshot, standing, attempt));
    actions.push(...elsewhereActions(backend, snapshot, attempt));
    const last = snapshot.jobs.find((job) => isOver(job) && pathOf(job));
    const lastOutput = last?.outputs.find((output) => output.result?.path);
    if (last && lastOutput)
      add({
        id: "last-folder",
        title: t("action.lastFolder"),
        group: "record",
        icon: FolderOpen,
        key: "O",
        run: () => attempt(backend.openFolder(last.egress_id, lastOutput.id)),
      });

    if (room)
      add({
        id: "whole-room",
        title: t("action.wholeRoom"),
        group: "record",
        icon: LayoutGrid,
        key: "0",
        run: () => {
          goTo("room");
          pickRoom();
        },
      });
    if (projects.current !== null)
      add({
        id: "web-page",
        title: t("action.webPage"),
        group: "record",
        icon: Globe,
        key: "W",
        run: () => {
          goTo("room");
          pickPage();
        },
      });
    // A template of the operator's own has layouts of its own.
    const ours = (desk.pick?.kind === "room" ? desk.pick : desk.lastRoom).baseUrl === null;
    if (room && ours) {
      const whole = snapshot.layouts.filter((layout) => !layout.broken);
      const show = (name: string) => {
        goTo("room");
        pickRoom();
        chooseLayout(backend, name, tellError);
      };
      for (const layout of whole)
        add({
          id: `layout:${layout.name}`,
          title: t("action.layout", { title: layout.title }),
          group: "layouts",
          icon: LayoutTemplate,
          run: () => show(layout.name),
        });
      if (desk.pick?.kind === "room" && whole.length > 1) {
        const now = layoutOf(liveOf(standing)) ?? desk.pick.layout;
        const at = whole.findIndex((layout) => layout.name === now);
        const beside = (step: number) =>
          whole.at((at < 0 && step < 0 ? 0 : at + step + whole.length) % whole.length);
        const [before, after] = [beside(-1), beside(1)];
        if (before && after) {
          add({
            id: "layout-before",
            title: t("action.layout.before", { title: before.title }),
            group: "layouts",
            icon: LayoutTemplate,
            key: "[",
            run: () => show(before.name),
          });
          add({
            id: "layout-after",
            title: t("action.layout.after", { title: after.title }),
            group: "layouts",
            icon: LayoutTemplate,
            key: "]",
            run: () => show(after.name),
          });
        }
      }
    }
    room?.roster.participants.forEach((person, index) => {
      add({
        id: `person:${person.identity}`,
        title: t("action.person", { name: nameOf(person) }),
        group: "people",
        icon: User,
        key: index < 9 ? String(index + 1) : undefined,
        run: () => {
          goTo("room");
          pickPerson(person.identity);
        },
      });
    });

    actions.push(...roomActions(snapshot));
    if (room)
      add({
        id: "rooms",
        title: t("rooms.all"),
        group: "rooms",
        icon: DoorOpen,
        key: "G",
        run: () => {
          goTo("room");
          attempt(backend.closeRoom());
        },
      });
    for (const one of inOrder(snapshot.rooms.list))
      if (one.name !== room?.name)
        add({
          id: `room:${one.name}`,
          title: t("action.room", { name: one.name }),
          group: "rooms",
          icon: LogIn,
          run: () => {
            goTo("room");
            attempt(backend.openRoom(one.name));
          },
        });

    for (const project of projects.list)
      if (project.id !== projects.current)
        add({
          id: `project:${project.id}`,
          title: t("action.project", { name: project.name }),
          group: "projects",
          icon: LogIn,
          run: () =>
            project.secret === "missing"
              ? openDialog({ name: "edit-project", id: project.id })
              : attempt(backend.selectProject(project.id)),
        });
    add({
      id: "add-project",
      title: t("project.new"),
      group: "projects",
      icon: Plus,
      run: () => openDialog({ name: "add-project" }),
    });
    const { current } = projects;
    if (current) {
      add({
        id: "edit-project",
        title: t("project.edit.this"),
        group: "projects",
        icon: Pencil,
        run: () => openDialog({ name: "edit-project", id: current }),
      });
      add({
        id: "close-project",
        title: t("project.close"),
        group: "projects",
        icon: LogOut,
        run: () => attempt(backend.selectProject(null)),
      });
      add({
        id: "forget-project",
        title: t("project.forget.this"),
        group: "projects",
        icon: Trash2,
        run: () => openDialog({ name: "forget-project", id: current }),
      });
    }

    add({
      id: "history",
      title: t("history"),
      group: "window",
      icon: History,
      key: "H",
      run: () => goTo(useDesk.getState().page === "history" ? "room" : "history"),
    });
    add({
      id: "uploads",
      title: t("uploads"),
      group: "window",
      icon: CloudUpload,
      key: "U",
      run: () => goTo(useDesk.getState().page === "uploads" ? "room" : "uploads"),
    });
    if (snapshot.uploads.some((upload) => upload.state.kind === "waiting"))
      add({
        id: "retry-uploads",
        title: t("action.uploads.all"),
        group: "window",
        icon: RotateCw,
        run: () => attempt(backend.retryUpload(null)),
      });
    add({
      id: "add-storage",
      title: t("storage.new"),
      group: "window",
      icon: HardDriveUpload,
      run: () => openDialog({ name: "settings", tab: "uploads", storage: "new" }),
    });
    add({
      id: "settings",
      title: t("settings"),
      group: "window",
      icon: Settings,
      key: "Ctrl ,",
      run: () => openDialog({ name: "settings" }),
    });
    add({ id: "quit", title: t("action.quit"), group: "window", icon: Power, key: "Ctrl Q", run: quit });

    for (const job of runningJobs(snapshot))
      add({
        id: `stop:${job.egress_id}`,
        title: t("action.stop", { title: job.title }),
        group: "stop",
        icon: Square,
        run: () => askToStop(job.egress_id, (id) => attempt(backend.stop(id))),
      });
    return actions;
  };
}
