//! Requests for segments, images and sound over a WebSocket, and what `EgressInfo` says of them.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use std::path::Path;

use egress::fact::{EgressStatus, EndReason, Event, Fact, FileResult, OutputSet};
use egress::info::{JobFacts, egress_info};
use egress::names::LaunchNames;
use egress::spec::{
    AudioCodec, ImageSuffix, OutputKind, SegmentSuffix, SoundFormat, Source, Treatment, VideoCodec,
};
use egress::state::JobState;
use egress::validate::{Accepted, EgressRequest, Local, RequestError, validate};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

fn local() -> Local {
    Local { folder: "/recordings".into(), ..Local::default() }
}

fn person(extra: &Value) -> EgressRequest {
    let mut body = json!({"roomName": "show", "identity": "ada"});
    for (key, value) in extra.as_object().unwrap() {
        body[key] = value.clone();
    }
    EgressRequest::Participant(serde_json::from_value(body).unwrap())
}

fn ask(extra: &Value) -> Result<Accepted, RequestError> {
    validate(&person(extra), &local())
}

fn ids(accepted: &Accepted) -> Vec<&str> {
    accepted.spec.outputs.iter().map(|output| output.id.as_str()).collect()
}

#[test]
fn segments_with_livekits_defaults() {
    let accepted = ask(&json!({"segmentOutputs": [{}]})).unwrap();
    let OutputKind::Segments(segments) = &accepted.spec.outputs[0].kind else { panic!("no segments") };
    assert_eq!(
        (segments.duration_ms, segments.suffix, segments.manifest),
        (4000, SegmentSuffix::Index, true)
    );
    assert_eq!(segments.folder, Path::new("/recordings"));
    let Treatment::Encode { video: Some(video), audio: Some(audio) } = &accepted.spec.treatment else {
        panic!("{:?}", accepted.spec.treatment)
    };
    assert_eq!((video.codec, audio.codec), (VideoCodec::H264Main, AudioCodec::Aac));
    let asked = json!({"segmentOutputs": [{
        "protocol": "HLS_PROTOCOL", "filenamePrefix": "a/s", "playlistName": "a/p.m3u8", "livePlaylistName": "l.m3u8",
        "segmentDuration": 2, "filenameSuffix": "TIMESTAMP", "disableManifest": true,
    }], "fileOutputs": [{"filepath": "x"}], "imageOutputs": [{}, {"captureInterval": 3}]});
    let accepted = ask(&asked).unwrap();
    assert_eq!(ids(&accepted), ["file", "segments", "images-1", "images-2"]);
    let OutputKind::Segments(segments) = &accepted.spec.outputs[1].kind else { panic!("no segments") };
    assert_eq!(
        (segments.duration_ms, segments.suffix, segments.manifest),
        (2000, SegmentSuffix::Timestamp, false)
    );
    assert_eq!((segments.prefix.as_str(), segments.live_playlist.as_str()), ("a/s", "l.m3u8"));
}

#[test]
fn images_alone_need_no_sound() {
    let asked = json!({"imageOutputs": [{"captureInterval": 5, "width": 320, "filenameSuffix": "IMAGE_SUFFIX_NONE_OVERWRITE"}]});
    let accepted = ask(&asked).unwrap();
    let OutputKind::Images(images) = &accepted.spec.outputs[0].kind else { panic!("no images") };
    assert_eq!((images.interval_ms, images.width, images.height), (5000, Some(320), None));
    assert_eq!(images.suffix, ImageSuffix::Overwrite);
    assert!(matches!(&accepted.spec.treatment, Treatment::Encode { video: Some(_), audio: None }));
    let OutputKind::Images(images) =
        &ask(&json!({"imageOutputs": [{}]})).unwrap().spec.outputs[0].kind.clone()
    else {
        panic!("no images")
    };
    assert_eq!((images.interval_ms, images.suffix), (10_000, ImageSuffix::Index));
}

#[test]
fn sound_over_a_websocket_keeps_its_address_apart() {
    let url = "wss://words.example/in?token=planted-token";
    let track = json!({"roomName": "r", "trackId": "T", "websocketUrl": url});
    let track = EgressRequest::Track(serde_json::from_value(track).unwrap());
    let accepted = validate(&track, &Local { sound: SoundFormat::Mono16k, ..Local::default() }).unwrap();
    let OutputKind::WebSocket(socket) = &accepted.spec.outputs[0].kind else { panic!("no socket") };
    assert_eq!(
        (socket.address.as_str(), socket.format),
        ("wss://words.example/in?token={...}", SoundFormat::Mono16k)
    );
    let secrets: Vec<&str> = accepted.secrets.values().map(|secret| secret.0.expose_secret()).collect();
    assert_eq!(secrets, [url]);
    assert!(!serde_json::to_string(&accepted.spec).unwrap().contains("planted"));
    // With a person, their picture is not wanted; with a page, nor is it.
    let person = ask(&json!({"streamOutputs": [{"protocol": "WEBSOCKET", "urls": [url]}]})).unwrap();
    let Source::Tracks(selection) = &person.spec.source else { panic!("no tracks") };
    assert!(selection.video.is_none() && selection.audio.len() == 1);
    assert!(matches!(&person.spec.treatment, Treatment::Encode { video: None, audio: Some(_) }));
    let mixed = ask(&json!({"streamOutputs": [{"urls": [url, "rtmp://h/a/k"]}]})).unwrap();
    assert_eq!(ids(&mixed), ["stream-1", "websocket-1"], "unlike LiveKit's service, one group takes both");
}

