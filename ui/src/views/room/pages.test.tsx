// The whole room and web pages as a producer uses them, over a studio in memory.

import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it, vi } from "vitest";
import { brokenLayout, ownLayout, stockLayouts, unreadableLayout } from "@/backend/fixture/layouts";
import {
  ada,
  anError,
  emptySnapshot,
  four,
  inRoom,
  pageJob,
  pagePreview,
  request,
  webPage,
  wholeRoom,
} from "@/backend/fixture/people";
import { open } from "@/backend/fixture/window";
import type { Participant } from "@/backend/types";
import { clearDesk, type Pick, useDesk } from "@/store/desk";
import { whyWaiting } from "./page-stage";

const whole = (layout = "grid"): Pick => ({ kind: "room", layout, baseUrl: null, parts: "both" });
const page = (url: string): Pick => ({ kind: "page", url, awaitStart: false, parts: "both" });
const ready = (layout = "grid") => pagePreview("EG_room", wholeRoom(layout));
const card = (name: string) => {
  const found = screen.getAllByTestId("layout").find((one) => one.dataset.layout === name);
  if (!found) throw new Error(`no layout ${name}`);
  return found;
};
const chosen = () =>
  screen
    .getAllByTestId("layout")
    .filter((one) => within(one).getByRole("button").getAttribute("aria-pressed") === "true")
    .map((one) => one.dataset.layout);
const program = () => screen.getByTestId("program");
/** Whose moving picture the program shows. */
const shown = () => within(program()).queryByTestId("picture")?.dataset.track;
const theJob = (studio: { now: { jobs: { egress_id: string }[] } }) => {
  const [first] = studio.now.jobs;
  if (!first) throw new Error("there is a job");
  return first.egress_id;
};

