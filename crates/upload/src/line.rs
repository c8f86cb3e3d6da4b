//! The HTTP client under all stores: paced, watched for a stall, and with what a server answers kept in a
//! form that can be told in words.

use std::error::Error as StdError;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use egress::storage::ProxyLogin;
use futures_util::StreamExt;
use http::HeaderMap;
use http_body_util::BodyExt;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
    HttpResponseBody, HttpService,
};
use parking_lot::Mutex;
use secrecy::ExposeSecret;
use tokio::time::Instant;

use crate::fault::{Answer, Cause, StoreError};
use crate::pace::Pace;

/// Bodies up to this length are requests, not files: they do not wait.
const UNPACED_BYTES: u64 = 64 << 10;
/// What is read of an error's body.
const MAX_ERROR_BYTES: usize = 64 << 10;

tokio::task_local! {
    /// Where the bytes of the part that this task sends are counted.
    pub(crate) static SENT: Arc<AtomicU64>;
}

/// The way to one store. A cheap handle.
#[derive(Clone)]
pub(crate) struct Line {
    client: reqwest::Client,
    pace: Arc<Pace>,
    /// How long nothing may move before the connection counts as dead.
    stall: Duration,
}

// The client would show the login of its proxy.
impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").field("stall", &self.stall).finish_non_exhaustive()
    }
}

impl Line {
    pub(crate) fn new(
        proxy_url: &str,
        login: Option<&ProxyLogin>,
        pace: Arc<Pace>,
        stall: Duration,
    ) -> Result<Self, StoreError> {
        let mut builder = builder(Duration::from_secs(15));
        if !proxy_url.is_empty() {
            let mut proxy =
                reqwest::Proxy::all(proxy_url).map_err(|error| StoreError::Odd(error.to_string()))?;
            if let Some(login) = login {
                proxy = proxy.basic_auth(login.username.expose_secret(), login.password.expose_secret());
            }
            builder = builder.proxy(proxy);
        }
        let client = builder.build().map_err(|error| StoreError::Odd(error.to_string()))?;
        Ok(Self { client, pace, stall })
    }

    /// The way to services of this machine itself: no proxy leads there, and who does not answer is not there.
    pub(crate) fn near(&self) -> Result<Self, StoreError> {
        let client = builder(Duration::from_secs(2)).no_proxy().build();
        let client = client.map_err(|error| StoreError::Odd(error.to_string()))?;
        Ok(Self { client, ..self.clone() })
    }

    /// Sends a request of ours and reads the answer.
    pub(crate) async fn ask(&self, request: HttpRequest) -> Result<(HeaderMap, bytes::Bytes), StoreError> {
        let (head, body) = self.call(request).await.map_err(|error| StoreError::of(&error))?.into_parts();
        let body =
            within(self.stall, async { body.bytes().await.map_err(|error| StoreError::of(&error)) }).await?;
        Ok((head.headers, body))
    }

    fn body(&self, body: HttpRequestBody, moved: Arc<Mutex<Instant>>) -> reqwest::Body {
        if body.content_length() as u64 <= UNPACED_BYTES {
            return match body.as_bytes() {
                Some(bytes) => bytes.clone().into(),
                None => reqwest::Body::wrap_stream(body.into_data_stream()),
            };
        }
        let sent = SENT.try_with(Arc::clone).ok();
        let pace = self.pace.clone();
        let pieces = body.into_data_stream().flat_map(move |chunk| {
            let (pace, sent, moved) = (pace.clone(), sent.clone(), moved.clone());
            futures_util::stream::unfold(Some(chunk), move |rest| {
                let (pace, sent, moved) = (pace.clone(), sent.clone(), moved.clone());
                async move {
                    let mut rest = match rest? {
                        Ok(rest) if rest.is_empty() => return None,
                        Ok(rest) => rest,
                        Err(error) => return Some((Err(error), None)),
                    };
                    let piece = rest.split_to(pace.piece().min(rest.len()));
                    // Waiting for our own limit is no stall.
                    let wait = pace.take(piece.len());
                    tokio::pin!(wait);
                    while tokio::time::timeout(Duration::from_secs(1), &mut wait).await.is_err() {
                        *moved.lock() = Instant::now();
                    }
                    *moved.lock() = Instant::now();
                    if let Some(sent) = &sent {
                        sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
                    }
                    Some((Ok(piece), Some(Ok(rest))))
                }
            })
        });
        reqwest::Body::wrap_stream(pieces)
    }
}

