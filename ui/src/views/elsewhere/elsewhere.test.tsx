// What LiveKit's own egress service does, as a producer sees it, over a studio in memory.

import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it, vi } from "vitest";
import {
  elsewhereJob,
  elsewhereStream,
  noWorker,
  onLiveKit,
  pastElsewhere,
} from "@/backend/fixture/elsewhere";
import { anError, emptySnapshot, four, inRoom, past, someRooms } from "@/backend/fixture/people";
import { destination, noAddress } from "@/backend/fixture/streams";
import { someStorages } from "@/backend/fixture/uploads";
import { adaOnAir, open, pickAda } from "@/backend/fixture/window";
import type { ElsewhereJob, Snapshot } from "@/backend/types";
import { clearDesk, useDesk } from "@/store/desk";

const youtube = destination("youtube", "YouTube");
const show = (jobs: ElsewhereJob[] = [], change: Partial<Snapshot> = {}) =>
  open(
    inRoom(four, {
      elsewhere: onLiveKit(jobs),
      destinations: [youtube],
      storages: someStorages,
      ...change,
    }),
  );
const cards = () => screen.queryAllByTestId("elsewhere-job").map((card) => card.dataset.egress);
const card = () => within(screen.getByTestId("elsewhere-job"));

describe("where it is recorded", () => {
  it.each(["absent", "unknown"] as const)("is no question where the service is %s", async (service) => {
    clearDesk({ pick: pickAda, where: "livekit" });
    const { user, called } = await show([], { elsewhere: onLiveKit(0, { service }) });
    expect(screen.queryByRole("group", { name: "Record on" })).toBeNull();
    await user.keyboard("r");
    await waitFor(() => expect(called("start")).toHaveLength(1));
    expect(called("startElsewhere")).toEqual([]);
  });

  it("on LiveKit asks LiveKit for the same, and holds nothing ready here", async () => {
    clearDesk({ pick: pickAda });
    const { user, called, studio } = await show();
    await waitFor(() => expect(called("arm")).toHaveLength(1));
    const request = called("arm")[0]?.args[0];
    await user.click(screen.getByRole("radio", { name: "LiveKit" }));
    await waitFor(() => expect(called("disarm")).toHaveLength(1));
    expect(useDesk.getState().where).toBe("livekit");
    expect(screen.getByTestId("record-state").textContent).toBe("LiveKit starts it, in some seconds");
    // Its files are not of this computer.
    expect(screen.queryByTestId("record-folder")).toBeNull();
    expect(screen.queryByTestId("next-live")).toBeNull();
    await user.click(screen.getByRole("button", { name: /^Record on LiveKit/ }));
    await waitFor(() => expect(called("startElsewhere")[0]?.args).toEqual([request]));
    expect(called("start")).toEqual([]);
    // It cannot be started twice, and is stopped from where it was started.
    const stop = await screen.findAllByRole("button", { name: "Stop Ada Lovelace on LiveKit" });
    expect(stop).toHaveLength(2);
    expect(screen.queryByTestId("record")).toBeNull();
    await user.keyboard("r");
    expect(called("startElsewhere")).toHaveLength(1);
    studio.elsewhere.begin("EG_elsewhere1");
    await waitFor(() => expect(screen.getByTestId("program-state").textContent).toBe("Recording on LiveKit"));
    // By S and Enter, as what runs here.
    await user.keyboard("s");
    expect(called("stopElsewhere")).toEqual([]);
    await user.keyboard("{Enter}");
    await waitFor(() => expect(called("stopElsewhere")[0]?.args).toEqual(["EG_elsewhere1"]));
    expect(called("stop")).toEqual([]);
  });

  it("can be this computer as well, while LiveKit records the same", async () => {
    clearDesk({ pick: pickAda, where: "livekit" });
    const { user, called } = await show();
    await user.keyboard("r");
    await screen.findByTestId("elsewhere-job");
    await user.click(screen.getByRole("radio", { name: "this computer" }));
    await user.click(await screen.findByTestId("record"));
    await waitFor(() => expect(called("start")).toHaveLength(1));
    // Now each says where it is.
    const places = await screen.findAllByTestId("place");
    expect(places.map((one) => one.textContent)).toEqual(["on this computer", "on LiveKit"]);
  });

  it("that LiveKit refuses is told, and Record is there again", async () => {
    clearDesk({ pick: pickAda, where: "livekit" });
    const { user, studio } = await show();
    studio.failures.set("startElsewhere", noWorker);
    await user.keyboard("r");
    expect(await screen.findByText(noWorker.message)).toBeTruthy();
    expect(cards()).toEqual([]);
    expect(screen.getByTestId<HTMLButtonElement>("record").disabled).toBe(false);
  });

  it("is said before Record is pressed where LiveKit cannot do all of it", async () => {
    clearDesk({
      pick: pickAda,
      where: "livekit",
      besides: {
        segments: { duration_s: 4, live_playlist: true, fmp4: true },
        images: null,
        proxy: { height: 540, video_bitrate_kbps: null, folder: null },
        copy_folder: "/mnt/second",
      },
    });
    const { user } = await show();
    const limits = () => screen.queryAllByTestId("limit").map((one) => one.dataset.limit);
    expect(limits()).toEqual(["copy", "proxy", "fmp4"]);
    await user.click(screen.getByRole("button", { name: /^Besides the file/ }));
    await user.click(screen.getByRole("checkbox", { name: "A small proxy beside it" }));
    expect(limits()).toEqual(["copy", "fmp4"]);
    await user.click(screen.getByRole("radio", { name: "this computer" }));
    expect(limits()).toEqual([]);
  });
});

