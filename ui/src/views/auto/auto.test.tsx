// Rooms that record by themselves, and who asked for a recording, over a studio in memory.

import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { byRule, rule, ruleTrouble, someRules } from "@/backend/fixture/auto";
import {
  anError,
  emptySnapshot,
  four,
  inRoom,
  job,
  past,
  someRooms,
  wholePerson,
} from "@/backend/fixture/people";
import { someStorages } from "@/backend/fixture/uploads";
import { open } from "@/backend/fixture/window";
import type { Snapshot } from "@/backend/types";
import { clearDesk } from "@/store/desk";

const rooms = (change: Partial<Snapshot> = {}) =>
  emptySnapshot({
    rooms: { list: someRooms(10), loading: false, error: null },
    storages: someStorages,
    ...change,
  });

async function showRules(change: Partial<Snapshot> = {}) {
  const window = await open(rooms(change));
  await window.user.click(screen.getByTestId("rules-button"));
  const dialog = await screen.findByRole("dialog", { name: "Settings" });
  return { ...window, dialog: within(dialog) };
}

describe("the rooms", () => {
  it("say which of them record by themselves, and how many rules are in force", async () => {
    await open(rooms({ rules: someRules }));
    const marked = screen
      .getAllByTestId("room")
      .filter((row) => within(row).queryByTestId("by-itself"))
      .map((row) => row.dataset.room);
    // The rule for interviews is off.
    expect(marked).toEqual(["kids-hour", "morning-show"]);
    expect(screen.getByTestId("rules-button").textContent).toContain("2");
  });

  it("say nothing of it by rules of another project", async () => {
    await open(rooms({ rules: [rule("RU_1", "*", {}, { project_id: "PJ_other" })] }));
    expect(screen.queryByTestId("by-itself")).toBeNull();
    expect(screen.getByTestId("rules-button").textContent).not.toMatch(/\d/);
  });

  it("lead to the rules by A, and the palette does", async () => {
    const { user } = await open(rooms({ rules: someRules }));
    await user.keyboard("a");
    expect(await screen.findByRole("region", { name: "Auto recording" })).toBeTruthy();
    await user.keyboard("{Escape}");
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    await user.keyboard("{Control>}k{/Control}");
    await user.type(await screen.findByPlaceholderText("What to do?"), "auto recording");
    await user.click((await screen.findAllByText("Auto recording")).at(-1) as HTMLElement);
    expect(await screen.findByRole("region", { name: "Auto recording" })).toBeTruthy();
  });
});

describe("rules", () => {
  it("are told in words, with what is wrong with them", async () => {
    const { dialog } = await showRules({ rules: someRules });
    expect(dialog.getAllByTestId("rule-what").map((line) => line.textContent)).toEqual([
      "Whole room in Grid · 1080p, 30 fps · to Archive",
      "Each person · 720p, 30 fps",
      "Each track, exactly as published",
    ]);
    expect(dialog.getByTestId("notice-message").textContent).toBe(ruleTrouble.message);
    const [, kids] = dialog.getAllByTestId("rule");
    expect(kids && within(kids).getByTestId("notice")).toBeTruthy();
  });

  it("explain themselves where there is none", async () => {
    const { dialog } = await showRules();
    expect(
      dialog.getByText(/starts recordings by itself.*while this project is open in Tallylight/),
    ).toBeTruthy();
    expect(dialog.getByRole("button", { name: "Add rule" })).toBeTruthy();
  });

  it("are switched in place, and keep everything else", async () => {
    const { dialog, user, called, studio } = await showRules({ rules: someRules });
    await user.click(dialog.getByRole("switch", { name: "In force: *-show" }));
    await waitFor(() =>
      expect(called("editRule")[0]?.args).toEqual(["RU_shows", { ...someRules[0]?.what, on: false }]),
    );
    await waitFor(() => expect(dialog.getAllByTestId("rule")[0]?.dataset.on).toBe("false"));
    // What is off is told no trouble of.
    await user.click(dialog.getByRole("switch", { name: "In force: kids-*" }));
    await waitFor(() => expect(studio.now.rules[1]?.what.on).toBe(false));
    await waitFor(() => expect(dialog.queryByTestId("notice")).toBeNull());
  });

  it("are forgotten only when that is meant", async () => {
    const { dialog, user, called, studio } = await showRules({ rules: someRules });
    await user.click(dialog.getByRole("button", { name: "Forget kids-*" }));
    expect(called("forgetRule")).toEqual([]);
    await user.click(dialog.getByRole("button", { name: "Keep it" }));
    expect(dialog.queryByTestId("rule-forget")).toBeNull();
    await user.click(dialog.getByRole("button", { name: "Forget kids-*" }));
    studio.failures.set("forgetRule", anError({ code: "storage", message: "It cannot be saved." }));
    const asked = within(dialog.getByTestId("rule-forget"));
    await user.click(asked.getByRole("button", { name: "Forget" }));
    expect((await asked.findByTestId("notice-message")).textContent).toBe("It cannot be saved.");
    studio.failures.clear();
    await user.click(asked.getByRole("button", { name: "Forget" }));
    await waitFor(() => expect(dialog.getAllByTestId("rule")).toHaveLength(2));
    expect(studio.now.rules.map((one) => one.id)).toEqual(["RU_shows", "RU_talks"]);
  });
});

