use proptest::prelude::*;

use super::*;
use crate::spec::{AudioChannel, AudioRoute, AudioSelect, Selection, VideoPreference, VideoSelect};

/// 2026-03-04 05:06:07.089 UTC.
const AT_NS: i64 = 1_772_600_767_089_000_000;

fn facts() -> NameFacts {
    NameFacts {
        room_name: "morning-show".into(),
        room_id: "RM_abc".into(),
        egress_id: "EG_xyz".into(),
        publisher_identity: Some("ada".into()),
        track_id: Some("TR_1".into()),
        track_kind: Some(TrackKind::Video),
        track_source: Some(TrackSource::ScreenShare),
        at_ns: AT_NS,
        time_zone: TimeZone::fixed(jiff::tz::offset(-5)),
        identifier: "morning-show".into(),
        retry: 0,
        awaited: Vec::new(),
    }
}

fn mp4(template: &str) -> String {
    resolve(template, Container::Mp4, &facts()).to_str().unwrap().to_owned()
}

fn in_room(room_name: &str, template: &str) -> String {
    let facts = NameFacts { room_name: room_name.into(), identifier: room_name.into(), ..facts() };
    resolve(template, Container::Mp4, &facts).to_str().unwrap().to_owned()
}

#[test]
fn placeholders_are_livekits() {
    assert_eq!(
        mp4("{room_name}_{room_id}_{publisher_identity}_{track_id}_{track_type}_{track_source}_{retry}"),
        "morning-show_RM_abc_ada_TR_1_video_screen_share_0.mp4"
    );
    assert_eq!(mp4("{egress_id}"), "EG_xyz.mp4");
    assert_eq!(mp4("{time}"), "2026-03-04T000607.mp4");
    assert_eq!(mp4("{utc}"), "20260304050607089.mp4");
}

#[test]
fn default_name() {
    assert_eq!(mp4(""), "morning-show-2026-03-04T000607.mp4");
    assert_eq!(mp4("a/b/"), "a/b/morning-show-2026-03-04T000607.mp4");
    let again = NameFacts { retry: 2, ..facts() };
    assert_eq!(resolve("", Container::Ogg, &again), Path::new("morning-show-2026-03-04T000607-2.ogg"));
    assert_eq!(in_room("v1.mp3", ""), "v1.mp3-2026-03-04T000607.mp4");
}

#[test]
fn extensions() {
    assert_eq!(mp4("show"), "show.mp4");
    assert_eq!(mp4("show.mp4"), "show.mp4");
    assert_eq!(mp4("show.MP4"), "show.MP4");
    assert_eq!(mp4("show.ogg"), "show.mp4");
    assert_eq!(mp4("show.WEBM"), "show.mp4");
    assert_eq!(mp4("v1.2-show"), "v1.2-show.mp4");
    assert_eq!(mp4("show.final"), "show.final.mp4");
    assert_eq!(mp4(".mp4"), "morning-show-2026-03-04T000607.mp4");
    // A value is no extension.
    assert_eq!(in_room("ann.mp3", "{room_name}"), "ann.mp3.mp4");
}

#[test]
fn values_that_a_job_does_not_have_take_their_separator_along() {
    let facts = NameFacts { track_id: None, publisher_identity: None, ..facts() };
    let name = |template: &str| resolve(template, Container::Mp4, &facts).to_str().unwrap().to_owned();
    assert_eq!(name("show-{track_id}.mp4"), "show.mp4");
    assert_eq!(name("{publisher_identity}-show.mp4"), "show.mp4");
    assert_eq!(name("{publisher_identity}/show.mp4"), "show.mp4");
    assert_eq!(name("a/{publisher_identity}"), "a/morning-show-2026-03-04T000607.mp4");
    assert_eq!(name("{track_id}.mp4"), "morning-show-2026-03-04T000607.mp4");
    assert_eq!(name("{nonsense}-{"), "{nonsense}-{.mp4");
}

#[test]
fn no_way_out_of_the_folder() {
    assert_eq!(mp4("../../etc/passwd"), "etc/passwd.mp4");
    assert_eq!(mp4("/etc/cron.d/job"), "etc/cron.d/job.mp4");
    assert_eq!(mp4("a/../../b"), "b.mp4");
    assert_eq!(mp4(".."), "morning-show-2026-03-04T000607.mp4");
    assert_eq!(in_room("../../root", "{room_name}/x"), "__/__/root/x.mp4");
    assert_eq!(in_room("/abs/olute", "{room_name}"), "abs/olute.mp4");
    assert_eq!(in_room("..", "{room_name}/x"), "__/x.mp4");
    assert_eq!(in_room(".", "a/.{room_name}/x"), "a/__/x.mp4");
    assert_eq!(in_room("a\0b\n\u{1b}[2J", "{room_name}"), "a_b__[2J.mp4");
    assert_eq!(in_room("photo_\u{202E}4pm.exe", "{room_name}"), "photo_4pm.exe.mp4");
}