describe("the whole room", () => {
  it("is shown by the job that is held ready, and Record attaches to it", async () => {
    const { studio, user, called } = await open(inRoom(four));
    await user.keyboard("0");
    expect(screen.getByRole("button", { name: "Whole room" }).getAttribute("aria-pressed")).toBe("true");
    await waitFor(() => expect(called("arm")).toHaveLength(1));
    expect(called("arm")[0]?.args[0]).toMatchObject({
      room_name: "morning-show",
      source: { type: "room_composite", layout: "grid", base_url: null, parts: "both" },
    });
    const id = theJob(studio);
    expect(await screen.findByText("Starting Chromium…")).toBeTruthy();
    expect(shown()).toBeUndefined();
    studio.changeJob(id, { page: "loading" });
    expect(await screen.findByText("Loading the page…")).toBeTruthy();
    studio.changeJob(id, { page: "on", armed: true, layout: "grid", connection: "connected" });
    await waitFor(() => expect(screen.getByTestId("record").dataset.ready).toBe("true"));
    expect(screen.queryByTestId("page-state")).toBeNull();
    expect(shown()).toBe(id);
    await user.keyboard("r");
    expect(await screen.findByTestId("tally")).toBeTruthy();
    expect(program().dataset.state).toBe("recording");
    expect(shown()).toBe(id);
    expect(called("arm")).toHaveLength(1);
  });

  it("its picture is not dimmed by our own trouble with the room", async () => {
    clearDesk({ pick: whole() });
    const { studio } = await open(inRoom(four, { jobs: [pageJob("EG_room", wholeRoom())] }));
    const { room } = studio.now;
    if (!room) throw new Error("the fixture has a room");
    studio.emit({ type: "room", room: { ...room, connection: "reconnecting" } });
    await screen.findByText("The connection to the room is cut.");
    expect(within(program()).getByTestId("picture").className).toMatch(/data-live:opacity-100/);
  });

  it("sound alone needs no page, and no layout", async () => {
    clearDesk({ pick: whole() });
    const { user, called } = await open(inRoom(four, { jobs: [ready()] }));
    await user.click(screen.getByRole("radio", { name: "Sound only" }));
    await waitFor(() => expect(called("arm").at(-1)?.args[0]).toMatchObject({ source: { parts: "sound" } }));
    expect(screen.queryByRole("list", { name: "Layouts" })).toBeNull();
    expect(screen.queryByTestId("page-state")).toBeNull();
    expect(within(program()).getByText("Sound only")).toBeTruthy();
    await user.click(screen.getByRole("radio", { name: "Left and right in turn" }));
    await waitFor(() =>
      expect(called("arm").at(-1)?.args[0]).toMatchObject({
        source: { parts: "sound", mixing: "alternate" },
      }),
    );
    await user.click(screen.getByRole("radio", { name: "Picture and sound" }));
    await waitFor(() =>
      expect(called("arm").at(-1)?.args[0]).toMatchObject({ source: { parts: "both", mixing: "together" } }),
    );
    expect(screen.queryByRole("group", { name: "Sides" })).toBeNull();
    await user.click(screen.getByRole("radio", { name: "Sound only" }));
    // The keys are the window's all the same.
    await user.keyboard("2");
    expect(useDesk.getState().pick).toMatchObject({ identity: "ben" });
  });

  it("as published is no way to record it", async () => {
    clearDesk({ pick: whole() });
    const { user } = await open(inRoom(four, { jobs: [ready()] }));
    await user.click(screen.getByLabelText("Picture and sound", { selector: "button" }));
    await screen.findByRole("option", { name: "1080p, 30 fps" });
    expect(screen.queryByRole("option", { name: /As published/ })).toBeNull();
  });

  it("a template of one's own is shown once its address is typed to its end", async () => {
    clearDesk({ pick: whole() });
    const { user, called } = await open(inRoom(four, { jobs: [ready()] }));
    expect(screen.queryByLabelText("Address of the template")).toBeNull();
    await user.click(screen.getByRole("button", { name: "Template of your own" }));
    await user.type(screen.getByLabelText("Address of the template"), "stage.example{Enter}");
    await waitFor(() =>
      expect(called("arm").at(-1)?.args[0]).toMatchObject({ source: { base_url: "https://stage.example" } }),
    );
    expect(called("arm")).toHaveLength(1);
    expect(screen.queryByRole("list", { name: "Layouts" })).toBeNull();
    await user.clear(screen.getByLabelText("Layout for the template"));
    await user.type(screen.getByLabelText("Layout for the template"), "stage{Enter}");
    expect(useDesk.getState().pick).toMatchObject({ layout: "stage" });
  });
});

