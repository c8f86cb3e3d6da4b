//! Where the shell's trace goes: readable to the terminal, JSON to a file beside the journal.

use std::fs::File;
use std::io::IsTerminal;
use std::path::Path;

use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, fmt};

/// The log of this run, in the data folder.
const LOG_FILE: &str = "tallylight.log";
/// The log of the run before.
const OLD_LOG_FILE: &str = "tallylight.old.log";
/// Chooses what is traced, as `tracing` filters are written.
const FILTER: &str = "TALLYLIGHT_LOG";

/// Starts tracing. A folder that cannot be written costs the file, never the start.
pub fn start(data_dir: &Path) {
    let file = open(data_dir);
    let error = file.as_ref().err().map(ToString::to_string);
    let to_file = file.ok().map(|file| fmt::layer().json().with_writer(file));
    let filter = EnvFilter::try_from_env(FILTER).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::registry()
        .with(filter)
        .with(fmt::layer().compact().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr))
        .with(to_file)
        .init();
    if let Some(error) = error {
        tracing::warn!(error, "no log file in this run");
    }
}

fn open(data_dir: &Path) -> std::io::Result<File> {
    std::fs::create_dir_all(data_dir)?;
    let path = data_dir.join(LOG_FILE);
    if path.exists() {
        std::fs::rename(&path, data_dir.join(OLD_LOG_FILE))?;
    }
    File::create(path)
}
