//! Presets and hand-set encoding options, checked and completed.

use livekit_protocol::{self as proto, EncodingOptions, EncodingOptionsPreset};

use crate::container::{self, EncodeChoice};
use crate::spec::{AudioCodec, AudioEncoding, Container, Treatment, VideoCodec, VideoEncoding};
use crate::validate::RequestError;

/// Sound of every preset, and where no rate was asked for: LiveKit's 128 kbit/s.
const AUDIO_BITRATE_BPS: u32 = 128_000;
/// LiveKit's default; Opus is always 48000.
const AUDIO_SAMPLE_RATE_HZ: u32 = 44_100;
const OPUS_SAMPLE_RATE_HZ: u32 = 48_000;
/// What AAC and MP3 both take.
const SAMPLE_RATES_HZ: [i32; 9] = [8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000];
/// Constant bit rates of MPEG-1 layer 3 (32 kHz and above).
const MP3_KBPS: [i32; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
/// Constant bit rates of MPEG-2 layer 3 (below 32 kHz).
const MP3_LOW_KBPS: [i32; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
/// As far as encoders go.
const MAX_SIDE: i32 = 8192;
const MAX_FRAMERATE: i32 = 240;
const MAX_VIDEO_KBPS: i32 = 500_000;
const MAX_AUDIO_KBPS: i32 = 512;
const MAX_KEY_FRAME_INTERVAL_S: f64 = 600.0;
/// LiveKit's, for streams.
const STREAM_KEY_FRAME_INTERVAL_S: f64 = 4.0;

/// How a request says what to encode to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Options<'a> {
    /// Not at all.
    Unset,
    /// `EncodingOptionsPreset`
    Preset(i32),
    /// By hand.
    Advanced(&'a EncodingOptions),
}

impl Options<'_> {
    /// Whether nothing is to be encoded.
    pub(crate) fn passthrough(self) -> bool {
        matches!(self, Self::Preset(preset) if preset == EncodingOptionsPreset::Passthrough as i32)
    }
}

/// What there is to encode, and where to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Material {
    pub(crate) video: bool,
    pub(crate) audio: bool,
    pub(crate) container: Option<Container>,
    /// A codec beyond those of LiveKit's protocol.
    pub(crate) video_codec: Option<VideoCodec>,
}

/// The container and the encodings.
pub(crate) fn encode(
    options: Options<'_>,
    material: Material,
) -> Result<(Container, Treatment), RequestError> {
    let advanced = match options {
        Options::Advanced(advanced) => *advanced,
        Options::Unset | Options::Preset(_) => EncodingOptions::default(),
    };
    let (width, height, framerate, video_kbps) = match options {
        Options::Preset(preset) => preset_values(preset)?,
        Options::Unset | Options::Advanced(_) => (1280, 720, 30, 3000),
    };
    check(&advanced)?;
    let video_codec = material.video_codec.or(asked_video_codec(&advanced)?);
    let audio_codec = asked_audio_codec(&advanced)?;
    let EncodeChoice { container, video, audio } = container::encode(
        material.container,
        material.video.then_some(video_codec),
        material.audio.then_some(audio_codec),
    )?;
    let video = video.map(|codec| VideoEncoding {
        codec,
        width: or(advanced.width, width),
        height: or(advanced.height, height),
        framerate: or(advanced.framerate, framerate),
        bitrate_bps: or(advanced.video_bitrate, video_kbps) * 1000,
        key_frame_interval_s: (advanced.key_frame_interval > 0.0).then_some(advanced.key_frame_interval),
    });
    let audio = audio.map(|codec| audio_encoding(codec, &advanced)).transpose()?;
    Ok((container, Treatment::Encode { video, audio }))
}

/// What servers take, whatever was asked for; nothing else gets it.
pub(crate) fn for_servers(treatment: &mut Treatment) {
    let Treatment::Encode { video, audio } = treatment else { return };
    if let Some(video) = video.as_mut().filter(|v| matches!(v.codec, VideoCodec::Vp8 | VideoCodec::Vp9)) {
        video.codec = VideoCodec::H264Main;
    }
    if let Some(audio) = audio.as_mut().filter(|a| a.codec != AudioCodec::Aac) {
        audio.codec = AudioCodec::Aac;
    }
}

/// Keyframes as a stream wants them, where the request does not say.
pub(crate) fn stream_keyframes(treatment: &mut Treatment) {
    if let Treatment::Encode { video: Some(video), .. } = treatment {
        video.key_frame_interval_s.get_or_insert(STREAM_KEY_FRAME_INTERVAL_S);
    }
}

/// Width, height, frames a second, kbit/s.
fn preset_values(preset: i32) -> Result<(u32, u32, u32, u32), RequestError> {
    use EncodingOptionsPreset as P;
    Ok(match P::try_from(preset) {
        Ok(P::H264720p30) => (1280, 720, 30, 3000),
        Ok(P::H264720p60) => (1280, 720, 60, 4500),
        Ok(P::H2641080p30) => (1920, 1080, 30, 4500),
        Ok(P::H2641080p60) => (1920, 1080, 60, 6000),
        Ok(P::PortraitH264720p30) => (720, 1280, 30, 3000),
        Ok(P::PortraitH264720p60) => (720, 1280, 60, 4500),
        Ok(P::PortraitH2641080p30) => (1080, 1920, 30, 4500),
        Ok(P::PortraitH2641080p60) => (1080, 1920, 60, 6000),
        Ok(P::Passthrough) => {
            return Err(RequestError::field(
                "preset",
                "This cannot be recorded as published.",
                "Choose a preset with a picture size.",
            ));
        }
        Err(_) => {
            return Err(RequestError::field(
                "preset",
                format!("There is no encoding preset {preset}."),
                "Choose one of LiveKit's presets.",
            ));
        }
    })
}

