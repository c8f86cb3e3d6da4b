//! Segments of MP4: fragments as our files have them, and the head of those files, once, in a file of its own.
//!
//! All segments lie on one line of time. Where what they have in common changes, there is another such file from that
//! segment on: an encoder that was started anew may have other parameter sets, and a lane may have come late.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use egress::filename::SegmentNames;

use crate::output::mp4::{SegmentMux, segment_head};
use crate::output::mux::{Lanes, MuxError};
use crate::output::segments::mux::{SegmentMuxer, Whole, close, part, replace};
use crate::unit::{Lane, Unit};

/// Length of a fragment, ns: what of a segment is held in memory.
const FRAGMENT_NS: i64 = 1_000_000_000;

/// Writes segments one after the other.
#[derive(Debug)]
pub struct Fmp4 {
    /// The folder of the playlists, absolute.
    folder: PathBuf,
    names: SegmentNames,
    /// Whether pictures and sound are expected.
    expected: (bool, bool),
    /// The lanes as they were seen last.
    lanes: Lanes,
    mux: Option<SegmentMux>,
    map: Option<(PathBuf, u64)>,
    maps: u32,
    origin_ns: Option<i64>,
    segment: Option<Segment>,
}

/// A segment being written.
#[derive(Debug)]
struct Segment {
    path: PathBuf,
    /// What came before it was known which lanes there are.
    held: Vec<Unit>,
    file: Option<File>,
    fragment_ns: i64,
}

impl Segment {
    fn write(&mut self, bytes: Option<Vec<u8>>) -> io::Result<()> {
        match (&mut self.file, bytes) {
            (Some(file), Some(bytes)) => file.write_all(&bytes),
            _ => Ok(()),
        }
    }
}

impl Fmp4 {
    /// Segments whose playlists are in `folder`. `expected`: whether pictures and sound are.
    pub fn new(folder: &Path, names: SegmentNames, expected: (bool, bool)) -> Self {
        Self {
            folder: folder.to_owned(),
            names,
            expected,
            lanes: Lanes::default(),
            mux: None,
            map: None,
            maps: 0,
            origin_ns: None,
            segment: None,
        }
    }

    /// Begins the file, once it is known what is in it.
    fn start(&mut self, segment: &mut Segment) -> io::Result<()> {
        for unit in &segment.held {
            let lane = match unit.lane {
                Lane::Video => &mut self.lanes.video,
                Lane::Audio => &mut self.lanes.audio,
            };
            *lane = Some(unit.caps.clone());
        }
        let mux = SegmentMux::new(&self.lanes).map_err(in_words)?;
        if self.mux.as_ref().is_none_or(|known| known.initialization() != mux.initialization()) {
            self.maps += 1;
            let path = self.folder.join(self.names.initialization(self.maps));
            replace(&path, mux.initialization(), true)?;
            self.map = Some((path, mux.initialization().len() as u64));
            self.mux = Some(mux);
        }
        let mut file = File::create(part(&segment.path))?;
        file.write_all(&segment_head())?;
        segment.file = Some(file);
        for unit in std::mem::take(&mut segment.held) {
            self.put(segment, &unit)?;
        }
        Ok(())
    }

    fn put(&mut self, segment: &mut Segment, unit: &Unit) -> io::Result<()> {
        let Some((mux, origin_ns)) = self.mux.as_mut().zip(self.origin_ns) else { return Ok(()) };
        if unit.time_ns - segment.fragment_ns >= FRAGMENT_NS {
            segment.fragment_ns = unit.time_ns;
            segment.write(mux.fragment())?;
        }
        mux.push(unit, unit.time_ns - origin_ns).map_err(in_words)
    }
}

impl SegmentMuxer for Fmp4 {
    fn begin(&mut self, path: PathBuf, at_ns: i64) {
        self.origin_ns.get_or_insert(at_ns);
        self.segment = Some(Segment { path, held: Vec::new(), file: None, fragment_ns: at_ns });
    }

