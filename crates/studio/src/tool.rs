//! The short forms of `tallylight-job`: repair a file, take a still from one, look at the computer.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::FileResult;
use egress::wire::H264Encoder;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::process::Command;

/// A repair reads the whole file once, and may rewrite it: an hour of HD on a slow disk.
const REPAIR_WITHIN: Duration = Duration::from_secs(15 * 60);
const STILL_WITHIN: Duration = Duration::from_secs(30);
/// The probe may have to build GStreamer's plugin registry first.
const PROBE_WITHIN: Duration = Duration::from_secs(90);

/// What this computer can encode with.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Probe {
    /// The H.264 encoder in use, as a producer would know it.
    pub(crate) encoder: String,
    /// The same, as jobs are told.
    #[serde(default)]
    pub(crate) choice: Option<H264Encoder>,
    /// Whether it is in hardware.
    pub(crate) hardware: bool,
    /// What is missing, worst first.
    #[serde(default)]
    pub(crate) problems: Vec<ApiError>,
}

/// Makes a file that a dead job left an ordinary one. `folder` is the job's.
pub(crate) async fn repair(program: &Path, file: &Path, folder: &Path) -> Result<FileResult, ApiError> {
    let mut command = Command::new(program);
    command.arg("repair").arg(file).arg("--job").arg(folder);
    json(run(command, REPAIR_WITHIN).await?)
}

/// Takes a small picture from a file.
pub(crate) async fn still(program: &Path, file: &Path, jpeg: &Path) -> Result<(), ApiError> {
    let mut command = Command::new(program);
    command.arg("still").arg(file).arg(jpeg).args(["--width", "320"]);
    let output = run(command, STILL_WITHIN).await?;
    if output.status.success() { Ok(()) } else { Err(told(&output)) }
}

/// Looks at what this computer has for encoding.
pub(crate) async fn probe(program: &Path) -> Result<Probe, ApiError> {
    let mut command = Command::new(program);
    command.arg("probe");
    json(run(command, PROBE_WITHIN).await?)
}

async fn run(mut command: Command, within: Duration) -> Result<std::process::Output, ApiError> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    match tokio::time::timeout(within, command.output()).await {
        Ok(Ok(output)) => Ok(output),
        Ok(Err(error)) => Err(broken(error.to_string())),
        Err(_) => Err(broken(format!("no answer within {} s", within.as_secs()))),
    }
}

fn json<T: DeserializeOwned>(output: std::process::Output) -> Result<T, ApiError> {
    if !output.status.success() {
        return Err(told(&output));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| broken(error.to_string()))
}

/// The error that a failed call printed.
fn told(output: &std::process::Output) -> ApiError {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        let words = String::from_utf8_lossy(&output.stderr);
        let words: Vec<&str> = words.lines().rev().filter(|line| !line.trim().is_empty()).take(3).collect();
        broken(format!("{}: {}", output.status, words.join(" / ")))
    })
}

fn broken(detail: String) -> ApiError {
    ApiError::new(
        ErrorCode::Internal,
        Fault::Ours,
        "The recording program tallylight-job does not answer as it should.",
        "Install Tallylight again; if it stays so, copy the details into a report.",
    )
    .retryable()
    .with_detail(detail)
}
