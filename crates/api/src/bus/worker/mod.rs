//! The worker: takes jobs from a LiveKit server's bus as far as this computer can carry them, hands them to the
//! studio, and tells the server what becomes of them until it has heard.

mod lane;
mod ledger;
mod messages;
mod outbox;
mod start;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::id::EgressId;
use livekit_protocol::{EgressInfo, EgressStatus, StopEgressRequest, UpdateStreamRequest};
use parking_lot::Mutex;
use secrecy::SecretString;
use serde::Serialize;
use studio::Studio;
use studio::surface::Origin;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::psrpc::{Client, RpcError, Server, Serving, now_ns};
use super::redis::{Line, LineState, RedisConfig};
use crate::admission::Admission;
use lane::is_over;
use ledger::Ledger;
use messages::{
    IO, LIST_ACTIVE, ListActiveEgressRequest, ListActiveEgressResponse, START, STOP, StartEgressRequest,
    UPDATE_STREAM,
};
use outbox::Outbox;

pub use ledger::LEDGER_FILE;

/// How long a job that is over still answers: a Stop in that moment is told why it cannot be, and waits for nobody.
const ANSWERS_FOR: Duration = Duration::from_secs(30);
/// Jobs that are over of which changes are still told: uploads may end long after.
const REMEMBERED: usize = 5_000;
/// Pauses before the server is asked again what it knows of a job that is lost.
const ASK_EVERY: Duration = Duration::from_secs(10);

/// Between two times that what is long over is let go of.
const TIDY_EVERY: Duration = Duration::from_secs(1);

/// What a worker is opened with.
pub struct WorkerOptions {
    /// LiveKit's Redis.
    pub redis: RedisConfig,
    /// The cluster that this worker is of; empty for that of a LiveKit server of one's own.
    pub cluster_id: String,
    /// Who lets jobs in.
    pub admission: Admission,
    /// The studio's data folder.
    pub data_dir: PathBuf,
    /// How much a job is wanted, 0 to 1: 1 at once; below that LiveKit's server looks for others for half a second.
    pub affinity: f32,
}

/// How a worker is, for health pages and metrics.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkerState {
    /// Why Redis is not reached, if so.
    pub redis_error: Option<String>,
    /// Whether nothing new is taken.
    pub draining: bool,
    /// Jobs from the bus that are not over.
    pub running: usize,
    /// Jobs of which the server has not heard everything.
    pub untold: usize,
    /// Messages that were dropped.
    pub dropped: u64,
    /// Calls that were not bid for, since this computer was full.
    pub passed: u64,
}

/// A worker. A cheap handle; it works until [`Worker::close`].
#[derive(Clone)]
pub struct Worker {
    inner: Arc<Inner>,
}

struct Inner {
    studio: Studio,
    line: Line,
    server: Server,
    outbox: Outbox,
    ledger: Ledger,
    affinity: f32,
    admission: Admission,
    draining: watch::Sender<bool>,
    state: Mutex<State>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    /// What every worker answers.
    always: Mutex<Vec<Serving>>,
}

struct State {
    /// Came over the bus.
    ours: HashMap<String, Ours>,
    /// Requests that were heard of late, whoever took them: one that comes again is the server's second try.
    heard: HashMap<String, tokio::time::Instant>,
    passed: u64,
}

/// A job that came over the bus.
#[derive(Default)]
struct Ours {
    /// What of it was last put into the outbox.
    told: Option<Arc<EgressInfo>>,
    /// Its own methods.
    serving: Vec<Serving>,
}

impl Worker {
    /// Opens a worker: tells the server the true state of all jobs of earlier runs, and bids from then on. Redis need
    /// not be there yet.
    ///
    /// # Errors
    /// The configuration makes no sense, or the data folder cannot be written.
    pub async fn open(studio: Studio, options: WorkerOptions) -> Result<Self, ApiError> {
        let redis = options.redis.resolved()?;
        let folder = options.data_dir;
        let cannot = |error: std::io::Error| {
            ApiError::new(
                ErrorCode::Storage,
                Fault::Environment,
                "The list of jobs that LiveKit's server has to hear of cannot be written.",
                "Check that the data folder may be written and that its disk has room.",
            )
            .with_detail(error)
        };
        let read = tokio::task::spawn_blocking(move || Ledger::open(&folder)).await;
        let ledger = read.map_err(std::io::Error::other).and_then(|read| read).map_err(cannot)?;
        let line = Line::open(redis);
        let io = Client::new(line.clone(), IO);
        let inner = Arc::new(Inner {
            outbox: Outbox::new(io, ledger.clone(), line.state()),
            server: Server::new(line.clone()),
            studio,
            line,
            ledger,
            affinity: options.affinity.clamp(0.0, 1.0),
            admission: options.admission,
            draining: watch::Sender::new(false),
            state: Mutex::new(State { ours: HashMap::new(), heard: HashMap::new(), passed: 0 }),
            tasks: Mutex::default(),
            always: Mutex::default(),
        });
        inner.reconcile();
        let tasks = vec![tokio::spawn(follow(inner.clone())), tokio::spawn(tidy(inner.clone()))];
        inner.tasks.lock().extend(tasks);
        inner.serve_always(&options.cluster_id);
        Ok(Self { inner })
    }

