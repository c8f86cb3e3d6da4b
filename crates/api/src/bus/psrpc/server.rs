//! The side that answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use prost::Message;
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, mpsc};

use super::claim::{Bids, Granted};
use super::code::{Code, RpcError};
use super::envelope::{ClaimRequest, ClaimResponse, Request, Response, open, seal};
use super::{Method, channel, now_ns, random_id};
use crate::bus::redis::{Confirmed, Line, Received};

/// Messages that may wait to be looked at.
const QUEUE: usize = 1024;
/// Bids that may be out at a time.
const BIDS: usize = 512;
/// Calls that may be looked at or answered at a time.
const CALLS: usize = 256;
/// How long the lock of a request lies in Redis, s: psrpc's.
const LOCK_S: u64 = 5;
/// How often bids that nobody granted are swept away.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

type Bid = Box<dyn Fn(&Bytes) -> Result<Option<f32>, RpcError> + Send + Sync>;
type Handler = Box<dyn Fn(Bytes) -> BoxFuture<'static, Result<Vec<u8>, RpcError>> + Send + Sync>;

/// Answers calls. A cheap handle; when the last one and every [`Serving`] is gone, it is silent.
#[derive(Clone)]
pub struct Server {
    inner: Arc<Inner>,
    inbox: mpsc::Sender<Received>,
}

struct Inner {
    id: String,
    line: Line,
    served: Mutex<HashMap<String, Heard>>,
    bids: Mutex<Bids<(Arc<Served>, Request)>>,
    calls: Arc<Semaphore>,
}

/// What a channel is for.
#[derive(Clone)]
enum Heard {
    Requests(Arc<Served>),
    Grants,
}

struct Served {
    method: Method,
    bid: Bid,
    handler: Handler,
}

/// A method that is being answered, until this is dropped. Answers that are on their way are still given.
pub struct Serving {
    inner: Arc<Inner>,
    channels: Vec<String>,
    subscribed: Vec<Confirmed>,
    /// Keeps the server alive.
    _inbox: mpsc::Sender<Received>,
}

impl Serving {
    /// Waits until Redis has confirmed that the calls come here.
    pub async fn confirmed(&mut self) {
        for mut subscribed in self.subscribed.drain(..) {
            subscribed.wait().await;
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        for channel in &self.channels {
            self.inner.served.lock().remove(channel);
            self.inner.line.unsubscribe(channel);
        }
    }
}

impl Server {
    /// A server that answers nothing yet.
    pub fn new(line: Line) -> Self {
        let (inbox, received) = mpsc::channel(QUEUE);
        let inner = Arc::new(Inner {
            id: random_id("SRV_"),
            line,
            served: Mutex::default(),
            bids: Mutex::new(Bids::new(BIDS)),
            calls: Arc::new(Semaphore::new(CALLS)),
        });
        tokio::spawn(listen(inner.clone(), received));
        Self { inner, inbox }
    }

    /// Its id on the bus.
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// Answers a method. `bid` says how much the call is wanted, 1 being at once, and none is silence; `handler`
    /// answers it once it was granted.
    pub fn serve<Q, R, F>(
        &self,
        method: Method,
        topic: &str,
        bid: impl Fn(&Q) -> Option<f32> + Send + Sync + 'static,
        handler: impl Fn(Q) -> F + Send + Sync + 'static,
    ) -> Serving
    where
        Q: Message + Default + 'static,
        R: Message,
        F: Future<Output = Result<R, RpcError>> + Send + 'static,
    {
        let served = Arc::new(Served {
            method,
            bid: Box::new(move |raw| Ok(bid(&read(raw)?))),
            handler: Box::new(move |raw| match read(&raw) {
                Ok(request) => {
                    let answer = handler(request);
                    Box::pin(async move { Ok(answer.await?.encode_to_vec()) })
                }
                Err(error) => Box::pin(std::future::ready(Err(error))),
            }),
        });
        let mut channels = vec![(channel::request(&method, topic), Heard::Requests(served))];
        if method.claim {
            // First: a grant may come as fast as the request.
            channels.insert(0, (channel::grant(&method, topic), Heard::Grants));
        }
        let names: Vec<String> = channels.iter().map(|(name, _)| name.clone()).collect();
        self.inner.served.lock().extend(channels);
        let subscribed =
            names.iter().map(|name| self.inner.line.subscribe(name, self.inbox.clone())).collect();
        Serving { inner: self.inner.clone(), channels: names, subscribed, _inbox: self.inbox.clone() }
    }
}

fn read<Q: Message + Default>(raw: &Bytes) -> Result<Q, RpcError> {
    Q::decode(raw.clone()).map_err(|error| RpcError::new(Code::MalformedRequest, error.to_string()))
}

/// Looks at what comes, until nobody holds the server any more.
async fn listen(inner: Arc<Inner>, mut received: mpsc::Receiver<Received>) {
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    loop {
        tokio::select! {
            message = received.recv() => match message {
                Some(message) => inner.clone().hear(message),
                None => return,
            },
            _ = sweep.tick() => inner.bids.lock().expire(now_ns()),
        }
    }
}

impl Inner {
    fn hear(self: Arc<Self>, message: Received) {
        let heard = self.served.lock().get(&*message.channel).cloned();
        match heard {
            Some(Heard::Requests(served)) => self.asked(served, message),
            Some(Heard::Grants) => match open::<ClaimResponse>(message.payload) {
                Ok(grant) => self.granted(&grant),
                Err(error) => tracing::debug!(channel = %message.channel, %error, "left aside"),
            },
            // It came before Redis heard that it is no longer wanted.
            None => {}
        }
    }

