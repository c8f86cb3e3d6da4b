//! What a job says of itself. A fact is on the disk before the studio is told of it; the job's loop waits for neither:
//! a thread of its own writes, and the loop sends on what has been written.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{Event, Fact};
use parking_lot::{Condvar, Mutex};
use room::clock::Clock;
use tokio::sync::watch;

use crate::job::link::Link;
use crate::job::log::EventLog;
use crate::output::worker::Worker;

/// Facts that a disk does not take are told all the same after this time, ns: the operator reads of that disk with them.
const PATIENCE_NS: i64 = 2_000_000_000;

/// So many facts that were told are kept. A studio that wants older ones waits until they are read from the disk.
const KEPT: usize = 256;

/// The facts of a job, and how far the studio knows them.
#[derive(Debug)]
pub struct Facts {
    recorder: Recorder,
    settled: watch::Receiver<u64>,
    told: u64,
    /// Whether it was said that the disk with them does not answer.
    stuck_told: bool,
    _writer: Worker,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// The newest facts, and all that were not told.
    events: VecDeque<Event>,
    /// So many came before those.
    gone: u64,
    /// So many of all were written, or refused by the disk.
    settled: u64,
    /// Those after this one are wanted, and are not here.
    recall: Option<u64>,
    /// Those up to this one cannot be read again.
    unreadable: u64,
    /// How long the computer slept so far, which the clock does not know, ns.
    slept_ns: i64,
    closed: bool,
}

/// Records facts from other threads.
#[derive(Debug, Clone)]
pub struct Recorder {
    shared: Arc<Shared>,
    clock: Clock,
}

impl State {
    fn last(&self) -> u64 {
        self.gone + self.events.len() as u64
    }

    /// The facts after `seq`, up to `until`.
    fn after(&self, seq: u64, until: u64) -> impl Iterator<Item = &Event> {
        let at = |seq: u64| seq.saturating_sub(self.gone) as usize;
        self.events.range(at(seq).min(at(until))..at(until))
    }
}

impl Recorder {
    /// Records a fact. It is on the disk soon.
    pub fn record(&self, fact: Fact) {
        let mut state = self.shared.state.lock();
        let at_ns = self.clock.now_ns() + state.slept_ns;
        let event = Event { seq: state.last() + 1, at_ns, fact };
        tracing::info!(seq = event.seq, fact = ?event.fact, "fact");
        state.events.push_back(event);
        self.shared.changed.notify_all();
    }

    /// Records a fact; it is on the disk when this returns, or the disk has refused it. Not for the job's loop.
    pub fn record_first(&self, fact: Fact) {
        self.record(fact);
        let mut state = self.shared.state.lock();
        let seq = state.last();
        while state.settled < seq {
            self.shared.changed.wait(&mut state);
        }
    }
}

impl Facts {
    /// Goes on with what is in the job's folder.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn open(folder: &Path, clock: Clock) -> io::Result<Self> {
        let (log, events) = EventLog::open(folder)?;
        let known = events.len() as u64;
        let state = State {
            events: VecDeque::new(),
            gone: known,
            settled: known,
            recall: None,
            unreadable: 0,
            slept_ns: 0,
            closed: false,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let (tell, settled) = watch::channel(known);
        let writer = shared.clone();
        let writer = Worker::start("facts", move || write(&writer, log, &tell));
        Ok(Self {
            recorder: Recorder { shared, clock },
            settled,
            told: known,
            stuck_told: false,
            _writer: writer,
        })
    }

    /// Records a fact. It is on the disk soon.
    pub fn record(&mut self, fact: Fact) {
        self.recorder.record(fact);
    }

    /// The computer slept for so long: what is recorded from now on is that much later than the clock says, ns.
    pub fn slept(&mut self, ns: i64) {
        self.recorder.shared.state.lock().slept_ns += ns;
    }

    /// How long the computer slept so far, ns.
    pub fn slept_ns(&self) -> i64 {
        self.recorder.shared.state.lock().slept_ns
    }

    /// Records facts from other threads.
    pub fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// Sends what the studio has not been sent and is on the disk.
    pub fn tell(&mut self, link: &Link) {
        self.due().iter().for_each(|event| link.event(event));
    }

    /// What is told now.
    fn due(&mut self) -> Vec<Event> {
        let mut state = self.recorder.shared.state.lock();
        let now_ns = self.recorder.clock.now_ns() + state.slept_ns;
        let waits = state.after(state.settled, state.last()).next();
        let stuck = waits.is_some_and(|event| now_ns - event.at_ns > PATIENCE_NS);
        self.told = self.told.max(state.unreadable);
        if self.told < state.gone {
            // In order: what is newer waits for what is older.
            state.recall = Some(self.told);
            self.recorder.shared.changed.notify_all();
            return Vec::new();
        }
        let until = if stuck { state.last() } else { state.settled };
        let due: Vec<Event> = state.after(self.told, until).cloned().collect();
        self.told = self.told.max(until);
        let done = self.told.min(state.settled);
        while state.events.len() > KEPT && state.gone < done {
            state.events.pop_front();
            state.gone += 1;
        }
        drop(state);
        if stuck && !std::mem::replace(&mut self.stuck_told, true) {
            self.record(Fact::Warning { warning: stuck_disk() });
        }
        self.stuck_told &= stuck;
        due
    }

    /// A studio came that has the facts up to `seq`.
    pub fn tell_after(&mut self, seq: u64, link: &Link) {
        self.told = seq;
        self.tell(link);
    }