describe("a job on LiveKit", () => {
  const whole = elsewhereJob("EG_1", "Whole room", { layout: "grid" });

  it("is no job of this computer: neither its tally light nor its end knows of it", async () => {
    vi.spyOn(Date, "now").mockReturnValue((whole.started_at_ms ?? 0) + 65_000);
    const { user, called } = await show([whole]);
    expect(screen.queryByTestId("tally")).toBeNull();
    expect(screen.getByTestId("running").textContent).toBe("Nothing recording here");
    expect(screen.getByTestId("on-livekit").textContent).toBe("1 on LiveKit");
    expect(card().getByTestId("place").textContent).toBe("on LiveKit");
    expect(card().getByTestId("elsewhere-elapsed").textContent).toBe("00:01:05");
    vi.restoreAllMocks();
    await user.keyboard("{Control>}q{/Control}");
    await waitFor(() => expect(called("quit")).toHaveLength(1));
    expect(screen.queryByRole("dialog")).toBeNull();
  });

  it("is stopped only when that is meant", async () => {
    const { user, called } = await show([whole]);
    await user.click(card().getByRole("button", { name: "Stop Whole room on LiveKit" }));
    expect(called("stopElsewhere")).toEqual([]);
    await user.keyboard("{Enter}");
    await waitFor(() => expect(called("stopElsewhere")[0]?.args).toEqual(["EG_1"]));
    await waitFor(() => expect(card().getByText("Finishing…")).toBeTruthy());
  });

  it("changes its layout to one that LiveKit has", async () => {
    const { user, called } = await show([whole]);
    await user.click(card().getByRole("button", { name: "Layout of Whole room on LiveKit" }));
    expect(screen.queryByRole("menuitem", { name: "Side by side" })).toBeNull();
    await user.click(await screen.findByRole("menuitem", { name: "Speaker" }));
    await waitFor(() => expect(called("updateLayoutElsewhere")[0]?.args).toEqual(["EG_1", "speaker"]));
    await waitFor(() => expect(card().getByText("Layout: Speaker")).toBeTruthy());
  });

  it("without a layout has none to choose, and one that is not encoded no streams", async () => {
    await show([elsewhereJob("EG_1", "Camera of Ada", { can_stream: false })]);
    expect(card().queryByRole("button", { name: /^Layout of/ })).toBeNull();
    expect(card().queryByRole("button", { name: "Add destination" })).toBeNull();
  });

  it("says what the service says is wrong", async () => {
    await show([{ ...whole, error: "pipeline frozen" }]);
    expect(card().getByTestId("notice-message").textContent).toBe(
      "LiveKit's egress service says: pipeline frozen",
    );
    expect(card().getByTestId("notice-fault").textContent).toContain("LiveKit server");
  });

  it("of another room is out of the way until it is asked for", async () => {
    const far = Array.from({ length: 7 }, (_, i) =>
      elsewhereJob(`EG_far${i}`, "Whole room", { room_name: `studio-${i}` }),
    );
    const { user } = await show([...far, whole]);
    expect(cards()).toEqual(["EG_1"]);
    await user.click(screen.getByRole("button", { name: "7 more on LiveKit" }));
    expect(cards()).toHaveLength(8);
    expect(screen.getAllByText("studio-3")).toHaveLength(1);
  });

  it("is in sight from the rooms as well", async () => {
    const rooms = { list: someRooms(3), loading: false, error: null };
    await open(emptySnapshot({ rooms, elsewhere: onLiveKit([whole]) }));
    expect(screen.getByRole("heading", { name: "Rooms" })).toBeTruthy();
    expect(cards()).toEqual(["EG_1"]);
  });

  it("is shown as it last was where LiveKit says nothing", async () => {
    const error = anError({ code: "unreachable", fault: "server", message: "LiveKit does not answer." });
    await show([], { elsewhere: onLiveKit([whole], { error }) });
    expect(screen.getByText("LiveKit does not answer.")).toBeTruthy();
    expect(cards()).toEqual(["EG_1"]);
  });
});

