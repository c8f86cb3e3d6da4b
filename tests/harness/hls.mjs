// Reads playlists of HLS, and what they list.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { basename, dirname, extname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const TYPES = { '.html': 'text/html', '.m3u8': 'application/vnd.apple.mpegurl', '.ts': 'video/mp2t', '.m4s': 'video/mp4', '.mp4': 'video/mp4', '.js': 'text/javascript' };

/** A playlist: `{tags, sequence, ended, segments: [{path, lengthS, atMs, map}]}`; `map`: what a segment of MP4 needs. */
export function playlist(path) {
  const text = readFileSync(path, 'utf8');
  assert.ok(text.startsWith('#EXTM3U\n') && text.endsWith('\n'), `a whole playlist, not ${JSON.stringify(text.slice(-40))}`);
  const list = { text, tags: {}, segments: [] };
  const at = (uri) => join(dirname(path), decodeURIComponent(uri));
  let next = {};
  let map = null;
  for (const line of text.split('\n')) {
    const [, tag, value = ''] = /^#(EXT[A-Z0-9-]*)(?::(.*))?$/.exec(line) ?? [];
    if (tag === 'EXTINF') next.lengthS = Number.parseFloat(value);
    else if (tag === 'EXT-X-PROGRAM-DATE-TIME') next.atMs = Date.parse(value);
    else if (tag === 'EXT-X-MAP') map = at(/^URI="([^"]+)"$/.exec(value)[1]);
    else if (tag) list.tags[tag] = value;
    else if (line) {
      list.segments.push({ ...next, uri: line, path: at(line), map });
      next = {};
    }
  }
  list.sequence = Number(list.tags['EXT-X-MEDIA-SEQUENCE'] ?? 0);
  list.ended = 'EXT-X-ENDLIST' in list.tags;
  return list;
}

/** A file that holds one segment and all that it needs, to be read on its own. */
export function alone({ path, map }) {
  if (!map) return path;
  const whole = `${path}.mp4`;
  writeFileSync(whole, Buffer.concat([readFileSync(map), readFileSync(path)]));
  return whole;
}

/** Serves a folder as any static server would; `extra`: texts of files beside those of the folder. */
export async function serve(folder, extra = {}) {
  const server = createServer(async (request, answer) => {
    const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname).slice(1);
    try {
      const body = extra[path] ?? (await readFile(join(folder, path)));
      const type = TYPES[extname(path)] ?? 'application/octet-stream';
      answer.writeHead(200, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
    } catch {
      answer.writeHead(404).end('not found');
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return { base: `http://127.0.0.1:${server.address().port}/`, close };
}

/** Everything in a playlist, as a player reads it over HTTP, in one file whose times begin near 0. */
export async function joined(path) {
  const to = path.replace(/m3u8$/, 'mkv');
  const served = await serve(dirname(path));
  try {
    const from = served.base + encodeURIComponent(basename(path));
    await run('ffmpeg', ['-nostdin', '-v', 'error', '-y', '-i', from, '-c', 'copy', to]);
  } finally {
    await served.close();
  }
  return to;
}

/**
 * Looks at a playlist again and again until `stop` is called: whatever is listed must be there and never change, nor may
 * the longest that segments are said to be, and none is longer.
 * `stop` fails with what was wrong; it returns how often the playlist was seen to change.
 */
export function watch(path) {
  const sizes = new Map();
  const faults = [];
  let changes = 0;
  let before = '';
  let longest;
  const look = () => {
    if (!existsSync(path)) return;
    try {
      const { text, segments, tags } = playlist(path);
      if (text !== before) changes += 1;
      longest ??= tags['EXT-X-TARGETDURATION'];
      if (tags['EXT-X-TARGETDURATION'] !== longest) faults.push(`TARGETDURATION ${longest} became ${tags['EXT-X-TARGETDURATION']}`);
      for (const { uri, lengthS } of segments) if (Math.round(lengthS) > Number(longest)) faults.push(`${uri} lasts ${lengthS} s`);
      before = text;
      for (const segment of segments) {
        const size = existsSync(segment.path) ? statSync(segment.path).size : null;
        if (!size || (segment.path.endsWith('.ts') && size % 188)) faults.push(`${segment.uri}: ${size} bytes`);
        if (segment.path.endsWith('.m4s') && !(segment.map && existsSync(segment.map))) faults.push(`${segment.uri}: no head`);
        if (sizes.has(segment.uri) && sizes.get(segment.uri) !== size) faults.push(`${segment.uri} has changed`);
        sizes.set(segment.uri, size);
      }
    } catch (error) {
      faults.push(error.message);
    }
  };
  const timer = setInterval(look, 15);
  return {
    stop() {
      clearInterval(timer);
      look();
      assert.deepEqual(faults, []);
      return changes;
    },
  };
}

/** Files of a folder that are not finished. */
export const unfinished = (folder) => readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.part'));
