// Who is in the room. Names for tests: one [data-testid=person][data-identity] per person, in it a button with the
// person's name that chooses them (aria-pressed), "Tracks of <name>" that unfolds their tracks, and then one
// checkbox per track, "<Camera|Microphone|…> of <name>"; search "Find a person".

import { useVirtualizer } from "@tanstack/react-virtual";
import {
  AudioLines,
  Bot,
  Cable,
  ChevronDown,
  ChevronRight,
  DoorClosed,
  Search as Glass,
  Import,
  LockKeyhole,
  Mic,
  MicOff,
  MonitorUp,
  Phone,
  TriangleAlert,
  Unplug,
  UserRoundX,
  Video,
  VideoOff,
  Waypoints,
} from "lucide-react";
import { useDeferredValue, useMemo, useRef, useState } from "react";
import { useShallow } from "zustand/react/shallow";
import type { Participant, ParticipantKind, Track, TrackId } from "@/backend/types";
import { Button } from "@/kit/button";
import { Checkbox } from "@/kit/checkbox";
import { Empty } from "@/kit/empty";
import { Key } from "@/kit/key";
import { Meter } from "@/kit/meter";
import { TrackPicture } from "@/kit/picture";
import { Search } from "@/kit/search";
import { cx } from "@/lib/cx";
import { initials, moment } from "@/lib/format";
import { useFontScale } from "@/lib/scale";
import { pickNothing, pickPerson, pickTrack, useDesk } from "@/store/desk";
import { headcount, isJoining, nameOf, onAirOf } from "@/store/select";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { OnAir } from "../on-air";
import { Sources } from "./sources";
import { trackFacts, trackTitle } from "./track-words";

/** Up to so many people get large pictures; more get rows, so that many are seen at once. */
const LARGE_UP_TO = 5;
/** From so many on there is a search. */
const SEARCH_FROM = 9;

export function People() {
  const room = useStudio((snapshot) => snapshot.room);
  const people = useMemo(() => room?.roster.participants ?? [], [room?.roster.participants]);
  const [wanted, setWanted] = useState("");
  const query = useDeferredValue(wanted.trim().toLocaleLowerCase());
  const found = useMemo(
    () =>
      query
        ? people.filter((person) => `${person.name}\n${person.identity}`.toLocaleLowerCase().includes(query))
        : people,
    [people, query],
  );
  const places = useMemo(() => new Map(people.map((person, i) => [person.identity, i])), [people]);
  return (
    <section aria-label={t("people")} className="flex min-h-0 flex-col border-r border-line bg-panel">
      <Sources room={room !== null} />
      <div className="flex h-9 shrink-0 items-center justify-between px-3">
        <h2 className="label-caps">{t("people")}</h2>
        <span className="text-xs text-faint" data-testid="people-count">
          {headcount(room)}
        </span>
      </div>
      {people.length >= SEARCH_FROM && (
        <Search label={t("people.find")} value={wanted} onChange={setWanted} className="mx-3 mb-2" />
      )}
      {people.length === 0 ? (
        room === null ? (
          <Empty icon={<DoorClosed />} title={t("people.noRoom")} what={t("people.noRoom.what")}>
            <Button look="outline" className="mt-2" onClick={pickNothing}>
              {t("rooms.all")}
            </Button>
          </Empty>
        ) : isJoining(room) ? (
          <div className="flex flex-col gap-2 px-3" role="status" aria-label={t("room.joining")}>
            {[0, 1, 2].map((row) => (
              <div key={row} className="aspect-video rounded-md bg-card" />
            ))}
          </div>
        ) : room.connection === "connected" ? (
          <Empty icon={<UserRoundX />} title={t("people.none")} what={t("people.none.what")} />
        ) : (
          <Empty icon={<Unplug />} title={t("people.unknown")} />
        )
      ) : found.length === 0 ? (
        <Empty icon={<Glass />} title={t("people.none.found")} />
      ) : (
        <PeopleList people={found} places={places} large={people.length <= LARGE_UP_TO} />
      )}
    </section>
  );
}

