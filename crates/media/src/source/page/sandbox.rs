//! How the programs of a page are started: in namespaces of their own (bubblewrap, which WebKitGTK brings
//! to every desktop). The kernel ends everything inside when the job's process ends, however it ends, and
//! the page's programs see no file of the user and leave none behind.
//!
//! Where namespaces are not allowed they are started plainly, and end with the job through the kernel's
//! parent-death signal; [`Sandbox::isolates`] says which it is.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

/// What of the system the programs need to see. What is missing on a distribution is left out.
const SYSTEM: [&str; 14] = [
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/chromium",
    "/etc/chromium.d",
    "/etc/fonts",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/machine-id",
    "/etc/nsswitch.conf",
    "/etc/pki",
    "/etc/resolv.conf",
    "/etc/ssl",
    "/opt",
    "/var/cache/fontconfig",
];

/// Where a program finds its home and its temporary files: in memory, gone with it.
pub(super) const HOME: &str = "/home/page";

/// How programs are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sandbox {
    /// In namespaces of their own.
    Namespaces,
    /// Plainly, bound to the life of the job.
    ParentDeath,
}

/// Something of ours that a program may use.
#[derive(Debug, Clone)]
pub(super) struct Share<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// Whether the program may change it.
    pub writable: bool,
}

impl Sandbox {
    /// Tries what this system allows.
    pub(super) async fn find() -> Self {
        let mut probe = Self::Namespaces.command("true", &[], &[]);
        let works = probe.stdout(Stdio::null()).stderr(Stdio::null()).status().await;
        if works.is_ok_and(|status| status.success()) { Self::Namespaces } else { Self::ParentDeath }
    }

    /// Whether a page's programs are kept from the user's files.
    pub(super) fn isolates(self) -> bool {
        self == Self::Namespaces
    }

    /// Whether programs run with the rights of root.
    pub(super) fn root(self) -> bool {
        use std::os::unix::fs::MetadataExt;
        self == Self::ParentDeath && std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
    }

    /// A command that runs `program` with these shares and variables, and nothing else of ours. It must be
    /// spawned from a thread that lives as long as the job: the kernel ends it with that thread.
    pub(super) fn command(
        self,
        program: impl AsRef<OsStr>,
        shares: &[Share<'_>],
        env: &[(&str, &OsStr)],
    ) -> Command {
        let mut command = match self {
            Self::Namespaces => Command::new("bwrap"),
            Self::ParentDeath => Command::new("setpriv"),
        };
        command.env_clear().stdin(Stdio::null()).kill_on_drop(true);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()));
        command.env("LANG", "C.UTF-8");
        if self == Self::ParentDeath {
            command.env("HOME", std::env::temp_dir());
        }
        for (name, value) in env {
            command.env(name, value);
        }
        match self {
            Self::Namespaces => {
                // A user of no rights: Chromium's own sandbox refuses to be root's.
                command.args(["--die-with-parent", "--new-session", "--unshare-user", "--uid", "1000"]);
                command.args(["--gid", "1000", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try"]);
                command.args(["--ro-bind", "/usr", "/usr"]);
                for (target, link) in
                    [("usr/lib", "/lib"), ("usr/lib64", "/lib64"), ("usr/bin", "/bin"), ("usr/sbin", "/sbin")]
                {
                    command.args(["--symlink", target, link]);
                }
                for path in SYSTEM {
                    command.args(["--ro-bind-try", path, path]);
                }
                command.args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--dir", HOME]);
                command.args(["--dir", "/run/page", "--setenv", "HOME", HOME]);
                command.args(["--setenv", "XDG_RUNTIME_DIR", "/run/page"]);
                for share in shares {
                    command.arg(if share.writable { "--bind" } else { "--ro-bind" });
                    command.arg(share.path).arg(share.path);
                }
                command.arg("--");
            }
            Self::ParentDeath => {
                command.args(["--pdeathsig", "KILL", "--"]);
            }
        }
        command.arg(program);
        command
    }
}

/// Finds a program in the search path.
pub(super) fn which(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    names
        .iter()
        .find_map(|name| std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file()))
}
