//! The lock in a job's folder, which says that the job lives.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::FileResult;
use egress::wire::LOCK_FILE;

use crate::output::repair::repair;

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

/// Repairs a file of the job whose folder is `job`, as [`repair`] does, if that job is dead.
///
/// # Errors
/// If the job lives, and for all of [`repair`]'s reasons.
pub fn repair_of_dead(path: &Path, job: &Path) -> Result<FileResult, ApiError> {
    let _lock = FolderLock::take(job).map_err(|error| {
        ApiError::new(
            ErrorCode::FailedPrecondition,
            Fault::Environment,
            format!("{} is still being written.", path.display()),
            "Wait until its recording has ended.",
        )
        .with_detail(error)
    })?;
    repair(path)
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

    #[test]
    fn the_file_of_a_living_job_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.mp4");
        std::fs::write(&file, b"").unwrap();
        let lock = FolderLock::take(dir.path()).unwrap();
        let refused = repair_of_dead(&file, dir.path()).unwrap_err();
        assert_eq!(refused.code, ErrorCode::FailedPrecondition);
        assert!(file.exists());
        drop(lock);
        // An empty file of a dead job is taken away.
        assert_eq!(repair_of_dead(&file, dir.path()).unwrap_err().code, ErrorCode::Storage);
        assert!(!file.exists());
    }
}
