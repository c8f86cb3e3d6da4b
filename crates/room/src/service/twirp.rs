//! One call over Twirp, and what its failures mean.
//!
//! Written here rather than taken from `livekit-api`, because a login has to tell apart causes that
//! need the connection error's own chain and the answer's status, type, body and `Date` together.

use std::error::Error as _;
use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use egress::error::{ApiError, ErrorCode, Fault};
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, DATE};
use reqwest::{Client, StatusCode, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// Longest wait for the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The server accepts tokens whose times are off by a minute.
const CLOCK_LEEWAY_S: i64 = 60;

/// Calls `url` with a protobuf request, and waits so long for the whole answer.
pub(super) async fn call<A: prost::Message + Default>(
    url: &str,
    token: &SecretString,
    within: Duration,
    request: &impl prost::Message,
) -> Result<A, ApiError> {
    let answer = client()?
        .post(url)
        .bearer_auth(token.expose_secret())
        .timeout(within)
        .header(CONTENT_TYPE, "application/protobuf")
        .body(request.encode_to_vec())
        .send()
        .await
        .map_err(|error| connection_error(&error))?;

    let status = answer.status();
    let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let kind = header(CONTENT_TYPE).unwrap_or_default();
    let clock_off_s = header(DATE).as_deref().and_then(clock_off_s);
    let body = answer.bytes().await.map_err(|error| connection_error(&error))?;

    if status == StatusCode::OK && kind.starts_with("application/protobuf") {
        return A::decode(body).map_err(|error| not_livekit(format_args!("undecodable answer: {error}")));
    }
    let text = String::from_utf8_lossy(&body).replace(token.expose_secret(), "…");
    Err(refusal(status, &text, clock_off_s))
}

fn client() -> Result<&'static Client, ApiError> {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(client);
    }
    let client = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        // A redirect would carry the token to where the operator did not send it.
        .redirect(redirect::Policy::none())
        .build()
        .map_err(|error| {
            ApiError::new(ErrorCode::Internal, Fault::Ours, "The HTTP client cannot be started.", "")
                .with_detail(chain(&error))
        })?;
    Ok(CLIENT.get_or_init(|| client))
}

/// The error body of Twirp; LiveKit's authentication layer writes the same shape or plain text.
#[derive(Deserialize)]
struct TwirpError {
    code: String,
    #[serde(default)]
    msg: String,
}

/// What an answer other than success means.
fn refusal(status: StatusCode, text: &str, clock_off_s: Option<i64>) -> ApiError {
    let twirp = serde_json::from_str::<TwirpError>(text).ok();
    let message = twirp.as_ref().map_or(text, |error| &error.msg);
    let detail: String = format!("{status}: {message}").chars().take(500).collect();
    let code = twirp.as_ref().map_or("", |error| &error.code);

    if status == StatusCode::UNAUTHORIZED {
        return unauthorized(message, clock_off_s).with_detail(detail);
    }
    let error = match code {
        "permission_denied" => ApiError::new(
            ErrorCode::PermissionDenied,
            Fault::Input,
            "The server refuses this to the API key.",
            "Use a key of the project with the right to administer rooms.",
        ),
        "not_found" => ApiError::new(
            ErrorCode::NotFound,
            Fault::Input,
            "The server does not have that room or person (any more).",
            "Look at the list of rooms again.",
        ),
        "invalid_argument" | "malformed" => ApiError::new(
            ErrorCode::InvalidArgument,
            Fault::Input,
            "The server calls the request malformed.",
            "",
        ),
        // What the router of any Twirp service says; a server of another kind, or a wrong path.
        "bad_route" => return not_livekit(detail),
        "" if status.is_server_error() && [502, 503, 504].contains(&status.as_u16()) => ApiError::new(
            ErrorCode::Unreachable,
            Fault::Server,
            "A gateway answers at the URL, and the LiveKit server behind it does not.",
            "Wait a moment and try again, or ask whoever runs the server.",
        )
        .retryable(),
        "" => return not_livekit(detail),
        _ => ApiError::new(
            ErrorCode::Unreachable,
            Fault::Server,
            "The LiveKit server cannot do this now.",
            "Wait a moment and try again.",
        )
        .retryable(),
    };
    error.with_detail(detail)
}

fn unauthorized(message: &str, clock_off_s: Option<i64>) -> ApiError {
    let lower = message.to_ascii_lowercase();
    let clock = |off_s: Option<i64>| {
        let by = match off_s {
            Some(off) if off.abs() > CLOCK_LEEWAY_S => {
                let way = if off > 0 { "ahead of" } else { "behind" };
                format!("is {} {way} the server's", spell(off.abs()))
            }
            _ => "and the server's disagree".to_owned(),
        };
        ApiError::new(
            ErrorCode::ClockOff,
            Fault::Environment,
            format!("This computer's clock {by}, so the server rejects the login."),
            "Turn on automatic time setting, then try again.",
        )
    };
    if lower.contains("invalid api key") {
        return ApiError::new(
            ErrorCode::UnknownKey,
            Fault::Input,
            "The server does not know this API key.",
            "Copy the key again from the project's settings, and check that the URL is that project's.",
        );
    }
    if ["expired", "not valid yet", "not yet valid", "before issued", "(exp)", "(nbf)"]
        .iter()
        .any(|sign| lower.contains(sign))
    {
        return clock(clock_off_s);
    }
    if lower.contains("signature") || lower.contains("cryptographic") {
        return ApiError::new(
            ErrorCode::WrongSecret,
            Fault::Input,
            "The server knows the API key, but the secret does not belong to it.",
            "Copy the secret again; if it is lost, make a new key in the project's settings.",
        );
    }
    if clock_off_s.is_some_and(|off| off.abs() > CLOCK_LEEWAY_S) {
        return clock(clock_off_s);
    }
    if lower.contains("permission") {
        return ApiError::new(
            ErrorCode::PermissionDenied,
            Fault::Input,
            "The server refuses this to the API key.",
            "Use a key of the project with the right to administer rooms.",
        );
    }
    ApiError::new(
        ErrorCode::UnknownKey,
        Fault::Input,
        "The server rejects the API key or its secret, and does not say which.",
        "Copy both again from the project's settings, and check that the URL is that project's.",
    )
}