describe("its streams", () => {
  const fixed = elsewhereStream("rtmp://theirs.example/live/{abc...xyz}", { removable: false });
  const job = elsewhereJob("EG_1", "Whole room", { streams: [elsewhereStream(youtube.address), fixed] });
  const states = () => screen.getAllByTestId("elsewhere-stream").map((row) => row.dataset.state);

  it("are taken off when that is meant, where it can be done", async () => {
    const { user, called } = await show([job]);
    expect(card().queryByRole("button", { name: /^Remove theirs/ })).toBeNull();
    await user.click(card().getByRole("button", { name: "Remove YouTube" }));
    await waitFor(() => expect(document.activeElement?.textContent).toBe("Keep"));
    await user.keyboard("{Enter}");
    expect(called("removeStreamElsewhere")).toEqual([]);
    await user.click(card().getByRole("button", { name: "Remove YouTube" }));
    await user.click(card().getByRole("button", { name: "Take off air" }));
    await waitFor(() => expect(called("removeStreamElsewhere")[0]?.args).toEqual(["EG_1", youtube.address]));
    await waitFor(() => expect(states()).toEqual(["finished", "active"]));
  });

  it("that are not taken off say why", async () => {
    const { user, studio } = await show([job]);
    studio.failures.set("removeStreamElsewhere", anError({ code: "unreachable", message: "No answer." }));
    await user.click(card().getByRole("button", { name: "Remove YouTube" }));
    await user.click(card().getByRole("button", { name: "Take off air" }));
    expect((await card().findByTestId("notice-message")).textContent).toBe("No answer.");
    expect(states()).toEqual(["active", "active"]);
  });

  it("come with the same panel as those of this computer", async () => {
    const { user, called } = await show([{ ...job, streams: [fixed] }]);
    await user.click(card().getByRole("button", { name: "Add destination" }));
    await user.click(await screen.findByRole("button", { name: "Go live to YouTube" }));
    await waitFor(() =>
      expect(called("addStreamElsewhere")[0]?.args).toEqual(["EG_1", { type: "saved", id: "youtube" }]),
    );
    await waitFor(() => expect(screen.queryByTestId("add-destination")).toBeNull());
    expect(states()).toEqual(["active", "active"]);
    expect(card().getByText("YouTube")).toBeTruthy();
    // Where it is on already it cannot be added again.
    await user.click(card().getByRole("button", { name: "Add destination" }));
    const again = await screen.findByRole<HTMLButtonElement>("button", { name: "Go live to YouTube" });
    expect(again.disabled).toBe(true);
    const field = screen.getByLabelText("Address with key");
    await user.type(field, "https://no.example");
    await user.click(screen.getByRole("button", { name: "Go live" }));
    expect((await card().findByTestId("notice-message")).textContent).toBe(noAddress.message);
    await user.clear(field);
    await user.type(field, "rtmp://a.example/live/secretkey");
    await user.click(screen.getByRole("checkbox", { name: "Save for later" }));
    await user.click(screen.getByRole("button", { name: "Go live" }));
    await waitFor(() => expect(called("saveDestination")).toHaveLength(1));
    await waitFor(() => expect(screen.queryByTestId("add-destination")).toBeNull());
    expect(document.body.textContent).not.toContain("secretkey");
  });
});

