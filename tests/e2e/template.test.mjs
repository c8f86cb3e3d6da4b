// Templates of other people: LiveKit's contract, kept by a page that has nothing of Tallylight's.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { beeps, cadence, flashes, pictures, sync } from '../harness/content.mjs';
import { fileOutput, roomComposite } from '../harness/job.mjs';
import { sound } from '../harness/media.mjs';
import { assertWhole, atMost, Scene } from '../harness/scene.mjs';
import { site } from '../harness/site.mjs';
import { roomService } from '../harness/token.mjs';

const CLIENT = createRequire(import.meta.url).resolve('livekit-client').replace(/[^/]+$/, 'livekit-client.umd.js');
const VIDEO = { codec: 'vp8', width: 640, height: 360, fps: 30, bitrateBps: 600_000 };

/** No framework and no helper: pictures side by side as they come, the sound played, signals by hand. */
const PLAIN = `<!doctype html><meta charset="utf-8">
<style>body { margin: 0; background: #222; display: flex } video { width: 640px; height: 720px; object-fit: contain; object-position: top }</style>
<script src="/livekit.js"></script><script type="module">
const asked = new URLSearchParams(location.search);
document.title = asked.get('layout');
const { Room, RoomEvent } = LivekitClient;
const room = new Room();
let begun = false;
room.on(RoomEvent.TrackSubscribed, (track) => {
  const element = track.attach();
  document.body.append(element);
  if (track.kind === 'video') element.addEventListener('playing', () => {
    if (!begun) console.log('START_RECORDING');
    begun = true;
  }, { once: true });
});
room.on(RoomEvent.Disconnected, () => console.log('END_RECORDING'));
await fetch('/told?' + asked.get('layout'));
await room.connect(asked.get('url'), asked.get('token'));
</script>`;

const pages = { '/plain': PLAIN, '/livekit.js': readFileSync(CLIENT, 'utf8'), '/told': 'ok' };

test('a template with no framework: who is in the room, in sync, until the room ends', { timeout: 120_000 }, async (t) => {
  const scene = await Scene.open(t);
  await scene.person(0, { video: VIDEO, audio: true });
  await scene.person(1, { video: VIDEO });
  const { base, asked } = await site(scene, pages);
  const job = await scene.job(roomComposite({ base: `${base}/plain?theme=dusk`, layout: 'mine' }), [fileOutput(scene.folder)]);
  await job.elapsed(12_000);
  await roomService(scene.server, 'DeleteRoom', { room: scene.room });
  const result = await job.result();
  assert.deepEqual(await job.end(), { type: 'ended', status: 'complete', error: null });
  await assertWhole(result, { container: 'mp4' });
  assert.ok(asked.includes('/told?mine'), asked.join());
  assert.ok(asked.some((url) => url.startsWith('/plain?') && url.includes('theme=dusk')), 'its own parameters stay');
  const seen = [];
  const sides = ['640:360:0:0', '640:360:640:0'];
  for (const crop of sides) {
    const list = (await pictures(result.path, { crop })).filter(({ ptsS }) => ptsS > 1);
    const who = [0, 1].map((person) => cadence(list, { person, fps: 30 }).frames);
    assert.ok(Math.max(...who) > list.length * 0.85, `${who} of ${list.length}`);
    seen.push(who.indexOf(Math.max(...who)));
  }
  assert.deepEqual(seen.toSorted(), [0, 1]);
  const speaker = await pictures(result.path, { crop: sides[seen.indexOf(0)] });
  const { p80Ms } = sync(flashes(speaker), beeps(await sound(result.path), 0));
  atMost('flash against beep, p80, ms', p80Ms, 40);
});

test('what a template says in div.error is what the operator reads', { timeout: 120_000 }, async (t) => {
  const scene = await Scene.open(t);
  const { base } = await site(scene, { '/broken': '<div class="error">The poll server is away.</div>' });
  const job = await scene.job(roomComposite({ base: `${base}/broken` }), [fileOutput(scene.folder)]);
  const { fact } = await job.fact('ended', { withinMs: 90_000 });
  assert.equal(fact.status, 'failed');
  assert.match(`${fact.error.message} ${fact.error.detail}`, /The poll server is away\./);
});