fn builder(connect_within: Duration) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("tallylight/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect_within)
        // No read timeout: it would run while a long part is still being written.
        .tcp_keepalive(Duration::from_secs(20))
        // A redirect would carry the signature of one host to another.
        .redirect(reqwest::redirect::Policy::none())
}

#[async_trait]
impl HttpService for Line {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (head, body) = request.into_parts();
        let url = head
            .uri
            .to_string()
            .parse::<url::Url>()
            .map_err(|e| HttpError::new(HttpErrorKind::Unknown, e))?;
        let moved = Arc::new(Mutex::new(Instant::now()));
        let mut request = reqwest::Request::new(head.method, url);
        *request.headers_mut() = head.headers;
        *request.body_mut() = Some(self.body(body, moved.clone()));
        let answer = self.client.execute(request);
        tokio::pin!(answer);
        let answer = loop {
            tokio::select! {
                answer = &mut answer => break answer.map_err(lost)?,
                () = tokio::time::sleep(Duration::from_secs(1).min(self.stall)) => {
                    if moved.lock().elapsed() > self.stall {
                        let stalled = StoreError::Unreachable(Cause::Stalled, "nothing moved any more".into());
                        return Err(HttpError::new(HttpErrorKind::Timeout, stalled));
                    }
                }
            }
        };
        if !answer.status().is_success() {
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            let mut body = Vec::new();
            let mut stream = answer.bytes_stream();
            while let Some(Ok(chunk)) = stream.next().await {
                body.extend_from_slice(&chunk);
                if body.len() > MAX_ERROR_BYTES {
                    break;
                }
            }
            let answered = StoreError::Answered(Box::new(Answer::new(status, &headers, &body)));
            return Err(HttpError::new(HttpErrorKind::Unknown, answered));
        }
        let answer: http::Response<reqwest::Body> = answer.into();
        let (head, body) = answer.into_parts();
        Ok(HttpResponse::from_parts(head, HttpResponseBody::new(body.map_err(lost))))
    }
}

/// Gives up on a server that leaves its answer unfinished.
pub(crate) async fn within<T>(
    limit: Duration,
    asked: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(limit, asked).await {
        Ok(answered) => answered,
        Err(_) => Err(StoreError::Unreachable(Cause::Stalled, "the answer did not end".into())),
    }
}

/// What broke a connection, without the address: it is told where it helps.
fn lost(error: reqwest::Error) -> HttpError {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    let mut cause = if error.is_timeout() { Cause::Stalled } else { Cause::Broken };
    if error.is_connect() {
        cause = Cause::Refused;
    }
    while let Some(inner) = source {
        let words = inner.to_string();
        let lower = words.to_ascii_lowercase();
        if ["certificate", "tls", "handshake", "corrupt message"].iter().any(|word| lower.contains(word)) {
            cause = Cause::Tls;
        } else if lower.contains("dns") || lower.contains("failed to lookup") {
            cause = Cause::Name;
        } else if lower.contains("proxy") || lower.contains("tunnel") {
            cause = Cause::Proxy;
        }
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = inner.source();
    }
    HttpError::new(HttpErrorKind::Interrupted, StoreError::Unreachable(cause, text))
}

impl HttpConnector for Line {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

/// The address of an object under `base`, encoded as signatures want it.
pub(crate) fn object_url(base: &str, key: &str) -> String {
    let mut url = String::with_capacity(base.len() + key.len() + 16);
    url.push_str(base);
    url.push('/');
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
    url
}
