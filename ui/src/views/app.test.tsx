// The window as a producer uses it, over a studio in memory; the room has tests of its own.

import { screen, waitFor, within } from "@testing-library/react";
import type userEvent from "@testing-library/user-event";
import { describe, expect, it, vi } from "vitest";
import {
  anError,
  crowd,
  emptySnapshot,
  four,
  inRoom,
  job,
  noKeyring,
  past,
  someRooms,
  wholePerson,
} from "@/backend/fixture/people";
import { adaOnAir, open } from "@/backend/fixture/window";
import { useDesk } from "@/store/desk";

type Hand = ReturnType<typeof userEvent.setup>;

async function fillLogin(user: Hand) {
  await user.type(screen.getByLabelText("LiveKit URL"), "wss://lk.example");
  await user.type(screen.getByLabelText("API key"), "APIkey");
  await user.type(screen.getByLabelText("API secret"), "s3cret");
}

describe("logging in", () => {
  const nothing = () => emptySnapshot({ projects: { list: [], current: null, keyring_error: null } });

  it("adds the project and shows its rooms", async () => {
    const { studio, user, called } = await open(nothing());
    await fillLogin(user);
    await user.type(screen.getByLabelText("Name"), "Studio");
    await user.click(screen.getByRole("button", { name: "Log in" }));
    expect(await screen.findByRole("heading", { name: "Rooms" })).toBeTruthy();
    expect(called("addProject")[0]?.args).toEqual([
      {
        name: "Studio",
        url: "wss://lk.example",
        api_key: "APIkey",
        api_secret: "s3cret",
        this_run_only: false,
      },
    ]);
    expect(studio.now.projects.current).not.toBeNull();
  });

  it("shows what is wrong in three parts, marks the field, and adds nothing", async () => {
    const { studio, user } = await open(nothing());
    studio.failures.set(
      "addProject",
      anError({
        code: "wrong_secret",
        fault: "input",
        message: "The secret is wrong.",
        remedy: "Copy it again.",
      }),
    );
    await fillLogin(user);
    await user.click(screen.getByRole("button", { name: "Log in" }));
    const notice = await screen.findByTestId("notice");
    expect(within(notice).getByTestId("notice-message").textContent).toBe("The secret is wrong.");
    expect(within(notice).getByTestId("notice-fault").textContent).toBe("In what was entered or published.");
    expect(within(notice).getByTestId("notice-remedy").textContent).toBe("Copy it again.");
    expect(screen.getByLabelText("API secret").getAttribute("aria-invalid")).toBe("true");
    expect(screen.getByLabelText("API key").getAttribute("aria-invalid")).toBeNull();
    expect(studio.now.projects.list).toEqual([]);
  });

  it("can be checked without being saved", async () => {
    const { studio, user, called } = await open(nothing());
    studio.failures.set("checkProject", anError({ code: "unreachable", message: "Nothing answers." }));
    await fillLogin(user);
    await user.click(screen.getByRole("button", { name: "Test only" }));
    expect((await screen.findByTestId("notice")).dataset.code).toBe("unreachable");
    expect(screen.getByLabelText("LiveKit URL").getAttribute("aria-invalid")).toBe("true");
    studio.failures.clear();
    await user.click(screen.getByRole("button", { name: "Test only" }));
    expect(await screen.findByTestId("check-well")).toBeTruthy();
    expect(screen.queryByTestId("notice")).toBeNull();
    expect(called("addProject")).toEqual([]);
  });

  it("without a keyring says so and keeps the secret for this run", async () => {
    const { user, called } = await open(
      emptySnapshot({ projects: { list: [], current: null, keyring_error: noKeyring } }),
    );
    expect(screen.getByTestId("notice").dataset.code).toBe("keyring");
    await fillLogin(user);
    await user.click(screen.getByRole("button", { name: "Log in" }));
    await waitFor(() => expect(called("addProject")).toHaveLength(1));
    expect(called("addProject")[0]?.args[0]).toMatchObject({ this_run_only: true });
  });

  it("a keyring that refuses can be done without, in one click", async () => {
    const { studio, user, called } = await open(nothing());
    studio.failures.set("addProject", noKeyring);
    await fillLogin(user);
    await user.click(screen.getByRole("button", { name: "Log in" }));
    const again = await screen.findByRole("button", { name: "Keep it for this run only" });
    studio.failures.clear();
    await user.click(again);
    expect(await screen.findByRole("heading", { name: "Rooms" })).toBeTruthy();
    expect(called("addProject")[1]?.args[0]).toMatchObject({ this_run_only: true, api_secret: "s3cret" });
  });
});