describe("what a page waits for", () => {
  const waiting = { armed: false, page: "waiting", figures: null } as const;

  it("is said, and it can be started anyway", async () => {
    clearDesk({ pick: whole() });
    const { user, called } = await open(inRoom([], { jobs: [pagePreview("EG_room", wholeRoom(), waiting)] }));
    const state = screen.getByTestId("page-state");
    expect(state.dataset.page).toBe("waiting");
    expect(within(state).getByText("Waiting for somebody to publish")).toBeTruthy();
    expect(within(state).getByText("Nobody is in the room.")).toBeTruthy();
    expect(screen.getByTestId("program-state").textContent).toBe("Waiting");
    await user.click(screen.getByRole("button", { name: "Start anyway" }));
    expect(called("startAnyway")[0]?.args).toEqual(["EG_room"]);
    await waitFor(() => expect(screen.queryByTestId("page-state")).toBeNull());
    expect(program().dataset.state).toBe("ready");
  });

  it("says why it cannot be started, and goes on waiting", async () => {
    clearDesk({ pick: whole() });
    const { studio, user } = await open(inRoom([], { jobs: [pagePreview("EG_room", wholeRoom(), waiting)] }));
    studio.failures.set("startAnyway", anError({ message: "This page is not waiting." }));
    await user.click(screen.getByRole("button", { name: "Start anyway" }));
    expect(await screen.findByText("This page is not waiting.")).toBeTruthy();
    expect(screen.getByTestId("page-state").dataset.page).toBe("waiting");
  });

  it("shows from the room", () => {
    const { room } = inRoom(four);
    if (!room) throw new Error("the fixture has a room");
    const with_ = (participants: Participant[]) => ({ ...room, roster: { ...room.roster, participants } });
    const each = (change: Partial<Participant["tracks"][number]>) => ({
      ...ada,
      tracks: ada.tracks.map((track) => ({ ...track, ...change })),
    });
    expect(whyWaiting(with_([]))).toBe("page.waiting.nobody");
    expect(whyWaiting(with_([{ ...ada, kind: "egress" }]))).toBe("page.waiting.nobody");
    expect(whyWaiting({ ...with_([]), connection: "connecting" })).toBe("page.waiting.unknown");
    expect(whyWaiting(with_([{ ...ada, tracks: [] }]))).toBe("page.waiting.nothing");
    expect(whyWaiting(with_([each({ muted: true })]))).toBe("page.waiting.muted");
    expect(whyWaiting(with_([each({ encrypted: true })]))).toBe("page.waiting.encrypted");
    expect(whyWaiting(with_(four))).toBe("page.waiting.soon");
  });

  it("a crashed page says what is recorded meanwhile", async () => {
    clearDesk({ pick: whole() });
    const { studio } = await open(inRoom(four, { jobs: [pageJob("EG_room", wholeRoom())] }));
    expect(screen.queryByTestId("page-state")).toBeNull();
    studio.changeJob("EG_room", { page: "reloading", connection: "reconnecting" });
    const state = await screen.findByTestId("page-state");
    expect(state.textContent).toMatch(/last picture for 5 seconds, then black/);
    expect(screen.getByTestId("job-connection").textContent).toMatch(/loaded again/);
    studio.changeJob("EG_room", { page: "on", connection: "connected" });
    await waitFor(() => expect(screen.queryByTestId("page-state")).toBeNull());
  });
});

