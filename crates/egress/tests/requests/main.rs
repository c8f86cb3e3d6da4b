//! Requests as scripts send them to LiveKit's Egress API, and what becomes of them.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

mod page;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::spec::{
    AudioChannel, AudioCodec, AudioEncoding, AudioSelect, Container, EndRule, Limits, OutputKind, Selection,
    Source, Treatment, VideoCodec, VideoEncoding, VideoPreference, VideoSelect,
};
use egress::validate::{Accepted, EgressRequest, Local, RequestError, SessionLimits, validate};
use serde_json::{Value, json};

fn local() -> Local {
    Local { folder: "/recordings".into(), ..Local::default() }
}

/// The request as JSON, the way the API takes it.
fn request(kind: &str, body: Value) -> EgressRequest {
    let text = body.to_string();
    match kind {
        "track" => EgressRequest::Track(serde_json::from_str(&text).unwrap()),
        "track_composite" => EgressRequest::TrackComposite(serde_json::from_str(&text).unwrap()),
        "participant" => EgressRequest::Participant(serde_json::from_str(&text).unwrap()),
        "egress" => EgressRequest::Egress(serde_json::from_str(&text).unwrap()),
        "room_composite" => EgressRequest::RoomComposite(serde_json::from_str(&text).unwrap()),
        "web" => EgressRequest::Web(serde_json::from_str(&text).unwrap()),
        other => panic!("{other}"),
    }
}

fn ask(kind: &str, body: Value) -> Result<Accepted, RequestError> {
    validate(&request(kind, body), &local())
}

/// The tracks that a request selects.
fn tracks(accepted: &Accepted) -> &Selection {
    match &accepted.spec.source {
        Source::Tracks(selection) => selection,
        Source::Page(page) => panic!("{page:?}"),
    }
}

/// The refusal in LiveKit's words.
fn refusal(kind: &str, body: Value) -> String {
    ask(kind, body).unwrap_err().to_string()
}

