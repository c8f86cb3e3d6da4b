//! The writer.

use std::fs::{File, OpenOptions};
use std::path::Path;

use super::boxes::{Mp4Error, boxed, numbers, put, put_parts, table};
use super::complete::complete_file;
use super::entry::{self, Entry};
use crate::output::mux::{Lanes, Mux, MuxError, append_whole, caps_name};
use crate::unit::{Lane, Unit};

/// Length of a fragment, ns. A process that is killed loses at most the open one. A fragment's head takes
/// some 100 bytes and 8 for each sample.
const FRAGMENT_NS: i64 = 300_000_000;
/// Ticks a second of the movie as a whole.
const MOVIE_SCALE: u32 = 1000;
/// Sample flags: decoding can start here, or not.
const SYNC: u32 = 0x0200_0000;
const NOT_SYNC: u32 = 0x0101_0000;
/// A 1:1 transformation matrix.
const MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// An MP4 being written.
#[derive(Debug)]
pub struct Mp4Mux {
    file: File,
    length: u64,
    tracks: Vec<Track>,
    sequence: u32,
    fragment_start_ns: Option<i64>,
    /// The head is written with the first picture, which has what it needs.
    lanes: Option<Lanes>,
}

#[derive(Debug)]
struct Track {
    lane: Lane,
    id: u32,
    timescale: u32,
    /// Samples of the open fragment, whose length is known.
    samples: Vec<Sample>,
    media: Vec<u8>,
    /// Decode time of the first of them, ticks.
    base: u64,
    /// The newest sample, whose length is known when the next one comes.
    last: Option<Last>,
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

impl Mp4Mux {
    /// Opens `path` for writing.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open(path: &Path, lanes: &Lanes) -> Result<Self, MuxError> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Self {
            file,
            length: 0,
            tracks: Vec::new(),
            sequence: 0,
            fragment_start_ns: None,
            lanes: Some(lanes.clone()),
        })
    }

    fn write_heads(&mut self, first: &Unit, data: &[u8]) -> Result<(), MuxError> {
        let Some(lanes) = self.lanes.take() else { return Ok(()) };
        let mut entries = Vec::new();
        if let Some(caps) = &lanes.video {
            let picture = if first.lane == Lane::Video { data } else { &[] };
            entries.push((Lane::Video, entry::video(caps, picture)?));
        }
        if let Some(caps) = &lanes.audio {
            entries.push((Lane::Audio, entry::audio(caps)?));
        }
        let mut out = Vec::new();
        put(&mut out, b"ftyp", b"isom\x00\x00\x02\x00isomiso6iso2mp41");
        put(&mut out, b"free", &[0; 8]);
        put(&mut out, b"moov", &movie(&entries));
        append_whole(&mut self.file, &mut self.length, &out)?;
        self.tracks = (1u32..)
            .zip(entries)
            .map(|(id, (lane, entry))| Track {
                lane,
                id,
                timescale: entry.timescale,
                samples: Vec::new(),
                media: Vec::new(),
                base: 0,
                last: None,
            })
            .collect();
        Ok(())
    }

    /// Writes the open fragment in one piece.
    fn flush(&mut self) -> Result<(), MuxError> {
        self.fragment_start_ns = None;
        if self.tracks.iter().all(|t| t.samples.is_empty()) {
            return Ok(());
        }
        self.sequence += 1;
        // Once to know how long it is, once with the places of the media, which come behind it.
        let length = self.fragment_head(0).len() as u32;
        let mut out = self.fragment_head(length + 8);
        let media: Vec<&[u8]> = self.tracks.iter().map(|t| t.media.as_slice()).collect();
        put_parts(&mut out, b"mdat", &media);
        if let Err(error) = append_whole(&mut self.file, &mut self.length, &out) {
            // The space that was given back may be enough for the index.
            let _ = complete_file(&mut self.file);
            return Err(error.into());
        }
        for track in &mut self.tracks {
            track.base += track.samples.iter().map(|s| u64::from(s.duration)).sum::<u64>();
            track.samples.clear();
            track.media.clear();
        }
        Ok(())
    }

    fn fragment_head(&self, media_at: u32) -> Vec<u8> {
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
    /// Adds a sample; the one before it gets its length.
    fn push(&mut self, ticks: u64, duration: u32, flags: u32, data: Vec<u8>) {
        let ticks = match self.last.take() {
            Some(last) => {
                // Two samples at one moment would be one: time goes on by at least a tick.
                let ticks = ticks.max(last.ticks + 1);
                self.settle(last, Some(ticks));
                ticks
            }
            None => ticks,
        };
        self.last = Some(Last { ticks, duration, flags, data });
    }

    fn settle(&mut self, last: Last, next: Option<u64>) {
        if self.samples.is_empty() {
            self.base = last.ticks;
        }
        let duration = next.map_or(last.duration, |next| (next - last.ticks) as u32);
        self.samples.push(Sample {
            duration: duration.max(1),
            size: last.data.len() as u32,
            flags: last.flags,
        });
        self.media.extend_from_slice(&last.data);
    }

    fn finish(&mut self) {
        if let Some(last) = self.last.take() {
            self.settle(last, None);
        }
    }
}

impl Mux for Mp4Mux {
    fn write(&mut self, unit: &Unit, pts_ns: i64) -> Result<(), MuxError> {
        let map = unit.data.map_readable().map_err(|_| MuxError::Unsupported(caps_name(&unit.caps)))?;
        self.write_heads(unit, &map)?;
        let mut data = &map[..];
        if caps_name(&unit.caps) == "video/x-av1" {
            // Temporal delimiters have no place in MP4 (AV1-ISOBMFF §2.4).
            data = data.strip_prefix(&[0x12, 0x00]).unwrap_or(data);
        }
        let start = *self.fragment_start_ns.get_or_insert(pts_ns);
        if pts_ns - start >= FRAGMENT_NS {
            self.flush()?;
            self.fragment_start_ns = Some(pts_ns);
        }
        let Some(track) = self.tracks.iter_mut().find(|t| t.lane == unit.lane) else {
            return Err(MuxError::Unsupported(caps_name(&unit.caps)));
        };
        let scale = |ns: i64| (i128::from(ns.max(0)) * i128::from(track.timescale) / 1_000_000_000) as u64;
        // A picture lasts until the next; the very last one as long as most do.
        let duration = scale(if unit.duration_ns > 0 { unit.duration_ns } else { 33_333_333 }) as u32;
        let ticks = scale(pts_ns);
        track.push(ticks, duration, if unit.keyframe { SYNC } else { NOT_SYNC }, data.to_vec());
        Ok(())
    }

    fn finish(mut self: Box<Self>, _end_ns: i64) -> Result<(), MuxError> {
        self.tracks.iter_mut().for_each(Track::finish);
        self.flush()?;
        complete_file(&mut self.file).map_err(|error| match error {
            Mp4Error::Io(error) => MuxError::Io(error),
            malformed @ Mp4Error::Malformed(_) => MuxError::Unsupported(malformed.to_string()),
        })?;
        Ok(())
    }
}

/// The head of a file: tracks without samples, and that fragments follow.
fn movie(entries: &[(Lane, Entry)]) -> Vec<u8> {
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
