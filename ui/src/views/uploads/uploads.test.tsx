// What goes up and where recordings are, as a producer sees it.

import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it, vi } from "vitest";
import { anError, four, inRoom, job, past, wholePerson } from "@/backend/fixture/people";
import { allStorages, anUpload, someStorages, stored, unreachable, waiting } from "@/backend/fixture/uploads";
import { open, pickAda } from "@/backend/fixture/window";
import type { Job, Upload } from "@/backend/types";
import { clearDesk, useDesk } from "@/store/desk";

const storages = someStorages;
const toShows = { storage: "ST_shows", backup: null, remove_local: false };
const asked = (one: Job, upload = toShows): Job => ({ ...one, request: { ...one.request, upload } });
const adaOnAir = () => asked(job("EG_ada", "Ada Lovelace", wholePerson("ada")));

const openUploads = async (uploads: Upload[], jobs: Job[] = []) => {
  const window = await open(inRoom(four, { uploads, jobs, storages }));
  await window.user.keyboard("u");
  await screen.findByRole("heading", { name: "Uploads" });
  return window;
};
const lines = () => screen.getAllByTestId("upload");
const line = (id: string) => {
  const found = lines().find((one) => one.dataset.upload === id);
  if (!found) throw new Error(`${id} is not shown`);
  return within(found);
};

