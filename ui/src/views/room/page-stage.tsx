// The program of what Chromium draws: the page itself, live from the job that shows it, and what it waits for. Names for
// tests: [data-testid=page-state][data-page=starting|loading|waiting|reloading|failed], buttons "Start anyway" and "Try again".

import { AudioLines, Hourglass, LoaderCircle, RefreshCw } from "lucide-react";
import type { ReactNode } from "react";
import type { ApiError, Job, OpenRoom } from "@/backend/types";
import { Button } from "@/kit/button";
import { Meter } from "@/kit/meter";
import { Notice } from "@/kit/notice";
import { TrackPicture } from "@/kit/picture";
import { useCommand } from "@/lib/commands";
import { type PageSource, PROGRAM } from "@/store/select";
import { t, type WordId } from "@/words";

/** Why there is no page, and what tries it once again. */
interface Failure {
  error: ApiError;
  again: () => void;
}

/** A page, and the state that it is in. */
interface Shown {
  room: OpenRoom | null;
  source: PageSource;
  /** The job that shows it. */
  live: Job | null;
  /** Why it cannot be made ready, if so. */
  failure: Failure | null;
}

export function PageStage({ room, source, live, failure }: Shown) {
  const page = live?.page ?? null;
  const shown = page !== null && page !== "starting";
  const silent = source.parts === "sound";
  // The room's sound alone is mixed without a page.
  const withoutPage = silent && source.type === "room_composite" && source.base_url === null;
  return (
    <>
      {shown && !silent && live && (
        <TrackPicture
          key={live.egress_id}
          track={live.egress_id}
          label={t("program.picture")}
          className="object-contain"
          apart
        />
      )}
      {silent && (shown || withoutPage) && (
        <div className="flex size-full flex-col items-center justify-center gap-2 text-soft">
          <AudioLines className="size-8 stroke-[1.5] text-faint" aria-hidden />
          <ProgramMeter room={room} live={live} className="my-2 h-4 w-2/3" />
          <p>{t("program.soundOnly")}</p>
        </div>
      )}
      {!withoutPage && <Over room={room} source={source} live={live} failure={failure} />}
    </>
  );
}

/** The sound of the program, as the job has it; before that, all that is heard in the room. */
export function ProgramMeter({
  room,
  live,
  className,
}: {
  room: OpenRoom | null;
  live: Job | null;
  className?: string;
}) {
  if (live?.page) return <Meter tracks={[PROGRAM]} egressId={live.egress_id} className={className} />;
  const sounds = (room?.roster.participants ?? []).flatMap(({ tracks }) =>
    tracks.filter((track) => track.kind === "audio").map((track) => track.sid),
  );
  return <Meter tracks={sounds} className={className} />;
}

function Over({ room, source, live, failure }: Shown) {
  const page = live?.page ?? "starting";
  const recorded = live !== null && !live.preview;
  // Why the last try came to nothing.
  const trouble = live?.warnings.at(-1);
  switch (page) {
    case "on":
      return null;
    case "starting":
    case "loading":
      if (failure)
        return (
          <Quiet page="failed">
            <Trouble error={failure.error}>
              <Button look="outline" size="sm" onClick={failure.again}>
                {t("again")}
              </Button>
            </Trouble>
          </Quiet>
        );
      return (
        <Quiet page={page} icon={!trouble && <LoaderCircle className="motion-safe:animate-spin" />}>
          {trouble ? <Trouble error={trouble} /> : t(`page.${page}`)}
          {trouble && (
            <p className="mt-2 flex items-center gap-2 text-xs text-soft">
              <LoaderCircle className="size-3 motion-safe:animate-spin" aria-hidden />
              {t("page.again")}
            </p>
          )}
        </Quiet>
      );
    case "waiting":
      // Usual in a room with people, and short: nothing to decide about.
      if (source.type !== "web" && whyWaiting(room) === "page.waiting.soon")
        return (
          <Quiet page={page} icon={<LoaderCircle className="motion-safe:animate-spin" />}>
            {t("page.waiting.soon")}
            {live && (
              <div className="appear-late mt-3">
                <StartAnyway id={live.egress_id} />
              </div>
            )}
          </Quiet>
        );
      return (
        <Panel
          page={page}
          icon={<Hourglass className="text-soft" />}
          title={t(source.type === "web" ? "page.waiting.page" : "page.waiting")}
          what={[
            t(source.type === "web" ? "page.waiting.signal" : whyWaiting(room)),
            t(recorded ? "page.waiting.recorded" : "page.waiting.anyway"),
          ]}
        >
          {live && <StartAnyway id={live.egress_id} />}
        </Panel>
      );
    case "reloading":
      return (
        <Panel
          page={page}
          icon={<RefreshCw className="text-look" />}
          title={t("page.reloading")}
          what={[t(recorded ? "page.reloading.recorded" : "page.reloading.preview")]}
          look
        />
      );
  }
}

