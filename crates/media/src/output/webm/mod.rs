//! WebM, written block by block.
//!
//! GStreamer's and libwebm's writers hold one lane back until the other has something; while a camera
//! is off that would keep minutes of sound in memory, to be lost with the process. This one writes each
//! block as it comes, into clusters of unknown size, and completes the file in place: sizes, index
//! (Cues), table of contents (SeekHead) and duration. A file that broke off is completed by the same
//! code ([`complete`]), which needs no second copy of it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::output::mux::{Lanes, Mux, MuxError, append_whole, caps_name};
use crate::output::ogg::{PRE_SKIP_SAMPLES, opus_head};
use crate::source::opus::ns_of;
use crate::unit::{Lane, Unit};

/// Blocks count in ms.
const TICK_NS: i64 = 1_000_000;
/// A cluster is closed at the first keyframe after this long; a block's time is 16 bits of ms.
const CLUSTER_MS: i64 = 2_000;
/// A cluster without a keyframe is closed after this long.
const CLUSTER_MAX_MS: i64 = 10_000;
/// Room kept for the SeekHead.
const SEEK_HEAD_BYTES: usize = 96;
/// "Size unknown" in eight bytes.
const UNKNOWN: [u8; 8] = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

const VIDEO_TRACK: u8 = 1;
const AUDIO_TRACK: u8 = 2;

mod id {
    pub const EBML: u32 = 0x1A45_DFA3;
    pub const SEGMENT: u32 = 0x1853_8067;
    pub const SEEK_HEAD: u32 = 0x114D_9B74;
    pub const SEEK: u32 = 0x4DBB;
    pub const SEEK_ID: u32 = 0x53AB;
    pub const SEEK_POSITION: u32 = 0x53AC;
    pub const VOID: u32 = 0xEC;
    pub const INFO: u32 = 0x1549_A966;
    pub const TIMESTAMP_SCALE: u32 = 0x002A_D7B1;
    pub const MUXING_APP: u32 = 0x4D80;
    pub const WRITING_APP: u32 = 0x5741;
    pub const DURATION: u32 = 0x4489;
    pub const TRACKS: u32 = 0x1654_AE6B;
    pub const TRACK_ENTRY: u32 = 0xAE;
    pub const TRACK_NUMBER: u32 = 0xD7;
    pub const TRACK_UID: u32 = 0x73C5;
    pub const TRACK_TYPE: u32 = 0x83;
    pub const FLAG_LACING: u32 = 0x9C;
    pub const CODEC_ID: u32 = 0x86;
    pub const CODEC_PRIVATE: u32 = 0x63A2;
    pub const CODEC_DELAY: u32 = 0x56AA;
    pub const SEEK_PRE_ROLL: u32 = 0x56BB;
    pub const VIDEO: u32 = 0xE0;
    pub const PIXEL_WIDTH: u32 = 0xB0;
    pub const PIXEL_HEIGHT: u32 = 0xBA;
    pub const AUDIO: u32 = 0xE1;
    pub const SAMPLING_FREQUENCY: u32 = 0xB5;
    pub const CHANNELS: u32 = 0x9F;
    pub const CLUSTER: u32 = 0x1F43_B675;
    pub const TIMESTAMP: u32 = 0xE7;
    pub const SIMPLE_BLOCK: u32 = 0xA3;
    pub const CUES: u32 = 0x1C53_BB6B;
    pub const CUE_POINT: u32 = 0xBB;
    pub const CUE_TIME: u32 = 0xB3;
    pub const CUE_TRACK_POSITIONS: u32 = 0xB7;
    pub const CUE_TRACK: u32 = 0xF7;
    pub const CUE_CLUSTER_POSITION: u32 = 0xF1;
}

/// An element of known size.
fn element(id: u32, body: &[u8]) -> Vec<u8> {
    let mut out = id_bytes(id);
    out.push(0x01);
    out.extend_from_slice(&(body.len() as u64).to_be_bytes()[1..]);
    out.extend_from_slice(body);
    out
}

fn id_bytes(id: u32) -> Vec<u8> {
    id.to_be_bytes().into_iter().skip_while(|b| *b == 0).collect()
}

fn uint(id: u32, value: u64) -> Vec<u8> {
    element(id, &value.to_be_bytes())
}

fn text(id: u32, value: &str) -> Vec<u8> {
    element(id, value.as_bytes())
}

fn float(id: u32, value: f64) -> Vec<u8> {
    element(id, &value.to_be_bytes())
}

/// Fills `bytes` (at least 9) with nothing.
fn void(bytes: usize) -> Vec<u8> {
    element(id::VOID, &vec![0; bytes.saturating_sub(9)])
}

/// A WebM file being written.
#[derive(Debug)]
pub struct WebmMux {
    file: File,
    position: u64,
    cluster: Option<Cluster>,
    has_video: bool,
}

