//! What each output takes of a job: what is published, encodes of the program, or the program itself. What is decoded
//! and encoded follows from that, and from nothing else.

use egress::roster::TrackKind;
use egress::spec::{
    AudioCodec, AudioEncoding, FileOutput, OutputKind, ProxyEncoding, Source, Treatment, VideoCodec,
    VideoEncoding,
};

use crate::encode::set::{Encoding, Key, ProgramId};
use crate::job::outputs::stream::Lanes;
use crate::job::programs::Plan;
use crate::job::proxy;
use crate::unit::Lane;

/// What published G.711, which no file format here carries, is encoded with.
const UNFIT_SOUND: AudioEncoding =
    AudioEncoding { codec: AudioCodec::Opus, bitrate_bps: 64_000, sample_rate_hz: 48_000 };

/// The program that is recorded and sent.
pub const AIR: ProgramId = ProgramId(0);

/// Seconds between keyframes for servers: LiveKit's for streams.
const KEY_FRAME_INTERVAL_S: f64 = 4.0;
/// What servers get of a picture that is recorded as published: width, height, pictures a second, bit/s.
const PUBLISHED: (u32, u32, u32, u32) = (1280, 720, 30, 3_000_000);
/// The same for sound, bit/s.
const PUBLISHED_SOUND_BPS: u32 = 128_000;

/// What an output takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Takes {
    /// What is recorded: as published where the job passes it on, else the encode that was asked for.
    Recorded,
    /// What is published, also where the job encodes.
    Published,
    /// An encode that servers and players of HLS take: H.264 and AAC.
    Broadcast,
    /// A small encode, for a proxy of what is recorded.
    Proxy(ProxyEncoding),
    /// The program before any encoder.
    Raw,
}

impl Takes {
    /// What an output of this kind takes.
    pub fn of(kind: &OutputKind) -> Self {
        match kind {
            OutputKind::File(FileOutput { proxy: Some(proxy), .. }) => Self::Proxy(proxy.clone()),
            OutputKind::File(FileOutput { as_published: true, .. }) => Self::Published,
            OutputKind::File(_) => Self::Recorded,
            OutputKind::Stream(_) | OutputKind::Segments(_) => Self::Broadcast,
            OutputKind::Images(_) | OutputKind::WebSocket(_) => Self::Raw,
        }
    }

    /// Whether it takes more of the program than what the job records.
    pub fn more(&self) -> bool {
        !matches!(self, Self::Recorded | Self::Published)
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
    /// As it is published, if there is any.
    fn published(there: bool) -> Self {
        if there { Self::Published } else { Self::Not }
    }

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
    /// Whether its sound is one that no file carries as it is published: files have an encode of it.
    pub sound_unfit: bool,
}

impl Treated {
    /// What was asked for.
    pub fn new(source: &Source, treatment: &Treatment) -> Self {
        match (treatment, source) {
            (Treatment::Encode { video, audio }, _) => Self {
                video: video.clone().map_or(Recorded::Not, Recorded::Encoded),
                audio: audio.clone().map_or(Recorded::Not, Recorded::Encoded),
                sound_unfit: false,
            },
            (Treatment::Passthrough, Source::Tracks(selection)) => Self {
                video: Recorded::published(selection.video.is_some()),
                audio: Recorded::published(!selection.audio.is_empty()),
                sound_unfit: false,
            },
            // Pages are never published; the request says so before.
            (Treatment::Passthrough, Source::Page(_)) => {
                Self { video: Recorded::Published, audio: Recorded::Published, sound_unfit: false }
            }
        }
    }

    /// Its sound is one that no file carries as it is published.
    pub fn unfit(&mut self) {
        self.sound_unfit = true;
        if self.audio.is_published() {
            self.audio = Recorded::Encoded(UNFIT_SOUND);
        }
    }

    /// Whether what an output takes of a lane is what is published.
    pub fn published(&self, takes: &Takes, lane: Lane) -> bool {
        match (takes, lane) {
            (Takes::Published, Lane::Video) => true,
            (Takes::Published, Lane::Audio) => !self.sound_unfit,
            (Takes::Recorded, Lane::Video) => self.video.is_published(),
            (Takes::Recorded, Lane::Audio) => self.audio.is_published(),
            (Takes::Broadcast | Takes::Proxy(_) | Takes::Raw, _) => false,
        }
    }

    /// Of what is published there is this kind and no other.
    pub fn restrict(&mut self, kind: TrackKind) {
        if kind == TrackKind::Video && self.audio.is_published() {
            self.audio = Recorded::Not;
        }
        if kind == TrackKind::Audio && self.video.is_published() {
            self.video = Recorded::Not;
        }
    }

    /// What the program has: what is encoded, and, where an output takes more of it than what is recorded (`taken`), what
    /// is published.
    pub fn plan(&self, taken: bool) -> Plan {
        let has_picture = taken || self.video.encoding().is_some();
        let sound = self.audio.encoding().is_some() || taken && self.audio.is_there();
        Plan { picture: self.picture_size().filter(|_| has_picture), sound }
    }

    /// What servers are sent.
    pub fn lanes(&self) -> Lanes {
        Lanes { video: self.video.is_there(), audio: self.audio.is_there() }
    }

