//! Tells the server how egresses are, each in its own order, until it has heard.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use livekit_protocol::EgressInfo;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::lane::{Lane, Then, Told, is_over};
use super::ledger::Ledger;
use super::messages::{CREATE, Empty, GET, GetEgressRequest, UPDATE};
use crate::bus::psrpc::{Client, Code, RpcError};
use crate::bus::redis::LineState;

/// How long the server may take to hear of an egress, LiveKit Egress' own measure.
const UPDATE_WITHIN: Duration = Duration::from_secs(30);
/// How long it may take to hear of a new one: whoever started it waits for our answer meanwhile.
const CREATE_WITHIN: Duration = Duration::from_secs(4);
/// How long it may take to say what it knows.
const GET_WITHIN: Duration = Duration::from_secs(3);
/// After so long an end is not told any more: the server itself forgets egresses after a day.
const GIVE_UP: Duration = Duration::from_secs(24 * 3600);

/// The outbox. A cheap handle.
#[derive(Clone)]
pub struct Outbox {
    inner: Arc<Inner>,
}

struct Inner {
    io: Client,
    ledger: Ledger,
    line: watch::Receiver<LineState>,
    lanes: Mutex<HashMap<String, Arc<Post>>>,
    /// Something was settled.
    settled: Notify,
}

struct Post {
    lane: Mutex<Lane>,
    more: Notify,
    /// False until the server may hear updates: one that comes before the egress is created keeps it from ever being
    /// told of as started.
    open: watch::Sender<bool>,
}

impl Outbox {
    /// An outbox with nothing in it.
    pub fn new(io: Client, ledger: Ledger, line: watch::Receiver<LineState>) -> Self {
        let (lanes, settled) = (Mutex::default(), Notify::new());
        Self { inner: Arc::new(Inner { io, ledger, line, lanes, settled }) }
    }

    /// An egress is about to begin: what is told of it waits for [`Outbox::open`].
    pub fn reserve(&self, id: &str) {
        self.post(&mut self.inner.lanes.lock(), id, false);
    }

    /// It did not begin: there is nothing to tell.
    pub fn discard(&self, id: &str) {
        // Its task sees that nobody else has it.
        let post = self.inner.lanes.lock().remove(id);
        if let Some(post) = post {
            *post.lane.lock() = Lane::default();
            post.more.notify_one();
            post.open.send_replace(true);
        }
        self.inner.settled.notify_waiters();
    }

    /// The server was told of it and has the answer: what happened since may go.
    pub fn open(&self, id: &str) {
        if let Some(post) = self.inner.lanes.lock().get(id) {
            post.open.send_replace(true);
        }
    }

    /// An egress has changed.
    pub fn offer(&self, info: Arc<EgressInfo>) {
        // With the list locked: a lane that is found must not be let go of before it has this.
        let mut lanes = self.inner.lanes.lock();
        let post = self.post(&mut lanes, &info.egress_id, true);
        post.lane.lock().offer(info);
        post.more.notify_one();
    }

    /// Egresses that the server has not heard all of.
    pub fn waiting(&self) -> usize {
        self.inner.lanes.lock().len()
    }

    /// Whether the server has heard everything so far.
    pub fn quiet(&self) -> bool {
        self.inner.lanes.lock().values().all(|post| post.lane.lock().is_quiet())
    }

    /// Waits until something was settled.
    pub async fn changed(&self) {
        self.inner.settled.notified().await;
    }

    /// Tells the server of a new egress.
    ///
    /// # Errors
    /// It does not hear it in time.
    pub async fn create(&self, info: &EgressInfo) -> Result<(), RpcError> {
        self.inner.io.call::<_, Empty>(CREATE, "", info, CREATE_WITHIN).await.map(drop)
    }

    /// What the server knows of an egress; none if it knows none.
    ///
    /// # Errors
    /// It does not say.
    pub async fn get(&self, id: &str) -> Result<Option<EgressInfo>, RpcError> {
        let request = GetEgressRequest { egress_id: id.to_owned() };
        match self.inner.io.call(GET, "", &request, GET_WITHIN).await {
            Ok(info) => Ok(Some(info)),
            Err(error) if error.code == Code::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn post(&self, lanes: &mut HashMap<String, Arc<Post>>, id: &str, open: bool) -> Arc<Post> {
        if let Some(post) = lanes.get(id) {
            return post.clone();
        }
        let (lane, more, open) = (Mutex::default(), Notify::new(), watch::Sender::new(open));
        let post = Arc::new(Post { lane, more, open });
        lanes.insert(id.to_owned(), post.clone());
        tokio::spawn(self.inner.clone().carry(id.to_owned(), post.clone()));
        post
    }
}

impl Inner {
    /// Carries what one egress has to tell, until its end was heard.
    async fn carry(self: Arc<Self>, id: String, post: Arc<Post>) {
        let mut opened = post.open.subscribe();
        let _ = opened.wait_for(|open| *open).await;
        let mut line = self.line.clone();
        let mut failing_since = None;
        loop {
            let taken = post.lane.lock().take();
            let Some(info) = taken else {
                let ours = |lane: &Arc<Post>| Arc::ptr_eq(lane, &post);
                if !self.lanes.lock().get(&id).is_some_and(ours) {
                    return;
                }
                post.more.notified().await;
                continue;
            };
            let told = match self.io.call::<_, Empty>(UPDATE, "", &*info, UPDATE_WITHIN).await {
                Ok(_) => Told::Heard,
                Err(error) => {
                    tracing::warn!(egress_id = id, %error, "the server has not heard how a job is");
                    let since = *failing_since.get_or_insert_with(Instant::now);
                    let late = is_over(&info) && since.elapsed() > GIVE_UP;
                    if late || !error.code.passes() { Told::Never } else { Told::NotYet }
                }
            };
            if told == Told::Heard {
                failing_since = None;
            }
            let then = post.lane.lock().told(told);
            match then {
                Then::Next => {}
                Then::Pause(pause) => self.pause(&post, &mut line, pause).await,
                Then::Settled => {
                    if let Err(error) = self.ledger.settled(&id).await {
                        tracing::warn!(egress_id = id, %error, "the server will hear of a job's end again");
                    }
                    if self.forget(&id, &post) {
                        return;
                    }
                }
            }
        }
    }

    /// Waits before something is told again; not any longer once the connection is there again.
    async fn pause(&self, post: &Post, line: &mut watch::Receiver<LineState>, pause: Duration) {
        line.mark_unchanged();
        let back = async {
            loop {
                if line.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                if *line.borrow_and_update() == LineState::Up {
                    return;
                }
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = back => post.lane.lock().encouraged(),
        }
    }

    /// Lets go of an egress whose end was heard, unless it has something new to tell.
    fn forget(&self, id: &str, post: &Arc<Post>) -> bool {
        let mut lanes = self.lanes.lock();
        if post.lane.lock().waits() {
            return false;
        }
        if lanes.get(id).is_some_and(|lane| Arc::ptr_eq(lane, post)) {
            lanes.remove(id);
        }
        drop(lanes);
        self.settled.notify_waiters();
        true
    }
}
