// The program: the room's people in the layout that is on.

import { RoomAudioRenderer, RoomContext } from "@livekit/components-react";
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import type { Desk } from "./document/desk";
import { findStock } from "./document/find";
import type { Shape } from "./place/fit";
import { place } from "./place/place";
import { NOTHING } from "./place/speakers";
import type { Choice, Frame, Memory, Person, Placement, Tile } from "./place/types";
import { Layers } from "./room/layers";
import type { People } from "./room/people";
import { startMs } from "./room/start";
import { LiveVideo } from "./view/live-video";
import { motion } from "./view/motion";
import { Stage } from "./view/stage";

interface Props {
  desk: Desk;
  people: People;
  onStart: () => void;
}

export function Program({ desk, people, onStart }: Props) {
  const choice = useSyncExternalStore(desk.subscribe, desk.now);
  const everybody = useSyncExternalStore(people.subscribe, people.now);
  const frame = useFrame();
  const placement = usePlacement(choice, everybody, frame);
  const layers = useMemo(() => new Layers(people), [people]);
  useEffect(() => layers.want(placement.tiles), [layers, placement]);
  const { began, onDrawn } = useStart(people, placement, onStart);
  useRehearsal(began, everybody, frame);
  const draw = useCallback(
    (tile: Tile, drawn: (shape: Shape) => void) => (
      <LiveVideo track={people.publication(tile)?.videoTrack} onDrawn={drawn} />
    ),
    [people],
  );
  return (
    <RoomContext.Provider value={people.room}>
      <Stage placement={placement} draw={draw} onDrawn={onDrawn} still={!began} />
      <RoomAudioRenderer />
    </RoomContext.Provider>
  );
}

function useFrame(): Frame {
  const [frame, setFrame] = useState({ width: innerWidth, height: innerHeight });
  useEffect(() => {
    const change = () => setFrame({ width: innerWidth, height: innerHeight });
    addEventListener("resize", change);
    return () => removeEventListener("resize", change);
  }, []);
  return frame;
}

/** Places anew when something changes, and when placement itself asks for it. */
function usePlacement(choice: Choice, people: readonly Person[], frame: Frame): Placement {
  const [turn, setTurn] = useState(0);
  const memory = useRef<Memory>(NOTHING);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a turn is a reason to place anew
  const placement = useMemo(
    () => place(choice, people, frame, Date.now(), memory.current),
    [choice, people, frame, turn],
  );
  useEffect(() => {
    memory.current = placement.memory;
    if (placement.againMs === null) return;
    const timer = setTimeout(() => setTurn((n) => n + 1), Math.max(10, placement.againMs - Date.now()));
    return () => clearTimeout(timer);
  }, [placement]);
  return placement;
}

/** Goes through some changes of layout in thought, so that the first that is seen is not slower than the others. */
function useRehearsal(began: boolean, people: readonly Person[], frame: Frame) {
  const done = useRef(false);
  useEffect(() => {
    if (!began || done.current) return;
    const idle = requestIdleCallback(() => {
      done.current = true;
      for (let turn = 0; turn < 20; turn++) {
        for (const name of ["grid", "speaker", "single-speaker"]) {
          const found = findStock(name);
          if (!found?.ok) continue;
          const placement = place(found.choice, people, frame, Date.now(), NOTHING);
          for (const { rect } of placement.tiles)
            motion(rect, { ...rect, x: rect.x / 2 }, 300, placement.transition.easing, true);
        }
      }
    });
    return () => cancelIdleCallback(idle);
  }, [began, people, frame]);
}

/** Calls once the page has been painted, or soon after where it is not because nobody sees it. */
function painted(call: () => void) {
  let called = false;
  const once = () => {
    if (!called) call();
    called = true;
  };
  setTimeout(once, 100);
  requestAnimationFrame(() => requestAnimationFrame(once));
}

/** Says when the recording begins, once. `onDrawn` is to be called when a picture is drawn. */
function useStart(people: People, { tiles }: Placement, onStart: () => void) {
  const [drawn, setDrawn] = useState<ReadonlySet<string>>(new Set<string>());
  const [began, setBegan] = useState(false);
  const starting = useRef(false);
  const drawnMs = useRef<number | null>(null);
  const subscribedMs = useRef<number | null>(null);
  useEffect(() => {
    if (starting.current) return;
    const everybody = [...people.room.remoteParticipants.values()];
    const publications = everybody.flatMap((one) => [...one.trackPublications.values()]);
    if (publications.some(({ isSubscribed }) => isSubscribed)) subscribedMs.current ??= Date.now();
    const wanted = tiles.filter(({ picture }) => picture).map(({ key }) => key);
    if (wanted.some((key) => drawn.has(key))) drawnMs.current ??= Date.now();
    const scene = { wanted, drawn, drawnMs: drawnMs.current, subscribedMs: subscribedMs.current };
    const due = startMs(scene, Date.now());
    if (due === null) return;
    const timer = setTimeout(() => {
      starting.current = true;
      // What the last picture changed has to be on the page before anything may fade or move.
      painted(() => {
        setBegan(true);
        onStart();
      });
    }, due - Date.now());
    return () => clearTimeout(timer);
  }, [people, tiles, drawn, onStart]);
  const onDrawn = useCallback((key: string) => setDrawn((before) => new Set(before).add(key)), []);
  return { began, onDrawn };
}
