//! A job's process together with the connection to it: connects, and connects again, for as long as the
//! process lives.

use std::collections::VecDeque;
use std::time::Duration;

use egress::wire::ToJob;
use tokio::time::Instant;

use crate::link::{Link, Said};
use crate::process::{Exit, JobFolder, Process, ProcessId};

/// First wait between two tries to connect; a job listens some 50 ms after its start.
const RETRY_FIRST: Duration = Duration::from_millis(5);
/// Longest wait between two tries.
const RETRY_LONGEST: Duration = Duration::from_millis(500);
/// Commands that wait for a connection.
const MAX_WAITING: usize = 64;

/// What comes of listening to a job.
pub(crate) enum Heard {
    Said(Said),
    /// The connection broke, and the process may still live; commands that were sent may be lost.
    Cut,
    /// The process is gone. Nothing more comes.
    Gone(Exit),
}

/// A job's process and the connection to it.
pub(crate) struct Conversation {
    process: Process,
    folder: JobFolder,
    link: Option<Link>,
    waiting: VecDeque<ToJob>,
    /// The job has said its last word.
    over: bool,
    retry_in: Duration,
    retry_at: Instant,
}

impl Conversation {
    pub(crate) fn new(process: Process, folder: JobFolder) -> Self {
        Self {
            process,
            folder,
            link: None,
            waiting: VecDeque::new(),
            over: false,
            retry_in: RETRY_FIRST,
            retry_at: Instant::now(),
        }
    }

    pub(crate) fn process_id(&self) -> ProcessId {
        self.process.id()
    }

    /// Closes the connection after the job's last fact: the process waits for that, to be sure that we have
    /// it, and goes.
    pub(crate) fn hang_up(&mut self) {
        self.over = true;
        self.link = None;
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Sends a command, or keeps it until there is a connection. False: the job does not take commands.
    pub(crate) fn send(&mut self, command: ToJob) -> bool {
        match &self.link {
            Some(link) => link.send(command).is_ok(),
            None if self.waiting.len() < MAX_WAITING => {
                self.waiting.push_back(command);
                true
            }
            None => false,
        }
    }

    /// Waits for what comes next. `after` is the last fact we have. Cancel safe.
    pub(crate) async fn next(&mut self, after: u64) -> Heard {
        loop {
            if let Some(link) = &mut self.link {
                tokio::select! {
                    // What was said comes before the end of who said it.
                    biased;
                    said = link.next() => match said {
                        Some(said) => return Heard::Said(said),
                        None => {
                            self.link = None;
                            self.retry_at = Instant::now() + self.retry_in;
                            return Heard::Cut;
                        }
                    },
                    exit = self.process.gone(&self.folder) => return Heard::Gone(exit),
                }
            }
            tokio::select! {
                exit = self.process.gone(&self.folder) => return Heard::Gone(exit),
                () = tokio::time::sleep_until(self.retry_at), if !self.over => {}
            }
            match Link::connect(&self.folder.short).await {
                Ok(link) => {
                    let greeted = link.send(ToJob::Hello { after }).is_ok();
                    let told = greeted && self.waiting.drain(..).all(|command| link.send(command).is_ok());
                    if told {
                        self.link = Some(link);
                        self.retry_in = RETRY_FIRST;
                        continue;
                    }
                }
                Err(error) => tracing::trace!(%error, "job link"),
            }
            self.retry_at = Instant::now() + self.retry_in;
            self.retry_in = (self.retry_in * 2).min(RETRY_LONGEST);
        }
    }
}