function PeopleList({
  people,
  places,
  large,
}: {
  people: Participant[];
  /** Where each is among all, which is the key that chooses them. */
  places: Map<string, number>;
  large: boolean;
}) {
  const scroller = useRef<HTMLDivElement>(null);
  const scale = useFontScale();
  const rows = useVirtualizer({
    count: people.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => (large ? 204 : 72) * scale,
    getItemKey: (index) => people[index]?.identity ?? index,
    overscan: 2,
  });
  return (
    <div ref={scroller} className="min-h-0 flex-1 overflow-x-hidden overflow-y-auto">
      <ul className="relative" style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map((row) => {
          const person = people[row.index];
          if (!person) return null;
          return (
            <li
              key={row.key}
              ref={rows.measureElement}
              data-index={row.index}
              className="absolute inset-x-0 top-0 px-2 pb-1"
              style={{ transform: `translateY(${row.start}px)` }}
            >
              <PersonCard
                person={person}
                place={places.get(person.identity) ?? row.index}
                large={large && person.tracks.some((track) => track.kind === "video" && !track.muted)}
              />
            </li>
          );
        })}
      </ul>
    </div>
  );
}

function PersonCard({ person, place, large }: { person: Participant; place: number; large: boolean }) {
  const name = nameOf(person);
  const chosen = useDesk(({ pick }) => pick?.kind === "person" && pick.identity === person.identity);
  const unfolded = useDesk((desk) => desk.unfolded.includes(person.identity));
  const onAir = useStudio(useShallow((snapshot) => onAirOf(snapshot, person.identity)));
  const shown = shownOf(person, large);
  const sounds = person.tracks.filter((track) => track.kind === "audio");
  const mic = sounds.find((track) => track.source === "microphone") ?? sounds[0];
  const lost = person.connection === "lost";
  const fold = () =>
    useDesk.setState((desk) => ({
      unfolded: unfolded
        ? desk.unfolded.filter((identity) => identity !== person.identity)
        : [...desk.unfolded, person.identity],
    }));

  return (
    <div
      data-testid="person"
      data-identity={person.identity}
      data-speaking={person.speaking}
      className={cx(
        "rounded-md border transition-colors",
        chosen ? "border-ink bg-card" : "border-transparent hover:bg-card",
      )}
    >
      <div className="relative">
        <button
          type="button"
          aria-pressed={chosen}
          aria-label={name}
          aria-description={[
            person.speaking && t("person.speaking"),
            mic?.muted && t("person.muted"),
            onAir && t("state.recording"),
          ]
            .filter(Boolean)
            .join(", ")}
          onClick={() => pickPerson(person.identity)}
          className={cx(
            // The list cuts off what stands out of the card.
            "flex w-full rounded-md p-1.5 text-left focus-visible:-outline-offset-2",
            large ? "flex-col gap-2" : "gap-2.5",
          )}
        >
          <Pictures person={person} shown={shown} large={large} onAir={onAir} />
          <span className="flex min-w-0 flex-1 flex-col justify-center gap-1">
            <span className="flex min-w-0 items-baseline gap-2">
              <span
                dir="auto"
                title={name}
                className={cx("min-w-0 flex-1 truncate text-left font-medium", lost && "text-faint")}
              >
                {name}
              </span>
              {/* Where a picture is shown that is not what is recorded, the sign is beside it. */}
              {onAir && shown.length > 0 && !shown.some((track) => onAir.includes(track.sid)) && <OnAir />}
              {place < 9 && <Key>{String(place + 1)}</Key>}
            </span>
            {(person.kind !== "standard" || lost || person.connection === "poor") && (
              <span className="flex min-w-0 items-center gap-2">
                <KindSign kind={person.kind} />
                <QualitySign person={person} />
              </span>
            )}
            <span className="flex items-center gap-1.5 pr-7">
              {mic === undefined ? (
                <span className="text-xs text-faint">{t("person.noSound")}</span>
              ) : (
                <>
                  {mic.muted ? (
                    <MicOff className="size-3.5 shrink-0 text-faint" aria-label={t("person.muted")} />
                  ) : person.speaking ? (
                    <AudioLines className="size-3.5 shrink-0 text-ready" aria-label={t("person.speaking")} />
                  ) : (
                    <Mic className="size-3.5 shrink-0 text-faint" aria-hidden />
                  )}
                  <Meter
                    tracks={sounds.map((track) => track.sid)}
                    muted={sounds.every((track) => track.muted)}
                  />
                </>
              )}
            </span>
          </span>
        </button>
        <Button
          look="quiet"
          size="icon-sm"
          className="absolute right-1 bottom-1 size-6"
          aria-expanded={unfolded}
          aria-label={t("person.tracks", { name })}
          onClick={fold}
        >
          {unfolded ? <ChevronDown /> : <ChevronRight />}
        </Button>
      </div>
      {unfolded && (
        <div className="border-t border-line px-2 py-1.5">
          <p className="flex gap-1.5 pb-1 text-xs text-faint">
            <span className="truncate" dir="auto" title={person.identity}>
              {person.identity}
            </span>
            <span className="shrink-0" data-testid="person-joined">
              {t("person.joined", { at: moment(person.joined_at_ms, Date.now()) })}
            </span>
            {person.connection !== "unknown" && (
              <span className="ml-auto shrink-0" data-testid="person-quality">
                {t(`quality.${person.connection}`)}
              </span>
            )}
          </p>
          <ul className="flex flex-col gap-0.5">
            {person.tracks.map((track) => (
              <TrackRow key={track.sid} track={track} owner={name} />
            ))}
          </ul>
        </div>
      )}
    </div>
  );
}