    fn asked(self: Arc<Self>, served: Arc<Served>, message: Received) {
        let request = match open::<Request>(message.payload.clone()) {
            Ok(request) => request,
            Err(error) => {
                tracing::debug!(channel = %message.channel, %error, "left aside");
                return;
            }
        };
        let late_ns = now_ns().saturating_sub(request.expiry);
        if late_ns >= 0 {
            // Seen often, it is this computer's clock, or theirs.
            tracing::warn!(
                method = served.method.name,
                late_ms = late_ns / 1_000_000,
                "a call that nobody waits for any more, by this computer's clock"
            );
            return;
        }
        let Ok(permit) = self.calls.clone().try_acquire_owned() else {
            tracing::warn!(method = served.method.name, "too many calls at a time: one is left aside");
            return;
        };
        tokio::spawn(async move {
            let _permit = permit;
            self.take(served, request, &message.payload).await;
        });
    }

    /// Races for a request, bids for it, or answers it at once.
    async fn take(self: Arc<Self>, served: Arc<Served>, request: Request, payload: &[u8]) {
        if served.method.queue {
            let key = STANDARD.encode(Sha256::digest(payload));
            match self.line.lock(&key, LOCK_S).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(method = served.method.name, %error, "a call is left aside");
                    return;
                }
            }
        }
        if !served.method.claim {
            return self.answer(&served, request).await;
        }
        let affinity = match (served.bid)(&request.raw_request) {
            Ok(Some(affinity)) => affinity,
            Ok(None) => return,
            // Who cannot read it says so without a bid.
            Err(error) => return self.respond(&served, &request, Err(error)).await,
        };
        let bid = ClaimRequest {
            request_id: request.request_id.clone(),
            server_id: self.id.clone(),
            affinity,
            handling: false,
        };
        let to = channel::claim(served.method.service, &request.client_id);
        let (request_id, name) = (request.request_id.clone(), served.method.name);
        let expiry = request.expiry;
        // Before it is sent: the grant may be here before this goes on.
        if !self.bids.lock().note(&request_id, expiry, now_ns(), (served, request)) {
            return;
        }
        if let Err(error) = self.line.publish(&to, &seal(&bid)).await {
            tracing::warn!(method = name, %error, "a bid was not sent");
            self.bids.lock().withdraw(&request_id);
        }
    }

    fn granted(self: Arc<Self>, grant: &ClaimResponse) {
        let granted = self.bids.lock().granted(grant, &self.id, now_ns());
        let Granted::Ours((served, request)) = granted else { return };
        let Ok(permit) = self.calls.clone().try_acquire_owned() else {
            tracing::warn!(method = served.method.name, "too many calls at a time: one is not answered");
            return;
        };
        tokio::spawn(async move {
            let _permit = permit;
            self.answer(&served, request).await;
        });
    }

    async fn answer(&self, served: &Served, request: Request) {
        let answer = (served.handler)(request.raw_request.clone()).await;
        self.respond(served, &request, answer).await;
    }

    async fn respond(&self, served: &Served, request: &Request, answer: Result<Vec<u8>, RpcError>) {
        let mut response = Response {
            request_id: request.request_id.clone(),
            server_id: self.id.clone(),
            sent_at: now_ns(),
            ..Response::default()
        };
        match answer {
            Ok(raw) => response.raw_response = raw.into(),
            Err(error) => {
                response.code = error.code.as_str().to_owned();
                // An empty one would be success.
                response.error = if error.message.is_empty() { response.code.clone() } else { error.message };
            }
        }
        let to = channel::response(served.method.service, &request.client_id);
        if let Err(error) = self.line.publish(&to, &seal(&response)).await {
            tracing::warn!(method = served.method.name, %error, "an answer was not sent");
        }
    }
}