fn not_livekit(detail: impl std::fmt::Display) -> ApiError {
    ApiError::new(
        ErrorCode::NotLiveKit,
        Fault::Input,
        "Something answers at this URL, and it is not a LiveKit server.",
        "Check the address and the port; a server behind TLS needs wss://, one without needs ws://.",
    )
    .with_detail(detail)
}

/// What a failed connection means.
fn connection_error(error: &reqwest::Error) -> ApiError {
    let cause = chain(error);
    let lower = cause.to_ascii_lowercase();
    let io_kind =
        sources(error).filter_map(|source| source.downcast_ref::<io::Error>()).map(io::Error::kind).next();
    let unreachable = |message: &str, remedy: &str| {
        ApiError::new(ErrorCode::Unreachable, Fault::Server, message, remedy).retryable()
    };
    let tls = lower.contains("certificate") || lower.contains("tls") || lower.contains("corrupt message");
    let error = if lower.contains("dns error") || lower.contains("failed to lookup") {
        unreachable(
            "No server of this name can be found.",
            "Check the spelling of the URL, and that this computer is online.",
        )
    } else if io_kind == Some(io::ErrorKind::ConnectionRefused) {
        unreachable(
            "The computer at this URL answers, but no server listens on that port.",
            "Check the port, and that the LiveKit server runs.",
        )
    } else if error.is_timeout() {
        unreachable(
            "The server does not answer in time.",
            "Check the URL, and that no firewall is in the way.",
        )
    } else if lower.contains("corrupt message") {
        unreachable(
            "The server at this URL does not speak TLS.",
            "Write ws:// instead of wss://, or check the port.",
        )
    } else if tls {
        unreachable(
            "The server's certificate is not accepted.",
            "Check the name in the URL; a server with a private certificate needs one from a public authority.",
        )
    } else if error.is_connect() || error.is_timeout() || io_kind.is_some() {
        unreachable("The server cannot be reached.", "Check the URL, and that this computer is online.")
    } else {
        return not_livekit(cause);
    };
    error.with_detail(cause)
}

fn sources(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |&source| source.source())
}

/// An error with all its causes, without the URL.
fn chain(error: &reqwest::Error) -> String {
    let mut parts: Vec<String> = sources(error).map(ToString::to_string).collect();
    if parts.is_empty() {
        parts.push(if error.is_timeout() { "timeout".to_owned() } else { "request failed".to_owned() });
    }
    parts.dedup();
    parts.join(": ")
}

/// How far this computer's clock is ahead of an HTTP `Date`.
fn clock_off_s(date: &str) -> Option<i64> {
    let there = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    Some(Timestamp::now().as_second() - there.as_second())
}

fn spell(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} seconds"),
        120..7200 => format!("{} minutes", seconds / 60),
        7200..172_800 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_header_is_read() {
        let off = clock_off_s("Thu, 01 Jan 1970 00:00:00 GMT").unwrap();
        assert!(off > 1_700_000_000);
        assert_eq!(clock_off_s("yesterday"), None);
    }

    #[test]
    fn refusals_are_told_apart() {
        let code = |status: u16, text: &str, off: Option<i64>| {
            refusal(StatusCode::from_u16(status).unwrap(), text, off).code
        };
        assert_eq!(code(401, "invalid API key: abc", None), ErrorCode::UnknownKey);
        assert_eq!(
            code(401, "token signature is invalid: signature is invalid", None),
            ErrorCode::WrongSecret
        );
        assert_eq!(code(401, "token has invalid claims: token is expired", None), ErrorCode::ClockOff);
        assert_eq!(code(401, "no idea", Some(-4000)), ErrorCode::ClockOff);
        assert_eq!(code(401, "no idea", Some(3)), ErrorCode::UnknownKey);
        assert_eq!(
            code(401, r#"{"code":"unauthenticated","msg":"permissions denied"}"#, Some(0)),
            ErrorCode::PermissionDenied
        );
        assert_eq!(code(404, r#"{"code":"not_found","msg":"gone"}"#, None), ErrorCode::NotFound);
        assert_eq!(code(404, "<html>", None), ErrorCode::NotLiveKit);
        assert_eq!(code(200, "<html>", None), ErrorCode::NotLiveKit);
        assert_eq!(code(503, "upstream", None), ErrorCode::Unreachable);
        assert_eq!(code(500, r#"{"code":"unavailable","msg":"x"}"#, None), ErrorCode::Unreachable);
    }

    #[test]
    fn the_direction_of_a_wrong_clock_is_told() {
        let ahead = refusal(StatusCode::UNAUTHORIZED, "token is not valid yet", Some(7300));
        assert!(ahead.message.contains("2 hours ahead of"), "{}", ahead.message);
        let behind = refusal(StatusCode::UNAUTHORIZED, "token is expired", Some(-900));
        assert!(behind.message.contains("15 minutes behind"), "{}", behind.message);
    }
}
