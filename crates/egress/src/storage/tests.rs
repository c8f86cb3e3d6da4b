use std::collections::HashMap;

use livekit_protocol as proto;
use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;
use crate::error::ApiError;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

fn s3() -> proto::S3Upload {
    proto::S3Upload {
        access_key: "AKIAIOSFODNN7EXAMPLE".into(),
        secret: SECRET.into(),
        bucket: "shows".into(),
        ..Default::default()
    }
}

#[test]
fn a_request_of_livekits_becomes_settings_and_secrets() {
    let asked = Asked::of_s3(&proto::S3Upload {
        session_token: "token".into(),
        assume_role_arn: "arn:aws:iam::123456789012:role/recorder".into(),
        assume_role_external_id: "tallylight".into(),
        region: " eu-west-1 ".into(),
        endpoint: "s3.example.com".into(),
        force_path_style: true,
        metadata: HashMap::from([("show".into(), "evening".into())]),
        tagging: "team=av&note=a%20b".into(),
        content_disposition: "attachment".into(),
        proxy: Some(proto::ProxyConfig {
            url: "http://proxy.example.com:3128".into(),
            username: "ann".into(),
            password: "p4ss".into(),
        }),
        ..s3()
    })
    .unwrap();
    let Storage::S3(settings) = &asked.storage else { panic!("{asked:?}") };
    assert_eq!(settings.region, "eu-west-1");
    assert_eq!(settings.endpoint, "https://s3.example.com");
    assert_eq!(settings.proxy_url, "http://proxy.example.com:3128");
    assert_eq!(
        tags(&settings.tagging).unwrap(),
        [("team".into(), "av".into()), ("note".into(), "a b".into())]
    );
    assert_eq!(asked.secret.proxy.as_ref().unwrap().password.expose_secret(), "p4ss");
    for shown in [format!("{asked:?}"), serde_json::to_string(&asked.storage).unwrap()] {
        for hidden in [SECRET, "AKIAIOSFODNN7EXAMPLE", "p4ss", "\"ann\"", "\"token\""] {
            assert!(!shown.contains(hidden), "{hidden} in {shown}");
        }
    }
}

#[test]
fn a_login_within_the_address_of_a_proxy_is_a_secret() {
    let proxy = proto::ProxyConfig { url: "http://ann:p%404+ss@proxy:3128".into(), ..Default::default() };
    let asked = Asked::of_s3(&proto::S3Upload { proxy: Some(proxy), ..s3() }).unwrap();
    let Storage::S3(settings) = &asked.storage else { panic!("{asked:?}") };
    assert_eq!(settings.proxy_url, "http://proxy:3128");
    let login = asked.secret.proxy.unwrap();
    assert_eq!(login.username.expose_secret(), "ann");
    assert_eq!(login.password.expose_secret(), "p@4+ss");
}

#[test]
fn every_kind_of_secret_comes_back_from_the_keyring() {
    let credentials = r#"{"type":"service_account","private_key":"k","client_email":"a@b"}"#;
    let all = [
        Asked::of_s3(&proto::S3Upload { session_token: "t".into(), ..s3() }).unwrap(),
        Asked::of_gcp(&proto::GcpUpload {
            credentials: credentials.into(),
            bucket: "b1".into(),
            proxy: None,
        })
        .unwrap(),
        Asked::of_azure(&proto::AzureBlobUpload {
            account_name: "studio".into(),
            account_key: "c2VjcmV0".into(),
            container_name: "shows".into(),
        })
        .unwrap(),
        Asked::of_ali_oss(&proto::AliOssUpload {
            access_key: "a".into(),
            secret: "s".into(),
            endpoint: "oss-cn-hangzhou.aliyuncs.com".into(),
            bucket: "shows".into(),
            ..Default::default()
        })
        .unwrap(),
    ];
    for asked in all {
        let back =
            StorageSecret::from_keyring(&asked.secret.to_keyring()).unwrap().check(&asked.storage).unwrap();
        let open = |secret: &StorageSecret| -> Vec<String> {
            secret.texts().iter().map(|text| text.expose_secret().to_owned()).collect()
        };
        assert_eq!(open(&back), open(&asked.secret));
        assert!(!open(&back).is_empty());
    }
    assert!(StorageSecret::from_keyring(&"{}".into()).is_none());
}

