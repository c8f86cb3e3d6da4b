// What is made besides the file, chosen in the window over a studio in memory.

import { fireEvent, screen, waitFor } from "@testing-library/react";
import { expect, it, vi } from "vitest";
import { four, inRoom } from "@/backend/fixture/people";
import { open, pickAda } from "@/backend/fixture/window";
import { clearDesk, useDesk } from "@/store/desk";

it("segments, images and a copy are chosen, and Record asks for them", async () => {
  clearDesk({ pick: pickAda });
  const { user, called, studio } = await open(inRoom(four));
  vi.spyOn(studio, "chooseFolder").mockResolvedValue("/mnt/second");
  await user.click(screen.getByRole("button", { name: "Besides the file" }));
  await user.click(screen.getByRole("checkbox", { name: "Segments for the web (HLS)" }));
  fireEvent.change(screen.getByLabelText("Length"), { target: { value: "6" } });
  await user.click(screen.getByRole("checkbox", { name: "Images" }));
  fireEvent.change(screen.getByLabelText("One every"), { target: { value: "0" } });
  await user.click(screen.getByRole("checkbox", { name: "A second copy on another disk" }));
  await waitFor(() => expect(screen.getByTestId("copy-folder").textContent).toBe("/mnt/second"));
  expect(screen.getByRole("button", { name: "Besides the file: HLS, Images, a copy" })).toBeTruthy();
  await user.click(screen.getByTestId("record"));
  await waitFor(() => expect(called("start")).toHaveLength(1));
  expect(called("start")[0]?.args[0]).toMatchObject({
    segments: { duration_s: 6, live_playlist: true },
    images: { interval_s: 1 },
    copy_folder: "/mnt/second",
  });
});

it("a copy is given up again", async () => {
  clearDesk({ pick: pickAda, besides: { segments: null, images: null, copy_folder: "/mnt/second" } });
  const { user } = await open(inRoom(four));
  await user.click(screen.getByRole("button", { name: "Besides the file: a copy" }));
  await user.click(screen.getByRole("checkbox", { name: "A second copy on another disk" }));
  expect(useDesk.getState().besides.copy_folder).toBeNull();
  expect(screen.queryByTestId("copy-folder")).toBeNull();
});
