// The room as a producer uses it, over a studio in memory.

import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it, vi } from "vitest";
import { ada, anError, chloe, crowd, four, inRoom, job, person, wholePerson } from "@/backend/fixture/people";
import { adaOnAir, open, pickAda } from "@/backend/fixture/window";
import type { Job } from "@/backend/types";
import { clearDesk, useDesk } from "@/store/desk";

describe("recording", () => {
  it("choosing arms, Record attaches to what is armed, holding Stop ends it", async () => {
    const { studio, user, called } = await open(inRoom(four));
    await user.click(screen.getByRole("button", { name: "Ada Lovelace" }));
    await waitFor(() => expect(called("arm")).toHaveLength(1));
    expect(screen.getByTestId("record").dataset.ready).toBe("false");
    const [preview] = studio.now.jobs;
    if (!preview) throw new Error("arming makes a job");
    studio.changeJob(preview.egress_id, { armed: true, connection: "connected" });
    await waitFor(() => expect(screen.getByTestId("record").dataset.ready).toBe("true"));
    expect(screen.getByTestId("program").dataset.state).toBe("ready");
    expect(screen.queryByTestId("tally")).toBeNull();

    await user.keyboard("r");
    await waitFor(() => expect(called("start")[0]?.args).toEqual([preview.request]));
    expect(await screen.findByTestId("tally")).toBeTruthy();
    expect(screen.getByTestId("program").dataset.state).toBe("recording");
    expect(studio.now.jobs.map((one) => one.egress_id)).toEqual([preview.egress_id]);

    const [stop] = screen.getAllByTestId("stop");
    if (!stop) throw new Error("there is a stop button");
    await user.pointer({ keys: "[MouseLeft>]", target: stop });
    await waitFor(() => expect(called("stop")[0]?.args).toEqual([preview.egress_id]));
    await waitFor(() => expect(screen.queryByTestId("tally")).toBeNull());
    expect(await screen.findByText("Saved show.mp4")).toBeTruthy();
  });

  it("what is not armed yet is started cold", async () => {
    const { studio, user, called } = await open(inRoom(four));
    studio.failures.set("arm", anError({ code: "internal", message: "Not now." }));
    await user.click(screen.getByRole("button", { name: "Ben Okri" }));
    expect(await screen.findByText("Not now.")).toBeTruthy();
    await user.click(screen.getByTestId("record"));
    await waitFor(() => expect(called("start")).toHaveLength(1));
    expect(called("start")[0]?.args[0]).toMatchObject({ source: { type: "participant", identity: "ben" } });
  });

  it("an armed job that is no longer wanted is let go of", async () => {
    const { user, called, studio } = await open(inRoom(four));
    await user.click(screen.getByRole("button", { name: "Ada Lovelace" }));
    await waitFor(() => expect(called("arm")).toHaveLength(1));
    await user.click(screen.getByRole("button", { name: "Choose nothing" }));
    await waitFor(() => expect(called("disarm")).toHaveLength(1));
    expect(studio.now.jobs).toEqual([]);
  });

  it("who has left keeps their name", async () => {
    clearDesk({ pick: pickAda });
    const { studio } = await open(inRoom(four));
    const source = screen.getByRole("region", { name: "What is recorded" });
    expect(within(source).getByText("Ada Lovelace")).toBeTruthy();
    const { room } = studio.now;
    if (!room) throw new Error("the fixture has a room");
    studio.emit({ type: "room", room: { ...room, roster: { ...room.roster, participants: [chloe] } } });
    expect(await screen.findByText("Not in the room at present")).toBeTruthy();
    expect(within(source).getByText("Ada Lovelace")).toBeTruthy();
  });

  it("asks again for what became different, once it stands still", async () => {
    const { user, called } = await open(inRoom(four));
    await user.click(screen.getByRole("button", { name: "Ada Lovelace" }));
    await waitFor(() => expect(called("arm")).toHaveLength(1));
    await user.type(screen.getByLabelText("File name"), "take-1");
    await waitFor(() => expect(called("arm").at(-1)?.args[0]).toMatchObject({ name: "take-1" }));
    expect(screen.getByTestId("record-example").textContent).toBe("take-1.mp4");
  });

  it("two presses make one recording", async () => {
    clearDesk({ pick: pickAda });
    const { studio, user, called } = await open(inRoom(four));
    let attach = () => {};
    const start = studio.start.bind(studio);
    studio.start = (request) =>
      new Promise((done) => {
        attach = () => done(start(request));
      });
    await waitFor(() => expect(called("arm")).toHaveLength(1));
    await user.keyboard("rr");
    await user.click(screen.getByTestId("record"));
    attach();
    expect(await screen.findByTestId("tally")).toBeTruthy();
    expect(called("start")).toHaveLength(1);
    expect(studio.now.jobs).toHaveLength(1);
  });

  it("what is made ready when nothing is wanted any more is let go of", async () => {
    const { studio, user, called } = await open(inRoom(four));
    let ready = () => {};
    const arm = studio.arm.bind(studio);
    studio.arm = (request) =>
      new Promise((done) => {
        ready = () => done(arm(request));
      });
    const asked = vi.spyOn(studio, "arm");
    await user.click(screen.getByRole("button", { name: "Ada Lovelace" }));
    await waitFor(() => expect(asked).toHaveBeenCalledTimes(1));
    await user.click(screen.getByRole("button", { name: "Choose nothing" }));
    ready();
    await waitFor(() => expect(called("disarm")).toHaveLength(1));
    expect(studio.now.jobs).toEqual([]);
  });

  it("a recording that was over before it began says why, unless it was stopped", async () => {
    const { studio } = await open(inRoom(four));
    const over = (message: string, end_reason: Job["end_reason"]) => {
      const id = `EG_${message.length}`;
      studio.emit({ type: "job", job: job(id, "Ada Lovelace", wholePerson("ada")) });
      studio.changeJob(id, { status: "aborted", ended_at_ms: 1, end_reason, error: anError({ message }) });
    };
    over("Stopped before it began.", "stop_requested");
    over("The person was gone.", "source_closed");
    expect(await screen.findByText("The person was gone.")).toBeTruthy();
    expect(screen.queryByText("Stopped before it began.")).toBeNull();
  });

  it("a held job that failed says why, and is made anew on demand only", async () => {
    clearDesk({ pick: pickAda });
    const { studio, user, called } = await open(inRoom(four));
    await waitFor(() => expect(studio.now.jobs).toHaveLength(1));
    studio.changeJob(studio.now.jobs[0]?.egress_id ?? "", {
      status: "failed",
      error: anError({ code: "job_died", message: "The job ended without a word." }),
    });
    expect(await screen.findByText("The job ended without a word.")).toBeTruthy();
    expect(called("arm")).toHaveLength(1);
    await user.click(screen.getByRole("button", { name: "Try again" }));
    await waitFor(() => expect(called("arm")).toHaveLength(2));
  });

  it("what was chosen in one room is not taken into another", async () => {
    clearDesk({ pick: pickAda });
    const { studio, called } = await open(inRoom(four));
    await waitFor(() => expect(called("arm")).toHaveLength(1));
    const { room } = inRoom(four);
    if (!room) throw new Error("the fixture has a room");
    studio.emit({ type: "room", room: { ...room, name: "backstage" } });
    await waitFor(() => expect(useDesk.getState().pick).toBeNull());
    await waitFor(() => expect(called("disarm")).toHaveLength(1));
  });

  it("a glance at the history does not lose what was chosen", async () => {
    clearDesk({ pick: pickAda });
    const { user } = await open(inRoom(four));
    await user.keyboard("h");
    await screen.findByRole("heading", { name: "History" });
    await user.keyboard("{Escape}");
    await waitFor(() => expect(screen.queryByRole("heading", { name: "History" })).toBeNull());
    expect(useDesk.getState().pick).toEqual(pickAda);
  });

  it("the key of the one who is chosen changes nothing; Escape lets go, when nothing else wants it", async () => {
    const { user } = await open(inRoom(four));
    await user.keyboard("1");
    await waitFor(() => expect(useDesk.getState().pick).toEqual(pickAda));
    await user.keyboard("1");
    await user.click(screen.getByRole("button", { name: "Ada Lovelace" }));
    expect(useDesk.getState().pick).toEqual(pickAda);
    await user.keyboard("{Control>}k{/Control}");
    await screen.findByRole("dialog", { name: "Actions" });
    await user.keyboard("{Escape}");
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    await user.click(screen.getByLabelText("File name"));
    await user.keyboard("{Escape}");
    expect(useDesk.getState().pick).toEqual(pickAda);
    await user.keyboard("{Escape}");
    expect(useDesk.getState().pick).toBeNull();
  });

  it("a stray key does not stop it: a tap of S asks, and only Enter then stops", async () => {
    clearDesk({ pick: pickAda });
    const { user, called } = await open(inRoom(four, { jobs: [adaOnAir()] }));
    await user.keyboard("{Enter}");
    await user.keyboard("s");
    await waitFor(() => expect(screen.getAllByTestId("stop")[0]?.dataset.phase).toBe("asking"));
    await user.keyboard("{Escape}");
    expect(screen.getAllByTestId("stop")[0]?.dataset.phase).toBe("idle");
    await user.keyboard("{Enter}");
    expect(called("stop")).toEqual([]);
    await user.keyboard("s{Enter}");
    await waitFor(() => expect(called("stop")).toHaveLength(1));
  });

  it("a click on Stop is not enough either", async () => {
    const { user, called } = await open(inRoom(four, { jobs: [adaOnAir()] }));
    await user.click(screen.getByTestId("stop"));
    expect(screen.getByTestId("stop").dataset.phase).toBe("asking");
    expect(called("stop")).toEqual([]);
    await user.keyboard("{Enter}");
    await waitFor(() => expect(called("stop")).toHaveLength(1));
  });

  it("S asks which, where several record and none is chosen", async () => {
    const jobs = [adaOnAir(), job("EG_ben", "Ben Okri", wholePerson("ben"))];
    const { user, called } = await open(inRoom(four, { jobs }));
    await user.keyboard("s");
    const told = await screen.findByText("Choose which one to stop");
    expect(told.closest<HTMLElement>("[data-sonner-toaster]")?.style.zIndex).toBe("35");
    expect(screen.getAllByTestId("stop").map((stop) => stop.dataset.phase)).toEqual(["idle", "idle"]);
    await user.keyboard("2s{Enter}");
    await waitFor(() => expect(called("stop")[0]?.args).toEqual(["EG_ben"]));
  });

  it("keys that do nothing are not shown, those that do are", async () => {
    clearDesk({ pick: pickAda });
    const { user, studio } = await open(inRoom(crowd(10).concat(ada)));
    const keys = () => [...document.querySelectorAll("kbd")].map((key) => key.textContent);
    expect(keys()).toEqual(expect.arrayContaining(["Ctrl K", "Ctrl ,", "/", "1", "F", "Esc", "R", "H"]));
    studio.emit({ type: "job", job: adaOnAir() });
    await waitFor(() => expect(keys()).not.toContain("F"));
    await user.click(screen.getByRole("button", { name: /^Project:/ }));
    expect((await screen.findByRole("menuitem", { name: /^Quit/ })).textContent).toMatch(/Ctrl Q/);
  });

  it("keys do nothing while a name is typed", async () => {
    clearDesk({ pick: pickAda });
    const { user, called } = await open(inRoom(four));
    await user.type(screen.getByLabelText("File name"), "rehearsal");
    expect(called("start")).toEqual([]);
    expect(useDesk.getState().page).toBe("room");
  });

  it("a key does not change the list that happens to have the focus", async () => {
    clearDesk({ pick: pickAda });
    const { user } = await open(inRoom(four));
    const how = screen.getByLabelText("Picture and sound");
    how.focus();
    expect(document.activeElement).toBe(how);
    await user.keyboard("p");
    await user.keyboard("2");
    await waitFor(() => expect(useDesk.getState().pick).toMatchObject({ identity: "ben" }));
    expect(useDesk.getState().forms.person.how).toBe("H264_720P_30");
    await user.click(screen.getByLabelText("Picture and sound"));
    await screen.findByRole("option", { name: "1080p, 30 fps" });
    await user.keyboard("1");
    expect(useDesk.getState().pick).toMatchObject({ identity: "ben" });
    await user.keyboard("{Enter}");
    await waitFor(() => expect(useDesk.getState().forms.person.how).toMatch(/1080P/));
  });

  it("shows each of several jobs with its own figures and troubles", async () => {
    const jobs = [
      adaOnAir(),
      job("EG_ben", "Ben Okri", wholePerson("ben"), {
        connection: "reconnecting",
        warnings: [anError({ code: "disk_full", message: "The disk is nearly full." })],
      }),
    ];
    const { studio } = await open(inRoom(four, { jobs }));
    const [ada, ben] = screen.getAllByTestId("job");
    if (!ada || !ben) throw new Error("both are shown");
    expect(within(ada).getByTestId("job-elapsed").textContent).toBe("00:12:44");
    expect(within(ada).getByTestId("job-connection").dataset.connection).toBe("connected");
    expect(within(ben).getByTestId("job-connection").dataset.connection).toBe("reconnecting");
    expect(within(ben).getByText("The disk is nearly full.")).toBeTruthy();
    const figures = studio.now.jobs[0]?.figures;
    const [output] = figures?.outputs ?? [];
    if (!figures || !output) throw new Error("a running job has figures");
    studio.emit({
      type: "job_figures",
      egress_id: "EG_ada",
      figures: { ...figures, outputs: [{ ...output, elapsed_ms: 800_000, size_bytes: 2e8 }] },
    });
    await waitFor(() => expect(within(ada).getByTestId("job-elapsed").textContent).toBe("00:13:20"));
    expect(within(ada).getByTestId("job-size").textContent).toBe("200 MB");
    expect(within(ben).getByTestId("job-elapsed").textContent).toBe("00:12:44");
  });

  it("the disk is told once, by name, and marked when it is nearly full", async () => {
    const { studio } = await open(inRoom(four, { jobs: [adaOnAir()] }));
    const disk = screen.getByTestId("disk");
    expect(disk.textContent).toBe("Disk 3 h 10 min left");
    expect(disk.querySelector("svg")).toBeNull();
    expect(screen.queryByTestId("job-disk")).toBeNull();
    studio.emit({ type: "machine", machine: { ...studio.now.machine, cpu_percent: 95, disk_left_s: 412 } });
    await waitFor(() => expect(screen.getByTestId("disk").textContent).toBe("Disk 6 min left"));
    expect(screen.getByTestId("disk").querySelector("svg")).toBeTruthy();
    expect(screen.getByText("CPU 95 %").querySelector("svg")).toBeTruthy();
    studio.emit({ type: "job", job: job("EG_ben", "Ben Okri", wholePerson("ben")) });
    await waitFor(() => expect(screen.getAllByTestId("job-disk")).toHaveLength(2));
  });

  it("says what a recording gets while the room is cut, and dims what is old", async () => {
    const { studio } = await open(inRoom(four, { jobs: [adaOnAir()] }));
    const { room } = studio.now;
    if (!room) throw new Error("the fixture has a room");
    expect(screen.getAllByTestId("picture")[0]?.className).toMatch(/data-live:opacity-100/);
    studio.emit({ type: "room", room: { ...room, connection: "reconnecting" } });
    const trouble = (await screen.findByText("The connection to the room is cut.")).closest("[role=status]");
    expect(trouble?.querySelector("svg")).toBeTruthy();
    expect(trouble?.textContent).toMatch(/connections of their own/);
    expect(screen.getAllByTestId("picture")[0]?.className).not.toMatch(/data-live:opacity-100/);
    studio.changeJob("EG_ada", { connection: "reconnecting" });
    await waitFor(() => expect(trouble?.textContent).toMatch(/last picture for 5 seconds, then black/));
    studio.changeJob("EG_ada", { status: "complete", figures: null });
    await waitFor(() => expect(trouble?.textContent).not.toMatch(/[Rr]ecordings/));
  });

  it("red is on what is recorded and on nothing else", async () => {
    const screenOf = { type: "track", track_id: "TR_chloe_screen" } as const;
    const [facts] = adaOnAir().tracks;
    if (!facts) throw new Error("the fixture has tracks");
    const chloe = { ...facts, track_id: "TR_chloe_screen", publisher_identity: "chloe" };
    const dmitri = { ...facts, track_id: "TR_dmitri_mic", publisher_identity: "dmitri" };
    const jobs = [
      job("EG_chloe", "Screen of Chloé Duarte", screenOf, { tracks: [chloe] }),
      job("EG_dmitri", "Dmitri Sato", wholePerson("dmitri"), { tracks: [dmitri] }),
      job("EG_ben", "Ben Okri", wholePerson("ben"), { status: "starting" }),
    ];
    const { studio } = await open(inRoom(four, { jobs }));
    expect(screen.getAllByTestId("on-air").map((mark) => mark.dataset.track)).toEqual(["TR_chloe_screen"]);
    const rec = (identity: string) => {
      const card = screen.getAllByTestId("person").find((one) => one.dataset.identity === identity);
      return card?.textContent?.includes("REC");
    };
    expect(["ada", "ben", "chloe", "dmitri"].map(rec)).toEqual([false, false, true, true]);
    studio.askFromShell("quit_requested");
    const dialog = await screen.findByRole("dialog", { name: "Quit Tallylight?" });
    expect([...dialog.querySelectorAll<HTMLElement>("[data-lit]")].map((dot) => dot.dataset.lit)).toEqual([
      "true",
      "true",
      "false",
    ]);
  });

  it("every track that is unfolded shows what it carries", async () => {
    const { user } = await open(inRoom([...four, ...crowd(6)]));
    await user.click(screen.getByRole("button", { name: "Tracks of Chloé Duarte" }));
    const rows = await screen.findAllByTestId("track");
    for (const track of chloe.tracks) {
      const row = rows.find((one) => one.dataset.track === track.sid);
      if (!row) throw new Error(`no row of ${track.sid}`);
      const shown = within(row).queryAllByRole(track.kind === "video" ? "img" : "meter");
      expect(shown).toHaveLength(track.muted ? 0 : 1);
    }
    expect(chloe.tracks.filter((track) => track.kind === "video" && !track.muted).length).toBe(2);
    expect(screen.getByTestId("person-quality").textContent).toMatch(/connection$/);
  });

  it("tracks are ticked one picture and one sound at a time", async () => {
    const { user, called } = await open(inRoom(four));
    await user.click(screen.getByRole("button", { name: "Tracks of Chloé Duarte" }));
    await user.click(screen.getByRole("checkbox", { name: "Screen of Chloé Duarte" }));
    await waitFor(() =>
      expect(called("arm").at(-1)?.args[0]).toMatchObject({
        source: { type: "track", track_id: "TR_chloe_screen" },
      }),
    );
    await user.click(screen.getByRole("checkbox", { name: "Microphone of Chloé Duarte" }));
    await waitFor(() =>
      expect(called("arm").at(-1)?.args[0]).toMatchObject({
        source: {
          type: "track_composite",
          video_track_id: "TR_chloe_screen",
          audio_track_id: "TR_chloe_mic",
        },
      }),
    );
  });
});

