//! How far a job is with ending.

use std::collections::HashSet;

use egress::error::ApiError;
use egress::fact::EndReason;
use room::event::StreamId;

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
    pub(super) reason: EndReason,
    pub(super) error: Option<ApiError>,
    /// Whether an output was there that something could have come of.
    pub(super) wanted: bool,
    /// The program's last moment, ns.
    pub(super) end_ns: i64,
    pub(super) phase: Phase,
    pub(super) since_ns: i64,
    pub(super) pending: HashSet<StreamId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
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
