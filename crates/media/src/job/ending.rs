//! How a job ends: what is on its way is let through, each stage after the one before, each with a
//! limit, so that Stop is quick and nothing received is lost.

use std::collections::HashSet;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{ConnectionState, EgressStatus, EndReason, Fact};
use egress::spec::{EndRule, Selection, VideoSelect};
use room::event::{RoomEnd, StreamId};

use crate::job::Facts;
use crate::job::engine::Engine;
use crate::unit::Lane;

/// What the jitter buffers were told to give out needs this long to come through, ns.
const FLUSH_NS: i64 = 30_000_000;
/// Limit for depayloaders and decoders, ns.
const DRAIN_NS: i64 = 400_000_000;
/// Limit for encoders, ns.
const ENCODE_NS: i64 = 15_000_000_000;
/// Limit for files, ns. The index of a day's recording on a slow disk takes minutes to make, and nothing is
/// gained by leaving before it is there: the next start would do the same work again.
const CLOSE_NS: i64 = 15 * 60 * 1_000_000_000;

/// How far a job is with ending.
#[derive(Debug, Default)]
pub enum Stage {
    /// Not ending.
    #[default]
    Running,
    /// Not ending yet, but broken.
    Broken(ApiError),
    /// Ending.
    Ending(Ending),
}

/// A job that is ending.
#[derive(Debug)]
pub struct Ending {
    reason: EndReason,
    error: Option<ApiError>,
    /// The program's last moment, ns.
    end_ns: i64,
    phase: Phase,
    since_ns: i64,
    pending: HashSet<StreamId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Flushing,
    Draining,
    Encoding,
    Closing,
    Done,
}

impl Stage {
    /// Whether the job is ending.
    pub fn ending(&self) -> bool {
        matches!(self, Self::Ending(_))
    }

    /// Whether everything is closed.
    pub fn done(&self) -> bool {
        matches!(self, Self::Ending(e) if e.phase == Phase::Done)
    }

    /// Something broke that ends the job.
    pub fn fail(&mut self, error: ApiError) {
        match self {
            Self::Running => *self = Self::Broken(error),
            Self::Broken(_) => {}
            Self::Ending(ending) => {
                ending.error.get_or_insert(error);
            }
        }
    }

    /// Whether something broke, and the job is not ending yet.
    pub fn broken(&self) -> bool {
        matches!(self, Self::Broken(_))
    }

    /// A stream has come out whole.
    pub fn drained(&mut self, id: StreamId) {
        if let Self::Ending(ending) = self {
            ending.pending.remove(&id);
        }
    }
}

impl Engine {
    /// The room has ended for this job: why, and what the operator should know of it.
    pub(super) fn on_room_end(&mut self, end: RoomEnd, facts: &mut Facts) -> EndReason {
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
            RoomEnd::DuplicateIdentity => warn(
                ErrorCode::FailedPrecondition,
                "Another recorder joined the room under the same id and took this one's place.",
                "The other one records on. Look there for the rest.",
            ),
            RoomEnd::Lost(error) => {
                self.stage.fail(error);
                EndReason::RoomLost
            }
        }
    }

    /// Begins to end the job.
    pub fn end(&mut self, reason: EndReason, now_ns: i64, facts: &mut Facts) {
        if self.stage.ending() {
            return;
        }
        facts.record(Fact::Ending { reason });
        let error = match std::mem::take(&mut self.stage) {
            Stage::Broken(error) => Some(error),
            _ => None,
        };
        // A source that went away ends when it went, not when we were sure of it.
        let end_ns = match reason {
            EndReason::SourceClosed => self.away_since_ns().unwrap_or(now_ns),
            _ => now_ns,
        };
        self.lanes.hold(Some(end_ns));
        self.room.flush();
        self.stage = Stage::Ending(Ending {
            reason,
            error,
            end_ns,
            phase: Phase::Flushing,
            since_ns: now_ns,
            pending: HashSet::new(),
        });
    }

    /// Takes the next step of ending, if it is time.
    pub fn advance(&mut self, now_ns: i64, facts: &mut Facts) {
        let delivering = self.delivering();
        let Stage::Ending(ending) = &mut self.stage else { return };
        let waited = now_ns - ending.since_ns;
        let next = match ending.phase {
            Phase::Flushing if waited > FLUSH_NS => {
                for (id, lane) in delivering {
                    if lane == Lane::Video {
                        ending.pending.insert(id);
                        if let Some(ingest) = self.streams.get(&id) {
                            ingest.finish();
                        }
                    } else if self.lanes.decoders.has(id) {
                        ending.pending.insert(id);
                        self.lanes.decoders.finish(id);
                    }
                }
                Phase::Draining
            }
            Phase::Draining if ending.pending.is_empty() || waited > DRAIN_NS => {
                self.lanes.end_program(ending.end_ns);
                Phase::Encoding
            }
            Phase::Encoding if self.lanes.encoders_finished() || waited > ENCODE_NS => {
                self.outputs.finish_all();
                Phase::Closing
            }
            Phase::Closing if !self.outputs.any() => Phase::Done,
            Phase::Closing if waited > CLOSE_NS => {
                self.outputs.abandon(facts);
                Phase::Done
            }
            same => same,
        };
        if next != ending.phase {
            ending.phase = next;
            ending.since_ns = now_ns;
        }
    }

    /// How the job ended, for its last fact.
    pub fn outcome(&self) -> (EgressStatus, Option<ApiError>) {
        let Stage::Ending(ending) = &self.stage else { return (EgressStatus::Aborted, None) };
        let results = self.outputs.results();
        let wrote = results.iter().any(|(_, r)| r.path.is_some());
        let failed = results.iter().find_map(|(_, r)| r.error.clone());
        if let Some(error) = ending.error.clone().or(failed) {
            return (EgressStatus::Failed, Some(error));
        }
        match ending.reason {
            EndReason::LimitReached if wrote => {
                let error = ApiError::new(
                    ErrorCode::LimitReached,
                    Fault::Input,
                    "The recording reached the limit set for it.",
                    "Raise the limit if recordings are to be longer.",
                )
                .with_detail("Session limit reached");
                (EgressStatus::LimitReached, Some(error))
            }
            EndReason::DiskFull if wrote => {
                let error = ApiError::new(
                    ErrorCode::DiskFull,
                    Fault::Destination,
                    "There was hardly any room left on the disk, so the recording was ended while it could be finished whole.",
                    "Free some space or choose another folder, then record again.",
                );
                (EgressStatus::LimitReached, Some(error))
            }
            _ if wrote || results.is_empty() && ending.reason == EndReason::StopRequested => {
                (if wrote { EgressStatus::Complete } else { EgressStatus::Aborted }, None)
            }
            reason => (EgressStatus::Aborted, Some(nothing_recorded(reason))),
        }
    }
}

/// The source did not appear.
pub fn not_found(selection: &Selection) -> ApiError {
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

fn nothing_recorded(reason: EndReason) -> ApiError {
    let (message, remedy) = match reason {
        EndReason::StopRequested => (
            "Stopped before any picture or sound had arrived.",
            "Wait until the tally shows the time running.",
        ),
        EndReason::SourceClosed => (
            "The room or the person was gone before any picture or sound had arrived.",
            "Record again when they are back.",
        ),
        EndReason::ProcessKilled => ("The computer ended the recording before it began.", "Record again."),
        _ => ("The recording ended before any picture or sound had arrived.", "Record again."),
    };
    ApiError::new(ErrorCode::Aborted, Fault::Input, message, remedy)
}
