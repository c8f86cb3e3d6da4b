// Live destinations as a streamer uses them: added while it records, refused, lost and back, taken off, kept for the next
// show; and found in the history. The servers are real, and so is what they receive.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { beeps, cadence, pictures } from "../harness/content.mjs";
import { RtmpServer } from "../harness/ingest.mjs";
import { heard, Listener } from "../harness/listener.mjs";
import { LiveKit } from "../harness/livekit.mjs";
import { Person } from "../harness/people.mjs";
import { openDesktop } from "./desktop.mjs";
import { until } from "./processes.mjs";
import * as steps from "./steps.mjs";

const ADA = 1;
/** No file of Tallylight's may contain it. */
const KEY = "planted-key-of-the-main-channel";

/** Nor this: it lets one in where captions are written. */
const TOKEN = "planted-token-of-the-captions";

let server, rtmp, listener, ada, desktop, window;

before(async () => {
  [server, rtmp, listener] = await Promise.all([LiveKit.start(), RtmpServer.start(), Listener.start()]);
  rtmp.refused.add("wrong");
  ada = new Person({ server, room: "morning-show", person: ADA, name: "Ada" });
  await ada.join({ video: { width: 640, height: 360, fps: 30 }, audio: true });
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
  await rtmp?.stop();
  await listener?.stop();
  await server?.stop();
});

/** The destinations of the running job: `{name, state, text}`. */
function streams() {
  return window.script(
    `return [...document.querySelectorAll('[data-testid=stream]')].map((row) => ({
       name: row.querySelector('[data-testid=stream-name]').innerText, state: row.dataset.state, text: row.innerText,
     }));`,
  );
}

function becomes(name, state) {
  return until(
    `${name} to be ${state}`,
    async () => {
      const all = await streams();
      const found = all.find((one) => one.name.includes(name));
      if (found?.state === state) return found;
      throw new Error(JSON.stringify(all));
    },
    { within_ms: 40_000 },
  );
}