    /// The encodes that an output takes.
    pub fn keys(&self, takes: &Takes, program: ProgramId) -> Vec<Key> {
        let mut begins_with = None;
        let (video, audio) = match takes {
            Takes::Recorded => (self.video.encoding().cloned(), self.audio.encoding().cloned()),
            Takes::Published => (None, self.sound_unfit.then_some(UNFIT_SOUND)),
            Takes::Broadcast => (self.broadcast_video(), self.broadcast_audio()),
            Takes::Proxy(asked) => {
                // What is published is not of the program, and begins when it likes.
                begins_with = self.video.is_published().then(|| asked.of.clone());
                let video = self.picture_size().map(|program| proxy::encoding(asked, program));
                (video, self.audio.is_there().then_some(proxy::SOUND))
            }
            Takes::Raw => (None, None),
        };
        let encodings = video.map(Encoding::Video).into_iter().chain(audio.map(Encoding::Audio));
        encodings.map(|encoding| Key { program, encoding, begins_with: begins_with.clone() }).collect()
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
            sound_unfit: false,
        }
    }

    #[test]
    fn one_encode_serves_files_and_servers_where_servers_take_it() {
        let same = treated(VideoCodec::H264High, AudioCodec::Aac);
        assert_eq!(same.keys(&Takes::Recorded, AIR), same.keys(&Takes::Broadcast, AIR));
        let other = treated(VideoCodec::Vp8, AudioCodec::Opus);
        let (files, servers) = (other.keys(&Takes::Recorded, AIR), other.keys(&Takes::Broadcast, AIR));
        assert!(files.len() == 2 && servers.len() == 2 && !files.iter().any(|key| servers.contains(key)));
        let half = treated(VideoCodec::H264Main, AudioCodec::Opus);
        let (files, servers) = (half.keys(&Takes::Recorded, AIR), half.keys(&Takes::Broadcast, AIR));
        assert_eq!(files[0], servers[0]);
        assert_ne!(files[1], servers[1]);
    }

    #[test]
    fn what_is_recorded_as_published_is_encoded_for_servers_alone() {
        let published =
            Treated { video: Recorded::Published, audio: Recorded::Published, sound_unfit: false };
        assert!(
            published.keys(&Takes::Recorded, AIR).is_empty() && published.keys(&Takes::Raw, AIR).is_empty()
        );
        assert_eq!(published.keys(&Takes::Broadcast, AIR).len(), 2);
        assert_eq!(published.picture_size(), Some((1280, 720, 30)));
        let sound = Treated { video: Recorded::Not, ..published };
        assert_eq!(sound.keys(&Takes::Broadcast, AIR).len(), 1);
        assert_eq!(sound.picture_size(), None);
    }

    #[test]
    fn a_proxy_is_another_encode_and_begins_with_what_is_not_of_its_program() {
        let asked = ProxyEncoding { of: "file".into(), height: 180, bitrate_bps: None };
        let encoded = treated(VideoCodec::H264Main, AudioCodec::Aac);
        let keys = encoded.keys(&Takes::Proxy(asked.clone()), AIR);
        assert!(keys.len() == 2 && keys.iter().all(|key| key.begins_with.is_none()), "{keys:?}");
        assert_eq!(keys[0].encoding, Encoding::Video(proxy::encoding(&asked, (640, 360, 25))));
        let published = Treated { video: Recorded::Published, audio: Recorded::Not, sound_unfit: false };
        let keys = published.keys(&Takes::Proxy(asked), AIR);
        assert!(keys.len() == 1 && keys[0].begins_with == Some("file".into()), "{keys:?}");
    }

    #[test]
    fn the_program_has_what_is_encoded_and_what_is_published_where_an_output_takes_it() {
        let encoded = treated(VideoCodec::H264Main, AudioCodec::Aac);
        let all = Plan { picture: Some((640, 360, 25)), sound: true };
        assert_eq!((encoded.plan(false), encoded.plan(true)), (all, all));
        let mut published =
            Treated { video: Recorded::Published, audio: Recorded::Published, sound_unfit: false };
        assert!(published.plan(false).is_empty());
        assert_eq!(published.plan(true), Plan { picture: Some((1280, 720, 30)), sound: true });
        published.restrict(TrackKind::Audio);
        assert_eq!(published.plan(true), Plan { picture: None, sound: true });
    }

    #[test]
    fn what_is_published_goes_beside_an_encode_and_sound_that_no_file_carries_is_encoded_for_it() {
        let lanes =
            |treated: &Treated, takes| [Lane::Video, Lane::Audio].map(|lane| treated.published(&takes, lane));
        let mut encoded = treated(VideoCodec::H264Main, AudioCodec::Aac);
        assert_eq!(lanes(&encoded, Takes::Published), [true, true]);
        assert_eq!(lanes(&encoded, Takes::Recorded), [false, false]);
        assert!(encoded.keys(&Takes::Published, AIR).is_empty());
        encoded.unfit();
        assert_eq!(lanes(&encoded, Takes::Published), [true, false]);
        assert_eq!(encoded.keys(&Takes::Published, AIR).len(), 1);
        assert_eq!(encoded.keys(&Takes::Recorded, AIR), encoded.keys(&Takes::Broadcast, AIR));
        let mut published =
            Treated { video: Recorded::Published, audio: Recorded::Published, sound_unfit: false };
        assert_eq!(lanes(&published, Takes::Recorded), [true, true]);
        published.unfit();
        assert_eq!(lanes(&published, Takes::Recorded), [true, false]);
        assert_eq!(published.keys(&Takes::Published, AIR), published.keys(&Takes::Recorded, AIR));
    }
}
