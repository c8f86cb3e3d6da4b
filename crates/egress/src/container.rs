//! Which container carries which codecs, and which is taken where none was asked for.

use crate::error::{ApiError, ErrorCode, Fault};
use crate::filename::kind_name;
use crate::roster::TrackKind;
use crate::spec::{AudioCodec, Container, Treatment, VideoCodec};

/// The container as LiveKit's error messages name it.
fn format_name(container: Container) -> &'static str {
    match container {
        Container::Mp4 => "video/mp4",
        Container::Webm => "video/webm",
        Container::Ogg => "audio/ogg",
        Container::Mp3 => "audio/mpeg",
    }
}

/// The container as a producer knows it.
fn shown(container: Container) -> &'static str {
    match container {
        Container::Mp4 => "MP4",
        Container::Webm => "WebM",
        Container::Ogg => "OGG",
        Container::Mp3 => "MP3",
    }
}

/// The codec as a producer knows it.
fn codec_shown(codec: &str) -> String {
    match codec {
        "h264" => "H.264".to_owned(),
        "h265" => "H.265".to_owned(),
        "opus" => "Opus".to_owned(),
        "pcmu" => "G.711 µ-law".to_owned(),
        "pcma" => "G.711 A-law".to_owned(),
        other => other.to_uppercase(),
    }
}

/// Whether a codec goes into a container as it is. Names as in [`crate::fact::TrackFacts::codec`], and
/// `aac` and `mp3`.
///
/// G.711 (`pcmu`, `pcma`) goes into none of them.
pub fn carries(container: Container, codec: &str) -> bool {
    match container {
        Container::Mp4 => matches!(codec, "h264" | "h265" | "av1" | "aac" | "opus"),
        Container::Webm => matches!(codec, "vp8" | "vp9" | "opus"),
        Container::Ogg => codec == "opus",
        Container::Mp3 => codec == "mp3",
    }
}

/// Whether a codec is one of telephony that no container here carries. Alone in a Track egress it is
/// decoded and written as Opus, as LiveKit does.
pub fn is_g711(codec: &str) -> bool {
    matches!(codec, "pcmu" | "pcma")
}

/// The name of a codec in [`carries`].
pub fn video_codec_name(codec: VideoCodec) -> &'static str {
    match codec {
        VideoCodec::H264Baseline | VideoCodec::H264Main | VideoCodec::H264High => "h264",
        VideoCodec::Vp8 => "vp8",
        VideoCodec::Vp9 => "vp9",
    }
}

/// The name of a codec in [`carries`].
pub fn audio_codec_name(codec: AudioCodec) -> &'static str {
    match codec {
        AudioCodec::Aac => "aac",
        AudioCodec::Opus => "opus",
        AudioCodec::Mp3 => "mp3",
    }
}

/// The container for a file.
///
/// `received` names the codecs that come in, as in [`crate::fact::TrackFacts::codec`]; only passthrough
/// looks at them, and there is at least one then.
///
/// # Errors
/// The requested container does not carry the codecs, no container carries them together, or nothing is
/// received.
pub fn choose(
    requested: Option<Container>,
    treatment: &Treatment,
    received: &[&str],
) -> Result<Container, ApiError> {
    match treatment {
        Treatment::Passthrough => passthrough(requested, received),
        Treatment::Encode { video, audio } => {
            let video = video.as_ref().map(|video| Some(video.codec));
            let audio = audio.as_ref().map(|audio| Some(audio.codec));
            Ok(encode(requested, video, audio)?.container)
        }
    }
}

/// The container for what is received, untouched.
fn passthrough(requested: Option<Container>, received: &[&str]) -> Result<Container, ApiError> {
    if received.is_empty() {
        // Nothing fits everywhere; a guess would be an Ogg around a picture that comes later.
        return Err(ApiError::new(
            ErrorCode::Internal,
            Fault::Ours,
            "The file format was to be chosen before anything was received.",
            "Record again, and report this if it happens again.",
        )
        .retryable());
    }
    if let [codec] = received
        && is_g711(codec)
    {
        return match requested {
            None | Some(Container::Ogg) => Ok(Container::Ogg),
            Some(other) => Err(cannot_carry(other, received)),
        };
    }
    let fits = |container: Container| received.iter().all(|codec| carries(container, codec));
    if let Some(requested) = requested {
        return if fits(requested) { Ok(requested) } else { Err(cannot_carry(requested, received)) };
    }
    // Sound alone belongs into an Ogg, although the others would take it.
    [Container::Ogg, Container::Mp4, Container::Webm].into_iter().find(|&container| fits(container)).ok_or_else(
        || {
            ApiError::new(
                ErrorCode::Unsupported,
                Fault::Input,
                format!("No file format carries {} together as published.", list(received)),
                "Choose a preset, so that the picture and the sound are re-encoded, or record each track on its own.",
            )
            .with_detail("no supported codec is compatible with all outputs")
        },
    )
}

