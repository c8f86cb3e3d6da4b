import { ConnectionError } from "livekit-client";
import { describe, expect, it, vi } from "vitest";
import { connect } from "./connect";

const away = () => ConnectionError.serverUnreachable("away");

/** Tries to join a room whose server answers so, one answer a try; the waits between the tries, ms. */
async function join(...answers: (Error | null)[]) {
  const room = { connect: vi.fn() };
  for (const answer of answers) {
    if (answer) room.connect.mockRejectedValueOnce(answer);
    else room.connect.mockResolvedValueOnce(undefined);
  }
  const waits: number[] = [];
  const joined = connect(room, "ws://server", "token", async (ms) => void waits.push(ms));
  const error = await joined.then(
    () => null,
    (error: unknown) => error,
  );
  expect(room.connect).toHaveBeenCalledTimes(answers.length);
  expect(room.connect).toHaveBeenCalledWith("ws://server", "token");
  return { error, waits };
}

describe("joining", () => {
  it("is done once where it works", async () => {
    expect(await join(null)).toEqual({ error: null, waits: [] });
  });

  it("is tried again while the server is away", async () => {
    expect(await join(away(), away(), null)).toEqual({ error: null, waits: [0, 1000] });
  });

  it("is given up at last", async () => {
    const last = ConnectionError.timeout("no answer");
    expect(await join(away(), away(), away(), away(), last)).toEqual({
      error: last,
      waits: [0, 1000, 3000, 10_000],
    });
  });

  it("is not tried again after an answer", async () => {
    const no = ConnectionError.notAllowed("no such room", 404);
    expect(await join(no)).toEqual({ error: no, waits: [] });
  });
});
