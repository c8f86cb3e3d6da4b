//! WebM, written block by block.
//!
//! GStreamer's and libwebm's writers hold one lane back until the other has something; while a camera
//! is off that would keep minutes of sound in memory, to be lost with the process. This one writes each
//! block as it comes, into clusters of unknown size, and completes the file in place: sizes, index
//! (Cues), table of contents (SeekHead) and duration. A file that broke off is completed by the same
//! code ([`complete`]), which needs no second copy of it.

mod complete;
mod elements;

use std::fs::{File, OpenOptions};
use std::path::Path;

use crate::output::mux::{Lanes, Mux, MuxError, append_whole, caps_name};
use crate::unit::{Lane, Unit};

pub use complete::complete;
use complete::{complete_file, write_at};
use elements::{
    AUDIO_TRACK, TICK_NS, UNKNOWN, VIDEO_TRACK, before_tracks, element, id, id_bytes, tracks, uint,
    video_track, void,
};

/// A cluster is closed at the first keyframe after this long; a block's time is 16 bits of ms.
const CLUSTER_MS: i64 = 2_000;
/// A cluster without a keyframe is closed after this long.
const CLUSTER_MAX_MS: i64 = 10_000;
/// Room kept for the track of pictures that may come later.
const TRACK_BYTES: usize = 256;

/// A WebM file being written.
#[derive(Debug)]
pub struct WebmMux {
    file: File,
    position: u64,
    cluster: Option<Cluster>,
    has_video: bool,
    later: Option<Later>,
}

/// Where the track of pictures goes that come later.
#[derive(Debug)]
struct Later {
    /// Where the Tracks element is, and how long its body.
    tracks: (u64, u64),
    /// Where the room for it is, behind the Tracks.
    room: u64,
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
        let mut mux =
            Self { file, position: 0, cluster: None, has_video: lanes.video.is_some(), later: None };
        mux.append(&before_tracks())?;
        let (at, tracks) = (mux.position, tracks(lanes)?);
        mux.append(&element(id::TRACKS, &tracks))?;
        if lanes.video_later {
            mux.later = Some(Later { tracks: (at, tracks.len() as u64), room: mux.position });
            mux.append(&void(TRACK_BYTES))?;
        }
        Ok(mux)
    }

    /// The first picture of a file that began without. The track is put where the room was, as an element that readers
    /// pass over, and then taken into the Tracks by a change of their length: the file plays before and after.
    fn add_pictures(&mut self, caps: &gstreamer::Caps) -> Result<(), MuxError> {
        let unsupported = || MuxError::Unsupported(caps_name(caps));
        let Later { tracks: (at, length), room } = *self.later.as_ref().ok_or_else(unsupported)?;
        let mut track = video_track(caps)?;
        let track_bytes = track.len();
        // What is left of the room: the head of what says so, whose body is there.
        track.extend(void(TRACK_BYTES - track_bytes).into_iter().take(9));
        write_at(&mut self.file, room, &track)?;
        self.file.sync_data()?;
        let mut size = (length + track_bytes as u64).to_be_bytes();
        size[0] = 0x01;
        write_at(&mut self.file, at + 4, &size)?;
        self.later = None;
        self.has_video = true;
        self.cluster = None;
        Ok(())
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
        if unit.lane == Lane::Video && !self.has_video {
            self.add_pictures(&unit.caps)?;
        }
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
