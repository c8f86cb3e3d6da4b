//! Facts folded into the job that the operator sees. Pure.

use egress::fact::{ConnectionState, EgressStatus, Event, Fact, FileResult};
use egress::id::OutputId;
use egress::roster::TrackKind;

use crate::surface::{Job, JobOutput, OutputState};

/// Warnings that are kept; a job that warns for ever must not grow for ever.
const MAX_WARNINGS: usize = 50;

/// Takes one fact into the job.
pub(crate) fn fold(job: &mut Job, event: &Event) {
    let at_ms = event.at_ns / 1_000_000;
    match &event.fact {
        Fact::Started { .. } | Fact::RoomJoined { .. } | Fact::TrackRemoved { .. } => {}
        Fact::Connection { state } => job.connection = *state,
        Fact::TrackAdded { track } => {
            match job.tracks.iter_mut().find(|known| known.track_id == track.track_id) {
                Some(known) => *known = track.clone(),
                None => job.tracks.push(track.clone()),
            }
        }
        Fact::TrackRefused { error, .. } => warn(job, error),
        Fact::Warning { warning } => warn(job, warning),
        Fact::Armed => job.armed = job.outputs.is_empty() && !ended(job.status),
        Fact::OutputOpening { output, path } => {
            job.preview = false;
            job.armed = false;
            let output = output_mut(job, output);
            output.path = Some(path.display().to_string());
        }
        Fact::OutputActive { output, started_at_ns } => {
            let started_at_ms = started_at_ns / 1_000_000;
            let output = output_mut(job, output);
            output.state = OutputState::Active;
            output.started_at_ms = Some(started_at_ms);
            job.armed = false;
            job.started_at_ms =
                Some(job.started_at_ms.map_or(started_at_ms, |known| known.min(started_at_ms)));
            if job.status == EgressStatus::Starting {
                job.status = EgressStatus::Active;
            }
        }
        Fact::OutputEnded { output, result } => output_ended(job, output, result),
        Fact::Ending { reason } => {
            job.armed = false;
            job.end_reason = Some(*reason);
            if !ended(job.status) {
                job.status = EgressStatus::Ending;
            }
            for output in &mut job.outputs {
                if matches!(output.state, OutputState::Starting | OutputState::Active) {
                    output.state = OutputState::Finishing;
                }
            }
        }
        Fact::Ended { status, error } => {
            job.armed = false;
            job.status = *status;
            job.error = error.clone();
            job.ended_at_ms = Some(at_ms);
            job.connection = ConnectionState::Disconnected;
            job.figures = None;
        }
    }
}

/// Whether a job of this status is over.
pub(crate) fn ended(status: EgressStatus) -> bool {
    match status {
        EgressStatus::Starting | EgressStatus::Active | EgressStatus::Ending => false,
        EgressStatus::Complete
        | EgressStatus::Failed
        | EgressStatus::Aborted
        | EgressStatus::LimitReached => true,
    }
}

/// Whether an output of this state is over.
pub(crate) fn closed(state: OutputState) -> bool {
    matches!(state, OutputState::Done | OutputState::Failed)
}

fn warn(job: &mut Job, warning: &egress::error::ApiError) {
    // The same trouble again says nothing new.
    if job.warnings.last() != Some(warning) {
        job.warnings.push(warning.clone());
    }
    if job.warnings.len() > MAX_WARNINGS {
        job.warnings.remove(0);
    }
}

fn output_ended(job: &mut Job, id: &OutputId, result: &FileResult) {
    let picture = job.tracks.iter().any(|track| track.kind == TrackKind::Video);
    let output = output_mut(job, id);
    output.state = if result.error.is_some() { OutputState::Failed } else { OutputState::Done };
    output.thumbnail = picture && result.path.is_some() && result.size_bytes > 0;
    if let Some(path) = &result.path {
        output.path = Some(path.display().to_string());
    }
    output.result = Some(result.clone());
}

fn output_mut<'a>(job: &'a mut Job, id: &OutputId) -> &'a mut JobOutput {
    let at = match job.outputs.iter().position(|output| output.id == *id) {
        Some(at) => at,
        None => {
            job.outputs.push(starting(id.clone()));
            job.outputs.len() - 1
        }
    };
    &mut job.outputs[at]
}

/// An output that waits for its first media.
pub(crate) fn starting(id: OutputId) -> JobOutput {
    JobOutput {
        id,
        path: None,
        state: OutputState::Starting,
        started_at_ms: None,
        result: None,
        thumbnail: false,
    }
}
