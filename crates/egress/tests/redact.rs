//! Secrets planted in every place of a request that can hold one.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use egress::redact::{redact, redact_url};
use egress::validate::EgressRequest;
use livekit_protocol::EgressInfo;
use proptest::prelude::*;
use serde_json::{Value, json};

const PLANTED: &str = "pLaNtEdSeCrEt";

/// One upload of each kind, each with all its secrets, in the places where the protocol puts them.
fn uploads() -> [(&'static str, Value); 4] {
    let proxy =
        json!({"url": format!("http://me:{PLANTED}@proxy:3128"), "username": PLANTED, "password": PLANTED});
    [
        (
            "s3",
            json!({
                "accessKey": PLANTED, "secret": PLANTED, "sessionToken": PLANTED,
                "assumeRoleExternalId": PLANTED, "endpoint": format!("https://me:{PLANTED}@s3.example"),
                "bucket": "kept", "proxy": proxy,
            }),
        ),
        ("gcp", json!({"credentials": PLANTED, "bucket": "kept", "proxy": proxy})),
        ("azure", json!({"accountName": PLANTED, "accountKey": PLANTED, "containerName": "kept"})),
        ("aliOSS", json!({"accessKey": PLANTED, "secret": PLANTED, "bucket": "kept"})),
    ]
}

/// As many outputs as there are uploads.
fn outputs() -> Vec<Value> {
    uploads().into_iter().map(|(kind, upload)| json!({"filepath": "kept", kind: upload})).collect()
}

fn prefixed() -> Vec<Value> {
    uploads().into_iter().map(|(kind, upload)| json!({"filenamePrefix": "kept", kind: upload})).collect()
}

fn streams() -> Vec<Value> {
    let urls = [
        format!("rtmp://me:{PLANTED}@kept.example/app/{PLANTED}"),
        format!("rtmps://kept.example/a/b/{PLANTED}?auth={PLANTED} live=1"),
        format!("rtmp://kept.example/{PLANTED}"),
        format!("rtmp://kept.example/app/key pubPasswd={PLANTED}"),
        format!("mux://{PLANTED}"),
        format!("twitch://{PLANTED}"),
        format!("srt://kept.example:9000?streamid={PLANTED}&passphrase={PLANTED}"),
        format!("wss://kept.example/in?{PLANTED}"),
        PLANTED.to_owned(),
    ];
    vec![json!({"urls": urls}), json!({"urls": [format!("mux://{PLANTED}")]})]
}

fn storages() -> Vec<Value> {
    let with = |upload: (&str, Value)| json!({"storage": {upload.0: upload.1}, "file": {"filepath": "kept"}});
    uploads().into_iter().map(with).collect()
}

/// A request of each kind, full of secrets.
fn requests() -> Vec<(&'static str, Value)> {
    let mut requests = Vec::new();
    for kind in ["roomComposite", "web", "participant", "trackComposite"] {
        let body = json!({
            "fileOutputs": outputs(), "segmentOutputs": prefixed(), "imageOutputs": prefixed(),
            "streamOutputs": streams(),
        });
        requests.push((kind, body));
    }
    for (upload_kind, upload) in uploads() {
        for kind in ["roomComposite", "web", "trackComposite"] {
            requests.push((kind, json!({"file": {upload_kind: upload.clone()}})));
            requests.push((kind, json!({"segments": {upload_kind: upload.clone()}})));
        }
        requests.push(("track", json!({"file": {upload_kind: upload.clone()}})));
        let mut outputs = storages();
        outputs.push(json!({"stream": streams()[0]}));
        outputs.extend(prefixed().into_iter().map(|segments| json!({"segments": segments})));
        outputs.extend(prefixed().into_iter().map(|images| json!({"images": images})));
        for kind in ["egress", "replay"] {
            requests
                .push((kind, json!({"storage": {upload_kind: upload.clone()}, "outputs": outputs.clone()})));
        }
    }
    for kind in ["roomComposite", "web", "trackComposite"] {
        requests.push((kind, json!({"stream": streams()[0]})));
    }
    requests.push(("track", json!({"websocketUrl": format!("wss://kept.example/?token={PLANTED}")})));
    requests.push(("web", json!({"url": format!("https://me:{PLANTED}@kept.example/page")})));
    requests
        .push(("roomComposite", json!({"customBaseUrl": format!("https://me:{PLANTED}@kept.example/page")})));
    requests
}

#[test]
fn no_planted_secret_survives() {
    for (kind, body) in requests() {
        let info: EgressInfo = serde_json::from_value(json!({kind: body})).unwrap();
        let mut request = info.request.unwrap();
        assert!(format!("{request:?}").contains(PLANTED), "nothing was planted in {kind}");
        redact(&mut request);
        let shown = format!("{request:#?}");
        assert!(!shown.contains(PLANTED), "{shown}");
        // The key's beginning may be shown, to tell one stream from another; no more than that.
        assert!(!shown.contains(&PLANTED[..4]) && !shown.contains(&PLANTED[PLANTED.len() - 4..]), "{shown}");
    }
}

#[test]
fn the_rest_survives() {
    let info: EgressInfo = serde_json::from_value(json!({"participant": {
        "roomName": "show", "identity": "ada", "imageOutputs": prefixed(), "fileOutputs": outputs(),
    }}))
    .unwrap();
    let mut request = info.request.unwrap();
    redact(&mut request);
    insta::assert_json_snapshot!(
        "redacted",
        EgressInfo { request: Some(request.clone()), ..Default::default() }
    );
    let once = request.clone();
    redact(&mut request);
    assert_eq!(request, once, "twice is as good as once");
    let empty: EgressInfo = serde_json::from_value(json!({"track": {"file": {"s3": {}}}})).unwrap();
    let mut request = empty.request.unwrap();
    let before = request.clone();
    redact(&mut request);
    assert_eq!(request, before, "what is not there is not hidden");
    let EgressRequest::Track(_) = request else { panic!("{request:?}") };
}

#[test]
fn addresses() {
    for (url, shown) in [
        ("rtmp://live.example/app/abcdefghijkl", "rtmp://live.example/app/{abc...jkl}"),
        ("rtmps://live.example:443/a/b/abcdefg live=1", "rtmps://live.example:443/a/b/{ab...fg} live=1"),
        ("rtmp://live.example/app/ab", "rtmp://live.example/app/{...}"),
        ("rtmp://live.example/app/", "rtmp://live.example/app/"),
        ("rtmp://live.example/app/ключ-ключ-к", "rtmp://live.example/app/{клю...ч-к}"),
        ("mux://abcdefghijkl", "mux://{abc...jkl}"),
        ("twitch://live_1_abc", "twitch://{liv...abc}"),
        ("srt://host:9000?mode=caller&passphrase=xyz&a", "srt://host:9000?mode={...}&passphrase={...}&{...}"),
        ("srt://host:9000?streamid=publish:abc", "srt://host:9000?streamid={pub...abc}"),
        ("SRT://host:9000?streamid=#!::r=a,m=publish", "SRT://host:9000?streamid={_!_...ish}"),
        (" rtmp://live.example/app/abcdefghijkl ", "rtmp://live.example/app/{abc...jkl}"),
        ("rtmp://live.example/app/key?t=a/b", "rtmp://live.example/app/{key...a_b}"),
        ("rtmp://live.example/app/aa/........w", "rtmp://live.example/app/aa/{___...__w}"),
        ("wss://host/path", "wss://host/path"),
        ("wss://user:pass@host/path?token=x", "wss://{...}@host/path?token={...}"),
        ("wss://host/p@th", "wss://host/p@th"),
        ("", ""),
    ] {
        assert_eq!(redact_url(url), shown);
        assert_eq!(redact_url(shown), shown, "twice");
    }
}

/// Pieces that an address is made of, in any order.
fn address() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("rtmp://".to_owned()),
        Just("rtmps://".to_owned()),
        Just("srt://".to_owned()),
        Just("wss://".to_owned()),
        Just("mux://".to_owned()),
        Just("twitch://".to_owned()),
        Just("://".to_owned()),
        Just("?streamid=".to_owned()),
        Just(" live=1".to_owned()),
        Just("{...}".to_owned()),
        Just("{abc...xyz}".to_owned()),
        "[/?&=@#: .{}%a-c]{0,12}",
        "\\PC{0,20}",
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn redacted_twice_is_redacted_once(url in address()) {
        let once = redact_url(&url);
        prop_assert_eq!(redact_url(&once), once);
    }

    /// Nothing of a key is shown but its ends.
    #[test]
    fn of_a_key_no_more_than_its_ends_is_shown(key in "[a-zA-Z0-9_-]{9,40}", scheme in 0..5_usize) {
        let prefix = ["rtmp://h/app/", "rtmps://h:443/a/b/", "mux://", "twitch://", "srt://h:1?streamid="][scheme];
        let shown = redact_url(&format!("{prefix}{key}"));
        prop_assert_eq!(&shown, &format!("{prefix}{{{}...{}}}", &key[..3], &key[key.len() - 3..]));
    }
}