    /// Takes nothing new from now on.
    pub fn drain(&self) {
        self.inner.draining.send_replace(true);
    }

    /// How it is.
    pub fn state(&self) -> WorkerState {
        let redis_error = match &*self.inner.line.state().borrow() {
            LineState::Up => None,
            LineState::Down { why } => Some(why.clone()),
        };
        let active = self.inner.active().len();
        WorkerState {
            redis_error,
            draining: *self.inner.draining.borrow(),
            running: active,
            untold: self.inner.outbox.waiting(),
            dropped: self.inner.line.dropped(),
            passed: self.inner.state.lock().passed,
        }
    }

    /// How the connection to Redis is.
    pub fn line(&self) -> watch::Receiver<LineState> {
        self.inner.line.state()
    }

    /// Tells the server the last of what has happened, for as long as that may take, and works no more. What it does
    /// not hear, it hears at the next start.
    pub async fn close(&self, within: Duration) {
        self.drain();
        let inner = &self.inner;
        let told = async {
            loop {
                let changed = inner.outbox.changed();
                inner.list();
                let over = inner.active().is_empty();
                if over && inner.outbox.waiting() == 0 {
                    return;
                }
                // Jobs that go on without us have told all they can.
                if !over && inner.outbox.quiet() {
                    return;
                }
                let _ = tokio::time::timeout(Duration::from_millis(200), changed).await;
            }
        };
        if tokio::time::timeout(within, told).await.is_err() {
            tracing::warn!(untold = inner.outbox.waiting(), "the server hears the rest at the next start");
        }
        inner.tasks.lock().drain(..).for_each(|task| task.abort());
        inner.always.lock().clear();
        inner.state.lock().ours.clear();
    }
}

/// Tells the outbox of every change, until the studio is closed.
async fn follow(inner: Arc<Inner>) {
    let mut changes = inner.studio.egress_changes();
    // Those that came between the first look and the subscription.
    inner.list();
    loop {
        match changes.recv().await {
            Ok(info) => inner.changed(info),
            Err(RecvError::Lagged(_)) => inner.list(),
            Err(RecvError::Closed) => return,
        }
    }
}

/// Lets go of what is long over, for ever.
async fn tidy(inner: Arc<Inner>) {
    loop {
        tokio::time::sleep(TIDY_EVERY).await;
        inner.tidy();
    }
}

impl Inner {
    /// Answers what is for every worker.
    fn serve_always(self: &Arc<Self>, cluster_id: &str) {
        let (bidder, starter, lister) = (Arc::downgrade(self), Arc::downgrade(self), Arc::downgrade(self));
        let start = self.server.serve(
            START,
            cluster_id,
            move |request: &StartEgressRequest| bidder.upgrade()?.bid(request),
            move |request: StartEgressRequest| {
                let starter = starter.clone();
                async move { there(&starter)?.start(request).await }
            },
        );
        let list = self.server.serve(
            LIST_ACTIVE,
            cluster_id,
            |_: &ListActiveEgressRequest| None,
            move |_: ListActiveEgressRequest| {
                let lister = lister.clone();
                async move { Ok(ListActiveEgressResponse { egress_ids: there(&lister)?.active() }) }
            },
        );
        self.always.lock().extend([start, list]);
    }

    /// Answers what is for one job.
    fn serve_job(self: &Arc<Self>, id: &str) -> Vec<Serving> {
        let of = EgressId::from(id);
        let stop = {
            let (inner, id) = (Arc::downgrade(self), of.clone());
            self.server.serve(
                STOP,
                of.as_str(),
                |_: &StopEgressRequest| Some(1.0),
                move |_: StopEgressRequest| {
                    let (inner, id) = (inner.clone(), id.clone());
                    async move { Ok(there(&inner)?.studio.stop_egress(id).await?) }
                },
            )
        };
        let update = {
            let (inner, id) = (Arc::downgrade(self), of.clone());
            self.server.serve(
                UPDATE_STREAM,
                of.as_str(),
                |_: &UpdateStreamRequest| Some(1.0),
                move |request: UpdateStreamRequest| {
                    let (inner, id) = (inner.clone(), id.clone());
                    let secret = |urls: Vec<String>| urls.into_iter().map(SecretString::from).collect();
                    let (add, remove) = (secret(request.add_output_urls), secret(request.remove_output_urls));
                    async move { Ok(there(&inner)?.studio.update_egress_stream(id, add, remove).await?) }
                },
            )
        };
        vec![stop, update]
    }

    /// Jobs from the bus that are not over.
    fn active(&self) -> Vec<String> {
        let ids: Vec<String> = self.state.lock().ours.keys().cloned().collect();
        let runs = |id: &String| self.studio.egress(&id.as_str().into()).is_ok_and(|info| !is_over(&info));
        ids.into_iter().filter(runs).collect()
    }

