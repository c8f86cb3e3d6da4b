//! One egress job, or one room monitor, as a process of its own. What it does is in [`media`].
//!
//! ```text
//! tallylight-job                              runs the job that standard input describes
//! tallylight-job repair FILE [--job FOLDER]   completes a file that a dead job left behind; with the job's
//!                                             folder only if that job is dead
//! tallylight-job still FILE OUT.jpg [--width PIXELS]
//! tallylight-job probe                        what this computer can do
//! ```

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use egress::error::ApiError;
use egress::wire::{LOG_FILE, Launch};
use media::{FolderLock, repair, repair_of_dead};
use serde::Serialize;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tallylight-job: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => job(),
        ["repair", file] => {
            media::init()?;
            Ok(print(repair(Path::new(file))))
        }
        ["repair", file, "--job", folder] => {
            media::init()?;
            Ok(print(repair_of_dead(Path::new(file), Path::new(folder))))
        }
        ["still", file, to] => still(file, to, 320),
        ["still", file, to, "--width", width] => still(file, to, width.parse().context("--width")?),
        ["probe"] => {
            media::init()?;
            let mut probe = media::probe();
            probe.problems.extend(media::no_inhibitor());
            Ok(print(Ok(probe)))
        }
        _ => bail!(
            "usage: tallylight-job [repair FILE [--job FOLDER] | still FILE OUT.jpg [--width PIXELS] | probe]"
        ),
    }
}

fn still(file: &str, to: &str, width: u32) -> anyhow::Result<ExitCode> {
    media::init()?;
    Ok(print(media::still(Path::new(file), Path::new(to), width)))
}

/// One JSON document on standard output: the outcome or the error.
fn print<T: Serialize>(outcome: Result<T, ApiError>) -> ExitCode {
    let (text, code) = match outcome {
        Ok(value) => (serde_json::to_string(&value), ExitCode::SUCCESS),
        Err(error) => (serde_json::to_string(&error), ExitCode::FAILURE),
    };
    println!("{}", text.unwrap_or_default());
    code
}

fn job() -> anyhow::Result<ExitCode> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).context("reading the job from standard input")?;
    let launch: Launch = serde_json::from_str(&text).context("the job on standard input")?;
    drop(text);
    let log = OpenOptions::new().create(true).append(true).open(launch.folder.join(LOG_FILE))?;
    let filter = EnvFilter::try_from_env("TALLYLIGHT_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(log).init();
    // First of all, and to the end: without it a studio may take this job for dead.
    let _lock = FolderLock::take(&launch.folder)?;
    media::init()?;
    // One worker, for the network, beside the job's loop, so that packets are stamped when they come, whatever that does.
    // GStreamer and whatever waits for a disk have threads of their own.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let span = tracing::info_span!("job", egress_id = %launch.spec.egress_id, room = launch.spec.room_name);
    let outcome = runtime.block_on(tracing::Instrument::instrument(media::run(launch), span));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    outcome?;
    Ok(ExitCode::SUCCESS)
}
