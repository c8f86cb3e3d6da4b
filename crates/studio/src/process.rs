//! A job's process: its folder, its start, whether it lives.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use egress::wire::{LOCK_FILE, Launch, SCREEN_KEY_FILE, SOCKET_FILE};
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

    /// Whether a job lives here, or somebody repairs its files. False where it cannot be known: a disk may
    /// know no locks, and jobs of earlier versions took none.
    pub(crate) fn locked(&self) -> bool {
        let Ok(file) = std::fs::File::open(self.path.join(LOCK_FILE)) else { return false };
        matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock))
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

/// A process by its id and its birth: an id alone may have gone to another program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProcessId {
    pub(crate) pid: u32,
    pub(crate) birth: Birth,
}

/// When a process began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Birth {
    /// The boot and the tick of it, as the kernel counts them: no step of the clock moves it.
    Mark(String),
    /// Unix time, s. On Linux, whose earlier versions of the journal have it, a step of the clock moves it.
    Clock(u64),
    /// The system did not tell.
    Unknown,
}

impl ProcessId {
    /// The process that has this id now.
    pub(crate) fn of(pid: u32) -> Self {
        let started_s = || with_process(pid, sysinfo::Process::start_time).filter(|&seconds| seconds > 0);
        let birth =
            mark(pid).map(Birth::Mark).or_else(|| started_s().map(Birth::Clock)).unwrap_or(Birth::Unknown);
        Self { pid, birth }
    }
}

/// The mark of a process, where the system has one: Linux.
fn mark(pid: u32) -> Option<String> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name in parentheses, which may hold spaces and more parentheses; the start is the
    // 22nd.
    let after_name = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let ticks = std::str::from_utf8(&stat[after_name..]).ok()?.split_ascii_whitespace().nth(19)?;
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(format!("{} {ticks}", boot.trim()))
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
        // X clients know the key of their screen from nowhere else, and a job cannot set it for itself.
        command.env("XAUTHORITY", folder.short.join(SCREEN_KEY_FILE));
        // The operator's own screen is nothing that a job may ever draw on or see.
        for screen in ["DISPLAY", "WAYLAND_DISPLAY"] {
            command.env_remove(screen);
        }
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
        Ok(Self::Child { child: Box::new(child), id: ProcessId::of(pid) })
    }

    pub(crate) fn id(&self) -> ProcessId {
        match self {
            Self::Child { id, .. } | Self::Adopted(id) => id.clone(),
        }
    }

    /// Waits for the end of the process, and of whoever else still writes for the job in this folder.
    /// Cancel safe.
    pub(crate) async fn gone(&mut self, folder: &JobFolder) -> Exit {
        let exit = match self {
            Self::Child { child, .. } => match child.wait().await {
                Ok(status) => Exit::Status(status),
                Err(_) => Exit::Unknown,
            },
            Self::Adopted(id) => {
                while alive(id) {
                    tokio::time::sleep(WATCH_EVERY).await;
                }
                Exit::Unknown
            }
        };
        while folder.locked() {
            tokio::time::sleep(WATCH_EVERY).await;
        }
        exit
    }

    /// Ends the process at once.
    pub(crate) fn kill(&mut self) {
        match self {
            Self::Child { child, .. } => {
                let _ = child.start_kill();
            }
            Self::Adopted(id) => {
                signal(id, Signal::Kill);
            }
        }
    }
}

/// Whether this very process lives.
pub(crate) fn alive(id: &ProcessId) -> bool {
    with_process(id.pid, |process| runs(process) && same(process, id)).unwrap_or(false)
}

/// Whether any process of this number lives.
pub(crate) fn number_alive(pid: u32) -> bool {
    with_process(pid, runs).unwrap_or(false)
}

fn runs(process: &sysinfo::Process) -> bool {
    !matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead)
}

fn signal(id: &ProcessId, signal: Signal) {
    with_process(id.pid, |process| {
        if same(process, id) {
            process.kill_with(signal);
        }
    });
}

fn same(process: &sysinfo::Process, id: &ProcessId) -> bool {
    match &id.birth {
        Birth::Mark(born) => mark(id.pid).as_ref() == Some(born),
        // The clock's small corrections move it a little.
        Birth::Clock(started_s) => process.start_time().abs_diff(*started_s) <= 2,
        // It may be anybody: its lock and its socket have to tell.
        Birth::Unknown => false,
    }
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
        let id = ProcessId::of(pid);
        assert_ne!(id.birth, Birth::Unknown);
        assert!(alive(&id));
        let started_s = with_process(pid, sysinfo::Process::start_time).unwrap();
        assert!(alive(&ProcessId { pid, birth: Birth::Clock(started_s) }));
        assert!(!alive(&ProcessId { pid, birth: Birth::Clock(started_s - 1000) }));
        assert!(!alive(&ProcessId { pid, birth: Birth::Mark("another".into()) }));
        assert!(!alive(&ProcessId { pid, birth: Birth::Unknown }) && number_alive(pid));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_is_known_by_what_a_step_of_the_clock_does_not_move() {
        let started = |name: &str| {
            // The kernel tells the name of a process as it is.
            let dir = tempfile::tempdir().unwrap();
            let program = dir.path().join(name);
            std::fs::copy("/bin/sleep", &program).unwrap();
            let mut child = std::process::Command::new(&program).arg("60").spawn().unwrap();
            let id = ProcessId::of(child.id());
            child.kill().unwrap();
            child.wait().unwrap();
            id.birth
        };
        let marks = ["plain", ") Z 1 (2"].map(started).map(|birth| match birth {
            Birth::Mark(mark) => mark,
            other => panic!("{other:?}"),
        });
        let [first, second] = marks.each_ref().map(|mark| mark.split_once(' ').unwrap());
        assert_eq!(first.0, second.0, "one boot");
        let [first, second] = [first.1, second.1].map(|ticks| ticks.parse::<u64>().unwrap());
        // A hundred ticks a second on every Linux that there is.
        assert!(first > 0 && (first..first + 1000).contains(&second), "{marks:?}");
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
