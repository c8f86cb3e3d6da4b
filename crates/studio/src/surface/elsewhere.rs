//! Jobs that LiveKit's own egress service runs, for the project that is open; and the local Egress API.

use egress::error::ApiError;
use egress::fact::EgressStatus;
use egress::id::EgressId;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// LiveKit's egress service of the open project.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
pub struct Elsewhere {
    /// Whether there is one.
    pub service: EgressService,
    /// Its jobs that are not over, then those of the last 24 hours, each newest first. Those that run here are not
    /// among them.
    pub jobs: Vec<ElsewhereJob>,
    /// Why the list is not fresh, if so.
    pub error: Option<ApiError>,
}

/// Whether a project has LiveKit's egress service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum EgressService {
    /// Not known yet.
    #[default]
    Unknown,
    /// The server answers that it has none.
    Absent,
    /// The server takes requests for one. Whether a worker of it is free is known when one is made.
    Present,
}

/// A job of LiveKit's egress service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct ElsewhereJob {
    /// `EG_…`
    pub egress_id: EgressId,
    /// Its room; empty for a web page.
    pub room_name: String,
    /// A few words for the source, as of a job here.
    pub title: String,
    /// LiveKit's status.
    pub status: EgressStatus,
    /// The layout that was asked for, of a room composite: `UpdateLayout` can be called for it.
    pub layout: Option<String>,
    /// Unix time, ms; none before it has begun.
    #[ts(type = "number | null")]
    pub started_at_ms: Option<i64>,
    /// Unix time, ms; none while it runs.
    #[ts(type = "number | null")]
    pub ended_at_ms: Option<i64>,
    /// The service's own words for what went wrong; empty: nothing.
    pub error: String,
    /// Where its files, playlists and images are or will be.
    pub files: Vec<ElsewhereFile>,
    /// Where it streams to.
    pub streams: Vec<ElsewhereStream>,
    /// Whether streams can be added: LiveKit's service takes them of jobs that have begun with one.
    pub can_stream: bool,
}

/// A file, a playlist or a set of images of such a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ElsewhereFile {
    /// Its name, as it was asked for or made.
    pub name: String,
    /// Its address or path, as the service tells it; empty until it is there.
    pub location: String,
    /// Bytes; 0 until it is known.
    #[ts(type = "number")]
    pub size_bytes: i64,
}

/// A stream of such a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ElsewhereStream {
    /// Its address with the key hidden.
    pub address: String,
    /// How it is.
    pub state: ElsewhereStreamState,
    /// The service's own words for what went wrong; empty: nothing.
    pub error: String,
    /// Whether it can be taken off: the service wants the whole address for that, which is known here of what was
    /// added here, and of saved destinations.
    pub removable: bool,
}

/// LiveKit's `StreamInfo.Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ElsewhereStreamState {
    /// It is sent to, or is being connected to.
    Active,
    /// It was taken off, or the job is over.
    Finished,
    /// It was given up.
    Failed,
}

/// The Egress API of this computer, for scripts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum ApiState {
    /// It is switched off.
    #[default]
    Off,
    /// It answers.
    On {
        /// `http://127.0.0.1:7890`
        url: String,
    },
    /// It is switched on and cannot be had.
    Failed {
        /// Why.
        error: ApiError,
    },
}

/// How the Egress API is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default)]
pub struct ApiSettings {
    /// Whether it is switched on.
    pub on: bool,
    /// Its port on 127.0.0.1; 0 for any that is free.
    pub port: u16,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self { on: false, port: 7890 }
    }
}
