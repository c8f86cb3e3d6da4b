// The whole room in layouts, as a producer uses it: seen live, changed, recorded from the running preview, gone back to.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { cadence, pictures } from "../harness/content.mjs";
import { LiveKit } from "../harness/livekit.mjs";
import { Person } from "../harness/people.mjs";
import { openDesktop } from "./desktop.mjs";
import { until } from "./processes.mjs";
import * as program from "./program.mjs";
import * as steps from "./steps.mjs";

const VIDEO = { codec: "vp8", width: 320, height: 180, fps: 15, bitrateBps: 300_000 };
const EVERYBODY = [0, 1, 2, 3];
/** Who is heard, and so shown alone. */
const SPEAKER = 2;
const ROOM = "morning-show";
/** A colour that no stock layout has. */
const ORANGE = [255, 136, 0];
const { QUARTERS, WHOLE } = program;

let server, desktop, window;
const people = [];

before(async () => {
  server = await LiveKit.start();
  for (const person of EVERYBODY) {
    const one = new Person({ server, room: ROOM, person, name: `Person ${person}` });
    people.push(one);
    await one.join({ video: VIDEO, audio: person === SPEAKER });
  }
  const silent = new Person({ server, room: "rehearsal", person: 5, name: "Early Bird" });
  people.push(silent);
  await silent.join();
  desktop = await openDesktop();
  window = await steps.openTallylight(desktop);
  await window.get("heading", "Log into LiveKit", steps.patient);
  await steps.logIn(window, server);
});

after(async () => {
  await window?.close();
  await desktop?.close();
  await Promise.all(people.map((person) => person.quit()));
  await server?.stop();
});

/** The layouts of the list: `{name, chosen, onAir, broken}`. */
function cards() {
  return window.script(
    `return [...document.querySelectorAll('[data-testid=layout], [data-testid=layout-broken]')].map((card) => ({
       name: card.dataset.layout,
       chosen: card.querySelector('button')?.ariaPressed === 'true',
       onAir: card.dataset.onAir === 'true',
       broken: card.dataset.testid === 'layout-broken' ? card.innerText : null,
     }));`,
  );
}

const chosen = async () => (await cards()).filter((card) => card.chosen).map((card) => card.name).join();

/** Chooses what of it is recorded. The buttons are radio inputs that only their labels show. */
async function take(name) {
  const radio = await window.get("input[type=radio]", name);
  await window.script("arguments[0].click()", radio);
}

async function choose(name) {
  await until(`a click on the layout ${name}`, async () => {
    const card = await window.script(
      `const card = document.querySelector(\`[data-testid=layout][data-layout="\${arguments[0]}"] button\`);
       card?.scrollIntoView({ block: 'nearest', inline: 'center' });
       return card;`,
      name,
    );
    if (card) await window.clickElement(card);
    return card;
  });
  await until(`${name} to be chosen`, async () => (await chosen()) === name);
}

