// What holds for the window whatever it shows: what the page may do, where it stands, how it draws.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openDesktop } from "./desktop.mjs";
import { end, start, until } from "./processes.mjs";
import { program } from "./programs.mjs";
import * as steps from "./steps.mjs";

let desktop;

before(async () => {
  desktop = await openDesktop();
});

after(async () => {
  await desktop?.close();
});

const gone = () => steps.ended(desktop);

/** Tallylight without a driver, which would set its environment and its place. */
async function startTallylight(t) {
  await gone();
  const child = start(program("tallylight"), [], { env: desktop.env });
  t.after(() => end(child));
  return child;
}

test("the page can reach nothing but the studio", { timeout: 120_000 }, async (t) => {
  let asked = 0;
  const outside = createServer((_, response) => {
    asked += 1;
    response.setHeader("access-control-allow-origin", "*");
    response.end("outside");
  });
  await new Promise((resolve) => outside.listen(0, "127.0.0.1", resolve));
  const address = `http://127.0.0.1:${outside.address().port}/`;
  assert.equal(await (await fetch(address)).text(), "outside", "the server outside answers");
  asked = 0;
  const window = await steps.openTallylight(desktop);
  t.after(async () => {
    await window.close();
    outside.close();
  });
  const settled = (expression) =>
    window.asyncScript(
      `const done = arguments[arguments.length - 1];
       Promise.resolve().then(() => ${expression}).then((value) => done({ value: String(value) }), (error) => done({ error: String(error?.message ?? error) }));`,
    );

  assert.ok((await settled(`fetch("${address}")`)).error, "no other server");
  assert.ok(
    (await settled(`new Promise((yes, no) => Object.assign(new Image(), { onload: yes, onerror: no, src: "${address}" }))`)).error,
    "no picture from outside",
  );
  await window.script(
    `const script = document.createElement('script'); script.textContent = 'window.slipped = true'; document.body.append(script);`,
  );
  assert.equal(await window.script("return window.slipped ?? false"), false, "no script but our own");

  const invoke = (command, args = {}) => settled(`window.__TAURI_INTERNALS__.invoke("${command}", ${JSON.stringify(args)})`);
  assert.ok((await invoke("snapshot")).value, "the studio answers");
  const forbidden = [
    ["plugin:opener|open_path", { path: "/etc/passwd" }],
    ["plugin:opener|open_url", { url: address }],
    ["plugin:dialog|open", { options: {} }],
    ["plugin:store|load", { path: "projects.json" }],
    ["plugin:notification|notify", { options: { title: "x" } }],
    ["plugin:window|close", { label: "main" }],
    ["plugin:webview|create_webview_window", { options: { label: "other", url: address } }],
  ];
  for (const [command, args] of forbidden) {
    assert.match((await invoke(command, args)).error ?? "allowed", /not allowed/, command);
  }
  assert.deepEqual(await invoke("no_such_command"), { error: "Command no_such_command not found" });

  await window.script(`location.href = "${address}"`);
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.match(await window.script("return location.href"), /^tauri:\/\/localhost/, "the window shows nothing else");
  assert.equal(asked, 0, "nobody outside was asked for anything");
});

test("the window comes back where it was", { timeout: 120_000 }, async (t) => {
  const place = async () => {
    const list = await until("the window", async () => (await desktop.run("wmctrl", "-l", "-G")).match(/^.*Tallylight$/m)?.[0]);
    return list.split(/\s+/).slice(2, 6).join(" ");
  };
  const child = await startTallylight(t);
  await place();
  const moved = await until("the window to move", async () => {
    // It is listed a moment before it can be moved.
    await desktop.run("wmctrl", "-r", "Tallylight", "-e", "0,150,60,1100,720");
    const now = await place();
    return now.endsWith("1100 720") && now;
  });
  await desktop.run("wmctrl", "-c", "Tallylight");
  await gone();
  assert.equal(await child.gone, 0, child.output());

  await startTallylight(t);
  await until("the window at its old place", async () => (await place()) === moved, steps.patient);
});

test("without a GPU it draws the way that costs a quarter", { timeout: 120_000 }, async (t) => {
  const gpu = existsSync("/dev/dri") && readdirSync("/dev/dri").some((name) => name.startsWith("renderD"));
  const child = await startTallylight(t);
  await until("the window", async () => (await desktop.run("wmctrl", "-l")).includes("Tallylight"), steps.patient);
  const [{ pid }] = desktop.processes("tallylight");
  assert.equal(pid, child.pid, "it is still the process that was started");
  const environ = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  assert.equal(environ.includes("WEBKIT_DISABLE_DMABUF_RENDERER=1"), !gpu);
});

test("a list of projects that a power cut left half written is replaced by the one before", { timeout: 120_000 }, async () => {
  const list = join(desktop.dataDir, "projects.json");
  const saved = {
    projects: [{ id: "PJ_test", name: "Winter gala", url: "ws://127.0.0.1:1", api_key: "APIx", in_keyring: false }],
    current: null,
    settings: null,
  };
  writeFileSync(join(desktop.dataDir, "projects.backup.json"), JSON.stringify(saved));
  writeFileSync(list, '{"saved": {"projects": [{"id": "PJ_te');
  const window = await steps.openTallylight(desktop);
  await window.sees(/Winter gala/, steps.patient);
  await window.close();
  assert.equal(JSON.parse(readFileSync(list, "utf8")).saved.projects[0].name, "Winter gala");
  assert.match(readFileSync(join(desktop.dataDir, "projects.damaged.json"), "utf8"), /PJ_te$/);
});