describe("what LiveKit has ended", () => {
  it("is told when it was started from here, with what went wrong", async () => {
    clearDesk({ pick: pickAda, where: "livekit" });
    const { user, studio } = await show();
    await user.keyboard("r");
    await screen.findByTestId("elsewhere-job");
    studio.elsewhere.end("EG_elsewhere1", { status: "failed", error: "no response from servers" });
    expect(await screen.findByText("LiveKit's egress service says: no response from servers")).toBeTruthy();
    await waitFor(() => expect(cards()).toEqual([]));
  });

  it("is told of other rooms to nobody", async () => {
    const { studio } = await show([elsewhereJob("EG_far", "Whole room", { room_name: "studio-1" })]);
    studio.elsewhere.end("EG_far");
    await waitFor(() => expect(screen.queryByTestId("on-livekit")).toBeNull());
    expect(screen.queryByText(/^Ended on LiveKit/)).toBeNull();
  });

  it("is in the history where its files are, and can be neither played nor forgotten", async () => {
    clearDesk({ page: "history" });
    const failed = pastElsewhere("EG_p2", "Ben Okri", {
      status: "failed",
      error: "Start signal not received",
      files: [],
    });
    const jobs = [past("EG_h", "Ada Lovelace")];
    const { user } = await show([pastElsewhere("EG_p1", "Whole room"), failed], { jobs });
    const entries = screen.getAllByTestId("past-elsewhere").map((entry) => within(entry));
    expect(entries).toHaveLength(2);
    const [well, wrong] = entries;
    if (!well || !wrong) throw new Error("both are there");
    expect(well.getByTestId("place").textContent).toBe("on LiveKit");
    expect(well.getByTestId("past-length").textContent).toBe("32:14");
    const location = well.getByTestId("past-location").textContent;
    expect(location).toMatch(/^https:\/\/northlight-shows/);
    const writeText = vi.spyOn(navigator.clipboard, "writeText");
    await user.click(well.getByRole("button", { name: /^Copy the address of/ }));
    expect(writeText).toHaveBeenCalledWith(location);
    expect(well.queryByRole("button", { name: /^(Play|Forget|Upload)/ })).toBeNull();
    expect(wrong.getByTestId("notice-message").textContent).toBe(
      "LiveKit's egress service says: Start signal not received",
    );
    expect(screen.getAllByTestId("past-job")).toHaveLength(1);
  });
});

describe("beside it", () => {
  it("a recording of this computer is on its tally light as ever", async () => {
    await show([elsewhereJob("EG_1", "Whole room")], { jobs: [adaOnAir()] });
    expect(screen.getByTestId("tally").textContent).toContain("REC");
    expect(screen.getByTestId("running").textContent).toBe("1 recording here");
    expect(screen.getByTestId("on-livekit").textContent).toBe("1 on LiveKit");
  });
});