/** The person's pictures that the card shows: screen and camera where there is room, else one. */
function shownOf(person: Participant, large: boolean): Track[] {
  const pictures = person.tracks.filter((track) => track.kind === "video" && !track.muted);
  const screen = pictures.find((track) => track.source === "screen_share");
  const camera = pictures.find((track) => track.source === "camera");
  const shown = (large ? [screen, camera] : [camera ?? screen]).filter((track) => track !== undefined);
  return shown.length > 0 ? shown : pictures.slice(0, 1);
}

/** The person's screen and camera; without either, their initials. */
function Pictures({
  person,
  shown,
  large,
  onAir,
}: {
  person: Participant;
  shown: Track[];
  large: boolean;
  onAir: TrackId[] | null;
}) {
  const name = nameOf(person);
  // A phone has a number for a name, and an agent is nobody: what they are tells more than initials.
  const Kind = person.kind === "standard" ? null : KIND_ICONS[person.kind];
  return (
    <span
      className={cx(
        "relative flex shrink-0 gap-1 overflow-hidden rounded-sm",
        large
          ? shown.length > 1
            ? "aspect-[32/9] w-full"
            : "aspect-video w-full"
          : "aspect-video h-13 self-start",
      )}
    >
      {shown.length === 0 ? (
        <span
          className={cx(
            "flex flex-1 items-center justify-center bg-card font-semibold text-soft",
            large ? "text-lg" : "text-base",
          )}
          aria-hidden
        >
          {Kind ? <Kind className="size-5" /> : initials(name)}
          {onAir && (
            <span className="absolute top-1 left-1 flex">
              <OnAir />
            </span>
          )}
          {person.tracks.some((track) => track.source === "camera") && (
            <VideoOff className="absolute right-1.5 bottom-1.5 size-3.5 text-faint" />
          )}
        </span>
      ) : (
        shown.map((track) => (
          <span key={track.sid} className="relative min-w-0 flex-1 bg-night">
            <TrackPicture
              track={track.sid}
              label={t("track.of", { track: trackTitle(track), name })}
              className={track.source === "screen_share" ? "object-contain" : "object-cover"}
            />
            {onAir?.includes(track.sid) && (
              <span
                data-testid="on-air"
                data-track={track.sid}
                className="absolute inset-0 flex items-start rounded-sm border-2 border-tally-ink p-0.5"
              >
                <OnAir />
              </span>
            )}
          </span>
        ))
      )}
      {!large &&
        shown[0]?.source === "camera" &&
        person.tracks.some((track) => track.source === "screen_share" && !track.muted) && (
          <MonitorUp
            className="absolute right-1 bottom-1 size-4 rounded-sm bg-night p-0.5 text-ink"
            aria-label={t("source.screen_share")}
          />
        )}
    </span>
  );
}