#[test]
fn what_cannot_be_sent_is_refused_by_the_name_of_its_field() {
    type Spoil = fn(&mut proto::S3Upload);
    let cases: [(&str, Spoil); 14] = [
        ("bucket", |s| s.bucket.clear()),
        ("bucket", |s| s.bucket = "a/../b".into()),
        ("bucket", |s| s.bucket = "shows?x=".into()),
        ("endpoint", |s| s.endpoint = "file:///etc/passwd".into()),
        ("endpoint", |s| s.endpoint = "https://ann:pass@host".into()),
        ("endpoint", |s| s.endpoint = "https://host/?query".into()),
        ("region", |s| s.region = "eu west".into()),
        ("secret", |s| s.secret = "two\nlines".into()),
        ("access_key", |s| s.access_key.clear()),
        ("session_token", |s| s.session_token = "tok\u{0}en".into()),
        ("metadata", |s| drop(s.metadata.insert("a b".into(), "c".into()))),
        ("metadata", |s| drop(s.metadata.insert("a".into(), "c\r\nX-Evil: 1".into()))),
        ("tagging", |s| s.tagging = "a=%zz".into()),
        ("assume_role_arn", |s| s.assume_role_arn = "role".into()),
    ];
    for (field, spoil) in cases {
        let mut upload = s3();
        spoil(&mut upload);
        match Asked::of_s3(&upload) {
            Err(error @ RequestError::Field { .. }) => {
                assert!(error.to_string().ends_with(field), "{field}: {error}");
            }
            other => panic!("{field}: {other:?}"),
        }
    }
}

#[test]
fn keys_belong_to_their_kind_of_storage() {
    let asked = Asked::of_s3(&s3()).unwrap();
    let folder = Storage::Local(LocalFolder { folder: "/srv/shows".into() });
    assert!(asked.secret.clone().check(&folder).is_err());
    assert!(StorageSecret::default().check(&asked.storage).is_err());
    assert!(StorageSecret::default().check(&folder).is_ok());
}

