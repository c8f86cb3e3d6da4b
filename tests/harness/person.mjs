// A synthetic person: one process, one participant, LiveKit's own SDK. It takes one JSON command a line on its
// standard input and answers each with one JSON line on its standard output. Started by people.mjs.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { dirname, join } from 'node:path';
import {
  AudioFrame,
  AudioSource,
  LocalAudioTrack,
  LocalVideoTrack,
  Room,
  RoomEvent,
  TrackPublishOptions,
  TrackSource,
  VideoBufferType,
  VideoCodec,
  VideoFrame,
  VideoSource,
} from '@livekit/rtc-node';
import { Picture } from './picture.mjs';
import { Portrait } from './portrait.mjs';
import { nowMs, SAMPLE_RATE_HZ } from './schedule.mjs';
import { Sound } from './sound.mjs';

// The package offers no call for the mute of a local track, though its native library does.
const require = createRequire(import.meta.url);
const { FfiClient } = require(join(dirname(require.resolve('@livekit/rtc-node')), 'ffi_client.cjs'));

const CODECS = { h264: VideoCodec.H264, vp8: VideoCodec.VP8, vp9: VideoCodec.VP9, av1: VideoCodec.AV1 };
// Keeps size and rate: a drop of either would look like a fault of the recorder.
const KEEP_SIZE_AND_RATE = 4;
const FRAME_MS = 10;
const FRAME_SAMPLES = (SAMPLE_RATE_HZ * FRAME_MS) / 1000;
// An encoder packet is 20 ms long and is stamped with the time at which its second half came in. Handing every
// 10 ms over by that much early puts a sample onto the sender reports' clock at the instant it is meant for, as
// it does for pictures, which carry their time with them.
const AUDIO_LEAD_MS = 10;

const config = JSON.parse(process.argv[2]);
const person = config.person;
/** Whole second that frame 0 and sample 0 belong to, unix ms. */
let originMs = config.originMs;
let room;
/** source → what is published there. */
const tracks = new Map();
/** source → `[frame number, unix ms]` of each picture handed to the encoder. */
const sent = {};

async function join_() {
  room = new Room();
  room.on(RoomEvent.Disconnected, (reason) => report({ event: 'disconnected', reason }));
  room.on(RoomEvent.ParticipantConnected, ({ identity }) => report({ event: 'came', identity }));
  room.on(RoomEvent.ParticipantDisconnected, ({ identity }) => report({ event: 'left', identity }));
  room.on(RoomEvent.Reconnecting, () => report({ event: 'reconnecting' }));
  room.on(RoomEvent.Reconnected, () => report({ event: 'reconnected' }));
  room.on(RoomEvent.LocalTrackRepublished, (publication, before) =>
    report({ event: 'republished', before, sid: publication.sid }),
  );
  const encryption = config.secret && { keyProviderOptions: { sharedKey: Buffer.from(config.secret) } };
  await room.connect(config.url, config.token, { autoSubscribe: false, dynacast: false, encryption });
  return { sid: room.localParticipant.sid, room: room.name };
}

async function leave() {
  for (const source of [...tracks.keys()]) stop(source);
  await room?.disconnect();
  room = undefined;
}

async function publishVideo(options) {
  const { source = 'camera', codec = 'h264', width = 640, height = 360, fps = 30 } = options;
  const drawing = { person: options.drawnAs ?? person, name: config.name, width, height, fps, noise: options.noise };
  const Drawn = options.look === 'portrait' ? Portrait : Picture;
  const picture = new Drawn(drawing);
  const into = new VideoSource(width, height);
  const track = LocalVideoTrack.createVideoTrack(source, into);
  const turn = ({ width, height }) => new Drawn({ ...drawing, width: height, height: width });
  const entry = { track, into, kind: 'video', muted: false, codec, picture, turn };
  tracks.set(source, entry);
  const publish = new TrackPublishOptions({
    source: source === 'screen' ? TrackSource.SOURCE_SCREENSHARE : TrackSource.SOURCE_CAMERA,
    videoCodec: CODECS[codec],
    simulcast: options.simulcast ?? false,
    videoEncoding: { maxBitrate: BigInt(options.bitrateBps ?? 1_000_000), maxFramerate: fps },
    degradationPreference: KEEP_SIZE_AND_RATE,
  });
  // Starts before the publication is confirmed, as a camera does.
  runVideo(entry, source);
  const publication = await room.localParticipant.publishTrack(track, publish);
  entry.sid = publication.sid;
  return { sid: publication.sid, atMs: nowMs() };
}

function runVideo(entry, source) {
  const { fps } = entry.picture;
  sent[source] ??= [];
  let n = Math.ceil(((nowMs() - originMs) * fps) / 1000);
  const step = () => {
    if (entry.stopped) return;
    const dueMs = originMs + (n * 1000) / fps;
    const early = dueMs - nowMs();
    if (early > 0.5) {
      entry.timer = setTimeout(step, Math.max(1, Math.floor(early)));
      return;
    }
    // A camera that could not keep up leaves a frame out. And a frame has the time at which it is handed over: libwebrtc
    // takes times that lag behind for a clock that is off, and keeps pictures early by as much for good.
    if (!entry.muted && early > -1000 / fps && nowMs() >= (entry.stalledUntilMs ?? 0)) {
      const { picture } = entry;
      const frame = new VideoFrame(picture.draw(n), picture.width, picture.height, VideoBufferType.I420);
      entry.into.captureFrame(frame, BigInt(Math.round(nowMs() * 1000)));
      sent[source].push([n, nowMs()]);
    }
    n += 1;
    entry.timer = setImmediate(step);
  };
  step();
}

