// Closing the window while something records, the tray, Quit, and a second start.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { LiveKit } from "../harness/livekit.mjs";
import { Person } from "../harness/people.mjs";
import { openDesktop } from "./desktop.mjs";
import { start, until } from "./processes.mjs";
import { program, root } from "./programs.mjs";
import * as steps from "./steps.mjs";
import { trayOf } from "./tray.mjs";

let server, person, desktop, window;
const room = "closing";
const lamp = (state) => readFileSync(join(root, `icons/tray-${state}-dark.png`));

before(async () => {
  server = await LiveKit.start();
  person = new Person({ server, room, person: 3, name: "Cleo" });
  await person.join({ video: { width: 320, height: 180, fps: 15 }, audio: true });
});

after(async () => {
  await person?.quit();
  await server?.stop();
});

afterEach(async () => {
  await window?.close();
  await desktop?.close();
  window = desktop = undefined;
});

async function openRoomOn(options) {
  desktop = await openDesktop(options);
  window = await steps.openTallylight(desktop);
  await steps.logIn(window, server);
  await steps.openRoom(window, room, [person.identity]);
}

async function record() {
  await steps.choosePerson(window, "Cleo");
  await window.keys("r");
  await steps.waitForRecording(window);
}

/** The state that the window manager gives the window: shown, hidden or minimised. */
async function windowState() {
  const list = await desktop.run("wmctrl", "-l");
  const id = list.match(/^(0x\w+) .*Tallylight$/m)?.[1];
  if (!id) return "hidden";
  return /Iconic/.test(await desktop.run("xprop", "-id", id, "WM_STATE")) ? "minimised" : "shown";
}

const pressClose = () => desktop.run("wmctrl", "-c", "Tallylight");
const inState = (state) => until(`the window to be ${state}`, async () => (await windowState()) === state, steps.patient);
const gone = () => steps.ended(desktop);
const samePicture = async (tray, state) => (await pixels(await tray.icon())) === (await pixels(lamp(state)));

/** The pixels of a PNG, however it is packed. */
async function pixels(png) {
  const child = start("convert", ["png:-", "-depth", "8", "rgba:-"], { env: process.env, input: png });
  const chunks = [];
  child.stdout.on("data", (data) => chunks.push(data));
  assert.equal(await child.gone, 0, "convert reads the icon");
  return Buffer.concat(chunks).toString("base64");
}

test("closing while it records hides into the tray; the recording goes on", { timeout: 300_000 }, async () => {
  await openRoomOn({ tray: true });
  const tray = await trayOf(desktop);
  assert.ok(await samePicture(tray, "idle"), "the lamp is off");
  await record();
  await until("the lamp to be lit", () => samePicture(tray, "recording"), steps.patient);
  const before = steps.secondsOf((await steps.runningJobs(window))[0].elapsed);

  await pressClose();
  await inState("hidden");
  const told = ["notification: Tallylight is still recording"];
  await until("a word about where the window is", () => desktop.notifications().join() === told.join());
  await new Promise((resolve) => setTimeout(resolve, 2000));

  await tray.choose("Show Tallylight");
  await inState("shown");
  const job = await steps.waitForRecording(window, { seconds: before + 2 });
  assert.equal(job.connection, "connected");

  // Stop is there too, by the name of what records.
  await pressClose();
  await inState("hidden");
  const entries = await tray.entries();
  assert.ok(entries.some(({ label }) => label === "Tallylight: recording"), JSON.stringify(entries));
  assert.deepEqual(desktop.notifications(), told, "it is said once");
  await tray.choose(/Cleo/);
  await until("the lamp to be off", () => samePicture(tray, "idle"), steps.patient);
  const [path] = steps.recordings(desktop);
  assert.ok((await steps.playThrough(path)).seconds >= before + 2);

  // With nothing on air, Quit asks nothing.
  await tray.choose("Quit");
  await gone();
});

