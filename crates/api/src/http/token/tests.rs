use std::time::Duration;

use livekit_token::{AccessToken, VideoGrants};
use proptest::prelude::*;
use serde_json::json;

use super::*;

const SECRET: &str = "a secret of thirty-two characters";

fn keys() -> ApiKeys {
    let mut keys = ApiKeys::new("key", SECRET.into());
    keys.insert("other", "another secret, also long enough".into());
    keys.insert("open", "".into());
    keys.insert("", "the secret of a key without a name".into());
    keys
}

fn verdict(token: &str) -> Result<(), Refused> {
    check(&keys(), Some(&HeaderValue::from_str(&format!("Bearer {token}")).unwrap()))
}

fn record() -> VideoGrants {
    VideoGrants { room_record: true, ..VideoGrants::default() }
}

fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

fn part(value: &Value) -> String {
    BASE64.encode(value.to_string())
}

fn signed_by(secret: &str, head: &Value, claims: &Value) -> String {
    let text = format!("{}.{}", part(head), part(claims));
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(&text);
    format!("{text}.{}", BASE64.encode(mac.finalize().into_bytes()))
}

fn signed(claims: &Value) -> String {
    signed_by(SECRET, &json!({ "alg": "HS256", "typ": "JWT" }), claims)
}

/// A good token's claims, with some put in.
fn claims(more: &Value) -> Value {
    let mut claims = json!({
        "iss": "key", "nbf": now_s() - 10, "exp": now_s() + 60, "video": { "roomRecord": true },
    });
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    claims
}

#[test]
fn a_token_of_livekits_sdk_with_the_grant_is_let_in() {
    for (key, secret) in [("key", SECRET), ("other", "another secret, also long enough")] {
        let token = AccessToken::with_api_key(key, secret).with_grants(record());
        assert_eq!(verdict(&token.with_ttl(Duration::from_secs(60)).to_jwt().unwrap()), Ok(()));
    }
}

#[test]
fn without_the_grant_there_is_no_permission() {
    let every = VideoGrants {
        room_create: true,
        room_list: true,
        room_admin: true,
        room: "r".into(),
        ..VideoGrants::default()
    };
    let token = AccessToken::with_api_key("key", SECRET).with_grants(every).to_jwt().unwrap();
    assert_eq!(verdict(&token), Err(Refused::NoGrant));
    assert_eq!(check(&keys(), None), Err(Refused::NoGrant));
    for video in [json!(null), json!({}), json!({ "roomRecord": false }), json!({ "roomRecord": null })] {
        assert_eq!(verdict(&signed(&claims(&json!({ "video": video })))), Err(Refused::NoGrant), "{video}");
    }
}

#[test]
fn only_a_bearer_is_one() {
    let token = AccessToken::with_api_key("key", SECRET).with_grants(record()).to_jwt().unwrap();
    for header in [token.clone(), format!("bearer {token}"), format!("Basic {token}"), String::new()] {
        let header = HeaderValue::from_str(&header).unwrap();
        assert_eq!(check(&keys(), Some(&header)), Err(Refused::NotBearer));
    }
}

#[test]
fn what_other_libraries_write_is_let_in() {
    let (before, after) = (now_s() - 100, now_s() + 100);
    for more in [
        json!({ "exp": null, "nbf": null }),
        json!({ "exp": f64::from(i32::MAX) + 0.75, "nbf": 1.5e9 }),
        json!({ "exp": after.to_string(), "nbf": format!("{before}.5"), "iat": "1e9" }),
        json!({ "iat": after + 1000 }),
        json!({ "aud": "a" }),
        json!({ "aud": ["a", "b"] }),
        json!({ "aud": [] }),
        json!({ "sub": null, "name": null, "metadata": null, "attributes": null, "sip": null, "jti": null }),
        json!({ "attributes": { "a": "b", "c": null }, "kindDetails": ["x", null] }),
        json!({ "of_a_later_version": { "a": [1] }, "video": { "roomRecord": true, "later": 1 } }),
        json!({ "video": { "roomrecord": true } }),
        json!({ "roomConfig": { "maxParticipants": "5", "later": 1 }, "roomPreset": "x" }),
        // The leeway is a minute.
        json!({ "exp": now_s() - 30 }),
        json!({ "nbf": now_s() + 30 }),
    ] {
        assert_eq!(verdict(&signed(&claims(&more))), Ok(()), "{more}");
    }
    let without_end = json!({ "iss": "key", "video": { "roomRecord": true } });
    assert_eq!(verdict(&signed(&without_end)), Ok(()));
    assert_eq!(verdict(&signed_by(SECRET, &json!({ "alg": "HS256" }), &without_end)), Ok(()));
}

