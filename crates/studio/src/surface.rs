//! The shapes that cross the command surface. A front end takes one [`Snapshot`], then folds
//! [`Change`]s over it: each change replaces one part of the snapshot whole, so a fold cannot drift.

mod auto;
mod elsewhere;

pub use auto::{AutoEgress, AutoParts, AutoRule, AutoStart, RoomEgress, RoomInput};
use egress::error::ApiError;
pub use egress::fact::OutputState;
use egress::fact::{
    ConnectionState, DestinationState, EgressStatus, EndReason, Figures, FileResult, OutputSet, PageState,
    TrackFacts,
};
use egress::id::{DestinationId, EgressId, OutputId, ProjectId, StorageId, TrackId};
use egress::layout::Broken;
use egress::request::RecordRequest;
use egress::roster::{RoomSummary, Roster};
use egress::spec::{SoundFormat, StreamProtocol};
use egress::storage::{StorageProfile, StorageSecret};
pub use elsewhere::{
    ApiSettings, ApiState, EgressService, Elsewhere, ElsewhereFile, ElsewhereJob, ElsewhereStream,
    ElsewhereStreamState,
};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use upload::{LocalFile, Progress, Target, Upload, UploadId};

/// Everything a front end shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Snapshot {
    /// The number of the last change that is in here.
    #[ts(type = "number")]
    pub seq: u64,
    /// Saved projects and which is open.
    pub projects: Projects,
    /// Rooms of the open project.
    pub rooms: Rooms,
    /// The room that is open, if any.
    pub room: Option<OpenRoom>,
    /// Every job that is running or armed, and the history, newest first.
    pub jobs: Vec<Job>,
    /// The computer.
    pub machine: Machine,
    /// What the operator set.
    pub settings: Settings,
    /// The layouts to choose from: those that come with the program, then the operator's own.
    pub layouts: Vec<LayoutChoice>,
    /// The saved destinations of live streams, in order of name.
    #[serde(default)]
    pub destinations: Vec<Destination>,
    /// The saved storages, in order of name.
    #[serde(default)]
    pub storages: Vec<StoragePlace>,
    /// What goes up, waits to, or went up of late, oldest first.
    #[serde(default)]
    pub uploads: Vec<Upload>,
    /// The rules of auto egress, of all projects, in the order they were made.
    #[serde(default)]
    pub rules: Vec<AutoRule>,
    /// LiveKit's egress service of the open project.
    #[serde(default)]
    pub elsewhere: Elsewhere,
    /// The Egress API of this computer.
    #[serde(default)]
    pub api: ApiState,
}

/// A numbered change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Numbered {
    /// Counts up by one. A front end that misses one takes a new snapshot.
    #[ts(type = "number")]
    pub seq: u64,
    /// What changed.
    pub change: Change,
}

/// A part of the snapshot, new.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case", tag = "type")]
#[expect(clippy::large_enum_variant, reason = "a change lives for as long as it takes to send it")]
pub enum Change {
    /// Replaces `projects`.
    Projects {
        /// The new value.
        projects: Projects,
    },
    /// Replaces `rooms`.
    Rooms {
        /// The new value.
        rooms: Rooms,
    },
    /// Replaces `room`.
    Room {
        /// The new value.
        room: Option<OpenRoom>,
    },
    /// Replaces the job of the same id, or adds it at the front.
    Job {
        /// The new value.
        job: Job,
    },
    /// Takes a job out of the list.
    JobRemoved {
        /// Which.
        egress_id: EgressId,
    },
    /// Replaces the figures of a job (`Job::figures`); several a second.
    JobFigures {
        /// Which job.
        egress_id: EgressId,
        /// The new value.
        figures: Figures,
    },
    /// Replaces the figures of the open room (`OpenRoom::figures`); several a second.
    RoomFigures {
        /// The new value.
        figures: Figures,
    },
    /// Replaces `machine`.
    Machine {
        /// The new value.
        machine: Machine,
    },
    /// Replaces `settings`.
    Settings {
        /// The new value.
        settings: Settings,
    },
    /// Replaces `layouts`.
    Layouts {
        /// The new value.
        layouts: Vec<LayoutChoice>,
    },
    /// Replaces `destinations`.
    Destinations {
        /// The new value.
        destinations: Vec<Destination>,
    },
    /// Replaces `storages`.
    Storages {
        /// The new value.
        storages: Vec<StoragePlace>,
    },
    /// Replaces the upload of the same id, or adds it at the end.
    Upload {
        /// The new value.
        upload: Upload,
    },
    /// Replaces the progress of an upload; at most twice a second.
    UploadProgress {
        /// Which.
        id: UploadId,
        /// The new value.
        progress: Progress,
    },
    /// Takes an upload off the list.
    UploadRemoved {
        /// Which.
        id: UploadId,
    },
    /// Replaces `rules`.
    Rules {
        /// The new value.
        rules: Vec<AutoRule>,
    },
    /// Replaces `elsewhere`.
    Elsewhere {
        /// The new value.
        elsewhere: Elsewhere,
    },
    /// Replaces `api`.
    Api {
        /// The new value.
        api: ApiState,
    },
}

