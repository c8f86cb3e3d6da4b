// What goes on without a hand on the mouse: rooms that record by themselves, by a rule that was made in the window; and the
// Egress API of this computer, by LiveKit's own SDK.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { EgressClient } from "livekit-server-sdk";
import { LiveKit } from "../harness/livekit.mjs";
import { Person } from "../harness/people.mjs";
import { openDesktop } from "./desktop.mjs";
import { until } from "./processes.mjs";
import * as steps from "./steps.mjs";

const ESCAPE = "\uE00C";
const CAMERA = { video: { width: 640, height: 360, fps: 15 }, audio: true };

let server, people, desktop, window;

before(async () => {
  server = await LiveKit.start();
  people = [
    new Person({ server, room: "auto-one", person: 1, name: "Ada" }),
    new Person({ server, room: "auto-two", person: 2, name: "Ben" }),
  ];
  desktop = await openDesktop();
  window = await steps.openTallylight(desktop);
  await window.get("heading", "Log into LiveKit", steps.patient);
  await steps.logIn(window, server);
});

after(async () => {
  await window?.close();
  await desktop?.close();
  await Promise.all(people?.map((person) => person.quit()) ?? []);
  await server?.stop();
});

/** What the list of rooms says: `{name: whether it records by itself}`. */
function rooms() {
  return window.script(
    `return Object.fromEntries([...document.querySelectorAll('[data-testid=room]')].map((row) =>
       [row.dataset.room, row.querySelector('[data-testid=by-itself]') !== null]));`,
  );
}

/** Who asked for each running job, in the window's words. */
const origins = () =>
  window.script(
    "return [...document.querySelectorAll('[data-testid=job]')].map((job) => job.querySelector('[data-testid=origin]')?.innerText ?? null)",
  );

async function closeDialog() {
  await window.keys(ESCAPE);
  await until("the dialog to close", async () => (await window.find("dialog", /./)) === null, steps.patient);
}

async function openSettings(tab) {
  await window.click("button", "Settings", steps.patient);
  await window.click("tab", tab, steps.patient);
}

test("rooms record by themselves, and scripts find this computer", { timeout: 400_000 }, async (t) => {
  const step = steps.following(t, window);
  let past;

  await step("a rule is made for rooms of a name", async () => {
    await window.click("button", /^Auto recording/, steps.patient);
    await window.click("button", "Add rule", steps.patient);
    await window.type("textbox", "Rooms called", "auto-*");
    // While the caret blinks: of a page on which nothing moves the driver waits for ever for a picture.
    await steps.look(window, "80 a rule");
    await window.click("label", /^Each person/);
    await window.click("button", "Save rule");
    await window.byTestId("rule");
    await steps.look(window, "81 rules");
    await closeDialog();
  });

  await step("a person comes into such a room, and is recorded without a hand", async () => {
    const [ada] = people;
    await ada.join(CAMERA);
    await until(
      "a job by a rule",
      async () => {
        const all = await origins();
        if (all.length === 1 && all[0] === "by a rule") return true;
        throw new Error(`${JSON.stringify(all)} ${await window.text()}`);
      },
      { within_ms: 40_000 },
    );
    await until("the room to say so", async () => (await rooms())["auto-one"] === true, steps.patient);
    await steps.waitForRecording(window, { seconds: 3 });
    await steps.look(window, "82 by a rule");
  });

  await step("what is stopped stays stopped, and is in the history with its file", async () => {
    await steps.stopRecording(window);
    [past] = await steps.history(window);
    assert.deepEqual([past.status, past.end], ["complete", "Stopped by hand"]);
    await window.sees(/by a rule/, steps.patient);
    await steps.look(window, "83 history by a rule");
    const [path] = steps.recordings(desktop);
    const { seconds, codecs } = await steps.playThrough(path);
    assert.ok(seconds > 2, `${seconds} s`);
    assert.ok(codecs.video && codecs.audio, JSON.stringify(codecs));
    await window.keys("h");
    await window.get("heading", "Rooms", steps.patient);
    assert.deepEqual(await origins(), [], "it was begun again");
  });

  await step("a rule that is switched off records nothing", async () => {
    await window.click("button", /^Auto recording/, steps.patient);
    await window.click("checkbox", "In force: auto-*");
    await until(
      "the rule to be off",
      () => window.script("return document.querySelector('[data-testid=rule]')?.dataset.on === 'false'"),
      steps.patient,
    );
    await closeDialog();
    await people[1].join(CAMERA);
    await until("the other room", async () => (await rooms())["auto-two"] === false, steps.patient);
    // As long as it took before, and more.
    await new Promise((resolve) => setTimeout(resolve, 8000));
    assert.deepEqual(await origins(), []);
  });

  await step("the Egress API is switched on, and lists what was recorded", async () => {
    await openSettings("API");
    await window.type("textbox", "Port", "0");
    await window.click("checkbox", "Answer on this computer");
    const line = await window.byTestId("api-url", steps.patient);
    const url = await window.script("return arguments[0].innerText", line);
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/);
    await steps.look(window, "84 api");
    assert.ok(!(await window.text()).includes(server.secret), "the secret is shown");
    const list = await new EgressClient(url, server.key, server.secret).listEgress();
    assert.deepEqual(
      list.map((info) => info.egressId),
      [past.id],
    );
    const stranger = new EgressClient(url, server.key, "f".repeat(48));
    await assert.rejects(stranger.listEgress(), { status: 401 });
    await window.click("checkbox", "Answer on this computer");
    await until(
      "it to be off",
      () => window.script("return document.querySelector('[data-testid=api-state]')?.dataset.state === 'off'"),
      steps.patient,
    );
    await assert.rejects(fetch(url), "it still listens");
    await closeDialog();
  });
});
