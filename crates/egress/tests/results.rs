//! Results stand in the first answer, and how a life is told.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use std::path::Path;

use egress::fact::{EgressStatus, EndReason, Event, Fact};
use egress::filename::{NameFacts, launch_names};
use egress::id::OutputId;
use egress::info::{JobFacts, egress_info};
use egress::names::LaunchNames;
use egress::spec::{JobSpec, Task};
use egress::state::JobState;
use egress::validate::{EgressRequest, Local, validate};
use livekit_protocol::stream_info::Status;
use livekit_protocol::{EgressInfo, EgressStatus as Told, egress_info as proto_info};
use serde_json::{Value, json};

/// 2026-03-04 05:06:07.089 UTC.
const AT_NS: i64 = 1_772_600_767_089_000_000;

/// What is told of a request whose job has said this.
fn told(request: &EgressRequest, facts: &[Fact]) -> EgressInfo {
    told_with(request, facts, &[])
}

/// `uploaded`: the outputs that go to a storage.
fn told_with(request: &EgressRequest, facts: &[Fact], uploaded: &[OutputId]) -> EgressInfo {
    let local = Local { folder: "/recordings".into(), ..Local::default() };
    let accepted = validate(request, &local).unwrap();
    let job = JobSpec {
        egress_id: "EG_1".into(),
        url: String::new(),
        room_name: accepted.room_name.clone(),
        room_sid: "RM_1".into(),
        retry: 0,
        names: LaunchNames::default(),
        task: Task::Egress(accepted.spec.clone()),
    };
    let facts_of_names = NameFacts::at_launch(&job, &accepted.spec.source, AT_NS, jiff::tz::TimeZone::UTC);
    let names = launch_names(&accepted.spec, &facts_of_names, |_| false);
    let events = facts.iter().cloned().zip(1..);
    let events: Vec<Event> =
        events.map(|(fact, seq)| Event { seq, at_ns: AT_NS + seq as i64, fact }).collect();
    let job = JobFacts {
        egress_id: &"EG_1".into(),
        room_name: &accepted.room_name,
        room_id: "RM_1",
        request,
        created_at_ns: AT_NS,
        folder: Path::new("/recordings"),
        manifest: true,
        outputs: &accepted.spec.outputs,
        names: &names,
        uploaded,
    };
    egress_info(&job, &JobState::of(&events))
}

fn participant(outputs: Value) -> EgressRequest {
    let mut body = json!({"roomName": "show", "identity": "ada"});
    body.as_object_mut().unwrap().extend(outputs.as_object().unwrap().clone());
    EgressRequest::Participant(serde_json::from_value(body).unwrap())
}

#[test]
fn every_result_is_named_in_the_first_answer() {
    let info = told(
        &participant(json!({
            "fileOutputs": [{"filepath": "a/{room_name}-{time}"}],
            "segmentOutputs": [{"filenamePrefix": "hls/{publisher_identity}", "livePlaylistName": "live"}],
            "imageOutputs": [{"filenamePrefix": "shots/{room_id}"}, {"filenamePrefix": ""}],
            "streamOutputs": [{"urls": ["rtmp://h/app/a-stream-key", "srt://h:1?streamid=a-stream-id"]}],
        })),
        &[],
    );
    assert_eq!(info.room_id, "RM_1");
    assert_eq!(info.file_results[0].filename, "a/show-2026-03-04T050607.mp4");
    let set = &info.segment_results[0];
    assert_eq!(
        (set.playlist_name.as_str(), set.live_playlist_name.as_str()),
        ("hls/ada.m3u8", "hls/live.m3u8")
    );
    let images: Vec<&str> = info.image_results.iter().map(|set| set.filename_prefix.as_str()).collect();
    assert_eq!(images, ["shots/RM_1", "ada-2026-03-04T050607"]);
    let streams = &info.stream_results;
    let urls: Vec<&str> = streams.iter().map(|stream| stream.url.as_str()).collect();
    assert_eq!(urls, ["rtmp://h/app/{a-s...key}", "srt://h:1?streamid={a-s...-id}"]);
    assert!(streams.iter().all(|stream| stream.status() == Status::Active && stream.started_at == 0));
    #[allow(deprecated)]
    let single = info.result;
    assert_eq!(single, None, "older SDKs are told of a kind alone");
}

#[test]
fn a_name_keeps_the_slash_that_it_was_asked_for_with() {
    let names = |set: Value, uploaded: &[OutputId]| {
        let asked = participant(json!({
            "fileOutputs": [{"filepath": "/a/{room_name}.mp4"}],
            "segmentOutputs": [set],
            "imageOutputs": [{"filenamePrefix": "/shots/s"}],
        }));
        let info = told_with(&asked, &[], uploaded);
        let set = &info.segment_results[0];
        let (file, images) = (&info.file_results[0].filename, &info.image_results[0].filename_prefix);
        [file, &set.playlist_name, &set.live_playlist_name, images].map(String::clone)
    };
    let outputs = ["file", "segments", "images-1"].map(OutputId::from);
    for set in [
        json!({"filenamePrefix": "/hls/part", "playlistName": "list", "livePlaylistName": "live"}),
        json!({"filenamePrefix": "part", "playlistName": "/hls/list", "livePlaylistName": "live"}),
    ] {
        let stored = ["/a/show.mp4", "/hls/list.m3u8", "/hls/live.m3u8", "/shots/s"];
        assert_eq!(names(set.clone(), &outputs), stored);
        let here = stored.map(|name| format!("/recordings{name}"));
        assert_eq!(names(set, &[]), here, "a file that stays on this computer is told with its whole path");
    }
}

