//! `EgressInfo` in the states a job can be in.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use std::path::Path;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{EgressStatus, EndReason, Event, Fact, FileResult};
use egress::info::{JobFacts, START_NOT_RECEIVED, egress_info};
use egress::names::LaunchNames;
use egress::protocol::to_protocol;
use egress::request::{Preset, RecordFormat, RecordRequest, RecordSource};
use egress::state::JobState;
use egress::validate::EgressRequest;
use livekit_protocol::EgressInfo;

/// 2026-03-04 05:06:07 UTC.
const AT_NS: i64 = 1_772_600_767_000_000_000;
const SECOND_NS: i64 = 1_000_000_000;

fn request() -> EgressRequest {
    to_protocol(&RecordRequest {
        room_name: "show".into(),
        source: RecordSource::Participant { identity: "ada".into(), follow_screen_share: false },
        format: RecordFormat::Preset { container: None, preset: Preset::H264720p30 },
        folder: "/recordings".into(),
        name: "shows/{time}".into(),
        manifest: true,
        segments: None,
        images: None,
        copy_folder: None,
        proxy: None,
        upload: None,
    })
}

fn info(facts: &[Fact]) -> EgressInfo {
    let at = |n: usize| AT_NS + SECOND_NS * (n as i64 + 1);
    let events = facts.iter().cloned().enumerate();
    let events: Vec<Event> =
        events.map(|(n, fact)| Event { seq: n as u64 + 1, at_ns: at(n), fact }).collect();
    let job = JobFacts {
        egress_id: &"EG_1".into(),
        room_name: "show",
        request: &request(),
        created_at_ns: AT_NS,
        folder: Path::new("/recordings"),
        manifest: true,
        room_id: "",
        outputs: &[],
        names: &LaunchNames::default(),
        uploaded: &[],
    };
    egress_info(&job, &JobState::of(&events))
}

fn active() -> Vec<Fact> {
    vec![
        Fact::Started { pid: 7 },
        Fact::RoomJoined { room_sid: "RM_1".into() },
        Fact::OutputOpening { output: "file".into(), path: "/recordings/shows/one.mp4".into() },
        Fact::OutputActive { output: "file".into(), started_at_ns: AT_NS + SECOND_NS },
    ]
}

fn ended(reason: EndReason, status: EgressStatus, error: Option<ApiError>) -> Vec<Fact> {
    let result = FileResult {
        path: Some("/recordings/shows/one.mp4".into()),
        size_bytes: 123_456,
        started_at_ns: AT_NS + SECOND_NS,
        ended_at_ns: AT_NS + 61 * SECOND_NS,
        duration_ns: 60 * SECOND_NS,
        error: None,
    };
    let mut facts = active();
    facts.extend([
        Fact::Ending { reason },
        Fact::OutputEnded { output: "file".into(), result },
        Fact::Ended { status, error },
    ]);
    facts
}

/// The end of a job that never wrote anything.
fn never(reason: EndReason, error: Option<ApiError>) -> (String, i32, String) {
    let info = info(&[
        Fact::Started { pid: 7 },
        Fact::Ending { reason },
        Fact::Ended { status: EgressStatus::Aborted, error },
    ]);
    assert_eq!(info.status(), livekit_protocol::EgressStatus::EgressAborted);
    (info.error, info.error_code, info.details)
}

#[test]
fn starting() {
    insta::assert_json_snapshot!("info_starting", info(&[]));
}

#[test]
fn recording() {
    insta::assert_json_snapshot!("info_active", info(&active()));
}

#[test]
fn complete() {
    let stopped = info(&ended(EndReason::StopRequested, EgressStatus::Complete, None));
    insta::assert_json_snapshot!("info_complete", stopped);
    let left = info(&ended(EndReason::SourceClosed, EgressStatus::Complete, None));
    assert_eq!((left.error.as_str(), left.error_code), ("", 0));
    assert_eq!(left.details, "End reason: Source closed");
    let killed = info(&ended(EndReason::ProcessKilled, EgressStatus::Complete, None));
    assert_eq!(killed.details, "End reason: Process killed");
}

#[test]
fn failed_with_a_file() {
    let lost = ApiError::new(
        ErrorCode::RoomLost,
        Fault::Server,
        "The server could not be reached again for 30 s.",
        "Check the network, then record again.",
    );
    insta::assert_json_snapshot!(
        "info_failed",
        info(&ended(EndReason::RoomLost, EgressStatus::Failed, Some(lost)))
    );
    let unknown = info(&ended(EndReason::Failure, EgressStatus::Failed, None));
    assert!(!unknown.error.is_empty() && unknown.error_code == 500);
}