const TRACK_ICONS = {
  camera: Video,
  microphone: Mic,
  screen_share: MonitorUp,
  screen_share_audio: AudioLines,
} as const;

function TrackRow({ track, owner }: { track: Track; owner: string }) {
  const checked = useDesk(
    ({ pick }) => pick?.kind === "tracks" && (pick.video === track.sid || pick.audio === track.sid),
  );
  const title = trackTitle(track);
  const Icon =
    track.source === "unknown" ? (track.kind === "video" ? Video : AudioLines) : TRACK_ICONS[track.source];
  return (
    <li data-testid="track" data-track={track.sid} className="py-0.5">
      <Checkbox
        checked={checked}
        onChange={(on) => pickTrack(track.sid, track.kind, on)}
        label={t("track.of", { track: title, name: owner })}
        disabled={track.encrypted}
      >
        <span className="min-w-0 flex-1">
          <span className="flex items-center gap-1.5">
            <Icon className="size-3.5 shrink-0 text-faint" aria-hidden />
            <span className="truncate">{title}</span>
            {track.muted && <span className="text-xs text-faint">{t("track.muted")}</span>}
            {track.encrypted && (
              <span className="flex items-center gap-1 text-xs text-look">
                <LockKeyhole className="size-3" aria-hidden />
                {t("track.encrypted")}
              </span>
            )}
          </span>
          <span
            className="block truncate text-xs text-faint"
            data-testid="track-facts"
            title={track.layers.map((layer) => `${layer.width}×${layer.height}`).join(", ") || undefined}
          >
            {trackFacts(track)}
          </span>
        </span>
        {!track.muted && !track.encrypted && (
          <span className="h-9 w-16 shrink-0 overflow-hidden rounded-sm">
            {track.kind === "video" ? (
              <TrackPicture
                track={track.sid}
                label={t("track.of", { track: title, name: owner })}
                className="object-contain"
              />
            ) : (
              <Meter tracks={[track.sid]} className="mt-3.5" />
            )}
          </span>
        )}
      </Checkbox>
    </li>
  );
}

const KIND_ICONS: Record<Exclude<ParticipantKind, "standard">, typeof Bot> = {
  ingress: Import,
  egress: Video,
  sip: Phone,
  agent: Bot,
  connector: Cable,
  bridge: Waypoints,
};

function KindSign({ kind }: { kind: ParticipantKind }) {
  if (kind === "standard") return null;
  const Icon = KIND_ICONS[kind];
  return (
    <span className="flex shrink-0 items-center gap-1 text-xs text-faint">
      <Icon className="size-3.5" aria-hidden />
      {t(`person.kind.${kind}`)}
    </span>
  );
}

/** Says something only where there is something to say. */
function QualitySign({ person }: { person: Participant }) {
  if (person.connection !== "lost" && person.connection !== "poor") return null;
  const Icon = person.connection === "lost" ? Unplug : TriangleAlert;
  return (
    <span className="flex min-w-0 items-center gap-1 text-xs text-look">
      <Icon className="size-3.5 shrink-0" aria-hidden />
      <span className="truncate">{t(`quality.${person.connection}`)}</span>
    </span>
  );
}
