// Web pages and templates of one's own in the window: shown live, recorded, and what is said of those that do not come.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { flashes, pictures } from "../harness/content.mjs";
import { LiveKit } from "../harness/livekit.mjs";
import { Person } from "../harness/people.mjs";
import { site } from "../harness/site.mjs";
import { openDesktop } from "./desktop.mjs";
import { until } from "./processes.mjs";
import * as program from "./program.mjs";
import * as steps from "./steps.mjs";

const VIOLET = [120, 40, 180];
const TEAL = [20, 130, 120];
const GREEN = [0, 170, 0];

const plain = ([r, g, b], script = "") =>
  `<!doctype html><meta charset="utf-8"><body style="margin:0;background:rgb(${r},${g},${b})"><script>${script}</script>`;

/** A template that shows no more than that it was given what LiveKit Egress gives. */
const TEMPLATE = plain(
  VIOLET,
  `const given = new URLSearchParams(location.search);
   if (!given.get('url') || !given.get('token') || given.get('layout') !== 'grid') document.body.innerHTML = '<div class="error">no room was given</div>';
   setTimeout(() => console.log('START_RECORDING'), 300);`,
);

let server, desktop, window, base;
let repaired = false;
const closing = [];

before(async () => {
  server = await LiveKit.start();
  const ada = new Person({ server, room: "morning-show", person: 1, name: "Ada" });
  closing.push(() => ada.quit());
  await ada.join({ audio: true });
  ({ base } = await site(
    { onClose: (close) => closing.push(close) },
    {
      "/template": TEMPLATE,
      "/signal": plain(TEAL),
      "/late": (_, answer) =>
        repaired
          ? answer.writeHead(200, { "content-type": "text/html" }).end(plain(TEAL))
          : answer.writeHead(503, { "content-type": "text/html" }).end("not now"),
      "/refuses": plain(VIOLET, "document.body.innerHTML = '<div class=\"error\">The score is not known</div>'"),
    },
  ));
  desktop = await openDesktop();
  window = await steps.openTallylight(desktop);
  await window.get("heading", "Log into LiveKit", steps.patient);
  await steps.logIn(window, server);
});

after(async () => {
  await window?.close();
  await desktop?.close();
  for (const close of closing) await close();
  await server?.stop();
});

async function open(address) {
  await window.type("textbox", "Address of the page", address);
  await window.keys("\uE007");
}

test("web pages and templates", { timeout: 900_000 }, async (t) => {
  const step = steps.following(t, window);

  await step("a page needs no room: it is chosen by W, and shown when its address is typed", async () => {
    await window.keys("w");
    await steps.look(window, "30 which page");
    await open(`${base}/flashes`);
    await program.waitForStanding(window, { state: "ready", page: null });
    await program.waitForColour(window, "middle", GREEN);
    await steps.look(window, "31 page");
  });

  await step("it is recorded from the running preview, and comes back in the same file when Chromium dies", async () => {
    const [browser, ...others] = program.browsers(desktop);
    assert.deepEqual(others, []);
    await window.keys("r");
    await steps.waitForRecording(window, { seconds: 4 });
    assert.deepEqual(program.browsers(desktop), [browser]);
    process.kill(browser, "SIGKILL");
    const { words } = await program.waitForStanding(window, { state: "recording", page: "reloading" });
    assert.match(words, /crashed and is loaded again.*goes on in the same file/s);
    await steps.look(window, "32 reloading");
    await program.waitForStanding(window, { state: "recording", page: null });
    const [job] = await steps.runningJobs(window);
    await steps.waitForRecording(window, { seconds: steps.secondsOf(job.elapsed) + 5 });
    await program.waitForColour(window, "middle", GREEN);
    assert.equal(await window.script("return document.querySelectorAll('[data-testid=job] [data-testid=notice]').length"), 1);
    await steps.stopRecording(window);
    const [path, ...more] = steps.recordings(desktop);
    assert.deepEqual(more, []);
    const { seconds } = await steps.playThrough(path);
    const seen = flashes(await pictures(path));
    assert.ok(seen.some((at) => at < 4) && seen.some((at) => at > seconds - 4), `flashes at ${seen} of ${seconds} s`);
  });

  await step("a page that is to say when it begins is waited for, and can be started anyway", async () => {
    await window.click("[role=checkbox], input[type=checkbox]", "Wait for the page's start signal");
    await open(`${base}/signal`);
    const { words } = await program.waitForStanding(window, { page: "waiting" });
    assert.match(words, /Waiting for the page.*not given its start signal/s);
    await steps.look(window, "33 signal");
    await window.click("button", "Start anyway");
    await program.waitForStanding(window, { state: "ready", page: null });
    await program.waitForColour(window, "middle", TEAL);
    await window.click("[role=checkbox], input[type=checkbox]", "Wait for the page's start signal");
  });

  await step("a page that is out of order says so where it would be, and is there once it is tried again", async () => {
    await open(`${base}/late`);
    const trouble = await until("what is wrong", async () => {
      const { words } = await program.standing(window);
      return /HTTP 503/.test(words) && words;
    }, { within_ms: 60_000 });
    assert.match(trouble, /It is tried again by itself/);
    await program.waitForStanding(window, { page: "failed" }, { within_ms: 120_000 });
    await steps.look(window, "34 failed page");
    repaired = true;
    await window.click("button", "Try again");
    await program.waitForStanding(window, { state: "ready", page: null });
    await program.waitForColour(window, "middle", TEAL);
  });

  await step("what is no address is not asked for, and the field says so", async () => {
    await open("file:///etc/passwd");
    await window.sees(/An address begins with https:\/\/ or http:\/\//);
    assert.equal((await program.standing(window)).state, "empty");
  });

  await step("a template of one's own is given the room, and draws it", async () => {
    await window.keys("\uE00C");
    await window.click("button", /^(Back to rooms|All rooms|Rooms)$/).catch(() => {});
    await steps.openRoom(window, "morning-show", ["person-1"]);
    await window.keys("0");
    await window.click("button", "Template of your own");
    await window.type("textbox", "Address of the template", `${base}/template`);
    await window.keys("\uE007");
    await program.waitForStanding(window, { state: "ready", page: null });
    await program.waitForColour(window, "middle", VIOLET);
    await steps.look(window, "35 template");
  });

  await step("a template's own error is shown in its words", async () => {
    await window.type("textbox", "Address of the template", `${base}/refuses`);
    await window.keys("\uE007");
    await until("its error", async () => /The score is not known/.test((await program.standing(window)).words), {
      within_ms: 90_000,
    });
    await steps.look(window, "36 template error");
  });
});
