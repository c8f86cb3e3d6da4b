// Live streams of a job that runs, as a streamer sees them, over a studio in memory.

import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import {
  anError,
  emptySnapshot,
  four,
  inRoom,
  job,
  noKeyring,
  past,
  wholePerson,
} from "@/backend/fixture/people";
import {
  destination,
  noAddress,
  notThere,
  refusedKey,
  stream,
  streamFigures,
} from "@/backend/fixture/streams";
import { adaOnAir, open, pickAda } from "@/backend/fixture/window";
import type { Destination, DestinationState, Job } from "@/backend/types";
import { clearDesk, useDesk } from "@/store/desk";

const youtube = destination("youtube", "YouTube");
const venue = destination("venue", "Venue screens", { address: "srt://venue.example:9710", protocol: "srt" });
const live: DestinationState = { is: "live", retries: 0 };

const streaming = (states: [Destination, DestinationState][], file = true): Job => {
  const ada = adaOnAir();
  return {
    ...ada,
    outputs: [
      ...(file ? ada.outputs : []),
      ...states.map(([{ address }, state], i) => stream(`stream-${i + 1}`, address, state)),
    ],
    figures: ada.figures && {
      ...ada.figures,
      outputs: [
        ...(file ? ada.figures.outputs : []),
        ...states.map(([, state], i) =>
          streamFigures(`stream-${i + 1}`, state.is === "live" ? {} : { uptime_ms: null, tries: 1 }),
        ),
      ],
    },
  };
};

const show = (jobs: Job[], destinations = [youtube, venue]) => open(inRoom(four, { jobs, destinations }));
const rows = () => screen.getAllByTestId("stream").map((row) => row.dataset.state);
const row = (name: string) => {
  const found = screen.getAllByTestId("stream").find((one) => within(one).queryByText(name));
  if (!found) throw new Error(`no destination ${name}`);
  return found;
};
const say = (name: string) => within(row(name)).getByTestId("stream-state").textContent;

describe("a job that only streams", () => {
  it("can be recorded as well, once", async () => {
    const { user, called } = await show([streaming([[youtube, live]], false)]);
    await user.click(screen.getByRole("button", { name: "Record it as well" }));
    expect(called("record")).toHaveLength(1);
    await waitFor(() => expect(screen.queryByRole("button", { name: "Record it as well" })).toBeNull());
    expect(rows()).toEqual(["live"]);
  });
});

