//! What a caller asks for, before it is checked.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::id::{StorageId, TrackId};
use crate::spec::{AfterCrash, AudioCodec, Container, VideoCodec};

/// What the window's Record button asks for. It becomes a LiveKit egress request and is checked like
/// one that came over the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct RecordRequest {
    /// The room; empty for a web page.
    pub room_name: String,
    /// What of it.
    pub source: RecordSource,
    /// In what form.
    pub format: RecordFormat,
    /// Absolute path of the folder to record into.
    pub folder: String,
    /// File-name template; empty for the default name.
    pub name: String,
    /// Whether a manifest is written beside the file.
    pub manifest: bool,
    /// Segments of HLS besides the file; not of a single track.
    #[serde(default)]
    pub segments: Option<SegmentsRequest>,
    /// Images besides the file; not of a single track.
    #[serde(default)]
    pub images: Option<ImagesRequest>,
    /// Absolute path of a second folder, on another disk, that the same file is written to at the same time. Its name
    /// is the same template; it is not uploaded.
    #[serde(default)]
    pub copy_folder: Option<String>,
    /// A small proxy beside the file; not of a single track, and not of sound alone.
    #[serde(default)]
    pub proxy: Option<ProxyRequest>,
    /// Where the files go besides; none: they stay in their folder.
    #[serde(default)]
    pub upload: Option<UploadRequest>,
}

/// Segments of HLS, in a folder of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SegmentsRequest {
    /// Length of a segment, s, 1 to 600; 0 for 4.
    pub duration_s: u32,
    /// Whether there is a playlist of the newest segments besides that of all.
    pub live_playlist: bool,
    /// Whether segments are fragments of MP4 and not MPEG-TS.
    #[serde(default)]
    pub fmp4: bool,
}

/// A small proxy: the same program at the same times, small enough to cut with, as MP4.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ProxyRequest {
    /// Pixels, even, 90 to 2160; the width follows the shape of the program.
    pub height: u32,
    /// Target of its picture, kilobits a second; none for what its size makes.
    pub video_bitrate_kbps: Option<u32>,
    /// Absolute path of the folder it goes to; none: beside the file.
    pub folder: Option<String>,
}

/// Images, in a folder of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ImagesRequest {
    /// From one to the next, s; 0 for 10.
    pub interval_s: u32,
}

/// Where what is recorded is uploaded to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct UploadRequest {
    /// The saved storage.
    pub storage: StorageId,
    /// The saved storage that takes over where the first fails for good.
    pub backup: Option<StorageId>,
    /// Whether the local files are removed once what is in the storage is verified.
    pub remove_local: bool,
}

/// What is recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum RecordSource {
    /// A person's picture and sound, across republishing (Participant egress).
    Participant {
        /// Whose.
        identity: String,
        /// Show their shared screen while there is one.
        follow_screen_share: bool,
    },
    /// One video and one audio track together (Track composite egress).
    TrackComposite {
        /// The picture, if any.
        video_track_id: Option<TrackId>,
        /// The sound, if any.
        audio_track_id: Option<TrackId>,
    },
    /// One track exactly as published (Track egress).
    Track {
        /// Which.
        track_id: TrackId,
    },
    /// The whole room in a layout (Room composite egress).
    RoomComposite {
        /// The layout's name.
        layout: String,
        /// A template of the operator's own; none for the one that comes with Tallylight.
        base_url: Option<String>,
        /// What of it.
        parts: PageParts,
        /// On which sides people are heard, where it is sound alone and without a template of the operator's own.
        #[serde(default)]
        mixing: Mixing,
        /// What to do when the page crashes.
        after_crash: AfterCrash,
    },
    /// Any web page (Web egress).
    Web {
        /// `http://` or `https://`.
        url: String,
        /// Whether recording begins when the page says `START_RECORDING` on its console, and not already
        /// when it has loaded.
        await_start_signal: bool,
        /// What of it.
        parts: PageParts,
        /// What to do when the page crashes.
        after_crash: AfterCrash,
    },
}

/// What of a page is recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum PageParts {
    /// Picture and sound.
    #[default]
    Both,
    /// Sound alone (`audio_only`).
    Sound,
    /// Picture alone (`video_only`).
    Picture,
}

/// On which sides the people of a room are heard: LiveKit's `AudioMixing`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Mixing {
    /// All on both.
    #[default]
    Together,
    /// Agents left, everybody else right (`DUAL_CHANNEL_AGENT`).
    AgentLeft,
    /// Each track on one side, in turn (`DUAL_CHANNEL_ALTERNATE`).
    Alternate,
}

/// In what form it is recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum RecordFormat {
    /// Packets as published, no re-encoding.
    AsPublished {
        /// The container; none for the one that fits.
        container: Option<Container>,
    },
    /// Re-encoded by a preset.
    Preset {
        /// The container; none for the default.
        container: Option<Container>,
        /// Picture size, rate and quality.
        preset: Preset,
    },
    /// Re-encoded by hand-set options.
    Advanced {
        /// The container; none for the default.
        container: Option<Container>,
        /// The options.
        options: AdvancedOptions,
    },
}

/// LiveKit's `EncodingOptionsPreset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
pub enum Preset {
    /// 1280x720, 30 fps, 3000 kbit/s.
    #[serde(rename = "H264_720P_30")]
    H264720p30,
    /// 1280x720, 60 fps, 4500 kbit/s.
    #[serde(rename = "H264_720P_60")]
    H264720p60,
    /// 1920x1080, 30 fps, 4500 kbit/s.
    #[serde(rename = "H264_1080P_30")]
    H2641080p30,
    /// 1920x1080, 60 fps, 6000 kbit/s.
    #[serde(rename = "H264_1080P_60")]
    H2641080p60,
    /// 720x1280, 30 fps, 3000 kbit/s.
    #[serde(rename = "PORTRAIT_H264_720P_30")]
    Portrait720p30,
    /// 720x1280, 60 fps, 4500 kbit/s.
    #[serde(rename = "PORTRAIT_H264_720P_60")]
    Portrait720p60,
    /// 1080x1920, 30 fps, 4500 kbit/s.
    #[serde(rename = "PORTRAIT_H264_1080P_30")]
    Portrait1080p30,
    /// 1080x1920, 60 fps, 6000 kbit/s.
    #[serde(rename = "PORTRAIT_H264_1080P_60")]
    Portrait1080p60,
}

/// LiveKit's `EncodingOptions`; a zero or an absent value stands for the default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(default)]
pub struct AdvancedOptions {
    /// Pixels, even, at least 16; default 1280.
    pub width: u32,
    /// Pixels, even, at least 16; default 720.
    pub height: u32,
    /// Frames a second; default 30.
    pub framerate: u32,
    /// Target, kilobits a second; default 3000.
    pub video_bitrate_kbps: u32,
    /// Default H.264 Main, or what the container wants.
    pub video_codec: Option<VideoCodec>,
    /// Seconds between keyframes; 0 for the default.
    pub key_frame_interval_s: f64,
    /// Target, kilobits a second; default 128.
    pub audio_bitrate_kbps: u32,
    /// Samples a second; default 44100 (48000 with Opus).
    pub audio_frequency_hz: u32,
    /// Default: what the container wants.
    pub audio_codec: Option<AudioCodec>,
}
