// Logged in from the environment, as the demo does: in the room at once, and no trace of it afterwards.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { LiveKit } from "../harness/livekit.mjs";
import { Person } from "../harness/people.mjs";
import { openDesktop } from "./desktop.mjs";
import { until } from "./processes.mjs";
import * as steps from "./steps.mjs";

let server, person, desktop, window;

before(async () => {
  server = await LiveKit.start();
  person = new Person({ server, room: "demo", person: 5, name: "Edda" });
  await person.join({ video: { width: 320, height: 180, fps: 15 }, audio: true });
  desktop = await openDesktop();
});

after(async () => {
  await window?.close();
  await desktop?.close();
  await person?.quit();
  await server?.stop();
});

test("the demo stands in its room at once, and leaves nothing behind", { timeout: 180_000 }, async () => {
  const dataDir = join(desktop.folder, "demo");
  window = await steps.openTallylight(desktop, {
    TALLYLIGHT_DATA_DIR: dataDir,
    TALLYLIGHT_DEMO_URL: server.url,
    TALLYLIGHT_DEMO_KEY: server.key,
    TALLYLIGHT_DEMO_SECRET: server.secret,
    TALLYLIGHT_DEMO_ROOM: "demo",
  });
  await steps.waitForPeople(window, [person.identity]);
  await until("the picture", () => steps.pictureOf(window, person.identity), steps.patient);
  await steps.look(window, "30 demo");

  const projects = () => JSON.parse(readFileSync(join(dataDir, "projects.json"), "utf8")).saved.projects;
  assert.deepEqual(projects().map(({ name, in_keyring }) => [name, in_keyring]), [["Demo", false]]);
  await desktop.run("wmctrl", "-c", "Tallylight");
  await until("Tallylight to end", () => desktop.processes("tallylight").length === 0, steps.patient);
  assert.deepEqual(projects(), []);
  assert.deepEqual(steps.filesBelow(desktop.dataDir), [], "the user's own data is not touched");
  steps.assertInNoFile(desktop.folder, server.secret);
});