describe("the list of uploads", () => {
  it("is empty at first, says what it is for, and leads to a storage", async () => {
    const { user } = await open(inRoom(four));
    await user.click(screen.getByRole("button", { name: "Uploads" }));
    expect(await screen.findByText("Nothing to upload")).toBeTruthy();
    await user.click(screen.getByRole("button", { name: "Add storage" }));
    expect(await screen.findByRole("dialog", { name: "Add a storage" })).toBeTruthy();
    await user.keyboard("{Escape}");
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    await user.keyboard("{Escape}");
    expect(useDesk.getState().page).toBe("room");
  });

  it("follows an upload from its turn to the storage, in words", async () => {
    const { studio } = await openUploads([anUpload("UP_1")], [adaOnAir()]);
    const state = () => line("UP_1").getByTestId("upload-state").textContent;
    expect(screen.getByTestId("upload-group").textContent).toContain("Ada Lovelace");
    expect(screen.getByTestId("upload-storage").textContent).toBe('the bucket "northlight-shows"');
    expect(state()).toBe("Queued");
    studio.goOn("UP_1");
    studio.goOn("UP_1");
    await waitFor(() => expect(state()).toBe("Uploading 33 %"));
    expect(line("UP_1").getByTestId("upload-detail").textContent).toBe(
      "120 MB of 361 MB · 960.0 Mb/s · 3 s left",
    );
    expect(screen.getByTestId("uploads-button").textContent).toContain("Upload 33 %, 3 s left");
    for (let n = 0; n < 3; n++) studio.goOn("UP_1");
    await waitFor(() => expect(state()).toBe("Verifying what the storage has"));
    studio.goOn("UP_1");
    await waitFor(() => expect(state()).toBe("Stored and verified"));
    expect(line("UP_1").getByTestId("upload-detail").textContent).toBe("size and checksum (MD5) compared");
    expect(line("UP_1").queryByRole("button", { name: /Pause/ })).toBeNull();
    const writeText = vi.spyOn(navigator.clipboard, "writeText");
    line("UP_1").getByRole("button", { name: "Copy the address of ada-2026-11-12T092846.mp4" }).click();
    await waitFor(() =>
      expect(writeText).toHaveBeenCalledWith(
        "https://northlight-shows.s3.amazonaws.com/shows/2026/ada-2026-11-12T092846.mp4",
      ),
    );
  });

  it("says that what waits is saved, why, and when it is tried next, and tries it at once", async () => {
    const next_try_ms = Date.now() + 42_000;
    const { studio, user, called } = await openUploads([
      anUpload("UP_1", { state: waiting({ next_try_ms }) }),
      anUpload("UP_2", { owner: "EG_2", path: "/rec/b.mp4", state: waiting({ next_try_ms }) }),
    ]);
    expect(line("UP_1").getByTestId("upload-state").textContent).toBe("Saved on this computer, waiting");
    expect(line("UP_1").getByTestId("upload-detail").textContent).toMatch(
      /^Tried again in 4[0-2] s · Nothing answers at the address of the storage\.$/,
    );
    // One reason is told once, in its three parts.
    const reason = within(screen.getByTestId("uploads-reason"));
    expect(reason.getByTestId("notice-message").textContent).toBe(unreachable.message);
    expect(reason.getByText("2 recordings wait for this, safe on this computer.")).toBeTruthy();
    const button = screen.getByTestId("uploads-button");
    expect(button.textContent).toContain("2 uploads wait");
    expect(button.className).toMatch(/text-look/);
    await user.click(line("UP_1").getByRole("button", { name: /^Try ada/ }));
    await waitFor(() => expect(called("retryUpload")[0]?.args).toEqual(["UP_1"]));
    await waitFor(() => expect(button.textContent).toContain("1 upload waits"));
    await user.click(screen.getByRole("button", { name: "Try all now" }));
    await waitFor(() => expect(called("retryUpload")[1]?.args).toEqual([null]));
    await waitFor(() => expect(screen.queryByTestId("uploads-reason")).toBeNull());
    expect(button.dataset.waiting).toBe("false");
    studio.holdUp("UP_1", unreachable, Date.now());
    expect(await screen.findByText(/^Trying again…/)).toBeTruthy();
  });

  it("pauses and goes on, and takes off the list only what is confirmed", async () => {
    const { user, called } = await openUploads([anUpload("UP_1", { state: { kind: "uploading" } })]);
    await user.click(line("UP_1").getByRole("button", { name: /^Pause ada/ }));
    await waitFor(() => expect(line("UP_1").getByTestId("upload-state").textContent).toBe("Paused"));
    await user.click(line("UP_1").getByRole("button", { name: /^Go on with ada/ }));
    await waitFor(() => expect(line("UP_1").getByTestId("upload-state").textContent).toBe("Queued"));
    expect(called("pauseUpload").map((call) => call.args)).toEqual([
      ["UP_1", true],
      ["UP_1", false],
    ]);
    await user.click(line("UP_1").getByRole("button", { name: /^Take ada.* off the list$/ }));
    const ask = within(screen.getByTestId("upload-cancel"));
    expect(ask.getByText("Take it off the list? The file stays on this computer.")).toBeTruthy();
    await waitFor(() => expect(document.activeElement).toBe(ask.getByRole("button", { name: "Leave it" })));
    await user.keyboard("{Enter}");
    expect(called("cancelUpload")).toEqual([]);
    await user.click(line("UP_1").getByRole("button", { name: /off the list$/ }));
    await user.click(screen.getByRole("button", { name: "Take it off" }));
    await waitFor(() => expect(screen.queryByTestId("upload")).toBeNull());
  });

  it("shows the segments of a recording as one line that is steered as one", async () => {
    const [output] = past("EG_hls", "").outputs;
    if (!output) throw new Error("the fixture has an output");
    const set = { of: "segments", live_playlist: null, count: 200 } as const;
    const hls = { ...past("EG_hls", "Whole room"), outputs: [{ ...output, path: "/rec/s/show.m3u8", set }] };
    // What is stored has left the list; its playlist is none of the segments.
    const segments = Array.from({ length: 3 }, (_, n) =>
      anUpload(`UP_${n}`, { owner: "EG_hls", path: `/rec/s/show_${n}.ts` }),
    );
    segments.push(anUpload("UP_list", { owner: "EG_hls", path: "/rec/s/show.m3u8" }));
    const { user, called, studio } = await openUploads(segments, [hls]);
    expect(lines()).toHaveLength(1);
    expect(screen.getByTestId("upload-files").textContent).toBe("200 segments, 3 waiting");
    await user.click(screen.getByRole("button", { name: "Pause show.m3u8" }));
    await waitFor(() => expect(called("pauseSet")[0]?.args).toEqual(["EG_hls", output.id, true]));
    await user.click(await screen.findByRole("button", { name: "Go on with show.m3u8" }));
    await waitFor(() => expect(called("pauseSet")[1]?.args).toEqual(["EG_hls", output.id, false]));
    await user.click(screen.getByRole("button", { name: "Take show.m3u8 off the list" }));
    expect(screen.getByText(/^Take all of it off the list\?/)).toBeTruthy();
    await user.click(screen.getByRole("button", { name: "Take it off" }));
    await waitFor(() => expect(called("cancelSet")[0]?.args).toEqual(["EG_hls", output.id]));
    await waitFor(() => expect(screen.queryByTestId("upload")).toBeNull());
    expect(studio.now.uploads).toEqual([]);
    expect(called("cancelUpload")).toEqual([]);
  });

  it("of hundreds keeps few in the page, and any can be found", async () => {
    const many = Array.from({ length: 300 }, (_, n) =>
      anUpload(`UP_${n}`, { owner: `EG_${n}`, path: `/rec/take-${n}.mp4`, on_backup: n === 271 }),
    );
    const { user } = await openUploads(many);
    expect(lines().length).toBeLessThan(40);
    await user.type(screen.getByRole("searchbox", { name: "Find an upload" }), "take-271.mp4");
    await waitFor(() => expect(lines()).toHaveLength(1));
    expect(line("UP_271").getByTestId("upload-backup").textContent).toBe("backup");
  });

  it("tells in the corner what the studio refuses", async () => {
    const { studio, user } = await openUploads([anUpload("UP_1")]);
    studio.failures.set("pauseUpload", anError({ message: "The list cannot be written." }));
    await user.click(line("UP_1").getByRole("button", { name: /^Pause/ }));
    expect(await screen.findByText("The list cannot be written.")).toBeTruthy();
  });
});

