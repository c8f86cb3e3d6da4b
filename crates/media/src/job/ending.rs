//! How a job ends: what is on its way is let through, each stage after the one before, each with a
//! limit, so that Stop is quick and nothing received is lost.

use std::collections::HashSet;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{EgressStatus, EndReason, Fact};
use egress::info::START_NOT_RECEIVED;

use crate::job::Facts;
use crate::job::engine::Engine;
use crate::job::source::Source;
use crate::job::stage::{Ending, Phase, Stage};
use crate::output::Ended;

/// What the jitter buffers were told to give out needs this long to come through, ns.
const FLUSH_NS: i64 = 30_000_000;
/// Limit for depayloaders and decoders, ns.
const DRAIN_NS: i64 = 400_000_000;
/// Limit for encoders, ns.
const ENCODE_NS: i64 = 15_000_000_000;
/// Limit for files, ns. The index of a day's recording on a slow disk takes minutes to make, and nothing is
/// gained by leaving before it is there: the next start would do the same work again.
const CLOSE_NS: i64 = 15 * 60 * 1_000_000_000;

impl<S: Source> Engine<S> {
    /// Begins to end the job.
    pub fn end(&mut self, reason: EndReason, now_ns: i64, facts: &mut Facts) {
        if self.core.stage.ending() {
            return;
        }
        facts.record(Fact::Ending { reason });
        let error = match std::mem::take(&mut self.core.stage) {
            Stage::Broken(error) => Some(error),
            _ => None,
        };
        // A source that went away ends when it went, not when we were sure of it.
        let end_ns = match reason {
            EndReason::SourceClosed | EndReason::DuplicateIdentity => {
                self.source.away_since_ns().unwrap_or(now_ns)
            }
            _ => now_ns,
        };
        self.core.programs.hold(Some(end_ns));
        self.source.flush();
        self.core.stage = Stage::Ending(Ending {
            reason,
            error,
            wanted: self.core.outputs.any(),
            end_ns,
            phase: Phase::Flushing,
            since_ns: now_ns,
            pending: HashSet::new(),
        });
    }

    /// Takes the next step of ending, if it is time.
    pub fn advance(&mut self, now_ns: i64, facts: &mut Facts) {
        let core = &mut self.core;
        let Stage::Ending(ending) = &core.stage else { return };
        let (phase, end_ns, waited) = (ending.phase, ending.end_ns, now_ns - ending.since_ns);
        let idle = ending.pending.is_empty();
        let mut pending = None;
        let next = match phase {
            Phase::Flushing if waited > FLUSH_NS => {
                pending = Some(self.source.drain(end_ns));
                Phase::Draining
            }
            Phase::Draining if idle || waited > DRAIN_NS => {
                core.end_programs(end_ns);
                Phase::Encoding
            }
            Phase::Encoding if core.encoders.finished() || waited > ENCODE_NS => {
                core.outputs.finish_all();
                Phase::Closing
            }
            Phase::Closing if !core.outputs.any() && !core.writes_manifests() => Phase::Done,
            Phase::Closing if waited > CLOSE_NS => {
                core.outputs.abandon(facts);
                Phase::Done
            }
            same => same,
        };
        let Stage::Ending(ending) = &mut core.stage else { return };
        if next != ending.phase {
            ending.phase = next;
            ending.since_ns = now_ns;
        }
        if let Some(pending) = pending {
            ending.pending = pending;
        }
    }

    /// How the job ended, for its last fact.
    pub fn outcome(&self) -> (EgressStatus, Option<ApiError>) {
        let Stage::Ending(ending) = &self.core.stage else { return (EgressStatus::Aborted, None) };
        let results = self.core.outputs.results();
        let wrote = results.iter().any(|(_, ended)| ended.wrote());
        // A destination that failed is its own affair, unless nothing good came of anything else.
        let good = results.iter().any(|(_, ended)| ended.wrote() && ended.error().is_none());
        let counts = |ended: &&Ended| !matches!(ended, Ended::Destination(_)) || !good;
        let ends = results.iter().map(|(_, ended)| ended);
        let failed = ends.filter(counts).find_map(|ended| ended.error().cloned());
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
            reason
                if !wrote
                    && ending.wanted
                    && let Some(error) = self.source.never_began(reason) =>
            {
                (EgressStatus::Aborted, Some(error))
            }
            _ if wrote || results.is_empty() && ending.reason == EndReason::StopRequested => {
                (if wrote { EgressStatus::Complete } else { EgressStatus::Aborted }, None)
            }
            reason => (EgressStatus::Aborted, Some(nothing_recorded(reason))),
        }
    }
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
    ApiError::new(ErrorCode::Aborted, Fault::Input, message, remedy).with_detail(START_NOT_RECEIVED)
}
