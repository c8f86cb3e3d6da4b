//! What each output takes of a job: what is published, encodes of the program, or the program itself. What is decoded
//! and encoded follows from that, and from nothing else.

use egress::spec::{AudioCodec, AudioEncoding, OutputKind, VideoCodec, VideoEncoding};

use crate::encode::set::{Encoding, Key, ProgramId};

/// Seconds between keyframes for servers: LiveKit's for streams.
const KEY_FRAME_INTERVAL_S: f64 = 4.0;
/// What servers get of a picture that is recorded as published: width, height, pictures a second, bit/s.
const PUBLISHED: (u32, u32, u32, u32) = (1280, 720, 30, 3_000_000);
/// The same for sound, bit/s.
const PUBLISHED_SOUND_BPS: u32 = 128_000;

/// What an output takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// What is recorded: as published where the job passes it on, else the encode that was asked for.
    Recorded,
    /// An encode that servers and players of HLS take: H.264 and AAC.
    Broadcast,
    /// The program before any encoder.
    Raw,
}

impl Takes {
    /// What an output of this kind takes.
    pub fn of(kind: &OutputKind) -> Self {
        match kind {
            OutputKind::File(file) if file.proxy.is_some() => Self::Raw,
            OutputKind::File(_) => Self::Recorded,
            OutputKind::Stream(_) | OutputKind::Segments(_) => Self::Broadcast,
            OutputKind::Images(_) | OutputKind::WebSocket(_) => Self::Raw,
        }
    }
}

/// How a medium of a job is recorded.
#[derive(Debug, Clone, PartialEq)]
pub enum Recorded<E> {
    /// There is none of it.
    Not,
    /// As it is published.
    Published,
    /// Encoded.
    Encoded(E),
}

impl<E: Clone> Recorded<E> {
    /// The encode that was asked for.
    pub fn encoding(&self) -> Option<&E> {
        match self {
            Self::Encoded(encoding) => Some(encoding),
            Self::Not | Self::Published => None,
        }
    }

    /// Whether it goes into files as it is published.
    pub fn is_published(&self) -> bool {
        matches!(self, Self::Published)
    }

    /// Whether there is any.
    pub fn is_there(&self) -> bool {
        !matches!(self, Self::Not)
    }
}

/// How picture and sound of a program are recorded.
#[derive(Debug, Clone)]
pub struct Treated {
    /// The picture.
    pub video: Recorded<VideoEncoding>,
    /// The sound.
    pub audio: Recorded<AudioEncoding>,
}

impl Treated {
    /// The encodes that an output takes.
    pub fn keys(&self, takes: Takes, program: ProgramId) -> Vec<Key> {
        let (video, audio) = match takes {
            Takes::Recorded => (self.video.encoding().cloned(), self.audio.encoding().cloned()),
            Takes::Broadcast => (self.broadcast_video(), self.broadcast_audio()),
            Takes::Raw => (None, None),
        };
        let encodings = video.map(Encoding::Video).into_iter().chain(audio.map(Encoding::Audio));
        encodings.map(|encoding| Key { program, encoding }).collect()
    }

    /// Width and height of the program, pixels, and pictures a second; none where it has no picture.
    pub fn picture_size(&self) -> Option<(u32, u32, u32)> {
        match &self.video {
            Recorded::Not => None,
            Recorded::Published => Some((PUBLISHED.0, PUBLISHED.1, PUBLISHED.2)),
            Recorded::Encoded(video) => Some((video.width, video.height, video.framerate)),
        }
    }

    /// The encode that is recorded, where servers take that: its key is the same then, and so is the encoder.
    fn broadcast_video(&self) -> Option<VideoEncoding> {
        use VideoCodec::{H264Baseline, H264High, H264Main};
        let (width, height, framerate, bitrate_bps) = match &self.video {
            Recorded::Not => return None,
            Recorded::Encoded(video) if matches!(video.codec, H264Baseline | H264Main | H264High) => {
                return Some(video.clone());
            }
            Recorded::Encoded(video) => (video.width, video.height, video.framerate, video.bitrate_bps),
            Recorded::Published => PUBLISHED,
        };
        let (codec, key_frame_interval_s) = (H264Main, Some(KEY_FRAME_INTERVAL_S));
        Some(VideoEncoding { codec, width, height, framerate, bitrate_bps, key_frame_interval_s })
    }

    fn broadcast_audio(&self) -> Option<AudioEncoding> {
        let bitrate_bps = match &self.audio {
            Recorded::Not => return None,
            Recorded::Encoded(audio) if audio.codec == AudioCodec::Aac => return Some(audio.clone()),
            Recorded::Encoded(audio) => audio.bitrate_bps,
            Recorded::Published => PUBLISHED_SOUND_BPS,
        };
        Some(AudioEncoding { codec: AudioCodec::Aac, bitrate_bps, sample_rate_hz: 44_100 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AIR: ProgramId = ProgramId(0);

    fn treated(video: VideoCodec, audio: AudioCodec) -> Treated {
        let (width, height, framerate, bitrate_bps) = (640, 360, 25, 1_000_000);
        let key_frame_interval_s = None;
        Treated {
            video: Recorded::Encoded(VideoEncoding {
                codec: video,
                width,
                height,
                framerate,
                bitrate_bps,
                key_frame_interval_s,
            }),
            audio: Recorded::Encoded(AudioEncoding {
                codec: audio,
                bitrate_bps: 64_000,
                sample_rate_hz: 48_000,
            }),
        }
    }

    #[test]
    fn one_encode_serves_files_and_servers_where_servers_take_it() {
        let same = treated(VideoCodec::H264High, AudioCodec::Aac);
        assert_eq!(same.keys(Takes::Recorded, AIR), same.keys(Takes::Broadcast, AIR));
        let other = treated(VideoCodec::Vp8, AudioCodec::Opus);
        let (files, servers) = (other.keys(Takes::Recorded, AIR), other.keys(Takes::Broadcast, AIR));
        assert!(files.len() == 2 && servers.len() == 2 && !files.iter().any(|key| servers.contains(key)));
        let half = treated(VideoCodec::H264Main, AudioCodec::Opus);
        let (files, servers) = (half.keys(Takes::Recorded, AIR), half.keys(Takes::Broadcast, AIR));
        assert_eq!(files[0], servers[0]);
        assert_ne!(files[1], servers[1]);
    }

    #[test]
    fn what_is_recorded_as_published_is_encoded_for_servers_alone() {
        let published = Treated { video: Recorded::Published, audio: Recorded::Published };
        assert!(
            published.keys(Takes::Recorded, AIR).is_empty() && published.keys(Takes::Raw, AIR).is_empty()
        );
        assert_eq!(published.keys(Takes::Broadcast, AIR).len(), 2);
        assert_eq!(published.picture_size(), Some((1280, 720, 30)));
        let sound = Treated { video: Recorded::Not, ..published };
        assert_eq!(sound.keys(Takes::Broadcast, AIR).len(), 1);
        assert_eq!(sound.picture_size(), None);
    }
}