#[test]
fn what_cannot_be_known_yet_is_told_as_livekit_tells_it() {
    let track = |file: Value| {
        let body = json!({"roomName": "show", "trackId": "TR_1", "file": file});
        EgressRequest::Track(serde_json::from_value(body).unwrap())
    };
    // Which container it will be, the codec tells.
    let info = told(&track(json!({"filepath": "a/{track_id}"})), &[]);
    assert_eq!((info.file_results.len(), info.file_results[0].filename.as_str()), (1, ""));
    let opened = Fact::OutputOpening { output: "file".into(), path: "/recordings/a/TR_1.ogg".into() };
    let info = told(&track(json!({"filepath": "a/{track_id}"})), &[opened]);
    assert_eq!(info.file_results[0].filename, "a/TR_1.ogg");
    let composite =
        json!({"roomName": "show", "audioTrackId": "TR_1", "file": {"filepath": "{publisher_identity}"}});
    let composite = EgressRequest::TrackComposite(serde_json::from_value(composite).unwrap());
    assert_eq!(told(&composite, &[]).file_results[0].filename, "{publisher_identity}.ogg");
}

#[test]
#[allow(deprecated)]
fn older_sdks_find_the_one_result_of_each_kind_from_the_first_answer_on() {
    use proto_info::Result::{File, Segments, Stream};
    let only = |outputs: Value| told(&participant(outputs), &[]).result;
    match only(json!({"fileOutputs": [{"filepath": "a"}]})) {
        Some(File(file)) => assert_eq!(file.filename, "a.mp4"),
        other => panic!("{other:?}"),
    }
    match only(json!({"segmentOutputs": [{"playlistName": "a"}]})) {
        Some(Segments(set)) => assert_eq!(set.playlist_name, "a.m3u8"),
        other => panic!("{other:?}"),
    }
    match only(json!({"streamOutputs": [{"urls": ["rtmp://h/a/key"]}]})) {
        Some(Stream(list)) => assert_eq!(list.info.len(), 1),
        other => panic!("{other:?}"),
    }
    assert_eq!(only(json!({"imageOutputs": [{}]})), None);
    assert_eq!(only(json!({"fileOutputs": [{}], "imageOutputs": [{}]})), None);
}

/// The statuses that a job goes through, one after each fact.
fn statuses(facts: &[Fact]) -> Vec<Told> {
    let request = participant(json!({"fileOutputs": [{"filepath": "a"}]}));
    (0..=facts.len()).map(|n| told(&request, &facts[..n]).status()).collect()
}

#[test]
fn a_failure_and_a_limit_go_straight_to_the_end() {
    use Told::{
        EgressAborted, EgressActive, EgressComplete, EgressEnding, EgressFailed, EgressLimitReached,
        EgressStarting,
    };
    let active = Fact::OutputActive { output: "file".into(), started_at_ns: AT_NS };
    let life = |reason, status| {
        statuses(&[active.clone(), Fact::Ending { reason }, Fact::Ended { status, error: None }])
    };
    for reason in [
        EndReason::StopRequested,
        EndReason::SourceClosed,
        EndReason::StreamsStopped,
        EndReason::ProcessKilled,
    ] {
        let told = [EgressStarting, EgressActive, EgressEnding, EgressComplete];
        assert_eq!(life(reason, EgressStatus::Complete), told, "{reason:?}");
    }
    for reason in [EndReason::Failure, EndReason::RoomLost] {
        let told = [EgressStarting, EgressActive, EgressActive, EgressFailed];
        assert_eq!(life(reason, EgressStatus::Failed), told, "{reason:?}");
    }
    for reason in [EndReason::LimitReached, EndReason::DiskFull] {
        let told = [EgressStarting, EgressActive, EgressActive, EgressLimitReached];
        assert_eq!(life(reason, EgressStatus::LimitReached), told, "{reason:?}");
    }
    let never = [
        Fact::Ending { reason: EndReason::StopRequested },
        Fact::Ended { status: EgressStatus::Aborted, error: None },
    ];
    assert_eq!(statuses(&never), [EgressStarting, EgressStarting, EgressAborted]);
    let ending = [active, Fact::Ending { reason: EndReason::RoomLost }];
    let request = participant(json!({"fileOutputs": [{}]}));
    assert_eq!(told(&request, &ending).details, "", "nothing of an end that is not told");
}