describe("the next recording", () => {
  it("goes where it is told to, with a backup, and this is remembered", async () => {
    clearDesk({ pick: pickAda });
    const { studio, user, called } = await open(inRoom(four, { storages }));
    const to = (name: string) => screen.getByLabelText(name, { selector: "button" });
    expect(screen.queryByRole("button", { name: "More" })).toBeNull();
    await user.click(to("Upload to"));
    await user.click(await screen.findByRole("option", { name: "Archive" }));
    await waitFor(() => expect(useDesk.getState().upload).toEqual(toShows));
    await user.click(screen.getByRole("button", { name: "More" }));
    await user.click(to("If that fails, to"));
    expect(screen.queryByRole("option", { name: "Archive" })).toBeNull();
    await user.click(await screen.findByRole("option", { name: "Nearline disk" }));
    await user.click(
      screen.getByRole("checkbox", { name: "Remove the local file once the upload is verified" }),
    );
    await user.click(screen.getByTestId("record"));
    await waitFor(() => expect(called("start")).toHaveLength(1));
    const upload = { storage: "ST_shows", backup: "ST_disk", remove_local: true };
    expect(called("start")[0]?.args[0]).toMatchObject({ upload });
    expect(studio.now.uploads).toHaveLength(1);
    const kept = JSON.parse(localStorage.getItem("desk") ?? "{}");
    expect(kept.state.upload).toEqual(upload);
  });

  it("goes to the storage that was added for it", async () => {
    clearDesk({ pick: pickAda });
    const { studio, user } = await open(inRoom(four));
    await user.click(screen.getByLabelText("Upload to", { selector: "button" }));
    await user.click(await screen.findByRole("option", { name: "Add a storage…" }));
    const dialog = within(await screen.findByRole("dialog", { name: "Add a storage" }));
    await user.click(dialog.getByText("Folder on another disk"));
    await user.type(dialog.getByLabelText("Folder"), "/mnt/archive");
    await user.click(dialog.getByTestId("storage-save"));
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    expect(useDesk.getState().upload?.storage).toBe(studio.now.storages[0]?.id);
    expect(screen.getByLabelText("Upload to", { selector: "button" }).textContent).toContain("archive");
  });

  it("goes nowhere once its storage is forgotten, and says where keys are missing", async () => {
    clearDesk({ pick: pickAda, upload: { ...toShows, storage: "ST_azure" } });
    const { studio, user, called } = await open(inRoom(four, { storages: allStorages }));
    expect(screen.getByTestId("upload-keys").textContent).toMatch(/^Its keys are missing/);
    await user.click(screen.getByRole("button", { name: "Enter keys" }));
    expect(await screen.findByRole("dialog", { name: /^Edit Post-production/ })).toBeTruthy();
    await user.keyboard("{Escape}");
    studio.emit({ type: "storages", storages });
    await waitFor(() => expect(screen.queryByTestId("upload-keys")).toBeNull());
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    await user.click(screen.getByTestId("record"));
    await waitFor(() => expect(called("start")[0]?.args[0]).toMatchObject({ upload: null }));
  });
});

