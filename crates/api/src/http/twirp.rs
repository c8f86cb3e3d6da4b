//! Twirp: how a call and its answer are put into bytes, and its errors.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use egress::error::{ApiError, ErrorCode, Fault};
use serde::Serialize;

use super::json::{self, Described};

/// A code of Twirp's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The other side gave up, or was too slow.
    DeadlineExceeded,
    /// What is asked makes no sense.
    InvalidArgument,
    /// The message cannot be read.
    Malformed,
    /// There is no such thing.
    NotFound,
    /// There is no such call.
    BadRoute,
    /// There is one already.
    AlreadyExists,
    /// LiveKit's server refused us.
    PermissionDenied,
    /// The caller may not call.
    Unauthenticated,
    /// There is no room for more.
    ResourceExhausted,
    /// It does not fit the present state.
    FailedPrecondition,
    /// Something else came between.
    Aborted,
    /// A defect of ours.
    Internal,
    /// Not now.
    Unavailable,
}

impl Code {
    fn name(self) -> &'static str {
        match self {
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::InvalidArgument => "invalid_argument",
            Self::Malformed => "malformed",
            Self::NotFound => "not_found",
            Self::BadRoute => "bad_route",
            Self::AlreadyExists => "already_exists",
            Self::PermissionDenied => "permission_denied",
            Self::Unauthenticated => "unauthenticated",
            Self::ResourceExhausted => "resource_exhausted",
            Self::FailedPrecondition => "failed_precondition",
            Self::Aborted => "aborted",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::DeadlineExceeded => StatusCode::REQUEST_TIMEOUT,
            Self::InvalidArgument | Self::Malformed => StatusCode::BAD_REQUEST,
            Self::NotFound | Self::BadRoute => StatusCode::NOT_FOUND,
            Self::AlreadyExists | Self::Aborted => StatusCode::CONFLICT,
            Self::PermissionDenied => StatusCode::FORBIDDEN,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Self::FailedPrecondition => StatusCode::PRECONDITION_FAILED,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// An error as Twirp's clients read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TwirpError {
    #[serde(skip)]
    code: Code,
    #[serde(rename = "code")]
    name: &'static str,
    msg: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    meta: BTreeMap<&'static str, String>,
}

impl TwirpError {
    /// An error with these words.
    pub fn new(code: Code, msg: impl Into<String>) -> Self {
        Self { code, name: code.name(), msg: msg.into(), meta: BTreeMap::new() }
    }

    /// A call that does not exist.
    pub fn bad_route(msg: impl Into<String>, method: &str, path: &str) -> Self {
        Self::new(Code::BadRoute, msg).with("twirp_invalid_route", format!("{method} {path}"))
    }

    fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.meta.insert(key, value.into());
        self
    }
}

impl From<ApiError> for TwirpError {
    /// LiveKit's words where it has some, for scripts that look for them; then ours.
    fn from(error: ApiError) -> Self {
        let ours = [error.message.as_str(), error.remedy.as_str()];
        let ours: Vec<&str> = ours.into_iter().filter(|words| !words.is_empty()).collect();
        let ours = ours.join(" ");
        let msg = match error.detail.as_str() {
            "" => ours,
            words if ours.is_empty() => words.to_owned(),
            words => format!("{words}: {ours}"),
        };
        let code = match error.code {
            ErrorCode::InvalidArgument | ErrorCode::Unsupported => Code::InvalidArgument,
            ErrorCode::NotFound => Code::NotFound,
            ErrorCode::NotLiveKit | ErrorCode::Unreachable | ErrorCode::RoomLost => Code::Unavailable,
            ErrorCode::PermissionDenied => Code::PermissionDenied,
            // These are about the keys and the clock of this service. The caller's token was good.
            ErrorCode::UnknownKey | ErrorCode::WrongSecret | ErrorCode::ClockOff | ErrorCode::Keyring => {
                Code::FailedPrecondition
            }
            ErrorCode::FailedPrecondition => Code::FailedPrecondition,
            ErrorCode::AlreadyExists => Code::AlreadyExists,
            ErrorCode::DiskFull | ErrorCode::LimitReached | ErrorCode::Exhausted => Code::ResourceExhausted,
            ErrorCode::Storage if error.fault == Fault::Input => Code::InvalidArgument,
            ErrorCode::Storage => Code::Unavailable,
            ErrorCode::Aborted => Code::Aborted,
            ErrorCode::JobDied | ErrorCode::Internal => Code::Internal,
        };
        let fault = match error.fault {
            Fault::Ours => "ours",
            Fault::Server => "server",
            Fault::Destination => "destination",
            Fault::Input => "input",
            Fault::Environment => "environment",
        };
        Self::new(code, msg).with("fault", fault).with("retryable", error.retryable.to_string())
    }
}

