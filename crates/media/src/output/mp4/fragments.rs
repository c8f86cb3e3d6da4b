//! Tracks, the head that announces them, and fragments of their samples: what a file and a segment are made of.

use super::boxes::{boxed, numbers, put, put_parts, table};
use super::entry::{self, Entry};
use super::sets::{DESCRIBED, Described};
use crate::output::mux::{Lanes, MuxError, caps_name};
use crate::unit::{Lane, Unit};

/// Ticks a second of the movie as a whole.
const MOVIE_SCALE: u32 = 1000;
/// Sample flags: decoding can start here, or not.
const SYNC: u32 = 0x0200_0000;
const NOT_SYNC: u32 = 0x0101_0000;
/// A 1:1 transformation matrix.
const MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// The entries of the tracks of these lanes. `picture`: a whole one, which may hold what describes it.
pub(super) fn entries(lanes: &Lanes, picture: &[u8]) -> Result<Vec<(Lane, Entry)>, MuxError> {
    let mut entries = Vec::new();
    if let Some(caps) = &lanes.video {
        entries.push((Lane::Video, entry::video(caps, picture)?));
    }
    if let Some(caps) = &lanes.audio {
        entries.push((Lane::Audio, entry::audio(caps)?));
    }
    Ok(entries)
}

/// The fragment that is open, of all tracks.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    tracks: Vec<Track>,
    sequence: u32,
}

#[derive(Debug)]
struct Track {
    lane: Lane,
    id: u32,
    timescale: u32,
    described: Option<Described>,
    /// Samples of the open fragment, whose length is known.
    samples: Vec<Sample>,
    media: Vec<u8>,
    /// Decode time of the first of them, ticks.
    base: u64,
    /// The newest sample, whose length is known when the next one comes.
    last: Option<Last>,
    /// Where the sound or picture of a segment that was closed ended, ticks.
    closed: Option<u64>,
}

#[derive(Debug)]
struct Sample {
    duration: u32,
    size: u32,
    flags: u32,
}

#[derive(Debug)]
struct Last {
    ticks: u64,
    duration: u32,
    flags: u32,
    data: Vec<u8>,
}

impl Fragments {
    /// Fragments of these tracks.
    pub fn new(entries: &[(Lane, Entry)]) -> Self {
        let mut fragments = Self::default();
        for (lane, entry) in entries {
            fragments.add(*lane, entry);
        }
        fragments
    }

    /// Another track.
    pub fn add(&mut self, lane: Lane, entry: &Entry) {
        self.tracks.push(Track {
            lane,
            id: self.tracks.len() as u32 + 1,
            timescale: entry.timescale,
            described: entry.described.clone(),
            samples: Vec::new(),
            media: Vec::new(),
            base: 0,
            last: None,
            closed: None,
        });
    }

    /// Whether there is a track of this lane.
    pub fn has(&self, lane: Lane) -> bool {
        self.tracks.iter().any(|track| track.lane == lane)
    }

    /// Adds a sample that is to be shown at `pts_ns`.
    pub fn push(&mut self, unit: &Unit, data: &[u8], pts_ns: i64) -> Result<(), MuxError> {
        let mut data = data;
        if caps_name(&unit.caps) == "video/x-av1" {
            // Temporal delimiters have no place in MP4 (AV1-ISOBMFF §2.4).
            data = data.strip_prefix(&[0x12, 0x00]).unwrap_or(data);
        }
        let Some(track) = self.tracks.iter_mut().find(|t| t.lane == unit.lane) else {
            return Err(MuxError::Unsupported(caps_name(&unit.caps)));
        };
        // A picture lasts until the next; the very last one as long as most do.
        let duration_ns = if unit.duration_ns > 0 { unit.duration_ns } else { 33_333_333 };
        let (ticks, duration) = (track.ticks(pts_ns), track.ticks(duration_ns) as u32);
        let mut flags = if unit.keyframe { SYNC } else { NOT_SYNC };
        if track.described.as_ref().is_some_and(|described| described.cover(data)) {
            flags |= DESCRIBED;
        }
        track.push(ticks, duration, flags, data.to_vec());
        Ok(())
    }