describe("a recording that runs", () => {
  it("says how far it is in the storage, and that it is saved where the upload waits", async () => {
    const progress = { sent_bytes: 98, total_bytes: 100, rate_bps: 8, remaining_ms: null };
    const upload = anUpload("UP_1", { growing: true, state: { kind: "uploading" }, progress });
    const { studio, user } = await open(inRoom(four, { jobs: [adaOnAir()], uploads: [upload], storages }));
    const said = () => screen.getByTestId("job-upload");
    expect(said().textContent).toBe("Goes up to Archive: 98 %");
    studio.holdUp("UP_1", unreachable, Date.now() + 90_000);
    await waitFor(() => expect(said().dataset.state).toBe("waiting"));
    expect(said().textContent).toMatch(
      /^Saved on this computer; the upload waitsNothing answers at the address of the storage\.Tried again in 1 min$/,
    );
    // It is no recording that fails.
    const card = screen.getByTestId("job");
    expect(card.dataset.status).toBe("active");
    expect(within(card).queryByTestId("notice")).toBeNull();
    await user.click(said());
    expect(await screen.findByRole("heading", { name: "Uploads" })).toBeTruthy();
  });

  it("says what goes up only when it is complete, and gives no percent of segments that come and go", async () => {
    const ada = adaOnAir();
    const withPath = (path: string, set: Job["outputs"][number]["set"] = null) =>
      ({ ...ada, outputs: ada.outputs.map((one) => ({ ...one, path, set })) }) satisfies Job;
    const { studio } = await open(inRoom(four, { jobs: [withPath("/rec/ada.ogg")], storages }));
    const said = () => screen.getByTestId("job-upload").textContent;
    expect(said()).toBe("Goes up to Archive afterwards");
    studio.emit({ type: "job", job: withPath("/rec/ada.mp4") });
    await waitFor(() => expect(said()).toBe("Goes up to Archive"));
    const set = { of: "segments", live_playlist: null, count: 9 } as const;
    studio.emit({ type: "job", job: withPath("/rec/s/show.m3u8", set) });
    const progress = { sent_bytes: 1, total_bytes: 4, rate_bps: 8, remaining_ms: null };
    const segment = anUpload("UP_1", { path: "/rec/s/9.ts", state: { kind: "uploading" }, progress });
    studio.emit({ type: "upload", upload: segment });
    await waitFor(() => expect(screen.getByTestId("job-upload").dataset.state).toBe("uploading"));
    expect(said()).toBe("Goes up to Archive");
  });

  it("says nothing of uploads where it goes nowhere", async () => {
    await open(inRoom(four, { jobs: [job("EG_ada", "Ada", wholePerson("ada"))], storages }));
    expect(screen.getByTestId("job")).toBeTruthy();
    expect(screen.queryByTestId("job-upload")).toBeNull();
  });
});