#[test]
fn what_is_not_valid_now_or_of_another_shape_is_refused() {
    for more in [
        json!({ "exp": now_s() - 90 }),
        json!({ "exp": (now_s() - 90).to_string() }),
        json!({ "exp": 0 }),
        json!({ "exp": 1e300 }),
        json!({ "nbf": now_s() + 90 }),
        json!({ "exp": "soon" }),
        json!({ "exp": "" }),
        json!({ "exp": " 4000000000" }),
        json!({ "exp": true }),
        json!({ "nbf": [1] }),
        json!({ "iat": {} }),
        json!({ "aud": 5 }),
        json!({ "aud": [null] }),
        json!({ "iss": "stranger" }),
        json!({ "iss": null }),
        json!({ "iss": "" }),
        json!({ "iss": "open" }),
        json!({ "sub": 5 }),
        json!({ "name": {} }),
        json!({ "attributes": { "a": 1 } }),
        json!({ "video": "roomRecord" }),
        json!({ "video": [true, true, true] }),
        json!({ "video": { "roomRecord": 1 } }),
        json!({ "video": { "roomRecord": "true" } }),
        json!({ "video": { "roomRecord": true, "room": 5 } }),
        json!({ "video": { "roomRecord": true, "ROOMRECORD": true } }),
        json!({ "sip": { "admin": "yes" } }),
        json!({ "roomConfig": { "egress": 5 } }),
        json!({ "roomConfig": "x" }),
    ] {
        assert_eq!(verdict(&signed(&claims(&more))), Err(Refused::Invalid), "{more}");
    }
    let body = claims(&json!({}));
    let head = json!({ "alg": "HS256" });
    assert_eq!(verdict(&signed_by(SECRET, &head, &body)), Ok(()));
    assert_eq!(verdict(&signed_by("another secret, also long enough", &head, &body)), Err(Refused::Invalid));
    assert_eq!(verdict(&signed_by("", &head, &claims(&json!({ "iss": "open" })))), Err(Refused::Invalid));
    for claims in [json!([]), json!(null), json!("key")] {
        assert_eq!(verdict(&signed(&claims)), Err(Refused::Invalid), "{claims}");
    }
}

#[test]
fn a_token_that_says_it_needs_no_signature_gets_none_of_ours() {
    let body = claims(&json!({}));
    let good = signed(&body);
    let signature = good.rsplit('.').next().unwrap();
    for alg in ["none", "None", "NONE", "nOnE", "", "RS256", "ES256", "EdDSA", "HS384", "HS512", "hs256"] {
        let head = json!({ "alg": alg, "typ": "JWT" });
        let (head, body, whole) = (part(&head), part(&body), signed_by(SECRET, &head, &body));
        for token in [
            format!("{head}.{body}"),
            format!("{head}.{body}."),
            format!("{head}.{body}.{signature}"),
            format!("{head}.{body}.AAAA"),
            whole,
        ] {
            assert_eq!(verdict(&token), Err(Refused::Invalid), "{alg:?} {token}");
        }
    }
    for head in [json!({}), json!(null), json!({ "alg": null }), json!({ "alg": ["HS256"] }), json!("HS256")]
    {
        assert_eq!(verdict(&signed_by(SECRET, &head, &body)), Err(Refused::Invalid), "{head}");
    }
    assert_eq!(verdict(&format!("{good}.")), Err(Refused::Invalid));
    assert_eq!(verdict(&format!("{good}=")), Err(Refused::Invalid));
}

proptest! {
    #[test]
    fn no_text_is_a_token(text in "[ -~]{0,200}") {
        prop_assert_eq!(verdict(&text), Err(Refused::Invalid));
    }

    #[test]
    fn a_token_with_one_letter_changed_is_none(at in 0_usize..400, letter in "[A-Za-z0-9_.-]") {
        let token = signed(&claims(&json!({})));
        let at = at % token.len();
        let mut changed = token.clone();
        changed.replace_range(at..=at, &letter);
        // The last letter of a signature has two bits that mean nothing.
        prop_assume!(changed != token && at + 1 < token.len());
        prop_assert_eq!(verdict(&changed), Err(Refused::Invalid));
    }
}
