// HLS: segments and their playlists, while they are written and after, read back for what is in them.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { beeps, cadence, flashes, pictures, sync } from '../harness/content.mjs';
import { alone, joined, playlist, serve, unfinished, watch } from '../harness/hls.mjs';
import { compositeEgress, fileOutput, participantEgress, PRESET, segmentsOutput, SMALL } from '../harness/job.mjs';
import { decodeErrors, packets, probe, sound } from '../harness/media.mjs';
import { assertWhole, atLeast, atMost, Scene } from '../harness/scene.mjs';
import { nowMs } from '../harness/schedule.mjs';
import { test } from '../harness/steady.mjs';
import { sleep, until } from '../harness/wait.mjs';
import { browser } from '../layouts/page.mjs';

const FRAME_S = 1 / 30;

/** The kinds of segments there are, with the ends of their names. */
const KINDS = { mpeg_ts: 'ts', fmp4: 'm4s' };

/** What holds for every finished playlist. */
function assertPlaylist(list, { targetS, tolerance = FRAME_S, kind = 'mpeg_ts' }) {
  const fmp4 = kind === 'fmp4';
  assert.equal(list.tags['EXT-X-VERSION'], fmp4 ? '7' : '4');
  assert.equal(list.tags['EXT-X-ALLOW-CACHE'], fmp4 ? undefined : 'NO');
  assert.equal('EXT-X-INDEPENDENT-SEGMENTS' in list.tags, fmp4);
  assert.ok(!('EXT-X-DISCONTINUITY' in list.tags));
  assert.equal(new Set(list.segments.map((s) => s.map)).size, 1, 'one head for all');
  assert.equal(list.segments[0].map !== null, fmp4);
  assert.equal(list.tags['EXT-X-TARGETDURATION'], String(targetS));
  assert.ok(list.ended, 'it has an end');
  const all = list.segments;
  for (const [at, segment] of all.entries()) {
    assert.ok(existsSync(segment.path), segment.uri);
    const last = at === all.length - 1;
    if (!last) atMost(`length of ${segment.uri} against the target, s`, Math.abs(segment.lengthS - targetS), tolerance + 0.002);
    else atMost('length of the last, s', segment.lengthS, targetS + tolerance);
    if (at) {
      const apart = (segment.atMs - all[at - 1].atMs) / 1000;
      atMost('times against lengths, s', Math.abs(apart - all[at - 1].lengthS), 0.0021);
    }
  }
}

for (const [kind, end] of Object.entries(KINDS)) test(`segments beside a file: every picture once, in both (${kind})`, async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { video: { codec: 'h264' }, audio: true });
  const seen = watch(join(scene.folder, 'hls/show 1.m3u8'));
  const startMs = nowMs();
  const job = await scene.job(participantEgress(ada.identity, { encoding: SMALL }), [
    fileOutput(scene.folder),
    segmentsOutput(scene.folder, { prefix: 'parts/s #', playlist: 'hls/show 1', live_playlist: 'now', manifest: true, kind }),
  ]);
  await job.elapsed(15_000, 'segments');
  const live = playlist(join(scene.folder, 'hls/now.m3u8'));
  assert.equal(live.segments.length, 5);
  assert.ok(live.sequence >= 1 && !live.ended && !('EXT-X-PLAYLIST-TYPE' in live.tags));
  const file = await job.stop();
  const result = await job.outputEnded('segments');
  assert.equal((await job.end()).status, 'complete');
  assert.ok(seen.stop() >= 6, 'it was listed segment by segment');
  await assertWhole(file, { container: 'mp4' });

  const list = playlist(result.path);
  assert.equal(list.tags['EXT-X-PLAYLIST-TYPE'], 'EVENT');
  assertPlaylist(list, { targetS: 2, kind });
  assert.deepEqual(list.segments.map((s) => s.path), list.segments.map((_, n) => join(scene.folder, `hls/parts/s #_0000${n}.${end}`)));
  atMost('first time against the clock, ms', Math.abs(list.segments[0].atMs - startMs), 120_000);
  assert.ok(playlist(join(scene.folder, 'hls/now.m3u8')).ended);
  assert.deepEqual(unfinished(scene.folder), []);
  const lengthS = list.segments.reduce((sum, s) => sum + s.lengthS, 0);
  atMost('told against listed, s', Math.abs(result.duration_ns / 1e9 - lengthS), 0.01);
  const set = job.events.findLast((e) => e.fact.type === 'set').fact.set;
  assert.deepEqual([set.of, set.count], ['segments', list.segments.length]);

  for (const segment of list.segments) {
    const one = alone(segment);
    const found = await probe(one);
    assert.deepEqual([found.video.codec_name, found.audio.codec_name], ['h264', 'aac']);
    assert.ok((await packets(one))[0].key, `${segment.uri} begins with a whole picture`);
  }
  const whole = await joined(result.path);
  assert.deepEqual(await decodeErrors(whole), []);
  const shown = await pictures(whole);
  const recorded = await pictures(file.path);
  const frames = (of) => of.map((p) => p.code?.frame ?? null);
  assert.deepEqual(frames(shown), frames(recorded).slice(0, shown.length), 'picture for picture what the file has');
  atMost('pictures that the file has more', recorded.length - shown.length, 0);
  const rhythm = cadence(shown, { person: 1, fps: 30 });
  assert.deepEqual([rhythm.backwards, rhythm.others], [0, 0]);
  const gapMs = shown.slice(1).reduce((most, p, i) => Math.max(most, (p.ptsS - shown[i].ptsS) * 1000), 0);
  atMost('largest gap between pictures, ms', gapMs, 50);
  const heard = await sound(whole);
  assert.deepEqual([heard.holes, heard.overlaps], [[], []]);
  const together = sync(flashes(shown), beeps(heard, 1));
  atLeast('flashes with beeps', together.pairs.length, 12);
  atMost('flash against beep, p80, ms', together.p80Ms, 40);

  const manifest = JSON.parse(readFileSync(join(scene.folder, `hls/${job.id}.json`), 'utf8'));
  assert.deepEqual(manifest.playlists[0].segments.map((s) => s.location), list.segments.map((s) => s.path));
  const heads = manifest.playlists[0].initialization ?? [];
  assert.deepEqual(heads.map((file) => file.location), kind === 'fmp4' ? [join(scene.folder, 'hls/parts/s #_init.mp4')] : []);
  if (kind === 'fmp4') assertOneTimeLine(list);
});