#[test]
fn limit_reached() {
    let info = info(&ended(EndReason::LimitReached, EgressStatus::LimitReached, None));
    assert_eq!((info.error.as_str(), info.error_code), ("Session limit reached", 413));
    assert_eq!(info.details, "End reason: Session limit reached");
    assert_eq!(info.file_results[0].duration, 60 * SECOND_NS);
}

#[test]
fn aborted_names_the_true_cause() {
    assert_eq!(
        never(EndReason::StopRequested, None),
        ("Stop called before pipeline could start".into(), 412, "End reason: StopEgress API".into())
    );
    assert_eq!(
        never(EndReason::LimitReached, None),
        ("Session limit reached before start signal".into(), 412, "End reason: Session limit reached".into())
    );
    let (error, code, details) = never(EndReason::SourceClosed, None);
    assert!(error.starts_with("Source closed before anything was recorded"), "{error}");
    assert_eq!((code, details.as_str()), (412, "End reason: Source closed"));
    let gone = ApiError::new(
        ErrorCode::NotFound,
        Fault::Input,
        "Ada left before anything was recorded.",
        "Wait until she is back.",
    );
    let (error, ..) = never(EndReason::SourceClosed, Some(gone));
    assert_eq!(error, "Ada left before anything was recorded. Wait until she is back.");
    for reason in [
        EndReason::StopRequested,
        EndReason::SourceClosed,
        EndReason::RoomLost,
        EndReason::LimitReached,
        EndReason::DiskFull,
        EndReason::ProcessKilled,
        EndReason::Failure,
    ] {
        let (error, code, details) = never(reason, None);
        assert!(!error.contains("Start signal not received") && !error.is_empty());
        assert_eq!(code, 412);
        assert!(details.starts_with("End reason: "), "{details}");
    }
}

#[test]
fn what_never_began_is_told_in_livekits_words_with_the_cause() {
    let cause = ApiError::new(
        ErrorCode::Aborted,
        Fault::Input,
        "The recording was stopped before the page said START_RECORDING.",
        "Look at what the page waits for.",
    )
    .with_detail(START_NOT_RECEIVED);
    for (reason, details) in [
        (EndReason::StopRequested, "End reason: StopEgress API"),
        (EndReason::SourceClosed, "End reason: Source closed"),
        (EndReason::ProcessKilled, "End reason: Process killed"),
    ] {
        let told = "Start signal not received: The recording was stopped before the page said START_RECORDING. \
                    Look at what the page waits for.";
        assert_eq!(never(reason, Some(cause.clone())), (told.into(), 412, details.into()));
    }
}

#[test]
fn a_disk_that_is_nearly_full_is_no_limit_that_somebody_set() {
    let result = FileResult {
        path: Some("/recordings/a.mp4".into()),
        size_bytes: 10,
        started_at_ns: 1,
        ended_at_ns: 3,
        duration_ns: 2,
        error: None,
    };
    let error =
        ApiError::new(ErrorCode::DiskFull, Fault::Destination, "The disk was full.", "Free some space.");
    let events = [
        Fact::OutputEnded { output: "file".into(), result },
        Fact::Ending { reason: EndReason::DiskFull },
        Fact::Ended { status: EgressStatus::LimitReached, error: Some(error) },
    ];
    let events: Vec<Event> =
        events.into_iter().zip(1..).map(|(fact, seq)| Event { seq, at_ns: AT_NS, fact }).collect();
    let request = EgressRequest::Track(Default::default());
    let job = JobFacts {
        egress_id: &"EG_1".into(),
        room_name: "show",
        request: &request,
        created_at_ns: AT_NS,
        folder: Path::new("/recordings"),
        manifest: false,
        room_id: "",
        outputs: &[],
        names: &LaunchNames::default(),
        uploaded: &[],
    };
    let info = egress_info(&job, &JobState::of(&events));
    assert_eq!((info.error.as_str(), info.error_code), ("The disk was full. Free some space.", 507));
    assert_eq!(info.details, "End reason: Disk nearly full");
}

#[test]
fn secrets_of_the_request_do_not_come_out() {
    let request = EgressRequest::Track(
        serde_json::from_str(
            r#"{"trackId": "TR_1", "file": {"s3": {"secret": "planted-secret", "bucket": "b"}}}"#,
        )
        .unwrap(),
    );
    let job = JobFacts {
        egress_id: &"EG_1".into(),
        room_name: "show",
        request: &request,
        created_at_ns: AT_NS,
        folder: Path::new("/recordings"),
        manifest: false,
        room_id: "",
        outputs: &[],
        names: &LaunchNames::default(),
        uploaded: &[],
    };
    let info = egress_info(&job, &JobState::default());
    assert!(!format!("{info:?}").contains("planted"));
    assert!(serde_json::to_string(&info).unwrap().contains("{secret}"));
}