#[test]
fn without_keys_it_is_the_computers_own_identity() {
    let role = "arn:aws:iam::123456789012:role/recorder";
    let s3 = Asked::of_s3(&proto::S3Upload {
        bucket: "shows".into(),
        access_key: " ".into(),
        assume_role_arn: role.into(),
        assume_role_external_id: "of-the-owner".into(),
        ..Default::default()
    })
    .unwrap();
    let gcp = Asked::of_gcp(&proto::GcpUpload { bucket: "shows".into(), ..Default::default() }).unwrap();
    let azure = Asked::of_azure(&proto::AzureBlobUpload {
        account_name: "studio".into(),
        container_name: "shows".into(),
        ..Default::default()
    })
    .unwrap();
    for asked in [s3, gcp, azure] {
        assert!(asked.storage.machine_identity(), "{asked:?}");
        let back = StorageSecret::from_keyring(&asked.secret.to_keyring()).unwrap();
        back.check(&asked.storage).unwrap();
        // Keys beside it would leave open which of the two is meant.
        let keys = Asked::of_s3(&self::s3()).unwrap().secret;
        assert!(keys.check(&asked.storage).is_err());
    }
    // Half a key is a mistake; a key that only the machine has does not stand in for it.
    for half in [
        proto::S3Upload { secret: String::new(), ..self::s3() },
        proto::S3Upload { access_key: String::new(), ..self::s3() },
        proto::S3Upload { session_token: "t".into(), bucket: "shows".into(), ..Default::default() },
    ] {
        assert!(Asked::of_s3(&half).is_err(), "{half:?}");
    }
    assert!(!Asked::of_s3(&self::s3()).unwrap().storage.machine_identity());
    // What was saved before there was a choice has keys.
    let old: Storage = serde_json::from_str(r#"{"kind":"gcp","bucket":"shows"}"#).unwrap();
    assert!(!old.machine_identity());
}

#[test]
fn azure_takes_a_signature_for_a_key() {
    let of = |key: &str| {
        Asked::of_azure(&proto::AzureBlobUpload {
            account_name: "studio".into(),
            account_key: key.into(),
            container_name: "shows".into(),
        })
    };
    for sas in ["sv=2024-11-04&sp=racwdl&sig=a%2Bb%3D", "?sig=a%2Bb%3D&sv=2024-11-04"] {
        assert!(of(sas).unwrap().secret.is_sas(), "{sas}");
    }
    assert!(!of("c2VjcmV0").unwrap().secret.is_sas());
    for wrong in ["sv=2024-11-04&sp=racwdl", "https://studio.blob.core.windows.net/?a b", "sig"] {
        assert!(of(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn credentials_of_google_that_read_the_computer_are_not_taken_from_a_request() {
    let of = |credentials: &str| {
        Asked::of_gcp(&proto::GcpUpload {
            credentials: credentials.into(),
            bucket: "shows".into(),
            proxy: None,
        })
    };
    let user = r#"{"type":"authorized_user","client_id":"a","client_secret":"b","refresh_token":"c"}"#;
    assert!(of(user).is_ok());
    for (wrong, word) in [
        (r#"{"type":"authorized_user","client_id":"a"}"#, "refresh token"),
        (
            r#"{"type":"external_account","credential_source":{"file":"/etc/shadow"}}"#,
            "GOOGLE_APPLICATION_CREDENTIALS",
        ),
        (r#"{"type":"impersonated_service_account"}"#, "GOOGLE_APPLICATION_CREDENTIALS"),
        (r#"{"type":"gdch_service_account"}"#, "neither"),
    ] {
        let error = ApiError::from(of(wrong).unwrap_err());
        assert!(format!("{} {}", error.message, error.remedy).contains(word), "{error:?}");
    }
}

#[test]
fn the_output_comes_before_the_request_and_both_before_the_configuration() {
    let asked =
        |bucket: &str| Some(Asked::of_s3(&proto::S3Upload { bucket: bucket.into(), ..s3() }).unwrap());
    let configured =
        || Some(StorageProfile { storage: asked("configured").unwrap().storage, prefix: String::new() });
    let bucket = |choice: StorageChoice| match choice {
        StorageChoice::Asked(asked) => asked.storage.described(),
        StorageChoice::Configured(profile) => profile.storage.described(),
        StorageChoice::Local => "local".into(),
    };
    assert_eq!(bucket(choose(asked("output"), asked("request"), configured())), "the bucket \"output\"");
    assert_eq!(bucket(choose(None, asked("request"), configured())), "the bucket \"request\"");
    assert_eq!(bucket(choose(None, None, configured())), "the bucket \"configured\"");
    assert_eq!(bucket(choose(None, None, None)), "local");
}

#[test]
fn names_of_objects_never_lead_out() {
    assert_eq!(object_key("/shows//2026/", "a b/c [1].mp4").unwrap(), "shows/2026/a b/c [1].mp4");
    assert_eq!(object_key("", "c.mp4").unwrap(), "c.mp4");
    for name in [" a: |*?\"<>\\ / .b../c%41+\u{1F3A5} ", "\u{85}", "...", "a "] {
        assert_eq!(object_key("", name).unwrap(), name, "character by character");
    }
    assert_eq!(object_key("", "/a//b.mp4").unwrap(), "a/b.mp4");
    for name in ["", "/", "../x", "a/../../x", "a/./b", "a\u{7}b", &"x".repeat(2000)] {
        assert!(object_key("p", name).is_err(), "{name:?}");
    }
}

/// Texts as an attacker, a broken script or a clipboard would give them.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ -~]{0,80}",
        "(\\.\\./|/|\\\\|%2e|%00|\r\n|\t| |\u{202e}|a|:|@|\\?|#|&|=|https?://|\\[|\\]){0,12}",
        "https?://[a-z:@/\\[\\]%?#.]{0,30}",
        "[a-z0-9.-]{1,70}",
        "arn:[ -~]{0,40}",
        Just(String::new()),
        Just("a".repeat(20_000)),
        Just("\u{0}".to_owned()),
        Just("http://[::1".to_owned()),
        Just("http://999999:99999999".to_owned()),
        Just("{\"private_key\":1}".to_owned()),
    ]
}

/// Refused with words, or accepted and safe; the secret is in neither.
fn judge(asked: Result<Asked, RequestError>, secret: &str) {
    match asked {
        Err(error) => {
            let error = ApiError::from(error);
            assert!(!error.message.is_empty() && !error.remedy.is_empty());
            assert!(!format!("{error:?}{error}").contains(secret));
        }
        Ok(asked) => {
            let shown = format!("{asked:?}{}", serde_json::to_string(&asked.storage).unwrap());
            assert!(!shown.contains(secret), "{shown}");
            assert!(!shown.contains(['\r', '\n', '\0']), "{shown:?}");
            // What was checked is checked again when it is read back, and stays what it was.
            let back: Storage =
                serde_json::from_value(serde_json::to_value(&asked.storage).unwrap()).unwrap();
            assert_eq!(back.check().unwrap(), asked.storage);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn hostile_options_of_s3(
        fields in prop::collection::vec(hostile(), 10),
        spoiled in prop::collection::vec(any::<bool>(), 10),
        path_style: bool,
    ) {
        let secret = "S3cretS3cretS3cret";
        let pick = |at: usize, good: &str| if spoiled[at] { fields[at].clone() } else { good.to_owned() };
        let upload = proto::S3Upload {
            access_key: pick(0, "AKIA"),
            secret: secret.to_owned() + if spoiled[1] { &fields[1] } else { "" },
            session_token: pick(2, ""),
            region: pick(3, "eu-west-1"),
            endpoint: pick(4, ""),
            bucket: pick(5, "shows"),
            force_path_style: path_style,
            metadata: HashMap::from([(pick(6, "name"), pick(7, "value"))]),
            tagging: pick(8, "a=b"),
            content_disposition: pick(9, ""),
            proxy: Some(proto::ProxyConfig { url: pick(0, ""), username: pick(1, ""), password: secret.into() }),
            assume_role_arn: pick(2, ""),
            assume_role_external_id: secret.into(),
        };
        judge(Asked::of_s3(&upload), secret);
    }

    #[test]
    fn hostile_options_of_the_others(a in hostile(), b in hostile(), c in hostile()) {
        let secret = "S3cretS3cretS3cret";
        let key = format!("{secret}{a}");
        judge(Asked::of_azure(&proto::AzureBlobUpload {
            account_name: b.clone(), account_key: key.clone(), container_name: c.clone(),
        }), secret);
        judge(Asked::of_ali_oss(&proto::AliOssUpload {
            access_key: key.clone(), secret: secret.into(), region: a.clone(), endpoint: b.clone(), bucket: c.clone(),
        }), secret);
        let credentials = serde_json::json!({ "private_key": key, "client_email": b, "x": c }).to_string();
        judge(Asked::of_gcp(&proto::GcpUpload { credentials, bucket: c.clone(), proxy: None }), secret);
        judge(Asked::of_gcp(&proto::GcpUpload { credentials: key, bucket: "shows".into(), proxy: None }), secret);
    }

    #[test]
    fn hostile_names_of_objects(prefix in hostile(), name in hostile()) {
        if let Ok(key) = object_key(&prefix, &name) {
            let slashes = |text: &str| text.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
            prop_assert_eq!(&key, &slashes(&format!("{prefix}/{name}")));
            prop_assert!(!key.is_empty() && key.len() <= MAX_KEY_BYTES);
            prop_assert!(!key.split('/').any(|part| matches!(part, "" | "." | "..")));
            prop_assert!(!key.chars().any(|c| c.is_ascii_control()));
            prop_assert_eq!(object_key("", &key).unwrap(), key);
        }
    }
}
