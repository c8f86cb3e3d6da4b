//! Why a job of tracks is over, or never began.

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{ConnectionState, EndReason, Fact};
use egress::info::START_NOT_RECEIVED;
use egress::spec::{EndRule, Selection, VideoSelect};
use room::event::RoomEnd;

use crate::job::source::{SourceEvent, evicted};

/// The room has ended for this job: why, and what the operator should know of it.
pub(super) fn on_room_end(end: RoomEnd, emit: &mut Vec<SourceEvent>) {
    emit.push(SourceEvent::Fact(Fact::Connection { state: ConnectionState::Disconnected }));
    let (error, reason) = match end {
        RoomEnd::Left => (None, EndReason::StopRequested),
        RoomEnd::RoomClosed => (None, EndReason::SourceClosed),
        RoomEnd::Removed => {
            let warning = ApiError::new(
                ErrorCode::PermissionDenied,
                Fault::Server,
                "Somebody removed the recorder from the room.",
                "Start the recording again if this was not meant.",
            );
            emit.push(SourceEvent::Fact(Fact::Warning { warning }));
            (None, EndReason::SourceClosed)
        }
        RoomEnd::DuplicateIdentity => (Some(evicted()), EndReason::DuplicateIdentity),
        RoomEnd::Lost(error) => (Some(error), EndReason::RoomLost),
    };
    emit.extend(error.map(SourceEvent::Failed));
    emit.push(SourceEvent::Over(reason));
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
