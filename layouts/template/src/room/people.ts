// The room as placement wants it: people with what they publish. Everything else of the page reads the room here.

import {
  ConnectionState,
  ParticipantKind,
  type RemoteParticipant,
  type RemoteTrackPublication,
  type Room,
  RoomEvent,
  Track,
} from "livekit-client";
import type { Person, Tile } from "../place/types";

const CHANGES = [
  RoomEvent.Connected,
  RoomEvent.Reconnected,
  RoomEvent.ParticipantConnected,
  RoomEvent.ParticipantDisconnected,
  RoomEvent.ParticipantNameChanged,
  RoomEvent.TrackPublished,
  RoomEvent.TrackUnpublished,
  RoomEvent.TrackSubscribed,
  RoomEvent.TrackUnsubscribed,
  RoomEvent.TrackMuted,
  RoomEvent.TrackUnmuted,
  RoomEvent.ActiveSpeakersChanged,
] as const;

/** What the camera's tile shows of somebody: their camera, or a picture that says nothing of where it comes from. */
function cameraOf(person: RemoteParticipant): RemoteTrackPublication | undefined {
  const videos = [...person.videoTrackPublications.values()];
  const of = (source: Track.Source) => videos.find((one) => one.source === source);
  return of(Track.Source.Camera) ?? of(Track.Source.Unknown);
}

function screenOf(person: RemoteParticipant): RemoteTrackPublication | undefined {
  const screen = person.getTrackPublication(Track.Source.ScreenShare);
  return screen?.isMuted ? undefined : screen;
}

function microphoneOf(person: RemoteParticipant): Person["microphone"] {
  const sounds = [...person.audioTrackPublications.values()].filter(
    ({ source }) => source !== Track.Source.ScreenShareAudio,
  );
  if (!sounds.length) return "none";
  return sounds.some(({ isMuted }) => !isMuted) ? "on" : "muted";
}

/**
 * Somebody who has left is kept for so long, their last picture with them. When a room is closed its people go one after
 * the other, a moment before the recorder learns of it, and that belongs into no recording.
 */
const LINGER_MS = 300;

export class People {
  readonly room: Room;
  /** When each screen was first seen: LiveKit does not say when it was shared. */
  readonly #sharedMs = new Map<string, number>();
  /** Who has left, and until when they are kept. */
  readonly #left = new Map<string, number>();
  readonly #listeners = new Set<() => void>();
  #now: readonly Person[] = [];
  #due = false;

  constructor(room: Room) {
    this.room = room;
    for (const event of CHANGES) room.on(event, this.#changed);
    this.#look();
  }

  /** For React: the same array until something changes. */
  readonly now = (): readonly Person[] => this.#now;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** The publication whose picture a tile shows. */
  publication({ identity, kind }: Pick<Tile, "identity" | "kind">): RemoteTrackPublication | undefined {
    const person = this.room.remoteParticipants.get(identity);
    return person && (kind === "camera" ? cameraOf(person) : screenOf(person));
  }

  /** Events come in bursts: one look after each. */
  readonly #changed = () => {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      this.#look();
    });
  };

  #look() {
    // The last arrangement stands when the room has ended, and while the connection to it is made anew: for that,
    // LiveKit's client takes everybody away and brings them back.
    if (this.room.state !== ConnectionState.Connected) return;
    const here = this.room.remoteParticipants;
    const left = this.#now
      .filter(({ identity }) => !here.has(identity))
      .filter(({ identity }) => this.#lingers(identity));
    for (const identity of here.keys()) this.#left.delete(identity);
    this.#now = [...[...here.values()].flatMap((person) => this.#person(person) ?? []), ...left];
    for (const listener of this.#listeners) listener();
  }

  #lingers(identity: string): boolean {
    const now = Date.now();
    const until = this.#left.get(identity) ?? now + LINGER_MS;
    if (!this.#left.has(identity)) setTimeout(this.#changed, LINGER_MS);
    if (now < until) this.#left.set(identity, until);
    else this.#left.delete(identity);
    return now < until;
  }

  #person(person: RemoteParticipant): Person | null {
    if (person.kind === ParticipantKind.EGRESS || !person.trackPublications.size) return null;
    const camera = cameraOf(person);
    return {
      identity: person.identity,
      name: person.name ?? "",
      joinedMs: person.joinedAt?.getTime() ?? 0,
      camera: camera !== undefined && !camera.isMuted,
      microphone: microphoneOf(person),
      level: person.isSpeaking ? Math.max(person.audioLevel, 0.001) : 0,
      sharedMs: this.#shared(screenOf(person)),
    };
  }

  #shared(screen: RemoteTrackPublication | undefined): number | null {
    if (!screen) return null;
    const since = this.#sharedMs.get(screen.trackSid) ?? Date.now();
    this.#sharedMs.set(screen.trackSid, since);
    return since;
  }
}
