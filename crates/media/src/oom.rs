//! Who is ended first where the computer has no memory left: the browser of a page, then a job, whose files play and are
//! completed by the next start; never the studio, or somebody's desktop.

use std::fs;

/// From -1000 (never) to 1000 (first of all); programs have 0.
const SCORE: &str = "/proc/self/oom_score_adj";
const JOB: &str = "500";
const BROWSER: &str = "800";

/// Puts this process, a job, before others.
pub(crate) fn volunteer() {
    set(JOB);
}

/// Puts what is started by `start` before this process. A child has the score of its parent at its start.
pub(crate) fn before_us<T>(start: impl FnOnce() -> T) -> T {
    set(BROWSER);
    let started = start();
    set(JOB);
    started
}

fn set(score: &str) {
    // Other systems have no such file, and choose by themselves.
    if let Err(error) = fs::write(SCORE, score) {
        tracing::debug!(%error, "the kernel takes no order of who is ended first");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_browser_goes_before_its_job() {
        volunteer();
        let told = before_us(|| Command::new("cat").arg(SCORE).output().unwrap());
        assert_eq!(String::from_utf8_lossy(&told.stdout).trim(), BROWSER);
        assert_eq!(fs::read_to_string(SCORE).unwrap().trim(), JOB);
    }
}
