// What would be recorded, or is. Names for tests: [data-testid=program] with [data-state=empty|preparing|ready|
// recording|finishing|elsewhere]; [data-testid=program-state] has it in words.

import { Globe, ImageOff, LoaderCircle, Radio, Speech, Unplug, Users } from "lucide-react";
import type { ElsewhereJob, OpenRoom, PageState, RecordRequest } from "@/backend/types";
import { Empty } from "@/kit/empty";
import { Key } from "@/kit/key";
import { Meter } from "@/kit/meter";
import { TrackPicture } from "@/kit/picture";
import { cx } from "@/lib/cx";
import { timecode } from "@/lib/format";
import { useDesk } from "@/store/desk";
import { airOf } from "@/store/live";
import {
  findPerson,
  findTrack,
  headcount,
  isJoining,
  isPageSource,
  isRecording,
  nameOf,
  sourceTracks,
  tracksNow,
} from "@/store/select";
import { liveOf, type Standing } from "@/store/standing";
import { useStudio } from "@/store/studio";
import { waitsFor } from "@/store/waits";
import { t } from "@/words";
import { elapsedOf } from "../outputs/job-figures";
import { PageStage } from "./page-stage";
import { PortraitHint } from "./portrait-hint";
import { useFailure } from "./standing";

/** Width by height of the picture that the request makes. */
function shapeOf(request: RecordRequest, width: number, height: number): number {
  const { format } = request;
  if (format.type === "preset") return format.preset.startsWith("PORTRAIT") ? 9 / 16 : 16 / 9;
  if (format.type === "advanced") return (format.options.width || 1280) / (format.options.height || 720);
  return width > 0 && height > 0 ? width / height : 16 / 9;
}

export function Program({ standing }: { standing: Standing }) {
  const room = useStudio((snapshot) => snapshot.room);
  const kind = useDesk(({ pick }) => pick?.kind);
  const { state, request } = standing;
  return (
    <section
      aria-label={t("program")}
      data-testid="program"
      data-state={state}
      className="relative flex min-h-0 flex-1 flex-col p-3"
    >
      {request ? (
        <Stage room={room} request={request} standing={standing} />
      ) : kind === "page" || kind === "room" ? (
        <div className="flex min-h-0 flex-1 rounded-md border border-dashed border-line">
          <Empty icon={<Globe />} title={t("program.address")} what={t("program.address.what")} />
        </div>
      ) : (
        <NothingChosen people={headcount(room)} joining={isJoining(room)} />
      )}
    </section>
  );
}

function NothingChosen({ people, joining }: { people: number | null; joining: boolean }) {
  return (
    <div className="flex min-h-0 flex-1 rounded-md border border-dashed border-line">
      {joining ? (
        <Empty
          icon={<LoaderCircle className="motion-safe:animate-spin" />}
          title={t("room.joining")}
          what={t("room.joining.what")}
        />
      ) : people === null ? (
        <Empty icon={<Unplug />} title={t("program.unknown")} what={t("program.unknown.what")} />
      ) : people === 0 ? (
        <Empty icon={<Users />} title={t("program.nobody")} what={t("program.nobody.what")} />
      ) : (
        <Empty icon={<Radio />} title={t("program.choose")} what={t("program.choose.what")}>
          <p className="mt-2 flex flex-wrap items-center justify-center gap-1.5 text-xs text-faint">
            <Key>1</Key> – <Key>9</Key> {t("program.choose.keys")}
            <span className="ml-3 flex items-center gap-1.5">
              <Key>0</Key> {t("program.choose.room")}
            </span>
          </p>
        </Empty>
      )}
    </div>
  );
}

