//! What the window asks for, as LiveKit's own egress service is asked.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use egress::elsewhere::{Place, for_livekit, with_room};
use egress::request::{
    AdvancedOptions, ImagesRequest, Mixing, PageParts, Preset, ProxyRequest, RecordFormat, RecordRequest,
    RecordSource, SegmentsRequest,
};
use egress::spec::{AfterCrash, Container, VideoCodec};
use egress::storage::{Asked, LocalFolder, S3, Storage, StorageKeys, StorageProfile, StorageSecret};
use egress::validate::EgressRequest;
use livekit_protocol::{EncodingOptionsPreset, RoomEgress};
use secrecy::ExposeSecret;

fn record(source: RecordSource) -> RecordRequest {
    let format = match source {
        RecordSource::Track { .. } => RecordFormat::AsPublished { container: None },
        _ => RecordFormat::Preset { container: None, preset: Preset::H2641080p30 },
    };
    RecordRequest {
        room_name: "show".into(),
        source,
        format,
        folder: "/recordings".into(),
        name: "take".into(),
        manifest: true,
        segments: Some(SegmentsRequest { duration_s: 4, live_playlist: true, fmp4: false }),
        images: Some(ImagesRequest { interval_s: 5 }),
        copy_folder: None,
        proxy: None,
        upload: None,
    }
}

fn room(layout: &str) -> RecordSource {
    RecordSource::RoomComposite {
        layout: layout.into(),
        base_url: None,
        parts: PageParts::Both,
        mixing: Mixing::Together,
        after_crash: AfterCrash::default(),
    }
}

fn ada() -> RecordSource {
    RecordSource::Participant { identity: "ada".into(), follow_screen_share: true }
}

fn track() -> RecordRequest {
    let source = RecordSource::Track { track_id: "TR_a".into() };
    RecordRequest { segments: None, images: None, ..record(source) }
}

fn bucket() -> Place {
    let s3 = S3 {
        bucket: "shows".into(),
        region: "eu-west-1".into(),
        endpoint: "https://minio.example".into(),
        force_path_style: true,
        tagging: "a=b".into(),
        proxy_url: "http://proxy.example:3128".into(),
        content_disposition: "inline".into(),
        ..S3::default()
    };
    let keys = StorageKeys::S3 {
        access_key: "the-key".into(),
        secret: "the-secret".into(),
        session_token: Some("the-token".into()),
        assume_role_external_id: None,
    };
    let proxy = None;
    Place {
        profile: StorageProfile { storage: Storage::S3(s3), prefix: "/2026/".into() },
        secret: StorageSecret { keys, proxy },
    }
}

#[test]
fn every_output_names_the_storage_with_its_keys() {
    let EgressRequest::RoomComposite(request) =
        for_livekit(&record(room("speaker-light")), Some(&bucket())).unwrap()
    else {
        panic!("another kind")
    };
    assert_eq!((request.room_name.as_str(), request.layout.as_str()), ("show", "speaker-light"));
    assert_eq!(request.file_outputs[0].filepath, "2026/take");
    // What was put in is what a service reads out: of the file, the segments and the images alike.
    let read = [
        Asked::of_file(&request.file_outputs[0]),
        Asked::of_segments(&request.segment_outputs[0]),
        Asked::of_images(&request.image_outputs[0]),
    ];
    for asked in read {
        let asked = asked.unwrap().unwrap();
        assert_eq!(asked.storage, bucket().profile.storage);
        let StorageKeys::S3 { access_key, secret, session_token, .. } = &asked.secret.keys else { panic!() };
        assert_eq!((access_key.expose_secret(), secret.expose_secret()), ("the-key", "the-secret"));
        assert_eq!(session_token.as_ref().unwrap().expose_secret(), "the-token");
    }
    let EgressRequest::Track(request) = for_livekit(&track(), Some(&bucket())).unwrap() else { panic!() };
    let Some(livekit_protocol::track_egress_request::Output::File(file)) = request.output else { panic!() };
    assert_eq!(Asked::of_track_file(&file).unwrap().unwrap().storage, bucket().profile.storage);
    // Without a storage nothing is named: the service is configured with one.
    let EgressRequest::Participant(request) = for_livekit(&record(ada()), None).unwrap() else { panic!() };
    assert_eq!((request.file_outputs[0].filepath.as_str(), &request.file_outputs[0].output), ("take", &None));
}