test("a show goes live while it is recorded", { timeout: 600_000 }, async (t) => {
  const step = steps.following(t, window);

  await step("a destination is added by its address, and kept for later", async () => {
    await steps.choosePerson(window, /^Ada/);
    await window.keys("r");
    await steps.waitForRecording(window, { seconds: 2 });
    await window.keys("d");
    await window.byTestId("add-destination");
    await steps.look(window, "30 add a destination");
    await window.type("textbox", "Address with key", rtmp.url(KEY));
    await window.click("checkbox", "Save for later");
    await window.type("textbox", /^Name/, "Main channel");
    await window.click("button", "Go live");
    await becomes("Main channel", "live");
    await rtmp.receives(KEY, 100_000);
    await steps.look(window, "31 live");
  });

  await step("what is no address is said in place, and stays to be mended", async () => {
    await window.keys("d");
    await window.type("textbox", "Address with key", "https://example.com/live");
    await window.click("button", "Go live");
    const words = await steps.refusal(window, "invalid_argument");
    assert.match(words, /rtmp/i);
    assert.equal(await window.script("return document.querySelector('[data-testid=add-destination] input').value"), "https://example.com/live");
    await steps.look(window, "32 no address");
  });

  await step("a wrong key is refused in the server's words, and tried again when asked", async () => {
    await window.type("textbox", "Address with key", rtmp.url("wrong"));
    await window.click("button", "Go live");
    const refused = await becomes("127.0.0.1", "refused");
    assert.match(refused.text, /key/i);
    const asked = rtmp.publishers.filter((key) => key === "wrong").length;
    await steps.look(window, "33 refused");
    // It does not hammer: nothing more comes while the recording goes on for a good while.
    const [{ elapsed }] = await steps.runningJobs(window);
    await steps.waitForRecording(window, { seconds: steps.secondsOf(elapsed) + 6 });
    assert.equal(rtmp.publishers.filter((key) => key === "wrong").length, asked);
    rtmp.refused.delete("wrong");
    await window.click("button", /^Try 127.* again$/);
    await becomes("127.0.0.1", "live");
  });

  await step("a server that is away is waited for, and the others go on", async () => {
    await rtmp.down();
    const away = await becomes("Main channel", "reconnecting");
    assert.match(away.text, /Try \d/);
    await steps.look(window, "34 reconnecting");
    await rtmp.up();
    await becomes("Main channel", "live");
    await becomes("127.0.0.1", "live");
  });

  await step("sound alone goes to a WebSocket for captions, is refused and tried again like the others, and can be heard there", async () => {
    listener.refuses = 403;
    await window.keys("d");
    await window.type("textbox", "Address with key", listener.url(`?token=${TOKEN}`));
    await window.click("combobox", "Sound");
    await steps.look(window, "34a sound alone");
    await window.click("option", /^16 kHz mono/);
    await window.click("checkbox", "Save for later");
    await window.type("textbox", /^Name/, "Captions");
    await window.click("button", "Go live");
    await becomes("Captions", "refused");
    assert.equal(listener.calls.length, 0);
    listener.refuses = 0;
    await window.click("button", "Try Captions again");
    await becomes("Captions", "live");
    await until("the sound", () => listener.calls[0].blocks.length > 300, { within_ms: 30_000 });
    await window.click("button", "Details of Captions");
    await until("what it is in words", async () => (await window.text()).includes("Sound only, 16 kHz mono"), steps.patient);
    await steps.look(window, "34b captions");
    const [call] = listener.calls;
    assert.equal(call.url, `/in?token=${TOKEN}`);
    const told = heard(call, { rateHz: 16_000, channels: 1 });
    const count = beeps(told, ADA).length;
    assert.ok(count >= 3, `${count} beeps of Ada in ${told.seconds} s`);
    assert.ok(!(await window.text()).includes(TOKEN), "the token is shown");
    // Everything else has gone on.
    await becomes("Main channel", "live");
    await until("the question", async () => {
      if (await window.find("button", "Take off air")) return true;
      await window.click("button", "Remove", { within_ms: 2000 });
      return false;
    }, { ...steps.patient, every_ms: 500 });
    await window.click("button", "Take off air");
    await until("goodbye", () => call.closed !== null);
    await until("its row to go", async () => (await streams()).every(({ name }) => name !== "Captions"), steps.patient);
  });

  await step("one is taken off air; the recording goes on", async () => {
    await window.click("button", /^Details of 127/);
    // The details open in their own time, and what moves is missed by a click.
    await until("the question", async () => {
      if (await window.find("button", "Take off air")) return true;
      await window.click("button", "Remove", { within_ms: 2000 });
      return false;
    }, { ...steps.patient, every_ms: 500 });
    await window.click("button", "Take off air");
    await until("its row to go", async () => (await streams()).every(({ name }) => !name.includes("127.0.0.1")), steps.patient);
    const [{ elapsed }] = await steps.runningJobs(window);
    await steps.waitForRecording(window, { seconds: steps.secondsOf(elapsed) + 3 });
    assert.equal((await becomes("Main channel", "live")).state, "live");
  });

  await step("the history has where it was live; the file and the stream are whole", async () => {
    await steps.stopRecording(window);
    const [past] = await steps.history(window);
    assert.deepEqual([past.status, past.end], ["complete", "Stopped by hand"]);
    await until("where it was live", async () => (await window.text()).includes("Main channel"));
    await steps.look(window, "35 history");
    const [path] = steps.recordings(desktop);
    for (const file of [path, rtmp.kept(KEY).at(-1)]) {
      const list = await pictures(file);
      const { frames, backwards } = cadence(list, { person: ADA, fps: 30 });
      assert.ok(frames > list.length * 0.9 && list.length > 60, `${file}: ${frames} of ${list.length}`);
      assert.equal(backwards, 0);
    }
    const file = await pictures(path);
    const gap = Math.max(...file.slice(1).map(({ ptsS }, i) => ptsS - file[i].ptsS));
    // A destination that held the recording up would do it for seconds; how short it really is, the benchmark tells.
    assert.ok(gap < 1, `a gap of ${gap} s in the file`);
    await window.keys("h");
  });

  await step("it is ticked for the next show, which begins with it; its key is in no file", async () => {
    await steps.choosePerson(window, /^Ada/);
    await window.click("button", /^Go live as well/);
    await window.click("checkbox", /^Main channel/);
    await window.click("checkbox", /^Captions/);
    await steps.look(window, "36 before the show");
    await window.keys("r");
    await becomes("Main channel", "live");
    await becomes("Captions", "live");
    await steps.waitForRecording(window, { seconds: 2 });
    await until("sound", () => listener.calls[1]?.blocks.length > 50);
    await steps.stopRecording(window);
    const files = (folder) =>
      readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
        const path = join(folder, entry.name);
        return entry.isDirectory() ? files(path) : entry.isFile() && statSync(path).size < 1 << 26 ? [path] : [];
      });
    for (const path of files(desktop.dataDir)) {
      const text = readFileSync(path);
      assert.ok(!text.includes(KEY), `the key is in ${path}`);
      assert.ok(!text.includes(TOKEN), `the token is in ${path}`);
    }
    // The rest of the shows go without captions.
    await steps.choosePerson(window, /^Ada/);
    if (!(await window.find("checkbox", /^Captions/))) await window.click("button", /^(Live to|Go live as well)/);
    await window.click("checkbox", /^Captions/);
  });

  await step("it is live without being recorded, and recorded once that is wanted", async () => {
    await steps.choosePerson(window, /^Ada/);
    if (!(await window.find("button", "Go live without recording"))) await window.click("button", /^(Live to|Go live as well)/);
    await window.click("button", "Go live without recording");
    await becomes("Main channel", "live");
    const before = steps.recordings(desktop);
    await steps.look(window, "37 live alone");
    await window.click("button", "Record it as well");
    await until("a file", () => steps.recordings(desktop).length > before.length, steps.patient);
    await until("it to be live and recorded", async () => (await window.text()).includes("Recording and live"), steps.patient);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    await steps.stopRecording(window);
    const [path] = steps.recordings(desktop).filter((one) => !before.includes(one));
    const list = await pictures(path);
    const { frames, backwards } = cadence(list, { person: ADA, fps: 30 });
    assert.ok(frames > list.length * 0.9 && list.length > 40 && backwards === 0, `${frames} of ${list.length}`);
  });
});
