//! What lies between the queue and a store, and misbehaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What becomes of a request.
pub enum Act {
    Pass,
    /// Answered in the store's place.
    Answer(u16, String),
    /// The request goes through; the answer is lost.
    LoseAnswer,
    /// A byte of the body is another on the other side.
    Flip,
    /// The answer gets another header.
    Header(&'static str, &'static str),
}

type Rule = Box<dyn FnMut(&Parts, &[u8]) -> Act + Send>;

/// An HTTP proxy that looks at each request.
pub struct Faults {
    pub url: String,
    /// `METHOD /path?query` of all requests.
    pub seen: Arc<Mutex<Vec<String>>>,
    rule: Arc<Mutex<Rule>>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Shared {
    to: String,
    client: reqwest::Client,
    seen: Arc<Mutex<Vec<String>>>,
    rule: Arc<Mutex<Rule>>,
}

impl Faults {
    pub async fn before(to: &str) -> Self {
        let origin = url::Url::parse(to).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let rule: Arc<Mutex<Rule>> = Arc::new(Mutex::new(Box::new(|_, _| Act::Pass)));
        let shared = Shared {
            to: origin[..url::Position::BeforePath].to_owned(),
            client: reqwest::Client::builder().no_proxy().danger_accept_invalid_certs(true).build().unwrap(),
            seen: seen.clone(),
            rule: rule.clone(),
        };
        let app = Router::new().fallback(forward).with_state(shared);
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, seen, rule, task }
    }

    pub fn rule(&self, rule: impl FnMut(&Parts, &[u8]) -> Act + Send + 'static) {
        *self.rule.lock() = Box::new(rule);
    }

    /// The first requests for which `fits` holds get `act`.
    pub fn first(
        &self,
        mut count: usize,
        fits: impl Fn(&Parts) -> bool + Send + 'static,
        act: impl Fn() -> Act + Send + 'static,
    ) {
        self.rule(move |head, _| {
            if count > 0 && fits(head) {
                count -= 1;
                return act();
            }
            Act::Pass
        });
    }

    pub fn count(&self, text: &str) -> usize {
        self.seen.lock().iter().filter(|line| line.contains(text)).count()
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub fn is_part(head: &Parts) -> bool {
    let query = head.uri.query().unwrap_or_default();
    head.method == "PUT" && (query.contains("partNumber=") || query.contains("comp=block&"))
}

async fn forward(State(shared): State<Shared>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    shared.seen.lock().push(format!("{} {}", head.method, head.uri));
    let act = (shared.rule.lock())(&head, &body);
    if let Act::Answer(status, text) = act {
        return Response::builder().status(status).body(Body::from(text)).unwrap();
    }
    let mut body = body.to_vec();
    if let (Act::Flip, false) = (&act, body.is_empty()) {
        let middle = body.len() / 2;
        body[middle] ^= 1;
    }
    let url = format!("{}{}", shared.to, head.uri.path_and_query().map_or("/", |path| path.as_str()));
    let sent = shared.client.request(head.method, url).headers(head.headers).body(body).send().await;
    let Ok(answer) = sent else { return Response::builder().status(502).body(Body::empty()).unwrap() };
    if matches!(act, Act::LoseAnswer) {
        let _ = answer.bytes().await;
        return Response::builder().status(500).body(Body::from("lost")).unwrap();
    }
    let mut out = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        if name != "transfer-encoding" {
            out = out.header(name, value);
        }
    }
    if let Act::Header(name, value) = act {
        out.headers_mut().unwrap().insert(name, value.parse().unwrap());
    }
    let head_length = answer.headers().get("content-length").cloned();
    let bytes: Bytes = answer.bytes().await.unwrap_or_default();
    let mut out = out.body(Body::from(bytes)).unwrap();
    if let Some(length) = head_length {
        out.headers_mut().insert("content-length", length);
    }
    out
}

/// A TCP proxy that cuts and slows.
pub struct Wire {
    pub url: String,
    /// So many connections are cut after `cut_after` bytes.
    pub cuts: Arc<AtomicI64>,
    pub cut_after: Arc<AtomicU64>,
    /// From here on nothing is forwarded, and nothing is closed.
    pub hole: Arc<AtomicI64>,
    task: JoinHandle<()>,
}

impl Wire {
    pub async fn before(to: &str) -> Self {
        let address = to.trim_start_matches("http://").split('/').next().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (cuts, hole) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
        let cut_after = Arc::new(AtomicU64::new(0));
        let shared = (cuts.clone(), cut_after.clone(), hole.clone());
        let task = tokio::spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                let Ok(to) = TcpStream::connect(&address).await else { continue };
                let shared = shared.clone();
                tokio::spawn(async move { carry(from, to, shared).await });
            }
        });
        Self { url, cuts, cut_after, hole, task }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Knobs = (Arc<AtomicI64>, Arc<AtomicU64>, Arc<AtomicI64>);

async fn carry(from: TcpStream, to: TcpStream, (cuts, cut_after, hole): Knobs) {
    let (mut from_read, mut from_write) = from.into_split();
    let (mut to_read, mut to_write) = to.into_split();
    let back = tokio::spawn(async move { tokio::io::copy(&mut to_read, &mut from_write).await });
    let mut bytes = vec![0; 32 << 10];
    let mut sent = 0;
    while let Ok(count) = from_read.read(&mut bytes).await {
        if count == 0 {
            break;
        }
        if hole.load(Ordering::SeqCst) > 0 {
            while hole.load(Ordering::SeqCst) > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            break;
        }
        sent += count as u64;
        if sent > cut_after.load(Ordering::SeqCst) && cuts.load(Ordering::SeqCst) > 0 {
            cuts.fetch_sub(1, Ordering::SeqCst);
            break;
        }
        if to_write.write_all(&bytes[..count]).await.is_err() {
            break;
        }
    }
    back.abort();
}
