use std::cell::RefCell;
use std::collections::BTreeMap;

use egress::storage::{AliOss, Azure, Gcp, S3, StorageKeys, object_key};
use proptest::prelude::*;

use super::*;

#[tokio::test]
async fn parts_are_listed_page_by_page() {
    let asked = RefCell::new(Vec::new());
    let listed = list_parts("id", |query| {
        asked.borrow_mut().push(query.clone());
        let first = query.len() == 1;
        async move {
            let page = if first {
                "<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>2</NextPartNumberMarker>\
                 <Part><PartNumber>1</PartNumber><ETag>\"a\"</ETag><Size>5</Size></Part><Other/>\
                 <Part><PartNumber>2</PartNumber><ETag>\"b\"</ETag><Size>5</Size></Part></ListPartsResult>"
            } else {
                "<ListPartsResult><IsTruncated>false</IsTruncated><NextPartNumberMarker>3</NextPartNumberMarker>\
                 <Part><PartNumber>3</PartNumber><ETag>\"c\"</ETag><Size>1</Size></Part></ListPartsResult>"
            };
            Ok(Bytes::from(page))
        }
    })
    .await
    .unwrap();
    let Parts::Held(held) = listed else { panic!("{listed:?}") };
    assert_eq!(held.iter().map(|part| part.index).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(asked.borrow()[1][1], ("part-number-marker", "2".to_owned()));
    // A store that answers nonsense is not believed to have lost anything.
    let nonsense = list_parts("id", |_| async { Ok(Bytes::from("<html>")) }).await.unwrap();
    assert_eq!(nonsense, Parts::Unknown);
}

fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ -~]{0,60}",
        "[a-zA-Z0-9._-]{1,60}",
        "(\\.\\./|/|\\\\|%2e|%00|\r\n| |\u{202e}|\u{e9}|a|:|@|\\?|#|&|=|\\[|\\]){0,12}",
    ]
}

/// Opens a storage where nobody listens, and makes requests of every kind: an error, never a panic, and no
/// secret in it.
async fn try_all(storage: &Storage, secret: &StorageSecret, key: &str, hidden: &str) {
    let pace = Arc::new(Pace::new(None));
    let bytes = Bytes::from_static(b"x");
    let sum = PartSum::of(&bytes);
    let mut errors = Vec::new();
    match connect(storage, secret, &pace, Duration::from_secs(5), &Environment::default()).await {
        Ok(remote) => {
            let part = Part { sum, content_id: "\"1\"".into() };
            errors.extend(remote.put(key, bytes.clone(), sum).await.err());
            errors.extend(remote.begin(key).await.err());
            errors.extend(remote.put_part(key, "id&=/", 3, 0, bytes, sum).await.err());
            errors.extend(remote.complete(key, "id&=/", std::slice::from_ref(&part)).await.err());
            errors.extend(remote.parts(key, "id&=/").await.err());
            assert!(!remote.location(key).contains(['\r', '\n', ' ']));
            assert!(!format!("{remote:?}").contains(hidden));
        }
        Err(error) => errors.push(error),
    }
    for error in errors {
        let told = error.told(storage, Some(secret));
        assert!(!format!("{told:?}").contains(hidden), "{told:?}");
        assert!(!told.message.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn whatever_passes_the_checks_can_be_used(
        fields in prop::collection::vec(hostile(), 9),
        spoiled in prop::collection::vec(prop::bool::weighted(0.3), 9),
        name in hostile(),
        path_style: bool,
    ) {
        let hidden = "S3cretS3cretS3cret";
        let pick = |at: usize, good: &str| if spoiled[at] { fields[at].clone() } else { good.to_owned() };
        let Ok(key) = object_key("p", &name) else { return Ok(()) };
        // Nothing listens on port 1, and nothing leaves this computer.
        let nobody = "http://127.0.0.1:1".to_owned();
        let secret = |text: String| -> secrecy::SecretString { format!("{hidden}{text}").into() };
        let s3_keys = StorageKeys::S3 {
            access_key: secret(pick(0, "")),
            secret: secret(pick(1, "")),
            session_token: spoiled[2].then(|| secret(fields[2].clone())),
            assume_role_external_id: Some(secret(pick(3, ""))),
        };
        let tried = [
            (Storage::S3(S3 {
                bucket: pick(4, "shows"),
                region: pick(5, "eu-west-1"),
                endpoint: nobody.clone(),
                force_path_style: path_style,
                assume_role_arn: pick(0, ""),
                metadata: BTreeMap::from([(pick(6, "a"), pick(7, "b"))]),
                tagging: pick(8, "a=b"),
                content_disposition: pick(3, ""),
                proxy_url: String::new(),
                machine_identity: false,
            }), s3_keys),
            (Storage::AliOss(AliOss { bucket: pick(4, "shows"), region: pick(5, ""), endpoint: nobody.clone() }),
             StorageKeys::AliOss { access_key: secret(pick(0, "")), secret: secret(pick(1, "")) }),
            (Storage::Azure(Azure { account_name: pick(4, "shows"), container_name: pick(5, "shows"), endpoint: nobody.clone(), machine_identity: false }),
             StorageKeys::Azure { account_key: secret(pick(0, "aa")) }),
            (Storage::Gcp(Gcp { bucket: pick(4, "shows"), ..Gcp::default() }),
             StorageKeys::Gcp { credentials: serde_json::json!({
                "private_key": format!("{hidden}{}", pick(0, "")), "private_key_id": pick(1, ""),
                "client_email": pick(2, ""), "gcs_base_url": nobody, "disable_oauth": spoiled[3],
             }).to_string().into() }),
        ];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for (storage, keys) in tried {
            let secret = StorageSecret { keys, proxy: None };
            let Ok(storage) = storage.check() else { continue };
            let Ok(secret) = secret.check(&storage) else { continue };
            runtime.block_on(try_all(&storage, &secret, &key, hidden));
        }
    }
}