#[derive(Debug)]
struct Cluster {
    time_ms: i64,
}

impl WebmMux {
    /// Opens `path` and writes the heads.
    ///
    /// # Errors
    /// If the file cannot be written, or a lane's codec has no place in WebM.
    pub fn open(path: &Path, lanes: &Lanes) -> Result<Self, MuxError> {
        let file = OpenOptions::new().write(true).read(true).open(path)?;
        let mut mux = Self { file, position: 0, cluster: None, has_video: lanes.video.is_some() };
        mux.append(&heads(lanes)?)?;
        Ok(mux)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), MuxError> {
        if let Err(error) = append_whole(&mut self.file, &mut self.position, bytes) {
            // The space that was given back may be enough for the index.
            let _ = complete_file(&mut self.file, None);
            return Err(error.into());
        }
        Ok(())
    }
}

impl Mux for WebmMux {
    fn write(&mut self, unit: &Unit, pts_ns: i64) -> Result<(), MuxError> {
        let map = unit.data.map_readable().map_err(|_| MuxError::Unsupported(caps_name(&unit.caps)))?;
        let time_ms = pts_ns / TICK_NS;
        let starts = match &self.cluster {
            None => true,
            Some(cluster) => {
                let age = time_ms - cluster.time_ms;
                let good_place = unit.lane == Lane::Video && unit.keyframe || !self.has_video;
                age >= CLUSTER_MS && good_place || age >= CLUSTER_MAX_MS || age < i64::from(i16::MIN)
            }
        };
        let mut out = Vec::with_capacity(map.len() + 48);
        if starts {
            out.extend(id_bytes(id::CLUSTER));
            out.extend_from_slice(&UNKNOWN);
            out.extend(uint(id::TIMESTAMP, time_ms.max(0) as u64));
            self.cluster = Some(Cluster { time_ms });
        }
        let cluster_ms = self.cluster.as_ref().map_or(time_ms, |c| c.time_ms);
        let (track, flags) = match unit.lane {
            Lane::Video => (VIDEO_TRACK, if unit.keyframe { 0x80 } else { 0 }),
            Lane::Audio => (AUDIO_TRACK, 0x80),
        };
        let mut block = vec![0x80 | track];
        block.extend_from_slice(&((time_ms - cluster_ms) as i16).to_be_bytes());
        block.push(flags);
        block.extend_from_slice(&map);
        out.extend(element(id::SIMPLE_BLOCK, &block));
        self.append(&out)
    }

    fn finish(mut self: Box<Self>, end_ns: i64) -> Result<(), MuxError> {
        complete_file(&mut self.file, Some(end_ns / TICK_NS))?;
        self.file.sync_data()?;
        Ok(())
    }
}

fn heads(lanes: &Lanes) -> Result<Vec<u8>, MuxError> {
    let ebml = [
        uint(0x4286, 1),
        uint(0x42F7, 1),
        uint(0x42F2, 4),
        uint(0x42F3, 8),
        text(0x4282, "webm"),
        uint(0x4287, 4),
        uint(0x4285, 2),
    ]
    .concat();
    let app = concat!("Tallylight ", env!("CARGO_PKG_VERSION"));
    let info = [
        uint(id::TIMESTAMP_SCALE, TICK_NS as u64),
        text(id::MUXING_APP, app),
        text(id::WRITING_APP, app),
        // The duration's place; its element is as long as this.
        void(float(id::DURATION, 0.0).len()),
    ]
    .concat();
    let mut tracks = Vec::new();
    if let Some(caps) = &lanes.video {
        let codec = match caps_name(caps).as_str() {
            "video/x-vp8" => "V_VP8",
            "video/x-vp9" => "V_VP9",
            other => return Err(MuxError::Unsupported(other.to_owned())),
        };
        let size = |name| caps.structure(0).and_then(|s| s.get::<i32>(name).ok()).unwrap_or(0).max(1) as u64;
        tracks.extend(element(
            id::TRACK_ENTRY,
            &[
                uint(id::TRACK_NUMBER, u64::from(VIDEO_TRACK)),
                uint(id::TRACK_UID, u64::from(VIDEO_TRACK)),
                uint(id::TRACK_TYPE, 1),
                uint(id::FLAG_LACING, 0),
                text(id::CODEC_ID, codec),
                element(
                    id::VIDEO,
                    &[uint(id::PIXEL_WIDTH, size("width")), uint(id::PIXEL_HEIGHT, size("height"))].concat(),
                ),
            ]
            .concat(),
        ));
    }
    if let Some(caps) = &lanes.audio {
        if caps_name(caps) != "audio/x-opus" {
            return Err(MuxError::Unsupported(caps_name(caps)));
        }
        tracks.extend(element(
            id::TRACK_ENTRY,
            &[
                uint(id::TRACK_NUMBER, u64::from(AUDIO_TRACK)),
                uint(id::TRACK_UID, u64::from(AUDIO_TRACK)),
                uint(id::TRACK_TYPE, 2),
                uint(id::FLAG_LACING, 0),
                text(id::CODEC_ID, "A_OPUS"),
                element(id::CODEC_PRIVATE, &opus_head()),
                uint(id::CODEC_DELAY, ns_of(i64::from(PRE_SKIP_SAMPLES)) as u64),
                uint(id::SEEK_PRE_ROLL, 80_000_000),
                element(
                    id::AUDIO,
                    &[float(id::SAMPLING_FREQUENCY, 48_000.0), uint(id::CHANNELS, 2)].concat(),
                ),
            ]
            .concat(),
        ));
    }
    let mut out = element(id::EBML, &ebml);
    out.extend(id_bytes(id::SEGMENT));
    out.extend_from_slice(&UNKNOWN);
    out.extend(void(SEEK_HEAD_BYTES));
    out.extend(element(id::INFO, &info));
    out.extend(element(id::TRACKS, &tracks));
    Ok(out)
}