#[test]
fn refusals_are_in_livekits_words() {
    let field = |field: &str| format!("request has missing or invalid field: {field}");
    for (asked, wanted) in [
        (json!({"segmentOutputs": [{}, {}]}), field("multiple segmented file outputs")),
        (
            json!({"segmentOutputs": [{"playlistName": "a", "livePlaylistName": "a"}]}),
            field("live_playlist_name"),
        ),
        (
            json!({"segmentOutputs": [{"playlistName": "a/p", "livePlaylistName": "b/l"}]}),
            field("live_playlist_name"),
        ),
        (json!({"segmentOutputs": [{"segmentDuration": 100_000}]}), field("segment_duration")),
        (json!({"imageOutputs": [{"width": -4}]}), field("width")),
        (json!({"imageOutputs": [{"height": 100_000}]}), field("height")),
        (
            json!({"streamOutputs": [{"protocol": "WEBSOCKET", "urls": ["rtmp://h/a/k"]}]}),
            "invalid url {...}: invalid scheme".into(),
        ),
    ] {
        assert_eq!(ask(&asked).unwrap_err().to_string(), wanted, "{asked}");
    }
    let sound = json!({"roomName": "r", "audioOnly": true, "imageOutputs": [{}]});
    let sound = EgressRequest::RoomComposite(serde_json::from_value(sound).unwrap());
    assert_eq!(validate(&sound, &local()).unwrap_err().to_string(), field("audio_only"));
    let silent = json!({"url": "https://a.b", "videoOnly": true, "streamOutputs": [{"urls": ["ws://h"]}]});
    let silent = EgressRequest::Web(serde_json::from_value(silent).unwrap());
    assert_eq!(validate(&silent, &local()).unwrap_err().to_string(), field("video_only"));
    let no_folder = validate(&person(&json!({"segmentOutputs": [{}]})), &Local::default());
    assert_eq!(no_folder.unwrap_err().to_string(), field("folder"));
}

#[test]
fn results_are_told_as_livekit_tells_them() {
    let request = person(&json!({"segmentOutputs": [{}], "imageOutputs": [{}]}));
    let result = |path: &str| FileResult {
        path: Some(path.into()),
        size_bytes: 99,
        started_at_ns: 1_000,
        ended_at_ns: 9_000,
        duration_ns: 8_000,
        error: None,
    };
    let segments = |count| OutputSet::Segments { live_playlist: Some("/recordings/a/l.m3u8".into()), count };
    let images = OutputSet::Images { prefix: "shots/s".into(), count: 3 };
    let facts = [
        Fact::OutputOpening { output: "segments".into(), path: "/recordings/a/p.m3u8".into() },
        Fact::Set { output: "segments".into(), set: segments(0) },
        Fact::OutputActive { output: "segments".into(), started_at_ns: 1_000 },
        Fact::Set { output: "segments".into(), set: segments(2) },
        Fact::OutputEnded { output: "segments".into(), result: result("/recordings/a/p.m3u8") },
        Fact::Set { output: "images-1".into(), set: images },
        Fact::OutputEnded { output: "images-1".into(), result: result("/recordings/shots") },
        Fact::Ending { reason: EndReason::StopRequested },
        Fact::Ended { status: EgressStatus::Complete, error: None },
    ];
    let events = facts.into_iter().zip(1..).map(|(fact, seq)| Event { seq, at_ns: 10_000, fact });
    let state = JobState::of(&events.collect::<Vec<_>>());
    let job = JobFacts {
        egress_id: &"EG_1".into(),
        room_name: "show",
        request: &request,
        created_at_ns: 1,
        folder: Path::new("/recordings"),
        manifest: false,
        room_id: "",
        outputs: &[],
        names: &LaunchNames::default(),
        uploaded: &[],
    };
    let info = egress_info(&job, &state);
    assert!(info.file_results.is_empty());
    let told = &info.segment_results[0];
    assert_eq!((told.playlist_name.as_str(), told.live_playlist_name.as_str()), ("a/p.m3u8", "a/l.m3u8"));
    assert_eq!(told.playlist_location, "/recordings/a/p.m3u8");
    assert_eq!(
        (told.segment_count, told.size, told.duration, told.started_at, told.ended_at),
        (2, 99, 8_000, 1_000, 9_000)
    );
    let told = &info.image_results[0];
    assert_eq!((told.filename_prefix.as_str(), told.image_count, told.ended_at), ("shots/s", 3, 9_000));
}