/// A checked option, or the default where it is 0.
fn or(asked: i32, default: u32) -> u32 {
    u32::try_from(asked).ok().filter(|&asked| asked > 0).unwrap_or(default)
}

fn check(options: &EncodingOptions) -> Result<(), RequestError> {
    for (field, side) in [("width", options.width), ("height", options.height)] {
        if side != 0 && (!(16..=MAX_SIDE).contains(&side) || side % 2 != 0) {
            return Err(RequestError::field(
                field,
                format!(
                    "The picture's {field} must be an even number from 16 to {MAX_SIDE}, and it is {side}."
                ),
                "Choose another picture size.",
            ));
        }
    }
    if !matches!(options.depth, 0 | 8 | 16 | 24) {
        return Err(RequestError::field(
            "depth",
            format!("The colour depth must be 8, 16 or 24, and it is {}.", options.depth),
            "Leave the colour depth out.",
        ));
    }
    in_range("framerate", "frame rate", options.framerate, MAX_FRAMERATE, "frames a second")?;
    in_range("video_bitrate", "picture's bit rate", options.video_bitrate, MAX_VIDEO_KBPS, "kbit/s")?;
    in_range("audio_bitrate", "sound's bit rate", options.audio_bitrate, MAX_AUDIO_KBPS, "kbit/s")?;
    if options.audio_frequency != 0 && !SAMPLE_RATES_HZ.contains(&options.audio_frequency) {
        return Err(RequestError::field(
            "audio_frequency",
            format!("Sound cannot be written at {} samples a second.", options.audio_frequency),
            "Choose 44100 or 48000.",
        ));
    }
    let interval = options.key_frame_interval;
    if !(0.0..=MAX_KEY_FRAME_INTERVAL_S).contains(&interval) {
        return Err(RequestError::field(
            "key_frame_interval",
            format!(
                "The time between keyframes must be from 0 to {MAX_KEY_FRAME_INTERVAL_S} s, and it is {interval}."
            ),
            "Leave it at 0 for the default.",
        ));
    }
    Ok(())
}

fn in_range(field: &'static str, shown: &str, value: i32, max: i32, unit: &str) -> Result<(), RequestError> {
    if (0..=max).contains(&value) {
        return Ok(());
    }
    Err(RequestError::field(
        field,
        format!("The {shown} must be from 1 to {max} {unit}, and it is {value}."),
        "Correct it, or leave it at 0 for the default.",
    ))
}

fn asked_video_codec(options: &EncodingOptions) -> Result<Option<VideoCodec>, RequestError> {
    Ok(match proto::VideoCodec::try_from(options.video_codec) {
        Ok(proto::VideoCodec::DefaultVc) => None,
        Ok(proto::VideoCodec::H264Baseline) => Some(VideoCodec::H264Baseline),
        Ok(proto::VideoCodec::H264Main) => Some(VideoCodec::H264Main),
        Ok(proto::VideoCodec::H264High) => Some(VideoCodec::H264High),
        Ok(proto::VideoCodec::Vp8) => Some(VideoCodec::Vp8),
        Err(_) => {
            return Err(RequestError::field(
                "video_codec",
                format!("There is no video codec {}.", options.video_codec),
                "Choose one of LiveKit's video codecs, or leave it out.",
            ));
        }
    })
}

fn asked_audio_codec(options: &EncodingOptions) -> Result<Option<AudioCodec>, RequestError> {
    Ok(match proto::AudioCodec::try_from(options.audio_codec) {
        Ok(proto::AudioCodec::DefaultAc) => None,
        Ok(proto::AudioCodec::Opus) => Some(AudioCodec::Opus),
        Ok(proto::AudioCodec::Aac) => Some(AudioCodec::Aac),
        Ok(proto::AudioCodec::AcMp3) => Some(AudioCodec::Mp3),
        Err(_) => {
            return Err(RequestError::field(
                "audio_codec",
                format!("There is no audio codec {}.", options.audio_codec),
                "Choose one of LiveKit's audio codecs, or leave it out.",
            ));
        }
    })
}

fn audio_encoding(codec: AudioCodec, options: &EncodingOptions) -> Result<AudioEncoding, RequestError> {
    let sample_rate_hz = match codec {
        AudioCodec::Opus => OPUS_SAMPLE_RATE_HZ,
        AudioCodec::Aac | AudioCodec::Mp3 => or(options.audio_frequency, AUDIO_SAMPLE_RATE_HZ),
    };
    let kbps = options.audio_bitrate;
    let rates = if sample_rate_hz >= 32_000 { MP3_KBPS } else { MP3_LOW_KBPS };
    if codec == AudioCodec::Mp3 && kbps != 0 && !rates.contains(&kbps) {
        let rates: Vec<String> = rates.iter().map(i32::to_string).collect();
        return Err(RequestError::field(
            "audio_bitrate",
            format!("MP3 has no bit rate of {kbps} kbit/s."),
            format!("Choose one of {}.", rates.join(", ")),
        ));
    }
    Ok(AudioEncoding { codec, bitrate_bps: or(kbps, AUDIO_BITRATE_BPS / 1000) * 1000, sample_rate_hz })
}
