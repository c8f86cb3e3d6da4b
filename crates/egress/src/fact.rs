//! What a job reports: facts, which are numbered, logged by the job and never lost, and figures, which
//! are of the moment.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::error::ApiError;
use crate::id::{OutputId, TrackId};
use crate::roster::{TrackKind, TrackSource};

/// A numbered fact. Numbers start at 1 and have no gaps within a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Position in the job's event log.
    pub seq: u64,
    /// Unix time, ns.
    pub at_ns: i64,
    /// What happened.
    pub fact: Fact,
}

/// What happened to a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Fact {
    /// The process runs.
    Started {
        /// Its process id.
        pid: u32,
    },
    /// The connection to the room changed.
    Connection {
        /// What it is now.
        state: ConnectionState,
    },
    /// The room was joined for the first time.
    RoomJoined {
        /// `RM_…`
        room_sid: String,
    },
    /// A selected track is being received.
    TrackAdded {
        /// What is known of it.
        track: TrackFacts,
    },
    /// A selected track is gone.
    TrackRemoved {
        /// Which.
        track_id: TrackId,
    },
    /// A selected track cannot be taken; the job goes on without it.
    TrackRefused {
        /// Which.
        track_id: TrackId,
        /// Why.
        error: ApiError,
    },
    /// The page of a job that shows one has come this far.
    Page {
        /// How far.
        state: PageState,
    },
    /// The page of a job shows this layout.
    Layout {
        /// Its name.
        layout: String,
    },
    /// Whole pictures or sound are at hand: an output attached now starts at once.
    Armed,
    /// A file is about to be created. On the disk in the job's log before the file is.
    OutputOpening {
        /// Which output.
        output: OutputId,
        /// The resolved path, absolute.
        path: PathBuf,
    },
    /// An output is a set of files, and holds so many now: told before the first, and at its end.
    Set {
        /// Which output.
        output: OutputId,
        /// What it is.
        set: OutputSet,
    },
    /// The first media is in the output.
    OutputActive {
        /// Which output.
        output: OutputId,
        /// Presentation time of the first media, unix time, ns.
        started_at_ns: i64,
    },
    /// The output is finished and closed.
    OutputEnded {
        /// Which output.
        output: OutputId,
        /// What came of it.
        result: FileResult,
    },
    /// A destination (an output that goes to a server) is in another state. The last of its states is its end.
    Destination {
        /// Which output.
        output: OutputId,
        /// Where it goes, as it may be shown.
        address: String,
        /// What it is now.
        state: DestinationState,
        /// Which of its lives this is about ([`crate::life`]).
        #[serde(default)]
        life: u32,
        /// When the try began that this is about, unix time, ns; 0: none has.
        #[serde(default)]
        tried_at_ns: i64,
    },
    /// Something the operator should look at; the job goes on.
    Warning {
        /// What.
        warning: ApiError,
    },
    /// The job is finishing its outputs.
    Ending {
        /// Why.
        reason: EndReason,
    },
    /// The last fact: the process exits.
    Ended {
        /// How it ended.
        status: EgressStatus,
        /// Why it failed; with `Complete` none.
        error: Option<ApiError>,
    },
}

/// What a file output left behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct FileResult {
    /// Absolute path; none if no file was created.
    #[ts(type = "string | null")]
    pub path: Option<PathBuf>,
    /// Bytes on disk.
    #[ts(type = "number")]
    pub size_bytes: u64,
    /// Unix time, ns, of the first media.
    #[ts(type = "number")]
    pub started_at_ns: i64,
    /// Unix time, ns, of the end of the last media.
    #[ts(type = "number")]
    pub ended_at_ns: i64,
    /// `ended - started`, ns.
    #[ts(type = "number")]
    pub duration_ns: i64,
    /// Why the output failed, if it did. The file may still be there and playable.
    pub error: Option<ApiError>,
}

