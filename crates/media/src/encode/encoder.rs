//! The encoders of a program, one a lane.

use egress::spec::{AudioCodec, AudioEncoding, VideoCodec, VideoEncoding};
use gstreamer as gst;

use crate::chain::{Chain, ChainError, ChainEvent};
use crate::encode::effort::Effort;
use crate::encode::h264::VideoEncoder;
use crate::unit::{Lane, Unit};

/// Longest time (s) between keyframes where the request names none. A file is sought and repaired from
/// keyframes; two seconds cost little.
const KEY_FRAME_INTERVAL_S: f64 = 2.0;

/// Samples that `voaacenc` puts before the first one it was given: one frame and its look-ahead of 576 (measured).
const AAC_PRIMING_SAMPLES: i64 = 1600;
/// The same of LAME: its own 576, and 529 of every decoder.
const MP3_PRIMING_SAMPLES: i64 = 1105;
/// Least bit rate, bit/s, for stereo: `voaacenc` crashes on 8 kbit/s at high sample rates.
const AAC_LEAST_BPS: u32 = 16_000;
/// Highest bit rate that `voaacenc` keeps to, bit/s; above it falls back to its default.
const AAC_MOST_BPS: u32 = 320_000;

/// What comes out of an encoder.
#[derive(Debug)]
pub enum Encoded {
    /// A unit.
    Unit(Unit),
    /// Everything that was pushed has come out.
    Finished,
    /// The encoder gave up.
    Failed(Lane, ChainError),
}

/// A running encoder.
#[derive(Debug)]
pub struct Encoder {
    chain: Chain,
    frame_ns: i64,
    frame_bytes: u64,
}

impl Encoder {
    /// An encoder for pictures as [`crate::compose::decode`] makes them. `size`: their width and height, pixels; they are
    /// scaled where the encoding's is another.
    ///
    /// # Errors
    /// If the encoder is missing or refuses the settings.
    pub fn video(
        encoding: &VideoEncoding,
        size: (u32, u32),
        with: &VideoEncoder,
        effort: Effort,
        deliver: impl Fn(Encoded) + Send + Sync + 'static,
    ) -> Result<Self, ChainError> {
        let ((width, height), fps) = (size, encoding.framerate.max(1));
        let caps = picture_caps((width, height, fps));
        let interval_s = encoding.key_frame_interval_s.filter(|s| *s > 0.0);
        let key_int = (interval_s.unwrap_or(KEY_FRAME_INTERVAL_S) * f64::from(fps)).round().max(1.0) as u32;
        let encoder = match encoding.codec {
            VideoCodec::H264Baseline | VideoCodec::H264Main | VideoCodec::H264High => {
                with.h264(encoding, key_int, effort)
            }
            VideoCodec::Vp8 => format!(
                "vp8enc deadline=1 cpu-used=8 threads=2 error-resilient=0 end-usage=cbr lag-in-frames=0 \
                 target-bitrate={} keyframe-max-dist={key_int}",
                encoding.bitrate_bps
            ),
            VideoCodec::Vp9 => format!(
                "vp9enc deadline=1 cpu-used=8 threads=2 row-mt=true end-usage=cbr lag-in-frames=0 \
                 target-bitrate={} keyframe-max-dist={key_int} ! vp9parse ! video/x-vp9,alignment=super-frame",
                encoding.bitrate_bps
            ),
        };
        let description = if size == (encoding.width, encoding.height) {
            encoder
        } else {
            format!(
                "videoconvertscale ! video/x-raw,format=I420,width={},height={},pixel-aspect-ratio=1/1 ! {encoder}",
                encoding.width, encoding.height
            )
        };
        let frame_ns = 1_000_000_000 / i64::from(fps);
        let chain = start(Lane::Video, &caps, &description, frame_ns, 0, deliver)?;
        Ok(Self { chain, frame_ns, frame_bytes: u64::from(width) * u64::from(height) * 3 / 2 })
    }

    /// An encoder for sound as [`crate::compose::mix`] makes it.
    ///
    /// # Errors
    /// If the encoder is missing or refuses the settings.
    pub fn audio(
        encoding: &AudioEncoding,
        deliver: impl Fn(Encoded) + Send + Sync + 'static,
    ) -> Result<Self, ChainError> {
        let caps = gst::Caps::builder("audio/x-raw")
            .field("format", "F32LE")
            .field("layout", "interleaved")
            .field("rate", 48_000)
            .field("channels", 2)
            .field("channel-mask", gst::Bitmask::new(0x3))
            .build();
        let (rate, bps) = (encoding.sample_rate_hz, encoding.bitrate_bps);
        // An encoder's look-ahead comes out before the first sample. It is not in the timestamps that GStreamer gives;
        // Opus's is declared in its header.
        let (description, priming_ns) = match encoding.codec {
            // Not `avenc_aac`: GStreamer can only force its mid/side coding on, which folds both sides into one, or
            // off, which wastes bits on every mono voice; and it takes 0.6 dB off a sine at full scale.
            AudioCodec::Aac => (
                format!(
                    "audioconvert ! audioresample ! audio/x-raw,rate={rate} ! voaacenc bitrate={} ! \
                     aacparse ! audio/mpeg,mpegversion=4,stream-format=raw",
                    aac_bitrate_bps(bps, rate)
                ),
                AAC_PRIMING_SAMPLES * 1_000_000_000 / i64::from(rate.max(1)),
            ),
            AudioCodec::Opus => (
                format!(
                    "audioconvert ! audioresample ! audio/x-raw,rate=48000 ! opusenc bitrate={bps} ! opusparse"
                ),
                0,
            ),
            AudioCodec::Mp3 => (
                format!(
                    "audioconvert ! audioresample ! audio/x-raw,rate={rate} ! \
                     lamemp3enc target=bitrate cbr=true bitrate={} ! mpegaudioparse",
                    bps / 1000
                ),
                MP3_PRIMING_SAMPLES * 1_000_000_000 / i64::from(rate.max(1)),
            ),
        };
        let chain = start(Lane::Audio, &caps, &description, 0, priming_ns, deliver)?;
        Ok(Self { chain, frame_ns: 0, frame_bytes: 0 })
    }