test("where there is no tray it minimises instead of vanishing", { timeout: 300_000 }, async () => {
  await openRoomOn({ tray: false });
  await record();
  await pressClose();
  await inState("minimised");
  assert.equal((await steps.runningJobs(window)).length, 1);
});

test("closing with nothing on air quits, and leaves no process behind", { timeout: 300_000 }, async () => {
  await openRoomOn({ tray: true });
  await until("the monitor", () => desktop.processes("tallylight-job").length > 0, steps.patient);
  await pressClose();
  await gone();
  await until("the monitor to end", () => desktop.processes("tallylight-job").length === 0, steps.patient);
});

test("Quit while it records asks, then finishes the file", { timeout: 300_000 }, async () => {
  await openRoomOn({ tray: true });
  const tray = await trayOf(desktop);
  await record();
  await tray.choose("Quit");
  await window.get("dialog", /^Quit Tallylight/, steps.patient);
  await steps.look(window, "20 quit");

  await window.click("button", "Cancel");
  assert.equal((await steps.runningJobs(window)).length, 1, "Cancel changes nothing");

  await tray.choose("Quit");
  const finish = await window.get("button", "Finish and quit", steps.patient);
  // The window may be gone before the driver has its answer.
  await window.clickElement(finish).catch(() => {});
  await gone();
  assert.equal(desktop.processes("tallylight-job").length, 0, "every job has ended");
  const [path] = steps.recordings(desktop);
  const { seconds } = await steps.playThrough(path);
  assert.ok(seconds >= 2, `the file has ${seconds} s`);
});

test("a recording that ends badly while nobody looks is told by the desktop", { timeout: 300_000 }, async () => {
  await openRoomOn({ tray: true });
  await record();
  await pressClose();
  await inState("hidden");
  const recording = desktop.processes("tallylight-job").map(({ pid }) => pid);
  // The room's monitor is killed with it; it comes back and is not worth a word.
  for (const pid of recording) process.kill(pid, "SIGKILL");
  await until(
    "a word about the recording",
    () => desktop.notifications().includes("notification: Recording ended: Cleo"),
    steps.patient,
  );
});

test("Quit asks also where the page is dead", { timeout: 300_000 }, async () => {
  await openRoomOn({ tray: true });
  const tray = await trayOf(desktop);
  await record();
  for (const { pid } of desktop.processes("WebKitWebProcess")) process.kill(pid, "SIGKILL");
  await tray.choose("Quit");
  const asked = async () => /Quit Tallylight\?$/m.test(await desktop.run("wmctrl", "-l"));
  await until("a question", asked, steps.patient);
  await desktop.run("wmctrl", "-c", "Quit Tallylight?");
  await until("no question", async () => !(await asked()), steps.patient);
  assert.equal(desktop.processes("tallylight").length, 1, "to close the question is to stay");
});

test("the end of the session leaves the recording running; the next start has it", { timeout: 300_000 }, async () => {
  await openRoomOn({ tray: true });
  await record();
  const { id } = (await steps.runningJobs(window))[0];
  const [{ pid }] = desktop.processes("tallylight");
  process.kill(pid, "SIGTERM");
  await gone();
  await window.close();
  assert.equal(desktop.processes("tallylight-job").length > 0, true, "the job runs");

  window = await steps.openTallylight(desktop);
  const job = await steps.waitForRecording(window, { seconds: 4 });
  assert.equal(job.id, id);
  await steps.stopRecording(window);
  assert.ok((await steps.playThrough(steps.recordings(desktop)[0])).seconds >= 4);
});

test("a second start shows the window of the first", { timeout: 300_000 }, async () => {
  await openRoomOn({ tray: true });
  await record();
  await pressClose();
  await inState("hidden");
  const second = start(program("tallylight"), [], { env: desktop.env });
  assert.equal(await second.gone, 0, second.output());
  await inState("shown");
  assert.equal(desktop.processes("tallylight").length, 1);
});
