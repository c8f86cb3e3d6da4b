// Jobs that run elsewhere: the server has an egress service, and the window sends it a recording, watches it, adds a
// stream, stops it, and shows what a script has started there. The service is a worker on the server's Redis, as
// LiveKit's own would be; the window does not know which.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { EgressStatus, EncodedFileOutput, StreamOutput, StreamProtocol } from "livekit-server-sdk";
import { BusScene } from "../harness/bus.mjs";
import { RtmpServer } from "../harness/ingest.mjs";
import { decodeErrors } from "../harness/media.mjs";
import { openDesktop } from "./desktop.mjs";
import { until } from "./processes.mjs";
import * as steps from "./steps.mjs";

const KEY = "planted-key-of-a-stream-elsewhere";
const ends = [];

let bus, rtmp, ada, desktop, window;

before(async () => {
  [bus, rtmp] = await Promise.all([BusScene.open({ after: (end) => ends.push(end) }), RtmpServer.start()]);
  ada = await bus.person(1, { video: { codec: "vp8" }, audio: true });
  desktop = await openDesktop();
  window = await steps.openTallylight(desktop);
  await window.get("heading", "Log into LiveKit", steps.patient);
  await steps.logIn(window, bus.server);
  await steps.openRoom(window, bus.room, [ada.identity]);
});

after(async () => {
  await window?.close();
  await desktop?.close();
  await rtmp?.stop();
  for (const end of ends) await end();
});

/** The jobs that the window shows as running on LiveKit: `{id, status, text}`. */
const jobs = () =>
  window.script(
    `return [...document.querySelectorAll('[data-testid=elsewhere-job]')].map((card) => ({
       id: card.dataset.egress, status: card.dataset.status, text: card.innerText,
     }));`,
  );

const becomes = (status) =>
  until(
    `a job on LiveKit to be ${status}`,
    async () => {
      const [job, ...others] = await jobs();
      if (job?.status === status && !others.length) return job;
      throw new Error(`${JSON.stringify([job, ...others])} ${await window.text()}`);
    },
    { within_ms: 40_000 },
  );

/** The streams of the job on LiveKit: `{state, text}`. */
const streams = () =>
  window.script(
    `return [...document.querySelectorAll('[data-testid=elsewhere-stream]')].map((row) => ({ state: row.dataset.state, text: row.innerText }));`,
  );

/** Holds Stop of the one job until it takes: the driver gives a press up now and then. */
function stop() {
  return until(
    "the job to end",
    async () => {
      const [job] = await jobs();
      if (job && job.status !== "ending") await window.hold(await window.byTestId("stop"), 900);
      return !job || job.status === "ending";
    },
    steps.patient,
  );
}

test("a recording is sent to LiveKit's egress service and controlled there", { timeout: 400_000 }, async (t) => {
  const step = steps.following(t, window);
  let started;

  await step("nobody is there to take it: it says so, and nothing is lost", async () => {
    await steps.choosePerson(window, /^Person 1/);
    await window.click("label", /^LiveKit$/, steps.patient);
    await steps.look(window, "90 record on LiveKit");
    await window.keys("r");
    // The server asks around for a while.
    const words = await steps.refusal(window, "exhausted", { within_ms: 60_000 });
    assert.match(words, /No worker/);
    await steps.look(window, "91 no worker");
  });

  await step("a worker has come: it is recorded there, and this computer is not on air", async () => {
    await bus.worker();
    await window.keys("r");
    started = await becomes("active");
    assert.match(started.text, /on LiveKit/);
    assert.equal(await window.script("return document.querySelector('[data-testid=tally]')"), null);
    const [info] = await bus.egress.listEgress({ active: true });
    assert.deepEqual([info.egressId, info.request.case, info.request.value.identity], [started.id, "participant", ada.identity]);
    await steps.look(window, "92 on LiveKit");
  });

  await step("it is stopped, and the history has where its file is", async () => {
    await stop();
    const done = await bus.reaches(started.id, EgressStatus.EGRESS_COMPLETE);
    await until("the card to go", async () => (await jobs()).length === 0, steps.patient);
    assert.deepEqual(await decodeErrors(done.fileResults[0].location), []);
    await window.keys("h");
    await window.byTestId("past-elsewhere", steps.patient);
    const shown = await window.script("return document.querySelector('[data-testid=past-elsewhere]').innerText");
    assert.match(shown, /on LiveKit/);
    const name = done.fileResults[0].location.split("/").pop();
    assert.ok(shown.includes(name.slice(0, 12)), `${name} in ${shown}`);
    await steps.look(window, "94 history on LiveKit");
    await window.keys("h");
  });

  await step("what a script streams there goes to one more server, added and taken off from here", async () => {
    const stream = new StreamOutput({ protocol: StreamProtocol.RTMP, urls: [rtmp.url("first")] });
    const { egressId } = await bus.egress.startParticipantEgress(bus.room, ada.identity, { stream });
    await becomes("active");
    await window.click("button", "Add destination", steps.patient);
    await window.type("textbox", "Address with key", rtmp.url(KEY));
    await window.click("button", "Go live");
    await rtmp.receives(KEY, 50_000);
    await until("both to be listed", async () => (await streams()).filter(({ state }) => state === "active").length === 2, steps.patient);
    assert.ok(!(await window.text()).includes(KEY), "the key is shown");
    await steps.look(window, "95 streams on LiveKit");
    // Of the two only the one that was added here can be taken off: of the other the key is not known.
    await window.click("button", /^Remove /, steps.patient);
    await window.click("button", "Take off air", steps.patient);
    await until("it to be off", async () => (await streams()).some(({ state }) => state === "finished"), steps.patient);
    await stop();
    await bus.over(egressId);
    await until("the card to go", async () => (await jobs()).length === 0, steps.patient);
  });

  await step("what a script starts there is shown, its layout changed, and stopped from here", async () => {
    const file = new EncodedFileOutput({ filepath: "by-script" });
    const info = await bus.egress.startRoomCompositeEgress(bus.room, { file }, { layout: "grid" });
    const job = await becomes("active");
    assert.equal(job.id, info.egressId);
    await window.click("button", /^Layout of .* on LiveKit$/, steps.patient);
    await window.click("menuitem", /^Speaker/, steps.patient);
    await steps.look(window, "96 a script's job");
    await stop();
    await bus.reaches(info.egressId, EgressStatus.EGRESS_COMPLETE);
    await until("the card to go", async () => (await jobs()).length === 0, steps.patient);
  });
});
