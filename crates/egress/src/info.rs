//! `EgressInfo`: a job in LiveKit's words, for callers of the API, the history and webhooks.

mod results;

use std::path::Path;

use livekit_protocol as proto;
use proto::{EgressInfo, EgressSourceType};

use crate::error::{ApiError, ErrorCode};
use crate::fact::{EgressStatus, EndReason, OutputSet, OutputState};
use crate::id::{EgressId, OutputId};
use crate::manifest::manifest_path;
use crate::names::LaunchNames;
use crate::redact::redact;
use crate::spec::OutputSpec;
use crate::state::JobState;
use crate::validate::EgressRequest;
use results::Results;

/// LiveKit's words for a recording that ended, for whatever reason, before its source had begun. An error of a job that
/// has them as its detail names the cause, and is told after them.
pub const START_NOT_RECEIVED: &str = "Start signal not received";

/// What of a job its facts do not tell.
#[derive(Debug, Clone, Copy)]
pub struct JobFacts<'a> {
    /// The job.
    pub egress_id: &'a EgressId,
    /// The room.
    pub room_name: &'a str,
    /// Its sid, where it was known at the launch. Otherwise empty.
    pub room_id: &'a str,
    /// What was asked. Its secrets are taken out on the way.
    pub request: &'a EgressRequest,
    /// When it was accepted, unix time, ns.
    pub created_at_ns: i64,
    /// The folder that file names are relative to.
    pub folder: &'a Path,
    /// Whether a manifest is written.
    pub manifest: bool,
    /// The outputs that it was launched with.
    pub outputs: &'a [OutputSpec],
    /// What they are called.
    pub names: &'a LaunchNames,
    /// Those that go to a storage.
    pub uploaded: &'a [OutputId],
}

/// The job in LiveKit's words.
///
/// States, codes and `details` are LiveKit's. `error` is too where LiveKit's names the cause; where it
/// hides it (`Start signal not received`, whatever happened), the cause follows.
pub fn egress_info(job: &JobFacts<'_>, state: &JobState) -> EgressInfo {
    let mut request = job.request.clone();
    redact(&mut request);
    let results = Results::of(job, state);
    let (error, error_code) = error(state);
    EgressInfo {
        egress_id: job.egress_id.0.clone(),
        room_id: state.room_sid().unwrap_or(job.room_id).to_owned(),
        room_name: job.room_name.to_owned(),
        source_type: source_type(job.request).into(),
        status: status(state).into(),
        started_at: job.created_at_ns,
        ended_at: state.ended_at_ns().unwrap_or_default(),
        updated_at: state.updated_at_ns().max(job.created_at_ns),
        #[allow(deprecated)]
        result: results.only(),
        file_results: results.files,
        segment_results: results.segments,
        image_results: results.images,
        stream_results: results.streams,
        error,
        error_code,
        details: details(state),
        manifest_location: manifest_location(job, state),
        request: Some(request),
        ..EgressInfo::default()
    }
}

/// What LiveKit's service would take it with: its own, for a room's sound alone, needs no browser either.
fn source_type(request: &EgressRequest) -> EgressSourceType {
    use proto::start_egress_request::Source;
    let sound_alone = |audio_only: bool, video_only: bool, base_url: &str| {
        if audio_only && !video_only && base_url.is_empty() {
            EgressSourceType::Sdk
        } else {
            EgressSourceType::Web
        }
    };
    match request {
        EgressRequest::RoomComposite(asked) => {
            sound_alone(asked.audio_only, asked.video_only, &asked.custom_base_url)
        }
        EgressRequest::Egress(proto::StartEgressRequest {
            source: Some(Source::Template(asked)), ..
        }) => sound_alone(asked.audio_only, asked.video_only, &asked.custom_base_url),
        EgressRequest::Web(_)
        | EgressRequest::Egress(proto::StartEgressRequest { source: Some(Source::Web(_)), .. }) => {
            EgressSourceType::Web
        }
        _ => EgressSourceType::Sdk,
    }
}

/// Whether the job is ending in a way that LiveKit's service tells of: by somebody's wish, with its source, or with the
/// system. Of a failure and of a limit it tells when all is over, and so it does of what never began.
fn is_told_ending(state: &JobState) -> bool {
    use EndReason::{ProcessKilled, SourceClosed, StopRequested, StreamsStopped};
    let as_it_should =
        |reason| matches!(reason, StopRequested | StreamsStopped | SourceClosed | ProcessKilled);
    state.started_at_ns().is_some() && state.end_reason().is_some_and(as_it_should)
}

