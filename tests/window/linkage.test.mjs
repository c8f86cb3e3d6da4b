// Only the window's own process may carry WebKit: jobs and servers run without a desktop.

import assert from "node:assert/strict";
import { test } from "node:test";
import { run } from "./desktop.mjs";
import { program } from "./programs.mjs";

const desktop = /libwebkit2gtk|libjavascriptcoregtk|libgtk-3/;

for (const name of ["tallylight-job", "tallylight-worker"]) {
  test(`${name} does not link WebKit or GTK`, async () => {
    const libraries = await run("ldd", [program(name)], process.env);
    assert.match(libraries, /libc\.so/);
    assert.doesNotMatch(libraries, desktop);
  });
}

test("the window does, so that the check above means something", async () => {
  assert.match(await run("ldd", [program("tallylight")], process.env), desktop);
});