/** Where the media of each track begins and ends in a segment of MP4, ticks: `{1: [from, to], …}`. */
function times(path) {
  const all = {};
  const walk = (from, to, track) => {
    let id = track;
    for (let at = from; at + 8 <= to; ) {
      const size = bytes.readUInt32BE(at);
      const type = bytes.toString('latin1', at + 4, at + 8);
      if (type === 'moof' || type === 'traf') walk(at + 8, at + size);
      if (type === 'tfhd') id = bytes.readUInt32BE(at + 12);
      if (type === 'tfdt') {
        const base = Number(bytes.readBigUInt64BE(at + 12));
        if (all[id]) assert.equal(base, all[id][1], `${path}: track ${id} goes on where it was`);
        all[id] ??= [base, base];
      }
      if (type === 'trun') {
        for (let n = 0; n < bytes.readUInt32BE(at + 12); n++) all[id][1] += bytes.readUInt32BE(at + 20 + 12 * n);
      }
      at += size;
    }
  };
  const bytes = readFileSync(path);
  walk(0, bytes.length);
  return all;
}

/** In the media itself each segment goes on, to the tick, where the one before ended. */
function assertOneTimeLine(list) {
  const all = list.segments.map(({ path }) => times(path));
  assert.equal(all[0][1][0], 0, 'the picture begins at 0');
  for (const [n, tracks] of all.entries()) {
    if (!n) continue;
    for (const id of Object.keys(tracks)) assert.equal(tracks[id][0], all[n - 1][id][1], `track ${id} of segment ${n}`);
  }
}

for (const [kind, end] of Object.entries(KINDS)) test(`sound alone, named by time, without a file (${kind})`, async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { audio: true });
  const egress = compositeEgress({ audio: ada.audio.sid, encoding: { video: null, audio: PRESET.audio } });
  const job = await scene.job(egress, [segmentsOutput(scene.folder, { durationS: 1, suffix: 'timestamp', kind })]);
  await job.elapsed(6000, 'segments');
  await job.stopStreams();
  const result = await job.result('segments');
  const list = playlist(result.path);
  assertPlaylist(list, { targetS: 1, tolerance: 0.03, kind });
  assert.ok(list.segments.length >= 6);
  for (const segment of list.segments) {
    assert.ok(segment.uri.endsWith(`.${end}`));
    const told = /_(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d{3})\.\w+$/.exec(segment.uri).slice(1).map(Number);
    const [year, month, ...rest] = told;
    atMost('name against time, ms', Math.abs(Date.UTC(year, month - 1, ...rest) - segment.atMs), 1);
  }
  const heard = await sound(await joined(result.path));
  assert.deepEqual([heard.holes, heard.overlaps], [[], []]);
  assert.ok(beeps(heard, 1).length >= 5);
});