/// Completes a file of ours in place, wherever it broke off. Returns its length in ms.
///
/// # Errors
/// If it is not a WebM file of ours, or the disk refuses.
pub fn complete(path: &Path) -> Result<i64, MuxError> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let length_ms = complete_file(&mut file, None)?;
    file.sync_data()?;
    Ok(length_ms)
}

/// What a scan of a file finds.
#[derive(Debug, Default)]
struct Scan {
    segment_body: u64,
    seek_head: Option<u64>,
    info: Option<u64>,
    duration: Option<u64>,
    tracks: Option<u64>,
    /// Start and end of each cluster, its time, and whether it begins with a keyframe or is sound.
    clusters: Vec<(u64, u64, i64)>,
    /// The track that the index is of: the pictures', or the only one.
    cue_track: u64,
    last_ms: i64,
    frame_ms: i64,
    /// End of the last whole element.
    end: u64,
}

fn complete_file(file: &mut File, end_ms: Option<i64>) -> Result<i64, MuxError> {
    let scan = scan(file)?;
    let length_ms = end_ms.unwrap_or(0).max(scan.last_ms + scan.frame_ms);
    file.set_len(scan.end)?;
    // The index first: until the heads say where it is, the file is what it was.
    let cues: Vec<u8> = scan
        .clusters
        .iter()
        .flat_map(|(start, _, time_ms)| {
            let place = [
                uint(id::CUE_TRACK, scan.cue_track),
                uint(id::CUE_CLUSTER_POSITION, start - scan.segment_body),
            ]
            .concat();
            let point =
                [uint(id::CUE_TIME, (*time_ms).max(0) as u64), element(id::CUE_TRACK_POSITIONS, &place)]
                    .concat();
            element(id::CUE_POINT, &point)
        })
        .collect();
    let cues = if scan.clusters.is_empty() { Vec::new() } else { element(id::CUES, &cues) };
    write_at(file, scan.end, &cues)?;
    for (start, end, _) in &scan.clusters {
        let body = end - (start + 12);
        let mut size = body.to_be_bytes();
        size[0] = 0x01;
        write_at(file, start + 4, &size)?;
    }
    let mut size = (scan.end + cues.len() as u64 - scan.segment_body).to_be_bytes();
    size[0] = 0x01;
    write_at(file, scan.segment_body - 8, &size)?;
    if let Some(at) = scan.duration {
        write_at(file, at, &float(id::DURATION, length_ms as f64))?;
    }
    if let Some(at) = scan.seek_head {
        let seek = |id: u32, position: u64| {
            // Minimal sizes: the place kept is small.
            let id = id_bytes(id);
            let mut body = id_bytes(id::SEEK_ID);
            body.push(0x80 | id.len() as u8);
            body.extend(id);
            body.extend(id_bytes(id::SEEK_POSITION));
            body.push(0x88);
            body.extend((position - scan.segment_body).to_be_bytes());
            let mut out = id_bytes(id::SEEK);
            out.push(0x80 | body.len() as u8);
            out.extend(body);
            out
        };
        let places = [
            scan.info.map(|p| seek(id::INFO, p)),
            scan.tracks.map(|p| seek(id::TRACKS, p)),
            (!cues.is_empty()).then(|| seek(id::CUES, scan.end)),
        ];
        let body: Vec<u8> = places.into_iter().flatten().flatten().collect();
        let mut head = id_bytes(id::SEEK_HEAD);
        // The size is padded so that head and body fill the place together with a Void.
        head.push(0x80 | body.len() as u8);
        head.extend(body);
        let rest = SEEK_HEAD_BYTES - head.len();
        head.extend(void(rest));
        write_at(file, at, &head)?;
    }
    Ok(length_ms)
}