impl IntoResponse for TwirpError {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).expect("strings and nothing else");
        answer(self.code.status(), "application/json", body)
    }
}

/// How the messages of a call are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As JSON.
    Json,
    /// As Protobuf.
    Protobuf,
}

impl Encoding {
    /// By the header `Content-Type`.
    pub fn of(content_type: Option<&HeaderValue>) -> Option<Self> {
        let text = content_type?.to_str().ok()?;
        match text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "application/json" => Some(Self::Json),
            "application/protobuf" => Some(Self::Protobuf),
            _ => None,
        }
    }

    /// Reads a request.
    ///
    /// # Errors
    /// It cannot be read. What is said of it never repeats a part of it: it may be a secret.
    pub fn read<M: Described>(self, body: &Bytes) -> Result<M, TwirpError> {
        let malformed = |words: String| TwirpError::new(Code::Malformed, words);
        match self {
            Self::Json => json::read(body)
                .map_err(|error| malformed(format!("the json request could not be decoded: {error}"))),
            Self::Protobuf => M::decode(body.as_ref())
                .map_err(|_| malformed("the protobuf request could not be decoded".to_owned())),
        }
    }

    /// Writes an answer.
    pub fn write<M: Described>(self, message: &M) -> Response {
        match self {
            Self::Json => match json::write(message) {
                Ok(body) => answer(StatusCode::OK, "application/json", body),
                Err(error) => {
                    tracing::error!(%error, "an answer could not be written");
                    TwirpError::new(Code::Internal, "failed to marshal json response").into_response()
                }
            },
            Self::Protobuf => answer(StatusCode::OK, "application/protobuf", message.encode_to_vec()),
        }
    }
}

fn answer(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    // It tells of rooms and people.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use livekit_protocol::{RoomCompositeEgressRequest, StopEgressRequest};

    use super::*;

    #[test]
    fn content_types() {
        let of = |text: &'static str| Encoding::of(Some(&HeaderValue::from_static(text)));
        assert_eq!(of("application/json"), Some(Encoding::Json));
        assert_eq!(of(" Application/JSON ; charset=utf-8"), Some(Encoding::Json));
        assert_eq!(of("application/protobuf"), Some(Encoding::Protobuf));
        assert_eq!(of("text/plain"), None);
        assert_eq!(Encoding::of(None), None);
    }

    #[test]
    fn what_cannot_be_read_is_not_repeated() {
        let body = Bytes::from_static(br#"{"file_outputs":[{"s3":"AKIASECRET"}]}"#);
        let error = Encoding::Json.read::<RoomCompositeEgressRequest>(&body).unwrap_err();
        let text = serde_json::to_string(&error).unwrap();
        assert!(text.contains("the json request could not be decoded"), "{text}");
        assert!(!text.contains("AKIA"), "{text}");
        let error =
            Encoding::Protobuf.read::<StopEgressRequest>(&Bytes::from_static(b"\x0a\xff")).unwrap_err();
        assert_eq!(error, TwirpError::new(Code::Malformed, "the protobuf request could not be decoded"));
    }

    #[test]
    fn errors_say_livekits_words_first() {
        let error =
            ApiError::new(ErrorCode::InvalidArgument, Fault::Input, "No room is named.", "Choose one.")
                .with_detail("request has missing or invalid field: room_name");
        assert_eq!(
            serde_json::to_value(TwirpError::from(error)).unwrap(),
            serde_json::json!({
                "code": "invalid_argument",
                "msg": "request has missing or invalid field: room_name: No room is named. Choose one.",
                "meta": { "fault": "input", "retryable": "false" },
            })
        );
    }
}
