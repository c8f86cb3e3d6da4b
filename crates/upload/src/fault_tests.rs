use super::*;
use egress::storage::{S3, StorageKeys};

fn storage() -> Storage {
    Storage::S3(S3 { bucket: "shows".into(), ..S3::default() })
}

fn answer(status: u16, body: &str) -> StoreError {
    StoreError::Answered(Box::new(Answer::new(status, &HeaderMap::new(), body.as_bytes())))
}

#[test]
fn what_a_store_answers_is_told_in_words() {
    let xml = |code: &str| {
        format!("<Error><Code>{code}</Code><Message>m</Message><Region>eu-west-1</Region></Error>")
    };
    let cases = [
        (404, "NoSuchBucket", ErrorCode::NotFound, "does not exist", true),
        (403, "InvalidAccessKeyId", ErrorCode::UnknownKey, "does not know", true),
        (403, "SignatureDoesNotMatch", ErrorCode::WrongSecret, "secret is wrong", true),
        (403, "AccessDenied", ErrorCode::PermissionDenied, "may not", true),
        (403, "RequestTimeTooSkewed", ErrorCode::ClockOff, "clock is off", true),
        (400, "AuthorizationHeaderMalformed", ErrorCode::InvalidArgument, "is in eu-west-1", true),
        (400, "BadDigest", ErrorCode::Storage, "refuses", false),
        (503, "SlowDown", ErrorCode::Storage, "slower", false),
        (500, "InternalError", ErrorCode::Storage, "fault of its own", false),
        (507, "XMinioStorageFull", ErrorCode::DiskFull, "no room", true),
    ];
    for (status, code, expected, words, lasts) in cases {
        let error = answer(status, &xml(code));
        let told = error.told(&storage(), None);
        assert_eq!(told.code, expected, "{code}");
        assert!(told.message.contains(words), "{code}: {}", told.message);
        assert_eq!((error.lasts(), told.retryable), (lasts, !lasts), "{code}");
    }
}

#[test]
fn a_clock_that_is_off_is_seen_by_the_servers_own() {
    let mut headers = HeaderMap::new();
    headers.insert("date", "Mon, 06 Jan 2020 08:00:00 GMT".parse().unwrap());
    let error = StoreError::Answered(Box::new(Answer::new(403, &headers, b"")));
    assert_eq!(error.told(&storage(), None).code, ErrorCode::ClockOff);
}

#[test]
fn a_secret_that_a_server_repeats_is_taken_out() {
    let secret = StorageSecret {
        keys: StorageKeys::S3 {
            access_key: "AKIAEXAMPLE".into(),
            secret: "hidden".into(),
            session_token: None,
            assume_role_external_id: None,
        },
        proxy: None,
    };
    let error = answer(403, "<Error><Code>X</Code><Message>key AKIAEXAMPLE is hidden</Message></Error>");
    let told = error.told(&storage(), Some(&secret));
    assert!(told.detail.contains("{secret}"), "{}", told.detail);
    assert!(!told.detail.contains("AKIA") && !told.detail.contains("hidden"));
}

#[test]
fn no_answer_panics() {
    for body in [
        "",
        "<Code>",
        "<Code></Code>",
        "</",
        "{\"error\":1}",
        "{\"error\":{\"message\":\"m\"}}",
        "\u{0}<Message>\u{7}x</",
    ] {
        for status in [100, 302, 400, 403, 418, 500, 599] {
            let told = answer(status, body).told(&storage(), None);
            assert!(!told.message.is_empty() && !told.remedy.is_empty());
        }
    }
}
