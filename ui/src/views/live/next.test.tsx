// Going live with what is to be recorded next, or without recording it, and the destinations that are saved for it.

import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { four, inRoom, noKeyring } from "@/backend/fixture/people";
import { destination, noKey, notThere } from "@/backend/fixture/streams";
import { open, pickAda } from "@/backend/fixture/window";
import { clearDesk, useDesk } from "@/store/desk";

const saved = [destination("twitch", "Twitch"), destination("youtube", "YouTube")];
const show = async (destinations = saved) => {
  clearDesk({ pick: pickAda });
  const window = await open(inRoom(four, { destinations }));
  await waitFor(() => expect(window.studio.now.jobs).toHaveLength(1));
  const [held] = window.studio.now.jobs;
  window.studio.changeJob(held?.egress_id ?? "", { armed: true, connection: "connected" });
  await waitFor(() => expect(screen.getByTestId("record").dataset.ready).toBe("true"));
  return window;
};
const options = () => screen.getByTestId("next-live").querySelector("button") as HTMLButtonElement;

describe("before the show", () => {
  it("what is ticked goes live with Record, in the same job", async () => {
    const { user, called, studio } = await show();
    expect(screen.getByTestId("record").textContent).toBe("RecordR");
    await user.click(options());
    await user.click(screen.getByRole("checkbox", { name: "YouTube" }));
    await user.click(screen.getByRole("checkbox", { name: "Twitch" }));
    expect(screen.getByTestId("record").textContent).toBe("Record and go live to 2R");
    expect(called("addStream")).toEqual([]);
    await user.keyboard("r");
    await waitFor(() => expect(called("addStream")).toHaveLength(2));
    const names = studio.calls
      .map((call) => call.name)
      .filter((name) => ["start", "addStream"].includes(name));
    expect(names).toEqual(["start", "addStream", "addStream"]);
    const [job] = studio.now.jobs;
    expect(job?.outputs.map((one) => one.id)).toEqual(["file", "stream-1", "stream-2"]);
    expect(called("addStream").map((call) => call.args[0])).toEqual([job?.egress_id, job?.egress_id]);
    // Remembered for the next one.
    expect(useDesk.getState().ticked).toEqual(["youtube", "twitch"]);
  });

  it("one that fails says so by its name, and undoes nothing", async () => {
    const { user, studio } = await show();
    const add = studio.addStream.bind(studio);
    studio.addStream = (id, stream) =>
      stream.type === "saved" && stream.id === "twitch" ? Promise.reject(notThere) : add(id, stream);
    useDesk.setState({ ticked: ["twitch", "youtube"] });
    await user.click(screen.getByTestId("record"));
    expect(await screen.findByText(`Twitch is not live. ${notThere.message}`)).toBeTruthy();
    await waitFor(() => expect(screen.getAllByTestId("stream")).toHaveLength(1));
    expect(studio.now.jobs[0]?.status).toBe("active");
    expect(screen.getByTestId("tally")).toBeTruthy();
  });

  it("one whose key is gone cannot be ticked, and is asked for", async () => {
    const { user } = await show([destination("old", "Old", { key: "missing" })]);
    useDesk.setState({ ticked: ["old"] });
    expect(screen.getByTestId("record").textContent).toBe("RecordR");
    await user.click(options());
    expect(screen.getByRole("checkbox", { name: "Old" }).getAttribute("aria-disabled")).toBe("true");
    await user.click(screen.getByRole("button", { name: "Enter the key of Old" }));
    const dialog = await screen.findByRole("dialog", { name: "Edit Old" });
    const save = within(dialog).getByRole<HTMLButtonElement>("button", { name: "Save" });
    expect(save.disabled).toBe(true);
    await user.type(within(dialog).getByLabelText("Address with key"), "rtmp://old.example/app/key1");
    await user.click(save);
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    expect(screen.getByTestId("record").textContent).toBe("Record and go live to 1R");
  });

  it("a new one is saved and ticked; a wrong one keeps what was typed", async () => {
    const { user, called } = await show([]);
    await user.keyboard("d");
    const field = await screen.findByLabelText<HTMLInputElement>("Address with key");
    await user.type(field, "nonsense");
    await user.click(screen.getByRole("button", { name: "Save and tick" }));
    expect(await within(screen.getByTestId("next-live")).findByTestId("notice")).toBeTruthy();
    expect(field.value).toBe("nonsense");
    await user.clear(field);
    await user.type(field, "rtmp://a.example/app/key1");
    await user.type(screen.getByLabelText("Name"), "Ours");
    await user.click(screen.getByRole("button", { name: "Save and tick" }));
    await waitFor(() => expect(screen.getByTestId("record").textContent).toBe("Record and go live to 1R"));
    expect(screen.getByRole("checkbox", { name: "Ours" }).getAttribute("aria-checked")).toBe("true");
    expect(called("addStream")).toEqual([]);
  });

  it("without recording it goes live only when that is said", async () => {
    const { user, called, studio } = await show();
    await user.click(options());
    const only = screen.getByTestId<HTMLButtonElement>("live-only");
    expect(only.textContent).toBe("Go live without recording");
    expect(only.disabled).toBe(true);
    await user.click(screen.getByRole("checkbox", { name: "YouTube" }));
    await user.click(only);
    await waitFor(() => expect(called("addStream")).toHaveLength(1));
    expect(called("start")).toEqual([]);
    studio.streams.pass(500);
    await waitFor(() => expect(screen.getByTestId("tally").textContent).toContain("LIVE"));
    expect(studio.now.jobs[0]?.outputs.map((one) => one.id)).toEqual(["stream-1"]);
  });
});

