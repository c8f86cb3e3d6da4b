//! Which H.264 encoder this machine has that really works: hardware where there is one, x264 otherwise.

use std::sync::mpsc;
use std::time::Duration;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::spec::{VideoCodec, VideoEncoding};
use gstreamer as gst;
use serde::Serialize;

use crate::encode::encoder::{Encoded, Encoder};

/// How long an encoder may take to give its first picture before it counts as not working.
const TRIAL: Duration = Duration::from_secs(5);

/// An H.264 encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VideoEncoder {
    /// NVIDIA.
    Nvenc,
    /// VA-API (Intel, AMD), the newer plugin.
    Va,
    /// VA-API, the older plugin.
    Vaapi,
    /// Apple VideoToolbox.
    VideoToolbox,
    /// Windows Media Foundation.
    MediaFoundation,
    /// Software.
    X264 {
        /// Threads; 0 for as many as it likes.
        threads: u32,
    },
}

/// Hardware, in order of preference.
const HARDWARE: [VideoEncoder; 5] = [
    VideoEncoder::Nvenc,
    VideoEncoder::Va,
    VideoEncoder::Vaapi,
    VideoEncoder::VideoToolbox,
    VideoEncoder::MediaFoundation,
];

impl VideoEncoder {
    /// As a producer would know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nvenc => "NVENC",
            Self::Va | Self::Vaapi => "VA-API",
            Self::VideoToolbox => "VideoToolbox",
            Self::MediaFoundation => "Media Foundation",
            Self::X264 { .. } => "x264",
        }
    }

    /// The GStreamer element.
    fn element(self) -> &'static str {
        match self {
            Self::Nvenc => "nvh264enc",
            Self::Va => "vah264enc",
            Self::Vaapi => "vaapih264enc",
            Self::VideoToolbox => "vtenc_h264",
            Self::MediaFoundation => "mfh264enc",
            Self::X264 { .. } => "x264enc",
        }
    }

    /// A chain that encodes I420 into H.264. `fixed`: keyframes at the interval and nowhere else.
    pub(crate) fn h264(self, profile: &str, kbps: u32, key_int: u32, fixed: bool) -> String {
        let element = self.element();
        let encoder = match self {
            // No B-frames, a short look-ahead, threads on slices and not on frames: what is inside the
            // encoder is lost when the process is killed, and is the time from Record to the first
            // picture on the disk. `veryfast` and the rest are LiveKit Egress's settings.
            Self::X264 { threads } => {
                let scenecut = if fixed { "scenecut=0" } else { "" };
                format!(
                    "x264enc speed-preset=veryfast bitrate={kbps} vbv-buf-capacity=2000 key-int-max={key_int} \
                     bframes=0 rc-lookahead=4 sync-lookahead=0 sliced-threads=true threads={threads} \
                     option-string=\"{scenecut}\""
                )
            }
            Self::Nvenc => format!("videoconvert ! {element} bitrate={kbps} gop-size={key_int} bframes=0"),
            Self::Va | Self::Vaapi => {
                let (key, b) = if self == Self::Va {
                    ("key-int-max", "b-frames")
                } else {
                    ("keyframe-period", "max-bframes")
                };
                format!("videoconvert ! {element} bitrate={kbps} {key}={key_int} {b}=0")
            }
            Self::VideoToolbox => format!(
                "videoconvert ! {element} realtime=true allow-frame-reordering=false bitrate={kbps} \
                 max-keyframe-interval={key_int}"
            ),
            Self::MediaFoundation => {
                format!("videoconvert ! {element} bitrate={kbps} gop-size={key_int} bframes=0")
            }
        };
        format!(
            "{encoder} ! video/x-h264,profile={profile} ! h264parse ! \
             video/x-h264,stream-format=avc,alignment=au"
        )
    }

    /// Whether it encodes a few pictures here and now.
    fn works(self) -> bool {
        if gst::ElementFactory::find(self.element()).is_none() {
            return false;
        }
        let encoding = VideoEncoding {
            codec: VideoCodec::H264Main,
            width: 320,
            height: 180,
            framerate: 30,
            bitrate_bps: 500_000,
            key_frame_interval_s: None,
        };
        let (sender, receiver) = mpsc::channel();
        let started = Encoder::video(&encoding, &self, move |encoded| {
            let _ = sender.send(matches!(encoded, Encoded::Unit(_)));
        });
        let Ok(encoder) = started else { return false };
        let frame = gst::Buffer::from_mut_slice(vec![0x80u8; 320 * 180 * 3 / 2]);
        for n in 0..30 {
            encoder.push_picture(&frame, n * 33_333_333);
        }
        encoder.finish();
        receiver.recv_timeout(TRIAL).unwrap_or(false)
    }
}

/// Finds the encoder to use. Tries each hardware encoder that is installed; takes some 100 ms for each. `threads`: of
/// the software that is used where there is none, 0 for as many as it likes.
pub fn best_encoder(threads: u32) -> VideoEncoder {
    HARDWARE.into_iter().find(|e| e.works()).unwrap_or(VideoEncoder::X264 { threads })
}

/// What `tallylight-job probe` prints.
#[derive(Debug, Serialize)]
pub struct Probe {
    /// The encoder that will be used.
    pub encoder: &'static str,
    /// Whether it is hardware.
    pub hardware: bool,
    /// What is missing, worst first.
    pub problems: Vec<ApiError>,
}

/// What this machine can do.
pub fn probe() -> Probe {
    let best = best_encoder(0);
    let needed = [
        (best.element(), "Recording in H.264", "the GStreamer “ugly” plugins (x264)"),
        ("voaacenc", "Sound in MP4 files", "the GStreamer “bad” plugins"),
        ("avdec_h264", "Re-encoding H.264", "the GStreamer libav plugins"),
        ("mp4mux", "MP4 files", "the GStreamer “good” plugins"),
        ("rtph264depay", "Receiving H.264", "the GStreamer “good” plugins"),
        ("vp8dec", "Re-encoding VP8", "the GStreamer “good” plugins"),
        ("vp9parse", "Recording VP9", "the GStreamer “bad” plugins"),
        ("av1parse", "Recording AV1", "the GStreamer “bad” plugins"),
        ("rtpav1depay", "Receiving AV1", "a newer build of Tallylight"),
        ("opusdec", "Re-encoding sound", "the GStreamer “base” plugins"),
        ("lamemp3enc", "MP3 files", "the GStreamer “good” plugins"),
        ("flvmux", "Streaming over RTMP", "the GStreamer “good” plugins"),
        ("rtmp2sink", "Streaming over RTMP", "the GStreamer “bad” plugins"),
        ("mpegtsmux", "Streaming over SRT", "the GStreamer “bad” plugins"),
        ("srtsink", "Streaming over SRT", "the GStreamer “bad” plugins"),
        ("jpegenc", "Thumbnails", "the GStreamer “good” plugins"),
    ];
    let problems = needed
        .into_iter()
        .filter(|(element, ..)| gst::ElementFactory::find(element).is_none())
        .map(|(element, what, from)| {
            ApiError::new(
                ErrorCode::Unsupported,
                Fault::Environment,
                format!("{what} will not work: a part of GStreamer is missing."),
                format!("Install {from}, then start Tallylight again."),
            )
            .with_detail(format!("element {element} not found"))
        })
        .collect();
    Probe { encoder: best.name(), hardware: !matches!(best, VideoEncoder::X264 { .. }), problems }
}