    /// Encodes a picture to be shown at `time_ns`.
    pub fn push_picture(&self, frame: &gst::BufferRef, time_ns: i64) {
        // A copy of the buffer's head; the pixels are shared, so repeating a picture costs nothing.
        let mut buffer = frame.copy();
        if let Some(inner) = buffer.get_mut() {
            let time = gst::ClockTime::from_nseconds(time_ns.max(0) as u64);
            inner.set_pts(time);
            inner.set_dts(None);
            inner.set_duration(gst::ClockTime::from_nseconds(self.frame_ns as u64));
            inner.set_flags(gst::BufferFlags::empty());
        }
        self.chain.push(buffer);
    }

    /// Encodes sound whose first sample is at `time_ns`.
    pub fn push_sound(&self, stereo: &[f32], time_ns: i64) {
        let bytes: Vec<u8> = stereo.iter().flat_map(|s| s.to_le_bytes()).collect();
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        let inner = buffer.get_mut().expect("the buffer has no other owner yet");
        inner.set_pts(gst::ClockTime::from_nseconds(time_ns.max(0) as u64));
        inner.set_duration(gst::ClockTime::from_nseconds((stereo.len() as u64 / 2) * 1_000_000_000 / 48_000));
        self.chain.push(buffer);
    }

    /// Pictures that wait to be encoded.
    pub fn backlog_frames(&self) -> u64 {
        self.chain.backlog_bytes().checked_div(self.frame_bytes).unwrap_or(0)
    }

    /// Makes the next picture a keyframe.
    pub fn force_keyframe(&self) {
        self.chain.force_keyframe();
    }

    /// Makes the first picture from `time_ns` on a keyframe, unix, ns.
    pub fn force_keyframe_at(&self, time_ns: i64) {
        self.chain.force_keyframe_at(time_ns);
    }

    /// Lets what is inside out; [`Encoded::Finished`] follows.
    pub fn finish(&self) {
        self.chain.finish();
    }
}

/// The pictures of a program, of this width and height, pixels, and so many a second.
pub fn picture_caps((width, height, framerate): (u32, u32, u32)) -> gst::Caps {
    gst::Caps::builder("video/x-raw")
        .field("format", "I420")
        .field("width", width as i32)
        .field("height", height as i32)
        .field("framerate", gst::Fraction::new(framerate as i32, 1))
        .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
        .field("colorimetry", "bt709")
        .field("interlace-mode", "progressive")
        .build()
}

/// The bit rate nearest `bps` that AAC has for stereo at `rate_hz`: a frame of 1024 samples holds at most 6144 bits a
/// channel (ISO/IEC 14496-3, 4.5.3.2).
fn aac_bitrate_bps(bps: u32, rate_hz: u32) -> u32 {
    bps.clamp(AAC_LEAST_BPS, AAC_MOST_BPS.min(rate_hz.saturating_mul(12)).max(AAC_LEAST_BPS))
}

fn start(
    lane: Lane,
    caps: &gst::Caps,
    description: &str,
    duration_ns: i64,
    priming_ns: i64,
    deliver: impl Fn(Encoded) + Send + Sync + 'static,
) -> Result<Chain, ChainError> {
    Chain::start("encode", caps, description, move |event| match event {
        ChainEvent::Sample(sample) => {
            let Some((data, caps)) = sample.buffer_owned().zip(sample.caps_owned()) else { return };
            // Encoders may shift timestamps and shift the segment back: running time is what stays.
            let segment = sample.segment().and_then(|s| s.downcast_ref::<gst::ClockTime>().cloned());
            let time = data.pts().and_then(|pts| segment.and_then(|s| s.to_running_time(pts)).or(Some(pts)));
            let Some(time) = time else { return };
            let duration = data.duration().map_or(duration_ns, |d| d.nseconds() as i64);
            deliver(Encoded::Unit(Unit {
                lane,
                time_ns: time.nseconds() as i64 - priming_ns,
                duration_ns: duration,
                keyframe: lane == Lane::Audio || !data.flags().contains(gst::BufferFlags::DELTA_UNIT),
                data,
                caps,
            }));
        }
        ChainEvent::Finished => deliver(Encoded::Finished),
        ChainEvent::Failed(error) => deliver(Encoded::Failed(lane, error)),
    })
}