/// Saved projects.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
pub struct Projects {
    /// In order of name.
    pub list: Vec<Project>,
    /// The open one.
    pub current: Option<ProjectId>,
    /// Why the OS keyring cannot be used, if so: secrets can be kept for this run only.
    pub keyring_error: Option<ApiError>,
}

/// A saved project, without its secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Project {
    /// Ours.
    pub id: ProjectId,
    /// Shown name.
    pub name: String,
    /// `ws(s)://` or `http(s)://` address.
    pub url: String,
    /// API key.
    pub api_key: String,
    /// Where the secret is.
    pub secret: SecretPlace,
}

/// Where a project's secret is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum SecretPlace {
    /// In the OS keyring.
    Keyring,
    /// In memory, until Tallylight quits.
    ThisRun,
    /// Nowhere: it was kept for an earlier run, or the keyring has lost it. The operator is asked.
    Missing,
}

/// A project to add, or new values for one.
#[derive(Debug, Clone, Deserialize, TS)]
pub struct ProjectInput {
    /// Shown name; empty for the URL's host.
    pub name: String,
    /// `ws(s)://` or `http(s)://` address.
    pub url: String,
    /// API key.
    pub api_key: String,
    /// API secret. None when editing: keep the present one.
    #[ts(type = "string | null")]
    pub api_secret: Option<secrecy::SecretString>,
    /// Keep the secret in memory only.
    pub this_run_only: bool,
}

/// Rooms of the open project.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
pub struct Rooms {
    /// Sorted by name.
    pub list: Vec<RoomSummary>,
    /// Whether the first list is still on its way.
    pub loading: bool,
    /// Why the list is not fresh, if so.
    pub error: Option<ApiError>,
}

/// The room that is open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct OpenRoom {
    /// Its name.
    pub name: String,
    /// Our hidden participant's connection.
    pub connection: ConnectionState,
    /// The people; empty until joined.
    pub roster: Roster,
    /// Levels and losses.
    pub figures: Figures,
    /// Why it cannot be watched, if so.
    pub error: Option<ApiError>,
}

