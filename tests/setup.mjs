// Installs what a fresh Debian machine lacks, and says what and why. What is there already is left alone, so a second
// run takes a moment. Uses nothing but Node's own modules: it runs before `npm ci`.

import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../', import.meta.url));
/** Git-ignored place of this clone for everything that tests make. */
export const WORK = join(ROOT, 'tests/.work');
const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'tallylight');

/** Third-party crates are built once for all clones. */
export const TARGET = process.env.CARGO_TARGET_DIR || join(CACHE, 'target');

const PACKAGES = {
  'to build native code': ['build-essential', 'pkg-config', 'cmake', 'libclang-dev'],
  'to record': [
    'libgstreamer1.0-dev',
    'libgstreamer-plugins-base1.0-dev',
    'gstreamer1.0-tools',
    'gstreamer1.0-plugins-base',
    'gstreamer1.0-plugins-good',
    'gstreamer1.0-plugins-bad',
    'gstreamer1.0-plugins-ugly',
    'gstreamer1.0-libav',
    'glib-networking',
  ],
  'for the window': [
    'libwebkit2gtk-4.1-dev',
    'libayatana-appindicator3-dev',
    'librsvg2-bin',
  ],
  'to show web pages': ['chromium', 'xvfb', 'pulseaudio', 'bubblewrap', 'fonts-dejavu-core', 'fonts-noto-color-emoji'],
  'to test the window without a screen': [
    'webkit2gtk-driver',
    'openbox',
    'wmctrl',
    'x11-utils',
    'dbus',
    'dbus-x11',
    'gnome-keyring',
    'python3-dbus',
    'python3-gi',
    'libglib2.0-bin',
    'imagemagick',
  ],
  'to look into recorded files': ['ffmpeg'],
  'to look into buckets': ['curl'],
  'to test the Egress API': ['python3-venv'],
  'to test streams': ['nginx', 'libnginx-mod-rtmp', 'srt-tools', 'openssl'],
  'to test the bus': ['redis-server', 'redis-tools'],
  'to test disks that hang': ['bindfs'],
};

/** Everything for `what`: 'test', 'demo' or 'record' (the demo without a window). */
export async function setup(what = 'test') {
  programs();
  debian(what);
  nodeModules();
  process.env.CARGO_TARGET_DIR = TARGET;
  process.env.XDG_CACHE_HOME ||= join(homedir(), '.cache');
  mkdirSync(WORK, { recursive: true });
  const { livekitProgram } = await import('./harness/livekit.mjs');
  process.env.TALLYLIGHT_LIVEKIT_SERVER = await once('the LiveKit server', livekitProgram);
  if (what === 'test') {
    process.env.TALLYLIGHT_TESTS = '1';
    gstreamerRegistry();
    // What it would keep for a next build of the same clone fills the folder that all clones share, and takes its time.
    process.env.CARGO_INCREMENTAL ??= '0';
    const { witnessProgram } = await import('./harness/witness.mjs');
    await once('the second receiver', witnessProgram);
    const { azuriteProgram, minioProgram } = await import('./harness/stores.mjs');
    process.env.TALLYLIGHT_MINIO = await once('MinIO', minioProgram, true);
    process.env.TALLYLIGHT_AZURITE = azuriteProgram();
    const { pythonProgram } = await import('./harness/python.mjs');
    await once("LiveKit's SDK for Python", pythonProgram);
  }
}

/**
 * What GStreamer knows of its plugins, once for all tests: each of their homes is new, and every program that is started
 * in one would look through all plugins first, for seconds.
 */
function gstreamerRegistry() {
  process.env.GST_REGISTRY = join(WORK, 'gstreamer.bin');
  spawnSync('gst-inspect-1.0', ['fakesink']);
}

/** `long`: it is said beforehand that it is being built. */
async function once(what, build, long = false) {
  const began = Date.now();
  const patience = long && setTimeout(() => say(`building ${what}, which takes some minutes`), 2000);
  const program = await build();
  clearTimeout(patience);
  if (Date.now() - began > 2000) say(`built ${what} in ${Math.round((Date.now() - began) / 1000)} s`);
  return program;
}

function programs() {
  const missing = [
    ['cargo', '--version', 'Rust 1.95 or newer (https://rustup.rs)'],
    ['go', 'version', 'Go 1.26 or newer (it builds the LiveKit server for tests and the demo)'],
  ].filter(([name, argument]) => spawnSync(name, [argument]).error);
  if (missing.length) {
    const words = missing.map((m) => m[2]).join('; ');
    throw new Error(`Missing on this computer: ${words}. Install it and start again.`);
  }
}

function debian(what) {
  if (spawnSync('dpkg-query', ['--version']).error) {
    say('this is not Debian or Ubuntu: GStreamer 1.22 or newer, WebKitGTK 4.1 and ffmpeg have to be there');
    return;
  }
  const wanted = Object.entries(PACKAGES).filter(
    ([why]) => what === 'test' || !(why.startsWith('to test') || (what === 'record' && why.includes('window'))),
  );
  const missing = wanted
    .map(([why, names]) => [why, names.filter((name) => !installed(name))])
    .filter(([, names]) => names.length);
  if (!missing.length) return;
  for (const [why, names] of missing) say(`installing ${why}: ${names.join(' ')}`);
  const names = missing.flatMap(([, list]) => list);
  apt(['update', '-q']);
  apt(['install', '-y', '-q', '--no-install-recommends', ...names]);
}

function installed(name) {
  const { stdout } = spawnSync('dpkg-query', ['-W', '-f', '${db:Status-Status}', name], { encoding: 'utf8' });
  return stdout === 'installed';
}

function apt(args) {
  const root = process.getuid() === 0;
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const [program, ...rest] = root ? ['apt-get', ...args] : ['sudo', '-E', 'apt-get', ...args];
  const { status, error } = spawnSync(program, rest, { stdio: ['inherit', 'ignore', 'inherit'], env });
  if (error || status !== 0) throw new Error(`apt-get ${args[0]} failed: install the packages above by hand.`);
}

function nodeModules() {
  const lock = createHash('sha256').update(readFileSync(join(ROOT, 'package-lock.json'))).digest('hex');
  const stamp = join(ROOT, 'node_modules/.tallylight-lock');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  say('installing npm packages');
  execFileSync('npm', ['ci', '--loglevel=error', '--prefer-offline', '--no-audit', '--no-fund'], { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
  writeFileSync(stamp, lock);
}

export function say(text) {
  process.stderr.write(`· ${text}\n`);
}
