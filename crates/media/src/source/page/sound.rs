//! A loudspeaker that nobody hears: a PulseAudio server with one sink, for one page.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Child;

use super::StageError;
use super::sandbox::{Sandbox, Share};

/// How long the server may take to start.
const STARTS: Duration = Duration::from_secs(10);
/// What a page plays into.
const SINK: &str = "program";

/// A running sound server.
#[derive(Debug)]
pub(super) struct Loudspeaker {
    /// Address of the server.
    pub server: OsString,
    /// The server's folder.
    pub folder: PathBuf,
    process: Child,
}

impl Loudspeaker {
    /// Starts the server; its socket is in `folder`, which only its owner may enter.
    pub(super) async fn start(sandbox: Sandbox, folder: &Path) -> Result<Self, StageError> {
        let at = folder.join("pulse");
        let failed = |source| StageError::Folder { path: at.clone(), source };
        std::fs::create_dir_all(&at).map_err(failed)?;
        // A short name: the path of a socket has little room.
        let socket = at.join("s");
        let _ = std::fs::remove_file(&socket);
        let script = at.join("start.pa");
        // Without norewinds the sink plays up to 2 s ahead, and a sound that begins waits for the third of a second,
        // while WebRTC's comes in: it would be late for 10 s.
        let modules = format!(
            "load-module module-native-protocol-unix socket={} auth-anonymous=1\n\
             load-module module-null-sink sink_name={SINK} rate=48000 channels=2 norewinds=1\n",
            socket.display()
        );
        std::fs::write(&script, modules).map_err(failed)?;
        let shares = [Share { path: &at, writable: true }];
        let mut command = sandbox.command("pulseaudio", &shares, &[]);
        command.args(["-n", "--daemonize=no", "--exit-idle-time=-1", "--disallow-exit", "--use-pid-file=no"]);
        command.args(["--disable-shm=yes", "--log-target=stderr", "--log-level=error", "-F"]);
        command.arg(&script).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process =
            command.spawn().map_err(|source| StageError::Missing { program: "pulseaudio", source })?;
        let listening = async {
            while !socket.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            () = listening => {}
            _ = process.wait() => return Err(StageError::Died { program: "pulseaudio" }),
            () = tokio::time::sleep(STARTS) => return Err(StageError::Died { program: "pulseaudio" }),
        }
        let mut server = OsString::from("unix:");
        server.push(&socket);
        Ok(Self { server, folder: at, process })
    }

    /// What a program needs to play into it.
    pub(super) fn env(&self) -> [(&'static str, &OsStr); 2] {
        [("PULSE_SERVER", self.server.as_os_str()), ("PULSE_SINK", SINK.as_ref())]
    }

    /// Name of the source that carries what is played.
    pub(super) fn monitor() -> String {
        format!("{SINK}.monitor")
    }

    /// Returns when the server has ended.
    pub(super) async fn ended(&mut self) {
        let _ = self.process.wait().await;
    }
}