describe("without a project", () => {
  it("what still records can be seen and stopped", async () => {
    const projects = { list: [], current: null, keyring_error: null };
    const { user, called } = await open(emptySnapshot({ projects, jobs: [adaOnAir()] }));
    expect(screen.getByRole("heading", { name: "Log into LiveKit" })).toBeTruthy();
    expect(screen.getByTestId("tally")).toBeTruthy();
    await user.click(screen.getByRole("button", { name: "Stop Ada Lovelace" }));
    await user.keyboard("{Enter}");
    await waitFor(() => expect(called("stop")[0]?.args).toEqual(["EG_ada"]));
  });
});

describe("rooms", () => {
  it("of 200, only those in sight are in the page, and any can be found", async () => {
    const { user, called } = await open(
      emptySnapshot({ rooms: { list: someRooms(200), loading: false, error: null } }),
    );
    expect(screen.getAllByTestId("room").length).toBeLessThan(40);
    await user.type(screen.getByRole("searchbox", { name: "Find a room" }), "town-hall-13");
    await waitFor(() => expect(screen.getAllByTestId("room")).toHaveLength(1));
    await user.click(screen.getByTestId("room"));
    await waitFor(() => expect(called("openRoom")[0]?.args).toEqual(["town-hall-13"]));
  });

  it("are in the order that people count in, and say which are recorded", async () => {
    const [room] = someRooms(1);
    if (!room) throw new Error("the fixture has rooms");
    const list = ["studio-1", "studio-10", "studio-2"].map((name) => ({ ...room, name, sid: name }));
    const onAir = job("EG_1", "Ada", wholePerson("ada"));
    const jobs = [
      { ...onAir, request: { ...onAir.request, room_name: "studio-2" } },
      {
        ...onAir,
        egress_id: "EG_2",
        project_id: "PJ_other",
        request: { ...onAir.request, room_name: "studio-1" },
      },
    ];
    await open(emptySnapshot({ rooms: { list, loading: false, error: null }, jobs }));
    const rows = screen.getAllByTestId("room");
    expect(rows.map((row) => row.dataset.room)).toEqual(["studio-1", "studio-2", "studio-10"]);
    expect(rows.map((row) => /REC/.test(row.textContent ?? ""))).toEqual([false, true, false]);
  });

  it("keep the last list when the server does not answer", async () => {
    await open(
      emptySnapshot({
        rooms: {
          list: someRooms(3),
          loading: false,
          error: anError({ code: "unreachable", message: "No answer." }),
        },
      }),
    );
    expect(screen.getByTestId("notice").dataset.code).toBe("unreachable");
    expect(screen.getAllByTestId("room")).toHaveLength(3);
  });
});

describe("joining a room", () => {
  it("looks like what it is, from the click to the people", async () => {
    const rooms = { list: someRooms(3), loading: false, error: null };
    const { studio, user } = await open(emptySnapshot({ rooms }));
    let answer = () => {};
    const openRoom = studio.openRoom.bind(studio);
    studio.openRoom = (name) =>
      new Promise((done) => {
        answer = () => done(openRoom(name));
      });
    const [row] = screen.getAllByTestId("room");
    if (!row) throw new Error("there are rooms");
    expect(row.querySelector(".lucide-loader-circle")).toBeNull();
    await user.click(row);
    await waitFor(() => expect(row.querySelector(".lucide-loader-circle")).toBeTruthy());
    answer();
    const program = await screen.findByTestId("program");
    expect(within(program).getByText("Joining the room…")).toBeTruthy();
    expect(screen.queryByText("nobody")).toBeNull();
    expect(screen.getByTestId("people-count").textContent).toBe("");
    expect(screen.getByTestId("room-connection").className).not.toMatch(/look/);
    const { room } = inRoom(four);
    if (!room) throw new Error("the fixture has a room");
    studio.emit({ type: "room", room });
    await waitFor(() => expect(screen.getByTestId("people-count").textContent).toBe("4"));
    expect(screen.getByText("4 people")).toBeTruthy();
    studio.emit({ type: "room", room: { ...room, connection: "reconnecting" } });
    await waitFor(() => expect(screen.getByTestId("room-connection").className).toMatch(/look/));
  });
});

