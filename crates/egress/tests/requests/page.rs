//! Pages: Room composite and Web egress.

use egress::spec::{AudioChannel, AudioSelect, Container, EndRule, PageAddress, PageSpec, Source, Treatment};
use serde_json::{Value, json};

use crate::{ask, encodings, refusal, tracks};

/// The page of a request, and what of it is encoded.
fn page(kind: &str, body: Value) -> (PageSpec, (bool, bool)) {
    let accepted = ask(kind, body).unwrap();
    let Source::Page(page) = accepted.spec.source else { panic!("{:?}", accepted.spec.source) };
    let Treatment::Encode { video, audio } = accepted.spec.treatment else { panic!("{page:?}") };
    (page, (video.is_some(), audio.is_some()))
}

#[test]
fn a_room_composite_is_a_template_that_says_when_it_begins() {
    let file = json!([{}]);
    let accepted =
        ask("room_composite", json!({"roomName": "show", "layout": "speaker", "fileOutputs": file})).unwrap();
    insta::assert_json_snapshot!(accepted.spec);
    assert_eq!(accepted.room_name, "show");
    let (custom, parts) = page(
        "room_composite",
        json!({
            "roomName": "show", "customBaseUrl": "https://t.example/x?y=1", "videoOnly": true, "fileOutputs": file,
        }),
    );
    let address = PageAddress::Template {
        base_url: Some("https://t.example/x?y=1".into()),
        layout: String::new(),
        document: None,
    };
    assert_eq!((custom.address, custom.await_start_signal, parts), (address, true, (true, false)));
    let unified = json!({"roomName": "show", "template": {"layout": "grid"}, "outputs": [{"file": {}}]});
    assert!(page("egress", unified).0.await_start_signal);
}

#[test]
fn a_rooms_sound_alone_needs_no_page() {
    let body = |more: Value| {
        let mut body = json!({"roomName": "show", "audioOnly": true, "fileOutputs": [{}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let accepted = ask("room_composite", body(json!({"layout": "grid"}))).unwrap();
    assert_eq!(tracks(&accepted).audio[0].from, AudioSelect::All);
    assert_eq!((tracks(&accepted).video.is_some(), &tracks(&accepted).ends), (false, &EndRule::RoomEnds));
    assert_eq!(encodings(&accepted).0, Container::Ogg);
    let accepted = ask("room_composite", body(json!({"audioMixing": "DUAL_CHANNEL_AGENT"}))).unwrap();
    let sides: Vec<_> = tracks(&accepted).audio.iter().map(|route| route.channel).collect();
    assert_eq!(sides, [AudioChannel::Left, AudioChannel::Right]);
    let accepted = ask("room_composite", body(json!({"audioMixing": "DUAL_CHANNEL_ALTERNATE"}))).unwrap();
    let routes: Vec<_> = tracks(&accepted).audio.iter().map(|route| (&route.from, route.channel)).collect();
    assert_eq!(routes, [(&AudioSelect::All, AudioChannel::Alternate)]);
    // A template of somebody's own may play sound of its own.
    let custom = body(json!({"customBaseUrl": "https://t.example"}));
    assert_eq!(page("room_composite", custom).1, (false, true));
}

#[test]
fn audio_mixing_is_without_effect_where_a_page_mixes() {
    let file = json!([{}]);
    let plain = json!({"roomName": "show", "layout": "grid", "fileOutputs": file});
    for mixing in ["DUAL_CHANNEL_AGENT", "DUAL_CHANNEL_ALTERNATE"] {
        let mut mixed = plain.clone();
        mixed["audioMixing"] = json!(mixing);
        let accepted = ask("room_composite", mixed).unwrap();
        assert_eq!(accepted.spec, ask("room_composite", plain.clone()).unwrap().spec);
        // The sound of a template of somebody's own, and a silent picture, too.
        for more in
            [json!({"audioOnly": true, "customBaseUrl": "https://t.example"}), json!({"videoOnly": true})]
        {
            let mut body = json!({"roomName": "show", "audioMixing": mixing, "fileOutputs": file});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            assert!(matches!(ask("room_composite", body).unwrap().spec.source, Source::Page(_)));
        }
    }
}

#[test]
fn a_web_page_begins_when_it_has_loaded_or_when_it_says_so() {
    for (signal, body) in [(false, json!({})), (true, json!({"awaitStartSignal": true}))] {
        let mut request = json!({"url": "https://example.com/a b", "fileOutputs": [{}]});
        request.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        let (web, parts) = page("web", request);
        assert_eq!(web.address, PageAddress::Web { url: "https://example.com/a%20b".into() });
        assert_eq!((web.await_start_signal, parts), (signal, (true, true)));
    }
    let unified =
        json!({"web": {"url": "http://localhost:3000", "audioOnly": true}, "outputs": [{"file": {}}]});
    assert_eq!(page("egress", unified).1, (false, true));
}

#[test]
fn pages_that_make_no_sense_are_refused() {
    let web = |url: &str| json!({"url": url, "fileOutputs": [{}]});
    for (field, kind, body) in [
        ("room_name", "room_composite", json!({"fileOutputs": [{}]})),
        ("url", "web", web("")),
        ("url", "web", web("file:///etc/passwd")),
        ("url", "web", web("example.com/page")),
        ("url", "web", web("https://")),
        ("url", "web", web("javascript:alert(1)")),
        (
            "custom_base_url",
            "room_composite",
            json!({"roomName": "r", "customBaseUrl": "x", "fileOutputs": [{}]}),
        ),
        (
            "audio_only and video_only",
            "web",
            json!({"url": "https://h", "audioOnly": true, "videoOnly": true, "fileOutputs": [{}]}),
        ),
        ("preset", "web", json!({"url": "https://h", "preset": "PASSTHROUGH", "fileOutputs": [{}]})),
        ("output", "web", json!({"url": "https://h"})),
    ] {
        assert_eq!(
            refusal(kind, body.clone()),
            format!("request has missing or invalid field: {field}"),
            "{body}"
        );
    }
}
