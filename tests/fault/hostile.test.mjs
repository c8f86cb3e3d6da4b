// Pages that mean no good, or are broken: the job stays in hand, and nothing of the computer is theirs.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { pictures } from '../harness/content.mjs';
import { fileOutput, webEgress } from '../harness/job.mjs';
import { assertWhole, Scene } from '../harness/scene.mjs';
import { site } from '../harness/site.mjs';

/** White, so that whatever would stand before it shows. */
const white = (script) => `<!doctype html><meta charset="utf-8"><body style="margin:0;background:#fff">
<a id="file" href="file:///etc/passwd" style="position:fixed;inset:0"></a><script>${script}</script>`;

const PAGES = {
  '/alerts': white('setInterval(() => { alert("stop"); confirm("?"); prompt("?"); }, 50)'),
  '/popups': white('setInterval(() => window.open("/dark", "_blank", "width=1280,height=720"), 100)'),
  '/closes': white('setInterval(() => window.close(), 100)'),
  '/leaves': white('setInterval(() => { location = "file:///etc/passwd"; document.getElementById("file").click(); }, 200)'),
  '/downloads': white('setInterval(() => { const a = document.createElement("a"); a.href = "/file.bin"; a.download = "x"; a.click(); }, 200)'),
  '/fullscreen': white('document.documentElement.requestFullscreen().catch(() => {}); document.documentElement.requestPointerLock?.()'),
  '/unload': white('addEventListener("beforeunload", (event) => event.preventDefault())'),
  '/dark': '<body style="background:#000">',
  '/file.bin': 'not for you',
};

for (const path of ['/alerts', '/popups', '/closes', '/leaves', '/downloads', '/fullscreen', '/unload']) {
  test(`a page that ${path.slice(1)}: what it shows is recorded, and nothing else happens`, { timeout: 120_000 }, async (t) => {
    const scene = await Scene.open(t);
    const { base, asked } = await site(scene, PAGES);
    const job = await scene.job(webEgress(base + path), [fileOutput(scene.folder)], { room: '' });
    await job.elapsed(5000);
    const result = await job.stop();
    assert.deepEqual(await job.end(), { type: 'ended', status: 'complete', error: null });
    await assertWhole(result, { container: 'mp4' });
    const dark = (await pictures(result.path)).filter(({ luma }) => luma < 200);
    assert.equal(dark.length, 0, `${dark.length} pictures are not the page`);
    assert.ok(!asked.includes('/dark'), 'a second window was opened, and stood before the page until it was closed');
    assert.deepEqual(readdirSync(scene.folder), ['show.mp4']);
    assert.ok(!job.events.some(({ fact }) => fact.type === 'warning'), JSON.stringify(job.events));
  });
}

test('a page that hangs is loaded again, and given up in the end', { timeout: 180_000 }, async (t) => {
  const scene = await Scene.open(t);
  const { base } = await site(scene, { '/hangs': white('setTimeout(() => { for (;;); }, 3000)') });
  const job = await scene.job(webEgress(`${base}/hangs`), [fileOutput(scene.folder)], { room: '' });
  await job.fact('page', { where: (fact) => fact.state === 'on' });
  const { fact } = await job.fact('warning', { withinMs: 60_000 });
  assert.match(fact.warning.message, /hangs/);
  await job.fact('page', { where: ({ state }) => state === 'reloading' });
  await job.stop();
  assert.equal((await job.end()).status, 'complete');
});

test('a page that takes memory without end is loaded again before the computer suffers', { timeout: 240_000 }, async (t) => {
  const scene = await Scene.open(t);
  const hoard = 'const all = []; setTimeout(() => setInterval(() => all.push(new Uint8Array(1 << 28).fill(1)), 100), 3000)';
  const { base } = await site(scene, { '/hoards': white(hoard) });
  const job = await scene.job(webEgress(`${base}/hoards`), [fileOutput(scene.folder)], { room: '' });
  const { fact, seq } = await job.fact('warning', { withinMs: 120_000 });
  assert.match(fact.warning.message, /memory|crashed/);
  await job.fact('page', { where: ({ state }) => state === 'on', after: seq, withinMs: 60_000 });
  const result = await job.stop();
  assert.equal((await job.end()).status, 'complete');
  await assertWhole(result, { container: 'mp4' });
});

test('the page sees no file, no secret and no other program of the user', { timeout: 120_000 }, async (t) => {
  const scene = await Scene.open(t);
  const { base, asked } = await site(scene, {
    '/spies': `<script>
      const tell = (what) => fetch('/told?' + what);
      fetch('file:///etc/hosts').then(() => tell('file'), () => tell('no-file'));
    </script>`,
    '/told': 'ok',
  });
  const job = await scene.job(webEgress(`${base}/spies`), [], { room: '' });
  await job.fact('armed');
  assert.ok(asked.includes('/told?no-file'), asked.join());
});