/// An egress job as the operator sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Job {
    /// `EG_…`
    pub egress_id: EgressId,
    /// The project it runs in; none once that is forgotten.
    pub project_id: Option<ProjectId>,
    /// Who asked for it.
    #[serde(default)]
    pub origin: Origin,
    /// What a rule has started it for; none for any other origin.
    #[serde(default)]
    pub auto: Option<AutoStart>,
    /// What was asked.
    pub request: RecordRequest,
    /// A few words for the source: a person's name, or tracks.
    pub title: String,
    /// LiveKit's status.
    pub status: EgressStatus,
    /// Media is at hand and no output is attached: Record starts at once.
    pub armed: bool,
    /// Nobody has pressed Record on it yet; such jobs are not history.
    pub preview: bool,
    /// The job's connection to its room.
    pub connection: ConnectionState,
    /// How far its page is; none for a job without one.
    pub page: Option<PageState>,
    /// The layout that its page shows.
    pub layout: Option<String>,
    /// Unix time, ms.
    #[ts(type = "number")]
    pub created_at_ms: i64,
    /// First media in an output, unix time, ms.
    #[ts(type = "number | null")]
    pub started_at_ms: Option<i64>,
    /// Unix time, ms.
    #[ts(type = "number | null")]
    pub ended_at_ms: Option<i64>,
    /// Why it ended.
    pub end_reason: Option<EndReason>,
    /// Why it failed.
    pub error: Option<ApiError>,
    /// What the operator should look at, oldest first.
    pub warnings: Vec<ApiError>,
    /// What is or was received.
    pub tracks: Vec<TrackFacts>,
    /// Where it goes.
    pub outputs: Vec<JobOutput>,
    /// The studio or the job died while it ran, and the file was saved at the next start.
    pub recovered: bool,
    /// Live figures; none once it ended.
    pub figures: Option<Figures>,
    /// Where its files go by its own request, rather than to a saved storage; empty once all of them are there.
    #[serde(default)]
    pub stores: Vec<JobStore>,
}

impl Job {
    /// Whether another worker has taken this egress over: it alone tells what becomes of it, and uploads it.
    pub fn evicted(&self) -> bool {
        self.end_reason == Some(EndReason::DuplicateIdentity)
    }
}

/// Who asked for a job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The operator.
    #[default]
    Window,
    /// A caller of the Egress API.
    Api,
    /// A LiveKit server, over its Redis.
    Bus,
    /// A rule of the operator's, when the room appeared.
    Auto,
}

/// Where the files of an output go by the job's request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct JobStore {
    /// Which output.
    pub output: OutputId,
    /// Where to.
    pub target: Target,
    /// Where to if that fails for good.
    pub backup: Option<Target>,
    /// Absolute path of the local folder that the names of its objects are taken relative to.
    pub folder: String,
    /// Whether the local files are removed once what is in the storage is verified.
    pub remove_local: bool,
}

/// One output of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct JobOutput {
    /// Unique in the job.
    pub id: OutputId,
    /// Absolute path, once resolved.
    pub path: Option<String>,
    /// How far it is.
    pub state: OutputState,
    /// First media, unix time, ms.
    #[ts(type = "number | null")]
    pub started_at_ms: Option<i64>,
    /// What came of it, once ended.
    pub result: Option<FileResult>,
    /// Whether a small picture of it can be asked for.
    pub thumbnail: bool,
    /// How it is, for an output that goes to a server.
    #[serde(default)]
    pub destination: Option<JobDestination>,
    /// What it is, for an output of many files.
    #[serde(default)]
    pub set: Option<OutputSet>,
    /// Whether it has been put on the list of uploads. Who takes it off again does not want it there.
    #[serde(default)]
    pub upload_queued: bool,
    /// Where it was uploaded to, once that is verified. Of an output of many files: where its playlist is, once all
    /// of them are there.
    #[serde(default)]
    pub stored: Option<Stored>,
}

/// Where an output is besides, or instead of, its folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Stored {
    /// What the storage is called: `the bucket "shows"`.
    pub storage: String,
    /// Address of the object.
    pub location: String,
    /// Whether it went to the backup.
    pub on_backup: bool,
    /// Whether the local file is still there.
    pub local: LocalFile,
    /// Unix time, ms.
    #[ts(type = "number")]
    pub at_ms: i64,
}

/// An output of a job that goes to a server. How often it is tried and how it flows is in its figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct JobDestination {
    /// Where it goes, as it may be shown.
    pub address: String,
    /// How it is sent.
    pub protocol: StreamProtocol,
    /// What is sent over a WebSocket, where that is known.
    #[serde(default)]
    pub sound: Option<SoundFormat>,
    /// How it is.
    pub state: DestinationState,
    /// Since when, unix time, ms.
    #[ts(type = "number")]
    pub since_ms: i64,
}

