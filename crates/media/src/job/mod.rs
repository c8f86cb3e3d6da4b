//! The program of a `tallylight-job` process: it joins a room, and either takes a selection of it to
//! outputs ([`recording`]) or shows it to the window ([`monitor`]). The studio may go and come back.

pub mod awake;
pub mod cache;
pub mod clock;
pub mod decoders;
pub mod ending;
pub mod engine;
pub mod feed;
pub mod first_picture;
pub mod full_size;
pub mod health;
pub mod ingest;
pub mod lanes;
pub mod levels;
pub mod link;
pub mod lock;
pub mod log;
pub mod monitor;
pub mod outputs;
pub mod preview;
pub mod process;
pub mod recording;
pub mod shape;
pub mod signal;
pub mod usage;
pub mod watch;

use ::egress::fact::Fact;
use room::event::RoomEvent;
use room::session::Room;
use tokio::sync::mpsc;

use crate::job::link::Link;
use crate::job::log::EventLog;

/// A joined room.
pub type Joined = (Room, mpsc::Receiver<RoomEvent>);

/// Where facts go: into the job's log, and from there to the studio.
#[derive(Debug)]
pub struct Facts {
    log: EventLog,
    told: u64,
}

impl Facts {
    /// Facts into `log`.
    pub fn new(log: EventLog) -> Self {
        let told = log.after(0).len() as u64;
        Self { log, told }
    }

    /// Records a fact; it is on the disk when this returns.
    pub fn record(&mut self, fact: Fact) {
        let (event, written) = self.log.append(fact);
        tracing::info!(seq = event.seq, fact = ?event.fact, "fact");
        if let Err(error) = written {
            tracing::error!(%error, "the log of facts could not be written");
        }
    }

    /// Sends what the studio has not been sent.
    pub fn tell(&mut self, link: &Link) {
        for event in self.log.after(self.told) {
            link.event(event);
            self.told = event.seq;
        }
    }

    /// A studio came that has the facts up to `seq`.
    pub fn tell_after(&mut self, seq: u64, link: &Link) {
        self.told = seq;
        self.tell(link);
    }
}
