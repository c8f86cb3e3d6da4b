// What is made besides the file, chosen in the window over a studio in memory.

import { act, fireEvent, screen, waitFor } from "@testing-library/react";
import { expect, it, vi } from "vitest";
import { four, inRoom, past, proxied } from "@/backend/fixture/people";
import { adaOnAir, open, pickAda } from "@/backend/fixture/window";
import { clearDesk, goTo, useDesk } from "@/store/desk";

it("segments, images, a proxy and a copy are chosen, and Record asks for them", async () => {
  clearDesk({ pick: pickAda });
  const { user, called, studio } = await open(inRoom(four));
  vi.spyOn(studio, "chooseFolder").mockResolvedValue("/mnt/second");
  await user.click(screen.getByRole("button", { name: "Besides the file" }));
  await user.click(screen.getByRole("checkbox", { name: "Segments for the web (HLS)" }));
  fireEvent.change(screen.getByLabelText("Length"), { target: { value: "6" } });
  await user.click(screen.getByRole("checkbox", { name: "As MP4 (fMP4)" }));
  await user.click(screen.getByRole("checkbox", { name: "Images" }));
  fireEvent.change(screen.getByLabelText("One every"), { target: { value: "0" } });
  await user.click(screen.getByRole("checkbox", { name: "A small proxy beside it" }));
  await user.click(screen.getByRole("combobox", { name: "Height" }));
  await user.click(await screen.findByRole("option", { name: "360 lines" }));
  await user.click(screen.getByRole("checkbox", { name: "A second copy on another disk" }));
  await waitFor(() => expect(screen.getByTestId("copy-folder").textContent).toBe("/mnt/second"));
  expect(
    screen.getByRole("button", { name: "Besides the file: HLS, Images, 360p proxy, a copy" }),
  ).toBeTruthy();
  await user.click(screen.getByTestId("record"));
  await waitFor(() => expect(called("start")).toHaveLength(1));
  expect(called("start")[0]?.args[0]).toMatchObject({
    segments: { duration_s: 6, live_playlist: true, fmp4: true },
    images: { interval_s: 1 },
    proxy: { height: 360, video_bitrate_kbps: null, folder: null },
    copy_folder: "/mnt/second",
  });
});

it("a copy is given up again", async () => {
  clearDesk({
    pick: pickAda,
    besides: { segments: null, images: null, proxy: null, copy_folder: "/mnt/second" },
  });
  const { user } = await open(inRoom(four));
  await user.click(screen.getByRole("button", { name: "Besides the file: a copy" }));
  await user.click(screen.getByRole("checkbox", { name: "A second copy on another disk" }));
  expect(useDesk.getState().besides.copy_folder).toBeNull();
  expect(screen.queryByTestId("copy-folder")).toBeNull();
});

it("a proxy is named where its recording is", async () => {
  clearDesk({ pick: pickAda });
  await open(inRoom(four, { jobs: [proxied(adaOnAir()), proxied(past("EG_past", "Ada Lovelace"))] }));
  expect(screen.getByTestId("job-file").textContent).toBe("ada-2026-11-12T092846.mp4");
  expect(screen.getByTestId("job-proxy").textContent).toBe("Proxy: ada-2026-11-12T092846-proxy.mp4");
  act(() => goTo("history"));
  expect((await screen.findByTestId("past-proxy")).textContent).toBe(
    "Proxy: ada-2026-11-11T140212-proxy.mp4",
  );
});