/// An output of many files. Its [`FileResult`] is about all of them together; the path is that of the playlist, or
/// the folder of the images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case", tag = "of")]
pub enum OutputSet {
    /// Segments of HLS.
    Segments {
        /// Absolute path of the playlist of the newest segments.
        #[ts(type = "string | null")]
        live_playlist: Option<PathBuf>,
        /// How many.
        #[ts(type = "number")]
        count: u64,
    },
    /// Images.
    Images {
        /// What their names begin with, relative to the folder that was chosen.
        prefix: String,
        /// How many were taken.
        #[ts(type = "number")]
        count: u64,
    },
}

/// How a destination is. What changes with every try is in [`DestinationFigures`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum DestinationState {
    /// On its way for the first time.
    Connecting,
    /// The server takes the media.
    Live {
        /// Tries after the first, so far.
        retries: u32,
    },
    /// It did not come up, or was lost; it is tried again for as long as the job lives.
    Reconnecting {
        /// Tries after the first, so far.
        retries: u32,
        /// Why it is not live.
        error: ApiError,
    },
    /// The server said no, as it does to a wrong key. It is not tried again before the operator says so.
    Refused {
        /// What the server said.
        error: ApiError,
    },
    /// Over, as it should be.
    Stopped {
        /// What came of it.
        result: DestinationResult,
    },
    /// Over, and nothing can be sent to it.
    Failed {
        /// Why.
        error: ApiError,
        /// What came of it before.
        result: DestinationResult,
    },
}

impl DestinationState {
    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Stopped { .. } | Self::Failed { .. })
    }

    /// Why it is not live, or was not at its end.
    pub fn error(&self) -> Option<&ApiError> {
        match self {
            Self::Reconnecting { error, .. } | Self::Refused { error } | Self::Failed { error, .. } => {
                Some(error)
            }
            Self::Connecting | Self::Live { .. } | Self::Stopped { .. } => None,
        }
    }
}

/// What a destination was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct DestinationResult {
    /// When it was live first, unix time, ns; 0 if it never was.
    #[ts(type = "number")]
    pub started_at_ns: i64,
    /// When it was let go of, unix time, ns.
    #[ts(type = "number")]
    pub ended_at_ns: i64,
    /// Bytes sent.
    #[ts(type = "number")]
    pub size_bytes: u64,
    /// Tries after the first.
    pub retries: u32,
}

/// A selected track, as far as file names, manifests and EgressInfo want it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct TrackFacts {
    /// `TR_…`
    pub track_id: TrackId,
    /// Sound or picture.
    pub kind: TrackKind,
    /// What it shows.
    pub source: TrackSource,
    /// As received: `h264`, `vp8`, `vp9`, `av1`, `opus`, `pcmu`, `pcma`.
    pub codec: String,
    /// Who publishes it.
    pub publisher_identity: String,
}

/// The job's connection to its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    /// Joining for the first time.
    Connecting,
    /// Joined, media flows.
    Connected,
    /// Cut; trying to take up the same session.
    Resuming,
    /// Cut; joining anew.
    Reconnecting,
    /// Over.
    Disconnected,
}

/// How far the page of a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum PageState {
    /// Chromium is being started.
    Starting,
    /// The page is being loaded.
    Loading,
    /// It has loaded and has not said `START_RECORDING` yet: a template waits for somebody to publish.
    Waiting,
    /// It is on: what it shows is what is recorded.
    On,
    /// It crashed or hung, and is being loaded again.
    Reloading,
}

/// Why a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The operator, or a caller of StopEgress.
    StopRequested,
    /// The last of its streams was removed, and there was nothing else to do.
    StreamsStopped,
    /// The selected tracks or person left, or the room closed.
    SourceClosed,
    /// The room's connection was lost for good.
    RoomLost,
    /// Another participant joined under the job's identity: another worker runs this egress. What becomes of it is
    /// that worker's to say.
    DuplicateIdentity,
    /// A duration or size limit.
    LimitReached,
    /// The disk is nearly full; ended while there is room to finalise.
    DiskFull,
    /// The process was asked by the system to go.
    ProcessKilled,
    /// Something broke.
    Failure,
}

