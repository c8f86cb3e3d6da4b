//! RTP packets of one video stream become whole coded pictures.

use gstreamer as gst;
use room::event::{Codec, Packet, Stream};

use crate::chain::{Chain, ChainError, ChainEvent};
use crate::unit::{Lane, Unit};

/// RTP payload type used inside; any dynamic one does.
const PAYLOAD_TYPE: u8 = 96;

/// Most pixels of a picture: those of 4096x4096. A few bytes can claim 65535x65535, and a decoder then asks for
/// gigabytes, for each picture that it may still refer to.
const MOST_PIXELS: i64 = 4096 * 4096;
/// Most pixels in a row, and most rows.
const LONGEST_SIDE: i32 = 8192;

/// Takes the packets of one video stream apart.
#[derive(Debug)]
pub struct Depayloader {
    chain: Chain,
}

/// What comes out of a [`Depayloader`].
#[derive(Debug)]
pub enum Picture {
    /// A whole picture. `damaged`: packets were lost in or before it, so that it may refer to what is
    /// not there.
    Unit {
        /// The picture.
        unit: Unit,
        /// Whether packets before it are missing.
        damaged: bool,
    },
    /// A picture of a size that no decoder here is given: it says that it has so many pixels.
    TooLarge {
        /// In a row.
        width: i32,
        /// Rows.
        height: i32,
    },
    /// Everything that was pushed before [`Depayloader::finish`] has come out.
    Finished,
    /// The stream cannot be taken apart.
    Failed(ChainError),
}

impl Depayloader {
    /// Starts for `stream`; pictures go to `deliver`, from GStreamer's threads.
    ///
    /// # Errors
    /// If the codec has no depayloader here.
    pub fn start(
        stream: &Stream,
        deliver: impl Fn(Picture) + Send + Sync + 'static,
    ) -> Result<Self, ChainError> {
        // Parameter sets stay in the stream (avc3/hev1): a publisher may change them at any keyframe,
        // and a muxer that was given them once in its header could not follow. Byte-stream between the
        // two, or the depayloader takes them out.
        let (encoding, description) = match stream.codec {
            Codec::H264 => (
                "H264",
                "rtph264depay ! video/x-h264,stream-format=byte-stream,alignment=au ! h264parse ! video/x-h264,stream-format=avc3,alignment=au",
            ),
            Codec::H265 => (
                "H265",
                "rtph265depay ! video/x-h265,stream-format=byte-stream,alignment=au ! h265parse ! video/x-h265,stream-format=hev1,alignment=au",
            ),
            Codec::Vp8 => ("VP8", "rtpvp8depay"),
            Codec::Vp9 => ("VP9", "rtpvp9depay ! vp9parse ! video/x-vp9,alignment=super-frame"),
            Codec::Av1 => {
                ("AV1", "rtpav1depay ! av1parse ! video/x-av1,stream-format=obu-stream,alignment=tu")
            }
            Codec::Opus | Codec::Pcmu | Codec::Pcma => {
                return Err(ChainError {
                    element: "depayload".to_owned(),
                    message: "sound needs no depayloader".to_owned(),
                    debug: String::new(),
                });
            }
        };
        let caps = gst::Caps::builder("application/x-rtp")
            .field("media", "video")
            .field("encoding-name", encoding)
            .field("clock-rate", stream.clock_rate_hz as i32)
            .field("payload", i32::from(PAYLOAD_TYPE))
            .build();
        let chain = Chain::start("depayload", &caps, description, move |event| match event {
            ChainEvent::Sample(sample) => {
                if let Some((unit, damaged)) = unit_of(&sample) {
                    deliver(match too_large(&unit.caps) {
                        Some((width, height)) => Picture::TooLarge { width, height },
                        None => Picture::Unit { unit, damaged },
                    });
                }
            }
            ChainEvent::Finished => deliver(Picture::Finished),
            ChainEvent::Failed(error) => deliver(Picture::Failed(error)),
        })?;
        Ok(Self { chain })
    }

