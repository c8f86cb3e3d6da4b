//! The side that calls.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use prost::Message;
use tokio::sync::{mpsc, watch};

use super::claim::{Call, Next};
use super::code::{Code, RpcError};
use super::envelope::{ClaimRequest, Request, Response, open, seal};
use super::{Method, channel, now_ns, random_id};
use crate::bus::redis::{Line, LineError, Received};

/// Messages that may wait to be looked at.
const QUEUE: usize = 1024;
/// Calls that may be waiting at a time.
const CALLS: usize = 512;
/// Bids and answers that may wait for one call.
const HEARD: usize = 16;

/// Calls the methods of one service. A cheap handle.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    id: String,
    service: &'static str,
    line: Line,
    calls: Mutex<HashMap<String, mpsc::Sender<Heard>>>,
    /// Whether Redis has confirmed that bids and answers come here.
    ready: watch::Receiver<bool>,
    _inbox: mpsc::Sender<Received>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.line.unsubscribe(&channel::claim(self.service, &self.id));
        self.line.unsubscribe(&channel::response(self.service, &self.id));
    }
}

enum Heard {
    Bid(ClaimRequest),
    Answer(Response),
}

impl Heard {
    fn request_id(&self) -> &str {
        match self {
            Self::Bid(bid) => &bid.request_id,
            Self::Answer(answer) => &answer.request_id,
        }
    }
}

impl Client {
    /// A client of a service.
    pub fn new(line: Line, service: &'static str) -> Self {
        let (inbox, received) = mpsc::channel(QUEUE);
        let id = random_id("CLI_");
        let (claims, responses) = (channel::claim(service, &id), channel::response(service, &id));
        let mut bids = line.subscribe(&claims, inbox.clone());
        let mut answers = line.subscribe(&responses, inbox.clone());
        let (confirmed, ready) = watch::channel(false);
        tokio::spawn(async move {
            tokio::join!(bids.wait(), answers.wait());
            confirmed.send_replace(true);
        });
        let inner = Arc::new(Inner { id, service, line, calls: Mutex::default(), ready, _inbox: inbox });
        tokio::spawn(listen(Arc::downgrade(&inner), claims, received));
        Self { inner }
    }

    /// Calls a method, and waits for its answer.
    ///
    /// # Errors
    /// Nobody bids or answers in time, Redis is not reached, the answer cannot be read, or is an error itself.
    pub async fn call<Q: Message, R: Message + Default>(
        &self,
        method: Method,
        topic: &str,
        request: &Q,
        within: Duration,
    ) -> Result<R, RpcError> {
        let request_id = random_id("REQ_");
        let (heard, mut hear) = mpsc::channel(HEARD);
        {
            let mut calls = self.inner.calls.lock();
            if calls.len() >= CALLS {
                return Err(RpcError::new(Code::ResourceExhausted, "too many calls at a time"));
            }
            calls.insert(request_id.clone(), heard);
        }
        let _forget = Forget { inner: &self.inner, request_id: &request_id };
        let mut call = Call::new(request_id.clone(), method.claim);
        let raw = match tokio::time::timeout(
            within,
            self.carry(method, topic, request, within, &mut call, &mut hear),
        )
        .await
        {
            Ok(done) => done?,
            Err(_) => return Err(call.timed_out()),
        };
        R::decode(raw).map_err(|error| RpcError::new(Code::MalformedResult, error.to_string()))
    }

    async fn carry<Q: Message>(
        &self,
        method: Method,
        topic: &str,
        request: &Q,
        within: Duration,
        call: &mut Call,
        hear: &mut mpsc::Receiver<Heard>,
    ) -> Result<Bytes, RpcError> {
        let line = &self.inner.line;
        // Nobody would hear the bids. It says so, or the time is up.
        let _ = self.inner.ready.clone().wait_for(|ready| *ready).await;
        let sent_at = now_ns();
        let envelope = Request {
            request_id: call.request_id().to_owned(),
            client_id: self.inner.id.clone(),
            sent_at,
            expiry: sent_at.saturating_add(i64::try_from(within.as_nanos()).unwrap_or(i64::MAX)),
            raw_request: request.encode_to_vec().into(),
            ..Request::default()
        };
        line.publish(&channel::request(&method, topic), &seal(&envelope)).await.map_err(not_sent)?;
        while let Some(heard) = hear.recv().await {
            let next = match heard {
                Heard::Bid(bid) => call.bid(&bid),
                Heard::Answer(answer) => call.answer(answer),
            };
            match next {
                Next::Wait => {}
                Next::Done(done) => return done,
                Next::Grant(grant) => {
                    line.publish(&channel::grant(&method, topic), &seal(&grant)).await.map_err(not_sent)?;
                }
            }
        }
        Err(RpcError::new(Code::Canceled, "client is closed"))
    }
}

fn not_sent(error: LineError) -> RpcError {
    RpcError::new(Code::Unavailable, error.to_string())
}

/// Takes a call off the list, however it ends.
struct Forget<'a> {
    inner: &'a Inner,
    request_id: &'a str,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.inner.calls.lock().remove(self.request_id);
    }
}

/// Gives each call what is for it. What is for none is left aside.
async fn listen(inner: std::sync::Weak<Inner>, claims: String, mut received: mpsc::Receiver<Received>) {
    while let Some(message) = received.recv().await {
        let Some(inner) = inner.upgrade() else { return };
        let heard = if *message.channel == *claims {
            open(message.payload).map(Heard::Bid)
        } else {
            open(message.payload).map(Heard::Answer)
        };
        match heard {
            Ok(heard) => {
                let call = inner.calls.lock().get(heard.request_id()).cloned();
                if let Some(call) = call {
                    // More bids than there are workers: nobody needs them.
                    let _ = call.try_send(heard);
                }
            }
            Err(error) => tracing::debug!(channel = %message.channel, %error, "left aside"),
        }
    }
}
