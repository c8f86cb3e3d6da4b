//! A small proxy of a program: scaled, encoded and written on its own, so that nothing of it reaches its master. What it
//! cannot keep up with is left out, and counted.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

use egress::error::{ApiError, ErrorCode, Fault};
use egress::id::OutputId;
use egress::spec::{AudioCodec, AudioEncoding, Container, ProxyEncoding, VideoCodec, VideoEncoding};
use gstreamer as gst;
use parking_lot::Mutex;

use crate::chain::{Chain, ChainError, ChainEvent, timed};
use crate::encode::effort::Effort;
use crate::encode::encoder::{Encoded, Encoder, picture_caps};
use crate::encode::h264::VideoEncoder;
use crate::output::disk::Place;
use crate::output::file::{FileOutput, FilePlan, FileReport};
use crate::output::images::size;
use crate::output::{Counts, Ended, Output, OutputReport, Raw};
use crate::unit::Unit;

/// So many pictures may wait to be scaled, and so many to be encoded: two seconds of most programs.
const MAX_WAITING: u64 = 60;
/// What begins with its master is held for so many steps of the program, until it is known when that was.
const MAX_HELD: usize = 300;
/// Short: one looks and cuts anywhere in it.
const KEY_FRAME_INTERVAL_S: f64 = 1.0;
/// Bits for a pixel of a picture.
const BITS_PER_PIXEL: f64 = 0.1;
/// Below this nothing can be made out, bits a second.
const LEAST_BPS: u32 = 150_000;
/// Sound that is as good as its master's to the ear.
const SOUND: AudioEncoding =
    AudioEncoding { codec: AudioCodec::Aac, bitrate_bps: 96_000, sample_rate_hz: 48_000 };

/// What a proxy is to be.
#[derive(Debug, Clone)]
pub struct ProxyPlan {
    /// Names the output.
    pub id: OutputId,
    /// Its file, which is there and empty.
    pub path: PathBuf,
    /// How small.
    pub encoding: ProxyEncoding,
    /// Width and height of the program, pixels, and pictures a second.
    pub program: (u32, u32, u32),
    /// Whether it has sound.
    pub audio: bool,
    /// Whether its master does not hold the program, but what it is made of: they begin together all the same.
    pub waits: bool,
}

/// How the picture of a proxy is encoded, in the shape of its program and never larger.
pub fn encoding(asked: &ProxyEncoding, (width, height, framerate): (u32, u32, u32)) -> VideoEncoding {
    let (width, height) = size((None, Some(asked.height.min(height))), (width, height));
    let pixels_s = f64::from(width) * f64::from(height) * f64::from(framerate);
    let bitrate_bps = asked.bitrate_bps.unwrap_or(((pixels_s * BITS_PER_PIXEL) as u32).max(LEAST_BPS));
    VideoEncoding {
        codec: VideoCodec::H264Main,
        width,
        height,
        framerate,
        bitrate_bps,
        key_frame_interval_s: Some(KEY_FRAME_INTERVAL_S),
    }
}

/// A proxy being written. Dropping it without [`Output::finish`] leaves its file as a kill would.
#[derive(Debug)]
pub struct Proxy {
    place: Place,
    scaler: Chain,
    /// Bytes of a picture of the program.
    frame_bytes: u64,
    video: Arc<Encoder>,
    audio: Option<Encoder>,
    file: Arc<FileOutput>,
    /// What came before it was known when its master begins.
    held: Option<Vec<Raw>>,
    dropped: Arc<AtomicU64>,
    finishing: bool,
}

/// Lets the file end when the last encoder has come out.
#[derive(Debug)]
struct Rest {
    encoders: AtomicU32,
    told: AtomicBool,
    file: Arc<FileOutput>,
    failed: Arc<Mutex<Option<ApiError>>>,
}

impl Rest {
    fn take(&self, encoded: Encoded) {
        match encoded {
            Encoded::Unit(unit) => self.file.push(unit),
            Encoded::Finished => {
                if self.encoders.fetch_sub(1, SeqCst) == 1 {
                    self.end();
                }
            }
            Encoded::Failed(_, error) => self.fail(&error),
        }
    }

    fn fail(&self, error: &ChainError) {
        self.failed.lock().get_or_insert_with(|| {
            ApiError::new(
                ErrorCode::Internal,
                Fault::Environment,
                "The encoder of the proxy stopped working. The recording itself goes on.",
                "Make a proxy of the recording afterwards, and report this with the job's log.",
            )
            .with_detail(error)
        });
        self.end();
    }

    fn end(&self) {
        if !self.told.swap(true, SeqCst) {
            self.file.finish();
        }
    }
}