#[test]
fn names_are_what_was_asked_for_character_by_character() {
    for name in [
        "a:b|c*d?e\"f<g>h\\i",
        " both ends ",
        ".hidden",
        "dots...",
        "100 % + # & ; $(x) `y` '",
        "tab\there",
        "CON",
        "{nonsense}",
        "show.final",
        "-rf",
    ] {
        assert_eq!(mp4(name), format!("{name}.mp4"));
        assert_eq!(mp4(&format!("{name}/x")), format!("{name}/x.mp4"));
    }
    assert_eq!(mp4(" x .mp4"), " x .mp4");
    assert_eq!(mp4("a//b/./c"), "a/b/c.mp4");
    assert_eq!(mp4("a/../f"), "f.mp4");
    assert_eq!(in_room("acme/daily", "rec/{room_name}/x"), "rec/acme/daily/x.mp4");
    assert_eq!(in_room("acme/daily", "{room_name}"), "acme/daily.mp4");
    assert_eq!(in_room("acme/daily", ""), "acme/daily-2026-03-04T000607.mp4");
    assert_eq!(in_room("a|b:c\\d ", "{room_name}"), "a|b:c\\d .mp4");
}

#[test]
fn on_windows_names_are_what_it_takes() {
    let name = |template: &str| {
        resolve_on(System::Windows, template, Container::Mp4, &facts()).to_str().unwrap().to_owned()
    };
    assert_eq!(name("..\\..\\windows\\x"), "windows/x.mp4");
    assert_eq!(name("C:\\windows\\x?"), "C_/windows/x_.mp4");
    assert_eq!(name("a/nul.mp4"), "a/_nul.mp4");
}

#[test]
fn names_of_the_world_survive() {
    for name in ["יום טוב", "مرحبا بالعالم", "朝の番組", "👩‍👩‍👧‍👦 family", "Ünïcödé", "e\u{301}"]
    {
        assert_eq!(in_room(name, "{room_name}"), format!("{name}.mp4"));
    }
}

#[test]
fn long_names_are_cut_and_keep_what_follows() {
    let name = in_room(&"ü".repeat(300), "{room_name}-{time}");
    assert!(name.starts_with("üü") && name.ends_with("ü-2026-03-04T000607.mp4"), "{name}");
    assert!(name.len() <= MAX_COMPONENT_BYTES);
    assert_eq!(mp4(&"x".repeat(300)).len(), MAX_COMPONENT_BYTES);
    // A name that fits is not touched, however long.
    let fits = "y".repeat(251);
    assert_eq!(in_room(&fits, "{room_name}"), format!("{fits}.mp4"));
    // No family is cut in the middle of a joiner.
    let name = in_room(&"👩\u{200D}".repeat(60), "{room_name}");
    assert!(name.ends_with("👩.mp4"), "{name}");
    assert!(mp4(&"folder/".repeat(500)).len() < 1024);
    // Where the name has no room for a number, its end makes room.
    let full = format!("{}.mp4", "z".repeat(251));
    let second = numbered(Path::new(&full), 12).display().to_string();
    assert_eq!((second.len(), second.ends_with("z-12.mp4")), (MAX_COMPONENT_BYTES, true));
}

#[test]
fn numbers() {
    assert_eq!(numbered(Path::new("a/show.mp4"), 2), Path::new("a/show-2.mp4"));
    assert_eq!(numbered(Path::new("/a.b/v1.2.mp4"), 12), Path::new("/a.b/v1.2-12.mp4"));
    assert_eq!(numbered(Path::new("show"), 3), Path::new("show-3"));
    assert_eq!(numbered(Path::new("show.mp4"), 1), Path::new("show.mp4"));
}

