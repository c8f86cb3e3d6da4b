//! `EgressInfo`: a job in LiveKit's words, for callers of the API, the history and webhooks.

use std::path::Path;

use livekit_protocol as proto;
use proto::{EgressInfo, EgressSourceType, FileInfo, ImagesInfo, SegmentsInfo, StreamInfo, egress_info};

use crate::error::{ApiError, ErrorCode};
use crate::fact::{DestinationState, EgressStatus, EndReason, OutputSet, OutputState};
use crate::id::EgressId;
use crate::manifest::{manifest_path, relative};
use crate::redact::redact;
use crate::state::{JobState, Output};
use crate::validate::EgressRequest;

/// What of a job its facts do not tell.
#[derive(Debug, Clone, Copy)]
pub struct JobFacts<'a> {
    /// The job.
    pub egress_id: &'a EgressId,
    /// The room.
    pub room_name: &'a str,
    /// What was asked. Its secrets are taken out on the way.
    pub request: &'a EgressRequest,
    /// When it was accepted, unix time, ns.
    pub created_at_ns: i64,
    /// The folder that file names are relative to.
    pub folder: &'a Path,
    /// Whether a manifest is written.
    pub manifest: bool,
}

/// The job in LiveKit's words.
///
/// States, codes and `details` are LiveKit's. `error` is too where LiveKit's names the cause; where it
/// hides it (`Start signal not received`, whatever happened), the cause is named.
pub fn egress_info(job: &JobFacts<'_>, state: &JobState) -> EgressInfo {
    let mut request = job.request.clone();
    redact(&mut request);
    let outputs = state.outputs();
    let is_file = |output: &&Output<'_>| output.destination.is_none() && output.set.is_none();
    let files: Vec<FileInfo> = outputs.iter().filter(is_file).map(|o| file_info(o, job.folder)).collect();
    let sets = outputs.iter();
    let segments: Vec<SegmentsInfo> = sets.clone().filter_map(|o| segments_info(o, job.folder)).collect();
    let images: Vec<ImagesInfo> = sets.filter_map(images_info).collect();
    let streams: Vec<StreamInfo> = outputs.iter().filter_map(stream_info).collect();
    let (error, error_code) = error(state);
    let manifest_location = outputs
        .iter()
        .filter(|output| job.manifest && output.state == OutputState::Done && is_file(output))
        .find_map(|output| output.path)
        .map(|path| manifest_path(path, job.egress_id).display().to_string())
        .unwrap_or_default();
    EgressInfo {
        egress_id: job.egress_id.0.clone(),
        room_id: state.room_sid().unwrap_or_default().to_owned(),
        room_name: job.room_name.to_owned(),
        source_type: source_type(job.request).into(),
        status: status(state.status()).into(),
        started_at: job.created_at_ns,
        ended_at: state.ended_at_ns().unwrap_or_default(),
        updated_at: state.updated_at_ns().max(job.created_at_ns),
        // Older SDKs read only this.
        #[allow(deprecated)]
        result: match (files.as_slice(), streams.as_slice()) {
            ([file], []) => Some(egress_info::Result::File(file.clone())),
            ([], [_, ..]) => {
                Some(egress_info::Result::Stream(proto::StreamInfoList { info: streams.clone() }))
            }
            ([], []) => segments.first().cloned().map(egress_info::Result::Segments),
            _ => None,
        },
        file_results: files,
        segment_results: segments,
        image_results: images,
        stream_results: streams,
        error,
        error_code,
        details: details(state),
        manifest_location,
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

fn status(status: EgressStatus) -> proto::EgressStatus {
    match status {
        EgressStatus::Starting => proto::EgressStatus::EgressStarting,
        EgressStatus::Active => proto::EgressStatus::EgressActive,
        EgressStatus::Ending => proto::EgressStatus::EgressEnding,
        EgressStatus::Complete => proto::EgressStatus::EgressComplete,
        EgressStatus::Failed => proto::EgressStatus::EgressFailed,
        EgressStatus::Aborted => proto::EgressStatus::EgressAborted,
        EgressStatus::LimitReached => proto::EgressStatus::EgressLimitReached,
    }
}

fn file_info(output: &Output<'_>, folder: &Path) -> FileInfo {
    let mut info = FileInfo {
        filename: output.path.map(|path| relative(path, folder)).unwrap_or_default(),
        started_at: output.started_at_ns.unwrap_or_default(),
        ..FileInfo::default()
    };
    if let Some(result) = output.result {
        info.started_at = result.started_at_ns;
        info.ended_at = result.ended_at_ns;
        info.duration = result.duration_ns;
        info.size = i64::try_from(result.size_bytes).unwrap_or(i64::MAX);
        info.location = result.path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    }
    info
}

fn segments_info(output: &Output<'_>, folder: &Path) -> Option<SegmentsInfo> {
    let OutputSet::Segments { live_playlist, count } = output.set? else { return None };
    let mut info = SegmentsInfo {
        playlist_name: output.path.map(|path| relative(path, folder)).unwrap_or_default(),
        live_playlist_name: live_playlist.as_deref().map(|path| relative(path, folder)).unwrap_or_default(),
        segment_count: i64::try_from(*count).unwrap_or(i64::MAX),
        started_at: output.started_at_ns.unwrap_or_default(),
        ..SegmentsInfo::default()
    };
    if let Some(result) = output.result {
        info.started_at = result.started_at_ns;
        info.ended_at = result.ended_at_ns;
        info.duration = result.duration_ns;
        info.size = i64::try_from(result.size_bytes).unwrap_or(i64::MAX);
        if let Some(path) = &result.path {
            info.playlist_location = path.display().to_string();
            info.live_playlist_location =
                live_playlist.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        }
    }
    Some(info)
}

fn images_info(output: &Output<'_>) -> Option<ImagesInfo> {
    let OutputSet::Images { prefix, count } = output.set? else { return None };
    let (started_at, ended_at) = match output.result {
        Some(result) => (result.started_at_ns, result.ended_at_ns),
        None => (output.started_at_ns.unwrap_or_default(), 0),
    };
    let image_count = i64::try_from(*count).unwrap_or(i64::MAX);
    Some(ImagesInfo { filename_prefix: prefix.clone(), image_count, started_at, ended_at })
}

/// A destination in LiveKit's words. One that is being tried again counts as active there, and has no error.
fn stream_info(output: &Output<'_>) -> Option<StreamInfo> {
    use proto::stream_info::Status;
    let destination = output.destination?;
    let state = &destination.state;
    let status = match state {
        DestinationState::Connecting
        | DestinationState::Live { .. }
        | DestinationState::Reconnecting { .. } => Status::Active,
        DestinationState::Stopped { .. } => Status::Finished,
        DestinationState::Refused { .. } | DestinationState::Failed { .. } => Status::Failed,
    };
    let mut info = StreamInfo {
        url: destination.address.clone(),
        started_at: output.started_at_ns.unwrap_or_default(),
        status: status.into(),
        ..StreamInfo::default()
    };
    match state {
        DestinationState::Live { retries } | DestinationState::Reconnecting { retries, .. } => {
            info.retries = *retries;
        }
        DestinationState::Stopped { result } | DestinationState::Failed { result, .. } => {
            info.retries = result.retries;
            info.ended_at = if result.ended_at_ns > 0 { result.ended_at_ns } else { destination.since_ns };
            if info.started_at > 0 {
                info.duration = (info.ended_at - info.started_at).max(0);
            }
        }
        DestinationState::Connecting | DestinationState::Refused { .. } => {}
    }
    if info.retries > 0 {
        info.last_retry_at = destination.since_ns;
    }
    if status == Status::Failed {
        info.error = state.error().map(in_words).unwrap_or_default();
    }
    Some(info)
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
    if !state.is_over() && state.status() != EgressStatus::Ending {
        return String::new();
    }
    let reason = match (state.status(), state.end_reason()) {
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
        (_, Some(EndReason::Failure)) => "Failure",
        (_, None) => return String::new(),
    };
    format!("End reason: {reason}")
}