    /// A job has changed. Only those that came over the bus are told there.
    fn changed(self: &Arc<Self>, info: Arc<EgressInfo>) {
        if self.studio.was_evicted(&info.egress_id.as_str().into()) {
            return self.yield_egress(&info.egress_id);
        }
        let over = is_over(&info);
        {
            let mut state = self.state.lock();
            let Some(ours) = state.ours.get_mut(&info.egress_id) else { return };
            if ours.told.as_ref() == Some(&info) {
                return;
            }
            let first = ours.told.replace(info.clone()).is_none();
            // That it is there, the server hears as it is created.
            if first && info.status() == EgressStatus::EgressStarting {
                return;
            }
            if over {
                soon_silent(std::mem::take(&mut ours.serving));
            }
        }
        self.outbox.offer(info);
    }

    /// Another worker has taken an egress over: it answers for it and tells the server of it. What waits here to be
    /// told would overwrite that.
    fn yield_egress(self: &Arc<Self>, id: &str) {
        if self.state.lock().ours.remove(id).is_none() {
            return;
        }
        tracing::warn!(
            egress_id = id,
            "another worker has taken a job over; the server is told nothing more of it"
        );
        self.outbox.discard(id);
        let (ledger, id) = (self.ledger.clone(), id.to_owned());
        let settled = async move {
            if let Err(error) = ledger.settled(&id).await {
                tracing::warn!(egress_id = id, %error, "a job is looked at again at the next start");
            }
        };
        self.tasks.lock().push(tokio::spawn(settled));
    }

    /// A job answers for itself, unless it is over already.
    fn keep_serving(&self, id: &str, serving: Vec<Serving>) {
        match self.state.lock().ours.get_mut(id) {
            Some(ours) if !ours.told.as_ref().is_some_and(|told| is_over(told)) => ours.serving = serving,
            Some(_) => soon_silent(serving),
            // Another worker has taken it over meanwhile, and answers.
            None => {}
        }
    }

    /// Looks at every job anew.
    fn list(self: &Arc<Self>) {
        self.studio.told_egress().into_iter().for_each(|info| self.changed(info));
    }

    /// Takes up the jobs of earlier runs: those that still run, and those whose end the server has not heard.
    fn reconcile(self: &Arc<Self>) {
        let mut ids = self.ledger.owed();
        let snapshot = self.studio.snapshot();
        let runs = snapshot.jobs.iter().filter(|job| job.origin == Origin::Bus && job.ended_at_ms.is_none());
        ids.extend(runs.map(|job| job.egress_id.as_str().to_owned()));
        ids.sort();
        ids.dedup();
        for id in ids {
            match self.studio.egress(&id.as_str().into()) {
                Ok(info) => {
                    let serving = if is_over(&info) { Vec::new() } else { self.serve_job(&id) };
                    self.state.lock().ours.insert(id, Ours { told: None, serving });
                    self.changed(Arc::new(info));
                }
                Err(_) => {
                    let lost = tokio::spawn(lost(self.clone(), id));
                    self.tasks.lock().push(lost);
                }
            }
        }
    }

    /// Lets go of what is long over.
    fn tidy(&self) {
        let mut state = self.state.lock();
        let now = tokio::time::Instant::now();
        state.heard.retain(|_, at| now - *at < start::HEARD_FOR);
        let many = state.ours.len().saturating_sub(REMEMBERED);
        if many > 0 {
            let over = |ours: &Ours| ours.told.as_ref().is_some_and(|told| is_over(told));
            let mut old: Vec<(i64, String)> = state
                .ours
                .iter()
                .filter(|(_, ours)| over(ours))
                .filter_map(|(id, ours)| Some((ours.told.as_ref()?.ended_at, id.clone())))
                .collect();
            old.sort();
            for (_, id) in old.into_iter().take(many) {
                state.ours.remove(&id);
            }
        }
    }
}

/// Lets the methods of a job that is over answer for a little longer.
fn soon_silent(serving: Vec<Serving>) {
    if serving.is_empty() {
        return;
    }
    tokio::spawn(async move {
        tokio::time::sleep(ANSWERS_FOR).await;
        drop(serving);
    });
}

/// A job that was taken and that the studio knows nothing of: it was killed before it began, or forgotten since. The
/// server must not list it as running for ever.
async fn lost(inner: Arc<Inner>, id: String) {
    loop {
        match inner.outbox.get(&id).await {
            Ok(Some(mut info)) if !is_over(&info) => {
                let now = now_ns();
                info.set_status(EgressStatus::EgressFailed);
                (info.ended_at, info.updated_at) = (now, now);
                info.error = "The worker was killed before the recording began. Start it again.".to_owned();
                info.error_code = ErrorCode::JobDied.http_status();
                info.details = "End reason: Failure".to_owned();
                inner.outbox.offer(Arc::new(info));
                return;
            }
            Ok(_) => {
                if let Err(error) = inner.ledger.settled(&id).await {
                    tracing::warn!(egress_id = id, %error, "a job is looked for again at the next start");
                }
                return;
            }
            Err(error) => {
                tracing::debug!(egress_id = id, %error, "the server does not say what it knows of a job")
            }
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

fn there(inner: &Weak<Inner>) -> Result<Arc<Inner>, RpcError> {
    inner.upgrade().ok_or_else(start::shutting_down)
}