#[test]
fn what_livekit_has_no_word_for_is_refused_before_it_is_sent() {
    let small = ProxyRequest { height: 540, video_bitrate_kbps: None, folder: None };
    let vp9 = AdvancedOptions { video_codec: Some(VideoCodec::Vp9), ..AdvancedOptions::default() };
    let webm = Some(Container::Webm);
    let fmp4 = SegmentsRequest { duration_s: 4, live_playlist: false, fmp4: true };
    let as_published = RecordFormat::AsPublished { container: None };
    for (field, request) in [
        ("layout", record(room("picture-in-picture"))),
        ("layout", record(room("my-own"))),
        ("copy_folder", RecordRequest { copy_folder: Some("/other".into()), ..record(ada()) }),
        ("proxy", RecordRequest { proxy: Some(small), ..record(ada()) }),
        ("segments", RecordRequest { segments: Some(fmp4), ..record(ada()) }),
        ("preset", RecordRequest { format: as_published, segments: None, images: None, ..record(ada()) }),
        (
            "file_type",
            RecordRequest {
                format: RecordFormat::Advanced { container: webm, options: vp9 },
                segments: None,
                ..record(ada())
            },
        ),
    ] {
        let error = for_livekit(&request, None).unwrap_err();
        let error = egress::error::ApiError::from(error);
        assert!(error.detail.contains(field) || error.message.contains(field), "{field}: {error:?}");
        assert!(!error.remedy.is_empty());
    }
    let local = Storage::Local(LocalFolder { folder: "/mnt/share".into() });
    let place = Place {
        profile: StorageProfile { storage: local, prefix: String::new() },
        secret: StorageSecret::default(),
    };
    assert!(for_livekit(&record(ada()), Some(&place)).is_err());
    // Without keys the service would upload as itself.
    let own = Storage::S3(S3 { bucket: "shows".into(), machine_identity: true, ..S3::default() });
    let place = Place { profile: StorageProfile { storage: own, ..place.profile }, ..place };
    let error = egress::error::ApiError::from(for_livekit(&record(ada()), Some(&place)).unwrap_err());
    assert!(error.message.contains("identity"), "{error:?}");
    for layout in ["", "grid", "speaker-dark", "single-speaker-light"] {
        assert!(for_livekit(&record(room(layout)), None).is_ok(), "{layout}");
    }
}

#[test]
fn a_new_room_is_recorded_by_its_server() {
    let request = with_room(&record(room("grid")), Some(&bucket())).unwrap();
    assert_eq!(request.name, "show");
    let RoomEgress { room, participant, tracks } = request.egress.unwrap();
    assert_eq!((room.unwrap().room_name.as_str(), participant, tracks), ("show", None, None));
    let egress = with_room(&record(ada()), Some(&bucket())).unwrap().egress.unwrap();
    let participant = egress.participant.unwrap();
    assert!(Asked::of_file(&participant.file_outputs[0]).unwrap().is_some());
    use livekit_protocol::auto_participant_egress::Options;
    let preset = EncodingOptionsPreset::H2641080p30.into();
    assert_eq!(participant.options, Some(Options::Preset(preset)));
    let tracks = with_room(&track(), Some(&bucket())).unwrap().egress.unwrap().tracks.unwrap();
    assert_eq!(tracks.filepath, "2026/take");
    assert!(tracks.output.is_some());
    let web = RecordSource::Web {
        url: "https://example.com".into(),
        await_start_signal: false,
        parts: PageParts::Both,
        after_crash: AfterCrash::default(),
    };
    assert!(with_room(&record(web), None).is_err());
}