/// LiveKit's `EgressStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum EgressStatus {
    /// Accepted, no media in an output yet. An armed job stays here.
    Starting,
    /// Media goes into an output.
    Active,
    /// Outputs are being finished.
    Ending,
    /// Ended as it should.
    Complete,
    /// Ended by an error. Files may still be there and playable.
    Failed,
    /// Ended before anything was written.
    Aborted,
    /// Ended by a limit; outputs are whole.
    LimitReached,
}

/// How far an output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum OutputState {
    /// Waiting for the first media.
    Starting,
    /// Media goes in.
    Active,
    /// Being finished or repaired.
    Finishing,
    /// Closed and whole.
    Done,
    /// Ended by an error; see the result.
    Failed,
}

/// Figures of the moment, sent a few times a second; not numbered, not kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
pub struct Figures {
    /// What each output has taken so far.
    pub outputs: Vec<OutputFigures>,
    /// Sound level of each received audio track.
    pub levels: Vec<Level>,
    /// What each received track went through.
    pub tracks: Vec<TrackFigures>,
    /// Round trip to the server over the media connection, ms; none while unknown.
    pub rtt_ms: Option<f64>,
    /// CPU use of the job's process since the last figures, percent of one core.
    pub cpu_percent: f64,
    /// Resident memory of the job's process, bytes.
    #[ts(type = "number")]
    pub memory_bytes: u64,
    /// The encoder in use, as a producer would know it (`x264`, `VA-API H.264`); none in passthrough.
    pub encoder: Option<String>,
}

/// What an output has taken so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct OutputFigures {
    /// Which.
    pub output: OutputId,
    /// Media time in the output, ms.
    #[ts(type = "number")]
    pub elapsed_ms: i64,
    /// Bytes on disk, or sent.
    #[ts(type = "number")]
    pub size_bytes: u64,
    /// Bits a second over the last seconds.
    #[ts(type = "number")]
    pub bitrate_bps: u64,
    /// Video frames written, or sent.
    #[ts(type = "number")]
    pub frames: u64,
    /// Video frames that should be there and are not.
    #[ts(type = "number")]
    pub dropped_frames: u64,
    /// Seconds until the disk is full at the present rate; none while unknown.
    #[ts(type = "number | null")]
    pub disk_left_s: Option<u64>,
    /// How far the disk is behind what it is given, ms.
    #[serde(default)]
    #[ts(type = "number")]
    pub behind_ms: i64,
    /// How its connection is; none for what is written to a disk.
    #[serde(default)]
    pub destination: Option<DestinationFigures>,
}

/// How the connection to a destination is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
pub struct DestinationFigures {
    /// How long it has been live without a break, ms; none while it is not.
    #[ts(type = "number | null")]
    pub uptime_ms: Option<i64>,
    /// Tries since it was last live; the next one is one more.
    pub tries: u32,
    /// Time until the next try, ms; none while it is live, being tried, or not tried any more.
    #[ts(type = "number | null")]
    pub next_try_ms: Option<i64>,
    /// Round trip to the server, ms; none where it is not known.
    pub rtt_ms: Option<f64>,
    /// Media that waits to be sent, ms.
    #[ts(type = "number")]
    pub waiting_ms: i64,
}

/// Sound level of a track.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Level {
    /// Which.
    pub track_id: TrackId,
    /// Decibels relative to full scale, -127 (silence) to 0.
    pub dbfs: f32,
}

/// What a received track went through.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct TrackFigures {
    /// Which.
    pub track_id: TrackId,
    /// Packets received, repaired ones included.
    #[ts(type = "number")]
    pub packets: u64,
    /// Packets lost for good.
    #[ts(type = "number")]
    pub lost: u64,
    /// Received bits a second over the last seconds.
    #[ts(type = "number")]
    pub bitrate_bps: u64,
}
