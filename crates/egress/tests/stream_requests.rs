//! Requests with streams, and what `EgressInfo` says of them.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use std::path::Path;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{DestinationResult, DestinationState, EgressStatus, EndReason, Event, Fact};
use egress::info::{JobFacts, egress_info};
use egress::names::LaunchNames;
use egress::spec::{AudioCodec, OutputKind, StreamProtocol, Treatment, VideoCodec};
use egress::state::JobState;
use egress::validate::{Accepted, EgressRequest, Local, RequestError, validate};
use livekit_protocol::stream_info::Status;
use livekit_protocol::{EgressInfo, StreamInfo, egress_info as proto_info};
use proptest::prelude::*;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

fn local() -> Local {
    Local { folder: "/recordings".into(), ..Local::default() }
}

fn person(extra: Value) -> EgressRequest {
    let mut body = json!({"roomName": "show", "identity": "ada"});
    for (key, value) in extra.as_object().unwrap() {
        body[key] = value.clone();
    }
    EgressRequest::Participant(serde_json::from_value(body).unwrap())
}

fn ask(extra: Value) -> Result<Accepted, RequestError> {
    validate(&person(extra), &local())
}

fn refusal(extra: Value) -> String {
    ask(extra).unwrap_err().to_string()
}

#[test]
fn streams_beside_a_file_share_its_encode() {
    let accepted = ask(json!({
        "fileOutputs": [{"filepath": "x"}],
        "streamOutputs": [{"urls": ["rtmp://h/a/good-key", "srt://h:9?streamid=good-id", "rtmp://h/a/good-key"]}],
    }))
    .unwrap();
    let ids: Vec<&str> = accepted.spec.outputs.iter().map(|output| output.id.as_str()).collect();
    assert_eq!(ids, ["file", "stream-1", "stream-2"], "the same address twice is one stream");
    let OutputKind::Stream(first) = &accepted.spec.outputs[1].kind else { panic!("no stream") };
    assert_eq!((first.protocol, first.address.as_str()), (StreamProtocol::Rtmp, "rtmp://h/a/{go...ey}"));
    let secrets: Vec<&str> = accepted.secrets.values().map(|secret| secret.0.expose_secret()).collect();
    assert_eq!(secrets, ["rtmp://h/a/good-key", "srt://h:9?streamid=good-id"]);
    let spec = serde_json::to_string(&accepted.spec).unwrap();
    assert!(!spec.contains("good-key") && !spec.contains("good-id"), "{spec}");
    let Treatment::Encode { video: Some(video), audio: Some(audio) } = &accepted.spec.treatment else {
        panic!("{:?}", accepted.spec.treatment)
    };
    assert_eq!((video.codec, audio.codec), (VideoCodec::H264Main, AudioCodec::Aac));
    assert_eq!(video.key_frame_interval_s, Some(4.0));
}

#[test]
fn streams_alone_need_no_folder_and_are_h264_and_aac() {
    for asked in [
        json!({"streamOutputs": [{"protocol": "RTMP", "urls": ["mux://abcdefghi"]}]}),
        json!({"streamOutputs": [{"urls": ["srt://h:1"]}], "advanced": {"audioCodec": "OPUS", "keyFrameInterval": 2}}),
    ] {
        let accepted = validate(&person(asked), &Local::default()).unwrap();
        assert_eq!(accepted.spec.outputs.len(), 1);
        let Treatment::Encode { video: Some(video), audio: Some(audio) } = &accepted.spec.treatment else {
            panic!("{:?}", accepted.spec.treatment)
        };
        assert_eq!((video.codec, audio.codec), (VideoCodec::H264Main, AudioCodec::Aac));
        assert!(matches!(video.key_frame_interval_s, Some(2.0 | 4.0)));
    }
    let web: EgressRequest = EgressRequest::Web(
        serde_json::from_value(json!({"url": "https://a.b", "stream": {"urls": ["rtmp://h/a/k"]}})).unwrap(),
    );
    assert_eq!(validate(&web, &Local::default()).unwrap().spec.outputs[0].id.as_str(), "stream-1");
    let unified = json!({
        "roomName": "r", "media": {"videoTrackId": "T"}, "outputs": [{"stream": {"urls": ["twitch://live_key"]}}],
    });
    let unified = EgressRequest::Egress(serde_json::from_value(unified).unwrap());
    assert_eq!(validate(&unified, &Local::default()).unwrap().secrets.len(), 1);
}

