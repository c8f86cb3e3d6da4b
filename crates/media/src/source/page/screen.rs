//! A screen that nobody sees: an X server in memory, for one page.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use egress::wire::SCREEN_KEY_FILE;

use super::StageError;
use super::sandbox::{Sandbox, Share};

/// How long the X server may take to start.
const STARTS: Duration = Duration::from_secs(10);
/// A running X server.
#[derive(Debug)]
pub(super) struct Screen {
    /// `:7`
    pub display: String,
    /// Its key.
    pub key: PathBuf,
    server: Child,
}

impl Screen {
    /// Starts an X server that shows `width` x `height` pixels.
    pub(super) async fn start(
        sandbox: Sandbox,
        folder: &Path,
        (width, height): (u32, u32),
    ) -> Result<Self, StageError> {
        let key = folder.join(SCREEN_KEY_FILE);
        write_key(&key).map_err(|source| StageError::Folder { path: key.clone(), source })?;
        let shares = [Share { path: &key, writable: false }];
        let mut command = sandbox.command("Xvfb", &shares, &[]);
        // One pixel more each way: without a window manager Chromium leaves the last column and row of the
        // screen free.
        let size = format!("{}x{}x24", width + 1, height + 1);
        command.args(["-displayfd", "1", "-screen", "0", &size, "-nolisten", "tcp", "-noreset", "-auth"]);
        command.arg(&key).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut server = command.spawn().map_err(|source| StageError::Missing { program: "Xvfb", source })?;
        let stdout = server.stdout.take().ok_or(StageError::Died { program: "Xvfb" })?;
        let mut line = String::new();
        let mut reader = BufReader::new(stdout);
        let read = tokio::time::timeout(STARTS, reader.read_line(&mut line)).await;
        let number: u32 = match read {
            Ok(Ok(_)) => line.trim().parse().map_err(|_| StageError::Died { program: "Xvfb" })?,
            _ => return Err(StageError::Died { program: "Xvfb" }),
        };
        Ok(Self { display: format!(":{number}"), key, server })
    }

    /// What a program needs to draw on it.
    pub(super) fn env(&self) -> [(&'static str, &OsStr); 2] {
        [("DISPLAY", self.display.as_ref()), ("XAUTHORITY", self.key.as_os_str())]
    }

    /// Returns when the server has ended.
    pub(super) async fn ended(&mut self) {
        let _ = self.server.wait().await;
    }
}

/// A key that fits every display: the number is known only when the server runs.
fn write_key(path: &Path) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;

    const FAMILY_WILD: u16 = 65535;
    const NAME: &[u8] = b"MIT-MAGIC-COOKIE-1";
    let cookie: [u8; 16] = rand::random();
    let mut out = FAMILY_WILD.to_be_bytes().to_vec();
    for field in [&b""[..], b"", NAME, &cookie] {
        out.extend_from_slice(&(field.len() as u16).to_be_bytes());
        out.extend_from_slice(field);
    }
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(&out)
}
