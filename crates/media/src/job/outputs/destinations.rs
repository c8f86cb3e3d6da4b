//! The destinations among the outputs of a job: how each is, which goes where, and when there is nothing left to do.

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{DestinationState, Fact};
use egress::id::OutputId;
use egress::wire::Secret;
use secrecy::ExposeSecret;

use super::{Attachment, Open, Outputs, address};
use crate::job::Facts;

/// Why a job has nothing to do any more.
#[derive(Debug)]
pub enum Idle {
    /// The last of its outputs failed.
    Failed(ApiError),
    /// The last of its streams was taken away.
    StreamsStopped,
}

/// The output that was over last: why it failed, if it did.
#[derive(Debug)]
pub(super) enum LastOver {
    /// It was written to a disk.
    Disk(Option<ApiError>),
    /// It went to a server.
    Destination(Option<ApiError>),
}

/// How a destination is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Line {
    /// In which of its lives it is.
    pub life: u32,
    /// When its last try began, unix, ns; 0: none has.
    pub tried_at_ns: i64,
    /// Which of its lives it was up in last.
    pub up_in: Option<u32>,
    /// Whether it was told as failed, and is tried on by itself or by the operator. Nothing waits for it.
    pub failed: bool,
}

impl Outputs {
    /// A destination is in another state: told, and noted.
    pub(super) fn on_destination(
        &mut self,
        output: OutputId,
        state: DestinationState,
        (life, tried_at_ns): (u32, i64),
        facts: &mut Facts,
    ) {
        let Some(open) = self.open.get_mut(&output) else { return };
        let line = &mut open.line;
        (line.life, line.tried_at_ns) = (life, tried_at_ns);
        if matches!(state, DestinationState::Live { .. }) {
            line.up_in = Some(life);
        }
        let failed = match &state {
            DestinationState::Refused { error } => Some(error),
            DestinationState::Reconnecting { error, .. } if line.up_in != Some(life) => Some(error),
            _ => None,
        };
        line.failed = failed.is_some();
        if let Some(error) = failed {
            self.last_over = Some(LastOver::Destination(Some(error.clone())));
        }
        let address = address(&open.kind);
        facts.record(Fact::Destination { output, address, state, life, tried_at_ns });
    }

    /// The output that goes to this address, which may be given as it was shown, where that is said of no other.
    pub fn going_to(&self, url: &Secret) -> Option<OutputId> {
        let url = url.0.expose_secret();
        let going = self.open.iter().filter(|(_, open)| !open.finishing && !open.timeline.ends());
        let exact = going.clone().find(|(_, open)| open.output.goes_to(url)).map(|(id, _)| id);
        let waits = |o: &&Attachment| o.secret.as_ref().is_some_and(|secret| secret.0.expose_secret() == url);
        let exact = exact.or_else(|| self.waiting.iter().find(waits).map(|o| &o.spec.id));
        // What was shown for it, if that is the address of one alone.
        let open = going.map(|(id, open)| (id, &open.kind));
        let all = open.chain(self.waiting.iter().map(|o| (&o.spec.id, &o.spec.kind)));
        let mut shown = all.filter(|(_, kind)| address(kind) == url.trim()).map(|(id, _)| id);
        exact.or_else(|| shown.next().filter(|_| shown.next().is_none())).cloned()
    }

    /// Lets go of what was told as failed and goes to this very address: it is added anew.
    pub fn make_way(&mut self, url: &Secret) {
        let url = url.0.expose_secret();
        let failed = self.open.values_mut().filter(|open| open.line.failed && open.output.goes_to(url));
        failed.for_each(Open::finish);
    }

    /// Why the job has nothing to do any more, if so. A destination that was told as failed is nothing to do, even
    /// where it is tried on; but one that an operator has added to an armed job, and that never was up, waits for the
    /// operator.
    pub fn idle(&self) -> Option<Idle> {
        if !self.waiting.is_empty() || self.open.values().any(|open| self.counts(open)) {
            return None;
        }
        match self.last_over.as_ref()? {
            LastOver::Disk(Some(error)) => Some(Idle::Failed(error.clone())),
            // Nothing that failed before is waited for any more.
            LastOver::Disk(None) => (!self.open.is_empty()).then_some(Idle::StreamsStopped),
            // In LiveKit's words a server is not available, whoever said no.
            LastOver::Destination(Some(error)) if error.fault == Fault::Destination => {
                Some(Idle::Failed(ApiError { code: ErrorCode::Unreachable, ..error.clone() }))
            }
            LastOver::Destination(Some(error)) => Some(Idle::Failed(error.clone())),
            LastOver::Destination(None) => Some(Idle::StreamsStopped),
        }
    }

    /// Whether the job goes on for it.
    pub(super) fn counts(&self, open: &Open) -> bool {
        let Line { failed, up_in, .. } = open.line;
        !failed || self.began_armed && up_in.is_none()
    }
}