    /// Comes back when more is on the disk. Safe to cancel.
    pub async fn more(&mut self) {
        if self.settled.changed().await.is_err() {
            // The writer has died: what is told late is told by patience.
            std::future::pending::<()>().await;
        }
    }

    /// Waits until all is on the disk, or for so long.
    pub async fn flush(&mut self, within: Duration) {
        let last = self.recorder.shared.state.lock().last();
        let written = self.settled.wait_for(|settled| *settled >= last);
        if tokio::time::timeout(within, written).await.is_err() {
            tracing::error!("the disk with the job's log does not answer");
        }
    }
}

impl Drop for Facts {
    fn drop(&mut self) {
        self.recorder.shared.state.lock().closed = true;
        self.recorder.shared.changed.notify_all();
    }
}

fn write(shared: &Shared, mut log: EventLog, tell: &watch::Sender<u64>) {
    loop {
        let (waiting, recall): (Vec<Event>, _) = {
            let mut state = shared.state.lock();
            while state.settled == state.last() && state.recall.is_none() {
                if state.closed {
                    return;
                }
                shared.changed.wait(&mut state);
            }
            (state.after(state.settled, state.last()).cloned().collect(), state.recall)
        };
        if let Some(seq) = recall {
            recalled(shared, log.read(), seq);
        }
        if let Err(error) = log.append(&waiting) {
            tracing::error!(%error, "the log of facts could not be written");
        }
        let mut state = shared.state.lock();
        state.settled += waiting.len() as u64;
        shared.changed.notify_all();
        tell.send_replace(state.settled);
    }
}

/// Facts were read again that are not here any more.
fn recalled(shared: &Shared, read: io::Result<Vec<Event>>, after: u64) {
    let read = read.inspect_err(|error| tracing::error!(%error, "the log of facts could not be read"));
    let mut state = shared.state.lock();
    state.recall = None;
    let gone = state.gone;
    let older = read.unwrap_or_default().into_iter().filter(|event| event.seq > after && event.seq <= gone);
    let older: Vec<Event> = older.collect();
    if older.len() as u64 == gone.saturating_sub(after) {
        state.gone = gone.min(after);
        older.into_iter().rev().for_each(|event| state.events.push_front(event));
    } else {
        // A disk that does not give them back must not keep newer ones from being told.
        state.unreadable = gone;
    }
}

fn stuck_disk() -> ApiError {
    ApiError::new(
        ErrorCode::Storage,
        Fault::Environment,
        "The disk with Tallylight's own data does not answer. Recordings on other disks go on.",
        "Check that disk. If this computer stops now, its next start may not know of everything that was recorded.",
    )
}

#[cfg(test)]
mod tests {
    use egress::wire::EVENTS_FILE;

    use super::*;

    #[tokio::test]
    async fn facts_are_written_in_order_and_are_all_there_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let mut facts = Facts::open(dir.path(), Clock::start()).unwrap();
        for pid in 0..500 {
            facts.record(Fact::Started { pid });
            if pid % 100 == 7 {
                facts.recorder().record_first(Fact::Armed);
                assert!(std::fs::read(dir.path().join(EVENTS_FILE)).unwrap().ends_with(b"\n"));
                assert_eq!(EventLog::open(dir.path()).unwrap().1.last().unwrap().fact, Fact::Armed);
            }
        }
        facts.flush(Duration::from_secs(60)).await;
        let (_, events) = EventLog::open(dir.path()).unwrap();
        assert_eq!(events.len(), 505);
        let pids = events.iter().filter_map(|event| match event.fact {
            Fact::Started { pid } => Some(pid),
            _ => None,
        });
        assert!(pids.eq(0..500));
        // The next process goes on behind them.
        drop(facts);
        let facts = Facts::open(dir.path(), Clock::start()).unwrap();
        facts.recorder().record_first(Fact::Armed);
        assert_eq!(EventLog::open(dir.path()).unwrap().1.last().unwrap().seq, 506);
    }

    #[tokio::test]
    async fn what_was_told_is_let_go_of_and_told_again_to_a_studio_that_comes_anew() {
        let dir = tempfile::tempdir().unwrap();
        let mut facts = Facts::open(dir.path(), Clock::start()).unwrap();
        let mut told = Vec::new();
        for pid in 0..2000 {
            facts.record(Fact::Started { pid });
            told.extend(facts.due());
        }
        facts.flush(Duration::from_secs(60)).await;
        told.extend(facts.due());
        let seqs = |events: &[Event]| events.iter().map(|event| event.seq).collect::<Vec<_>>();
        assert_eq!(seqs(&told), (1..=2000).collect::<Vec<_>>());
        assert_eq!(facts.recorder.shared.state.lock().events.len(), KEPT);
        // One comes that knows ten, and more happens meanwhile.
        facts.told = 10;
        let mut again = facts.due();
        facts.record(Fact::Armed);
        while again.last().is_none_or(|event| event.seq < 2001) {
            facts.more().await;
            again.extend(facts.due());
        }
        assert_eq!(seqs(&again), (11..=2001).collect::<Vec<_>>());
        assert_eq!(again[0].fact, told[10].fact);
        assert_eq!(facts.recorder.shared.state.lock().events.len(), KEPT);
        // Its log was taken away: it is told what there is.
        std::fs::remove_file(dir.path().join(EVENTS_FILE)).unwrap();
        facts.told = 0;
        let mut rest = facts.due();
        while rest.is_empty() {
            facts.more().await;
            rest = facts.due();
        }
        assert_eq!(seqs(&rest), (2001 - KEPT as u64 + 1..=2001).collect::<Vec<_>>());
    }
}
