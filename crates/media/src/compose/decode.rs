//! Units become raw pictures of the program's size, and raw sound.

use gst::prelude::*;
use gstreamer as gst;
use room::event::Codec;

use crate::chain::{Chain, ChainError, ChainEvent, stereo, timed};
use crate::unit::Unit;

/// What comes out of a decoder.
#[derive(Debug)]
pub enum Decoded {
    /// A picture of the asked size, I420, BT.709.
    Picture {
        /// Time, unix, ns.
        time_ns: i64,
        /// The picture.
        frame: gst::Buffer,
    },
    /// Sound: interleaved stereo at 48 kHz.
    Sound {
        /// Time of the first sample, unix, ns.
        time_ns: i64,
        /// The samples.
        stereo: Vec<f32>,
    },
    /// Everything that was pushed before [`Decoder::finish`] has come out.
    Finished,
    /// The decoder gave up.
    Failed(ChainError),
}

/// Decodes one stream.
#[derive(Debug)]
pub struct Decoder {
    chain: Chain,
}

impl Decoder {
    /// A decoder that fits pictures into `size`, width and height, with black bars where the shape differs.
    ///
    /// # Errors
    /// If there is no decoder for the codec on this machine.
    pub fn video(
        codec: Codec,
        caps: &gst::Caps,
        size: (u32, u32),
        deliver: impl Fn(Decoded) + Send + Sync + 'static,
    ) -> Result<Self, ChainError> {
        // One thread: frame threading holds back as many pictures as there are threads, and one core
        // decodes 1080p60 several times over.
        let decoder = match codec {
            Codec::H264 => "h264parse ! avdec_h264 max-threads=1 output-corrupt=false",
            Codec::H265 => "h265parse ! avdec_h265 max-threads=1 output-corrupt=false",
            Codec::Vp8 => "vp8dec threads=1",
            Codec::Vp9 => "vp9dec threads=1",
            Codec::Av1 => "av1dec",
            Codec::Opus | Codec::Pcmu | Codec::Pcma => "identity",
        };
        let description = format!(
            "{decoder} ! videoconvertscale add-borders=true ! capsfilter name={FITTED} caps=\"{}\"",
            fitted(size)
        );
        Self::start(
            caps,
            &description,
            move |sample| {
                let (time_ns, frame) = timed(sample)?;
                Some(Decoded::Picture { time_ns, frame })
            },
            deliver,
        )
    }

    /// A decoder for sound.
    ///
    /// # Errors
    /// If there is no decoder for the codec on this machine.
    pub fn audio(
        codec: Codec,
        deliver: impl Fn(Decoded) + Send + Sync + 'static,
    ) -> Result<Self, ChainError> {
        let decoder = match codec {
            Codec::Pcmu => "mulawdec",
            Codec::Pcma => "alawdec",
            _ => "opusdec",
        };
        let description = format!(
            "{decoder} ! audioconvert ! audioresample ! \
             audio/x-raw,format=F32LE,layout=interleaved,rate=48000,channels=2"
        );
        Self::start(
            &audio_caps(codec),
            &description,
            |sample| {
                let (time_ns, buffer) = timed(sample)?;
                Some(Decoded::Sound { time_ns, stereo: stereo(&buffer)? })
            },
            deliver,
        )
    }

    fn start(
        caps: &gst::Caps,
        description: &str,
        read: impl Fn(&gst::Sample) -> Option<Decoded> + Send + Sync + 'static,
        deliver: impl Fn(Decoded) + Send + Sync + 'static,
    ) -> Result<Self, ChainError> {
        let chain = Chain::start("decode", caps, description, move |event| match event {
            ChainEvent::Sample(sample) => {
                if let Some(decoded) = read(&sample) {
                    deliver(decoded);
                }
            }
            ChainEvent::Finished => deliver(Decoded::Finished),
            ChainEvent::Failed(error) => deliver(Decoded::Failed(error)),
        })?;
        Ok(Self { chain })
    }

    /// Fits pictures into another size from now on.
    pub fn resize(&self, size: (u32, u32)) {
        if let Some(filter) = self.chain.element(FITTED) {
            filter.set_property("caps", fitted(size));
        }
    }

    /// Decodes a picture.
    pub fn push_unit(&self, unit: &Unit) {
        self.chain.set_caps(&unit.caps);
        self.chain.push(unit.data.clone());
    }

    /// Decodes a packet of sound of `duration_ns`, captured at `time_ns`.
    pub fn push_sound(&self, time_ns: i64, duration_ns: i64, payload: bytes::Bytes) {
        let mut buffer = gst::Buffer::from_slice(payload);
        let inner = buffer.get_mut().expect("the buffer has no other owner yet");
        inner.set_pts(gst::ClockTime::from_nseconds(time_ns.max(0) as u64));
        inner.set_duration(gst::ClockTime::from_nseconds(duration_ns.max(0) as u64));
        self.chain.push(buffer);
    }

    /// Lets what is inside out.
    pub fn finish(&self) {
        self.chain.finish();
    }
}

/// The element that says how large pictures become.
const FITTED: &str = "fitted";

fn fitted((width, height): (u32, u32)) -> gst::Caps {
    gst::Caps::builder("video/x-raw")
        .field("format", "I420")
        .field("width", width as i32)
        .field("height", height as i32)
        .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
        .field("colorimetry", "bt709")
        .build()
}

/// What a packet of published sound is, for decoders and muxers.
pub fn audio_caps(codec: Codec) -> gst::Caps {
    match codec {
        Codec::Pcmu | Codec::Pcma => {
            gst::Caps::builder(if codec == Codec::Pcmu { "audio/x-mulaw" } else { "audio/x-alaw" })
                .field("rate", 8000)
                .field("channels", 1)
                .build()
        }
        _ => gst::Caps::builder("audio/x-opus")
            .field("rate", 48_000)
            .field("channels", 2)
            .field("channel-mapping-family", 0)
            .field("stream-count", 1)
            .field("coupled-count", 1)
            .build(),
    }
}