impl Proxy {
    /// Starts; `report` is called from other threads.
    ///
    /// # Errors
    /// If it cannot be encoded here.
    pub fn start(
        plan: ProxyPlan,
        report: impl Fn(OutputReport) + Send + 'static,
    ) -> Result<Self, ChainError> {
        let small = encoding(&plan.encoding, plan.program);
        let failed = Arc::new(Mutex::new(None));
        let file = FilePlan {
            id: plan.id.clone(),
            path: plan.path.clone(),
            container: Container::Mp4,
            video: true,
            audio: plan.audio.then_some(None),
        };
        let why = failed.clone();
        let file = Arc::new(FileOutput::start(file, move |told| {
            report(match told {
                FileReport::Active { output, started_at_ns } => {
                    OutputReport::Active { output, started_at_ns }
                }
                FileReport::NoPictures { warning } => OutputReport::Warning(warning),
                FileReport::Ended { output, mut result } => {
                    result.error = result.error.take().or_else(|| why.lock().take());
                    OutputReport::Ended { output, ended: Ended::File(result) }
                }
            });
        }));
        let rest = Arc::new(Rest {
            encoders: AtomicU32::new(1 + u32::from(plan.audio)),
            told: AtomicBool::new(false),
            file: file.clone(),
            failed,
        });
        let deliver = || {
            let rest = rest.clone();
            move |encoded| rest.take(encoded)
        };
        // In software always: a small picture costs little, and hardware takes few pictures at a time, which are the
        // master's.
        let video =
            Arc::new(Encoder::video(&small, &VideoEncoder::X264 { threads: 0 }, Effort::Usual, deliver())?);
        let audio = plan.audio.then(|| Encoder::audio(&SOUND, deliver())).transpose()?;
        let dropped = Arc::new(AtomicU64::new(0));
        let scaler = scaler(plan.program, &small, video.clone(), rest, dropped.clone())?;
        let (width, height, _) = plan.program;
        Ok(Self {
            place: Place::of(plan.path.parent().unwrap_or(&plan.path)),
            scaler,
            frame_bytes: u64::from(width) * u64::from(height) * 3 / 2,
            video,
            audio,
            file,
            held: plan.waits.then(Vec::new),
            dropped,
            finishing: false,
        })
    }

    fn take(&self, raw: &Raw) {
        match raw {
            Raw::Picture { time_ns, frame } => {
                let waiting = self.scaler.backlog_bytes().checked_div(self.frame_bytes).unwrap_or(0);
                if waiting > MAX_WAITING || self.video.backlog_frames() > MAX_WAITING {
                    self.dropped.fetch_add(1, Relaxed);
                    return;
                }
                // A copy of the buffer's head; the pixels are shared.
                let mut frame = frame.copy();
                if let Some(frame) = frame.get_mut() {
                    frame.set_pts(gst::ClockTime::from_nseconds((*time_ns).max(0) as u64));
                }
                self.scaler.push(frame);
            }
            Raw::Sound { time_ns, stereo } => {
                if let Some(encoder) = &self.audio {
                    encoder.push_sound(stereo, *time_ns);
                }
            }
        }
    }

    /// What was held goes on: from a moment, with the picture that stands there, or all of it.
    fn go_on(&mut self, start_ns: Option<i64>) {
        let Some(held) = self.held.take() else { return };
        let steps = match start_ns {
            Some(start) => from(held, start),
            None => held,
        };
        for raw in steps {
            self.take(&raw);
        }
    }
}

/// The steps of a program from a moment on: what is earlier is left out, and the picture that stands there is the first.
fn from(steps: Vec<Raw>, start_ns: i64) -> Vec<Raw> {
    let picture = |raw: &Raw| match raw {
        Raw::Picture { time_ns, .. } => Some(*time_ns),
        Raw::Sound { .. } => None,
    };
    let pictures = steps.iter().filter_map(picture);
    let standing = pictures.clone().filter(|time| *time <= start_ns).max().or(pictures.clone().min());
    let mut kept = Vec::new();
    for step in steps {
        match step {
            Raw::Picture { time_ns, frame } if Some(time_ns) == standing => {
                kept.push(Raw::Picture { time_ns: start_ns, frame });
            }
            Raw::Picture { time_ns, .. } | Raw::Sound { time_ns, .. } if time_ns < start_ns => {}
            later => kept.push(later),
        }
    }
    kept
}

/// Scales pictures and hands them on to their encoder.
fn scaler(
    program: (u32, u32, u32),
    small: &VideoEncoding,
    encoder: Arc<Encoder>,
    rest: Arc<Rest>,
    dropped: Arc<AtomicU64>,
) -> Result<Chain, ChainError> {
    let description = format!(
        "videoconvertscale ! video/x-raw,format=I420,width={},height={},pixel-aspect-ratio=1/1",
        small.width, small.height
    );
    Chain::start("proxy", &picture_caps(program), &description, move |event| match event {
        ChainEvent::Sample(sample) => match timed(&sample) {
            Some((time_ns, frame)) => encoder.push_picture(&frame, time_ns),
            None => {
                dropped.fetch_add(1, Relaxed);
            }
        },
        ChainEvent::Finished => encoder.finish(),
        ChainEvent::Failed(error) => rest.fail(&error),
    })
}

