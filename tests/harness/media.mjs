// Reads recorded files through ffmpeg and ffprobe: pictures with their times, sound with its times, packets, boxes.

import { execFile, spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What ffprobe says of a file: `{format, streams}`. Fails if the file cannot be opened. */
export async function probe(file) {
  const args = ['-v', 'error', '-of', 'json', '-show_format', '-show_streams', file];
  const { stdout } = await run('ffprobe', args, { maxBuffer: 16 << 20 });
  const found = JSON.parse(stdout);
  found.video = found.streams.find((s) => s.codec_type === 'video');
  found.audio = found.streams.find((s) => s.codec_type === 'audio');
  found.durationS = Number(found.format.duration);
  return found;
}

/** Every packet of the first stream of a kind: `{ptsS, dtsS, durationS, size, key, hash}`. */
export async function packets(file, kind = 'v') {
  const args = ['-v', 'error', '-select_streams', `${kind}:0`, '-show_packets', '-show_data_hash', 'sha256', '-of', 'json', file];
  const { stdout } = await run('ffprobe', args, { maxBuffer: 1 << 30 });
  return JSON.parse(stdout).packets.map((p) => ({
    ptsS: Number(p.pts_time),
    dtsS: Number(p.dts_time),
    durationS: Number(p.duration_time),
    size: Number(p.size),
    key: p.flags.startsWith('K'),
    hash: p.data_hash.replace(/^SHA256:/i, ''),
  }));
}

/** The sizes that the pictures of a file have, as they change. */
export async function frameSizes(file) {
  const args = ['-v', 'error', '-select_streams', 'v:0', '-show_entries', 'frame=width,height', '-of', 'csv=p=0', file];
  const { stdout } = await run('ffprobe', args, { maxBuffer: 16 << 20 });
  const sizes = stdout.split('\n').filter(Boolean);
  return sizes.filter((size, i) => size !== sizes[i - 1]).map((size) => size.split(',').slice(0, 2).map(Number));
}

/** Errors that a full decode of the file meets, one a line; none for a sound file. */
export async function decodeErrors(file) {
  const { stderr } = await run('ffmpeg', ['-v', 'error', '-i', file, '-f', 'null', '-'], { maxBuffer: 64 << 20 }).catch(
    (error) => error,
  );
  // ffmpeg's null output counts in frames of the mean rate, and complains of real time stamps that fall together there.
  return stderr.split('\n').filter((line) => line && !/\[null @|^\s*Last message repeated/.test(line));
}

const GRID_W = 64;
const GRID_H = 48;

/**
 * Every picture of a file, scaled to 64 by 48 grey points: calls `each(grey, ptsS)` in order. Twelve rows and
 * sixteen columns of code blocks come out as four by four points each.
 */
export async function eachPicture(file, each, { crop } = {}) {
  const filters = [...(crop ? [`crop=${crop}`] : []), `scale=${GRID_W}:${GRID_H}:flags=area`, 'format=gray', 'showinfo'];
  const args = ['-nostdin', '-v', 'info', '-copyts', '-i', file, '-map', '0:v:0', '-vf', filters.join(',')];
  args.push('-fps_mode', 'passthrough', '-f', 'rawvideo', '-');
  const size = GRID_W * GRID_H;
  const times = [];
  const waiting = [];
  let rest = Buffer.alloc(0);
  const pair = () => {
    while (times.length && waiting.length) each(waiting.shift(), times.shift());
  };
  await decode(args, {
    line(text) {
      const found = /Parsed_showinfo.*\bpts:\s*\S+\s+pts_time:\s*(\S+)/.exec(text);
      if (found) times.push(Number(found[1]));
      pair();
    },
    data(chunk) {
      rest = rest.length ? Buffer.concat([rest, chunk]) : chunk;
      while (rest.length >= size) {
        waiting.push(rest.subarray(0, size));
        rest = rest.subarray(size);
      }
      pair();
    },
  });
  pair();
}

/**
 * The sound of a file on its own time line: `{samples, startS, holes, overlaps}`, mono float at 48 kHz, sample 0 at
 * `startS`. Each decoded block lies where its time stamp says; holes are where no block is.
 * @param {{channel?: 'left' | 'right'}} [options] one side alone
 */
export async function sound(file, { channel } = {}) {
  const mono = channel === 'left' ? 'pan=mono|c0=c0' : channel === 'right' ? 'pan=mono|c0=c1' : 'aformat=channel_layouts=mono';
  const filters = `aresample=48000,${mono},aformat=sample_fmts=s16,ashowinfo`;
  const args = ['-nostdin', '-v', 'info', '-copyts', '-i', file, '-map', '0:a:0', '-af', filters, '-f', 's16le', '-'];
  const blocks = [];
  const chunks = [];
  await decode(args, {
    line(text) {
      const found = /Parsed_ashowinfo.*\bpts_time:\s*(\S+).*\bnb_samples:\s*(\d+)/.exec(text);
      if (found) blocks.push({ at: Number(found[1]), count: Number(found[2]) });
    },
    data: (chunk) => chunks.push(chunk),
  });
  if (!blocks.length) return { samples: new Float32Array(0), startS: 0, holes: [], overlaps: [] };
  const raw = Buffer.concat(chunks);
  const startS = blocks[0].at;
  const last = blocks.at(-1);
  // An hour has more blocks than a call may have arguments.
  const total = blocks.reduce((most, b) => Math.max(most, Math.round((b.at - startS) * 48000) + b.count), 0);
  const samples = new Float32Array(Math.max(total, Math.round((last.at - startS) * 48000) + last.count));
  const holes = [];
  const overlaps = [];
  let read = 0;
  let end = 0;
  for (const { at, count } of blocks) {
    const to = Math.round((at - startS) * 48000);
    // Rounding of time bases is not a hole.
    if (to > end + 96) holes.push({ fromS: startS + end / 48000, toS: at });
    if (to < end - 96) overlaps.push({ fromS: at, toS: startS + end / 48000 });
    for (let i = 0; i < count; i++, read += 2) samples[Math.max(0, to) + i] = raw.readInt16LE(read) / 32768;
    end = to + count;
  }
  return { samples, startS, holes, overlaps };
}

async function decode(args, { line, data }) {
  const child = spawn('ffmpeg', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const tail = [];
  child.stdout.on('data', data);
  const lines = createInterface({ input: child.stderr });
  lines.on('line', (text) => {
    line(text);
    tail.push(text);
    if (tail.length > 20) tail.shift();
  });
  const read = new Promise((resolve) => lines.on('close', resolve));
  const code = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
  await read;
  if (code !== 0) throw new Error(`ffmpeg could not decode:\n${tail.join('\n')}`);
}

/** Left and right of a file at 48 kHz, sample after sample as they are decoded, whatever their times say. */
export async function sides(file) {
  const args = ['-nostdin', '-v', 'error', '-i', file, '-map', '0:a:0', '-ac', '2', '-ar', '48000', '-f', 'f32le', '-'];
  const { stdout } = await run('ffmpeg', args, { encoding: 'buffer', maxBuffer: 256 << 20 });
  const both = new Float32Array(stdout.buffer, stdout.byteOffset, stdout.length >> 2);
  return [0, 1].map((side) => Float32Array.from({ length: both.length >> 1 }, (_, i) => both[2 * i + side]));
}

/** The top-level boxes of an MP4: `[{type, at, size}]`. A box that is cut off by the end of the file is marked. */
export async function boxes(file) {
  const handle = await open(file);
  try {
    const { size: total } = await handle.stat();
    const found = [];
    const head = Buffer.alloc(16);
    for (let at = 0; at + 8 <= total; ) {
      await handle.read(head, 0, 16, at);
      let size = head.readUInt32BE(0);
      if (size === 1) size = Number(head.readBigUInt64BE(8));
      if (size === 0) size = total - at;
      found.push({ type: head.toString('latin1', 4, 8), at, size, cut: at + size > total });
      if (size < 8) break;
      at += size;
    }
    return found;
  } finally {
    await handle.close();
  }
}

/** The stream of a file as ffmpeg writes it bare (`h264`: Annex B, `obu`: AV1), for a look at its units. */
export async function bare(file, format) {
  const { stdout } = await run('ffmpeg', ['-v', 'error', '-i', file, '-map', '0:v:0', '-c', 'copy', '-f', format, '-'], {
    encoding: 'buffer',
    maxBuffer: 1 << 30,
  });
  return stdout;
}

/** How light the upper left corner of each picture is, 0 to 255. */
export async function cornerLight(file) {
  const filter = 'crop=16:16:0:0,scale=1:1,format=gray';
  const { stdout } = await run('ffmpeg', ['-v', 'error', '-i', file, '-vf', filter, '-f', 'rawvideo', '-'], { encoding: 'buffer', maxBuffer: 1 << 24 });
  return [...stdout];
}
