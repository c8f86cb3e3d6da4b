//! What the service logs.

use tracing_subscriber::EnvFilter;

use super::config::Level;

/// Our own crates. What others have to say is of interest from a warning on, and might hold more than it should.
const OURS: [&str; 8] =
    ["api", "egress", "media", "room", "studio", "tallylight_job", "tallylight_worker", "upload"];

/// Begins to log to standard error. `RUST_LOG` has the last word.
pub fn begin((level, json): (Level, bool)) {
    let others = if level == Level::Error { Level::Error } else { Level::Warn };
    let ours = OURS.iter().map(|name| format!(",{name}={}", level.name()));
    let filter = others.name().to_owned() + &ours.collect::<String>();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(filter));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json { log.json().init() } else { log.init() }
}
