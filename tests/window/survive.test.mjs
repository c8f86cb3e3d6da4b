// The studio is killed while it records: the next start finds the job running, and can stop it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { LiveKit } from "../harness/livekit.mjs";
import { Person } from "../harness/people.mjs";
import { openDesktop } from "./desktop.mjs";
import { until } from "./processes.mjs";
import * as steps from "./steps.mjs";

let server, person, desktop, window;
const room = "survive";

before(async () => {
  server = await LiveKit.start();
  person = new Person({ server, room, person: 4, name: "Dana" });
  await person.join({ video: { width: 320, height: 180, fps: 15 }, audio: true });
  desktop = await openDesktop();
  window = await steps.openTallylight(desktop);
  await steps.logIn(window, server);
  await steps.openRoom(window, room, [person.identity]);
});

after(async () => {
  await window?.close();
  await desktop?.close();
  await person?.quit();
  await server?.stop();
});

async function recordAndKill(...programs) {
  await steps.choosePerson(window, "Dana");
  await window.keys("r");
  const job = await steps.waitForRecording(window, { seconds: 3 });
  for (const name of programs) {
    for (const { pid } of desktop.processes(name)) process.kill(pid, "SIGKILL");
  }
  await until("Tallylight to be dead", () => desktop.processes("tallylight").length === 0);
  await window.close();
  return job;
}

test("killed while it records: the job is found running, and stops when told", { timeout: 300_000 }, async () => {
  const { id } = await recordAndKill("tallylight");
  assert.ok(desktop.processes("tallylight-job").length > 0, "the job outlives the studio");

  window = await steps.openTallylight(desktop);
  const found = await steps.waitForRecording(window, { seconds: 5 });
  assert.equal(found.id, id);
  // The secret came out of the keyring: nobody was asked for it.
  assert.equal(await window.find("textbox", "API secret"), null);
  await steps.look(window, "10 found again");
  await steps.stopRecording(window);

  const [past] = await steps.history(window);
  assert.deepEqual([past.id, past.status, past.end], [id, "complete", "Stopped by hand"]);
  const { seconds } = await steps.playThrough(steps.recordings(desktop)[0]);
  assert.ok(seconds >= 5, `the file has ${seconds} s`);
});

test("studio and job killed: the next start saves the file and says what happened", { timeout: 300_000 }, async () => {
  await window.click("button", /^(Back|Room)/, steps.patient);
  await openRoomAgain();
  const before = steps.recordings(desktop);
  const { id } = await recordAndKill("tallylight", "tallylight-job");

  window = await steps.openTallylight(desktop);
  const [past] = await until(
    "the recovered recording",
    async () => {
      const list = await steps.history(window);
      return list[0].id === id && list[0].recovered && list;
    },
    steps.patient,
  );
  assert.equal(past.status, "failed");
  await steps.look(window, "11 recovered");
  const [path] = steps.recordings(desktop).filter((one) => !before.includes(one));
  const { seconds } = await steps.playThrough(path);
  assert.ok(seconds >= 2, `the saved file has ${seconds} s`);
});

async function openRoomAgain() {
  if (await window.find("heading", "Rooms")) await steps.openRoom(window, room, [person.identity]);
  else await steps.waitForPeople(window, [person.identity]);
}