    /// Whether `pts_ns` is so far behind the newest sample of its track that no length says it: 32 bits of 90 kHz are over
    /// after 13 hours. That sample is then as long as most are, and what follows begins a fragment of its own, whose head
    /// says when.
    pub fn leaps(&mut self, lane: Lane, pts_ns: i64) -> bool {
        let Some(track) = self.tracks.iter_mut().find(|track| track.lane == lane) else { return false };
        let ticks = track.ticks(pts_ns);
        let leaps =
            track.last.as_ref().is_some_and(|last| ticks.saturating_sub(last.ticks) > u64::from(u32::MAX));
        if leaps {
            track.close(None);
        }
        leaps
    }

    /// No sample comes that could tell how long the newest ones are.
    pub fn settle(&mut self) {
        self.tracks.iter_mut().for_each(|track| track.close(None));
    }

    /// A segment ends: its last picture is shown until `end_ns`, its sound ends with its last packet, and what comes
    /// next goes on from there.
    pub fn settle_until(&mut self, end_ns: i64) {
        for track in &mut self.tracks {
            let end = (track.lane == Lane::Video).then(|| track.ticks(end_ns));
            track.close(end);
        }
    }

    /// The open fragment, `moof` and `mdat`, if anything is in it; the next one begins.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        if self.tracks.iter().all(|t| t.samples.is_empty()) {
            return None;
        }
        self.sequence += 1;
        // Once to know how long it is, once with the places of the media, which come behind it.
        let length = self.head(0).len() as u32;
        let mut out = self.head(length + 8);
        let media: Vec<&[u8]> = self.tracks.iter().map(|t| t.media.as_slice()).collect();
        put_parts(&mut out, b"mdat", &media);
        for track in &mut self.tracks {
            track.base = track.end();
            track.samples.clear();
            track.media.clear();
        }
        Some(out)
    }

    fn head(&self, media_at: u32) -> Vec<u8> {
        let mut body = boxed(b"mfhd", &[&numbers(&[0, self.sequence])]);
        let mut at = media_at;
        for track in self.tracks.iter().filter(|t| !t.samples.is_empty()) {
            let mut traf = Vec::new();
            // Places count from the start of this fragment.
            put(&mut traf, b"tfhd", &numbers(&[0x0002_0000, track.id]));
            put_parts(&mut traf, b"tfdt", &[&numbers(&[0x0100_0000]), &track.base.to_be_bytes()]);
            // Place of the media; length, size and flags of each sample.
            let mut run = numbers(&[0x701, track.samples.len() as u32, at]);
            for sample in &track.samples {
                run.extend(numbers(&[sample.duration, sample.size, sample.flags]));
            }
            put(&mut traf, b"trun", &run);
            put(&mut body, b"traf", &traf);
            at += track.media.len() as u32;
        }
        boxed(b"moof", &[&body])
    }
}

impl Track {
    /// To the nearest: a time in ns is cut off itself, and a packet would else be a tick short.
    fn ticks(&self, ns: i64) -> u64 {
        ((i128::from(ns.max(0)) * i128::from(self.timescale) + 500_000_000) / 1_000_000_000) as u64
    }

    /// Where the samples of the open fragment end, ticks.
    fn end(&self) -> u64 {
        self.base + self.samples.iter().map(|s| u64::from(s.duration)).sum::<u64>()
    }

    /// Adds a sample; the one before it gets its length.
    fn push(&mut self, ticks: u64, duration: u32, flags: u32, data: Vec<u8>) {
        let ticks = match self.last.take() {
            Some(last) => {
                // Two samples at one moment would be one: time goes on by at least a tick.
                let ticks = ticks.max(last.ticks + 1);
                self.settle(last, Some(ticks));
                ticks
            }
            // What is but rounded is no gap, and no overlap.
            None => self.closed.filter(|closed| ticks.abs_diff(*closed) <= 2).unwrap_or(ticks),
        };
        self.closed = None;
        self.last = Some(Last { ticks, duration, flags, data });
    }