describe("layouts", () => {
  it("change at once on the job that is held ready, and no other is made", async () => {
    clearDesk({ pick: whole() });
    const { user, called } = await open(inRoom(four, { jobs: [ready()] }));
    expect(chosen()).toEqual(["grid"]);
    await user.click(within(card("speaker-light")).getByRole("button"));
    expect(called("updateLayout")[0]?.args).toEqual(["EG_room", "speaker-light"]);
    expect(chosen()).toEqual(["speaker-light"]);
    await new Promise((done) => setTimeout(done, 400));
    expect(called("arm")).toEqual([]);
    expect(called("updateLayout")).toHaveLength(1);
    await user.keyboard("r");
    await waitFor(() => expect(called("start")).toHaveLength(1));
    expect(called("start")[0]?.args[0]).toMatchObject({ source: { layout: "speaker-light" } });
  });

  it("Record while a layout is on its way takes the job that is held ready", async () => {
    clearDesk({ pick: whole() });
    const { studio, user, called } = await open(inRoom(four, { jobs: [ready()] }));
    vi.spyOn(studio, "updateLayout").mockReturnValue(new Promise(() => undefined));
    await user.click(within(card("speaker")).getByRole("button"));
    await user.keyboard("r");
    expect(await screen.findByTestId("tally")).toBeTruthy();
    expect(studio.now.jobs.map((job) => job.egress_id)).toEqual(["EG_room"]);
    expect(called("arm")).toEqual([]);
  });

  it("change on air, and the mark goes with them", async () => {
    clearDesk({ pick: whole() });
    const { user, called } = await open(inRoom(four, { jobs: [pageJob("EG_room", wholeRoom())] }));
    expect(card("grid").dataset.onAir).toBe("true");
    await user.keyboard("]");
    expect(called("updateLayout")[0]?.args).toEqual(["EG_room", "grid-light"]);
    await waitFor(() => expect(card("grid-light").dataset.onAir).toBe("true"));
    expect(card("grid").dataset.onAir).toBe("false");
    await user.keyboard("[[[[");
    expect(called("updateLayout").at(-1)?.args[1]).toBe(stockLayouts.at(-1)?.name);
  });

  it("that cannot be shown leave the choice as it was, and say why", async () => {
    clearDesk({ pick: whole() });
    const { studio, user, called } = await open(inRoom(four, { jobs: [ready()] }));
    studio.failures.set("updateLayout", anError({ message: "The layout speaker cannot be drawn." }));
    await user.click(within(card("speaker")).getByRole("button"));
    expect(await screen.findByText("The layout speaker cannot be drawn.")).toBeTruthy();
    await waitFor(() => expect(chosen()).toEqual(["grid"]));
    expect(useDesk.getState().pick).toMatchObject({ layout: "grid" });
    await new Promise((done) => setTimeout(done, 300));
    expect(called("updateLayout")).toHaveLength(1);
    expect(called("arm")).toEqual([]);
  });

  it("are not taken by a page that is being loaded: the last one chosen is shown when it is there", async () => {
    clearDesk({ pick: whole() });
    const loading = pagePreview("EG_room", wholeRoom(), { armed: false, page: "loading", layout: null });
    const { studio, user, called } = await open(inRoom(four, { jobs: [loading] }));
    await user.click(within(card("speaker")).getByRole("button"));
    await user.click(within(card("side-by-side")).getByRole("button"));
    expect(chosen()).toEqual(["side-by-side"]);
    expect(called("updateLayout")).toEqual([]);
    studio.changeJob("EG_room", { page: "on", armed: true, layout: "grid" });
    await waitFor(() => expect(called("updateLayout")).toHaveLength(1));
    expect(called("updateLayout")[0]?.args).toEqual(["EG_room", "side-by-side"]);
  });

  it("on air are not changed by choosing the whole room", async () => {
    clearDesk({ lastRoom: whole("speaker") as Pick & { kind: "room" } });
    const { user, called } = await open(inRoom(four, { jobs: [pageJob("EG_room", wholeRoom())] }));
    await user.keyboard("0");
    await screen.findByRole("list", { name: "Layouts" });
    expect(chosen()).toEqual(["grid"]);
    await new Promise((done) => setTimeout(done, 300));
    expect(called("updateLayout")).toEqual([]);
  });

  it("of the operator's that are broken say where and why, and cannot be chosen", async () => {
    clearDesk({ pick: whole() });
    const { studio } = await open(
      inRoom(four, {
        jobs: [ready()],
        layouts: [...stockLayouts, ownLayout, unreadableLayout, brokenLayout],
      }),
    );
    const [unreadable, broken] = screen.getAllByTestId("layout-broken");
    if (!unreadable || !broken) throw new Error("both are listed");
    expect(unreadable.textContent).toMatch(/panel cannot be drawn.*Line 14, column 3.*bracket is missing/);
    expect(broken.textContent).toMatch(/\/regions\/1\/width.*beyond the right edge/);
    expect(within(broken).queryByRole("button")).toBeNull();
    studio.emit({ type: "layouts", layouts: [...stockLayouts, { ...brokenLayout, broken: null }] });
    await waitFor(() => expect(screen.queryByTestId("layout-broken")).toBeNull());
    expect(card("speaker-2")).toBeTruthy();
  });

  it("can be copied, which shows the copy, and their folder opened", async () => {
    clearDesk({ pick: whole("speaker") });
    const { user, called } = await open(inRoom(four, { jobs: [ready("speaker")] }));
    await user.click(screen.getByRole("button", { name: "Copy" }));
    expect(called("copyLayout")[0]?.args).toEqual(["speaker"]);
    await waitFor(() => expect(called("updateLayout")[0]?.args).toEqual(["EG_room", "speaker-2"]));
    await waitFor(() => expect(chosen()).toEqual(["speaker-2"]));
    await user.click(screen.getByRole("button", { name: "Open folder" }));
    expect(called("openLayoutsFolder")).toHaveLength(1);
  });

  it("made for portrait offer a portrait picture", async () => {
    clearDesk({ pick: whole("speaker-portrait") });
    const { user, called } = await open(inRoom(four, { jobs: [ready("speaker-portrait")] }));
    await user.click(screen.getByRole("button", { name: "Record in portrait" }));
    await waitFor(() =>
      expect(called("arm").at(-1)?.args[0]).toMatchObject({ format: { preset: "PORTRAIT_H264_720P_30" } }),
    );
    expect(screen.queryByTestId("portrait-hint")).toBeNull();
  });

  it("are found by name", async () => {
    const { user } = await open(inRoom(four, { layouts: [...stockLayouts, ownLayout, brokenLayout] }));
    await user.keyboard("{Control>}k{/Control}");
    await user.type(await screen.findByPlaceholderText("What to do?"), "layout interv{Enter}");
    await waitFor(() => expect(useDesk.getState().pick).toMatchObject({ kind: "room", layout: "interview" }));
    await user.keyboard("{Control>}k{/Control}");
    await user.type(await screen.findByPlaceholderText("What to do?"), "speaker-2");
    await waitFor(() => expect(screen.queryByRole("option", { name: "Layout: speaker-2" })).toBeNull());
  });
});

