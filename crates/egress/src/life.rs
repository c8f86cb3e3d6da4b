//! What becomes of a destination, as LiveKit tells of a stream: it is up and tried again when it is lost, and when it
//! has failed, that is its end. Here it is tried on after that. If it comes up after all, that is another life, which is
//! told beside the first.

use crate::error::ApiError;
use crate::fact::DestinationState;

/// One life of a destination, as a fold over its facts. They may come in any order, and twice.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Life {
    /// The newest of its states: number of the fact, unix ns, beginning of the try.
    newest: Option<(u64, i64, i64, DestinationState)>,
    /// Beginning of its first try, unix ns.
    tried_at_ns: Option<i64>,
    /// When it came up.
    live: Option<(u64, i64)>,
    /// The first trouble, and when it was told.
    lost: Option<(u64, i64, ApiError)>,
    /// What it ended with, if that was no good end, and when it was told.
    failed: Option<(u64, i64, ApiError)>,
}

impl Life {
    /// Takes in a state: the number of the fact and its time, and when the try began that it is about (both unix ns; 0:
    /// none has).
    pub fn take(&mut self, seq: u64, at_ns: i64, tried_at_ns: i64, state: &DestinationState) {
        if self.newest.as_ref().is_none_or(|(known, ..)| *known <= seq) {
            self.newest = Some((seq, at_ns, tried_at_ns, state.clone()));
        }
        if tried_at_ns > 0 {
            self.tried_at_ns = Some(self.tried_at_ns.map_or(tried_at_ns, |known| known.min(tried_at_ns)));
        }
        match state {
            DestinationState::Connecting | DestinationState::Stopped { .. } => {}
            DestinationState::Live { .. } => {
                if self.live.is_none_or(|(known, _)| seq < known) {
                    self.live = Some((seq, at_ns));
                }
            }
            DestinationState::Reconnecting { error, .. } => oldest(&mut self.lost, seq, at_ns, error),
            DestinationState::Refused { error } | DestinationState::Failed { error, .. } => {
                oldest(&mut self.failed, seq, at_ns, error);
            }
        }
    }

    /// Why it has failed, and since when, unix ns. It is over then, whatever is told of it later: one that never came up
    /// with its first trouble, any other when it was given up.
    pub fn failure(&self) -> Option<(i64, &ApiError)> {
        let lost = self.lost.as_ref().filter(|_| self.live.is_none());
        let first = lost.into_iter().chain(&self.failed).min_by_key(|(seq, ..)| *seq);
        first.map(|(_, at_ns, error)| (*at_ns, error))
    }

    /// When it came up, unix ns; of one that has failed without that, when it was tried. None: neither yet.
    pub fn started_at_ns(&self) -> Option<i64> {
        match (self.live, self.failure()) {
            (Some((_, at_ns)), _) => Some(at_ns),
            (None, Some((failed_ns, _))) => {
                Some(self.tried_at_ns.map_or(failed_ns, |tried| tried.min(failed_ns)))
            }
            (None, None) => None,
        }
    }

    /// When it ended, unix ns; none while it goes on.
    pub fn ended_at_ns(&self) -> Option<i64> {
        if let Some((at_ns, _)) = self.failure() {
            return Some(at_ns);
        }
        match self.newest.as_ref()? {
            (_, at_ns, _, DestinationState::Stopped { result }) => {
                Some(if result.ended_at_ns > 0 { result.ended_at_ns } else { *at_ns })
            }
            _ => None,
        }
    }

    /// How often it was tried again, and when last, unix ns. One that has failed without having been up was tried once,
    /// as far as this life goes.
    pub fn retries(&self) -> Option<(u32, i64)> {
        let (_, at_ns, tried_at_ns, state) = self.newest.as_ref()?;
        let retries = match state {
            DestinationState::Live { retries } | DestinationState::Reconnecting { retries, .. } => *retries,
            DestinationState::Stopped { result } | DestinationState::Failed { result, .. } => result.retries,
            DestinationState::Connecting | DestinationState::Refused { .. } => 0,
        };
        let tried = if *tried_at_ns > 0 { *tried_at_ns } else { *at_ns };
        (retries > 0 && (self.live.is_some() || self.failure().is_none())).then_some((retries, tried))
    }
}

/// Keeps the first.
fn oldest(kept: &mut Option<(u64, i64, ApiError)>, seq: u64, at_ns: i64, error: &ApiError) {
    if kept.as_ref().is_none_or(|(known, ..)| seq < *known) {
        *kept = Some((seq, at_ns, error.clone()));
    }
}
