//! What a `tallylight-job` process does from its start to its exit.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use egress::error::ApiError;
use egress::fact::{ConnectionState, EgressStatus, Fact};
use egress::spec::Task;
use egress::wire::{LOCK_FILE, Launch};
use room::session::{RoomOptions, join};

use crate::job::Facts;
use crate::job::link::{FromStudio, Link};
use crate::job::log::EventLog;
use crate::job::signal::EndSignal;
use crate::job::{Joined, monitor, recording};

/// How long the process stays after its last fact, for the studio to read it.
const FAREWELL: Duration = Duration::from_millis(500);

/// How long to wait for the lock: a studio that looks at it has it for a moment.
const LOCK_WITHIN: Duration = Duration::from_secs(2);

/// What nobody but a living job has, or who completes the files of one that is dead. The system takes it from
/// a process that is killed, and no step of the clock touches it.
#[derive(Debug)]
pub struct FolderLock {
    /// Closed in every program that this one starts, so that none keeps the lock. None where the disk knows
    /// no locks: a recording is worth more than its lock.
    _file: Option<File>,
}

impl FolderLock {
    /// Takes the lock in a job's folder.
    ///
    /// # Errors
    /// Somebody else has it.
    pub fn take(folder: &Path) -> std::io::Result<Self> {
        let until = Instant::now() + LOCK_WITHIN;
        let path = folder.join(LOCK_FILE);
        let file = match OpenOptions::new().create(true).append(true).open(&path) {
            Ok(file) => file,
            Err(error) => return Ok(Self::without(&error)),
        };
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: Some(file) }),
                Err(TryLockError::WouldBlock) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(TryLockError::WouldBlock) => {
                    let text = format!("{} is held by another process", path.display());
                    return Err(std::io::Error::new(std::io::ErrorKind::WouldBlock, text));
                }
                Err(TryLockError::Error(error)) => return Ok(Self::without(&error)),
            }
        }
    }

    fn without(error: &std::io::Error) -> Self {
        tracing::warn!(%error, "the job goes without its lock");
        Self { _file: None }
    }
}

/// Does what `launch` says.
///
/// # Errors
/// If the job's folder cannot be used. Everything else is told as facts.
pub async fn run(launch: Launch) -> std::io::Result<()> {
    let mut facts = Facts::new(EventLog::open(&launch.folder)?);
    let mut link = Link::listen(&launch.folder)?;
    facts.record(Fact::Started { pid: std::process::id() });
    facts.record(Fact::Connection { state: ConnectionState::Connecting });

    let options = RoomOptions::new(launch.spec.url.clone(), launch.token.clone());
    match joined(options, &mut facts, &mut link).await {
        Ok(None) => facts.record(Fact::Ended { status: EgressStatus::Aborted, error: None }),
        Ok(Some((room, events))) => {
            let leaving = room.clone();
            match launch.spec.task.clone() {
                Task::Egress(spec) => {
                    recording::run(&launch.spec, spec, (room, events), &mut facts, &mut link).await;
                }
                Task::Monitor(spec) => monitor::run(spec, (room, events), &mut facts, &mut link).await,
            }
            leaving.leave().await;
        }
        Err(error) => {
            facts.record(Fact::Connection { state: ConnectionState::Disconnected });
            facts.record(Fact::Ended { status: EgressStatus::Failed, error: Some(error) });
        }
    }
    facts.tell(&link);
    if link.connected() {
        // Until the studio has taken the last facts and gone, or a moment.
        let gone = async { while !matches!(link.next().await, FromStudio::Gone) {} };
        let _ = tokio::time::timeout(FAREWELL, gone).await;
    }
    Ok(())
}

/// Joins; none: told to stop meanwhile.
async fn joined(
    options: RoomOptions,
    facts: &mut Facts,
    link: &mut Link,
) -> Result<Option<Joined>, ApiError> {
    let joining = join(options);
    tokio::pin!(joining);
    let mut end = EndSignal::new();
    loop {
        tokio::select! {
            joined = &mut joining => {
                let (room, events) = joined?;
                facts.record(Fact::RoomJoined { room_sid: room.roster().room_sid.clone() });
                facts.record(Fact::Connection { state: ConnectionState::Connected });
                facts.tell(link);
                link.release();
                return Ok(Some((room, events)));
            }
            from = link.next() => match from {
                FromStudio::Connected { after } => facts.tell_after(after, link),
                FromStudio::Command(egress::wire::ToJob::Stop { request }) => {
                    link.reply(request, None);
                    return Ok(None);
                }
                // Commands before the join are for a job that knows its room: answered as soon as it does.
                FromStudio::Command(command) => link.put_back(command),
                FromStudio::Gone => {}
            },
            () = end.wait() => return Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_has_the_lock_and_no_child_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        let lock = FolderLock::take(dir.path()).unwrap();
        assert_eq!(FolderLock::take(dir.path()).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        drop(lock);
        let again = FolderLock::take(dir.path());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(again.is_ok());
    }

    #[test]
    fn a_folder_that_cannot_be_written_stops_no_job() {
        let dir = tempfile::tempdir().unwrap();
        assert!(FolderLock::take(&dir.path().join("gone")).is_ok());
    }
}