describe("a web page", () => {
  const URL_ = "https://scores.example/overlay";

  it("is made ready once its address is typed to its end, and its keys are the window's then", async () => {
    const { studio, user, called } = await open(inRoom(four));
    await user.keyboard("w");
    const field = await screen.findByLabelText("Address of the page");
    expect(document.activeElement).toBe(field);
    expect((field as HTMLInputElement).value).toBe("");
    expect(screen.getByTestId("record").hasAttribute("disabled")).toBe(true);
    await user.type(field, "scores.example/overlay");
    await new Promise((done) => setTimeout(done, 300));
    expect(called("arm")).toEqual([]);
    await user.keyboard("{Enter}");
    await waitFor(() => expect(called("arm")).toHaveLength(1));
    expect(called("arm")[0]?.args[0]).toMatchObject({
      room_name: "",
      source: { type: "web", url: URL_, await_start_signal: false, parts: "both", after_crash: "reload" },
    });
    expect(screen.getByTestId("record-example").textContent).toMatch(/^web-.*\.mp4$/);
    studio.changeJob(theJob(studio), { page: "on", armed: true });
    await waitFor(() => expect(shown()).toBe(theJob(studio)));
    await user.keyboard("r");
    expect(await screen.findByTestId("tally")).toBeTruthy();
    expect(called("start")).toHaveLength(1);
  });

  it("needs no room", async () => {
    const { studio, user, called } = await open(emptySnapshot());
    await user.keyboard("w");
    await user.type(await screen.findByLabelText("Address of the page"), `${URL_}{Enter}`);
    await waitFor(() => expect(called("arm")).toHaveLength(1));
    expect(called("arm")[0]?.args[0]).toMatchObject({ room_name: "", source: { type: "web", url: URL_ } });
    expect(screen.queryByRole("button", { name: "Whole room" })).toBeNull();
    studio.changeJob(theJob(studio), { page: "on", armed: true });
    await waitFor(() => expect(shown()).toBe(theJob(studio)));
    await user.click(screen.getByRole("button", { name: "All rooms" }));
    expect(await screen.findByRole("heading", { name: "Rooms" })).toBeTruthy();
    await waitFor(() => expect(called("disarm")).toHaveLength(1));
    // A room that is opened from there is looked at, and not the page.
    await user.click(screen.getByRole("button", { name: "Web page" }));
    const { room } = inRoom(four);
    studio.emit({ type: "room", room });
    await waitFor(() => expect(screen.getAllByTestId("person")).toHaveLength(4));
    await waitFor(() => expect(useDesk.getState().pick).toBeNull());
  });

  it("a whole address that stands for a moment counts as well", async () => {
    clearDesk({ pick: page("") });
    const { user, called } = await open(inRoom(four));
    await user.type(screen.getByLabelText("Address of the page"), URL_);
    await waitFor(() => expect(called("arm")).toHaveLength(1), { timeout: 3000 });
    expect(called("arm")[0]?.args[0]).toMatchObject({ source: { url: URL_ } });
  });

  it("at anything but http is not asked for, and the field says so", async () => {
    clearDesk({ pick: page("") });
    const { user, called } = await open(inRoom(four));
    const field = screen.getByLabelText("Address of the page");
    await user.type(field, "file:///etc/hosts{Enter}");
    expect(await screen.findByText("An address begins with https:// or http://.")).toBeTruthy();
    expect(field.getAttribute("aria-invalid")).toBe("true");
    await new Promise((done) => setTimeout(done, 300));
    expect(called("arm")).toEqual([]);
  });

  it("that cannot be reached says why, and is tried again on demand", async () => {
    clearDesk({ pick: page(URL_) });
    const { studio, user, called } = await open(inRoom(four));
    await waitFor(() => expect(called("arm")).toHaveLength(1));
    studio.changeJob(theJob(studio), {
      status: "failed",
      page: "loading",
      error: anError({ code: "unreachable", message: "The page scores.example cannot be shown." }),
    });
    expect(await screen.findByText("The page scores.example cannot be shown.")).toBeTruthy();
    expect(screen.getByTestId("page-state").dataset.page).toBe("failed");
    await user.click(screen.getByRole("button", { name: "Try again" }));
    await waitFor(() => expect(called("arm")).toHaveLength(2));
  });

  it("that does not load says why while it is tried again", async () => {
    clearDesk({ pick: page(URL_) });
    const { studio, called } = await open(inRoom(four));
    await waitFor(() => expect(called("arm")).toHaveLength(1));
    const warnings = [anError({ code: "unreachable", message: "Nothing answers there." })];
    studio.changeJob(theJob(studio), { page: "loading", warnings });
    expect(await within(program()).findByText("Nothing answers there.")).toBeTruthy();
    expect(within(program()).getByText("It is tried again by itself.")).toBeTruthy();
    studio.changeJob(theJob(studio), { page: "on", armed: true });
    await waitFor(() => expect(screen.queryByText("Nothing answers there.")).toBeNull());
    expect(called("arm")).toHaveLength(1);
  });

  it("that waits for its own signal says so", async () => {
    clearDesk({ pick: { ...page(URL_), kind: "page", url: URL_, awaitStart: true, parts: "both" } });
    const source = { ...webPage(URL_), await_start_signal: true };
    const preview = pagePreview("EG_page", source, {
      request: request(source, { room_name: "" }),
      page: "waiting",
      armed: false,
    });
    await open(inRoom(four, { jobs: [preview] }));
    const state = screen.getByTestId("page-state");
    expect(state.textContent).toMatch(/Waiting for the page.*start signal/);
    expect(
      screen.getByRole("checkbox", { name: "Wait for the page's start signal" }).getAttribute("aria-checked"),
    ).toBe("true");
  });

  it("being recorded can be gone back to from its card, and is on air by name", async () => {
    const { user } = await open(inRoom(four, { jobs: [pageJob("EG_page", webPage(URL_))] }));
    const entry = screen.getByRole("button", { name: "Web page" });
    expect(entry.textContent).toContain("REC");
    expect(screen.getByRole("button", { name: "Whole room" }).textContent).not.toContain("REC");
    await user.click(within(screen.getByTestId("job")).getByRole("button", { name: "scores.example" }));
    expect(useDesk.getState().pick).toMatchObject({ kind: "page", url: URL_ });
    expect(program().dataset.state).toBe("recording");
    expect(shown()).toBe("EG_page");
    expect(screen.getByRole("radio", { name: "Sound only" }).closest("fieldset")?.disabled).toBe(true);
  });
});
