//! A validated job: what a `tallylight-job` process is asked to do. It holds no secret; the room token
//! travels beside it ([`crate::wire::Launch`]).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::id::{EgressId, OutputId, TrackId};
use crate::layout::Layout;
use crate::names::LaunchNames;
use crate::roster::ParticipantKind;

/// One `tallylight-job` process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobSpec {
    /// The job's id, and its identity in the room.
    pub egress_id: EgressId,
    /// WebSocket or HTTP address of the LiveKit server; empty for a web page, which needs none.
    pub url: String,
    /// The room to join; empty for a web page.
    pub room_name: String,
    /// The room's sid where it is known beforehand: a page joins without telling. Otherwise empty.
    #[serde(default)]
    pub room_sid: String,
    /// How often its request was tried before, by a LiveKit server's word.
    #[serde(default)]
    pub retry: u32,
    /// What its outputs are called, as far as that is known beforehand.
    #[serde(default)]
    pub names: LaunchNames,
    /// What to do there.
    pub task: Task,
}

/// What a job process does in its room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Watches the room for the window: roster, levels, thumbnails. Writes nothing.
    Monitor(MonitorSpec),
    /// Takes a source to outputs.
    Egress(EgressSpec),
}

/// How the monitor shows a room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MonitorSpec {
    /// Largest width of a thumbnail, pixels; the height follows the picture.
    pub thumbnail_width: u32,
    /// Thumbnails a second and track.
    pub thumbnail_fps: u32,
}

/// What is taken, what becomes of it, and where it goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EgressSpec {
    /// What is taken.
    pub source: Source,
    /// Whether it is re-encoded.
    pub treatment: Treatment,
    /// Outputs attached from the start. None: the job is armed, and waits for an attach.
    pub outputs: Vec<OutputSpec>,
    /// What ends the job apart from its source and the operator.
    pub limits: Limits,
}

/// What is taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Tracks of the room.
    Tracks(Selection),
    /// A web page, as Chromium shows it.
    Page(PageSpec),
}

/// A web page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PageSpec {
    /// Which.
    pub address: PageAddress,
    /// Whether recording begins when the page says `START_RECORDING` on its console, and not already when it
    /// has loaded.
    pub await_start_signal: bool,
    /// What to do when it crashes or hangs while it is on.
    pub after_crash: AfterCrash,
}

/// Which page is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageAddress {
    /// A template, which joins the job's room itself: LiveKit's contract (`layout`, `url` and `token` in the
    /// address).
    Template {
        /// Where it is; none for the one that comes with the program.
        base_url: Option<String>,
        /// The layout's name.
        layout: String,
        /// The layout itself, where it is none of the stock ones.
        document: Option<Box<Layout>>,
    },
    /// Any page.
    Web {
        /// `http://` or `https://`.
        url: String,
    },
}

/// What to do when a page crashes or hangs while it is on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum AfterCrash {
    /// Load it again and go on in the same outputs.
    #[default]
    Reload,
    /// End the job; its files are whole.
    End,
}

/// What of a room is taken. A Track egress names its one track in `video` and in `audio`, since the request
/// does not tell of which kind it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Selection {
    /// Where the picture comes from; none for sound alone.
    pub video: Option<VideoSelect>,
    /// Where the sound comes from: the first route that fits a track takes it. Empty for picture alone.
    pub audio: Vec<AudioRoute>,
    /// When the source counts as over.
    pub ends: EndRule,
}

/// Where the picture comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VideoSelect {
    /// One track; over when it is unpublished.
    Track(TrackId),
    /// A person, across unpublish and republish.
    Participant {
        /// Whose.
        identity: String,
        /// Which of their pictures.
        prefer: VideoPreference,
    },
}

/// Which of a person's pictures is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum VideoPreference {
    /// The camera alone.
    Camera,
    /// The shared screen while there is one, the camera otherwise.
    ScreenShare,
}

/// Sends matching sound to a side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AudioRoute {
    /// Which tracks.
    pub from: AudioSelect,
    /// To which side.
    pub channel: AudioChannel,
}