describe("adding while it runs", () => {
  it("by D and Enter goes live to a saved one, and says how that goes", async () => {
    clearDesk({ pick: pickAda });
    const { studio, user, called } = await show([adaOnAir()]);
    await user.keyboard("d");
    const panel = await screen.findByTestId("add-destination");
    await waitFor(() => expect(panel.contains(document.activeElement)).toBe(true));
    await user.keyboard("{Enter}");
    await waitFor(() =>
      expect(called("addStream")[0]?.args).toEqual(["EG_ada", { type: "saved", id: "youtube" }]),
    );
    await waitFor(() => expect(screen.queryByTestId("add-destination")).toBeNull());
    expect(say("YouTube")).toBe("Connecting…");
    expect(screen.getByTestId("streams-summary").textContent).toBe("0 of 1");
    studio.streams.pass(500);
    await waitFor(() => expect(say("YouTube")).toBe("Live"));
    expect(within(row("YouTube")).getByTestId("stream-rate").textContent).toBe("4.5 Mb/s");
    expect(screen.getByTestId("live-count").textContent).toBe("1 live");
    expect(screen.getByTestId("program-state").textContent).toContain("Recording and live");
    // The recording has gone on in the same job.
    expect(screen.getByTestId("job-size").textContent).toBe("142 MB");
    studio.streams.pass(61_000);
    await waitFor(() =>
      expect(within(row("YouTube")).getByTestId("stream-uptime").textContent).toBe("00:01:01"),
    );
  });

  it("marks those that are on, and asks for the key of one that has lost it", async () => {
    clearDesk({ pick: pickAda });
    const { user } = await show(
      [streaming([[youtube, live]])],
      [youtube, destination("gone", "Old", { key: "missing" })],
    );
    await user.click(screen.getByRole("button", { name: /^Add destination/ }));
    expect(screen.getByRole<HTMLButtonElement>("button", { name: "Go live to YouTube" }).disabled).toBe(true);
    await user.click(screen.getByRole("button", { name: "Enter the key of Old" }));
    expect(await screen.findByRole("dialog", { name: "Edit Old" })).toBeTruthy();
  });

  it("of a wrong address is refused in place, and keeps what was typed", async () => {
    clearDesk({ pick: pickAda });
    const { user, studio } = await show([adaOnAir()], []);
    await user.keyboard("d");
    const field = await screen.findByLabelText<HTMLInputElement>("Address with key");
    await waitFor(() => expect(document.activeElement).toBe(field));
    await user.type(field, "https://live.example/key");
    expect(field.type).toBe("password");
    await user.click(screen.getByRole("button", { name: "Go live" }));
    const notice = await screen.findByTestId("notice");
    expect(within(notice).getByTestId("notice-message").textContent).toBe(noAddress.message);
    expect(field.value).toBe("https://live.example/key");
    expect(field.getAttribute("aria-invalid")).toBe("true");
    await user.clear(field);
    await user.type(field, "rtmp://live.example/app/secretkey{Enter}");
    await waitFor(() => expect(screen.queryByTestId("add-destination")).toBeNull());
    expect(studio.now.destinations).toEqual([]);
    expect(document.body.textContent).not.toContain("secretkey");
    expect(say("live.example/app/{sec...key}")).toBe("Connecting…");
  });

  it("saves it for later when asked to, by the name that was given", async () => {
    clearDesk({ pick: pickAda });
    const { user, called } = await show([adaOnAir()], []);
    await user.keyboard("d");
    await user.type(await screen.findByLabelText("Address with key"), "rtmps://live.example/app/key1");
    await user.click(screen.getByRole("checkbox", { name: /^Accept any certificate/ }));
    await user.click(screen.getByRole("checkbox", { name: "Save for later" }));
    await user.type(screen.getByLabelText("Name"), "Ours");
    await user.click(screen.getByRole("checkbox", { name: /^Keep the key for this run only/ }));
    await user.click(screen.getByRole("button", { name: "Go live" }));
    await waitFor(() => expect(called("saveDestination")).toHaveLength(1));
    expect(called("addStream")[0]?.args[1]).toEqual({
      type: "url",
      url: "rtmps://live.example/app/key1",
      any_certificate: true,
      sound: "stereo48k",
    });
    expect(called("saveDestination")[0]?.args[0]).toEqual({
      name: "Ours",
      url: "rtmps://live.example/app/key1",
      any_certificate: true,
      sound: "stereo48k",
      this_run_only: true,
    });
    await waitFor(() => expect(say("Ours")).toBe("Connecting…"));
  });

  it("to a WebSocket says that only sound goes there, and lets it be chosen how", async () => {
    clearDesk({ pick: pickAda });
    const { user, called, studio } = await show([adaOnAir()], []);
    await user.keyboard("d");
    const field = await screen.findByLabelText("Address with key");
    await user.type(field, "rtmp://captions.example/in");
    expect(screen.queryByLabelText("Sound")).toBeNull();
    await user.clear(field);
    await user.type(field, "wss://captions.example/in?token=secretword");
    expect(screen.getByText("Only sound goes to a WebSocket: for captions and transcripts.")).toBeTruthy();
    expect(screen.queryByRole("checkbox", { name: /^Accept any certificate/ })).toBeNull();
    await user.click(screen.getByRole("combobox", { name: "Sound" }));
    await user.click(await screen.findByRole("option", { name: /^16 kHz mono/ }));
    await user.click(screen.getByRole("checkbox", { name: "Save for later" }));
    await user.type(screen.getByLabelText("Name"), "Captions");
    await user.click(screen.getByRole("button", { name: "Go live" }));
    await waitFor(() => expect(called("saveDestination")).toHaveLength(1));
    expect(called("addStream")[0]?.args[1]).toMatchObject({ type: "url", sound: "mono16k" });
    expect(studio.now.destinations[0]).toMatchObject({ protocol: "websocket", sound: "mono16k" });
    expect(document.body.textContent).not.toContain("secretword");
    studio.streams.pass(500);
    await waitFor(() => expect(say("Captions")).toBe("Live"));
    await user.click(screen.getByRole("button", { name: "Details of Captions" }));
    const details = within(await screen.findByTestId("stream-details"));
    expect(details.getByText("WebSocket")).toBeTruthy();
    expect(details.getByText("Sound only, 16 kHz mono")).toBeTruthy();
    // It has no pictures that could be left out.
    expect(details.queryByText(/frames/)).toBeNull();
  });

  it("offers to pass over a certificate only where there is one", async () => {
    clearDesk({ pick: pickAda });
    const { user, called } = await show([adaOnAir()], []);
    await user.keyboard("d");
    const field = await screen.findByLabelText("Address with key");
    await user.type(field, "rtmps://a.example/app/key1");
    await user.click(screen.getByRole("checkbox", { name: /^Accept any certificate/ }));
    await user.clear(field);
    await user.type(field, "rtmp://a.example/app/key1");
    expect(screen.queryByRole("checkbox", { name: /^Accept any certificate/ })).toBeNull();
    await user.keyboard("{Enter}");
    await waitFor(() => expect(called("addStream")[0]?.args[1]).toMatchObject({ any_certificate: false }));
  });

  it("is live although it cannot be saved, and is not added twice for it", async () => {
    clearDesk({ pick: pickAda });
    const { user, called, studio } = await show([adaOnAir()], []);
    studio.failures.set("saveDestination", noKeyring);
    await user.keyboard("d");
    await user.type(await screen.findByLabelText("Address with key"), "rtmp://a.example/app/key1");
    await user.click(screen.getByRole("checkbox", { name: "Save for later" }));
    await user.click(screen.getByRole("button", { name: "Go live" }));
    const again = await screen.findByRole("button", { name: "Keep it for this run only" });
    expect(rows()).toEqual(["connecting"]);
    expect(screen.getByText("It goes live all the same; only saving it failed.")).toBeTruthy();
    studio.failures.clear();
    await user.click(again);
    await waitFor(() => expect(screen.queryByTestId("add-destination")).toBeNull());
    expect(called("addStream")).toHaveLength(1);
    expect(called("saveDestination")[1]?.args[0]).toMatchObject({ this_run_only: true });
  });

  it("D asks which job, where several run and none is chosen", async () => {
    const ben = job("EG_ben", "Ben Okri", wholePerson("ben"));
    const { user } = await show([adaOnAir(), ben]);
    await user.keyboard("d");
    expect(await screen.findByText("Which one is to be streamed?")).toBeTruthy();
    expect(screen.queryByTestId("add-destination")).toBeNull();
    await user.keyboard("2");
    await user.keyboard("d");
    const panel = await screen.findByTestId("add-destination");
    expect(panel.closest<HTMLElement>("[data-testid=job]")?.dataset.egress).toBe("EG_ben");
    await waitFor(() => expect(panel.contains(document.activeElement)).toBe(true));
    // Escape shuts it, and what is looked at stays.
    await user.keyboard("{Escape}");
    await waitFor(() => expect(screen.queryByTestId("add-destination")).toBeNull());
    expect(useDesk.getState().pick).toMatchObject({ identity: "ben" });
  });
});