impl Output for Proxy {
    fn push(&mut self, _: &Unit) {}

    fn push_raw(&mut self, raw: &Raw) {
        let Some(held) = &mut self.held else { return self.take(raw) };
        held.push(raw.clone());
        if held.len() >= MAX_HELD {
            // Its master does not begin: that is no reason to have nothing.
            self.go_on(None);
        }
    }

    fn master_began(&mut self, started_ns: i64) {
        self.go_on(Some(started_ns));
    }

    fn finish(&mut self) {
        if std::mem::replace(&mut self.finishing, true) {
            return;
        }
        self.go_on(None);
        self.scaler.finish();
        if let Some(audio) = &self.audio {
            audio.finish();
        }
    }

    fn abandoned(&mut self) -> Ended {
        Ended::File(self.file.abandoned())
    }

    fn is_running(&self) -> bool {
        self.file.is_running()
    }

    fn is_overrun(&self) -> bool {
        self.file.is_overrun()
    }

    fn counts(&self) -> Counts {
        self.file.counts(self.dropped.load(Relaxed))
    }

    fn room_bytes(&self) -> Option<u64> {
        self.place.room_bytes(self.file.size_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(height: u32) -> ProxyEncoding {
        ProxyEncoding { of: "file".into(), height, bitrate_bps: None }
    }

    #[test]
    fn it_has_the_shape_of_its_program_and_is_never_larger() {
        let of = |height, program| {
            let video = encoding(&asked(height), program);
            (video.width, video.height, video.bitrate_bps / 1000)
        };
        assert_eq!(of(360, (1280, 720, 30)), (640, 360, 691));
        assert_eq!(of(540, (1920, 1080, 60)), (960, 540, 3110));
        assert_eq!(of(360, (1080, 1920, 30)), (202, 360, 218));
        assert_eq!(of(720, (640, 360, 30)), (640, 360, 691));
        assert_eq!(of(90, (160, 90, 15)), (160, 90, 150));
        let given = ProxyEncoding { bitrate_bps: Some(2_000_000), ..asked(360) };
        assert_eq!(encoding(&given, (1280, 720, 30)).bitrate_bps, 2_000_000);
    }

    #[test]
    fn it_begins_with_the_picture_that_stands_when_its_master_does() {
        gst::init().unwrap();
        let picture = |time_ns| Raw::Picture { time_ns, frame: gst::Buffer::new() };
        let sound = |time_ns| Raw::Sound { time_ns, stereo: Arc::new([]) };
        let times = |steps: Vec<Raw>| -> Vec<(bool, i64)> {
            let time = |raw: &Raw| match raw {
                Raw::Picture { time_ns, .. } => (true, *time_ns),
                Raw::Sound { time_ns, .. } => (false, *time_ns),
            };
            steps.iter().map(time).collect()
        };
        let steps =
            || vec![picture(0), sound(5), picture(30), sound(25), picture(60), sound(45), picture(90)];
        assert_eq!(times(from(steps(), 40)), [(true, 40), (true, 60), (false, 45), (true, 90)]);
        assert_eq!(times(from(steps(), 30))[..2], [(true, 30), (true, 60)]);
        // Its master began before there was a program: the first picture stands from then on.
        assert_eq!(times(from(steps(), -10))[..3], [(true, -10), (false, 5), (true, 30)]);
        assert!(from(Vec::new(), 0).is_empty());
    }

    #[test]
    fn what_it_cannot_keep_up_with_is_left_out_and_counted() {
        gst::init().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("show-proxy.mp4");
        std::fs::write(&path, "").unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let plan = ProxyPlan {
            id: "proxy".into(),
            path: path.clone(),
            encoding: asked(720),
            program: (1280, 720, 30),
            audio: true,
            waits: false,
        };
        let mut proxy = Proxy::start(plan, move |report| drop(tell.send(report))).unwrap();
        let frame = gst::Buffer::from_mut_slice(vec![128u8; 1280 * 720 * 3 / 2]);
        let stereo: Arc<[f32]> = vec![0.0; 2 * 1600].into();
        for n in 0..600 {
            let time_ns = 1_000_000_000_000 + n * 33_333_333;
            proxy.push_raw(&Raw::Picture { time_ns, frame: frame.clone() });
            proxy.push_raw(&Raw::Sound { time_ns, stereo: stereo.clone() });
        }
        proxy.finish();
        let result = loop {
            let report = told.recv_timeout(std::time::Duration::from_secs(120)).unwrap();
            if let OutputReport::Ended { ended: Ended::File(result), .. } = report {
                break result;
            }
        };
        let counts = proxy.counts();
        assert!(counts.dropped > 0, "{counts:?}");
        assert_eq!(counts.pictures + counts.dropped, 600);
        assert_eq!((result.error, result.path), (None, Some(path)));
        // What was left out is shown longer, and no sound is missing.
        assert!((result.duration_ns - 20_000_000_000).abs() < 100_000_000, "{}", result.duration_ns);
    }
}
