// npm run demo: a LiveKit server, four synthetic people, and the studio logged in.
// npm run demo -- --record 20: the same without a window; records one of them for 20 s, or all of them with
// `--layout grid`.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { buildBinaries } from './build.mjs';
import { say, setup } from './setup.mjs';

const ROOM = 'morning-show';
const { values } = parseArgs({ options: { record: { type: 'string' }, layout: { type: 'string' }, out: { type: 'string' } } });
const seconds = values.record === undefined ? undefined : Number(values.record);
if (seconds !== undefined && !(seconds > 0 && seconds < 86_400)) {
  console.error('Say for how many seconds: npm run demo -- --record 20');
  process.exit(2);
}

const atEnd = [];
let ending = false;
async function end(code) {
  if (ending) return;
  ending = true;
  for (const stop of atEnd.reverse()) await stop().catch(() => {});
  process.exit(code);
}
process.on('SIGINT', () => end(130));
process.on('SIGTERM', () => end(143));

try {
  await main();
} catch (error) {
  console.error(`The demo cannot go on: ${error.message}`);
  await end(1);
}

async function main() {
  const window = seconds === undefined;
  await setup(window ? 'demo' : 'record');
  say('building Tallylight (the first time takes several minutes)');
  const binaries = await buildBinaries(['tallylight-job', window ? 'tallylight' : 'tallylight-worker']);

  const { LiveKit } = await import('./harness/livekit.mjs');
  const server = await LiveKit.start({ room: { empty_timeout: 3600, departure_timeout: 3600 } });
  atEnd.push(() => server.stop());
  say(`a LiveKit server answers at ${server.url}`);
  const people = await enter(server);
  if (window) await open(server, binaries.tallylight, people);
  else await record(server, binaries['tallylight-worker'], people[0]);
}

/** Ada and Ben are there from the start; Cleo comes late and changes her camera; Dan mutes for a while. */
async function enter(server) {
  const { Person } = await import('./harness/people.mjs');
  const names = ['Ada', 'Ben', 'Cleo', 'Dan'];
  const size = { width: 1280, height: 720, fps: 30, bitrateBps: 1_500_000, simulcast: true, look: 'portrait' };
  const codecs = ['h264', 'vp8', 'vp8', 'h264'];
  const people = names.map(
    (name, i) => new Person({ server, room: ROOM, person: i, name, identity: name.toLowerCase() }),
  );
  const join_ = async (i, codec = codecs[i]) => {
    await people[i].join({ video: { ...size, codec }, audio: { voice: 'song' } });
    say(`${names[i]} is in the room “${ROOM}”, in ${codec.toUpperCase()}`);
  };
  atEnd.push(() => Promise.all(people.map((person) => person.quit())));
  await Promise.all([join_(0), join_(1), join_(3)]);

  const later = (s, act) => {
    const timer = setTimeout(() => !ending && act().catch((error) => say(`a person failed: ${error.message}`)), s * 1000);
    timer.unref();
  };
  later(8, () => join_(2));
  const mute = async () => {
    await people[3].mute('microphone');
    say('Dan mutes his microphone for 12 s');
    later(12, async () => {
      await people[3].unmute('microphone');
      say('Dan is to be heard again');
      later(30, mute);
    });
  };
  later(14, mute);
  let next = 'h264';
  const republish = async () => {
    await people[2].unpublish('camera');
    say('Cleo turns her camera off');
    later(4, async () => {
      await people[2].publishVideo({ ...size, codec: next });
      say(`Cleo publishes again, in ${next.toUpperCase()}`);
      next = next === 'h264' ? 'vp8' : 'h264';
      later(40, republish);
    });
  };
  later(30, republish);
  return people;
}

async function open(server, program, people) {
  if (!process.env.DISPLAY && !process.env.WAYLAND_DISPLAY && process.platform === 'linux') {
    throw new Error('there is no display here. Without one: npm run demo -- --record 20');
  }
  // A home of its own: the demo leaves the user's projects and history alone, and runs beside their Tallylight.
  const home = await mkdtemp(join(tmpdir(), 'tl-demo-'));
  atEnd.push(() => rm(home, { recursive: true, force: true }));
  const env = {
    ...process.env,
    TALLYLIGHT_DATA_DIR: home,
    TALLYLIGHT_DEMO_URL: server.url,
    TALLYLIGHT_DEMO_KEY: server.key,
    TALLYLIGHT_DEMO_SECRET: server.secret,
    TALLYLIGHT_DEMO_ROOM: ROOM,
  };
  const child = spawn(program, [], { env, stdio: ['ignore', 'inherit', 'inherit'] });
  atEnd.push(async () => {
    if (child.exitCode !== null || child.signalCode) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  });
  say(`Tallylight is open, logged in, with ${people.length} people. Close it to end the demo.`);
  const [code] = await once(child, 'exit');
  await end(code ?? 0);
}

async function record(server, program, person) {
  const out = values.out ?? join(homedir(), 'Videos', 'Tallylight');
  const what = values.layout ? ['--layout', values.layout] : ['--identity', person.identity];
  say(`recording ${values.layout ? 'the whole room' : person.name} for ${seconds} s into ${out}: picture and sound, MP4 (720p30)`);
  const args = ['record', '--url', server.url, '--room', ROOM, ...what];
  args.push('--format', 'mp4', '--preset', 'H264_720P_30', '--out', out, '--seconds', String(seconds));
  const home = await mkdtemp(join(tmpdir(), 'tl-demo-'));
  atEnd.push(() => rm(home, { recursive: true, force: true }));
  args.push('--data-dir', home);
  const env = { ...process.env, LIVEKIT_API_KEY: server.key, LIVEKIT_API_SECRET: server.secret };
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  atEnd.push(async () => {
    if (child.exitCode !== null || child.signalCode) return;
    child.kill('SIGINT');
    await once(child, 'exit');
  });
  let path;
  createInterface({ input: child.stdout }).on('line', (line) => {
    path = line || path;
  });
  const [code] = await once(child, 'close');
  if (code !== 0 || !path) throw new Error(`the recording failed (${code})`);
  say('done: it plays in any player');
  const last = () => new Promise((resolve) => process.stdout.write(`${path}\n`, resolve));
  for (const stop of atEnd.splice(0).reverse()) await stop().catch(() => {});
  await last();
  process.exit(0);
}
