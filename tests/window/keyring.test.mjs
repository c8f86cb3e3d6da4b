// No Secret Service on the machine: the window says so, and keeps the secret for this run only.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { LiveKit } from "../harness/livekit.mjs";
import { openDesktop } from "./desktop.mjs";
import { until } from "./processes.mjs";
import * as steps from "./steps.mjs";

let server, desktop, window;

before(async () => {
  server = await LiveKit.start();
  desktop = await openDesktop({ keyring: false });
  window = await steps.openTallylight(desktop);
});

after(async () => {
  await window?.close();
  await desktop?.close();
  await server?.stop();
});

test("without a keyring the secret is kept for this run, and asked for in the next", { timeout: 300_000 }, async () => {
  const words = await steps.refusal(window, "keyring");
  assert.match(words, /keyring/i);
  assert.match(words, /this run only/i, "it says what can be done");
  await steps.look(window, "12 no keyring");

  await steps.logIn(window, server);
  steps.assertInNoFile(desktop.folder, server.secret);

  await window.close();
  await until("Tallylight to end", () => desktop.processes("tallylight").length === 0);
  window = await steps.openTallylight(desktop);
  await window.sees(/secret of this project is not at hand/, steps.patient);
  await steps.look(window, "13 secret needed");
  await window.click("button", "Project: Studio");
  await window.click("menuitem", /^Edit/);
  await steps.fillProject(window, { secret: server.secret });
  await until("the form to close", async () => (await window.find("button", /^Check and/)) === null, steps.patient);
  await steps.look(window, "14 secret given again");
  await until("the rooms", async () => !/not at hand/.test(await window.text()), steps.patient);
});