/** Why nothing begins, as far as it shows from the room. */
export function whyWaiting(room: OpenRoom | null): WordId {
  const people = room?.roster.participants.filter((person) => person.kind !== "egress") ?? [];
  const tracks = people.flatMap((person) => person.tracks);
  if (room?.connection !== "connected" && people.length === 0) return "page.waiting.unknown";
  if (people.length === 0) return "page.waiting.nobody";
  if (tracks.length === 0) return "page.waiting.nothing";
  if (tracks.every((track) => track.encrypted)) return "page.waiting.encrypted";
  if (tracks.every((track) => track.muted || track.encrypted)) return "page.waiting.muted";
  return "page.waiting.soon";
}

function StartAnyway({ id }: { id: string }) {
  const start = useCommand((backend, egressId: string) => backend.startAnyway(egressId));
  return (
    <Button look="outline" disabled={start.isPending} onClick={() => start.mutate(id)}>
      {t("page.waiting.start")}
    </Button>
  );
}

/** What went wrong, where the picture would be. */
function Trouble({ error, children }: { error: ApiError; children?: ReactNode }) {
  return (
    <div className="w-full max-w-[26rem] text-left">
      <Notice error={error}>{children}</Notice>
    </div>
  );
}

/** In place of a picture that is not there yet. */
function Quiet({ page, icon, children }: { page: string; icon?: ReactNode; children: ReactNode }) {
  return (
    <div
      role="status"
      data-testid="page-state"
      data-page={page}
      className="absolute inset-0 flex flex-col items-center justify-center gap-2 overflow-hidden bg-night px-6 text-center text-soft"
    >
      {icon && (
        <span className="[&_svg]:size-8 [&_svg]:stroke-[1.5] [&_svg]:text-faint" aria-hidden>
          {icon}
        </span>
      )}
      <div className="flex w-full flex-col items-center">{children}</div>
    </div>
  );
}

/** Over the picture, which stays in sight. */
function Panel({
  page,
  icon,
  title,
  what,
  look,
  children,
}: {
  page: string;
  icon: ReactNode;
  title: string;
  what: string[];
  look?: boolean;
  children?: ReactNode;
}) {
  return (
    <div
      role="status"
      data-testid="page-state"
      data-page={page}
      className="absolute inset-0 flex items-center justify-center bg-night/70 p-4"
    >
      <div
        className={
          look
            ? "appear w-full max-w-[24rem] rounded-md border border-look/40 bg-look-dim p-4"
            : "appear w-full max-w-[24rem] rounded-md border border-line bg-panel p-4"
        }
      >
        <p
          className={
            look
              ? "flex items-center gap-2 text-base font-medium text-look"
              : "flex items-center gap-2 text-base font-medium"
          }
        >
          <span className="[&_svg]:size-4" aria-hidden>
            {icon}
          </span>
          {title}
        </p>
        {what.map((line) => (
          <p key={line} className="mt-1 text-soft">
            {line}
          </p>
        ))}
        {children && <div className="mt-3">{children}</div>}
      </div>
    </div>
  );
}