describe("a destination in trouble", () => {
  it("that is refused says why, and is tried again when told to", async () => {
    const { user, called, studio } = await show([
      streaming([[youtube, { is: "refused", error: refusedKey }]]),
    ]);
    expect(say("YouTube")).toBe("Refused");
    expect(screen.getByTestId("stream-why").textContent).toBe(refusedKey.message);
    await user.click(screen.getByRole("button", { name: "Try YouTube again" }));
    await waitFor(() => expect(called("retryOutput")[0]?.args).toEqual(["EG_ada", "stream-1"]));
    await waitFor(() => expect(say("YouTube")).toBe("Connecting…"));
    studio.streams.manners.set("youtube", "refuses");
    studio.streams.pass(500);
    await waitFor(() => expect(say("YouTube")).toBe("Refused"));
  });

  it("that is lost counts down to its next try, and comes back by itself", async () => {
    const { user, studio, called } = await show([
      streaming([
        [youtube, live],
        [venue, live],
      ]),
    ]);
    studio.streams.manners.set("youtube", "away");
    studio.streams.lose("EG_ada", "stream-1");
    await waitFor(() => expect(say("YouTube")).toBe("Try 1 in 1 s"));
    expect(screen.getByTestId("streams-summary").textContent).toBe("1 of 21 lost");
    expect(say("Venue screens")).toBe("Live");
    studio.streams.pass(1000);
    await waitFor(() => expect(say("YouTube")).toBe("Try 1…"));
    studio.streams.pass(500);
    await waitFor(() => expect(say("YouTube")).toBe("Try 2 in 2 s"));
    studio.streams.pass(500);
    await waitFor(() => expect(say("YouTube")).toBe("Try 2 in 2 s"));
    studio.streams.pass(600);
    await waitFor(() => expect(say("YouTube")).toBe("Try 2 in 1 s"));
    await user.click(screen.getByRole("button", { name: "Details of YouTube" }));
    expect(screen.getByTestId("notice-message").textContent).toBe(notThere.message);
    await user.click(screen.getByRole("button", { name: "Try again now" }));
    await waitFor(() => expect(called("retryOutput")).toHaveLength(1));
    studio.streams.manners.clear();
    studio.streams.pass(500);
    await waitFor(() => expect(say("YouTube")).toBe("Live"));
  });

  it("nowhere live and nothing recorded: the tally is out, and it says so", async () => {
    clearDesk({ pick: pickAda });
    const { studio } = await show([streaming([[youtube, live]], false)]);
    expect(screen.getByTestId("tally").textContent).toContain("LIVE");
    expect(screen.getByTestId("program-state").textContent).toContain("Live");
    expect(screen.queryByTestId("running")).toBeNull();
    expect(screen.queryByText("REC")).toBeNull();
    studio.streams.lose("EG_ada", "stream-1");
    await waitFor(() => expect(screen.queryByTestId("tally")).toBeNull());
    expect(screen.getByTestId("program-state").textContent).toBe("Not live");
    expect(screen.getByTestId("live-count").textContent).toBe("0 of 1 live");
  });

  it("ten of them have a line each, and only what needs a hand has a second", async () => {
    const states: [Destination, DestinationState][] = Array.from({ length: 10 }, (_, i) => [
      destination(`d${i}`, `Place ${i}`),
      i === 3
        ? { is: "refused", error: refusedKey }
        : i === 5
          ? { is: "reconnecting", retries: 1, error: notThere }
          : live,
    ]);
    await show(
      [streaming(states)],
      states.map(([one]) => one),
    );
    expect(rows()).toHaveLength(10);
    expect(screen.getByTestId("streams-summary").textContent).toBe("8 of 101 lost, 1 refused");
    expect(screen.getAllByTestId("stream-why")).toHaveLength(1);
    expect(screen.queryByTestId("stream-uptime")).toBeNull();
  });
});