/// Which sound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AudioSelect {
    /// Everything audible in the room.
    All,
    /// One track.
    Track(TrackId),
    /// All sound of a person.
    Participant(String),
    /// A person's sound without that of their shared screen.
    Voice(String),
    /// All sound of participants of one kind.
    Kind(ParticipantKind),
}

/// Where a track is heard: LiveKit's `AudioChannel`, and one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AudioChannel {
    /// Both sides.
    Both,
    /// Left alone.
    Left,
    /// Right alone.
    Right,
    /// Left or right alone, each track on the side that the one before it is not on: the first left. In no route of
    /// LiveKit's; its room composites have it (`DUAL_CHANNEL_ALTERNATE`).
    Alternate,
}

/// When the source of a job counts as over (the room's end always ends it).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndRule {
    /// With the last of the selected tracks.
    TracksGone,
    /// When this person leaves.
    ParticipantLeaves(String),
    /// Only with the room, or by hand.
    RoomEnds,
}

/// What happens to the media on the way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Treatment {
    /// Packets as published, in a container that carries them.
    Passthrough,
    /// Decoded, fitted and encoded.
    Encode {
        /// Picture; none for sound alone.
        video: Option<VideoEncoding>,
        /// Sound; none for picture alone.
        audio: Option<AudioEncoding>,
    },
}

/// How the picture is encoded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct VideoEncoding {
    /// Which codec.
    pub codec: VideoCodec,
    /// Pixels, even.
    pub width: u32,
    /// Pixels, even.
    pub height: u32,
    /// Frames a second.
    pub framerate: u32,
    /// Target, bits a second.
    pub bitrate_bps: u32,
    /// Seconds between keyframes; none: at most two, so that a crash loses little.
    pub key_frame_interval_s: Option<f64>,
}

/// Video codecs a job can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum VideoCodec {
    /// H.264, Baseline profile.
    H264Baseline,
    /// H.264, Main profile.
    H264Main,
    /// H.264, High profile.
    H264High,
    /// VP8.
    Vp8,
    /// VP9.
    Vp9,
}

/// How the sound is encoded. Always stereo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct AudioEncoding {
    /// Which codec.
    pub codec: AudioCodec,
    /// Target, bits a second.
    pub bitrate_bps: u32,
    /// Samples a second; Opus is always 48000.
    pub sample_rate_hz: u32,
}

/// Audio codecs a job can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum AudioCodec {
    /// AAC-LC.
    Aac,
    /// Opus.
    Opus,
    /// MPEG-1 layer 3.
    Mp3,
}

/// Where the media goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputSpec {
    /// Names the output in commands and facts.
    pub id: OutputId,
    /// What it is.
    pub kind: OutputKind,
}

/// What an output is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputKind {
    /// One file on the local disk.
    File(FileOutput),
    /// A live stream to a server.
    Stream(StreamOutput),
    /// Segments and playlists of HLS, in a folder on the local disk.
    Segments(SegmentsOutput),
    /// An image every so often, in a folder on the local disk.
    Images(ImagesOutput),
    /// Sound, as it is heard, over a WebSocket.
    WebSocket(WebSocketOutput),
}

/// Segments and playlists of HLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentsOutput {
    /// The folder that names are taken relative to. A name cannot lead out of it.
    pub folder: PathBuf,
    /// Template of what the names of segments begin with; empty for the playlist's name.
    #[serde(default)]
    pub prefix: String,
    /// Template of the playlist's name; empty for the prefix, or for the default name.
    #[serde(default)]
    pub playlist: String,
    /// Template of the name of the playlist that holds the newest segments alone; empty for none.
    #[serde(default)]
    pub live_playlist: String,
    /// What the names of segments end with.
    #[serde(default)]
    pub suffix: SegmentSuffix,
    /// What a segment is.
    #[serde(default)]
    pub kind: SegmentKind,
    /// Length of a segment, ms.
    pub duration_ms: u32,
    /// Whether `<egress_id>.json` is written beside the playlist.
    pub manifest: bool,
}

/// What a segment is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum SegmentKind {
    /// MPEG-TS, `.ts`: whole on its own, and what LiveKit writes.
    #[default]
    MpegTs,
    /// Fragments of MP4, `.m4s`, with what they have in common in a file of its own.
    Fmp4,
}