fn status(state: &JobState) -> proto::EgressStatus {
    match state.status() {
        EgressStatus::Ending if is_told_ending(state) => proto::EgressStatus::EgressEnding,
        EgressStatus::Ending | EgressStatus::Active if state.started_at_ns().is_some() => {
            proto::EgressStatus::EgressActive
        }
        EgressStatus::Starting | EgressStatus::Ending | EgressStatus::Active => {
            proto::EgressStatus::EgressStarting
        }
        EgressStatus::Complete => proto::EgressStatus::EgressComplete,
        EgressStatus::Failed => proto::EgressStatus::EgressFailed,
        EgressStatus::Aborted => proto::EgressStatus::EgressAborted,
        EgressStatus::LimitReached => proto::EgressStatus::EgressLimitReached,
    }
}

/// Where the manifest of the first output that has one lies.
fn manifest_location(job: &JobFacts<'_>, state: &JobState) -> String {
    let outputs = state.outputs();
    let mut done = outputs.iter().filter(|output| job.manifest && output.state == OutputState::Done);
    let beside = done.find_map(|output| match output.set {
        // The path of images is their folder.
        Some(OutputSet::Images { .. }) => output.path.map(|folder| folder.join("images")),
        _ => output.path.map(Path::to_owned),
    });
    beside.map(|path| manifest_path(&path, job.egress_id).display().to_string()).unwrap_or_default()
}

/// `error` and `error_code`.
fn error(state: &JobState) -> (String, i32) {
    let reason = state.end_reason();
    match state.status() {
        EgressStatus::Starting | EgressStatus::Active | EgressStatus::Ending | EgressStatus::Complete => {
            (String::new(), 0)
        }
        // LiveKit has no word for it, and a limit that nobody set would be a wrong one.
        EgressStatus::LimitReached if reason == Some(EndReason::DiskFull) => {
            (state.error().map(in_words).unwrap_or_default(), ErrorCode::DiskFull.http_status())
        }
        EgressStatus::LimitReached => {
            ("Session limit reached".to_owned(), ErrorCode::LimitReached.http_status())
        }
        EgressStatus::Aborted => {
            let text = match (state.error(), reason) {
                (Some(error), _) if error.detail == START_NOT_RECEIVED => {
                    format!("{START_NOT_RECEIVED}: {}", in_words(error))
                }
                (_, Some(EndReason::StopRequested)) => "Stop called before pipeline could start".to_owned(),
                (_, Some(EndReason::LimitReached)) => "Session limit reached before start signal".to_owned(),
                (Some(error), _) => in_words(error),
                (None, Some(EndReason::SourceClosed)) => {
                    "Source closed before anything was recorded: the tracks, the person or the room were gone \
                     before any media arrived."
                        .to_owned()
                }
                (None, Some(EndReason::ProcessKilled)) => {
                    "Process killed before anything was recorded.".to_owned()
                }
                (None, _) => "Ended before anything was recorded.".to_owned(),
            };
            (text, ErrorCode::Aborted.http_status())
        }
        EgressStatus::Failed => match state.error() {
            Some(error) => (in_words(error), error.code.http_status()),
            None => (
                "The recording failed, and the cause is not known.".to_owned(),
                ErrorCode::Internal.http_status(),
            ),
        },
    }
}

/// LiveKit's words where scripts may look for them, then the cause and what to do.
fn in_words(error: &ApiError) -> String {
    let cause = match error.code {
        ErrorCode::RoomLost => {
            format!("recording ended early: connection to room failed: {}", error.message)
        }
        _ => error.message.clone(),
    };
    if error.remedy.is_empty() { cause } else { format!("{cause} {}", error.remedy) }
}

/// `End reason: …`
fn details(state: &JobState) -> String {
    if !state.is_over() && !is_told_ending(state) {
        return String::new();
    }
    let reason = match (state.status(), state.end_reason()) {
        (EgressStatus::Failed, Some(EndReason::DuplicateIdentity)) => "Duplicate identity",
        (EgressStatus::Failed, _) => "Failure",
        (EgressStatus::LimitReached, Some(EndReason::DiskFull)) => "Disk nearly full",
        (EgressStatus::LimitReached, _) => "Session limit reached",
        (_, Some(EndReason::StopRequested)) => "StopEgress API",
        (_, Some(EndReason::StreamsStopped)) => "All streams stopped",
        (_, Some(EndReason::SourceClosed)) => "Source closed",
        (_, Some(EndReason::LimitReached)) => "Session limit reached",
        (_, Some(EndReason::ProcessKilled)) => "Process killed",
        (_, Some(EndReason::DiskFull)) => "Disk nearly full",
        (_, Some(EndReason::RoomLost)) => "Connection to room lost",
        (_, Some(EndReason::DuplicateIdentity)) => "Duplicate identity",
        (_, Some(EndReason::Failure)) => "Failure",
        (_, None) => return String::new(),
    };
    format!("End reason: {reason}")
}
