//! A job's process: its folder, its start, whether it lives.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use egress::wire::{Launch, SOCKET_FILE};
use sysinfo::{Pid, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, Signal, System};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use crate::error::SpawnError;

/// What a job process says outside its own log, for instance as it crashes.
const STDERR_FILE: &str = "stderr.log";

/// How often a process that is not our child is looked at.
const WATCH_EVERY: Duration = Duration::from_millis(250);

/// Longest path of a Unix socket, its closing NUL left out: 108 bytes on Linux, 104 on macOS and the BSDs.
const MAX_SOCKET_PATH: usize = 103;

/// Finds the `tallylight-job` program.
pub(crate) fn find_program(given: Option<PathBuf>) -> PathBuf {
    let name = format!("tallylight-job{}", std::env::consts::EXE_SUFFIX);
    given
        .or_else(|| std::env::var_os("TALLYLIGHT_JOB").filter(|path| !path.is_empty()).map(PathBuf::from))
        .or_else(|| std::env::current_exe().ok().map(|exe| exe.with_file_name(&name)))
        .unwrap_or_else(|| PathBuf::from(name))
}

/// A job's own folder.
#[derive(Debug, Clone)]
pub(crate) struct JobFolder {
    /// Where it is, on the disk that survives a reboot.
    pub(crate) path: PathBuf,
    /// The name by which the job and we reach its socket: the folder itself, or a link to it where the
    /// path would be too long for a socket.
    pub(crate) short: PathBuf,
}

impl JobFolder {
    /// Makes the folder, closed to other users, with its link if it needs one. Also right for a folder
    /// that is there already and has lost its link with a reboot.
    pub(crate) fn open(path: PathBuf) -> Result<Self, SpawnError> {
        make_private(&path).map_err(|source| SpawnError::Folder { path: path.clone(), source })?;
        #[cfg(unix)]
        if path.as_os_str().len() + 1 + SOCKET_FILE.len() > MAX_SOCKET_PATH {
            let short = link_to(&path).map_err(|source| SpawnError::Folder { path: path.clone(), source })?;
            return Ok(Self { path, short });
        }
        Ok(Self { short: path.clone(), path })
    }

    /// Takes the folder and its link away.
    pub(crate) fn remove(&self) {
        if self.short != self.path {
            let _ = std::fs::remove_file(&self.short);
        }
        if let Err(error) = std::fs::remove_dir_all(&self.path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %self.path.display(), %error, "a job's folder stays");
        }
    }

    /// The last words of the process on its standard error.
    pub(crate) fn last_words(&self) -> String {
        let Ok(text) = std::fs::read(self.path.join(STDERR_FILE)) else { return String::new() };
        let text = String::from_utf8_lossy(&text);
        let mut lines: Vec<&str> =
            text.lines().rev().filter(|line| !line.trim().is_empty()).take(4).collect();
        lines.reverse();
        lines.join(" / ")
    }
}

/// Makes a folder that only its owner may enter.
pub(crate) fn make_private(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
        builder.mode(0o700).create(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
    }
    #[cfg(not(unix))]
    builder.create(path)
}

/// A short name for a folder: a link in the runtime folder of the user. It lives no longer than the
/// processes that use it, so that it may be lost with a reboot.
#[cfg(unix)]
fn link_to(folder: &Path) -> std::io::Result<PathBuf> {
    use std::os::unix::fs::MetadataExt;

    let owner = std::fs::metadata(folder)?.uid();
    let base = match dirs::runtime_dir().filter(|dir| dir.is_dir() && dir.as_os_str().len() < 48) {
        Some(dir) => dir.join("tallylight"),
        None => PathBuf::from("/tmp").join(format!("tallylight-{owner}")),
    };
    make_private(&base)?;
    let real = std::fs::symlink_metadata(&base)?;
    if !real.is_dir() || real.uid() != owner {
        return Err(std::io::Error::new(
            std::io::ErrorKind::PermissionDenied,
            format!("{} belongs to somebody else", base.display()),
        ));
    }
    let link = base.join(folder.file_name().unwrap_or_default());
    match std::fs::read_link(&link) {
        Ok(target) if target == folder => return Ok(link),
        Ok(_) => std::fs::remove_file(&link)?,
        Err(_) => {}
    }
    std::os::unix::fs::symlink(folder, &link)?;
    Ok(link)
}

/// A process by its id and the second it started in: an id alone may have gone to another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcessId {
    pub(crate) pid: u32,
    /// Unix time, s; none where the system did not tell.
    pub(crate) started_s: Option<u64>,
}

/// A job's process, ours or one that an earlier studio started.
pub(crate) enum Process {
    Child { child: Box<Child>, id: ProcessId },
    Adopted(ProcessId),
}

