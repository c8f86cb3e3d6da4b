//! Why a job of tracks is over, or never began.

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{ConnectionState, EndReason, Fact};
use egress::info::START_NOT_RECEIVED;
use egress::spec::{EndRule, Selection, VideoSelect};
use room::event::RoomEnd;

use super::TracksFeed;
use crate::job::Facts;
use crate::job::core::Core;
use crate::job::feed::evicted;

impl TracksFeed {
    /// The room has ended for this job: why, and what the operator should know of it.
    pub(super) fn on_room_end(&self, end: RoomEnd, core: &mut Core, facts: &mut Facts) -> EndReason {
        facts.record(Fact::Connection { state: ConnectionState::Disconnected });
        let mut warn = |code, message: &str, remedy: &str| {
            let warning = ApiError::new(code, Fault::Server, message, remedy);
            facts.record(Fact::Warning { warning });
            EndReason::SourceClosed
        };
        match end {
            RoomEnd::Left => EndReason::StopRequested,
            RoomEnd::RoomClosed => EndReason::SourceClosed,
            RoomEnd::Removed => warn(
                ErrorCode::PermissionDenied,
                "Somebody removed the recorder from the room.",
                "Start the recording again if this was not meant.",
            ),
            RoomEnd::DuplicateIdentity => {
                core.stage.fail(evicted());
                EndReason::DuplicateIdentity
            }
            RoomEnd::Lost(error) => {
                core.stage.fail(error);
                EndReason::RoomLost
            }
        }
    }
}

/// The source did not appear.
pub(super) fn not_found(selection: &Selection) -> ApiError {
    let (detail, message) = match (&selection.ends, &selection.video) {
        (EndRule::ParticipantLeaves(identity), _) | (_, Some(VideoSelect::Participant { identity, .. })) => {
            (format!("participant {identity} not found"), format!("{identity} did not come into the room."))
        }
        (_, Some(VideoSelect::Track(track))) => {
            (format!("track {track} not found"), "The chosen picture is no longer published.".to_owned())
        }
        _ => ("track not found".to_owned(), "The chosen sound is no longer published.".to_owned()),
    };
    ApiError::new(
        ErrorCode::NotFound,
        Fault::Input,
        message,
        "Choose from the people who are in the room now, and record again.",
    )
    .with_detail(detail)
}

/// Nothing that was wanted ever sounded or showed. `published`: something was there all the same, muted.
pub(super) fn never_began(reason: EndReason, published: bool) -> ApiError {
    let ended = match reason {
        EndReason::StopRequested => "The recording was stopped",
        EndReason::SourceClosed => "The room or the person was gone",
        EndReason::ProcessKilled => "The computer ended the recording",
        _ => "The recording ended",
    };
    let before = if published { "while everything was muted" } else { "before anything was published" };
    ApiError::new(
        ErrorCode::Aborted,
        Fault::Input,
        format!("{ended} {before}."),
        "Record again: it begins by itself when a camera or microphone comes on.",
    )
    .with_detail(START_NOT_RECEIVED)
}

/// Decoding a track takes more memory than a job may use.
pub(super) fn too_much(memory_bytes: u64) -> ApiError {
    ApiError::new(
        ErrorCode::Exhausted,
        Fault::Input,
        format!(
            "Decoding this track's picture takes more memory than a recording may use ({} MB).",
            memory_bytes >> 20
        ),
        "Ask its publisher for a smaller picture, or record the track as published.",
    )
}
