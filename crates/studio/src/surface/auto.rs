//! Auto egress: what is recorded by itself as soon as a room appears.

use egress::error::ApiError;
use egress::id::{ProjectId, RuleId};
use egress::request::{Preset, UploadRequest};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A rule: rooms of a project whose names fit are recorded from when they appear.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct AutoRule {
    /// Ours.
    pub id: RuleId,
    /// The project whose rooms it is about. It works while that project is open.
    pub project_id: ProjectId,
    /// What is recorded of which rooms.
    pub what: AutoEgress,
    /// Why its last start failed, if so; none again once one has come off.
    pub trouble: Option<ApiError>,
}

/// What a rule is about, as the operator sets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct AutoEgress {
    /// Which rooms: their name, in which `*` stands for any characters and `?` for one. Case counts.
    pub rooms: String,
    /// What of them.
    pub parts: AutoParts,
    /// In which size and quality, where it is encoded; tracks stay as they are published.
    pub preset: Preset,
    /// Where the files go besides; none: they stay in the folder of recordings.
    pub upload: Option<UploadRequest>,
    /// Whether it is in force.
    pub on: bool,
}

/// What of a room is recorded by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum AutoParts {
    /// The whole room in a layout, once the room is there (Room composite egress).
    RoomComposite {
        /// The layout's name.
        layout: String,
    },
    /// Each person, once they publish something (Participant egress).
    Participants,
    /// Each track, exactly as it is published (Track egress).
    Tracks,
}

/// What a rule has started a job for: once for each, however often the studio is started.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
pub struct AutoStart {
    /// By which rule.
    pub rule: RuleId,
    /// In which room: its sid, which a room of the same name that is opened later does not have.
    pub room_sid: String,
    /// A person's sid, new with each time they join, or a track's; empty for the whole room.
    pub of: String,
}

/// A room to create on the server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
pub struct RoomInput {
    /// Its name.
    pub name: String,
    /// For how long it stays while nobody is in it, s; none: as the server has it.
    pub empty_timeout_s: Option<u32>,
    /// What the server has LiveKit's egress service record of it by itself; none: nothing.
    pub egress: Option<RoomEgress>,
}

/// Auto egress by the server: the `egress` block of `CreateRoom`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
pub struct RoomEgress {
    /// What of it.
    pub parts: AutoParts,
    /// File-name template there; empty for the default name.
    pub name: String,
    /// In which size and quality, where it is encoded.
    pub preset: Preset,
    /// The saved storage that the files go to; none: where the service is configured to put them.
    pub storage: Option<egress::id::StorageId>,
}