fn cannot_carry(container: Container, received: &[&str]) -> ApiError {
    let strange: Vec<&str> = received.iter().copied().filter(|codec| !carries(container, codec)).collect();
    ApiError::new(
        ErrorCode::Unsupported,
        Fault::Input,
        format!("{} files cannot carry {} as published.", shown(container), list(&strange)),
        "Leave the file format open, so that the one that fits is taken, or choose a preset to re-encode.",
    )
    .with_detail(format!(
        "format {} incompatible with codec {}",
        format_name(container),
        strange.first().copied().unwrap_or_default()
    ))
}

fn list(codecs: &[&str]) -> String {
    let names: Vec<String> = codecs.iter().map(|codec| codec_shown(codec)).collect();
    names.join(" and ")
}

/// A container and the codecs that go into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodeChoice {
    /// The container.
    pub container: Container,
    /// None for sound alone.
    pub video: Option<VideoCodec>,
    /// None for picture alone.
    pub audio: Option<AudioCodec>,
}

/// The container and the codecs of an encode. For `video` and `audio`, the outer option says whether
/// there is any, the inner one which codec was asked for.
///
/// # Errors
/// A codec that was asked for does not go into the container.
pub fn encode(
    requested: Option<Container>,
    video: Option<Option<VideoCodec>>,
    audio: Option<Option<AudioCodec>>,
) -> Result<EncodeChoice, Incompatible> {
    let container = requested.unwrap_or_else(|| default_container(video, audio));
    let video = match video {
        None => None,
        Some(asked) => {
            let codec = asked.or(default_video(container)).unwrap_or(VideoCodec::H264Main);
            if !carries(container, video_codec_name(codec)) {
                return Err(Incompatible {
                    container,
                    kind: TrackKind::Video,
                    codec: video_codec_name(codec),
                });
            }
            Some(codec)
        }
    };
    let audio = match audio {
        None => None,
        Some(asked) => {
            let codec = asked.unwrap_or(default_audio(container));
            if !carries(container, audio_codec_name(codec)) {
                return Err(Incompatible {
                    container,
                    kind: TrackKind::Audio,
                    codec: audio_codec_name(codec),
                });
            }
            Some(codec)
        }
    };
    Ok(EncodeChoice { container, video, audio })
}

/// Sound alone: OGG, or what carries the codec. With picture: MP4, unless a WebM codec was asked for.
fn default_container(video: Option<Option<VideoCodec>>, audio: Option<Option<AudioCodec>>) -> Container {
    match (video, audio) {
        (Some(Some(VideoCodec::Vp8 | VideoCodec::Vp9)), _) => Container::Webm,
        (Some(_), _) => Container::Mp4,
        (None, Some(Some(AudioCodec::Aac))) => Container::Mp4,
        (None, Some(Some(AudioCodec::Mp3))) => Container::Mp3,
        (None, _) => Container::Ogg,
    }
}

fn default_video(container: Container) -> Option<VideoCodec> {
    match container {
        Container::Mp4 => Some(VideoCodec::H264Main),
        Container::Webm => Some(VideoCodec::Vp8),
        Container::Ogg | Container::Mp3 => None,
    }
}

fn default_audio(container: Container) -> AudioCodec {
    match container {
        Container::Mp4 => AudioCodec::Aac,
        Container::Webm | Container::Ogg => AudioCodec::Opus,
        Container::Mp3 => AudioCodec::Mp3,
    }
}

/// A codec that was asked for and does not go into the container. Displays as LiveKit words it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("format {} incompatible with codec {}", format_name(*.container), mime(*.kind, .codec))]
pub struct Incompatible {
    /// The container.
    pub container: Container,
    /// Whether it is the picture or the sound.
    pub kind: TrackKind,
    /// The codec, as in [`carries`].
    pub codec: &'static str,
}

fn mime(kind: TrackKind, codec: &str) -> String {
    let subtype = if codec == "mp3" { "mpeg" } else { codec };
    format!("{}/{subtype}", kind_name(kind))
}