describe("history", () => {
  it("sends a recording up, follows it, and says where it is when its file is gone from here", async () => {
    const { studio, user, called } = await open(inRoom(four, { jobs: [past("EG_1", "Ada")], storages }));
    await user.keyboard("h");
    await user.click(await screen.findByRole("button", { name: "Upload Ada" }));
    const dialog = within(await screen.findByRole("dialog", { name: "Upload Ada" }));
    studio.failures.set("uploadRecording", anError({ message: "There is no file to upload." }));
    await user.click(dialog.getByRole("button", { name: "Upload" }));
    expect(await dialog.findByText("There is no file to upload.")).toBeTruthy();
    studio.failures.clear();
    await user.click(dialog.getByRole("checkbox", { name: /^Remove the local file/ }));
    await user.click(dialog.getByRole("button", { name: "Upload" }));
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    expect(called("uploadRecording").at(-1)?.args).toEqual(["EG_1", { ...toShows, remove_local: true }]);
    const where = () => screen.getByTestId("past-where");
    const play = screen.getByRole<HTMLButtonElement>("button", { name: "Play Ada" });
    expect(where().textContent).toBe('Waits to go up to the bucket "northlight-shows"');
    const send = screen.getByRole<HTMLButtonElement>("button", { name: "Upload Ada" });
    expect([send.disabled, send.title]).toEqual([true, "On the list of uploads"]);
    expect(play.disabled).toBe(false);
    const id = studio.now.uploads[0]?.id ?? "";
    for (let n = 0; n < 6; n++) studio.goOn(id);
    await waitFor(() => expect(where().dataset.where).toBe("storage"));
    expect(where().textContent).toContain('In the bucket "northlight-shows", verified');
    expect(where().textContent).toContain("Not on this computer any more");
    expect(within(where()).getByTestId("past-location").textContent).toBe(
      "https://northlight-shows.s3.amazonaws.com/shows/2026/ada-2026-11-11T140212.mp4",
    );
    const folder = screen.getByRole<HTMLButtonElement>("button", { name: "Open folder of Ada" });
    for (const button of [play, folder, send]) {
      expect(button.disabled).toBe(true);
      expect(button.title).toBe("Removed from this computer after it was stored");
    }
  });

  it("leaves what is in both places to be played, and what is in its folder alone unmentioned", async () => {
    const base = past("EG_1", "Ada");
    const there = {
      storage: "the folder /mnt/b",
      location: "/mnt/b/ada.mp4",
      on_backup: true,
      local: "kept",
      at_ms: 1,
    } as const;
    const both = { ...base, outputs: base.outputs.map((one) => ({ ...one, stored: there })) };
    await open(
      inRoom(four, {
        jobs: [both, past("EG_2", "Ben")],
        storages,
        uploads: [anUpload("UP_1", { owner: "EG_1", state: stored() })],
      }),
    );
    await waitFor(() => expect(screen.getByRole("button", { name: /^History/ })).toBeTruthy());
    screen.getByRole("button", { name: /^History/ }).click();
    const [where, ...others] = await screen.findAllByTestId("past-where");
    expect(others).toEqual([]);
    expect(where?.textContent).toContain("In the folder /mnt/b (backup), verified");
    expect(screen.getByRole<HTMLButtonElement>("button", { name: "Play Ada" }).disabled).toBe(false);
    expect(screen.getByRole<HTMLButtonElement>("button", { name: "Upload Ada" }).disabled).toBe(false);
  });
});

describe("the palette", () => {
  it("finds the list, and tries all that waits", async () => {
    const { user, called } = await open(
      inRoom(four, { uploads: [anUpload("UP_1", { state: waiting() })], storages }),
    );
    await user.keyboard("{Control>}k{/Control}");
    await user.type(await screen.findByPlaceholderText("What to do?"), "try all uploads{Enter}");
    await waitFor(() => expect(called("retryUpload")[0]?.args).toEqual([null]));
  });
});
