//! The task that starts uploads when it is their turn, and deals with those that fail.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use egress::error::ApiError;
use rand::Rng;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};

use crate::board::Row;
use crate::carry::{Meter, Outcome, carry, now_ms};
use crate::explain::explained;
use crate::fault::StoreError;
use crate::inner::Inner;
use crate::surface::{Options, Progress, UploadId, What};

/// How often the progress of what runs is told.
const TICK: Duration = Duration::from_millis(500);
/// Over which time a rate is averaged, s.
const RATE_OVER_S: f64 = 5.0;

/// What the handle asks of the worker.
#[derive(Debug)]
pub(crate) enum Order {
    /// Break off those of these that are under way. The sender is dropped when all have ended.
    Stop(HashSet<UploadId>, mpsc::Sender<()>),
    /// Break off everything and end.
    End,
}

struct Running {
    id: UploadId,
    abort: AbortHandle,
    meter: Arc<Meter>,
    rate: Rate,
    /// Held by who waits for its end.
    stopped: Vec<mpsc::Sender<()>>,
}

struct Rate {
    at: Instant,
    sent: u64,
    bytes_per_s: f64,
}

impl Rate {
    fn step(&mut self, sent: u64) {
        let now = Instant::now();
        let took = (now - self.at).as_secs_f64();
        if took <= 0.0 {
            return;
        }
        let rate = sent.saturating_sub(self.sent) as f64 / took;
        // The first measure stands alone.
        let weight = if self.bytes_per_s == 0.0 { 1.0 } else { 1.0 - (-took / RATE_OVER_S).exp() };
        self.bytes_per_s += (rate - self.bytes_per_s) * weight;
        (self.at, self.sent) = (now, sent);
    }
}

pub(crate) async fn work(inner: Arc<Inner>, mut orders: mpsc::UnboundedReceiver<Order>) {
    let mut tasks: JoinSet<(UploadId, Outcome)> = JoinSet::new();
    let mut running: HashMap<tokio::task::Id, Running> = HashMap::new();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let look_again = start(&inner, &mut tasks, &mut running).await;
        tokio::select! {
            () = inner.wake.notified() => {}
            Some(ended) = tasks.join_next_with_id() => {
                let (task, outcome) = match ended {
                    Ok((task, (_, outcome))) => (task, Some(outcome)),
                    Err(error) => {
                        let broke = error.is_panic().then(|| StoreError::Odd("a defect of the uploader".into()));
                        (error.id(), broke.map(Outcome::Failed))
                    }
                };
                if let Some(run) = running.remove(&task) {
                    ended_one(&inner, run, outcome).await;
                }
            }
            order = orders.recv() => match order {
                Some(Order::Stop(ids, waits)) => {
                    for run in running.values_mut().filter(|run| ids.contains(&run.id)) {
                        run.abort.abort();
                        run.stopped.push(waits.clone());
                    }
                }
                Some(Order::End) | None => break,
            },
            () = tokio::time::sleep(look_again.unwrap_or(Duration::from_secs(3600))) => {}
            _ = tick.tick(), if !running.is_empty() => {
                for run in running.values_mut() {
                    progress(&inner, run);
                }
            }
        }
    }
    tasks.shutdown().await;
}

/// Starts what is due. Returns how long until something else is.
async fn start(
    inner: &Arc<Inner>,
    tasks: &mut JoinSet<(UploadId, Outcome)>,
    running: &mut HashMap<tokio::task::Id, Running>,
) -> Option<Duration> {
    if inner.pace.paused() {
        return None;
    }
    let now = now_ms();
    let turn = inner.board.lock().turn(now, inner.options.parallel_uploads.max(1), inner.options.part_bytes);
    for id in &turn.overtaken {
        if let Err(error) = inner.remove(id).await {
            tracing::warn!(upload = %id, %error, "an upload that was overtaken stays on the list");
        }
    }
    for id in turn.start {
        let meter = Arc::new(Meter::default());
        inner.board.lock().live(&id).running = true;
        let abort = tasks.spawn(with_id(id.clone(), carry(inner.clone(), id.clone(), meter.clone())));
        let sent = inner.board.lock().sent_bytes(&id);
        let rate = Rate { at: Instant::now(), sent, bytes_per_s: 0.0 };
        let mut run = Running { id: id.clone(), abort, meter, rate, stopped: Vec::new() };
        progress(inner, &mut run);
        running.insert(run.abort.id(), run);
        inner.tell(&id);
    }
    turn.look_again_ms.map(|at| Duration::from_millis(u64::try_from(at - now).unwrap_or(0).max(1)))
}

async fn with_id(id: UploadId, carried: impl Future<Output = Outcome>) -> (UploadId, Outcome) {
    (id, carried.await)
}

fn progress(inner: &Inner, run: &mut Running) {
    inner.say(|board| {
        let landed = board.sent_bytes(&run.id);
        let sent_bytes = run.meter.sent().max(landed);
        run.rate.step(sent_bytes);
        let size = board.get(&run.id)?.file.map(|file| file.size);
        let live = board.live(&run.id);
        let total_bytes = size.unwrap_or(live.final_bytes).max(sent_bytes);
        let rate = run.rate.bytes_per_s;
        let known = rate >= 1.0 && size.is_some();
        let remaining_ms = known.then(|| ((total_bytes - sent_bytes) as f64 / rate * 1000.0) as u64);
        let progress = Progress { sent_bytes, total_bytes, rate_bps: (rate * 8.0) as u64, remaining_ms };
        let was = std::mem::replace(&mut live.progress, progress);
        (was != progress).then(|| What::Progress { id: run.id.clone(), progress })
    });
}