    fn settle(&mut self, last: Last, next: Option<u64>) {
        if self.samples.is_empty() {
            self.base = last.ticks;
        }
        let duration = next.map_or(last.duration, |next| next.saturating_sub(last.ticks) as u32);
        self.samples.push(Sample {
            duration: duration.max(1),
            size: last.data.len() as u32,
            flags: last.flags,
        });
        self.media.extend_from_slice(&last.data);
    }

    fn close(&mut self, end: Option<u64>) {
        if let Some(last) = self.last.take() {
            self.settle(last, end);
            self.closed = Some(self.end());
        }
    }
}

/// The head of a file: tracks without samples, and that fragments follow.
pub(super) fn movie(entries: &[(Lane, Entry)]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut mvhd = numbers(&[0, 0, 0, MOVIE_SCALE, 0, 0x1_0000, 0x0100_0000, 0, 0]);
    mvhd.extend(numbers(&MATRIX));
    mvhd.extend(numbers(&[0, 0, 0, 0, 0, 0, entries.len() as u32 + 1]));
    put(&mut body, b"mvhd", &mvhd);
    let mut extends = Vec::new();
    for (id, (lane, entry)) in (1u32..).zip(entries) {
        put(&mut body, b"trak", &track(id, *lane, entry));
        put(&mut extends, b"trex", &numbers(&[0, id, 1, 0, 0, 0]));
    }
    put(&mut body, b"mvex", &extends);
    body
}

fn track(id: u32, lane: Lane, entry: &Entry) -> Vec<u8> {
    let (volume, handler, name, media): (u32, &[u8; 4], &[u8], Vec<u8>) = match lane {
        Lane::Video => (0, b"vide", b"Video\0", boxed(b"vmhd", &[&numbers(&[1, 0, 0])])),
        Lane::Audio => (0x0100_0000, b"soun", b"Sound\0", boxed(b"smhd", &[&numbers(&[0, 0])])),
    };
    let mut tkhd = numbers(&[3, 0, 0, id, 0, 0, 0, 0, 0, volume]);
    tkhd.extend(numbers(&MATRIX));
    tkhd.extend(numbers(&[entry.size.0 << 16, entry.size.1 << 16]));
    let elst = table([0, entry.media_time, 0x1_0000].into_iter(), 1);
    // 64-bit times: 32 bits of 90 kHz are over after 13 hours. "und", no language.
    let mdhd = numbers(&[0x0100_0000, 0, 0, 0, 0, entry.timescale, 0, 0, 0x55c4_0000]);
    let hdlr = [&[0; 8][..], handler, &[0; 12], name].concat();
    let url = boxed(b"url ", &[&numbers(&[1])]);
    let dref = boxed(b"dref", &[&numbers(&[0, 1]), &url]);
    let stbl = [
        boxed(b"stsd", &[&numbers(&[0, 1]), &entry.entry]),
        boxed(b"stts", &[&[0; 8]]),
        boxed(b"stsc", &[&[0; 8]]),
        boxed(b"stsz", &[&[0; 12]]),
        boxed(b"stco", &[&[0; 8]]),
    ]
    .concat();
    let minf = [media, boxed(b"dinf", &[&dref]), boxed(b"stbl", &[&stbl])].concat();
    let mdia = [boxed(b"mdhd", &[&mdhd]), boxed(b"hdlr", &[&hdlr]), boxed(b"minf", &[&minf])].concat();
    [boxed(b"tkhd", &[&tkhd]), boxed(b"edts", &[&boxed(b"elst", &[&elst])]), boxed(b"mdia", &[&mdia])]
        .concat()
}
