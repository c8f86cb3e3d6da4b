//! Coded media, files written from it, and what ffprobe finds in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::chain::{Chain, ChainEvent};
use crate::output::file::{FileOutput, FilePlan, FileReport, reserve};
use crate::unit::{Lane, Unit};
use egress::error::ApiError;
use egress::fact::FileResult;
use egress::spec::Container;
use gstreamer as gst;

/// Any moment: what counts is that times are unix times.
pub const START_NS: i64 = 1_700_000_000_000_000_000;

/// Encodes `seconds` of test picture with no keyframe after the first, as WebRTC publishers send.
pub fn pictures(codec: &str, seconds: i64) -> Vec<Unit> {
    pictures_of(codec, (320, 180), seconds * 30, 0)
}

/// How GStreamer encodes a codec here, as publishers do, and as units are.
pub fn encoder(codec: &str) -> &'static str {
    match codec {
        "h264" => {
            "x264enc speed-preset=ultrafast tune=zerolatency option-string=\"keyint=infinite:scenecut=0\" ! \
             h264parse ! video/x-h264,stream-format=avc3,alignment=au"
        }
        "h264-high" => {
            "x264enc speed-preset=ultrafast tune=zerolatency option-string=\"keyint=infinite:scenecut=0\" ! \
             video/x-h264,profile=high ! h264parse ! video/x-h264,stream-format=avc3,alignment=au"
        }
        "h265" => {
            "x265enc speed-preset=ultrafast tune=zerolatency key-int-max=100000 ! \
             h265parse ! video/x-h265,stream-format=hev1,alignment=au"
        }
        "av1" => {
            "av1enc cpu-used=8 usage-profile=realtime lag-in-frames=0 ! av1parse ! \
             video/x-av1,stream-format=obu-stream,alignment=tu"
        }
        "vp9" => {
            "vp9enc deadline=1 cpu-used=8 lag-in-frames=0 keyframe-max-dist=100000 ! vp9parse ! \
             video/x-vp9,alignment=super-frame"
        }
        _ => "vp8enc deadline=1 keyframe-max-dist=100000",
    }
}

/// Encodes `count` pictures of this size, 30 a second, the first of them `from_ms` after [`START_NS`].
pub fn pictures_of(codec: &str, size: (i32, i32), count: i64, from_ms: i64) -> Vec<Unit> {
    crate::init().unwrap();
    let frames = frames(size, count).map(|(time_ns, planes)| (time_ns + from_ms * 1_000_000, planes));
    encode(Lane::Video, &picture_caps(size), encoder(codec), frames)
}

pub fn picture_caps((width, height): (i32, i32)) -> gst::Caps {
    gst::Caps::builder("video/x-raw")
        .field("format", "I420")
        .field("width", width)
        .field("height", height)
        .field("framerate", gst::Fraction::new(30, 1))
        .build()
}

/// Raw pictures in GStreamer's layout of I420, and when they are shown.
pub fn frames((width, height): (i32, i32), count: i64) -> impl Iterator<Item = (i64, Vec<u8>)> {
    let up = |n: i32, to: i32| ((n + to - 1) / to * to) as usize;
    let luma = up(width, 4) * up(height, 2);
    let chroma = 2 * up(up(width, 2) as i32 / 2, 4) * up(height, 2) / 2;
    (0..count).map(move |n| {
        let mut planes = vec![(n * 3 % 200 + 20) as u8; luma];
        planes.resize(luma + chroma, 128);
        (START_NS + n * 1_000_000_000 / 30, planes)
    })
}

/// Encodes `seconds` of quiet noise as Opus.
pub fn sound(seconds: i64) -> Vec<Unit> {
    crate::init().unwrap();
    let caps = gst::Caps::builder("audio/x-raw")
        .field("format", "S16LE")
        .field("layout", "interleaved")
        .field("rate", 48_000)
        .field("channels", 2)
        .build();
    let blocks = (0..seconds * 50).map(|n| {
        let samples =
            (0..1920i64).flat_map(|i| ((((n * 1920 + i) * 7919) % 2000 - 1000) as i16).to_le_bytes());
        (START_NS + n * 20_000_000, samples.collect())
    });
    encode(Lane::Audio, &caps, "opusenc ! opusparse", blocks)
}

pub fn encode(
    lane: Lane,
    caps: &gst::Caps,
    description: &str,
    buffers: impl Iterator<Item = (i64, Vec<u8>)>,
) -> Vec<Unit> {
    let (sender, receiver) = mpsc::channel();
    let chain = Chain::start("test", caps, description, move |event| {
        let _ = sender.send(event);
    })
    .unwrap();
    for (time_ns, bytes) in buffers {
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        buffer.get_mut().unwrap().set_pts(gst::ClockTime::from_nseconds(time_ns as u64));
        if lane == Lane::Audio {
            buffer.get_mut().unwrap().set_duration(gst::ClockTime::from_mseconds(20));
        }
        chain.push(buffer);
    }
    chain.finish();
    let mut units = Vec::new();
    loop {
        match receiver.recv_timeout(Duration::from_secs(30)).unwrap() {
            ChainEvent::Sample(sample) => {
                let data = sample.buffer_owned().unwrap();
                let segment = sample.segment().unwrap().downcast_ref::<gst::ClockTime>().unwrap().clone();
                let time = segment.to_running_time(data.pts().unwrap()).unwrap();
                units.push(Unit {
                    lane,
                    time_ns: time.nseconds() as i64,
                    duration_ns: data.duration().map_or(0, |d| d.nseconds() as i64),
                    keyframe: !data.flags().contains(gst::BufferFlags::DELTA_UNIT),
                    data,
                    caps: sample.caps_owned().unwrap(),
                });
            }
            ChainEvent::Finished => return units,
            ChainEvent::Failed(error) => panic!("{error}"),
        }
    }
}

