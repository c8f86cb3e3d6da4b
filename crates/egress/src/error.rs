//! The one error shape that leaves Tallylight: to the window, to callers of the API, to the history.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::text;

/// Whose side an error is on. The window and the logs say it in words, so that nobody searches in the
/// wrong place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A defect of Tallylight.
    Ours,
    /// The LiveKit server or the network to it.
    Server,
    /// Where the output was to go: a disk, a folder, an RTMP service.
    Destination,
    /// What was asked, or what a participant published.
    Input,
    /// This computer: a missing program, codec or permission.
    Environment,
}

/// A stable name for an error, where a caller or the window branches on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// A request is malformed or asks for what cannot be.
    InvalidArgument,
    /// The room, participant, track, job or project does not exist.
    NotFound,
    /// The server answered, and is not a LiveKit server.
    NotLiveKit,
    /// Nothing answers at the URL.
    Unreachable,
    /// The server does not know the API key.
    UnknownKey,
    /// The server knows the key; the secret does not belong to it.
    WrongSecret,
    /// This computer's clock and the server's disagree by more than a token allows.
    ClockOff,
    /// The token lacks a right.
    PermissionDenied,
    /// The OS keyring is missing, locked or refuses.
    Keyring,
    /// The disk is full or nearly so.
    DiskFull,
    /// A file or folder cannot be written or read.
    Storage,
    /// A codec, element or container cannot do what is asked.
    Unsupported,
    /// The connection to the room is lost for good.
    RoomLost,
    /// The job's process ended without saying why.
    JobDied,
    /// The operation does not fit the present state (for instance: stop a finished job).
    FailedPrecondition,
    /// The operator cancelled, or stopped before anything began.
    Aborted,
    /// A limit set for the job was reached.
    LimitReached,
    /// There is one of that name already.
    AlreadyExists,
    /// This computer carries as much as it can.
    Exhausted,
    /// A defect of ours.
    Internal,
}

impl ErrorCode {
    /// The HTTP status by which LiveKit Egress reports this kind of error in
    /// `EgressInfo.error_code` (psrpc's mapping).
    pub fn http_status(self) -> i32 {
        match self {
            Self::InvalidArgument | Self::Unsupported => 400,
            Self::UnknownKey | Self::WrongSecret | Self::ClockOff => 401,
            Self::PermissionDenied | Self::Keyring => 403,
            Self::NotFound => 404,
            Self::FailedPrecondition | Self::Aborted => 412,
            Self::LimitReached => 413,
            Self::AlreadyExists => 409,
            Self::Exhausted => 429,
            Self::NotLiveKit | Self::Unreachable | Self::RoomLost => 503,
            Self::DiskFull | Self::Storage => 507,
            Self::JobDied | Self::Internal => 500,
        }
    }
}

/// What happened, whose side it is on, what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// For code to branch on, and for the details pane.
    pub code: ErrorCode,
    /// What happened, one plain sentence.
    pub message: String,
    /// What to do next, one plain sentence. Empty where there is nothing to do.
    pub remedy: String,
    /// Whether the same call may succeed later, unchanged.
    pub retryable: bool,
    /// Whose side it is on.
    pub fault: Fault,
    /// The technical cause, to copy into a report. Never holds a secret.
    pub detail: String,
}

impl ApiError {
    /// An error that is not retryable and has no technical detail; refine it with the `with_` calls. What strangers say
    /// comes into facts, histories and webhooks through here and is cut here ([`text`]).
    pub fn new(code: ErrorCode, fault: Fault, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            code,
            fault,
            message: text::line(message, text::SENTENCE),
            remedy: text::line(remedy, text::SENTENCE),
            retryable: false,
            detail: String::new(),
        }
    }

    /// Marks the error as worth another try.
    pub fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }

    /// Adds the technical cause.
    pub fn with_detail(mut self, detail: impl std::fmt::Display) -> Self {
        self.detail = text::block(detail.to_string(), text::DETAIL);
        self
    }
}
