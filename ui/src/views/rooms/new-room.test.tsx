// Rooms that are made from here, over a studio in memory.

import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { onLiveKit } from "@/backend/fixture/elsewhere";
import { anError, emptySnapshot, someRooms } from "@/backend/fixture/people";
import { allStorages } from "@/backend/fixture/uploads";
import { open } from "@/backend/fixture/window";
import type { Snapshot } from "@/backend/types";

async function show(change: Partial<Snapshot> = {}) {
  const window = await open(
    emptySnapshot({
      rooms: { list: someRooms(3), loading: false, error: null },
      storages: allStorages,
      ...change,
    }),
  );
  await window.user.click(screen.getByRole("button", { name: /^New room/ }));
  await screen.findByRole("dialog", { name: "New room" });
  return window;
}
const create = () => screen.getByRole<HTMLButtonElement>("button", { name: "Create room" });

describe("a new room", () => {
  it("is created and opened", async () => {
    const { user, called } = await show();
    expect(create().disabled).toBe(true);
    await user.type(screen.getByLabelText("Name"), " evening-show ");
    await user.type(screen.getByLabelText("Stays while it is empty"), "600");
    await user.click(create());
    await waitFor(() => expect(called("openRoom")[0]?.args).toEqual(["evening-show"]));
    expect(called("createRoom")[0]?.args).toEqual([
      { name: "evening-show", empty_timeout_s: 600, egress: null },
    ]);
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  });

  it("stays empty for as long as the server has it, where nothing is said; and for no nonsense", async () => {
    const { user, called } = await show();
    await user.type(screen.getByLabelText("Name"), "a");
    const field = screen.getByLabelText("Stays while it is empty");
    await user.type(field, "soon");
    expect(field.getAttribute("aria-invalid")).toBe("true");
    expect(create().disabled).toBe(true);
    await user.clear(field);
    await user.click(create());
    await waitFor(() =>
      expect(called("createRoom")[0]?.args[0]).toEqual({ name: "a", empty_timeout_s: null, egress: null }),
    );
  });

  it("says that there is one of that name already", async () => {
    const { user } = await show();
    await user.type(screen.getByLabelText("Name"), "town-hal");
    expect(screen.queryByTestId("room-there")).toBeNull();
    await user.type(screen.getByLabelText("Name"), "l");
    expect(screen.getByTestId("room-there")).toBeTruthy();
  });

  it("that is refused says why, and is not opened", async () => {
    const { user, called, studio } = await show();
    studio.failures.set(
      "createRoom",
      anError({ code: "permission_denied", fault: "server", message: "This key may not create rooms." }),
    );
    await user.type(screen.getByLabelText("Name"), "a{Enter}");
    expect((await screen.findByTestId("notice-message")).textContent).toBe("This key may not create rooms.");
    expect(called("openRoom")).toEqual([]);
  });
});

describe("what the server records of it", () => {
  it.each(["absent", "unknown"] as const)(
    "is not offered where its service is %s, but a rule is",
    async (service) => {
      const { user } = await show({ elsewhere: onLiveKit(0, { service }) });
      expect(screen.queryByRole("radio", { name: "Whole room" })).toBeNull();
      await user.type(screen.getByLabelText("Name"), "evening-show");
      const box = within(screen.getByTestId("room-no-egress"));
      await user.click(box.getByRole("button", { name: "Add rule" }));
      expect(await screen.findByRole("dialog", { name: "New rule" })).toBeTruthy();
      expect(screen.getByLabelText<HTMLInputElement>("Rooms called").value).toBe("evening-show");
    },
  );

  it("is nothing unless it is asked for", async () => {
    const { user, called } = await show({ elsewhere: onLiveKit() });
    expect(screen.getByRole<HTMLInputElement>("radio", { name: "Nothing" }).checked).toBe(true);
    expect(screen.queryByLabelText("File name")).toBeNull();
    await user.type(screen.getByLabelText("Name"), "a{Enter}");
    await waitFor(() => expect(called("createRoom")[0]?.args[0]).toMatchObject({ egress: null }));
  });

  it("is asked for with layout, name and a storage that it can reach", async () => {
    const { user, called } = await show({ elsewhere: onLiveKit() });
    await user.type(screen.getByLabelText("Name"), "a");
    await user.click(screen.getByRole("radio", { name: "Whole room" }));
    await user.click(screen.getByRole("combobox", { name: "Layout" }));
    expect(screen.queryByRole("option", { name: "Side by side" })).toBeNull();
    await user.click(await screen.findByRole("option", { name: "Speaker" }));
    await user.type(screen.getByLabelText("File name"), "shows/a");
    await user.click(screen.getByRole("combobox", { name: "Files go to" }));
    expect(screen.queryByRole("option", { name: "Nearline disk" })).toBeNull();
    await user.click(await screen.findByRole("option", { name: "Archive" }));
    await user.click(create());
    await waitFor(() =>
      expect(called("createRoom")[0]?.args[0]).toEqual({
        name: "a",
        empty_timeout_s: null,
        egress: {
          parts: { type: "room_composite", layout: "speaker" },
          name: "shows/a",
          preset: "H264_720P_30",
          storage: "ST_shows",
        },
      }),
    );
  });
});
