// The Egress API of this computer, over a studio in memory.

import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it, vi } from "vitest";
import { anError, emptySnapshot } from "@/backend/fixture/people";
import { portTaken } from "@/backend/fixture/studio";
import { open } from "@/backend/fixture/window";
import type { Snapshot } from "@/backend/types";
import { clearDesk } from "@/store/desk";

async function show(change: Partial<Snapshot> = {}) {
  clearDesk({ dialog: { name: "settings", tab: "api" } });
  const window = await open(emptySnapshot(change));
  const region = within(await screen.findByRole("region", { name: "Egress API on this computer" }));
  const toggle = () => region.getByRole("switch", { name: "Answer on this computer" });
  const state = () => region.getByTestId("api-state").dataset.state;
  return { ...window, region, toggle, state };
}

describe("the Egress API", () => {
  it("is off, and on at once when it is switched, with its address and an example to copy", async () => {
    const { user, called, region, toggle, state } = await show();
    expect(state()).toBe("off");
    expect(region.queryByTestId("api-url")).toBeNull();
    await user.click(toggle());
    await waitFor(() =>
      expect(called("setSettings")[0]?.args[0]).toMatchObject({
        folder: "/home/vera/Videos/Tallylight",
        api: { on: true, port: 7890 },
      }),
    );
    expect((await region.findByTestId("api-url")).textContent).toBe("http://127.0.0.1:7890");
    expect(state()).toBe("on");
    const writeText = vi.spyOn(navigator.clipboard, "writeText");
    await user.click(region.getByRole("button", { name: "Copy the address" }));
    expect(writeText).toHaveBeenLastCalledWith("http://127.0.0.1:7890");
    await user.click(region.getByRole("button", { name: "Copy the example" }));
    expect(writeText).toHaveBeenLastCalledWith(
      "lk egress list --url http://127.0.0.1:7890 --api-key APIvqp3rTn --api-secret …",
    );
    await user.click(toggle());
    await waitFor(() => expect(state()).toBe("off"));
    expect(region.queryByTestId("api-url")).toBeNull();
  });

  it("says that it is starting until the studio says that it has", async () => {
    const settings = { ...emptySnapshot().settings, api: { on: true, port: 7890 } };
    const { studio, state, region } = await show({ settings, api: { type: "off" } });
    expect(state()).toBe("starting");
    studio.emit({ type: "api", api: { type: "on", url: "http://127.0.0.1:7890" } });
    expect(await region.findByTestId("api-url")).toBeTruthy();
  });

  it("takes another port, by hand or by Enter, and saves nothing else with it", async () => {
    const { user, called, region, toggle } = await show();
    await user.click(toggle());
    await region.findByTestId("api-url");
    const field = region.getByLabelText("Port");
    await user.clear(field);
    await user.type(field, "7991");
    await user.click(region.getByRole("button", { name: "Use this port" }));
    await waitFor(() => expect(region.getByTestId("api-url").textContent).toBe("http://127.0.0.1:7991"));
    expect(region.queryByRole("button", { name: "Use this port" })).toBeNull();
    await user.clear(field);
    await user.type(field, "7992{Enter}");
    await waitFor(() => expect(region.getByTestId("api-url").textContent).toBe("http://127.0.0.1:7992"));
    expect(called("setSettings")).toHaveLength(3);
    // The settings around it are still open.
    expect(screen.getByRole("dialog", { name: "Settings" })).toBeTruthy();
  });

  it("cannot be asked for a port that is none", async () => {
    const { user, region, toggle } = await show();
    const field = region.getByLabelText("Port");
    for (const wrong of ["70000", "-1", "x", ""]) {
      await user.clear(field);
      if (wrong) await user.type(field, wrong);
      expect(field.getAttribute("aria-invalid")).toBe("true");
      expect(region.queryByRole("button", { name: "Use this port" })).toBeNull();
    }
    expect(toggle().getAttribute("aria-disabled") ?? toggle().hasAttribute("disabled")).toBeTruthy();
  });

  it("that cannot be had says why, and is tried again", async () => {
    const { user, studio, region, toggle, state, called } = await show();
    const field = region.getByLabelText("Port");
    await user.clear(field);
    await user.type(field, "7880");
    await user.click(toggle());
    expect((await region.findByTestId("notice-message")).textContent).toBe(portTaken.message);
    expect(state()).toBe("failed");
    await user.click(region.getByRole("button", { name: "Try again" }));
    await waitFor(() => expect(called("setSettings")).toHaveLength(2));
    expect(called("setSettings")[1]?.args[0]).toMatchObject({ api: { on: true, port: 7880 } });
    studio.emit({ type: "api", api: { type: "on", url: "http://127.0.0.1:7880" } });
    await waitFor(() => expect(region.queryByTestId("notice")).toBeNull());
  });

  it("stays as it is where the settings cannot be saved", async () => {
    const { user, studio, region, toggle, state } = await show();
    studio.failures.set("setSettings", anError({ code: "storage", message: "It cannot be saved." }));
    await user.click(toggle());
    expect((await region.findByTestId("notice-message")).textContent).toBe("It cannot be saved.");
    expect(toggle().getAttribute("aria-checked")).toBe("false");
    expect(state()).toBe("off");
  });

  it("is kept as it is when the other settings are saved", async () => {
    const { user, called, toggle, region } = await show();
    await user.click(toggle());
    await region.findByTestId("api-url");
    await user.click(screen.getByRole("button", { name: "Save" }));
    await waitFor(() => expect(called("setSettings")).toHaveLength(2));
    expect(called("setSettings")[1]?.args[0]).toMatchObject({ api: { on: true, port: 7890 } });
  });
});