describe("history", () => {
  const jobs = () => [
    past("EG_1", "Ada Lovelace"),
    past("EG_2", "Ben Okri", {
      recovered: true,
      status: "failed",
      end_reason: "failure",
      error: anError({ code: "job_died", message: "Cut off by a power cut." }),
    }),
  ];

  /** Waves the offer to undo away. */
  const wave = async (user: Hand) => {
    const offer = (await screen.findByText("Ada Lovelace is forgotten")).closest("li");
    if (!offer) throw new Error("it is told in the corner");
    await user.click(within(offer).getByRole("button", { name: "Close" }));
  };

  it("says what was saved and what ended it, plays it, opens its folder, forgets it", async () => {
    const { user, called } = await open(inRoom(four, { jobs: jobs() }));
    await user.keyboard("h");
    expect(await screen.findByRole("heading", { name: "History" })).toBeTruthy();
    const [first, second] = screen.getAllByTestId("past-job");
    if (!first || !second) throw new Error("both are listed");
    expect(within(first).getByTestId("past-length").textContent).toBe("32:14");
    expect(within(first).getByTestId("past-size").textContent).toBe("361 MB");
    expect(within(first).getByTestId("past-end").textContent).toBe("Stopped by hand");
    expect(within(second).getByTestId("recovered").textContent).toBe("Recovered");
    expect(within(second).getByText("Cut off by a power cut.")).toBeTruthy();
    expect(within(second).queryByText("Failed")).toBeNull();
    expect(within(second).queryByTestId("notice")).toBeNull();
    await user.click(within(first).getByRole("button", { name: "Play Ada Lovelace" }));
    await user.click(within(first).getByRole("button", { name: "Open folder of Ada Lovelace" }));
    await user.click(within(second).getByRole("button", { name: "Forget Ben Okri" }));
    await waitFor(() => expect(screen.getAllByTestId("past-job")).toHaveLength(1));
    expect(called("play")[0]?.args).toEqual(["EG_1", "file"]);
    expect(called("openFolder")[0]?.args).toEqual(["EG_1", "file"]);
  });

  it("forgetting can be undone, and is done once nobody can undo it any more", async () => {
    const { studio, user, called } = await open(inRoom(four, { jobs: [...jobs(), past("EG_3", "Chloé")] }));
    const rows = (count: number) =>
      waitFor(() => expect(screen.queryAllByTestId("past-job")).toHaveLength(count));
    await user.keyboard("h");
    await rows(3);
    await user.click(screen.getByRole("button", { name: "Forget Ada Lovelace" }));
    await rows(2);
    expect(screen.getByRole("button", { name: /^History/ }).textContent).toMatch(/2/);
    await user.click(await screen.findByRole("button", { name: "Undo" }));
    await rows(3);
    await waitFor(() => expect(screen.queryByText("Ada Lovelace is forgotten")).toBeNull());
    expect(called("forgetJob")).toEqual([]);

    // The offer is waved away.
    await user.click(screen.getByRole("button", { name: "Forget Ada Lovelace" }));
    await wave(user);
    await waitFor(() => expect(called("forgetJob").map((call) => call.args)).toEqual([["EG_1"]]));
    await rows(2);

    // The window goes out of sight.
    await user.click(screen.getByRole("button", { name: "Forget Ben Okri" }));
    const sight = vi.spyOn(document, "visibilityState", "get").mockReturnValue("hidden");
    document.dispatchEvent(new Event("visibilitychange"));
    sight.mockRestore();
    await waitFor(() => expect(called("forgetJob")).toHaveLength(2));

    // Tallylight ends.
    await user.click(screen.getByRole("button", { name: "Forget Chloé" }));
    studio.askFromShell("quit_requested");
    await waitFor(() => expect(called("quit")).toHaveLength(1));
    const order = studio.calls.map((call) => call.name).filter((name) => /forgetJob|quit/.test(name));
    expect(order).toEqual(["forgetJob", "forgetJob", "forgetJob", "quit"]);
  });

  it("what cannot be forgotten comes back, with the reason", async () => {
    const { studio, user } = await open(inRoom(four, { jobs: jobs() }));
    studio.failures.set("forgetJob", anError({ message: "The journal cannot be written." }));
    await user.keyboard("h");
    await user.click(await screen.findByRole("button", { name: "Forget Ada Lovelace" }));
    await waitFor(() => expect(screen.getAllByTestId("past-job")).toHaveLength(1));
    await wave(user);
    expect(await screen.findByText("The journal cannot be written.")).toBeTruthy();
    expect(screen.getAllByTestId("past-job")).toHaveLength(2);
  });
});

