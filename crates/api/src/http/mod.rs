//! LiveKit's Egress API over HTTP: what its server answers under `/twirp/livekit.Egress/`, answered here.
//!
//! A request may carry the keys of a storage or of a stream: nothing of its body is ever logged or repeated.

mod calls;
mod json;
mod listing;
mod serve;
pub mod status;
mod tls;
mod token;
mod twirp;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Request, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use studio::Studio;
use tokio::sync::watch;
use tower_http::cors::{AllowHeaders, AllowOrigin, Any, CorsLayer};

pub use serve::{Endpoint, Server, Tls};

use crate::admission::Admission;
use crate::keys::ApiKeys;
use token::Refused;
use twirp::{Code, Encoding, TwirpError};

/// The largest request. The keys of Google's storage are its largest part, and hold some kilobytes.
const LARGEST_BODY: usize = 1 << 20;
/// How long a request may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(15);
/// How long a call may take. What was begun goes on after it.
const CALL_WITHIN: Duration = Duration::from_secs(60);
/// The path of all calls.
const PREFIX: &str = "/twirp/livekit.Egress/";

/// The Egress API.
pub struct Api {
    studio: Studio,
    keys: ApiKeys,
    admission: Admission,
    open: AtomicBool,
    draining: watch::Sender<bool>,
}

impl Api {
    /// The API of a studio, for whoever holds one of the keys. Until [`Api::open`] it starts nothing.
    pub fn new(studio: Studio, keys: ApiKeys, admission: Admission) -> Arc<Self> {
        let (open, draining) = (AtomicBool::new(false), watch::Sender::new(false));
        Arc::new(Self { studio, keys, admission, open, draining })
    }

    /// From now on requests are taken: the LiveKit server is reached.
    pub fn open(&self) {
        self.open.store(true, Ordering::Relaxed);
    }

    /// From now on nothing is started. What runs can still be listed, changed and stopped.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Whether nothing is started any more.
    pub fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    /// What answers the calls.
    pub fn router(self: Arc<Self>) -> Router {
        // As LiveKit's server has it: any page may call, what protects is the token.
        let cors = CorsLayer::new()
            .allow_origin(AllowOrigin::mirror_request())
            .allow_methods([
                Method::OPTIONS,
                Method::HEAD,
                Method::GET,
                Method::POST,
                Method::PATCH,
                Method::DELETE,
            ])
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(Any)
            .max_age(Duration::from_secs(86_400));
        Router::new().route("/", get(async || "OK")).fallback(answer).with_state(self).layer(cors)
    }
}

async fn answer(State(api): State<Arc<Api>>, request: Request<Body>) -> Response {
    match call(&api, request).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn call(api: &Arc<Api>, request: Request<Body>) -> Result<Response, TwirpError> {
    let (head, body) = request.into_parts();
    let allowed = token::check(&api.keys, head.headers.get(header::AUTHORIZATION));
    if let Err(refused @ (Refused::NotBearer | Refused::Invalid)) = allowed {
        return Err(TwirpError::new(Code::Unauthenticated, refused.words()));
    }
    let (verb, path) = (head.method.as_str(), head.uri.path());
    let path = if path.starts_with("//") { &path[1..] } else { path };
    let name = path.strip_prefix(PREFIX).filter(|name| calls::NAMES.contains(name));
    let Some(name) = name else {
        return Err(TwirpError::bad_route(
            format!("no handler for path {}", quoted(path)),
            verb,
            &short(path),
        ));
    };
    if head.method != Method::POST {
        let msg = format!("unsupported method {} (only POST is allowed)", quoted(verb));
        return Err(TwirpError::bad_route(msg, verb, path));
    }
    let content_type = head.headers.get(header::CONTENT_TYPE);
    let Some(encoding) = Encoding::of(content_type) else {
        let text = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let msg = format!("unexpected Content-Type: {}", quoted(text));
        return Err(TwirpError::bad_route(msg, verb, path));
    };
    // Before the body: who may not call has nothing to send.
    allowed.map_err(|refused| TwirpError::new(Code::Unauthenticated, refused.words()))?;
    let body = read(body).await?;
    let (api, name) = (api.clone(), name.to_owned());
    // A caller that hangs up must not leave a job half started.
    let answered = tokio::spawn(async move { calls::answer(&api, &name, encoding, &body).await });
    match tokio::time::timeout(CALL_WITHIN, answered).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            tracing::error!(%error, "a call ended by a defect");
            Err(TwirpError::new(Code::Internal, "Internal service panic"))
        }
        Err(_) => Err(TwirpError::new(Code::DeadlineExceeded, "request timed out")),
    }
}

async fn read(body: Body) -> Result<Bytes, TwirpError> {
    let limited = Limited::new(body, LARGEST_BODY);
    match tokio::time::timeout(BODY_WITHIN, limited.collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(TwirpError::new(Code::Malformed, "the request is larger than 1 MiB"))
        }
        Ok(Err(_)) => Err(TwirpError::new(Code::Malformed, "failed to read request body")),
        Err(_) => Err(TwirpError::new(Code::DeadlineExceeded, "failed to read request: deadline exceeded")),
    }
}

/// Something of the caller's, as it may be put into an answer.
fn quoted(text: &str) -> String {
    format!("{:?}", short(text))
}

fn short(text: &str) -> String {
    text.chars().take(200).collect()
}
