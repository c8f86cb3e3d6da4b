//! Who may call: the check of an access token, as LiveKit's server makes it.

use axum::http::HeaderValue;
use livekit_token::{Claims, TokenVerifier};
use secrecy::ExposeSecret;

use crate::keys::ApiKeys;

/// What a token begins with in the header.
const BEARER: &str = "Bearer ";
/// The longest token that is looked at. LiveKit's hold some hundred bytes.
const LONGEST: usize = 16 << 10;

/// Why a call is refused. It says no more than this to the caller, and nothing to the log: a token that does not
/// fit here may fit elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The header is not `Bearer …`.
    NotBearer,
    /// The token is none, is not signed with one of our keys, or is not valid now.
    Invalid,
    /// No token, or one that does not allow recording.
    NoGrant,
}

impl Refused {
    /// LiveKit's words for it. (Its server goes on and repeats the token, which nobody is helped by.)
    pub fn words(self) -> &'static str {
        match self {
            Self::NotBearer => "invalid authorization header. Must start with Bearer ",
            Self::Invalid => "invalid authorization token",
            Self::NoGrant => "permissions denied",
        }
    }
}

/// Checks the header `Authorization`.
///
/// # Errors
/// The call may not be made.
pub fn check(keys: &ApiKeys, header: Option<&HeaderValue>) -> Result<(), Refused> {
    let Some(header) = header else { return Err(Refused::NoGrant) };
    let text = header.to_str().map_err(|_| Refused::Invalid)?;
    let token = text.strip_prefix(BEARER).ok_or(Refused::NotBearer)?;
    if token.len() > LONGEST {
        return Err(Refused::Invalid);
    }
    // What is read before the check serves to choose the key, and is checked with it.
    let key = Claims::from_unverified(token).map_err(|_| Refused::Invalid)?.iss;
    let secret = keys.secret(&key).ok_or(Refused::Invalid)?;
    // HS256 and no other; a minute of leeway, as LiveKit's server gives.
    let claims = TokenVerifier::with_api_key(&key, secret.expose_secret()).verify(token);
    let claims = claims.map_err(|_| Refused::Invalid)?;
    if claims.video.room_record { Ok(()) } else { Err(Refused::NoGrant) }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use jsonwebtoken::{Algorithm, EncodingKey, Header};
    use livekit_token::{AccessToken, VideoGrants};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const SECRET: &str = "a secret of thirty-two characters";

    fn keys() -> ApiKeys {
        let mut keys = ApiKeys::new("key", SECRET.into());
        keys.insert("other", "another secret, also long enough".into());
        keys
    }

    fn asked(token: &str) -> Result<(), Refused> {
        check(&keys(), Some(&HeaderValue::from_str(&format!("Bearer {token}")).unwrap()))
    }

    fn record() -> VideoGrants {
        VideoGrants { room_record: true, ..VideoGrants::default() }
    }

    fn now_s() -> i64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
    }

    fn signed(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
        // The library's provider is installed with the first token of LiveKit's.
        let _ = AccessToken::with_api_key("key", SECRET).to_jwt().unwrap();
        let key = EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&Header::new(algorithm), claims, &key).unwrap()
    }

    fn claims(nbf_s: i64, exp_s: i64) -> Value {
        json!({ "iss": "key", "nbf": now_s() + nbf_s, "exp": now_s() + exp_s, "video": { "roomRecord": true } })
    }

    #[test]
    fn a_token_of_livekits_sdk_with_the_grant_is_let_in() {
        for (key, secret) in [("key", SECRET), ("other", "another secret, also long enough")] {
            let token = AccessToken::with_api_key(key, secret).with_grants(record());
            assert_eq!(asked(&token.with_ttl(Duration::from_secs(60)).to_jwt().unwrap()), Ok(()));
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
        assert_eq!(asked(&token), Err(Refused::NoGrant));
        assert_eq!(check(&keys(), None), Err(Refused::NoGrant));
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
    fn what_is_signed_wrongly_or_not_valid_now_is_refused() {
        let good = claims(-10, 60);
        assert_eq!(asked(&signed(Algorithm::HS256, SECRET, &good)), Ok(()));
        assert_eq!(
            asked(&signed(Algorithm::HS256, "another secret, also long enough", &good)),
            Err(Refused::Invalid)
        );
        // The same secret, but not the algorithm that was agreed on.
        assert_eq!(asked(&signed(Algorithm::HS384, SECRET, &good)), Err(Refused::Invalid));
        assert_eq!(asked(&signed(Algorithm::HS512, SECRET, &good)), Err(Refused::Invalid));
        // The leeway is a minute.
        assert_eq!(asked(&signed(Algorithm::HS256, SECRET, &claims(-100, -30))), Ok(()));
        assert_eq!(asked(&signed(Algorithm::HS256, SECRET, &claims(-100, -90))), Err(Refused::Invalid));
        assert_eq!(asked(&signed(Algorithm::HS256, SECRET, &claims(30, 90))), Ok(()));
        assert_eq!(asked(&signed(Algorithm::HS256, SECRET, &claims(90, 200))), Err(Refused::Invalid));
        for broken in [
            json!({ "iss": "key", "video": { "roomRecord": true } }),
            json!({ "iss": "stranger", "exp": now_s() + 60, "video": { "roomRecord": true } }),
            json!({ "exp": now_s() + 60, "video": { "roomRecord": true } }),
            json!({ "iss": "", "exp": now_s() + 60, "video": { "roomRecord": true } }),
            json!({ "iss": "key", "exp": "soon", "video": { "roomRecord": true } }),
            json!({ "iss": "key", "exp": now_s() + 60, "video": "roomRecord" }),
        ] {
            assert_eq!(asked(&signed(Algorithm::HS256, SECRET, &broken)), Err(Refused::Invalid), "{broken}");
        }
        let truth = json!({ "iss": "key", "exp": now_s() + 60, "video": { "roomRecord": 1 } });
        assert_eq!(asked(&signed(Algorithm::HS256, SECRET, &truth)), Err(Refused::Invalid));
    }

    #[test]
    fn a_token_that_says_it_needs_no_signature_gets_none_of_ours() {
        use base64::Engine;
        let part = |value: Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
        let body = part(claims(-10, 60));
        let signature =
            signed(Algorithm::HS256, SECRET, &claims(-10, 60)).rsplit('.').next().unwrap().to_owned();
        for name in ["none", "None", "NONE", "nOnE", "", "RS256", "ES256", "EdDSA"] {
            let head = part(json!({ "alg": name, "typ": "JWT" }));
            for end in ["", ".", &format!(".{signature}"), ".AAAA"] {
                assert_eq!(asked(&format!("{head}.{body}{end}")), Err(Refused::Invalid), "{name:?} {end:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_is_a_token(text in "[ -~]{0,200}") {
            prop_assert_eq!(asked(&text), Err(Refused::Invalid));
        }

        #[test]
        fn a_token_with_one_letter_changed_is_none(at in 0_usize..400, letter in "[A-Za-z0-9_.-]") {
            let token = signed(Algorithm::HS256, SECRET, &claims(-10, 60));
            let at = at % token.len();
            let mut changed = token.clone();
            changed.replace_range(at..=at, &letter);
            // The last letter of a signature has two bits that mean nothing.
            prop_assume!(changed != token && at + 1 < token.len());
            prop_assert_eq!(asked(&changed), Err(Refused::Invalid));
        }
    }
}