impl From<Incompatible> for ApiError {
    fn from(error: Incompatible) -> Self {
        let Incompatible { container, kind, codec } = error;
        let (message, remedy) = match (kind, container) {
            (TrackKind::Video, Container::Ogg | Container::Mp3) => (
                format!("{} files hold sound only, and there is a picture to record.", shown(container)),
                "Choose MP4 or WebM, or record the sound alone.",
            ),
            _ => (
                format!("{} files do not hold {}.", shown(container), codec_shown(codec)),
                "Choose another file format, or leave the codec open.",
            ),
        };
        ApiError::new(ErrorCode::InvalidArgument, Fault::Input, message, remedy).with_detail(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_published(requested: Option<Container>, received: &[&str]) -> Result<Container, ApiError> {
        choose(requested, &Treatment::Passthrough, received)
    }

    #[test]
    fn tracks_go_where_they_fit() {
        for (codec, container) in [
            ("h264", Container::Mp4),
            ("h265", Container::Mp4),
            ("av1", Container::Mp4),
            ("vp8", Container::Webm),
            ("vp9", Container::Webm),
            ("opus", Container::Ogg),
            ("pcmu", Container::Ogg),
            ("pcma", Container::Ogg),
        ] {
            assert_eq!(as_published(None, &[codec]), Ok(container), "{codec}");
        }
    }

    #[test]
    fn pairs_go_where_both_fit() {
        assert_eq!(as_published(None, &["h264", "opus"]), Ok(Container::Mp4));
        assert_eq!(as_published(None, &["opus", "av1"]), Ok(Container::Mp4));
        assert_eq!(as_published(None, &["vp8", "opus"]), Ok(Container::Webm));
        assert_eq!(as_published(None, &["vp9", "opus"]), Ok(Container::Webm));
        assert_eq!(as_published(Some(Container::Mp4), &["opus"]), Ok(Container::Mp4));
    }

    #[test]
    fn what_fits_nowhere_is_named() {
        let error = as_published(None, &["h264", "pcmu"]).unwrap_err();
        assert_eq!(error.message, "No file format carries H.264 and G.711 µ-law together as published.");
        assert_eq!((error.code, error.fault), (ErrorCode::Unsupported, Fault::Input));
        let error = as_published(Some(Container::Mp4), &["vp8", "opus"]).unwrap_err();
        assert_eq!(error.message, "MP4 files cannot carry VP8 as published.");
        assert_eq!(error.detail, "format video/mp4 incompatible with codec vp8");
        assert!(as_published(Some(Container::Mp4), &["pcmu"]).is_err());
        assert!(as_published(None, &["vp8", "h264"]).is_err());
        assert_eq!(as_published(None, &[]).unwrap_err().code, ErrorCode::Internal);
    }

    #[test]
    fn the_codec_matrix() {
        let takes =
            |container, video, audio| encode(Some(container), Some(Some(video)), Some(Some(audio))).is_ok();
        use AudioCodec::{Aac, Mp3, Opus};
        use VideoCodec::{H264Baseline, H264High, H264Main, Vp8, Vp9};
        for container in [Container::Mp4, Container::Webm, Container::Ogg, Container::Mp3] {
            for video in [H264Baseline, H264Main, H264High, Vp8, Vp9] {
                for audio in [Aac, Opus, Mp3] {
                    let h264 = !matches!(video, Vp8 | Vp9);
                    let right = match container {
                        Container::Mp4 => h264 && audio != Mp3,
                        Container::Webm => !h264 && audio == Opus,
                        Container::Ogg | Container::Mp3 => false,
                    };
                    assert_eq!(takes(container, video, audio), right, "{container:?} {video:?} {audio:?}");
                }
            }
        }
    }

    #[test]
    fn defaults() {
        let choose = |container, video, audio| {
            let choice = encode(container, video, audio).unwrap();
            (choice.container, choice.video, choice.audio)
        };
        let (any_video, any_audio) = (Some(None), Some(None));
        use Container::{Mp3, Mp4, Ogg, Webm};
        let (main, vp8) = (Some(VideoCodec::H264Main), Some(VideoCodec::Vp8));
        let (aac, opus, mp3) = (Some(AudioCodec::Aac), Some(AudioCodec::Opus), Some(AudioCodec::Mp3));
        assert_eq!(choose(None, any_video, any_audio), (Mp4, main, aac));
        assert_eq!(choose(None, any_video, None), (Mp4, main, None));
        assert_eq!(choose(None, None, any_audio), (Ogg, None, opus));
        assert_eq!(choose(None, None, Some(aac)), (Mp4, None, aac));
        assert_eq!(choose(None, None, Some(mp3)), (Mp3, None, mp3));
        assert_eq!(choose(None, any_video, Some(opus)), (Mp4, main, opus));
        assert_eq!(choose(None, Some(vp8), any_audio), (Webm, vp8, opus));
        assert_eq!(choose(Some(Webm), any_video, any_audio), (Webm, vp8, opus));
        assert_eq!(choose(Some(Mp3), None, any_audio), (Mp3, None, mp3));
    }

    #[test]
    fn refusals_say_it_in_livekits_words_too() {
        let detail = |container, video, audio| {
            let error = encode(container, video, audio).unwrap_err();
            let text = error.to_string();
            assert_eq!(ApiError::from(error).detail, text);
            text
        };
        assert_eq!(
            detail(Some(Container::Mp3), Some(None), Some(None)),
            "format audio/mpeg incompatible with codec video/h264"
        );
        assert_eq!(
            detail(Some(Container::Ogg), None, Some(Some(AudioCodec::Mp3))),
            "format audio/ogg incompatible with codec audio/mpeg"
        );
        assert_eq!(
            detail(None, Some(None), Some(Some(AudioCodec::Mp3))),
            "format video/mp4 incompatible with codec audio/mpeg"
        );
    }
}