/// Both lanes in order of time.
pub fn together(mut a: Vec<Unit>, b: Vec<Unit>) -> Vec<Unit> {
    a.extend(b);
    a.sort_by_key(|u| u.time_ns);
    a
}

pub struct Written {
    pub output: FileOutput,
    reports: mpsc::Receiver<FileReport>,
    /// What was said of pictures that do not fit.
    pub refused: Vec<ApiError>,
}

/// Writes units into a file that has their lanes.
pub fn write(folder: &Path, name: &str, container: Container, units: &[Unit]) -> Written {
    let has = |lane| units.iter().any(|u| u.lane == lane);
    let audio = has(Lane::Audio).then_some(None);
    let written = open(folder, name, container, has(Lane::Video), audio);
    for unit in units {
        written.output.push(unit.clone());
    }
    written
}

/// Opens a file.
pub fn open(
    folder: &Path,
    name: &str,
    container: Container,
    video: bool,
    audio: Option<Option<gst::Caps>>,
) -> Written {
    let path = reserve(&folder.join(name)).unwrap();
    let plan = FilePlan { id: "file".into(), path, container, video, audio };
    let (sender, reports) = mpsc::channel();
    let output = FileOutput::start(plan, move |report| {
        let _ = sender.send(report);
    });
    Written { output, reports, refused: Vec::new() }
}

impl Written {
    pub fn finish(mut self) -> FileResult {
        self.ended().0
    }

    /// Finishes; the result, and what was said of pictures that do not fit.
    pub fn ended(&mut self) -> (FileResult, Vec<ApiError>) {
        self.output.finish();
        loop {
            match self.reports.recv_timeout(Duration::from_secs(30)).unwrap() {
                FileReport::Active { started_at_ns, .. } => assert_eq!(started_at_ns, START_NS),
                FileReport::NoPictures { warning } => self.refused.push(warning),
                FileReport::Ended { result, .. } => return (result, std::mem::take(&mut self.refused)),
            }
        }
    }

    /// The file as a kill would leave it, once it holds at least `bytes`.
    pub fn killed(&self, to: &Path, bytes: u64) -> PathBuf {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.output.size_bytes() < bytes {
            assert!(Instant::now() < deadline, "only {} bytes", self.output.size_bytes());
            std::thread::sleep(Duration::from_millis(20));
        }
        fs::copy(&self.output.plan.path, to).unwrap();
        to.to_owned()
    }
}

/// What ffprobe says: frames of each stream, and the length in seconds.
pub fn probe(path: &Path) -> (Vec<(String, u64)>, f64) {
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-count_packets",
            "-show_entries",
            "stream=codec_name,nb_read_packets:format=duration",
        ])
        .args(["-of", "csv=p=0"])
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    let length = lines.pop().unwrap_or_default().parse().unwrap_or(0.0);
    // Of a stream that has a head and no packet yet it says N/A.
    let streams =
        lines.iter().filter_map(|l| l.split_once(',')).map(|(c, n)| (c.to_owned(), n.parse().unwrap_or(0)));
    (streams.collect(), length)
}

pub fn boxes(path: &Path) -> Vec<String> {
    let bytes = fs::read(path).unwrap();
    let (mut at, mut found) = (0usize, Vec::new());
    while at + 8 <= bytes.len() {
        let size = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        found.push(String::from_utf8_lossy(&bytes[at + 4..at + 8]).into_owned());
        let size = if size == 1 {
            u64::from_be_bytes(bytes[at + 8..at + 16].try_into().unwrap()) as usize
        } else {
            size
        };
        if size < 8 {
            break;
        }
        at += size;
    }
    found
}

/// What ffprobe says of one stream, by name; "N/A" and what is not there as an empty text.
pub fn stream_field(path: &Path, stream: &str, name: &str) -> String {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", stream, "-show_entries", &format!("stream={name}")])
        .args(["-of", "default=noprint_wrappers=1:nokey=1"])
        .arg(path)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().replace("N/A", "")
}

/// Decodes all pictures of a file with FFmpeg: how many there are, and what it complains of.
pub fn decode(path: &Path) -> (usize, String) {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "-"])
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let pictures = lines.lines().filter(|line| !line.starts_with('#')).count();
    (pictures, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// What ffprobe calls a codec.
pub fn ffprobe_name(codec: &str) -> String {
    match codec {
        "h265" => "hevc",
        "h264-high" => "h264",
        same => same,
    }
    .to_owned()
}