/// Text of what breaks file names, and of anything.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("../".to_owned()),
        Just("..\\".to_owned()),
        Just("/".to_owned()),
        Just("\0".to_owned()),
        Just(".".to_owned()),
        Just(" ".to_owned()),
        Just("CON".to_owned()),
        Just("C:".to_owned()),
        Just(".mp3".to_owned()),
        Just("\u{202E}".to_owned()),
        Just("👩\u{200D}👧".to_owned()),
        Just("{room_name}".to_owned()),
        Just("{publisher_identity}".to_owned()),
        Just("{track_id}".to_owned()),
        Just("{time}".to_owned()),
        Just("{".to_owned()),
        "\\PC{0,100}",
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn whatever_is_asked_the_path_is_safe(
        template in hostile(),
        room_name in hostile(),
        identity in proptest::option::of(hostile()),
        at_ns in any::<i64>(),
        retry in any::<u32>(),
        n in 0u32..100_000,
    ) {
        let facts = NameFacts {
            identifier: room_name.clone(),
            room_name,
            publisher_identity: identity,
            track_id: None,
            at_ns,
            retry,
            ..facts()
        };
        for container in [Container::Mp4, Container::Webm, Container::Ogg, Container::Mp3] {
            let path = resolve(&template, container, &facts);
            let wanted = extension(container);
            prop_assert!(path.extension().unwrap().to_str().unwrap().eq_ignore_ascii_case(wanted));
            prop_assert!(!path.file_stem().unwrap().is_empty());
            prop_assert!(path.as_os_str().len() <= MAX_PATH_BYTES);
            for path in [path.clone(), numbered(&path, n)] {
                prop_assert!(path.is_relative());
                for component in path.components() {
                    let std::path::Component::Normal(name) = component else {
                        return Err(TestCaseError::fail(format!("{component:?} in {path:?}")));
                    };
                    let name = name.to_str().unwrap();
                    prop_assert!(!name.is_empty() && name.len() <= MAX_COMPONENT_BYTES);
                    prop_assert!(!name.contains('\0'));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// What a template says itself comes out as it is, whatever the people of the room are called.
    #[test]
    fn what_a_template_says_is_kept(
        before in "[^/{}\0]{1,40}",
        behind in "[^/{}.\0]{1,40}",
        room_name in hostile(),
    ) {
        prop_assume!(!matches!(before.as_str(), "." | "..") && !room_name.is_empty());
        let name = format!("{before}/{behind}.mp4");
        prop_assert_eq!(in_room(&room_name, &name), name.clone());
        prop_assert!(check("filepath", &name, 0).is_ok());
        let named = in_room(&room_name, &format!("{before}/{{room_name}}{behind}"));
        let kept = named.starts_with(&format!("{before}/")) && named.ends_with(&format!("{behind}.mp4"));
        prop_assert!(kept, "{}", named);
    }

    /// Rooms whose names are of what file systems take are told apart by them.
    #[test]
    fn what_a_room_is_called_is_kept(room_name in "[^/\\p{C}\u{2028}\u{2029}]{1,40}") {
        prop_assume!(!matches!(room_name.as_str(), "." | ".."));
        prop_assert_eq!(in_room(&room_name, "x/{room_name}/y"), format!("x/{room_name}/y.mp4"));
    }
}

fn received(id: &str, publisher: &str, kind: TrackKind) -> TrackFacts {
    TrackFacts {
        track_id: id.into(),
        kind,
        source: TrackSource::Unknown,
        codec: "opus".into(),
        publisher_identity: publisher.into(),
    }
}

/// What a template gives for a selection and what was received.
fn named(template: &str, video: Option<VideoSelect>, audio: AudioSelect, tracks: &[TrackFacts]) -> String {
    let ends = match &audio {
        AudioSelect::Voice(identity) => EndRule::ParticipantLeaves(identity.clone()),
        AudioSelect::Track(_) => EndRule::TracksGone,
        _ => EndRule::RoomEnds,
    };
    let audio = vec![AudioRoute { from: audio, channel: AudioChannel::Both }];
    let selection = Source::Tracks(Selection { video, audio, ends });
    let facts = NameFacts::of(&"EG_1".into(), "show", "RM_1", &selection, tracks, AT_NS, TimeZone::UTC);
    resolve(template, Container::Mp4, &facts).to_str().unwrap().to_owned()
}

#[test]
fn facts_of_a_job() {
    use TrackKind::{Audio, Video};
    let all = "{publisher_identity}-{track_id}-{track_type}";
    let (track, voice) = (|id: &str| AudioSelect::Track(id.into()), || AudioSelect::Voice("ada".into()));
    let picture = |id: &str| Some(VideoSelect::Track(id.into()));
    let person =
        || Some(VideoSelect::Participant { identity: "ada".into(), prefer: VideoPreference::Camera });
    let one = [received("TR_1", "ada", Video)];
    let of_one = [received("TR_1", "ada", Video), received("TR_2", "ada", Audio)];
    let of_two = [received("TR_1", "ada", Video), received("TR_2", "ben", Audio)];
    let time = "2026-03-04T050607.mp4";
    // Track egress.
    assert_eq!(named(all, picture("TR_1"), track("TR_1"), &one), "ada-TR_1-video.mp4");
    assert_eq!(named("", picture("TR_1"), track("TR_1"), &one), format!("TR_1-{time}"));
    assert_eq!(named(all, picture("TR_1"), track("TR_1"), &[]), "TR_1.mp4");
    // Track composite.
    assert_eq!(named(all, picture("TR_1"), track("TR_2"), &of_one), "ada.mp4");
    assert_eq!(named("", picture("TR_1"), track("TR_2"), &of_one), format!("show-{time}"));
    assert_eq!(named("x-{publisher_identity}", picture("TR_1"), track("TR_2"), &of_two), "x.mp4");
    assert_eq!(named(all, None, track("TR_1"), &one), "ada-TR_1-video.mp4");
    // Participant.
    assert_eq!(named(all, person(), voice(), &of_one), "ada.mp4");
    assert_eq!(named("", person(), voice(), &[]), format!("ada-{time}"));
    // The whole room's sound.
    assert_eq!(named("", None, AudioSelect::All, &of_two), format!("show-{time}"));
}

#[test]
fn a_proxy_is_named_like_its_master() {
    let of = |master: &str| proxy_name(Path::new(master)).display().to_string();
    assert_eq!(of("a/show-2.webm"), "a/show-2-proxy.mp4");
    assert_eq!(of("v1.2.mp4"), "v1.2-proxy.mp4");
    let long = format!("{}.mp4", "ü".repeat(125));
    let name = of(&long);
    assert!(name.len() <= MAX_COMPONENT_BYTES && name.ends_with("ü-proxy.mp4"), "{name}");
}
