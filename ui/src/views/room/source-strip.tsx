// Under the program: what exactly is taken, with its sound. Names for tests: checkbox "Follow screen share",
// button "Choose nothing".

import { ScreenShare } from "lucide-react";
import type { OpenRoom, RecordRequest } from "@/backend/types";
import { Checkbox } from "@/kit/checkbox";
import { Key } from "@/kit/key";
import { Meter } from "@/kit/meter";
import { bitrate } from "@/lib/format";
import { followScreenShare, type Pick, useDesk } from "@/store/desk";
import { findPerson, findTrack, lossOf, nameOf, sourceTracks, tracksNow } from "@/store/select";
import type { Standing } from "@/store/standing";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { ChooseNothing } from "./choose-nothing";
import { PageStrip, RoomStrip } from "./page-strips";
import { trackFacts, trackTitle } from "./track-words";

export function SourceStrip({ standing }: { standing: Standing }) {
  const room = useStudio((snapshot) => snapshot.room);
  const pick = useDesk((desk) => desk.pick);
  if (!pick || (!room && pick.kind !== "page")) return null;
  return (
    <section aria-label={t("source")} className="@container shrink-0 border-t border-line bg-panel px-4 py-3">
      {pick.kind === "page" ? (
        <PageStrip standing={standing} room={room} pick={pick} />
      ) : pick.kind === "room" ? (
        room && <RoomStrip standing={standing} room={room} pick={pick} />
      ) : (
        room &&
        standing.request && (
          <TracksStrip standing={standing} request={standing.request} room={room} pick={pick} />
        )
      )}
    </section>
  );
}

function TracksStrip({
  standing: { job },
  request,
  room,
  pick,
}: {
  standing: Standing;
  request: RecordRequest;
  room: OpenRoom;
  pick: Pick;
}) {
  const { video, audio } = tracksNow(room, request.source);
  const running = job !== null;
  const follows =
    running && job.request.source.type === "participant"
      ? job.request.source.follow_screen_share
      : pick.kind === "person" && pick.followScreenShare;
  return (
    <>
      <div className="flex min-h-8 items-center gap-4">
        <p className="min-w-0 flex-1 truncate text-left text-base font-semibold" dir="auto">
          {job?.title ?? titleOf(request, room)}
        </p>
        {pick.kind === "person" && (
          <span className="flex items-center gap-2">
            <Checkbox checked={follows} onChange={followScreenShare} disabled={running}>
              <span className="flex items-center gap-1.5">
                <ScreenShare className="size-4 text-faint" aria-hidden />
                {t("source.follow")}
              </span>
            </Checkbox>
            {!running && <Key>F</Key>}
          </span>
        )}
        <ChooseNothing />
      </div>
      <p className="text-xs text-soft">{t(`takes.${kindOf(request, follows)}`)}</p>
      <ul className="mt-2 grid gap-x-6 gap-y-2 [grid-template-columns:repeat(auto-fit,minmax(12rem,1fr))]">
        {[...(video ? [video] : []), ...audio].map((track) => (
          <TrackStrip key={track.sid} id={track.sid} />
        ))}
        {audio.length === 0 && room.connection === "connected" && request.source.type === "participant" && (
          <li className="self-center text-xs text-faint">{t("source.silent")}</li>
        )}
      </ul>
    </>
  );
}

function kindOf(request: RecordRequest, follows: boolean) {
  const { source } = request;
  if (source.type === "participant") return follows ? "personFollow" : "person";
  if (source.type !== "track_composite") return "track";
  if (source.video_track_id && source.audio_track_id) return "pair";
  return source.video_track_id ? "picture" : "sound";
}

/** By identity: who has left is still called by their name. */
const lastNames = new Map<string, string>();

function titleOf(request: RecordRequest, room: Parameters<typeof findPerson>[0]): string {
  const { source } = request;
  if (source.type === "participant") {
    const person = findPerson(room, source.identity);
    if (person) lastNames.set(source.identity, nameOf(person));
    return lastNames.get(source.identity) ?? source.identity;
  }
  const names = sourceTracks(source)
    .flatMap((id) => findTrack(room, id) ?? [])
    .map(({ person, track }) => t("track.of", { track: trackTitle(track), name: nameOf(person) }));
  return names.join(" + ") || t("program.trackGone");
}

function TrackStrip({ id }: { id: string }) {
  const track = useStudio((snapshot) => findTrack(snapshot.room, id)?.track ?? null);
  const rate = useStudio(
    (snapshot) => snapshot.room?.figures.tracks.find((track) => track.track_id === id)?.bitrate_bps ?? 0,
  );
  const loss = useStudio((snapshot) => lossOf(snapshot.room?.figures, id) ?? 0);
  if (!track) return null;
  return (
    <li className="flex min-w-0 flex-col gap-1" data-testid="strip" data-track={id}>
      <p className="flex items-baseline gap-2 text-xs">
        <span className="font-medium text-ink">{trackTitle(track)}</span>
        <span className="truncate text-faint" title={trackFacts(track)}>
          {trackFacts(track)}
        </span>
        {track.muted && <span className="text-soft">{t("track.muted")}</span>}
        <span className="ml-auto shrink-0 text-faint">{rate > 0 && bitrate(rate)}</span>
        {loss > 0.005 && (
          <span className="shrink-0 font-medium text-look">
            {t("track.loss", { percent: (loss * 100).toFixed(1) })}
          </span>
        )}
      </p>
      {track.kind === "audio" ? (
        <Meter tracks={[id]} muted={track.muted} className="h-2" />
      ) : (
        <div className="h-2" />
      )}
    </li>
  );
}