test('the list is as LiveKit Egress writes it, and holds what it says through a stall of the whole job', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { video: { codec: 'h264' }, audio: true });
  const seen = [watch(join(scene.folder, 'show.m3u8')), watch(join(scene.folder, 'now.m3u8'))];
  const job = await scene.job(participantEgress(ada.identity, { encoding: SMALL }), [segmentsOutput(scene.folder, { live_playlist: 'now' })]);
  await job.elapsed(3000, 'segments');
  process.kill(job.pid, 'SIGSTOP');
  await sleep(7000);
  process.kill(job.pid, 'SIGCONT');
  await job.elapsed(16_000, 'segments');
  await job.stopStreams();
  const { path } = await job.result('segments');
  for (const watched of seen) watched.stop();
  const one = '#EXT-X-PROGRAM-DATE-TIME:\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z\n#EXTINF:\\d+\\.\\d{3},\nshow_\\d{5}\\.ts\n';
  const head = '#EXTM3U\n#EXT-X-VERSION:4\n';
  const { text, segments } = playlist(path);
  assert.match(text, new RegExp(`^${head}#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-ALLOW-CACHE:NO\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n(${one})+#EXT-X-ENDLIST\n$`));
  const live = playlist(join(scene.folder, 'now.m3u8')).text;
  assert.match(live, new RegExp(`^${head}#EXT-X-ALLOW-CACHE:NO\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:${segments.length - 5}\n(${one}){5}#EXT-X-ENDLIST\n$`));
  const whole = await joined(path);
  assert.deepEqual(await decodeErrors(whole), []);
  for (const segment of segments) assert.ok((await packets(segment.path))[0].key, `${segment.uri} begins with a whole picture`);
  const shown = await pictures(whole);
  const gapMs = shown.slice(1).reduce((most, p, i) => Math.max(most, (p.ptsS - shown[i].ptsS) * 1000), 0);
  atMost('largest gap between pictures, ms', gapMs, 300);
});

test('two sets of segments in one job, of their own lengths, one of them later', async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { video: { codec: 'vp8' }, audio: true });
  const job = await scene.job(participantEgress(ada.identity, { encoding: SMALL }), [segmentsOutput(scene.folder)]);
  await job.elapsed(3300, 'segments');
  await job.attach(segmentsOutput(scene.folder, { id: 'later', durationS: 3 }));
  await job.elapsed(7000, 'later');
  await job.detach('later');
  const later = await job.outputEnded('later');
  await job.stopStreams();
  const first = await job.result('segments');
  assert.notEqual(first.path, later.path, 'a name that is taken is not taken again');
  assertPlaylist(playlist(later.path), { targetS: 3 });
  assertPlaylist(playlist(first.path), { targetS: 2 });
  for (const { path } of [first, later]) {
    const seen = cadence(await pictures(await joined(path)), { person: 1, fps: 30 });
    assert.deepEqual([seen.backwards, seen.others], [0, 0]);
    atMost('frames of the person in a row that are not there', seen.longestGap, 1);
  }
});

/** Plays the address in its query with hls.js, and notes what happens. */
const PLAYER = `<!doctype html><video id=video muted></video><script src=hls.js></script><script>
  const video = document.querySelector('video');
  window.seen = { stalls: 0, errors: [], begun: false, ended: false };
  const hls = new Hls({ liveSyncDurationCount: 2 });
  hls.on(Hls.Events.ERROR, (_, e) => seen.errors.push(e.details + ' ' + (e.reason ?? e.error?.message ?? '')));
  video.addEventListener('waiting', () => { if (seen.begun && !video.ended) seen.stalls += 1; });
  video.addEventListener('playing', () => { seen.begun = true; });
  video.addEventListener('ended', () => { seen.ended = true; });
  hls.loadSource(new URLSearchParams(location.search).get('list'));
  hls.attachMedia(video);
  hls.on(Hls.Events.MANIFEST_PARSED, () => video.play().catch((e) => seen.errors.push(e.message)));
</script>`;

for (const kind of Object.keys(KINDS)) test(`hls.js plays it in Chromium while it is written, to its end (${kind})`, async (t) => {
  const scene = await Scene.open(t);
  const ada = await scene.person(1, { video: { codec: 'vp8' }, audio: true });
  const job = await scene.job(participantEgress(ada.identity, { encoding: SMALL }), [segmentsOutput(scene.folder, { live_playlist: 'now', kind })]);
  const script = readFileSync(join(createRequire(import.meta.url).resolve('hls.js'), '../hls.min.js'), 'utf8');
  const served = await serve(scene.folder, { 'player.html': PLAYER, 'hls.js': script });
  scene.onClose(() => served.close());
  const chromium = await browser();
  scene.onClose(() => chromium.close());
  await job.elapsed(6500, 'segments');
  const page = await chromium.newPage();
  await page.goto(`${served.base}player.html?list=now.m3u8`);
  const seen = () => page.evaluate(() => ({ ...window.seen, at: document.querySelector('video').currentTime }));
  await until('it plays', async () => (await seen()).begun);
  const from = await seen();
  await until('it has played on for 10 s', async () => (await seen()).at > from.at + 10, { withinMs: 40_000 });
  const { stalls, errors } = await seen();
  assert.deepEqual([stalls, errors], [0, []]);
  await job.stopStreams();
  await until('it comes to the end', async () => (await seen()).ended, { withinMs: 40_000 });
  assert.deepEqual((await seen()).errors, []);
});