    fn push(&mut self, unit: Unit) -> io::Result<()> {
        let Some(mut segment) = self.segment.take() else { return Ok(()) };
        let put = if segment.file.is_some() {
            self.put(&mut segment, &unit)
        } else {
            segment.held.push(unit);
            let of = |lane| segment.held.iter().any(|unit| unit.lane == lane);
            let all = (of(Lane::Video), of(Lane::Audio)) == self.expected;
            if all { self.start(&mut segment) } else { Ok(()) }
        };
        self.segment = Some(segment);
        put
    }

    fn end(&mut self, at_ns: i64) -> io::Result<Whole> {
        let mut segment = self.segment.take().ok_or_else(|| io::Error::other("no segment was begun"))?;
        if segment.file.is_none() {
            self.start(&mut segment)?;
        }
        if let Some((mux, origin_ns)) = self.mux.as_mut().zip(self.origin_ns) {
            segment.write(mux.end(at_ns - origin_ns))?;
        }
        let file = segment.file.as_ref().ok_or_else(|| io::Error::other("nothing was written"))?;
        Ok(Whole { size_bytes: close(file, &segment.path)?, map: self.map.clone() })
    }
}

fn in_words(error: MuxError) -> io::Error {
    match error {
        MuxError::Io(error) => error,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use egress::filename::NameFacts;
    use egress::spec::{SegmentKind, SegmentSuffix, SegmentsOutput};
    use gstreamer as gst;
    use jiff::tz::TimeZone;

    use super::*;

    const S: i64 = 1_000_000_000;
    /// Not on a tick of either track.
    const AT: i64 = 1_786_000_000 * S + 123_456_789;
    const FRAME_NS: i64 = 33_333_333;

    fn names() -> SegmentNames {
        let spec = SegmentsOutput {
            folder: "/r".into(),
            prefix: "s".into(),
            playlist: String::new(),
            live_playlist: String::new(),
            suffix: SegmentSuffix::Index,
            kind: SegmentKind::Fmp4,
            duration_ms: 1000,
            manifest: false,
        };
        let facts = NameFacts {
            room_name: String::new(),
            room_id: String::new(),
            egress_id: "".into(),
            publisher_identity: None,
            track_id: None,
            track_kind: None,
            track_source: None,
            at_ns: 0,
            time_zone: TimeZone::UTC,
            identifier: String::new(),
            retry: 0,
            awaited: Vec::new(),
        };
        SegmentNames::of(&spec, &facts)
    }

    fn picture(n: i64, parameters: u8) -> Unit {
        gst::init().unwrap();
        let caps = gst::Caps::builder("video/x-h264")
            .field("stream-format", "avc")
            .field("width", 640)
            .field("height", 360)
            .field("codec_data", gst::Buffer::from_slice([1, 77, 0, 30, parameters]))
            .build();
        let data = gst::Buffer::from_slice([0, 0, 0, 1, 0x65]);
        let (time_ns, keyframe) = (AT + n * FRAME_NS, n % 30 == 0);
        Unit { lane: Lane::Video, time_ns, duration_ns: FRAME_NS, keyframe, data, caps }
    }

    fn sound(n: i64) -> Unit {
        gst::init().unwrap();
        let caps = gst::Caps::builder("audio/mpeg")
            .field("mpegversion", 4)
            .field("rate", 44_100)
            .field("channels", 2)
            .field("codec_data", gst::Buffer::from_slice([0x12, 0x10]))
            .build();
        // As GStreamer counts: rounded down to the nanosecond, each on its own.
        let at = |n: i64| AT + n * 1024 * S / 44_100;
        let data = gst::Buffer::from_slice([0x21; 20]);
        Unit { lane: Lane::Audio, time_ns: at(n), duration_ns: at(n + 1) - at(n), keyframe: true, data, caps }
    }

    /// Writes segments of a second each; the boxes of each, and what it needs.
    fn write(
        dir: &Path,
        seconds: i64,
        parameters: impl Fn(i64) -> u8,
        sound_from: i64,
    ) -> Vec<(Vec<u8>, PathBuf)> {
        let mut fmp4 = Fmp4::new(dir, names(), (true, true));
        let mut all = Vec::new();
        for second in 0..seconds {
            let (from, to) = (AT + second * 30 * FRAME_NS, AT + (second + 1) * 30 * FRAME_NS);
            let path = dir.join(format!("s_{second}.m4s"));
            fmp4.begin(path.clone(), from);
            assert!(!path.exists());
            for n in 0..30 {
                fmp4.push(picture(second * 30 + n, parameters(second))).unwrap();
            }
            for unit in (0..).map(sound).skip_while(|unit| unit.time_ns < from) {
                if unit.time_ns >= to {
                    break;
                }
                if second >= sound_from {
                    fmp4.push(unit).unwrap();
                }
            }
            let whole = fmp4.end(to).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!((whole.size_bytes, &bytes[4..12]), (bytes.len() as u64, &b"stypmsdh"[..]));
            let (map, size) = whole.map.unwrap();
            assert_eq!(std::fs::metadata(&map).unwrap().len(), size);
            all.push((bytes, map));
        }
        assert!(
            std::fs::read_dir(dir).unwrap().all(|entry| entry.unwrap().path().extension().unwrap() != "part")
        );
        all
    }

    /// Where each track's samples begin and end in a segment, ticks.
    fn times(bytes: &[u8]) -> Vec<(u32, u64, u64)> {
        fn be32(bytes: &[u8], at: usize) -> u32 {
            u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
        }
        fn walk(bytes: &[u8], track: &mut u32, all: &mut Vec<(u32, u64, u64)>) {
            let mut at = 0;
            while at + 8 <= bytes.len() {
                let size = be32(bytes, at) as usize;
                let body = &bytes[at + 8..at + size];
                match &bytes[at + 4..at + 8] {
                    b"moof" | b"traf" => walk(body, track, all),
                    b"tfhd" => *track = be32(body, 4),
                    b"tfdt" => {
                        let base = u64::from_be_bytes(body[4..12].try_into().unwrap());
                        match all.iter().find(|(id, ..)| id == track) {
                            Some((.., end)) => {
                                assert_eq!(base, *end, "a fragment goes on where the one before ended")
                            }
                            None => all.push((*track, base, base)),
                        }
                    }
                    b"trun" => {
                        let length: u64 =
                            (0..be32(body, 4) as usize).map(|n| u64::from(be32(body, 12 + 12 * n))).sum();
                        all.iter_mut().find(|(id, ..)| id == track).unwrap().2 += length;
                    }
                    _ => {}
                }
                at += size;
            }
        }
        let mut all = Vec::new();
        walk(bytes, &mut 0, &mut all);
        all.sort_unstable();
        all
    }

    #[test]
    fn segments_lie_on_one_line_of_time() {
        let dir = tempfile::tempdir().unwrap();
        let all = write(dir.path(), 8, |_| 1, 0);
        assert!(all.iter().all(|(_, map)| *map == dir.path().join("s_init.mp4")));
        let times: Vec<_> = all.iter().map(|(bytes, _)| times(bytes)).collect();
        assert_eq!((times[0][0].1, times[0][1].1), (0, 0));
        for pair in times.windows(2) {
            for (before, after) in pair[0].iter().zip(&pair[1]) {
                assert_eq!((before.0, before.2), (after.0, after.1), "{pair:?}");
            }
        }
        let last = times.last().unwrap();
        assert_eq!(last[0].2, 8 * 90_000);
        assert_eq!(last[1].2 % 1024, 0, "packets of sound have their own length, all of them");
    }

    #[test]
    fn what_they_have_in_common_is_written_anew_where_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let all = write(dir.path(), 4, |second| if second < 2 { 1 } else { 2 }, 1);
        let maps: Vec<_> = all.iter().map(|(_, map)| map.file_name().unwrap().to_str().unwrap()).collect();
        // Without sound, with sound, with other parameters of the picture.
        assert_eq!(maps, ["s_init.mp4", "s_init-2.mp4", "s_init-3.mp4", "s_init-3.mp4"]);
        let tracks: Vec<_> = all.iter().map(|(bytes, _)| times(bytes).len()).collect();
        assert_eq!(tracks, [1, 2, 2, 2]);
        let starts: Vec<_> = all.iter().map(|(bytes, _)| times(bytes)[0].1).collect();
        assert_eq!(starts, [0, 90_000, 180_000, 270_000]);
    }
}
