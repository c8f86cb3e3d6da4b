//! Who may call: the check of an access token, as LiveKit's server makes it.
//!
//! Tokens come from many libraries, so their claims are read as that server reads them (Go's JSON): nothing counts as
//! absent, times may be numbers with a fraction or text, and a claim of another shape than its own spoils the token.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::HeaderValue;
use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::NO_PAD;
use hmac::{Hmac, Mac};
use livekit_protocol::RoomConfiguration;
use secrecy::ExposeSecret;
use serde_json::{Map, Number, Value};
use sha2::Sha256;

use super::json;
use crate::keys::ApiKeys;

/// What a token begins with in the header.
const BEARER: &str = "Bearer ";
/// The longest token that is looked at. LiveKit's hold some hundred bytes.
const LONGEST: usize = 16 << 10;
/// How far clocks may be apart, seconds: as LiveKit's server has it.
const LEEWAY_S: f64 = 60.0;
const BASE64: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, NO_PAD.with_decode_allow_trailing_bits(true));

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

/// What a claim must be, if it is there at all.
enum Shape {
    Text,
    Texts,
    TextMap,
    Flag,
    /// Seconds of unix time, as a number or the text of one.
    Time,
    /// A text or a list of texts.
    Audience,
    Object(&'static [(&'static str, Shape)]),
    RoomConfig,
}

const CLAIMS: Shape = Shape::Object(&[
    ("iss", Shape::Text),
    ("sub", Shape::Text),
    ("jti", Shape::Text),
    ("aud", Shape::Audience),
    ("exp", Shape::Time),
    ("nbf", Shape::Time),
    ("iat", Shape::Time),
    ("identity", Shape::Text),
    ("name", Shape::Text),
    ("kind", Shape::Text),
    ("kindDetails", Shape::Texts),
    ("roomPreset", Shape::Text),
    ("sha256", Shape::Text),
    ("metadata", Shape::Text),
    ("attributes", Shape::TextMap),
    ("roomConfig", Shape::RoomConfig),
    ("sip", Shape::Object(&[("admin", Shape::Flag), ("call", Shape::Flag)])),
    ("agent", Shape::Object(&[("admin", Shape::Flag), ("simulationAdmin", Shape::Flag)])),
    ("inference", Shape::Object(&[("perform", Shape::Flag)])),
    ("observability", Shape::Object(&[("write", Shape::Flag)])),
    (
        "video",
        Shape::Object(&[
            ("roomCreate", Shape::Flag),
            ("roomList", Shape::Flag),
            ("roomRecord", Shape::Flag),
            ("roomAdmin", Shape::Flag),
            ("roomJoin", Shape::Flag),
            ("room", Shape::Text),
            ("canPublish", Shape::Flag),
            ("canSubscribe", Shape::Flag),
            ("canPublishData", Shape::Flag),
            ("canPublishSources", Shape::Texts),
            ("canUpdateOwnMetadata", Shape::Flag),
            ("ingressAdmin", Shape::Flag),
            ("hidden", Shape::Flag),
            ("recorder", Shape::Flag),
            ("agent", Shape::Flag),
            ("canSubscribeMetrics", Shape::Flag),
            ("canManageAgentSession", Shape::Flag),
            ("destinationRoom", Shape::Text),
        ]),
    ),
]);

impl Shape {
    fn fits(&self, value: &Value) -> bool {
        let text = |value: &Value| value.is_string() || value.is_null();
        match (self, value) {
            (_, Value::Null) => true,
            (Self::Text, value) => value.is_string(),
            (Self::Flag, value) => value.is_boolean(),
            (Self::Time, value) => seconds(value).is_some(),
            (Self::Audience, Value::Array(list)) => list.iter().all(Value::is_string),
            (Self::Audience, value) => value.is_string(),
            (Self::Texts, Value::Array(list)) => list.iter().all(text),
            (Self::TextMap, Value::Object(map)) => map.values().all(text),
            (Self::RoomConfig, value) => {
                json::read::<RoomConfiguration>(value.to_string().as_bytes()).is_ok()
            }
            (Self::Object(shapes), Value::Object(map)) => shapes.iter().all(|(name, shape)| {
                // A name counts in any case, but only once: nobody can say which of two is meant.
                let mut all = map.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
                let fits = all.next().is_none_or(|(_, value)| shape.fits(value));
                fits && all.next().is_none()
            }),
            _ => false,
        }
    }
}

/// A claim; none where it holds nothing.
fn claim<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let (_, value) = claims.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(value).filter(|value| !value.is_null())
}

/// A time, seconds. The fraction does not count.
fn seconds(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) if !text.contains(char::is_whitespace) => {
            serde_json::from_str::<Number>(text).ok().and_then(|number| number.as_f64())
        }
        _ => None,
    };
    // What is further away than 64 bits of seconds is no time.
    number.map(f64::trunc).filter(|seconds| seconds.abs() < i64::MAX as f64)
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
    let claims = signed_claims(keys, token).ok_or(Refused::Invalid)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| Refused::Invalid)?;
    if !CLAIMS.fits(&claims) || !valid_at(&claims, now.as_secs_f64()) {
        return Err(Refused::Invalid);
    }
    let video = claims.as_object().and_then(|claims| claim(claims, "video")).and_then(Value::as_object);
    let record = video.and_then(|video| claim(video, "roomRecord")) == Some(&Value::Bool(true));
    if record { Ok(()) } else { Err(Refused::NoGrant) }
}

/// The claims of a token that is signed with one of our keys, by HS256 and no other algorithm.
fn signed_claims(keys: &ApiKeys, token: &str) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (head, claims) = signed.split_once('.')?;
    let read = |part: &str| serde_json::from_slice::<Value>(&BASE64.decode(part).ok()?).ok();
    if read(head)?.as_object()?.get("alg")? != "HS256" {
        return None;
    }
    let claims = read(claims)?;
    // What is read before the check serves to choose the key, and is checked with it.
    let key = claim(claims.as_object()?, "iss")?.as_str()?;
    let secret = keys.secret(key)?.expose_secret();
    if key.is_empty() || secret.is_empty() {
        return None;
    }
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?.chain_update(signed);
    // In constant time.
    mac.verify_slice(&BASE64.decode(signature).ok()?).ok()?;
    Some(claims)
}

/// Whether claims hold at a time, unix, seconds. Without an end they hold for ever.
fn valid_at(claims: &Value, now_s: f64) -> bool {
    let Some(claims) = claims.as_object() else { return false };
    let time = |name| claim(claims, name).and_then(seconds);
    time("exp").is_none_or(|exp| now_s < exp + LEEWAY_S)
        && time("nbf").is_none_or(|nbf| now_s >= nbf - LEEWAY_S)
}

#[cfg(test)]
mod tests;