    /// Gives it the next packet.
    pub fn push(&self, packet: &Packet) {
        if packet.payload.is_empty() {
            return;
        }
        let mut bytes = Vec::with_capacity(12 + packet.payload.len());
        bytes.push(0x80);
        bytes.push(PAYLOAD_TYPE | if packet.marker { 0x80 } else { 0 });
        bytes.extend_from_slice(&(packet.seq as u16).to_be_bytes());
        bytes.extend_from_slice(&(packet.rtp_time as u32).to_be_bytes());
        bytes.extend_from_slice(&1u32.to_be_bytes());
        bytes.extend_from_slice(&packet.payload);
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        let time = gst::ClockTime::from_nseconds(packet.time_ns.max(0) as u64);
        let inner = buffer.get_mut().expect("the buffer has no other owner yet");
        inner.set_pts(time);
        inner.set_dts(time);
        if packet.lost_before > 0 {
            inner.set_flags(gst::BufferFlags::DISCONT);
        }
        self.chain.push(buffer);
    }

    /// Lets the last picture out.
    pub fn finish(&self) {
        self.chain.finish();
    }
}

fn unit_of(sample: &gst::Sample) -> Option<(Unit, bool)> {
    let buffer = sample.buffer_owned()?;
    let caps = sample.caps_owned()?;
    let time = buffer.pts().or_else(|| buffer.dts())?;
    let keyframe = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
    let damaged = buffer.flags().contains(gst::BufferFlags::DISCONT);
    let unit = Unit {
        lane: Lane::Video,
        time_ns: time.nseconds() as i64,
        duration_ns: 0,
        keyframe,
        data: buffer,
        caps,
    };
    Some((unit, damaged))
}

/// The size that caps claim, if it is one that no decoder is given.
fn too_large(caps: &gst::CapsRef) -> Option<(i32, i32)> {
    let structure = caps.structure(0)?;
    let (width, height) = (structure.get::<i32>("width").ok()?, structure.get::<i32>("height").ok()?);
    let fits = width.max(height) <= LONGEST_SIDE && i64::from(width) * i64::from(height) <= MOST_PIXELS;
    (!fits).then_some((width, height))
}

/// Holds pictures back after a loss until one that can be decoded by itself: passing on a picture that
/// refers to a missing one would put smear into the file until the next keyframe.
#[derive(Debug, Default)]
pub struct KeyframeGate {
    open: bool,
}

/// What a [`KeyframeGate`] says of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// Take it.
    Pass,
    /// Drop it, and ask the publisher for a keyframe.
    Hold,
}

impl KeyframeGate {
    /// Judges the next picture.
    pub fn judge(&mut self, keyframe: bool, damaged: bool) -> Passage {
        if keyframe {
            self.open = true;
        } else if damaged {
            self.open = false;
        }
        if self.open { Passage::Pass } else { Passage::Hold }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_decoder_is_not_given_is_told_by_its_caps() {
        gst::init().unwrap();
        let size = |width: i32, height: i32| {
            too_large(
                &gst::Caps::builder("video/x-vp8").field("width", width).field("height", height).build(),
            )
        };
        for fits in [(2, 2), (1920, 1080), (3840, 2160), (4096, 4096), (1080, 1920), (8192, 2048)] {
            assert_eq!(size(fits.0, fits.1), None, "{fits:?}");
        }
        for not in [(4097, 4096), (16_383, 16_383), (8193, 16), (i32::MAX, i32::MAX)] {
            assert_eq!(size(not.0, not.1), Some(not));
        }
        assert_eq!(too_large(&gst::Caps::builder("video/x-vp8").build()), None);
    }

    #[test]
    fn the_gate_opens_at_a_keyframe_and_closes_at_a_loss() {
        let mut gate = KeyframeGate::default();
        assert_eq!(gate.judge(false, false), Passage::Hold);
        assert_eq!(gate.judge(true, true), Passage::Pass);
        assert_eq!(gate.judge(false, false), Passage::Pass);
        assert_eq!(gate.judge(false, true), Passage::Hold);
        assert_eq!(gate.judge(false, false), Passage::Hold);
        assert_eq!(gate.judge(true, false), Passage::Pass);
    }
}
