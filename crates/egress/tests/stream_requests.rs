//! Requests with streams, and what `EgressInfo` says of them.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use std::path::Path;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{DestinationResult, DestinationState, EgressStatus, EndReason, Event, Fact};
use egress::info::{JobFacts, egress_info};
use egress::spec::{AudioCodec, OutputKind, StreamProtocol, Treatment, VideoCodec};
use egress::state::JobState;
use egress::validate::{Accepted, EgressRequest, Local, RequestError, validate};
use livekit_protocol::stream_info::Status;
use livekit_protocol::{EgressInfo, egress_info as proto_info};
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
    };
    egress_info(&job, &JobState::of(&events))
}

fn stream(state: DestinationState) -> Fact {
    Fact::Destination { output: "stream-1".into(), address: "rtmp://h/a/{goo...key}".into(), state }
}

#[test]
fn a_stream_in_livekits_words() {
    let trouble = || ApiError::new(ErrorCode::PermissionDenied, Fault::Destination, "No.", "Look.");
    let live = [
        Fact::Started { pid: 1 },
        stream(DestinationState::Connecting),
        Fact::OutputActive { output: "stream-1".into(), started_at_ns: 2_500 },
        stream(DestinationState::Live { retries: 0 }),
    ];
    let now = info(&live);
    let [shown] = now.stream_results.as_slice() else { panic!("{now:?}") };
    assert_eq!(
        (shown.status(), shown.started_at, shown.url.as_str()),
        (Status::Active, 2_500, "rtmp://h/a/{goo...key}")
    );
    assert_eq!((shown.error.as_str(), shown.retries, shown.ended_at), ("", 0, 0));
    assert!(now.file_results.is_empty() && now.manifest_location.is_empty());
    #[allow(deprecated)]
    let listed = matches!(now.result, Some(proto_info::Result::Stream(_)));
    assert!(listed, "older SDKs read it there");

    let lost =
        [&live[..], &[stream(DestinationState::Reconnecting { retries: 0, error: trouble() })]].concat();
    let shown = &info(&lost).stream_results[0];
    assert_eq!(
        (shown.status(), shown.error.as_str()),
        (Status::Active, ""),
        "failed and an error go together"
    );
    let again = [&lost[..], &[stream(DestinationState::Live { retries: 3 })]].concat();
    let shown = &info(&again).stream_results[0];
    assert_eq!((shown.retries, shown.last_retry_at), (3, 6_000));

    let refused = info(&[stream(DestinationState::Refused { error: trouble() })]);
    let shown = &refused.stream_results[0];
    assert_eq!((shown.status(), shown.error.as_str()), (Status::Failed, "No. Look."));

    let result = DestinationResult { started_at_ns: 2_500, ended_at_ns: 9_500, size_bytes: 1, retries: 3 };
    let over = [
        &again[..],
        &[
            stream(DestinationState::Stopped { result }),
            Fact::Ending { reason: EndReason::StreamsStopped },
            Fact::Ended { status: EgressStatus::Complete, error: None },
        ],
    ];
    let over = info(&over.concat());
    let shown = &over.stream_results[0];
    assert_eq!((shown.status(), shown.ended_at, shown.duration), (Status::Finished, 9_500, 7_000));
    assert_eq!(over.details, "End reason: All streams stopped");
}
