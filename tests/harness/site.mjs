// Web pages for a job to show: one that flashes and beeps by one clock, and whatever a test serves beside it.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { beepHz } from './schedule.mjs';

/**
 * A page whose whole picture turns white, while it beeps, for a tenth of each second; otherwise green. Its clock is
 * that of its sound. `?signal` makes it say START_RECORDING after so many ms, `?end` END_RECORDING.
 */
const FLASHES = `<!doctype html><meta charset="utf-8"><body style="margin:0;background:#0a0"><script>
const asked = new URLSearchParams(location.search);
const audio = new AudioContext();
let next = 1;
function tone() {
  const source = audio.createOscillator();
  source.frequency.value = ${beepHz(1)};
  source.connect(audio.destination);
  source.start(next);
  source.stop(next + 0.1);
}
tone();
function draw() {
  const { contextTime, performanceTime } = audio.getOutputTimestamp();
  const now = contextTime + (performance.now() - performanceTime) / 1000;
  document.body.style.background = now >= next && now < next + 0.1 ? '#fff' : '#0a0';
  if (now >= next + 0.2) { next += 1; tone(); }
  requestAnimationFrame(draw);
}
requestAnimationFrame(draw);
const later = (name, line) => asked.has(name) && setTimeout(() => console.log(line), Number(asked.get(name)));
later('signal', 'START_RECORDING');
later('end', 'END_RECORDING');
</script>`;

/** A server of pages on loopback. `pages`: what is at which path, text or a function that answers. */
export async function site(scene, pages = {}) {
  const all = { '/flashes': FLASHES, ...pages };
  const asked = [];
  const server = createServer((request, answer) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    asked.push(request.url);
    const page = all[pathname];
    if (typeof page === 'function') return page(request, answer);
    if (page === undefined) return answer.writeHead(404).end('not found');
    answer.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  scene.onClose(async () => {
    server.closeAllConnections();
    server.close();
  });
  return { base: `http://127.0.0.1:${server.address().port}`, asked };
}