#[test]
fn what_makes_no_sense_is_refused_in_livekits_words() {
    let file = json!([{"filepath": "x"}]);
    for (asked, wanted) in [
        (json!({}), "request has missing or invalid field: output"),
        (json!({"streamOutputs": [{}]}), "request has missing or invalid field: stream url"),
        (json!({"streamOutputs": [{}, {}]}), "request has missing or invalid field: multiple stream outputs"),
        (
            json!({"streamOutputs": [{"protocol": "RTMP", "urls": ["srt://h:1"]}]}),
            "invalid url srt://{...}: invalid scheme",
        ),
        (
            json!({"fileOutputs": file, "streamOutputs": [{"urls": ["rtmp://secret"]}]}),
            "invalid url rtmp://{...}: rtmp urls must be of format rtmp(s)://{host}(/{path})/{app}/{stream_key}( live=1)",
        ),
        (json!({"streamOutputs": [{"urls": ["wss://?planted"]}]}), "invalid url {...}: malformed"),
    ] {
        assert_eq!(refusal(asked.clone()), wanted, "{asked}");
    }
    // Addresses may come later where there is something to do meanwhile.
    let later = ask(json!({"fileOutputs": file, "streamOutputs": [{}]})).unwrap();
    assert_eq!(later.spec.outputs.len(), 1);
}

fn info(facts: &[Fact]) -> EgressInfo {
    let events = facts.iter().cloned().enumerate();
    let events: Vec<Event> =
        events.map(|(n, fact)| Event { seq: n as u64 + 1, at_ns: 1000 * (n as i64 + 1), fact }).collect();
    let request = person(json!({"streamOutputs": [{"urls": ["rtmp://h/a/good-key"]}]}));
    let job = JobFacts {
        egress_id: &"EG_1".into(),
        room_name: "show",
        request: &request,
        created_at_ns: 1,
        folder: Path::new("/recordings"),
        manifest: true,
        room_id: "",
        outputs: &[],
        names: &LaunchNames::default(),
        uploaded: &[],
    };
    egress_info(&job, &JobState::of(&events))
}

fn of_life(life: u32, tried_at_ns: i64, state: DestinationState) -> Fact {
    let address = "rtmp://h/a/{goo...key}".into();
    Fact::Destination { output: "stream-1".into(), address, state, life, tried_at_ns }
}

fn stream(state: DestinationState) -> Fact {
    of_life(0, 500, state)
}

fn trouble() -> ApiError {
    ApiError::new(ErrorCode::PermissionDenied, Fault::Destination, "No.", "Look.")
}

fn reconnecting(retries: u32) -> DestinationState {
    DestinationState::Reconnecting { retries, error: trouble() }
}

fn live() -> Vec<Fact> {
    vec![
        Fact::Started { pid: 1 },
        stream(DestinationState::Connecting),
        stream(DestinationState::Live { retries: 0 }),
        Fact::OutputActive { output: "stream-1".into(), started_at_ns: 2_500 },
    ]
}

