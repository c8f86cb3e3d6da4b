// The spine, as a producer walks it: log in, see the room, record a person, find the file.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { LiveKit } from "../harness/livekit.mjs";
import { Person } from "../harness/people.mjs";
import { openDesktop } from "./desktop.mjs";
import { processesWith, until } from "./processes.mjs";
import * as steps from "./steps.mjs";

let server, desktop, window;
const people = [];

before(async () => {
  server = await LiveKit.start();
  for (const [person, name] of [[1, "Ada"], [2, "Zoë Ångström"]]) {
    const one = new Person({ server, room: "morning-show", person, name });
    people.push(one);
    await one.join({ video: { width: 640, height: 360, fps: 15 }, audio: true });
  }
  desktop = await openDesktop();
  window = await steps.openTallylight(desktop);
});

after(async () => {
  await window?.close();
  await desktop?.close();
  await Promise.all(people.map((person) => person.quit()));
  await server?.stop();
});

// Each step stands on the one before.
test("from the first start to the file", { timeout: 600_000 }, async (t) => {
  const step = steps.following(t, window);

  await step("first start asks to log in", async () => {
    await window.get("heading", "Log into LiveKit", steps.patient);
    await steps.look(window, "01 first start");
  });

  await step("a wrong secret is called that", async () => {
    await steps.fillProject(window, { url: server.url, key: server.key, secret: "not-the-secret-of-this-server", name: "Studio" });
    const words = await steps.refusal(window, "wrong_secret");
    assert.match(words, /secret/i);
    await steps.look(window, "02 wrong secret");
  });

  await step("so is a key that the server does not know", async () => {
    await steps.fillProject(window, { key: "APInobody", secret: server.secret });
    assert.match(await steps.refusal(window, "unknown_key"), /key/i);
  });

  await step("so is an address where nothing answers", async () => {
    await steps.fillProject(window, { url: "ws://127.0.0.1:1", key: server.key });
    assert.match(await steps.refusal(window, "unreachable"), /no server listens on that port/);
    await steps.look(window, "03 unreachable");
  });

  await step("nothing of a refused login was kept", async () => {
    assert.deepEqual((await savedProjects()).projects, []);
    assert.equal(await keyringItems(), 0);
  });

  await step("the right ones open the project", async () => {
    await steps.fillProject(window, { url: server.url, key: server.key, secret: server.secret, name: "Studio" });
    await window.get("heading", "Rooms", steps.patient);
    await window.get("[data-testid=room]", /^morning-show/, steps.patient);
    await steps.look(window, "04 rooms");
  });

  await step("the secret is in the keyring, and nowhere else", async () => {
    assert.equal(await keyringItems(), 1);
    const { projects } = await savedProjects();
    assert.deepEqual([projects[0].name, projects[0].api_key, projects[0].in_keyring], ["Studio", server.key, true]);
    assertNowhere(server.secret);
  });

  await step("the room shows its people, and nobody else", async () => {
    await steps.openRoom(window, "morning-show", people.map(({ identity }) => identity));
    await window.sees(/Zoë Ångström/, steps.patient);
  });

  const picturesMove = async () => {
    for (const { identity } of people) {
      const first = await until(`a picture of ${identity}`, () => steps.pictureOf(window, identity), steps.patient);
      assert.ok(first.contrast > 20, `the picture of ${identity} is not blank: ${JSON.stringify(first)}`);
      await until(
        `the picture of ${identity} to move`,
        async () => (await steps.pictureOf(window, identity))?.print !== first.print,
        steps.patient,
      );
    }
  };
  await step("their pictures move", async () => {
    await picturesMove();
    await steps.look(window, "05 room");
  });

  await step("a person who leaves is gone from the list, and back when they return", async () => {
    const [ada, zoe] = people;
    await zoe.leave();
    await steps.waitForPeople(window, [ada.identity]);
    await zoe.join({ video: { width: 640, height: 360, fps: 15 }, audio: true });
    await steps.waitForPeople(window, [ada.identity, zoe.identity]);
  });

  await step("choosing a person makes Record ready", async () => {
    await steps.choosePerson(window, "Ada");
    await steps.look(window, "06 ready");
  });

  await step("R records, and the window says so", async () => {
    await window.keys("r");
    const early = await steps.waitForRecording(window, { seconds: 2 });
    assert.ok(await window.script("return document.querySelector('[data-testid=tally]') !== null"), "the tally is lit");
    assert.equal(early.connection, "connected");
    await steps.look(window, "07 recording");
    const later = await steps.waitForRecording(window, { seconds: 6 });
    assert.notEqual(later.size, early.size, "the size grows");
    await picturesMove();
    await until(
      "the time left on the disk",
      async () => /left$/.test(await window.script("return document.querySelector('[data-testid=disk]')?.innerText ?? ''")),
      steps.patient,
    );
  });

  let path;
  await step("Stop finishes the file", async () => {
    await steps.stopRecording(window);
    [path] = steps.recordings(desktop);
    assert.ok(path, "there is a file");
    const { seconds, codecs } = await steps.playThrough(path);
    assert.ok(seconds >= 6, `it has ${seconds} s`);
    assert.deepEqual(codecs, { video: "h264", audio: "aac" });
  });

  await step("the history has it", async () => {
    const [past] = await steps.history(window);
    assert.equal(past.status, "complete");
    assert.equal(past.end, "Stopped by hand");
    assert.ok(path.endsWith(past.file), `${path} is called ${past.file}`);
    await until("its still", async () => (await steps.history(window))[0].still, steps.patient);
    await steps.look(window, "08 history");
  });

  await step("Play and Open folder hand it to the desktop", async () => {
    await window.click("button", "Play Ada");
    await until("the player", () => desktop.opened().includes(path), steps.patient);
    await window.click("button", "Open folder of Ada");
    await until("the file manager", () => desktop.opened().includes(dirname(path)), steps.patient);
  });

  await step("still nothing has the secret", () => assertNowhere(server.secret));

  await step("nothing had to be started again on the way", () => {
    const log = readFileSync(join(desktop.dataDir, "tallylight.log"), "utf8").split("\n").filter(Boolean);
    const trouble = log.map((line) => JSON.parse(line)).filter(({ level, target }) => level === "ERROR" || target === "studio::monitor");
    assert.deepEqual(trouble.filter(({ level }) => level !== "INFO").map(({ fields }) => fields), []);
  });

  await step("forgetting the project removes the secret from the keyring", async () => {
    await window.click("button", "Project: Studio");
    await window.click("menuitem", /^Forget/);
    await steps.look(window, "09 forget");
    await window.click("[role=dialog] button, [role=alertdialog] button", "Forget project");
    await until("the keyring to be empty", async () => (await keyringItems()) === 0, steps.patient);
    await until("the list to be empty", async () => (await savedProjects()).projects.length === 0, steps.patient);
  });
});