fn composite(extra: Value) -> Value {
    let mut body = json!({
        "roomName": "show", "audioTrackId": "TR_A", "videoTrackId": "TR_V", "fileOutputs": [{"filepath": "x"}],
    });
    for (key, value) in extra.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

fn encodings(accepted: &Accepted) -> (Container, Option<VideoEncoding>, Option<AudioEncoding>) {
    let OutputKind::File(file) = &accepted.spec.outputs[0].kind else { panic!("no file") };
    match &accepted.spec.treatment {
        Treatment::Encode { video, audio } => (file.container.unwrap(), video.clone(), audio.clone()),
        Treatment::Passthrough => panic!("not encoded"),
    }
}

#[test]
fn a_track_is_taken_as_published() {
    let accepted =
        ask("track", json!({"roomName": "show", "trackId": "TR_1", "file": {"filepath": "a/{track_id}"}}))
            .unwrap();
    insta::assert_json_snapshot!(accepted.spec);
    assert_eq!(accepted.room_name, "show");
}

#[test]
fn a_track_composite_with_defaults() {
    let accepted = ask("track_composite", composite(json!({}))).unwrap();
    insta::assert_json_snapshot!(accepted.spec);
}

#[test]
fn a_participant_with_defaults() {
    let accepted = ask(
        "participant",
        json!({"roomName": "show", "identity": "ada", "fileOutputs": [{"disableManifest": true}]}),
    )
    .unwrap();
    insta::assert_json_snapshot!(accepted.spec);
}

#[test]
fn a_participants_screen_is_shown_while_shared_and_the_microphone_stays() {
    let accepted = ask(
        "participant",
        json!({"roomName": "show", "identity": "ada", "screenShare": true, "fileOutputs": [{}]}),
    )
    .unwrap();
    let selection = tracks(&accepted);
    assert_eq!(
        selection.video,
        Some(VideoSelect::Participant { identity: "ada".into(), prefer: VideoPreference::ScreenShare })
    );
    assert_eq!(selection.audio[0].from, AudioSelect::Participant("ada".into()));
    assert_eq!(selection.ends, EndRule::ParticipantLeaves("ada".into()));
}

#[test]
fn a_participant_into_a_sound_file_is_sound_alone() {
    for (file_type, container, codec) in
        [("OGG", Container::Ogg, AudioCodec::Opus), ("MP3", Container::Mp3, AudioCodec::Mp3)]
    {
        let body = json!({"roomName": "show", "identity": "ada", "fileOutputs": [{"fileType": file_type}]});
        let accepted = ask("participant", body).unwrap();
        assert_eq!(tracks(&accepted).video, None);
        let (chosen, video, audio) = encodings(&accepted);
        assert_eq!((chosen, video, audio.unwrap().codec), (container, None, codec));
    }
    // Unless a picture is asked for beyond doubt.
    let body = json!({
        "roomName": "show", "identity": "ada", "fileOutputs": [{"fileType": "OGG"}],
        "advanced": {"videoCodec": "H264_MAIN"},
    });
    assert_eq!(refusal("participant", body), "format audio/ogg incompatible with codec video/h264");
}

#[test]
fn the_unified_request() {
    let accepted = ask(
        "egress",
        json!({
            "roomName": "show",
            "media": {
                "participantVideo": {"identity": "ada", "preferScreenShare": true},
                "audio": {
                    "captureAll": true,
                    "routes": [
                        {"participantKind": "AGENT", "channel": "AUDIO_CHANNEL_LEFT"},
                        {"participantIdentity": "ben", "channel": "AUDIO_CHANNEL_RIGHT"},
                        {"trackId": "TR_X"},
                    ],
                },
            },
            "preset": "H264_1080P_60",
            "outputs": [{"file": {"fileType": "MP4", "filepath": "shows/"}}],
        }),
    )
    .unwrap();
    insta::assert_json_snapshot!(accepted.spec);
}

#[test]
fn presets() {
    for (preset, width, height, framerate, kbps) in [
        ("H264_720P_30", 1280, 720, 30, 3000),
        ("H264_720P_60", 1280, 720, 60, 4500),
        ("H264_1080P_30", 1920, 1080, 30, 4500),
        ("H264_1080P_60", 1920, 1080, 60, 6000),
        ("PORTRAIT_H264_720P_30", 720, 1280, 30, 3000),
        ("PORTRAIT_H264_720P_60", 720, 1280, 60, 4500),
        ("PORTRAIT_H264_1080P_30", 1080, 1920, 30, 4500),
        ("PORTRAIT_H264_1080P_60", 1080, 1920, 60, 6000),
    ] {
        let accepted = ask("track_composite", composite(json!({"preset": preset}))).unwrap();
        let (container, video, audio) = encodings(&accepted);
        assert_eq!(container, Container::Mp4);
        assert_eq!(
            video.unwrap(),
            VideoEncoding {
                codec: VideoCodec::H264Main,
                width,
                height,
                framerate,
                bitrate_bps: kbps * 1000,
                key_frame_interval_s: None,
            },
            "{preset}"
        );
        assert_eq!(
            audio.unwrap(),
            AudioEncoding { codec: AudioCodec::Aac, bitrate_bps: 128_000, sample_rate_hz: 44_100 }
        );
    }
}

#[test]
fn advanced_options_fill_in_livekits_defaults() {
    let advanced = json!({"advanced": {"height": 1080, "videoBitrate": 5000, "keyFrameInterval": 2.5}});
    let (_, video, _) = encodings(&ask("track_composite", composite(advanced)).unwrap());
    assert_eq!(
        video.unwrap(),
        VideoEncoding {
            codec: VideoCodec::H264Main,
            width: 1280,
            height: 1080,
            framerate: 30,
            bitrate_bps: 5_000_000,
            key_frame_interval_s: Some(2.5),
        }
    );
    let advanced = json!({"advanced": {
        "width": 640, "height": 360, "depth": 8, "framerate": 25, "videoCodec": "H264_HIGH",
        "audioCodec": "OPUS", "audioBitrate": 96, "audioFrequency": 44100,
    }});
    let (container, video, audio) = encodings(&ask("track_composite", composite(advanced)).unwrap());
    assert_eq!(container, Container::Mp4);
    assert_eq!(video.unwrap().codec, VideoCodec::H264High);
    assert_eq!(
        audio.unwrap(),
        AudioEncoding { codec: AudioCodec::Opus, bitrate_bps: 96_000, sample_rate_hz: 48_000 }
    );
    // LiveKit ignores VP8 in silence; here it makes a WebM.
    let vp8 = json!({"advanced": {"videoCodec": "VP8"}});
    let (container, video, audio) = encodings(&ask("track_composite", composite(vp8)).unwrap());
    assert_eq!(container, Container::Webm);
    assert_eq!((video.unwrap().codec, audio.unwrap().codec), (VideoCodec::Vp8, AudioCodec::Opus));
}

#[test]
fn advanced_options_that_make_no_sense() {
    for (field, advanced) in [
        ("width", json!({"width": 15})),
        ("width", json!({"width": 14})),
        ("width", json!({"width": 641})),
        ("width", json!({"width": -2})),
        ("width", json!({"width": 100_000})),
        ("height", json!({"height": 359})),
        ("depth", json!({"depth": 32})),
        ("framerate", json!({"framerate": -1})),
        ("framerate", json!({"framerate": 1000})),
        ("video_bitrate", json!({"videoBitrate": -5})),
        ("video_bitrate", json!({"videoBitrate": i32::MAX})),
        ("audio_bitrate", json!({"audioBitrate": 1000})),
        ("audio_frequency", json!({"audioFrequency": 12345})),
        ("key_frame_interval", json!({"keyFrameInterval": -1.0})),
        ("key_frame_interval", json!({"keyFrameInterval": "NaN"})),
        ("audio_bitrate", json!({"audioCodec": "AC_MP3", "audioBitrate": 100})),
    ] {
        let body = json!({
            "roomName": "show", "audioTrackId": "TR_A", "fileOutputs": [{}], "advanced": advanced.clone(),
        });
        assert_eq!(
            refusal("track_composite", body),
            format!("request has missing or invalid field: {field}"),
            "{advanced}"
        );
    }
    let edge = json!({"advanced": {"width": 16, "height": 16, "depth": 24, "framerate": 240}});
    assert!(ask("track_composite", composite(edge)).is_ok());
}

#[test]
fn file_types_follow_what_there_is() {
    let sound = |extra: Value| {
        let mut body = json!({"roomName": "show", "audioTrackId": "TR_A", "fileOutputs": [{}]});
        for (key, value) in extra.as_object().unwrap() {
            body[key] = value.clone();
        }
        let (container, video, audio) = encodings(&ask("track_composite", body).unwrap());
        assert_eq!(video, None);
        (container, audio.unwrap().codec)
    };
    assert_eq!(sound(json!({})), (Container::Ogg, AudioCodec::Opus));
    assert_eq!(sound(json!({"advanced": {"audioCodec": "AAC"}})), (Container::Mp4, AudioCodec::Aac));
    assert_eq!(sound(json!({"advanced": {"audioCodec": "AC_MP3"}})), (Container::Mp3, AudioCodec::Mp3));
    assert_eq!(sound(json!({"fileOutputs": [{"fileType": "MP4"}]})), (Container::Mp4, AudioCodec::Aac));
    assert_eq!(sound(json!({"fileOutputs": [{"fileType": "MP3"}]})), (Container::Mp3, AudioCodec::Mp3));
    let picture = json!({"roomName": "show", "videoTrackId": "TR_V", "fileOutputs": [{}]});
    let (container, video, audio) = encodings(&ask("track_composite", picture).unwrap());
    assert_eq!((container, video.is_some(), audio), (Container::Mp4, true, None));
}

#[test]
fn file_types_that_do_not_fit() {
    let file = |file_type: &str| composite(json!({"fileOutputs": [{"fileType": file_type}]}));
    let mp3 = refusal("track_composite", file("MP3"));
    assert_eq!(mp3, "format audio/mpeg incompatible with codec video/h264");
    let ogg = refusal("track_composite", file("OGG"));
    assert_eq!(ogg, "format audio/ogg incompatible with codec video/h264");
    let vp8_in_mp4 =
        composite(json!({"fileOutputs": [{"fileType": "MP4"}], "advanced": {"videoCodec": "VP8"}}));
    assert_eq!(refusal("track_composite", vp8_in_mp4), "format video/mp4 incompatible with codec video/vp8");
    let mp3_in_mp4 = composite(json!({"advanced": {"audioCodec": "AC_MP3"}}));
    assert_eq!(refusal("track_composite", mp3_in_mp4), "format video/mp4 incompatible with codec audio/mpeg");
}

#[test]
fn passthrough() {
    let accepted = ask("track_composite", composite(json!({"preset": "PASSTHROUGH"}))).unwrap();
    assert_eq!(accepted.spec.treatment, Treatment::Passthrough);
    assert_eq!(tracks(&accepted).ends, EndRule::TracksGone);
    let media = |media: Value| {
        ask(
            "egress",
            json!({
                "roomName": "show", "media": media, "preset": "PASSTHROUGH", "outputs": [{"file": {}}],
            }),
        )
    };
    for source in [
        json!({"videoTrackId": "TR_V"}),
        json!({"audio": {"routes": [{"trackId": "TR_A"}]}}),
        json!({"videoTrackId": "TR_V", "audio": {"routes": [{"trackId": "TR_A"}]}}),
    ] {
        let accepted = media(source).unwrap();
        assert_eq!(accepted.spec.treatment, Treatment::Passthrough);
        assert_eq!(tracks(&accepted).ends, EndRule::TracksGone);
    }
    for source in [
        json!({"participantVideo": {"identity": "ada"}}),
        json!({"audio": {"captureAll": true}}),
        json!({"audio": {"routes": [{"trackId": "TR_A"}, {"trackId": "TR_B"}]}}),
        json!({"audio": {"routes": [{"trackId": "TR_A", "channel": "AUDIO_CHANNEL_LEFT"}]}}),
    ] {
        assert_eq!(media(source).unwrap_err().to_string(), "request has missing or invalid field: preset");
    }
    let body = json!({"roomName": "show", "identity": "ada", "preset": "PASSTHROUGH", "fileOutputs": [{}]});
    assert_eq!(refusal("participant", body), "request has missing or invalid field: preset");
    let ogg = composite(json!({"preset": "PASSTHROUGH", "fileOutputs": [{"fileType": "OGG"}]}));
    assert_eq!(refusal("track_composite", ogg), "format audio/ogg incompatible with codec video/h264");
    let mp3 = json!({
        "roomName": "show", "audioTrackId": "TR_A", "preset": "PASSTHROUGH", "fileOutputs": [{"fileType": "MP3"}],
    });
    assert_eq!(refusal("track_composite", mp3), "format audio/mpeg incompatible with codec audio/opus");
}

#[test]
fn fields_that_are_missing() {
    let cases = [
        ("track_id", "track", json!({"roomName": "r", "file": {}})),
        ("output", "track", json!({"roomName": "r", "trackId": "TR_1"})),
        ("room_name", "track", json!({"trackId": "TR_1", "file": {}})),
        (
            "audio_track_id or video_track_id",
            "track_composite",
            json!({"roomName": "r", "fileOutputs": [{}]}),
        ),
        ("output", "track_composite", json!({"roomName": "r", "audioTrackId": "TR_A"})),
        ("room_name", "track_composite", json!({"audioTrackId": "TR_A", "fileOutputs": [{}]})),
        ("multiple file outputs", "track_composite", composite(json!({"fileOutputs": [{}, {}]}))),
        ("multiple stream outputs", "track_composite", composite(json!({"streamOutputs": [{}, {}]}))),
        (
            "multiple segmented file outputs",
            "track_composite",
            composite(json!({"segmentOutputs": [{}, {}]})),
        ),
        ("identity", "participant", json!({"roomName": "r", "fileOutputs": [{}]})),
        ("output", "participant", json!({"roomName": "r", "identity": "ada"})),
        ("source", "egress", json!({"roomName": "r", "outputs": [{"file": {}}]})),
        ("media", "egress", json!({"roomName": "r", "media": {}, "outputs": [{"file": {}}]})),
        ("output", "egress", json!({"roomName": "r", "media": {"videoTrackId": "TR_V"}})),
        ("output", "egress", json!({"roomName": "r", "media": {"videoTrackId": "TR_V"}, "outputs": [{}]})),
        (
            "multiple file outputs",
            "egress",
            json!({"roomName": "r", "media": {"videoTrackId": "T"}, "outputs": [{"file": {}}, {"file": {}}]}),
        ),
        (
            "audio.routes",
            "egress",
            json!({"roomName": "r", "media": {"audio": {"routes": [{}]}}, "outputs": [{"file": {}}]}),
        ),
        (
            "video_track_id",
            "egress",
            json!({"roomName": "r", "media": {"videoTrackId": ""}, "outputs": [{"file": {}}]}),
        ),
        (
            "identity",
            "egress",
            json!({"roomName": "r", "media": {"participantVideo": {}}, "outputs": [{"file": {}}]}),
        ),
    ];
    for (field, kind, body) in cases {
        let error = ask(kind, body.clone()).unwrap_err();
        assert_eq!(error.to_string(), format!("request has missing or invalid field: {field}"), "{body}");
        let error = ApiError::from(error);
        assert_eq!((error.code, error.fault), (ErrorCode::InvalidArgument, Fault::Input));
        assert!(error.message.ends_with('.') && error.remedy.ends_with('.'), "{error:?}");
        assert!(!error.message.contains("request has missing"), "{error:?}");
    }
    let error = validate(
        &request("track", json!({"roomName": "r", "trackId": "TR_1", "file": {}})),
        &Local::default(),
    );
    assert_eq!(error.unwrap_err().to_string(), "request has missing or invalid field: folder");
}

#[test]
fn an_output_goes_where_it_says_then_where_the_request_says() {
    let s3 = |bucket: &str| json!({"s3": {"bucket": bucket, "accessKey": "a", "secret": "planted"}});
    let named = |accepted: &Accepted| {
        let of = |(id, asked): (&egress::id::OutputId, &egress::storage::Asked)| {
            (id.as_str().to_owned(), format!("{:?}", asked.storage))
        };
        accepted.storages.iter().map(of).collect::<Vec<_>>()
    };
    let accepted = ask(
        "egress",
        json!({
            "roomName": "r", "media": {"videoTrackId": "T"}, "storage": s3("of-request"),
            "outputs": [
                {"file": {}, "storage": s3("of-output")}, {"segments": {}}, {"images": {}},
                {"stream": {"urls": ["rtmp://h/a/k"]}},
            ],
        }),
    )
    .unwrap();
    let there = named(&accepted);
    assert_eq!(there.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["file", "images-1", "segments"]);
    for ((_, storage), bucket) in there.iter().zip(["of-output", "of-request", "of-request"]) {
        assert!(storage.contains(bucket) && !storage.contains("planted"), "{storage}");
    }
    assert!(!format!("{accepted:?}").contains("planted"));
    let mut upload = s3("b");
    upload["filepath"] = "x".into();
    let track = json!({"roomName": "r", "trackId": "T", "file": upload});
    assert_eq!(named(&ask("track", track).unwrap()).len(), 1);
    assert!(named(&ask("track_composite", composite(json!({}))).unwrap()).is_empty());
    let wrong = json!({"fileOutputs": [{"s3": {"bucket": "", "accessKey": "a", "secret": "s"}}]});
    assert!(ask("track_composite", composite(wrong)).is_err());
}

#[test]
fn files_that_may_not_stay_here_have_to_go_somewhere() {
    let local = Local { storage_required: true, ..local() };
    let stream = json!({"fileOutputs": [], "streamOutputs": [{"urls": ["rtmp://h/a/k"]}]});
    assert!(validate(&request("track_composite", composite(stream)), &local).is_ok());
    let refused = validate(&request("track_composite", composite(json!({}))), &local).unwrap_err();
    assert_eq!(refused.to_string(), "request has missing or invalid field: output");
}

#[test]
fn webhooks_of_a_request_are_addresses() {
    let with = |webhooks: Value| composite(json!({"webhooks": webhooks}));
    assert!(ask("track_composite", with(json!([{"url": "https://h/x", "signingKey": "key"}]))).is_ok());
    for webhooks in
        [json!([{"url": "ftp://h"}]), json!([{"url": "hook"}]), json!(vec![json!({"url": "http://h"}); 11])]
    {
        assert_eq!(
            refusal("track_composite", with(webhooks)),
            "request has missing or invalid field: webhooks"
        );
    }
}

#[test]
fn the_smallest_limit_that_concerns_a_job_holds() {
    let limits = SessionLimits {
        file_max_s: Some(300),
        file_max_bytes: Some(1000),
        stream_max_s: Some(200),
        segments_max_s: None,
        images_max_s: Some(10),
    };
    let local = Local { limits, ..local() };
    let of =
        |extra: Value| validate(&request("track_composite", composite(extra)), &local).unwrap().spec.limits;
    let limits = |s, bytes| Limits { max_duration_s: s, max_size_bytes: bytes };
    let stream = json!([{"urls": ["rtmp://h/a/k"]}]);
    assert_eq!(of(json!({})), limits(Some(300), Some(1000)));
    assert_eq!(of(json!({"streamOutputs": stream})), limits(Some(200), Some(1000)));
    assert_eq!(of(json!({"fileOutputs": [], "streamOutputs": stream})), limits(Some(200), None));
    assert_eq!(of(json!({"fileOutputs": [], "segmentOutputs": [{}]})), limits(None, None));
    assert_eq!(of(json!({"imageOutputs": [{}]})), limits(Some(10), Some(1000)));
}

#[test]
fn the_older_single_file_output_still_works() {
    let body =
        json!({"roomName": "show", "audioTrackId": "TR_A", "file": {"filepath": "old", "fileType": "MP3"}});
    let accepted = ask("track_composite", body).unwrap();
    let OutputKind::File(file) = &accepted.spec.outputs[0].kind else { panic!("no file") };
    assert_eq!((file.name.as_str(), file.container), ("old", Some(Container::Mp3)));
}

#[test]
fn the_first_route_that_fits_comes_first() {
    let body = json!({
        "roomName": "show", "outputs": [{"file": {}}],
        "media": {"audio": {"captureAll": true, "routes": [
            {"participantIdentity": "ada", "channel": "AUDIO_CHANNEL_LEFT"},
        ]}},
    });
    let accepted = ask("egress", body).unwrap();
    let audio = &tracks(&accepted).audio;
    assert_eq!(
        (&audio[0].from, audio[0].channel),
        (&AudioSelect::Participant("ada".into()), AudioChannel::Left)
    );
    assert_eq!((&audio[1].from, audio[1].channel), (&AudioSelect::All, AudioChannel::Both));
    assert_eq!(tracks(&accepted).ends, EndRule::RoomEnds);
    assert_eq!(encodings(&accepted).0, Container::Ogg);
}

/// JSON cannot hold them, the binary form can: values of enums of a later protocol.
#[test]
fn enum_values_of_another_version() {
    use livekit_protocol::track_composite_egress_request::Options;
    use livekit_protocol::{EncodedFileOutput, EncodingOptions, TrackCompositeEgressRequest};
    let ask = |file_type: i32, options: Options| {
        let request = TrackCompositeEgressRequest {
            room_name: "show".into(),
            video_track_id: "TR_V".into(),
            file_outputs: vec![EncodedFileOutput { file_type, ..Default::default() }],
            options: Some(options),
            ..Default::default()
        };
        validate(&EgressRequest::TrackComposite(request), &local()).unwrap_err().to_string()
    };
    let strange = |options: EncodingOptions| ask(0, Options::Advanced(options));
    assert!(ask(9, Options::Preset(0)).ends_with(": file_type"));
    assert!(ask(0, Options::Preset(77)).ends_with(": preset"));
    assert!(strange(EncodingOptions { video_codec: 77, ..Default::default() }).ends_with(": video_codec"));
    assert!(strange(EncodingOptions { audio_codec: 77, ..Default::default() }).ends_with(": audio_codec"));
}

#[test]
fn a_request_that_was_tried_before_needs_names_that_tell_its_tries_apart() {
    let tried = |output: Value| {
        let mut body = json!({"roomName": "show", "identity": "ada"});
        for (key, value) in output.as_object().unwrap() {
            body[key] = value.clone();
        }
        let ask = |retry| validate(&request("participant", body.clone()), &Local { retry, ..local() });
        assert!(ask(0).is_ok(), "the first try of {body}");
        ask(2)
    };
    let file = |filepath: &str| tried(json!({"fileOutputs": [{"filepath": filepath}]}));
    let segments = |prefix: &str, playlist: &str| {
        tried(json!({"segmentOutputs": [{"filenamePrefix": prefix, "playlistName": playlist}]}))
    };
    for held in ["", "shows/", "shows/{retry}/a.mp4", "a-{retry}.mp4"] {
        assert!(file(held).is_ok(), "{held}");
    }
    for (prefix, playlist) in [("", ""), ("a-{retry}", "b"), ("", "b-{retry}"), ("a-{retry}", "")] {
        assert!(segments(prefix, playlist).is_ok(), "{prefix} {playlist}");
    }
    assert!(tried(json!({"imageOutputs": [{"filenamePrefix": "a"}]})).is_ok());
    let refused = [file("shows/a.mp4"), segments("a", "b-{retry}"), segments("", "b"), segments("a/", "")];
    for refused in refused {
        let error = ApiError::from(refused.unwrap_err());
        assert_eq!(error.detail, "output configuration does not support retry");
        assert_eq!(error.code, ErrorCode::FailedPrecondition);
    }
}