describe("quitting", () => {
  it("asks while something records, with the focus where Enter does no harm", async () => {
    const { studio, user, called } = await open(inRoom(four, { jobs: [adaOnAir()] }));
    studio.askFromShell("quit_requested");
    const dialog = await screen.findByRole("dialog", { name: "Quit Tallylight?" });
    await waitFor(() =>
      expect(document.activeElement).toBe(within(dialog).getByRole("button", { name: "Cancel" })),
    );
    await user.keyboard("{Enter}");
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    expect(called("quit")).toEqual([]);
    studio.askFromShell("quit_requested");
    await user.click(await screen.findByRole("button", { name: "Finish and quit" }));
    await waitFor(() => expect(called("quit")[0]?.args).toEqual([true]));
  });

  it("asks nothing when nothing records", async () => {
    const { studio, called } = await open(inRoom(four));
    studio.askFromShell("quit_requested");
    await waitFor(() => expect(called("quit")).toHaveLength(1));
  });
});

describe("the palette", () => {
  it("finds every action by name", async () => {
    const { user } = await open(inRoom(four));
    await user.keyboard("{Control>}k{/Control}");
    await user.type(await screen.findByPlaceholderText("What to do?"), "choose dmi{Enter}");
    await waitFor(() => expect(useDesk.getState().pick).toMatchObject({ identity: "dmitri" }));
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  });

  it("never offers first to stop what is on air, and asks before it does", async () => {
    const { user, called } = await open(emptySnapshot({ jobs: [adaOnAir()] }));
    await user.keyboard("{Control>}k{/Control}");
    const search = await screen.findByPlaceholderText("What to do?");
    const names = screen.getAllByRole("option").map((option) => option.textContent);
    expect(names.indexOf("Stop Ada Lovelace")).toBe(names.length - 1);
    // Stop fits this best, and others fit too.
    await user.type(search, "st");
    await waitFor(() => expect(screen.getAllByRole("option").length).toBeLessThan(names.length));
    expect(screen.getAllByRole("option")[0]?.textContent).not.toBe("Stop Ada Lovelace");
    expect(screen.getAllByRole("option").at(-1)?.textContent).toBe("Stop Ada Lovelace");
    await user.type(search, "op ada{Enter}");
    await waitFor(() => expect(screen.getByTestId("stop").dataset.phase).toBe("asking"));
    expect(called("stop")).toEqual([]);
    // Until it is gone, Enter is the palette's.
    await waitFor(() => expect(screen.queryByPlaceholderText("What to do?")).toBeNull());
    await user.keyboard("{Enter}");
    await waitFor(() => expect(called("stop")).toHaveLength(1));
  });

  it("lists some of very many, and finds any", async () => {
    const rooms = { list: someRooms(200), loading: false, error: null };
    const { user } = await open(inRoom(crowd(100), { rooms }));
    await user.keyboard("{Control>}k{/Control}");
    const search = await screen.findByPlaceholderText("What to do?");
    expect(screen.getAllByRole("option").length).toBeLessThan(90);
    expect(screen.getByText("70 more: type part of the name")).toBeTruthy();
    await user.type(search, "guest-73{Enter}");
    await waitFor(() => expect(useDesk.getState().pick).toMatchObject({ identity: "guest-73" }));
  });
});

describe("settings", () => {
  it("begin with what is wrong on this computer, and with the focus where they are changed", async () => {
    const problem = anError({ message: "No AAC encoder is installed." });
    const { user } = await open(
      inRoom(four, { machine: { ...emptySnapshot().machine, problems: [problem] } }),
    );
    await user.keyboard("{Control>},{/Control}");
    const folder = await screen.findByLabelText("Recordings go to");
    const notice = screen.getByText("No AAC encoder is installed.");
    expect(notice.compareDocumentPosition(folder) & Node.DOCUMENT_POSITION_FOLLOWING).toBeTruthy();
    await waitFor(() => expect(document.activeElement).toBe(folder));
  });

  it("are changed with a live example, and errors of the folder are shown in place", async () => {
    const { studio, user, called } = await open(inRoom(four));
    await user.keyboard("{Control>},{/Control}");
    const dialog = await screen.findByRole("dialog", { name: "Settings" });
    await user.type(within(dialog).getByLabelText("File name"), "{{room_name}/take");
    expect(within(dialog).getByText("For example: morning-show/take.mp4")).toBeTruthy();
    studio.failures.set(
      "setSettings",
      anError({ code: "storage", message: "The folder cannot be written to." }),
    );
    await user.click(within(dialog).getByRole("button", { name: "Save" }));
    expect(await within(dialog).findByText("The folder cannot be written to.")).toBeTruthy();
    studio.failures.clear();
    await user.click(within(dialog).getByRole("button", { name: "Save" }));
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    expect(called("setSettings").at(-1)?.args[0]).toMatchObject({ name: "{room_name}/take" });
  });
});