describe("a new rule", () => {
  it("shows which rooms fit while it is typed, and is kept as it is filled in", async () => {
    const { dialog, user, called } = await showRules();
    await user.click(dialog.getByRole("button", { name: "Add rule" }));
    expect(await screen.findByRole("dialog", { name: "New rule" })).toBeTruthy();
    const save = screen.getByRole<HTMLButtonElement>("button", { name: "Save rule" });
    expect(save.disabled).toBe(true);
    const field = screen.getByLabelText("Rooms called");
    const matches = () => screen.getByTestId("rule-matches").textContent;
    await user.type(field, "*-ho");
    expect(matches()).toBe("No room matches now. It starts when one appears.");
    await user.type(field, "ur");
    expect(matches()).toBe("1 room matches now: kids-hour");
    await user.clear(field);
    await user.type(field, "*");
    expect(matches()).toBe("10 rooms match now: backstage, evening-news, green-room and 7 more");
    await user.type(field, "-?????");
    await user.click(screen.getByRole("radio", { name: "Each person" }));
    // Persons have no layout.
    expect(screen.queryByLabelText("Layout")).toBeNull();
    await user.click(screen.getByRole("combobox", { name: "Picture and sound" }));
    await user.click(await screen.findByRole("option", { name: "1080p, 60 fps" }));
    await user.click(screen.getByRole("combobox", { name: "Upload to" }));
    expect(screen.queryByRole("option", { name: "Add a storage…" })).toBeNull();
    await user.click(await screen.findByRole("option", { name: "Archive" }));
    await user.click(save);
    await waitFor(() =>
      expect(called("saveRule")[0]?.args).toEqual([
        {
          rooms: "*-?????",
          parts: { type: "participants" },
          preset: "H264_1080P_60",
          upload: { storage: "ST_shows", backup: null, remove_local: false },
          on: true,
        },
      ]),
    );
    // Back in the list, where it is.
    expect(await screen.findByRole("dialog", { name: "Settings" })).toBeTruthy();
    expect(screen.getByTestId("rule-what").textContent).toBe("Each person · 1080p, 60 fps · to Archive");
  });

  it("of tracks asks for no quality, and of the whole room for a layout", async () => {
    const { dialog, user, called } = await showRules();
    await user.click(dialog.getByRole("button", { name: "Add rule" }));
    await user.type(await screen.findByLabelText("Rooms called"), "a");
    await user.click(screen.getByRole("radio", { name: "Each track" }));
    expect(screen.queryByRole("combobox", { name: "Picture and sound" })).toBeNull();
    await user.click(screen.getByRole("radio", { name: "Whole room" }));
    await user.click(screen.getByRole("combobox", { name: "Layout" }));
    await user.click(await screen.findByRole("option", { name: "Speaker (light)" }));
    await user.click(screen.getByRole("switch", { name: "In force" }));
    await user.click(screen.getByRole("button", { name: "Save rule" }));
    await waitFor(() =>
      expect(called("saveRule")[0]?.args[0]).toMatchObject({
        parts: { type: "room_composite", layout: "speaker-light" },
        upload: null,
        on: false,
      }),
    );
  });

  it("that is refused says why, and keeps what was typed", async () => {
    const { dialog, user, studio } = await showRules();
    studio.failures.set("saveRule", anError({ code: "invalid_argument", message: "That is no pattern." }));
    await user.click(dialog.getByRole("button", { name: "Add rule" }));
    const field = await screen.findByLabelText<HTMLInputElement>("Rooms called");
    await user.type(field, "x*{Enter}");
    expect((await screen.findByTestId("notice-message")).textContent).toBe("That is no pattern.");
    expect(field.getAttribute("aria-invalid")).toBe("true");
    await user.type(field, "y");
    expect(screen.queryByTestId("notice")).toBeNull();
    expect(field.value).toBe("x*y");
  });
});

describe("a rule that is edited", () => {
  it("begins as it is, also where its layout is gone", async () => {
    const gone = rule("RU_1", "a-*", { parts: { type: "room_composite", layout: "mine" }, on: false });
    const { dialog, user, called } = await showRules({ rules: [gone] });
    await user.click(dialog.getByRole("button", { name: "Edit a-*" }));
    expect(await screen.findByRole("dialog", { name: "Edit a-*" })).toBeTruthy();
    expect(screen.getByRole("combobox", { name: "Layout" }).textContent).toContain("mine");
    await user.type(screen.getByLabelText("Rooms called"), "b");
    await user.click(screen.getByRole("button", { name: "Save rule" }));
    await waitFor(() =>
      expect(called("editRule")[0]?.args).toEqual(["RU_1", { ...gone.what, rooms: "a-*b" }]),
    );
  });
});

describe("who asked for a recording", () => {
  const jobs = [
    job("EG_1", "Ada Lovelace", wholePerson("ada")),
    byRule("EG_2", "Ben Okri"),
    job("EG_3", "Chloé Duarte", wholePerson("chloe"), { origin: "api" }),
    job("EG_4", "Dmitri Sato", wholePerson("dmitri"), { origin: "bus" }),
  ];

  it("is said on its card, unless it was the operator", async () => {
    await open(inRoom(four, { jobs, rules: someRules }));
    const said = screen
      .getAllByTestId("job")
      .map((card) => within(card).queryByTestId("origin")?.textContent);
    expect(said).toEqual([undefined, "by a rule", "by the Egress API", "by the LiveKit server"]);
    // Where nothing runs elsewhere, nobody needs to be told that this runs here.
    expect(screen.queryByTestId("place")).toBeNull();
    expect(screen.getByText("by a rule").title).toBe("The rule for *-show");
  });

  it("is said in the history", async () => {
    clearDesk({ page: "history" });
    const old = jobs.map((one) => past(one.egress_id, one.title, { origin: one.origin, auto: one.auto }));
    await open(inRoom(four, { jobs: old }));
    const said = screen
      .getAllByTestId("past-job")
      .map((entry) => within(entry).queryByTestId("origin")?.textContent);
    expect(said).toEqual([undefined, "by a rule", "by the Egress API", "by the LiveKit server"]);
  });
});