test("the whole room: seen live, laid out, recorded", { timeout: 900_000 }, async (t) => {
  const step = steps.following(t, window);

  await step("the whole room is shown live before anything is recorded", async () => {
    await steps.openRoom(window, ROOM, EVERYBODY.map((person) => `person-${person}`));
    await window.keys("0");
    await program.waitForStanding(window, { state: "ready", page: null });
    await program.waitForPlaces(window, QUARTERS, EVERYBODY);
    await program.waitForMotion(window, QUARTERS);
    assert.equal(await chosen(), "grid");
    assert.deepEqual(steps.recordings(desktop), []);
    assert.equal(program.browsers(desktop).length, 1);
    for (const name of ["chrom", "Xvfb", "pulseaudio"]) {
      assert.ok(program.pagePrograms(desktop).some((line) => line.includes(name)), `${name} runs`);
    }
    await steps.look(window, "20 whole room");
  });

  await step("its picture has the size that it is shown in, and nothing lies over it", async () => {
    const { width, height } = await program.shown(window);
    assert.deepEqual([width, height], [640, 360]);
    const over = await window.script(
      `const canvas = document.querySelector('[data-testid=program] canvas[data-live]');
       const { left, top, width, height } = canvas.getBoundingClientRect();
       const points = [[0.02, 0.02], [0.5, 0.5], [0.98, 0.02], [0.02, 0.98], [0.98, 0.98]];
       return points.filter(([x, y]) => document.elementFromPoint(left + x * width, top + y * height) !== canvas);`,
    );
    assert.deepEqual(over, []);
  });

  await step("every stock layout is shown by a click, on its ground, in the same browser", async () => {
    const browsers = program.browsers(desktop);
    const stock = (await cards()).map((card) => card.name);
    assert.equal(stock.length, 14);
    for (const name of stock.slice(1)) {
      await choose(name);
      if (/^(single-speaker|picture-in-picture)/.test(name)) {
        await program.waitForPlaces(window, [WHOLE], [SPEAKER]);
        continue;
      }
      // Between the tiles and the edge is the background.
      await until(`the ground of ${name}`, async () => {
        const { edge } = await program.shown(window);
        return name.endsWith("-light") ? edge[1] > 180 : edge[1] < 60;
      });
    }
    assert.deepEqual(program.browsers(desktop), browsers);
    assert.ok(await window.byTestId("portrait-hint"));
    await steps.look(window, "21 portrait");
  });

  await step("the keys [ and ] go through them", async () => {
    await choose("grid");
    await program.waitForPlaces(window, QUARTERS, EVERYBODY);
    await window.keys("]");
    await until("the next one", async () => (await chosen()) === "grid-light");
    await until("its ground", async () => (await program.shown(window)).edge[1] > 180);
    await window.keys("[");
    await until("the one before", async () => (await chosen()) === "grid");
    await until("its ground", async () => (await program.shown(window)).edge[1] < 60);
  });

  const folder = () => join(desktop.dataDir, "layouts");
  const own = () => join(folder(), "grid-2.json");
  await step("a copy is a file, is chosen, and is in sight", async () => {
    await window.click("button", "Copy");
    await until("the copy to be chosen", async () => (await chosen()) === "grid-2");
    assert.deepEqual(readdirSync(folder()), ["grid-2.json"]);
    await until("the card to be in sight", () =>
      window.script(
        `const card = document.querySelector('[data-layout=grid-2]').getBoundingClientRect();
         const list = document.querySelector('ul[aria-label=Layouts]').getBoundingClientRect();
         return card.left >= list.left && card.right <= list.right;`,
      ),
    );
    await window.click("button", "Open folder");
    await until("the file manager", () => desktop.opened().includes(folder()), steps.patient);
  });

  await step("changed on the disk, it is on the program at once, by its new title", async () => {
    const layout = JSON.parse(readFileSync(own(), "utf8"));
    writeFileSync(own(), JSON.stringify({ ...layout, title: "Evening show", background: { colour: "#ff8800" } }));
    await program.waitForColour(window, "edge", ORANGE);
    await program.waitForPlaces(window, QUARTERS, EVERYBODY);
    await window.get("button", "Evening show");
    await steps.look(window, "22 own layout");
  });

  await step("broken, it says where and why, and the picture stays", async () => {
    writeFileSync(own(), `${readFileSync(own(), "utf8").slice(0, -1)},`);
    const { broken } = await until("the broken one", async () => (await cards()).find((card) => card.broken));
    assert.match(broken, /grid-2 cannot be drawn/);
    assert.match(broken, /Line 1, column \d+/);
    assert.match(broken, /not JSON.*The picture stays as it was/s);
    await program.waitForMotion(window, QUARTERS);
    await program.waitForColour(window, "edge", ORANGE);
    await steps.look(window, "23 broken layout");
    await choose("grid");
    await until("the dark ground", async () => (await program.shown(window)).edge[1] < 60);
  });

  let id;
  await step("Record starts from the running preview: no other browser, no other wait", async () => {
    await program.waitForStanding(window, { state: "ready", page: null });
    const browsers = program.browsers(desktop);
    const states = await program.follow(window);
    await window.keys("r");
    ({ id } = await steps.waitForRecording(window, { seconds: 2 }));
    assert.deepEqual(program.browsers(desktop), browsers);
    for (const state of await states()) assert.match(state, /^(ready|starting|recording)/);
    assert.equal((await cards()).find((card) => card.onAir)?.name, "grid");
    await program.waitForPlaces(window, QUARTERS, EVERYBODY);
  });

  let changed;
  await step("layouts change on air, and the program stays in sight", async () => {
    const job = await steps.waitForRecording(window, { seconds: 6 });
    changed = steps.secondsOf(job.elapsed);
    await choose("single-speaker");
    await program.waitForPlaces(window, [WHOLE], [SPEAKER]);
    await until("the mark to go along", async () => (await cards()).find((card) => card.onAir)?.name === "single-speaker");
    await program.waitForMotion(window, [WHOLE]);
    await steps.look(window, "24 on air");
    // Whatever else is chosen meanwhile, its card leads back to it.
    await window.click("[data-testid=person] button", "Person 1");
    await until("the person to be chosen", async () => (await program.standing(window)).state !== "recording");
    await window.click("[data-testid=job] button", "Whole room");
    await program.waitForStanding(window, { state: "recording", page: null });
    await steps.waitForRecording(window, { seconds: changed + 8 });
  });

  await step("the file has everybody in their places, then the speaker alone", async () => {
    await steps.stopRecording(window);
    const [path] = steps.recordings(desktop);
    const { codecs } = await steps.playThrough(path);
    assert.deepEqual(codecs, { video: "h264", audio: "aac" });
    for (const [person, place] of QUARTERS.entries()) {
      const list = await pictures(path, { crop: program.cropOf(place) });
      const then = list.filter(({ ptsS }) => ptsS > 0.3 && ptsS < changed - 0.5);
      const { frames, backwards } = cadence(then, { person, fps: VIDEO.fps });
      assert.ok(frames > then.length * 0.9 && then.length > 60, `person ${person}: ${frames} of ${then.length}`);
      assert.equal(backwards, 0);
    }
    const last = (await pictures(path)).filter(({ ptsS }) => ptsS > changed + 4);
    const { frames } = cadence(last, { person: SPEAKER, fps: VIDEO.fps });
    assert.ok(frames > last.length * 0.9 && last.length > 60, `the speaker: ${frames} of ${last.length}`);
  });

  await step("the history has it", async () => {
    const [past] = await steps.history(window);
    assert.deepEqual([past.id, past.status, past.end], [id, "complete", "Stopped by hand"]);
    await until("its still", async () => (await steps.history(window))[0].still, steps.patient);
    await steps.look(window, "25 history");
    await window.keys("h");
  });

  for (const [button, streams] of [["Sound only", { audio: "aac" }], ["Picture only", { video: "h264" }]]) {
    await step(`${button}: the file has that alone`, async () => {
      const before = steps.recordings(desktop);
      await program.waitForStanding(window, { page: null });
      await take(button);
      await program.waitForStanding(window, { state: "ready", page: null });
      await steps.look(window, `26 ${button}`);
      await window.keys("r");
      await steps.waitForRecording(window, { seconds: 3 });
      await steps.stopRecording(window);
      const [path] = steps.recordings(desktop).filter((one) => !before.includes(one));
      assert.deepEqual(Object.keys((await steps.playThrough(path)).codecs), Object.keys(streams));
    });
  }

  await step("an empty room says what it waits for, and can be started anyway", async () => {
    await take("Picture and sound");
    await window.click("button", `Room: ${ROOM}`);
    await window.click("[role=menuitem], [role=menuitemradio], [role=option]", /^rehearsal/);
    await steps.waitForPeople(window, ["person-5"]);
    await window.keys("0");
    const { words } = await program.waitForStanding(window, { page: "waiting" });
    assert.match(words, /Waiting for somebody to publish.*Nobody has a camera, a microphone or a screen on/s);
    await steps.look(window, "27 nobody publishes");
    await window.keys("r");
    await until("the job to wait", async () => (await steps.runningJobs(window))[0]?.status === "starting");
    await window.click("button", "Start anyway");
    await steps.waitForRecording(window, { seconds: 2 });
    await steps.stopRecording(window);
  });

  await step("nothing of it is left when nothing is chosen", async () => {
    await program.waitForStanding(window, { page: "waiting" });
    await window.keys("\uE00C");
    await until("the page's programs to end", () => program.pagePrograms(desktop).length === 0, steps.patient);
  });
});
