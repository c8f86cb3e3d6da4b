//! What a job says of itself. A fact is on the disk before the studio is told of it; the job's loop waits for neither:
//! a thread of its own writes, and the loop sends on what has been written.

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
    events: Vec<Event>,
    /// So many of them were written, or refused by the disk.
    settled: u64,
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

impl Recorder {
    /// Records a fact. It is on the disk soon.
    pub fn record(&self, fact: Fact) {
        let mut state = self.shared.state.lock();
        let at_ns = self.clock.now_ns() + state.slept_ns;
        let event = Event { seq: state.events.len() as u64 + 1, at_ns, fact };
        tracing::info!(seq = event.seq, fact = ?event.fact, "fact");
        state.events.push(event);
        self.shared.changed.notify_all();
    }

    /// Records a fact; it is on the disk when this returns, or the disk has refused it. Not for the job's loop.
    pub fn record_first(&self, fact: Fact) {
        self.record(fact);
        let mut state = self.shared.state.lock();
        let seq = state.events.len() as u64;
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
        let state = State { events, settled: known, slept_ns: 0, closed: false };
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
        let state = self.recorder.shared.state.lock();
        let now_ns = self.recorder.clock.now_ns() + state.slept_ns;
        let waits = state.events.get(state.settled as usize);
        let stuck = waits.is_some_and(|event| now_ns - event.at_ns > PATIENCE_NS);
        let until = if stuck { state.events.len() } else { state.settled as usize };
        for event in state.events.get(self.told as usize..until).unwrap_or_default() {
            link.event(event);
            self.told = event.seq;
        }
        drop(state);
        if stuck && !std::mem::replace(&mut self.stuck_told, true) {
            self.record(Fact::Warning { warning: stuck_disk() });
        }
        self.stuck_told &= stuck;
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
        let last = self.recorder.shared.state.lock().events.len() as u64;
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
        let waiting = {
            let mut state = shared.state.lock();
            while state.settled == state.events.len() as u64 {
                if state.closed {
                    return;
                }
                shared.changed.wait(&mut state);
            }
            state.events[state.settled as usize..].to_vec()
        };
        if let Err(error) = log.append(&waiting) {
            tracing::error!(%error, "the log of facts could not be written");
        }
        let mut state = shared.state.lock();
        state.settled += waiting.len() as u64;
        shared.changed.notify_all();
        tell.send_replace(state.settled);
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
}
