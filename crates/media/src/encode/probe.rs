//! Which H.264 encoder this machine has that really works: hardware where there is one, x264 otherwise.

use std::sync::mpsc;
use std::time::Duration;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::spec::{VideoCodec, VideoEncoding};
use egress::wire::H264Encoder;
use gstreamer as gst;
use serde::Serialize;

use crate::encode::effort::Effort;
use crate::encode::encoder::{Encoded, Encoder};
use crate::encode::h264::VideoEncoder;

/// How long an encoder may take to give its first picture before it counts as not working.
const TRIAL: Duration = Duration::from_secs(5);

/// Hardware, in order of preference.
const HARDWARE: [VideoEncoder; 5] = [
    VideoEncoder::Nvenc,
    VideoEncoder::Va,
    VideoEncoder::Vaapi,
    VideoEncoder::VideoToolbox,
    VideoEncoder::MediaFoundation,
];

/// What the chain of a probe is for: LiveKit's default preset.
const H264_720P_30: VideoEncoding = VideoEncoding {
    codec: VideoCodec::H264Main,
    width: 1280,
    height: 720,
    framerate: 30,
    bitrate_bps: 3_000_000,
    key_frame_interval_s: None,
};

/// Whether it encodes a few pictures here and now.
fn works(with: VideoEncoder) -> bool {
    if gst::ElementFactory::find(with.element()).is_none() {
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
    let started =
        Encoder::video(&encoding, (encoding.width, encoding.height), &with, Effort::Usual, move |encoded| {
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

/// Finds the encoder to use. Tries each hardware encoder that is installed; takes some 100 ms for each. `threads`: of
/// the software that is used where there is none, 0 for as many as it likes.
pub fn best_encoder(threads: u32) -> VideoEncoder {
    HARDWARE.into_iter().find(|encoder| works(*encoder)).unwrap_or(VideoEncoder::X264 { threads })
}

/// What `tallylight-job probe` prints.
#[derive(Debug, Serialize)]
pub struct Probe {
    /// The encoder that will be used, as a producer would know it.
    pub encoder: &'static str,
    /// The same for jobs, which are told.
    pub choice: H264Encoder,
    /// Whether it is hardware.
    pub hardware: bool,
    /// How it encodes 720p at 30 pictures a second and 3 Mbit/s, in the syntax of `gst-launch`: for benchmarks.
    pub chain: String,
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
    Probe {
        encoder: best.name(),
        choice: best.choice(),
        hardware: best.is_hardware(),
        chain: best.h264(&H264_720P_30, 60, Effort::Usual),
        problems,
    }
}