/// What the names of segments end with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum SegmentSuffix {
    /// `_00000`, counted.
    #[default]
    Index,
    /// The time of their first picture, UTC: `_20060102150405000`.
    Timestamp,
}

/// An image every so often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImagesOutput {
    /// The folder that names are taken relative to. A name cannot lead out of it.
    pub folder: PathBuf,
    /// Template of what the names begin with; empty or ending in `/` for the default name.
    #[serde(default)]
    pub prefix: String,
    /// What the names end with.
    #[serde(default)]
    pub suffix: ImageSuffix,
    /// Time from one image to the next, ms.
    pub interval_ms: u32,
    /// Pixels; none for the program's, or for what the height and its shape make.
    #[serde(default)]
    pub width: Option<u32>,
    /// Pixels; none for the program's, or for what the width and its shape make.
    #[serde(default)]
    pub height: Option<u32>,
    /// Whether `<egress_id>.json` is written beside the images.
    pub manifest: bool,
}

/// What the names of images end with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ImageSuffix {
    /// `_00000`, counted.
    #[default]
    Index,
    /// Their time, UTC: `_20060102150405000`.
    Timestamp,
    /// Nothing: each takes the place of the one before.
    Overwrite,
}

/// Sound over a WebSocket. Where exactly it goes travels beside the specification ([`crate::wire::Secret`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebSocketOutput {
    /// Where to, as it may be shown.
    pub address: String,
    /// What is sent.
    #[serde(default)]
    pub format: SoundFormat,
}

/// Samples of 16 bits, little-endian, interleaved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum SoundFormat {
    /// 48000 a second, two channels: LiveKit's.
    #[default]
    Stereo48k,
    /// 16000 a second, one channel: what services that write down speech want.
    Mono16k,
}

/// A live stream to a server. Where exactly it goes, with its key, travels beside the specification
/// ([`crate::wire::Secret`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamOutput {
    /// How it is sent.
    pub protocol: StreamProtocol,
    /// Where to, as it may be shown: key, passphrase and tokens are taken out.
    pub address: String,
    /// RTMPS: whether any certificate is taken, as of a server of one's own.
    #[serde(default)]
    pub any_certificate: bool,
}

/// How a stream is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum StreamProtocol {
    /// RTMP, and RTMPS, which is RTMP over TLS.
    Rtmp,
    /// SRT, as caller.
    Srt,
    /// A WebSocket, with sound alone.
    Websocket,
}

/// One file on the local disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileOutput {
    /// The folder that the name is taken relative to. A name cannot lead out of it.
    pub folder: PathBuf,
    /// File-name template (`{room_name}`, `{time}`, …); empty or ending in `/` for the default name.
    /// The job resolves it when it knows the tracks.
    pub name: String,
    /// The container, or the one that fits the codecs best.
    pub container: Option<Container>,
    /// Whether `<egress_id>.json` is written beside the file.
    pub manifest: bool,
    /// It is a small proxy of another file, with an encode of its own; none for what the job is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<ProxyEncoding>,
    /// It takes what is published as it is, also where the job encodes: picture, and the first of its sounds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub as_published: bool,
}

impl FileOutput {
    /// What becomes of the media on its way into this file, in a job with this treatment.
    pub fn treatment<'a>(&self, of_job: &'a Treatment) -> &'a Treatment {
        if self.as_published { &Treatment::Passthrough } else { of_job }
    }
}

/// A small picture beside a master, for cutting and for looking at: MP4, H.264 and AAC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyEncoding {
    /// The master, whose name it takes, and with which it begins.
    pub of: OutputId,
    /// Pixels, even; the width follows the program's shape. It is never larger than the program.
    pub height: u32,
    /// Target of the picture, bits a second; none for what the size makes.
    pub bitrate_bps: Option<u32>,
}

/// File containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Container {
    /// MP4.
    Mp4,
    /// WebM.
    Webm,
    /// Ogg.
    Ogg,
    /// MP3, a bare stream with a Xing header.
    Mp3,
}

/// What ends a job apart from its source and the operator.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Longest run, seconds.
    pub max_duration_s: Option<u64>,
    /// Largest file, bytes.
    pub max_size_bytes: Option<u64>,
}