describe("removing", () => {
  it("asks first, with Keep in hand, and says that the recording goes on", async () => {
    const { user, called, studio } = await show([streaming([[youtube, live]])]);
    await user.click(screen.getByRole("button", { name: "Details of YouTube" }));
    expect(screen.getByTestId("stream-address").textContent).toBe(youtube.address);
    await user.click(screen.getByRole("button", { name: "Remove" }));
    expect(screen.getByText("YouTube goes off air. The recording goes on.")).toBeTruthy();
    expect(document.activeElement?.textContent).toBe("Keep");
    await user.keyboard("{Enter}");
    expect(called("removeOutput")).toEqual([]);
    await user.click(screen.getByRole("button", { name: "Remove" }));
    await user.click(screen.getByRole("button", { name: "Take off air" }));
    await waitFor(() => expect(called("removeOutput")[0]?.args).toEqual(["EG_ada", "stream-1"]));
    await waitFor(() => expect(screen.queryByTestId("stream")).toBeNull());
    expect(studio.now.jobs[0]?.status).toBe("active");
    await user.click(screen.getByRole("button", { name: "1 stopped" }));
    expect(rows()).toEqual(["stopped"]);
    // It can be gone live to again.
    await user.keyboard("d");
    await user.click(await screen.findByRole("button", { name: "Go live to YouTube" }));
    await waitFor(() => expect(rows()).toEqual(["connecting"]));
  });

  it("the last of a job that does nothing else says that it ends the job", async () => {
    const { user, studio } = await show([streaming([[youtube, live]], false)]);
    await user.click(screen.getByRole("button", { name: "Details of YouTube" }));
    await user.click(screen.getByRole("button", { name: "Remove" }));
    expect(screen.getByText(/nothing is recorded: without it this job ends/)).toBeTruthy();
    await user.click(screen.getByRole("button", { name: "Remove and end" }));
    await waitFor(() => expect(studio.now.jobs[0]?.end_reason).toBe("streams_stopped"));
    expect(await screen.findByText("Off air: Ada Lovelace")).toBeTruthy();
  });

  it("by name asks in the row as well; what fails is said there", async () => {
    const { user, studio, called } = await show([
      streaming(
        [
          [youtube, live],
          [venue, live],
        ],
        false,
      ),
    ]);
    await user.keyboard("{Control>}k{/Control}");
    await user.type(await screen.findByPlaceholderText("What to do?"), "remove venue{Enter}");
    expect(await screen.findByText("Venue screens goes off air. The other streams go on.")).toBeTruthy();
    expect(called("removeOutput")).toEqual([]);
    studio.failures.set("removeOutput", anError({ message: "Not now." }));
    await user.click(screen.getByRole("button", { name: "Take off air" }));
    expect((await screen.findByTestId("notice-message")).textContent).toBe("Not now.");
  });
});

