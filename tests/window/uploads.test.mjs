// Storages and uploads as a producer uses them: a bucket is added and checked, a recording goes there while it is made,
// waits where the storage is gone, and is found again in the history.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { LiveKit } from "../harness/livekit.mjs";
import { Minio } from "../harness/stores.mjs";
import { Person } from "../harness/people.mjs";
import { openDesktop } from "./desktop.mjs";
import { until } from "./processes.mjs";
import * as steps from "./steps.mjs";

let server, minio, ada, desktop, window;

before(async () => {
  [server, minio] = await Promise.all([LiveKit.start(), Minio.start()]);
  ada = new Person({ server, room: "morning-show", person: 1, name: "Ada" });
  await ada.join({ video: { width: 640, height: 360, fps: 15 }, audio: true });
  desktop = await openDesktop();
  window = await steps.openTallylight(desktop);
  await window.get("heading", "Log into LiveKit", steps.patient);
  await steps.logIn(window, server);
  await steps.openRoom(window, "morning-show", [ada.identity]);
});

after(async () => {
  await window?.close();
  await desktop?.close();
  await ada?.quit();
  await minio?.stop();
  await server?.stop();
});

async function chooseUpload(name) {
  await window.click("button", "Upload to");
  await window.click("option", name);
}

/** Records for some seconds, and gives the file. */
async function record() {
  await steps.choosePerson(window, /^Ada/);
  await window.keys("r");
  const { file } = await steps.waitForRecording(window, { seconds: 4 });
  return file;
}

test("recordings go up", { timeout: 600_000 }, async (t) => {
  const step = steps.following(t, window);

  await step("a bucket is added; what is wrong with it is said before anything depends on it", async () => {
    await steps.choosePerson(window, /^Ada/);
    await chooseUpload(/^Add a storage/);
    await window.click("button", /^Amazon S3 and compatible/);
    await window.type("textbox", "Bucket", "nobodys");
    await window.type("textbox", "Endpoint", minio.url);
    await window.type("textbox", "Access key", minio.key);
    await window.type("textbox", "Secret key", minio.secret);
    await window.type("textbox", "Name", "Archive");
    await window.click("button", "Check");
    await window.sees(/"nobodys" does not exist/, steps.patient);
    await steps.look(window, "40 no such bucket");
    await window.type("textbox", "Bucket", minio.bucket);
    await window.type("textbox", "Secret key", "not-the-secret");
    await window.click("button", "Check");
    await window.sees(/knows the key, but its secret is wrong/, steps.patient);
    await steps.look(window, "41 wrong secret");
    await window.type("textbox", "Secret key", minio.secret);
    await window.click("button", "Check");
    await window.byTestId("storage-checked", steps.patient);
    await steps.look(window, "42 it works");
    await window.click("button", "Save storage");
    // It is chosen at once: that is what it was added for.
    await until("it to be chosen", async () => (await window.text()).includes("Archive") && !(await window.find("dialog", /storage/i)), steps.patient);
    await steps.look(window, "43 chosen");
  });

  let path;
  await step("a recording goes up while it is made, and is there when it is over", async () => {
    await record();
    await window.byTestId("job-upload", steps.patient);
    await steps.look(window, "44 goes up");
    await steps.stopRecording(window);
    [path] = steps.recordings(desktop);
    await minio.holds(basename(path), readFileSync(path));
    await steps.history(window);
    await window.sees(/Archive|shows/, steps.patient);
    await steps.look(window, "45 history");
    await window.keys("h");
  });

  await step("a storage that is gone harms nothing: it waits, says why, and goes up when it is back", async () => {
    await minio.down();
    await record();
    await steps.stopRecording(window);
    const second = steps.recordings(desktop).find((one) => one !== path);
    assert.ok(existsSync(second));
    const [past] = await steps.history(window);
    assert.equal(past.status, "complete");
    await window.keys("h");
    await window.clickElement(await window.byTestId("uploads-button"));
    await window.sees(/Saved on this computer, waiting/, steps.patient);
    await steps.look(window, "46 waits");
    await minio.up();
    await window.click("button", /^Try/);
    await minio.holds(basename(second), readFileSync(second));
    await window.sees(/Stored and verified/, steps.patient);
    await steps.look(window, "47 stored");
  });
});
