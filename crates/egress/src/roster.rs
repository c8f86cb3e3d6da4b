//! Who is in a room and what they publish.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::id::TrackId;

/// Everybody in a room that other people can see. A change is sent as a whole roster: at 100 people it
/// is some 40 kB, and a fold that cannot drift is worth more than the bytes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
pub struct Roster {
    /// The room's server-side id, `RM_…`. Empty until joined.
    pub room_sid: String,
    /// The room's name.
    pub room_name: String,
    /// Whether a recorder is in the room, as its people are told.
    pub active_recording: bool,
    /// Sorted by join time, then identity.
    pub participants: Vec<Participant>,
}

/// A room of a project, as the server lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct RoomSummary {
    /// `RM_…`
    pub sid: String,
    /// The room's name.
    pub name: String,
    /// Visible participants.
    pub num_participants: u32,
    /// Participants who publish.
    pub num_publishers: u32,
    /// Unix time, ms.
    #[ts(type = "number")]
    pub created_at_ms: i64,
    /// Whether a recorder is in the room.
    pub active_recording: bool,
}

/// One person, agent or device in the room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Participant {
    /// Server-side id, `PA_…`; a new one for every join.
    pub sid: String,
    /// Chosen by the application, unique in the room.
    pub identity: String,
    /// Shown name; may be empty.
    pub name: String,
    /// What kind of participant it is.
    pub kind: ParticipantKind,
    /// Unix time, ms.
    #[ts(type = "number")]
    pub joined_at_ms: i64,
    /// Whether the server counts them as speaking now.
    pub speaking: bool,
    /// How well they are connected.
    pub connection: ConnectionQuality,
    /// What they publish, in order of publication.
    pub tracks: Vec<Track>,
}

/// LiveKit's `ParticipantInfo.Kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ParticipantKind {
    /// A person in a browser or an app.
    Standard,
    /// Published by LiveKit Ingress.
    Ingress,
    /// A recorder.
    Egress,
    /// A telephone.
    Sip,
    /// A program.
    Agent,
    /// A connector to another calling service.
    Connector,
    /// A bridge to another system.
    Bridge,
}

/// LiveKit's `ConnectionQuality`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionQuality {
    /// Not told yet.
    Unknown,
    /// Losing much.
    Poor,
    /// Losing some.
    Good,
    /// As it should be.
    Excellent,
    /// Gone for the moment; the server waits for a reconnect.
    Lost,
}

/// One published track.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Track {
    /// Server-side id, `TR_…`.
    pub sid: TrackId,
    /// The publisher's name for it; may be empty.
    pub name: String,
    /// Sound or picture.
    pub kind: TrackKind,
    /// What it shows.
    pub source: TrackSource,
    /// As published, lower case, without `video/` or `audio/`: `h264`, `vp8`, `opus`, `red`. Empty while
    /// unknown.
    pub codec: String,
    /// Pixels of the largest layer; 0 while unknown, and for sound.
    pub width: u32,
    /// Pixels of the largest layer; 0 while unknown, and for sound.
    pub height: u32,
    /// Simulcast layers, smallest first; one or none where there is no simulcast.
    pub layers: Vec<Layer>,
    /// Whether the publisher has muted it.
    pub muted: bool,
    /// Whether it is end-to-end encrypted, so that a recorder hears and sees nothing.
    pub encrypted: bool,
}

/// Sound or picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum TrackKind {
    /// Sound.
    Audio,
    /// Picture.
    Video,
}

/// LiveKit's `TrackSource`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum TrackSource {
    /// Not told.
    Unknown,
    /// A camera.
    Camera,
    /// A microphone.
    Microphone,
    /// A shared screen.
    ScreenShare,
    /// The sound of a shared screen.
    ScreenShareAudio,
}

/// One simulcast layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Layer {
    /// Which layer.
    pub quality: LayerQuality,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Target bit rate the publisher announced, bits a second; 0 if not told.
    pub bitrate_bps: u32,
}

/// LiveKit's `VideoQuality`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum LayerQuality {
    /// The smallest.
    Low,
    /// The middle one.
    Medium,
    /// The largest.
    High,
}
