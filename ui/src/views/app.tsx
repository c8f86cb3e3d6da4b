import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { type CSSProperties, useEffect, useState } from "react";
import { Toaster } from "sonner";
import type { Backend } from "@/backend/backend";
import { BackendProvider } from "@/backend/index";
import { Notice } from "@/kit/notice";
import { useDesk } from "@/store/desk";
import { openElsewhere } from "@/store/elsewhere";
import { isRunning } from "@/store/select";
import { follow, useStudio, useStudioState } from "@/store/studio";
import { t } from "@/words";
import { useAnnouncements } from "./announce";
import { useForgetting } from "./history/forget";
import { HistoryView } from "./history/history";
import { useKeys } from "./keys";
import { EditDestination } from "./live/destination-form";
import { Mark } from "./mark";
import { Rail } from "./outputs/rail";
import { Palette } from "./palette";
import { QuitDialog } from "./quit";
import { RoomView } from "./room/room";
import { NewRoomDialog } from "./rooms/new-room";
import { RoomsView } from "./rooms/rooms";
import { SettingsDialog } from "./settings";
import { ProjectDialogs } from "./start/project-dialogs";
import { FirstStart, ProjectChoice } from "./start/start";
import { Statusbar } from "./statusbar";
import { Topbar } from "./topbar";
import { UploadDialog } from "./uploads/upload-dialog";
import { UploadsView } from "./uploads/uploads";

/** The window. */
export function App({ backend }: { backend: Backend }) {
  const [queries] = useState(
    () => new QueryClient({ defaultOptions: { mutations: { networkMode: "always", retry: false } } }),
  );
  useEffect(() => follow(backend), [backend]);
  return (
    <BackendProvider backend={backend}>
      <QueryClientProvider client={queries}>
        <Window />
        {/* In the column of the people, so that nothing covers the program and its sound; below a dialog. */}
        <Toaster
          position="bottom-left"
          offset={{ bottom: "2.75rem", left: "0.75rem" }}
          gap={8}
          style={{ "--width": "min(22rem, max(16rem, 19vw) - 1.5rem)", zIndex: 35 } as CSSProperties}
        />
      </QueryClientProvider>
    </BackendProvider>
  );
}

function Window() {
  const there = useStudioState((state) => state.snapshot !== null);
  const error = useStudioState((state) => state.error);
  if (!there) {
    return (
      <main className="flex h-full flex-col items-center justify-center gap-4" aria-busy={!error}>
        <Mark className="size-10 text-faint" />
        <h1 className="sr-only">{t("app")}</h1>
        {error ? <Notice error={error} className="w-96" /> : <p className="text-faint">{t("opening")}</p>}
      </main>
    );
  }
  return <Studio />;
}

function Studio() {
  useKeys();
  useAnnouncements();
  useForgetting();
  const first = useStudio((snapshot) => snapshot.projects.list.length === 0);
  const anything = useStudio((snapshot) => snapshot.jobs.some((job) => !job.preview));
  const page = useDesk((desk) => desk.page);
  const lost = useStudioState((state) => state.error);
  const bare = first && !anything;
  return (
    <div className="flex h-full flex-col">
      {!bare && <Topbar />}
      {lost && <Notice error={lost} className="m-3 mb-0" />}
      <div className="min-h-0 flex-1">
        {page === "history" ? (
          <WithJobs>
            <HistoryView />
          </WithJobs>
        ) : page === "uploads" ? (
          <WithJobs>
            <UploadsView />
          </WithJobs>
        ) : (
          <Page />
        )}
      </div>
      {!bare && <Statusbar />}
      <Palette />
      <SettingsDialog />
      <NewRoomDialog />
      <EditDestination />
      <UploadDialog />
      <ProjectDialogs />
      <QuitDialog />
    </div>
  );
}

function Page() {
  const first = useStudio((snapshot) => snapshot.projects.list.length === 0);
  const open = useStudio((snapshot) => snapshot.projects.current !== null);
  const room = useStudio((snapshot) => snapshot.room?.name ?? null);
  const page = useDesk(({ pick }) => pick?.kind === "page");
  if (first)
    return (
      <WithJobs>
        <FirstStart />
      </WithJobs>
    );
  if (!open)
    return (
      <WithJobs>
        <ProjectChoice />
      </WithJobs>
    );
  if (room === null && !page)
    return (
      <WithJobs>
        <RoomsView />
      </WithJobs>
    );
  return <RoomView key={room ?? ""} />;
}

/** What runs stays in sight, whatever page is open. */
function WithJobs({ children }: { children: React.ReactNode }) {
  const some = useStudio((snapshot) => snapshot.jobs.some(isRunning) || openElsewhere(snapshot).length > 0);
  if (!some) return <div className="flex h-full flex-col">{children}</div>;
  return (
    <div className="grid h-full min-h-0 grid-cols-[minmax(0,1fr)_minmax(19rem,20vw)]">
      <div className="flex min-h-0 min-w-0 flex-col">{children}</div>
      <Rail standing={null} />
    </div>
  );
}
