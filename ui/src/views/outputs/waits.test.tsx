// What a recording that nobody has published anything for says meanwhile.

import { screen, waitFor } from "@testing-library/react";
import { expect, it } from "vitest";
import { ada, inRoom, job, noFigures, person, wholePerson } from "@/backend/fixture/people";
import { open, pickAda } from "@/backend/fixture/window";
import type { Job } from "@/backend/types";
import { clearDesk } from "@/store/desk";
import { waitsFor } from "@/store/waits";

const starting: Partial<Job> = { status: "starting", figures: null, tracks: [], started_at_ms: null };
const waiting = () => job("EG_ada", "Ada Lovelace", wholePerson("ada"), starting);

it("says whom it waits for, on its card and over the picture", async () => {
  clearDesk({ pick: pickAda });
  const silent = person("ada", "Ada Lovelace", { tracks: [] });
  const { studio } = await open(inRoom([silent], { jobs: [waiting()] }));
  const card = await screen.findByTestId("job-waits");
  expect(card.textContent).toBe(
    "Waiting for Ada Lovelace to publish. The recording begins by itself with the first picture or sound.",
  );
  expect(screen.getByTestId("program-state").textContent).toBe("Waiting for Ada Lovelace to publish");
  studio.changeJob("EG_ada", { status: "active", figures: noFigures });
  await waitFor(() => expect(screen.queryByTestId("job-waits")).toBeNull());
});

it("tells who is muted from who publishes nothing, and from what is about to begin", () => {
  const room = (...tracks: typeof ada.tracks) => inRoom([person("ada", "Ada", { tracks })]).room;
  const [camera, microphone] = ada.tracks;
  if (!camera || !microphone) throw new Error("the fixture has tracks");
  const muted = { ...microphone, muted: true };
  expect(waitsFor(waiting(), room())).toBe("publish");
  expect(waitsFor(waiting(), room({ ...camera, muted: true }, muted))).toBe("unmute");
  expect(waitsFor(waiting(), room(camera, muted))).toBeNull();
  expect(waitsFor({ ...waiting(), status: "active" }, room())).toBeNull();
  expect(waitsFor({ ...waiting(), connection: "connecting" }, room())).toBeNull();
  expect(waitsFor(waiting(), null)).toBeNull();
});