describe("the history", () => {
  it("lists where it was streamed to, how long and how it ended", async () => {
    const over = past("EG_p", "Ada Lovelace");
    const result = { started_at_ns: 1e9, ended_at_ns: 663e9, size_bytes: 372_000_000, retries: 0 };
    const outputs = [
      ...over.outputs,
      stream("stream-1", youtube.address, { is: "stopped", result }),
      stream("stream-2", venue.address, {
        is: "failed",
        error: refusedKey,
        result: { ...result, started_at_ns: 0, size_bytes: 0 },
      }),
      stream("stream-3", "rtmp://c.example/live/{c...z}", live),
    ];
    await open(inRoom(four, { jobs: [{ ...over, outputs }], destinations: [youtube, venue] })).then(
      ({ user }) => user.keyboard("h"),
    );
    const lines = (await screen.findAllByTestId("past-stream")).map((line) => line.textContent);
    expect(lines[0]).toBe("YouTubeStopped11:02 · 372 MB");
    expect(lines[1]).toBe(`Venue screensFailedNever live${refusedKey.message}`);
    expect(lines[2]).toBe("c.example/live/{c...z}Cut off with the recording");
    // The file's size is that of the file.
    expect(screen.getByTestId("past-size").textContent).toBe("361 MB");
  });

  it("of what was only streamed has its length and what was sent", async () => {
    const over = past("EG_p", "Ada Lovelace", { end_reason: "streams_stopped" });
    const result = { started_at_ns: 1e9, ended_at_ns: 663e9, size_bytes: 372_000_000, retries: 0 };
    const outputs = [stream("stream-1", youtube.address, { is: "stopped", result })];
    const { user } = await open(emptySnapshot({ jobs: [{ ...over, outputs }], destinations: [youtube] }));
    await user.keyboard("h");
    expect((await screen.findByTestId("past-length")).textContent).toBe("11:02");
    expect(screen.getByTestId("past-size").textContent).toBe("372 MB sent");
    expect(screen.getByTestId("past-end").textContent).toBe("Last stream removed");
    expect(screen.getByTestId("past-file").textContent).toBe("live only, no file");
  });
});