async fn ended_one(inner: &Arc<Inner>, run: Running, outcome: Option<Outcome>) {
    let Running { id, stopped, .. } = run;
    if let Some(Outcome::Failed(error)) = &outcome
        && let Err(error) = failed(inner, &id, error).await
    {
        // The list cannot be written: it is tried again all the same, from memory.
        tracing::error!(upload = %id, %error, "what became of an upload could not be written down");
        let wait = i64::try_from(inner.options.first_retry.as_millis()).unwrap_or(i64::MAX);
        let mut board = inner.board.lock();
        if let Some(mut row) = board.get(&id).cloned() {
            row.attempts += 1;
            row.next_try_ms = now_ms().saturating_add(wait);
            row.error = Some(error);
            board.put(row);
        }
    }
    {
        let mut board = inner.board.lock();
        if board.get(&id).is_some() {
            let live = board.live(&id);
            (live.running, live.verifying) = (false, false);
        }
    }
    inner.tell(&id);
    inner.wake.notify_one();
    drop(stopped);
}

async fn failed(inner: &Arc<Inner>, id: &UploadId, error: &StoreError) -> Result<(), ApiError> {
    let Some(row) = inner.board.lock().get(id).cloned() else { return Ok(()) };
    // What is in words already holds no secret, and asking for one may be what failed.
    let secret = match error {
        StoreError::Told(_) => None,
        _ => inner.secret(row.target()).await.ok(),
    };
    let (storage, identity) = (&row.target().profile.storage, inner.identity(row.target()));
    // New ones are taken with the next try.
    let lasts = error.lasts() && !(storage.machine_identity() && error.stale());
    let mut told = explained(error, storage, secret.as_ref(), identity).await;
    told.retryable |= !lasts;
    tracing::warn!(upload = %id, code = ?told.code, detail = %told.detail, "an upload failed and waits");
    if error.lasts() || matches!(error, StoreError::Unreachable(..)) {
        // A key or an address may have been corrected meanwhile.
        inner.close_remote(row.target());
    }
    let parts = {
        let mut board = inner.board.lock();
        let count = board.parts(id).map_or(0, std::collections::BTreeMap::len);
        let live = board.live(id);
        // The next run asks the store what it has: an answer may have been lost.
        live.confirmed = false;
        std::mem::replace(&mut live.parts_at_failure, count) < count
    };
    let attempts = if parts { 1 } else { row.attempts.saturating_add(1) };
    // Of the local file's faults the backup would suffer, too.
    let of_storage = !matches!(
        error,
        StoreError::FileGone | StoreError::Changed | StoreError::Forgotten | StoreError::Told(_)
    );
    let give_up = of_storage
        && row.backup.is_some()
        && row.stored.is_none()
        && (lasts || attempts >= inner.options.attempts_before_backup || row.main_error.is_some());
    if give_up {
        return to_other(inner, id, row, told).await;
    }
    let next_try_ms = now_ms() + wait_ms(&inner.options, attempts, lasts);
    inner
        .update(id, move |row| {
            row.attempts = attempts;
            row.next_try_ms = next_try_ms;
            row.error = Some(told);
        })
        .await
        .map(drop)
}

/// From the main storage to the backup; and back again where that fails as well, since nobody knows which
/// comes back first.
async fn to_other(inner: &Arc<Inner>, id: &UploadId, row: Row, mut told: ApiError) -> Result<(), ApiError> {
    if let (Some(multipart), Ok(remote)) = (row.multipart.clone(), inner.remote(row.target()).await) {
        let key = row.key().to_owned();
        // Its parts would cost rent. If it cannot be reached, they stay.
        tokio::spawn(async move { remote.abort(&key, &multipart).await });
    }
    let (detail, from_main) = (told.detail.clone(), !row.on_backup);
    if let (Some(main), false) = (&row.main_error, from_main) {
        told.detail = format!("primary: {main}\nbackup: {detail}");
    }
    let attempts = row.attempts.saturating_add(1);
    let first = row.main_error.is_none();
    let wait = if first { 0 } else { wait_ms(&inner.options, attempts, true) };
    inner
        .start_over(id, move |row| {
            row.on_backup = from_main;
            if from_main {
                row.main_error = Some(detail);
            }
            row.attempts = if first { 0 } else { attempts };
            row.next_try_ms = now_ms() + wait;
            row.error = Some(told);
        })
        .await
        .map(drop)
}

/// How long to wait: doubled each time, with full jitter, so that many files that failed together do not
/// come back together. What lasts is asked for less often from the start.
fn wait_ms(options: &Options, attempts: u32, lasts: bool) -> i64 {
    let longest = options.longest_retry.as_millis().max(1) as u64;
    let first = options.first_retry.as_millis().max(1) as u64;
    let doubled = first.saturating_mul(1 << attempts.saturating_sub(1).min(20)).min(longest);
    let upper = if lasts { longest } else { doubled };
    let lower = if lasts { longest / 2 } else { 0 };
    rand::rng().random_range(lower..=upper.max(lower)) as i64
}