function Stage({
  room,
  request,
  standing,
}: {
  room: OpenRoom | null;
  request: RecordRequest;
  standing: Standing;
}) {
  const { state } = standing;
  const failure = useFailure(standing);
  const live = liveOf(standing);
  // What is on is not as what is to come next: its shape is that of its own request.
  const shaped = standing.job && isPageSource(request.source) ? standing.job.request : request;
  const { video, audio } = tracksNow(room, request.source);
  const shape = shapeOf(shaped, video?.width ?? 0, video?.height ?? 0);
  const soundOnly = request.source.type !== "participant" && video === null && audio.length > 0;
  return (
    <div className="@container-size relative flex min-h-0 flex-1 items-center justify-center pt-10">
      <div className="relative" style={{ aspectRatio: shape, width: `min(100cqw, calc(100cqh * ${shape}))` }}>
        {/* Above the picture: all of that is recorded, and nothing may cover it. */}
        <div className="absolute bottom-full left-0 mb-2 flex h-8 w-[max(100%,20rem)] items-center gap-3">
          <StateSign
            state={state}
            id={standing.job?.egress_id ?? null}
            page={live?.page ?? null}
            failed={failure !== null}
            away={standing.elsewhere?.job ?? null}
          />
          <PortraitHint standing={standing} />
        </div>
        <div
          className={cx(
            "relative size-full overflow-hidden rounded-sm bg-night outline-2 outline-offset-0 transition-colors",
            state === "recording" && (!standing.job || isRecording(standing.job))
              ? "outline-tally-ink"
              : state === "ready"
                ? "outline-ready/70"
                : "outline-line",
          )}
        >
          {isPageSource(shaped.source) ? (
            <PageStage room={room} source={shaped.source} live={live} failure={failure} />
          ) : video && !video.muted ? (
            <TrackPicture
              key={video.sid}
              track={video.sid}
              label={t("program.picture")}
              className="object-contain"
            />
          ) : (
            <div className="flex size-full flex-col items-center justify-center gap-2 text-soft">
              {soundOnly ? (
                <Speech className="size-8 stroke-[1.5] text-faint" aria-hidden />
              ) : (
                <ImageOff className="size-8 stroke-[1.5] text-faint" aria-hidden />
              )}
              {soundOnly && <Meter tracks={audio.map((track) => track.sid)} className="my-2 h-4 w-2/3" />}
              <p className="px-6 text-center">
                {soundOnly ? t("program.soundOnly") : whyBlack(room, request)}
              </p>
            </div>
          )}
        </div>
      </div>
    </div>
  );
}

/** Why there is no picture, in words: black is recorded meanwhile. */
function whyBlack(room: OpenRoom | null, request: RecordRequest): string {
  const { source } = request;
  // Who is not seen may well be there: this is about our view of the room, not about theirs.
  if (isJoining(room)) return t("room.joining");
  if (headcount(room) === null) return t("program.unseen");
  if (source.type === "participant") {
    const person = findPerson(room, source.identity);
    if (!person) return t("program.personGone");
    return t("program.cameraOff", { name: nameOf(person) });
  }
  const [id] = sourceTracks(source);
  if (id && !findTrack(room, id)) return t("program.trackGone");
  return t("program.trackMuted");
}

function StateSign({
  state,
  id,
  page,
  failed,
  away,
}: {
  state: Standing["state"];
  /** The job that records it. */
  id: string | null;
  page: PageState | null;
  failed: boolean;
  /** The job of LiveKit's that records it. */
  away: ElsewhereJob | null;
}) {
  const job = useStudio((snapshot) => snapshot.jobs.find((one) => one.egress_id === id) ?? null);
  const waits = useStudio((snapshot) => waitsFor(job, snapshot.room));
  const air = job && airOf(job);
  if (state === "recording" && job && !isRecording(job)) {
    // It streams and does nothing else, and no server takes it at the moment.
    return (
      <div
        data-testid="program-state"
        className="flex shrink-0 items-center gap-2 px-0.5 font-medium text-look"
      >
        <span className="size-2 rounded-full border border-current" aria-hidden />
        {t("state.notLive")}
      </div>
    );
  }
  if (state === "recording") {
    return (
      <div
        data-testid="program-state"
        className="flex h-8 shrink-0 items-center gap-2.5 rounded-md bg-tally px-3 text-white"
      >
        <span className="size-2.5 rounded-full bg-white" aria-hidden />
        <span className="text-base font-semibold">
          {t(!air || air.live === 0 ? "state.recording" : air.records ? "state.both" : "state.live")}
        </span>
        <span className="text-base font-semibold tabular-nums">{timecode(elapsedOf(job))}</span>
      </div>
    );
  }
  const look = state === "ready" ? "text-ready" : state === "preparing" && failed ? "text-look" : "text-soft";
  return (
    <div
      data-testid="program-state"
      className={cx("flex shrink-0 items-center gap-2 px-0.5 font-medium", look)}
    >
      <span
        className={cx(
          "size-2 rounded-full",
          state === "ready" ? "bg-ready" : "border border-current",
          away?.status === "active" && "bg-current",
        )}
        aria-hidden
      />
      {state === "elsewhere"
        ? t(away ? "elsewhere.state.on" : "elsewhere.state")
        : state === "ready"
          ? t("state.ready")
          : state === "finishing"
            ? t("state.finishing")
            : page === "waiting"
              ? t("state.waiting")
              : state === "starting"
                ? waits && job
                  ? t(`state.waiting.${waits}`, { name: job.title })
                  : t("state.starting")
                : failed
                  ? t("state.notReady")
                  : t("state.preparing")}
    </div>
  );
}
