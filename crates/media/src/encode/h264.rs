//! The encoders of H.264, and how each is told what is wanted.

use egress::spec::{VideoCodec, VideoEncoding};
use egress::wire::H264Encoder;

use crate::encode::effort::Effort;

/// Up to so many pixels a second (1080p30) software encodes in one thread, which is several times as fast as it has to be.
/// Two share each picture, wait for each other, and cost a tenth more (measured: 0.251 of a core for 0.285, in a whole job).
const ONE_THREAD_PIXELS_S: u64 = 1920 * 1080 * 30;

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
        /// Threads; 0 for as many as it needs.
        threads: u32,
    },
}

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
    pub(crate) fn element(self) -> &'static str {
        match self {
            Self::Nvenc => "nvh264enc",
            Self::Va => "vah264enc",
            Self::Vaapi => "vaapih264enc",
            Self::VideoToolbox => "vtenc_h264",
            Self::MediaFoundation => "mfh264enc",
            Self::X264 { .. } => "x264enc",
        }
    }

    /// A chain that encodes I420 into H.264. `key_int`: pictures from one keyframe to the next at most; where the encoding
    /// gives an interval, at that and nowhere else. `effort`: of software.
    pub(crate) fn h264(self, encoding: &VideoEncoding, key_int: u32, effort: Effort) -> String {
        let profile = match encoding.codec {
            VideoCodec::H264Baseline => "baseline",
            VideoCodec::H264High => "high",
            VideoCodec::H264Main | VideoCodec::Vp8 | VideoCodec::Vp9 => "main",
        };
        let kbps = encoding.bitrate_bps / 1000;
        let fixed = encoding.key_frame_interval_s.is_some_and(|s| s > 0.0);
        let element = self.element();
        let encoder = match self {
            // No B-frames, a short look-ahead, threads on slices and not on frames: what is inside the
            // encoder is lost when the process is killed, and is the time from Record to the first
            // picture on the disk.
            Self::X264 { threads } => {
                let threads = if threads == 0 { threads_for(encoding) } else { threads };
                let (preset, look_ahead, options) = software(effort);
                let scenecut = if fixed { ":scenecut=0" } else { "" };
                format!(
                    "x264enc speed-preset={preset} bitrate={kbps} vbv-buf-capacity=2000 key-int-max={key_int} \
                     bframes=0 rc-lookahead={look_ahead} sync-lookahead=0 sliced-threads=true threads={threads} \
                     option-string=\"{options}{scenecut}\""
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

    /// The encoder of this choice. `threads`: of software, 0 for as many as it likes.
    pub fn of(choice: H264Encoder, threads: u32) -> Self {
        match choice {
            H264Encoder::Nvenc => Self::Nvenc,
            H264Encoder::Va => Self::Va,
            H264Encoder::Vaapi => Self::Vaapi,
            H264Encoder::VideoToolbox => Self::VideoToolbox,
            H264Encoder::MediaFoundation => Self::MediaFoundation,
            H264Encoder::X264 => Self::X264 { threads },
        }
    }

    /// Which it is, without how.
    pub fn choice(self) -> H264Encoder {
        match self {
            Self::Nvenc => H264Encoder::Nvenc,
            Self::Va => H264Encoder::Va,
            Self::Vaapi => H264Encoder::Vaapi,
            Self::VideoToolbox => H264Encoder::VideoToolbox,
            Self::MediaFoundation => H264Encoder::MediaFoundation,
            Self::X264 { .. } => H264Encoder::X264,
        }
    }

    /// Whether it is in hardware, which other programs may be using up.
    pub fn is_hardware(self) -> bool {
        !matches!(self, Self::X264 { .. })
    }

    /// Whether it can take more trouble over a picture, or less, in this codec.
    pub fn adapts(self, codec: VideoCodec) -> bool {
        !self.is_hardware() && !matches!(codec, VideoCodec::Vp8 | VideoCodec::Vp9)
    }
}

/// As many threads as an encoding needs; 0: as many as there are processors for.
fn threads_for(encoding: &VideoEncoding) -> u32 {
    let pixels = u64::from(encoding.width) * u64::from(encoding.height);
    u32::from(pixels * u64::from(encoding.framerate) <= ONE_THREAD_PIXELS_S)
}

/// Preset, look-ahead (pictures) and options of x264, measured at 720p and 3 Mbit/s on a talking head with the noise of a
/// sensor, the same in the dark, a cartoon, a dark gradient and a test card. `veryfast`, LiveKit Egress's, takes 1.3 to 1.8
/// times as long as the usual effort here, for at most 0.0005 of SSIM; 0.0019 on the cartoon, at 46 dB. With `weightp=0`
/// and CABAC all three have the same parameter sets, to the byte, so that one goes on where another has stopped.
fn software(effort: Effort) -> (&'static str, u32, &'static str) {
    match effort {
        Effort::Least => ("ultrafast", 0, "cabac=1:deblock=0,0:weightp=0:aq-strength=0.5"),
        Effort::Usual => ("superfast", 2, "mbtree=1:weightp=0:aq-strength=0.5:partitions=none"),
        Effort::More => ("superfast", 4, "mbtree=1:weightp=0:aq-strength=0.5:subme=2"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_thread_encodes_with_ease_has_one_and_who_asked_for_a_number_has_that() {
        let chain = |threads, width, height, framerate| {
            let (codec, bitrate_bps, key_frame_interval_s) = (VideoCodec::H264Main, 3_000_000, None);
            let encoding =
                VideoEncoding { codec, width, height, framerate, bitrate_bps, key_frame_interval_s };
            VideoEncoder::X264 { threads }.h264(&encoding, 60, Effort::Usual)
        };
        assert!(chain(0, 1280, 720, 30).contains("threads=1 "));
        assert!(chain(0, 1920, 1080, 30).contains("threads=1 "));
        assert!(chain(0, 1920, 1080, 60).contains("threads=0 "));
        assert!(chain(4, 1280, 720, 30).contains("threads=4 "));
    }
}