/// How a process ended, as far as it can be known.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Exit {
    Status(ExitStatus),
    /// It was not our child: it is gone.
    Unknown,
}

impl Process {
    /// Starts a job process in a process group of its own, and hands it its job.
    pub(crate) async fn spawn(
        program: &Path,
        launch: &Launch,
        folder: &JobFolder,
    ) -> Result<Self, SpawnError> {
        let stderr = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.path.join(STDERR_FILE))
            .map_err(|source| SpawnError::Folder { path: folder.path.clone(), source })?;
        let mut command = Command::new(program);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(stderr).kill_on_drop(false);
        #[cfg(unix)]
        command.process_group(0);
        #[cfg(windows)]
        {
            // CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW
            command.creation_flags(0x0000_0200 | 0x0800_0000);
        }
        let mut child =
            command.spawn().map_err(|source| SpawnError::Program { path: program.to_owned(), source })?;
        let pid = child.id().expect("a child that was not waited for has an id");
        let mut stdin = child.stdin.take().expect("the standard input was asked for");
        let launch = serde_json::to_vec(launch).expect("a launch is plain data with text keys");
        stdin.write_all(&launch).await.map_err(SpawnError::Launch)?;
        stdin.shutdown().await.map_err(SpawnError::Launch)?;
        drop(stdin);
        let id = ProcessId { pid, started_s: start_time_s(pid) };
        Ok(Self::Child { child: Box::new(child), id })
    }

    pub(crate) fn id(&self) -> ProcessId {
        match self {
            Self::Child { id, .. } | Self::Adopted(id) => *id,
        }
    }

    /// Waits for the end of the process. Cancel safe.
    pub(crate) async fn gone(&mut self) -> Exit {
        match self {
            Self::Child { child, .. } => match child.wait().await {
                Ok(status) => Exit::Status(status),
                Err(_) => Exit::Unknown,
            },
            Self::Adopted(id) => {
                while alive(*id) {
                    tokio::time::sleep(WATCH_EVERY).await;
                }
                Exit::Unknown
            }
        }
    }

    /// Ends the process at once.
    pub(crate) fn kill(&mut self) {
        match self {
            Self::Child { child, .. } => {
                let _ = child.start_kill();
            }
            Self::Adopted(id) => {
                signal(*id, Signal::Kill);
            }
        }
    }
}

/// Whether this very process lives.
pub(crate) fn alive(id: ProcessId) -> bool {
    with_process(id.pid, |process| {
        !matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead) && same(process, id)
    })
    .unwrap_or(false)
}

fn signal(id: ProcessId, signal: Signal) {
    with_process(id.pid, |process| {
        if same(process, id) {
            process.kill_with(signal);
        }
    });
}

/// The start time is computed from the boot time, which the clock's corrections move a little.
fn same(process: &sysinfo::Process, id: ProcessId) -> bool {
    id.started_s.is_none_or(|started| process.start_time().abs_diff(started) <= 2)
}

fn start_time_s(pid: u32) -> Option<u64> {
    with_process(pid, sysinfo::Process::start_time).filter(|&seconds| seconds > 0)
}

fn with_process<T>(pid: u32, look: impl FnOnce(&sysinfo::Process) -> T) -> Option<T> {
    let pid = Pid::from_u32(pid);
    let mut system = System::new();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, ProcessRefreshKind::nothing());
    system.process(pid).map(look)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_its_number_with_another_start_does_not() {
        let pid = std::process::id();
        let started_s = start_time_s(pid);
        assert!(started_s.is_some());
        assert!(alive(ProcessId { pid, started_s }));
        assert!(!alive(ProcessId { pid, started_s: Some(started_s.unwrap() - 1000) }));
    }

    #[cfg(unix)]
    #[test]
    fn a_long_folder_gets_a_short_name_and_keeps_its_files() {
        use std::os::unix::fs::PermissionsExt;

        let dir = tempfile::tempdir().unwrap();
        let id = egress::id::EgressId::random();
        let long = dir.path().join("x".repeat(120)).join(id.as_str());
        let folder = JobFolder::open(long.clone()).unwrap();
        assert_ne!(folder.short, long);
        assert!(folder.short.as_os_str().len() + 1 + SOCKET_FILE.len() <= MAX_SOCKET_PATH);
        std::fs::write(folder.short.join("a"), "b").unwrap();
        assert_eq!(std::fs::read(long.join("a")).unwrap(), b"b");
        assert_eq!(std::fs::metadata(&long).unwrap().permissions().mode() & 0o777, 0o700);
        std::os::unix::net::UnixListener::bind(folder.short.join(SOCKET_FILE)).unwrap();
        assert_eq!(JobFolder::open(long.clone()).unwrap().short, folder.short);
        folder.remove();
        assert!(!long.exists() && std::fs::symlink_metadata(&folder.short).is_err());
    }
}