describe("saved destinations", () => {
  const settings = async (destinations = saved) => {
    const window = await open(inRoom(four, { destinations }));
    await window.user.keyboard("{Control>},{/Control}");
    await window.user.click(await screen.findByRole("tab", { name: "Live" }));
    return window;
  };
  const list = () => within(screen.getByRole("region", { name: "Live destinations" }));

  it("are added, and say where their keys are", async () => {
    const { user, called } = await settings([]);
    await user.click(list().getByRole("button", { name: "Add destination" }));
    await user.type(await screen.findByLabelText("Address with key"), "srt://a.example:9000?streamid=x");
    await user.type(screen.getByLabelText("Name"), "Venue");
    await user.click(screen.getByRole("checkbox", { name: /^Keep the key for this run only/ }));
    await user.click(within(screen.getByTestId("destination-form")).getByRole("button", { name: "Save" }));
    const one = await screen.findByTestId("destination");
    expect(one.dataset.key).toBe("this_run");
    expect(one.textContent).toContain("this run only");
    expect(one.textContent).toContain("SRT");
    expect(called("setSettings")).toEqual([]);
  });

  it("are edited without showing the key, which stays unless another is given", async () => {
    const { user, called } = await settings();
    await user.click(list().getByRole("button", { name: "Edit Twitch" }));
    const field = await screen.findByLabelText<HTMLInputElement>("Address with key");
    expect(field.value).toBe("");
    const name = screen.getByLabelText("Name");
    await user.clear(name);
    await user.type(name, "Twitch main");
    await user.keyboard("{Enter}");
    await waitFor(() => expect(called("editDestination")).toHaveLength(1));
    expect(called("editDestination")[0]?.args).toEqual([
      "twitch",
      { name: "Twitch main", url: null, any_certificate: false, sound: "stereo48k", this_run_only: false },
    ]);
    expect(await list().findByText("Twitch main")).toBeTruthy();
  });

  it("what the studio says of a key is shown where it is entered", async () => {
    const { user, studio } = await settings([destination("old", "Old", { key: "missing" })]);
    studio.failures.set("editDestination", noKey);
    await user.click(list().getByRole("button", { name: "Enter the key of Old" }));
    await user.type(await screen.findByLabelText("Address with key"), "rtmp://a.example/app/key1");
    await user.click(within(screen.getByTestId("destination-form")).getByRole("button", { name: "Save" }));
    const form = within(screen.getByTestId("destination-form"));
    expect((await form.findByTestId("notice-message")).textContent).toBe(noKey.message);
  });

  it("a keyring that refuses can be done without, in one click", async () => {
    const { user, studio, called } = await settings([]);
    studio.failures.set("saveDestination", noKeyring);
    await user.click(list().getByRole("button", { name: "Add destination" }));
    await user.type(await screen.findByLabelText("Address with key"), "rtmp://a.example/app/key1{Enter}");
    const again = await screen.findByRole("button", { name: "Keep it for this run only" });
    studio.failures.clear();
    await user.click(again);
    await waitFor(() => expect(called("saveDestination")[1]?.args[0]).toMatchObject({ this_run_only: true }));
    expect((await screen.findByTestId("destination")).dataset.key).toBe("this_run");
  });

  it("are forgotten once that is confirmed", async () => {
    const { user, called, studio } = await settings();
    await user.click(list().getByRole("button", { name: "Forget Twitch" }));
    expect(document.activeElement?.textContent).toBe("Keep it");
    await user.keyboard("{Enter}");
    expect(screen.queryByTestId("destination-forget")).toBeNull();
    expect(called("forgetDestination")).toEqual([]);
    await user.click(list().getByRole("button", { name: "Forget Twitch" }));
    const asked = within(screen.getByTestId("destination-forget"));
    await user.click(asked.getByRole("button", { name: "Forget" }));
    await waitFor(() => expect(studio.now.destinations.map((one) => one.name)).toEqual(["YouTube"]));
  });
});
