// Joins the room. What this page says in `div.error` ends the recording, so a server or a network that is away for a
// moment is tried again before anything is said.

import { ConnectionError, ConnectionErrorReason, type Room } from "livekit-client";

/** Waits before the further tries, ms. */
const WAITS_MS = [0, 1000, 3000, 10_000];

/** What may be another time: the others are answers. */
const PASSING = new Set([
  ConnectionErrorReason.ServerUnreachable,
  ConnectionErrorReason.InternalError,
  ConnectionErrorReason.Timeout,
  ConnectionErrorReason.WebSocket,
]);

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export async function connect(
  room: Pick<Room, "connect">,
  url: string,
  token: string,
  wait: (ms: number) => Promise<void> = sleep,
): Promise<void> {
  for (const ms of WAITS_MS) {
    try {
      return await room.connect(url, token);
    } catch (error) {
      if (!(error instanceof ConnectionError && PASSING.has(error.reason))) throw error;
      await wait(ms);
    }
  }
  return room.connect(url, token);
}
