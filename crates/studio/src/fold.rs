//! What the facts of a job, folded by [`JobState`], make of the job that the operator sees. Pure.

use egress::fact::{EgressStatus, OutputState};
use egress::id::OutputId;
use egress::request::{PageParts, RecordSource};
use egress::roster::TrackKind;
use egress::spec::StreamProtocol;
use egress::state::JobState;

use crate::surface::{Job, JobDestination, JobOutput};

/// Warnings that are kept; a job that warns for ever must not grow for ever.
const MAX_WARNINGS: usize = 50;

/// Puts what is known of a job into what the operator sees of it.
pub(crate) fn show(job: &mut Job, state: &JobState) {
    job.status = state.status();
    job.connection = state.connection();
    job.page = state.page();
    job.layout = state.layout().map(str::to_owned);
    job.started_at_ms = state.started_at_ns().map(ms);
    job.ended_at_ms = state.ended_at_ns().map(ms);
    job.end_reason = state.end_reason();
    job.error = state.error().cloned();
    let warnings = state.warnings();
    job.warnings =
        warnings[warnings.len().saturating_sub(MAX_WARNINGS)..].iter().map(|&w| w.clone()).collect();
    job.tracks = state.tracks().into_iter().cloned().collect();
    if state.is_over() {
        job.figures = None;
    }
    let picture = match &job.request.source {
        // The picture of a page is none of the room's tracks.
        RecordSource::RoomComposite { parts, .. } | RecordSource::Web { parts, .. } => {
            *parts != PageParts::Sound
        }
        _ => job.tracks.iter().any(|track| track.kind == TrackKind::Video),
    };
    for output in state.outputs() {
        job.preview = false;
        let shown = output_mut(job, output.id);
        shown.state = output.state;
        shown.started_at_ms = output.started_at_ns.map(ms);
        shown.result = output.result.cloned();
        if let Some(destination) = output.destination {
            let known = shown.destination.as_ref();
            let (protocol, sound) = (known.map(|known| known.protocol), known.and_then(|known| known.sound));
            shown.destination = Some(JobDestination {
                address: destination.address.clone(),
                protocol: protocol.unwrap_or(protocol_of(&destination.address)),
                sound,
                state: destination.state.clone(),
                since_ms: ms(destination.since_ns),
            });
        }
        shown.set = output.set.cloned();
        if let Some(path) = output.path {
            shown.path = Some(path.display().to_string());
        }
        shown.thumbnail =
            picture && output.result.is_some_and(|result| result.path.is_some() && result.size_bytes > 0);
    }
    // An output that was asked for and that the job has not spoken of yet counts as well.
    job.armed = state.is_armed() && job.outputs.is_empty();
}

/// The address as it may be shown still has its scheme.
fn protocol_of(address: &str) -> StreamProtocol {
    match address.split_once("://").map_or("", |(scheme, _)| scheme) {
        "srt" => StreamProtocol::Srt,
        "ws" | "wss" => StreamProtocol::Websocket,
        _ => StreamProtocol::Rtmp,
    }
}

fn ms(ns: i64) -> i64 {
    ns / 1_000_000
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
        destination: None,
        set: None,
        upload_queued: false,
        stored: None,
    }
}