fn write_at(file: &mut File, at: u64, bytes: &[u8]) -> Result<(), MuxError> {
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)?;
    Ok(())
}

fn scan(file: &mut File) -> Result<Scan, MuxError> {
    let total = file.seek(SeekFrom::End(0))?;
    let broken = || MuxError::Unsupported("a file that is not WebM".to_owned());
    let (ebml, body, size) = head_at(file, 0, total)?.ok_or_else(broken)?;
    if ebml != id::EBML {
        return Err(broken());
    }
    let segment = body + size.ok_or_else(broken)?;
    let (found, segment_body, _) = head_at(file, segment, total)?.ok_or_else(broken)?;
    if found != id::SEGMENT {
        return Err(broken());
    }
    let mut scan =
        Scan { segment_body, end: segment_body, cue_track: u64::from(AUDIO_TRACK), ..Scan::default() };
    let mut at = segment_body;
    let mut open: Option<(u64, i64)> = None;
    while let Some((found, body, size)) = head_at(file, at, total)? {
        match found {
            id::CLUSTER => {
                if let Some((start, time)) = open.take() {
                    scan.clusters.push((start, at, time));
                }
                open = Some((at, 0));
                at = body;
                continue;
            }
            // The index of a file that was completed before is made anew.
            id::CUES => break,
            _ => {}
        }
        let Some(end) = size.map(|s| body + s).filter(|end| *end <= total) else { break };
        match found {
            id::VOID if scan.seek_head.is_none() => scan.seek_head = Some(at),
            id::SEEK_HEAD if scan.seek_head.is_none() => scan.seek_head = Some(at),
            id::INFO => {
                scan.info = Some(at);
                scan.duration = duration_place(file, body, end)?;
            }
            id::TRACKS => scan.tracks = Some(at),
            id::TIMESTAMP => {
                if let Some((_, time)) = open.as_mut() {
                    *time = read_uint(file, body, end)? as i64;
                }
            }
            id::SIMPLE_BLOCK => {
                let mut head = [0u8; 3];
                file.seek(SeekFrom::Start(body))?;
                file.read_exact(&mut head)?;
                scan.cue_track = scan.cue_track.min(u64::from(head[0] & 0x7f));
                let time = open.map_or(0, |(_, t)| t) + i64::from(i16::from_be_bytes([head[1], head[2]]));
                if time > scan.last_ms {
                    scan.frame_ms = (time - scan.last_ms).min(40);
                    scan.last_ms = time;
                }
            }
            _ => {}
        }
        at = end;
        scan.end = end;
    }
    if let Some((start, time)) = open {
        // A cluster of which nothing whole came is cut off with its head.
        if scan.end > start + 12 {
            scan.clusters.push((start, scan.end, time));
        } else {
            scan.end = start;
        }
    }
    Ok(scan)
}

/// Id, start of the body and size (none: unknown) of the element at `at`; none at the end or if its
/// head is cut off.
fn head_at(file: &mut File, at: u64, total: u64) -> Result<Option<(u32, u64, Option<u64>)>, MuxError> {
    let mut head = [0u8; 12];
    let count = head.len().min(total.saturating_sub(at) as usize);
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut head[..count])?;
    let Some(&first) = head[..count].first() else { return Ok(None) };
    let id_len = first.leading_zeros() as usize + 1;
    if id_len > 4 || count <= id_len {
        return Ok(None);
    }
    let id = head[..id_len].iter().fold(0u32, |id, b| id << 8 | u32::from(*b));
    let size_len = head[id_len].leading_zeros() as usize + 1;
    if size_len > 8 || count < id_len + size_len {
        return Ok(None);
    }
    let mask = 0xffu64 >> size_len;
    let value = head[id_len + 1..id_len + size_len]
        .iter()
        .fold(u64::from(head[id_len]) & mask, |size, b| size << 8 | u64::from(*b));
    let unknown = value == (1u64 << (7 * size_len)) - 1;
    Ok(Some((id, at + (id_len + size_len) as u64, (!unknown).then_some(value))))
}

fn read_uint(file: &mut File, body: u64, end: u64) -> Result<u64, MuxError> {
    let mut bytes = vec![0; (end - body).min(8) as usize];
    file.seek(SeekFrom::Start(body))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes.into_iter().fold(0, |value, b| value << 8 | u64::from(b)))
}

/// Where the duration is or is to be, inside the Info element.
fn duration_place(file: &mut File, body: u64, end: u64) -> Result<Option<u64>, MuxError> {
    let mut at = body;
    while at < end {
        let Some((found, inner, Some(size))) = head_at(file, at, end)? else { break };
        if found == id::VOID || found == id::DURATION {
            return Ok(Some(at));
        }
        at = inner + size;
    }
    Ok(None)
}