/// The one stream of a job of these facts.
fn only(facts: &[Fact]) -> StreamInfo {
    let mut all = info(facts).stream_results;
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn a_stream_in_livekits_words() {
    let pending = only(&[stream(DestinationState::Connecting)]);
    assert_eq!((pending.status(), pending.started_at, pending.error.as_str()), (Status::Active, 0, ""));
    let now = info(&live());
    let [shown] = now.stream_results.as_slice() else { panic!("{now:?}") };
    assert_eq!(
        (shown.status(), shown.started_at, shown.url.as_str()),
        (Status::Active, 3_000, "rtmp://h/a/{goo...key}")
    );
    assert_eq!((shown.error.as_str(), shown.retries, shown.ended_at), ("", 0, 0));
    assert!(now.file_results.is_empty() && now.manifest_location.is_empty());
    #[allow(deprecated)]
    let listed = matches!(now.result, Some(proto_info::Result::Stream(_)));
    assert!(listed, "older SDKs read it there");

    let lost = [&live()[..], &[stream(reconnecting(0))]].concat();
    let shown = only(&lost);
    assert_eq!(
        (shown.status(), shown.error.as_str()),
        (Status::Active, ""),
        "failed and an error go together"
    );
    let tried = [&lost[..], &[of_life(0, 5_500, reconnecting(1))]].concat();
    let shown = only(&tried);
    assert_eq!((shown.status(), shown.retries, shown.last_retry_at), (Status::Active, 1, 5_500));
    let again = [&tried[..], &[of_life(0, 6_600, DestinationState::Live { retries: 3 })]].concat();
    let shown = only(&again);
    assert_eq!((shown.retries, shown.last_retry_at, shown.started_at), (3, 6_600, 3_000));

    let result = DestinationResult { started_at_ns: 2_500, ended_at_ns: 9_500, size_bytes: 1, retries: 3 };
    let over = [
        &again[..],
        &[
            of_life(0, 6_600, DestinationState::Stopped { result }),
            Fact::Ending { reason: EndReason::StreamsStopped },
            Fact::Ended { status: EgressStatus::Complete, error: None },
        ],
    ];
    let over = info(&over.concat());
    let shown = &over.stream_results[0];
    assert_eq!((shown.status(), shown.ended_at, shown.duration), (Status::Finished, 9_500, 6_500));
    assert_eq!((shown.retries, over.details.as_str()), (3, "End reason: All streams stopped"));
}

#[test]
fn what_never_came_up_has_failed_at_once_and_stays_so() {
    let ends = |state: DestinationState| only(&[stream(DestinationState::Connecting), stream(state)]);
    for state in [DestinationState::Refused { error: trouble() }, reconnecting(0)] {
        let shown = ends(state);
        assert_eq!((shown.status(), shown.error.as_str()), (Status::Failed, "No. Look."));
        assert_eq!((shown.started_at, shown.ended_at, shown.duration), (500, 2_000, 1_500));
        assert_eq!((shown.retries, shown.last_retry_at), (0, 0));
    }
    let failed = [stream(DestinationState::Connecting), stream(reconnecting(0))];
    let told = only(&failed);
    for later in [
        stream(reconnecting(7)),
        stream(DestinationState::Stopped { result: DestinationResult::default() }),
        stream(DestinationState::Failed { error: trouble(), result: DestinationResult::default() }),
    ] {
        assert_eq!(only(&[&failed[..], &[later]].concat()), told);
    }
}

#[test]
fn one_that_comes_up_after_all_is_told_beside_the_one_that_failed() {
    let failed = [stream(DestinationState::Connecting), stream(reconnecting(0))];
    let told = only(&failed);
    let up = [&failed[..], &[of_life(1, 2_700, DestinationState::Live { retries: 4 })]].concat();
    let [first, second]: [StreamInfo; 2] = info(&up).stream_results.try_into().unwrap();
    assert_eq!(first, told);
    assert_eq!((second.status(), second.url, second.started_at), (Status::Active, first.url, 3_000));
    assert_eq!((second.retries, second.last_retry_at), (4, 2_700));
    // The operator's own try is told when it is made.
    let refused = [stream(DestinationState::Refused { error: trouble() })];
    let tried = [&refused[..], &[of_life(1, 1_900, DestinationState::Connecting)]].concat();
    let all = info(&tried).stream_results;
    assert_eq!(all.iter().map(StreamInfo::status).collect::<Vec<_>>(), [Status::Failed, Status::Active]);
}

#[test]
fn one_that_was_up_and_is_refused_for_good_has_failed() {
    let mut refused = live();
    refused.extend([stream(reconnecting(1)), stream(DestinationState::Refused { error: trouble() })]);
    let shown = only(&refused);
    assert_eq!((shown.status(), shown.error.as_str()), (Status::Failed, "No. Look."));
    assert_eq!((shown.started_at, shown.ended_at), (3_000, 6_000));
    let result = DestinationResult { started_at_ns: 2_500, ended_at_ns: 4_500, size_bytes: 1, retries: 15 };
    let over = [&refused[..], &[stream(DestinationState::Failed { error: trouble(), result })]].concat();
    let over = only(&over);
    assert_eq!((over.status(), over.started_at, over.ended_at), (Status::Failed, 3_000, 6_000));
}

proptest! {
    /// In whatever order facts come, what is told in the end is the same.
    #[test]
    fn the_order_of_facts_is_of_no_matter(order in Just((0..8_usize).collect::<Vec<_>>()).prop_shuffle()) {
        let result = DestinationResult { started_at_ns: 2_500, ended_at_ns: 9_500, size_bytes: 1, retries: 3 };
        let states = [
            (0, DestinationState::Connecting),
            (0, reconnecting(0)),
            (0, reconnecting(3)),
            (1, DestinationState::Live { retries: 4 }),
            (1, reconnecting(4)),
            (1, reconnecting(5)),
            (1, DestinationState::Live { retries: 5 }),
            (1, DestinationState::Stopped { result }),
        ];
        let events: Vec<Event> = states
            .into_iter()
            .zip(1..)
            .map(|((life, state), seq)| {
                let at_ns = 1_000 * seq as i64;
                Event { seq, at_ns, fact: of_life(life, at_ns - 500, state) }
            })
            .collect();
        let shuffled: Vec<Event> = order.iter().map(|at| events[*at].clone()).collect();
        prop_assert_eq!(JobState::of(&shuffled), JobState::of(&events));
    }
}