/// A saved destination of live streams, without its key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Destination {
    /// Ours.
    pub id: DestinationId,
    /// Shown name.
    pub name: String,
    /// Its address as it may be shown.
    pub address: String,
    /// How it is sent to.
    pub protocol: StreamProtocol,
    /// RTMPS: whether any certificate is taken.
    pub any_certificate: bool,
    /// What is sent, of a WebSocket.
    #[serde(default)]
    pub sound: SoundFormat,
    /// Where its address with the key is kept.
    pub key: SecretPlace,
}

/// A destination to save, or new values for one.
#[derive(Debug, Clone, Deserialize, TS)]
pub struct DestinationInput {
    /// Shown name; empty for the address without its key.
    pub name: String,
    /// The address with its key. None when editing: keep the present one.
    #[ts(type = "string | null")]
    pub url: Option<secrecy::SecretString>,
    /// RTMPS: take any certificate, as of a server of one's own.
    pub any_certificate: bool,
    /// What to send, to a WebSocket.
    #[serde(default)]
    pub sound: SoundFormat,
    /// Keep the address in memory only.
    pub this_run_only: bool,
}

/// Where to stream to.
#[derive(Debug, Clone, Deserialize, TS)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum StreamInput {
    /// A saved destination.
    Saved {
        /// Which.
        id: DestinationId,
    },
    /// An address.
    Url {
        /// With its key.
        #[ts(type = "string")]
        url: secrecy::SecretString,
        /// RTMPS: take any certificate, as of a server of one's own.
        any_certificate: bool,
        /// What to send, to a WebSocket.
        #[serde(default)]
        sound: SoundFormat,
    },
}

/// A saved storage, without its keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct StoragePlace {
    /// Ours.
    pub id: StorageId,
    /// Shown name.
    pub name: String,
    /// Where objects go to.
    pub profile: StorageProfile,
    /// Where its keys are kept. A folder has none: they count as kept.
    pub keys: SecretPlace,
}

/// A storage to save, or new values for one.
#[derive(Debug, Clone, Deserialize, TS)]
pub struct StorageInput {
    /// Shown name; empty for that of the bucket, container or folder.
    pub name: String,
    /// Where objects go to.
    pub profile: StorageProfile,
    /// Its keys. None when editing: keep the present ones; none for a folder.
    pub secret: Option<StorageSecret>,
    /// Keep the keys in memory only.
    pub this_run_only: bool,
}

/// The computer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
pub struct Machine {
    /// Use of all cores together, percent.
    pub cpu_percent: f64,
    /// Free bytes where recordings go.
    #[ts(type = "number | null")]
    pub disk_free_bytes: Option<u64>,
    /// Seconds of recording that fit at the present rate of all jobs; none while nothing records.
    #[ts(type = "number | null")]
    pub disk_left_s: Option<u64>,
    /// What is missing on this computer for full function, worst first.
    pub problems: Vec<ApiError>,
}

/// What the operator set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
pub struct Settings {
    /// Absolute path of the folder that recordings go to.
    pub folder: String,
    /// File-name template; empty for the default.
    pub name: String,
    /// Limit for all uploads together, bits a second.
    #[serde(default)]
    #[ts(type = "number | null")]
    pub upload_limit_bps: Option<u64>,
    /// The Egress API of this computer.
    #[serde(default)]
    pub api: ApiSettings,
}

/// A layout to choose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct LayoutChoice {
    /// What requests call it.
    pub name: String,
    /// What the producer reads.
    pub title: String,
    /// Whether it comes with the program; the others are the operator's own.
    pub stock: bool,
    /// Whether it is made for frames that are higher than wide.
    pub portrait: bool,
    /// Whether it is light; the others are dark.
    pub light: bool,
    /// Its places, for a small drawing: x, y, width and height in fractions of the frame.
    pub regions: Vec<[f64; 4]>,
    /// Why it cannot be drawn, and where the fault is, if so.
    pub broken: Option<Broken>,
}

/// A picture of a track, newest wins.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Of which track.
    pub track_id: TrackId,
    /// Counts up with each picture of the track.
    pub seq: u64,
    /// JPEG.
    pub jpeg: std::sync::Arc<[u8]>,
}
