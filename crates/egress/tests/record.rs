//! What the Record button asks for, and what becomes of it.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use egress::error::ApiError;
use egress::protocol::accept;
use egress::request::{AdvancedOptions, Preset, RecordFormat, RecordRequest, RecordSource};
use egress::spec::{
    AudioCodec, AudioSelect, Container, EndRule, OutputKind, Selection, Source, Treatment, VideoCodec,
    VideoSelect,
};
use egress::validate::{Accepted, Local, validate};

fn record(source: RecordSource, format: RecordFormat) -> RecordRequest {
    RecordRequest {
        room_name: "show".into(),
        source,
        format,
        folder: "/recordings".into(),
        name: "{room_name}/{time}".into(),
        manifest: true,
        segments: None,
        images: None,
        copy_folder: None,
        upload: None,
    }
}

/// The tracks that a request selects.
fn tracks(accepted: &Accepted) -> &Selection {
    match &accepted.spec.source {
        Source::Tracks(selection) => selection,
        Source::Page(page) => panic!("{page:?}"),
    }
}

fn ada() -> RecordSource {
    RecordSource::Participant { identity: "ada".into(), follow_screen_share: false }
}

fn pair() -> RecordSource {
    RecordSource::TrackComposite { video_track_id: Some("TR_V".into()), audio_track_id: Some("TR_A".into()) }
}

fn preset(container: Option<Container>) -> RecordFormat {
    RecordFormat::Preset { container, preset: Preset::H264720p30 }
}

fn encoded(request: &RecordRequest) -> (Option<Container>, Option<VideoCodec>, Option<AudioCodec>) {
    let (_, accepted) = accept(request).unwrap();
    let OutputKind::File(file) = &accepted.spec.outputs[0].kind else { panic!("no file") };
    assert_eq!((file.folder.to_str(), file.name.as_str()), (Some("/recordings"), "{room_name}/{time}"));
    let Treatment::Encode { video, audio } = accepted.spec.treatment else { panic!("not encoded") };
    (file.container, video.map(|video| video.codec), audio.map(|audio| audio.codec))
}

#[test]
fn every_source_in_livekits_words() {
    let track = RecordSource::Track { track_id: "TR_1".into() };
    let as_published = RecordFormat::AsPublished { container: None };
    let (request, accepted) = accept(&record(track, as_published.clone())).unwrap();
    insta::assert_json_snapshot!("track_in_livekits_words", info(request));
    assert_eq!(accepted.spec.treatment, Treatment::Passthrough);

    let (request, accepted) = accept(&record(pair(), as_published)).unwrap();
    insta::assert_json_snapshot!("pair_as_published_in_livekits_words", info(request));
    assert_eq!(accepted.spec.treatment, Treatment::Passthrough);

    let options = AdvancedOptions {
        width: 640,
        height: 360,
        audio_codec: Some(AudioCodec::Opus),
        video_codec: Some(VideoCodec::H264High),
        ..AdvancedOptions::default()
    };
    let advanced = RecordFormat::Advanced { container: Some(Container::Mp4), options };
    let (request, accepted) = accept(&record(ada(), advanced)).unwrap();
    insta::assert_json_snapshot!("participant_in_livekits_words", info(request));
    assert_eq!(tracks(&accepted).ends, EndRule::ParticipantLeaves("ada".into()));
    assert_eq!(tracks(&accepted).audio[0].from, AudioSelect::Voice("ada".into()));
    assert!(matches!(tracks(&accepted).video, Some(VideoSelect::Participant { .. })));
}

fn info(request: egress::validate::EgressRequest) -> livekit_protocol::EgressInfo {
    livekit_protocol::EgressInfo { request: Some(request), ..Default::default() }
}

#[test]
fn every_container_of_a_person() {
    use {AudioCodec as A, Container as C, VideoCodec as V};
    let person = |container| encoded(&record(ada(), preset(container)));
    assert_eq!(person(None), (Some(C::Mp4), Some(V::H264Main), Some(A::Aac)));
    assert_eq!(person(Some(C::Mp4)), (Some(C::Mp4), Some(V::H264Main), Some(A::Aac)));
    assert_eq!(person(Some(C::Webm)), (Some(C::Webm), Some(V::Vp8), Some(A::Opus)));
    assert_eq!(person(Some(C::Ogg)), (Some(C::Ogg), None, Some(A::Opus)));
    assert_eq!(person(Some(C::Mp3)), (Some(C::Mp3), None, Some(A::Mp3)));
}

#[test]
fn codecs_that_livekits_protocol_has_no_word_for() {
    let options = AdvancedOptions { video_codec: Some(VideoCodec::Vp9), ..AdvancedOptions::default() };
    let open = RecordFormat::Advanced { container: None, options };
    assert_eq!(
        encoded(&record(pair(), open)),
        (Some(Container::Webm), Some(VideoCodec::Vp9), Some(AudioCodec::Opus))
    );
    let options = AdvancedOptions { video_codec: Some(VideoCodec::Vp9), ..AdvancedOptions::default() };
    let mp4 = RecordFormat::Advanced { container: Some(Container::Mp4), options };
    let error = accept(&record(pair(), mp4)).unwrap_err();
    assert_eq!(error.to_string(), "format video/mp4 incompatible with codec video/vp9");
}

#[test]
fn refusals_in_plain_words() {
    let refusal = |source, format| ApiError::from(accept(&record(source, format)).unwrap_err());
    let track = RecordSource::Track { track_id: "TR_1".into() };
    insta::assert_json_snapshot!("refusal_of_a_track_with_a_preset", refusal(track, preset(None)));
    insta::assert_json_snapshot!(
        "refusal_of_a_participant_as_published",
        refusal(ada(), RecordFormat::AsPublished { container: None })
    );
    insta::assert_json_snapshot!(
        "refusal_of_a_picture_in_an_mp3",
        refusal(pair(), preset(Some(Container::Mp3)))
    );
    let options = AdvancedOptions { width: u32::MAX, ..AdvancedOptions::default() };
    let huge = RecordFormat::Advanced { container: None, options };
    insta::assert_json_snapshot!("refusal_of_a_huge_picture", refusal(pair(), huge));
    let mut request = record(pair(), preset(None));
    request.folder = "recordings".into();
    assert!(accept(&request).unwrap_err().to_string().ends_with(": folder"));
}

#[test]
fn the_window_and_the_api_are_checked_alike() {
    let (request, accepted) = accept(&record(ada(), preset(None))).unwrap();
    let text = serde_json::to_string(&info(request)).unwrap();
    let again: livekit_protocol::EgressInfo = serde_json::from_str(&text).unwrap();
    let local = Local { folder: "/recordings".into(), ..Local::default() };
    assert_eq!(validate(&again.request.unwrap(), &local).unwrap().spec, accepted.spec);
}