async function savedProjects() {
  const files = steps.filesBelow(desktop.dataDir).filter((path) => path.endsWith("/projects.json"));
  return files.length ? JSON.parse(readFileSync(files[0], "utf8")).saved : { projects: [] };
}

/** How many secrets of ours the keyring daemon has. */
async function keyringItems() {
  const search = ["--method", "org.freedesktop.Secret.Service.SearchItems", "{'service': 'Tallylight'}"];
  const target = ["call", "--session", "--dest", "org.freedesktop.secrets", "--object-path", "/org/freedesktop/secrets"];
  const [unlocked] = (await desktop.run("gdbus", ...target, ...search)).split("], [");
  return (unlocked.match(/\/org\/freedesktop\/secrets\/collection/g) ?? []).length;
}

/** Fails if the secret is in any file of the desktop, or in what other processes can see of ours. */
function assertNowhere(secret) {
  const files = steps.filesBelow(desktop.folder);
  assert.ok(files.some((path) => path.endsWith("journal.db") || path.startsWith(join(desktop.dataDir, "jobs"))) || files.length > 5);
  steps.assertInNoFile(desktop.folder, secret);
  for (const { pid, args } of processesWith("TALLYLIGHT_TEST_DESKTOP", desktop.folder)) {
    assert.ok(!args.join(" ").includes(secret), `the secret is in the arguments of ${args[0]}`);
    assert.ok(!steps.contentOf(`/proc/${pid}/environ`).includes(secret), `the secret is in the environment of ${args[0]}`);
  }
}