async function publishAudio(options) {
  const { source = 'microphone' } = options;
  const channels = options.side ? 2 : 1;
  const into = new AudioSource(SAMPLE_RATE_HZ, channels, 0);
  const track = LocalAudioTrack.createAudioTrack(source, into);
  const entry = { track, into, kind: 'audio', muted: false };
  tracks.set(source, entry);
  const publish = new TrackPublishOptions({
    source: TrackSource.SOURCE_MICROPHONE,
    dtx: options.dtx ?? false,
    // With RED, libwebrtc's sender reports count the time since the last packet at 8 kHz and are up to 17 ms off, which
    // would be measured as the recorder's fault.
    red: options.red ?? false,
    audioEncoding: options.bitrateBps ? { maxBitrate: BigInt(options.bitrateBps) } : undefined,
  });
  const publication = await room.localParticipant.publishTrack(track, publish);
  entry.sid = publication.sid;
  runAudio(entry, new Sound({ person, voice: options.voice }), options.side);
  return { sid: publication.sid, atMs: nowMs() };
}

/** Handed over this much late, sound is called late by its sender reports too: what is measured then is the machine. */
const LATE_MS = 8;

function runAudio(entry, sound, side) {
  const next = () => Math.ceil((nowMs() - originMs) / FRAME_MS) + 2;
  let k = next();
  const step = () => {
    if (entry.stopped) return;
    const stalledMs = (entry.stalledUntilMs ?? 0) - nowMs();
    if (stalledMs > 0) {
      entry.timer = setTimeout(step, stalledMs);
      return;
    }
    if (entry.stalledUntilMs && !entry.keeps) k = next();
    entry.stalledUntilMs = 0;
    const early = originMs + k * FRAME_MS - AUDIO_LEAD_MS - nowMs();
    if (early > 0.5) {
      entry.timer = setTimeout(step, Math.max(1, Math.floor(early)));
      return;
    }
    if (-early > LATE_MS) report({ event: 'late', byMs: -early });
    let samples = sound.fill(new Int16Array(FRAME_SAMPLES), k * FRAME_SAMPLES);
    if (side) {
      const there = side === 'left' ? 0 : 1;
      samples = Int16Array.from({ length: 2 * FRAME_SAMPLES }, (_, i) => (i % 2 === there ? samples[i >> 1] : 0));
    }
    const frame = new AudioFrame(samples, SAMPLE_RATE_HZ, side ? 2 : 1, FRAME_SAMPLES);
    entry.into.captureFrame(frame).catch((error) => !entry.stopped && report({ event: 'error', error: String(error) }));
    k += 1;
    entry.timer = setImmediate(step);
  };
  step();
}

function mute(source, on) {
  const entry = need(source);
  FfiClient.instance.request({
    message: { case: 'localTrackMute', value: { trackHandle: entry.track.ffi_handle.handle, mute: on } },
  });
  if (entry.kind === 'video') entry.muted = on;
  return { atMs: nowMs() };
}

/**
 * Hands nothing over for `ms`. Of sound, libwebrtc counts what it is given: its RTP time stands still meanwhile, unless
 * what there was is handed over afterwards (`keeps`), all at once.
 */
function stall({ source, ms, keeps = false }) {
  const atMs = nowMs();
  Object.assign(need(source), { stalledUntilMs: atMs + ms, keeps });
  return { fromMs: atMs, untilMs: atMs + ms };
}

function stop(source) {
  const entry = need(source);
  entry.stopped = true;
  tracks.delete(source);
  return entry;
}

async function unpublish(source) {
  const entry = stop(source);
  const atMs = nowMs();
  await room.localParticipant.unpublishTrack(entry.sid);
  await entry.into.close();
  return { atMs };
}

function need(source) {
  const entry = tracks.get(source);
  if (!entry) throw new Error(`nothing is published as ${source}`);
  return entry;
}

const commands = {
  join: join_,
  leave: async () => ({ atMs: nowMs(), ...(await leave()) }),
  publishVideo,
  publishAudio,
  unpublish: ({ source }) => unpublish(source),
  mute: ({ source }) => mute(source, true),
  unmute: ({ source }) => mute(source, false),
  turn: ({ source = 'camera' }) => {
    const entry = need(source);
    entry.picture = entry.turn(entry.picture);
    return { atMs: nowMs() };
  },
  stall,
  sent: ({ source = 'camera' }) => ({ frames: sent[source] ?? [] }),
  quit: async () => {
    await leave();
    setImmediate(() => process.exit(0));
    return {};
  },
};

function report(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const input = createInterface({ input: process.stdin });
// Whoever started us is gone: nobody is left to stop us.
input.on('close', () => process.exit(0));
for await (const line of input) {
  const { id, command, ...options } = JSON.parse(line);
  try {
    report({ id, result: (await commands[command](options)) ?? {} });
  } catch (error) {
    report({ id, error: error?.stack ?? String(error) });
  }
}