describe("people", () => {
  it("of 100, only those in sight are in the page, and any can be found", async () => {
    const { user } = await open(inRoom(crowd(100)));
    expect(screen.getAllByTestId("person").length).toBeLessThan(30);
    expect(screen.getByTestId("people-count").textContent).toBe("100");
    await user.type(screen.getByRole("searchbox", { name: "Find a person" }), "guest-73");
    await waitFor(() => expect(screen.getAllByTestId("person")).toHaveLength(1));
  });

  it("have a meter that is dim only if nothing of theirs can be heard", async () => {
    const loud = {
      ...chloe,
      tracks: chloe.tracks.map((one) => ({ ...one, muted: one.source === "microphone" })),
    };
    const mute = { ...ada, tracks: ada.tracks.map((one) => ({ ...one, muted: true })) };
    await open(inRoom([loud, mute]));
    const [chloes, adas] = screen.getAllByRole("meter");
    expect(chloes?.className).not.toMatch(/opacity/);
    expect(adas?.className).toMatch(/opacity/);
  });

  it("who are no persons, or are badly connected, are shown as that", async () => {
    const phone = person("phone", "+49 30 901820", { kind: "sip", tracks: [], connection: "poor" });
    await open(inRoom([phone]));
    const card = screen.getByTestId("person");
    expect(card.textContent).not.toContain("+9");
    expect(card.querySelectorAll(".lucide-phone")).toHaveLength(2);
    expect(
      screen.getByText("poor connection").parentElement?.querySelector(".lucide-triangle-alert"),
    ).toBeTruthy();
  });

  it("come and go as the studio says", async () => {
    const { studio } = await open(inRoom([]));
    expect(screen.getByText("Nobody is here yet")).toBeTruthy();
    const { room } = inRoom(four);
    studio.emit({ type: "room", room });
    await waitFor(() => expect(screen.getAllByTestId("person")).toHaveLength(4));
  });
});
