//! Whether the computer slept. Monotonic clocks stand still meanwhile, and with them everything that a job records: a
//! recording goes on where it was, without the time between.

use std::fs;
use std::time::Instant;

use egress::error::{ApiError, ErrorCode, Fault};

/// Less than this is no sleep: what is compared is read at two moments, ns.
const SLEPT_NS: i64 = 2_000_000_000;

/// Compares the time that has passed with the time that the computer was awake.
#[derive(Debug)]
pub struct Sleep {
    began: Instant,
    /// Time since the computer's start, sleep included, when this was begun, ns; none where nobody says.
    boot_ns: Option<i64>,
    slept_ns: i64,
}

impl Sleep {
    /// Begins to watch.
    pub fn watch() -> Self {
        Self { began: Instant::now(), boot_ns: boot_ns(), slept_ns: 0 }
    }

    /// How long the computer slept since the last look, ns; none: it did not.
    pub fn look(&mut self) -> Option<i64> {
        let awake_ns = i64::try_from(self.began.elapsed().as_nanos()).unwrap_or(i64::MAX);
        self.judge(awake_ns, boot_ns()?)
    }

    fn judge(&mut self, awake_ns: i64, boot_ns: i64) -> Option<i64> {
        let slept_ns = boot_ns - self.boot_ns? - awake_ns;
        let new_ns = slept_ns - self.slept_ns;
        (new_ns > SLEPT_NS).then(|| {
            self.slept_ns = slept_ns;
            new_ns
        })
    }
}

/// What the operator reads of it.
pub fn slept(ns: i64) -> ApiError {
    let s = ns / 1_000_000_000;
    let long = match (s / 3600, s / 60 % 60, s % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, min, s) => format!("{min} min {s} s"),
        (h, min, _) => format!("{h} h {min} min"),
    };
    ApiError::new(
        ErrorCode::Aborted,
        Fault::Environment,
        format!(
            "The computer slept for {long}. What happened meanwhile is in no recording; it goes on behind that."
        ),
        "Keep the lid open and the computer on mains while it records: Tallylight asks it to stay awake, but lid and battery may decide otherwise.",
    )
}

/// CLOCK_BOOTTIME, which is the only one that counts sleep. The kernel gives it here as seconds with two decimals.
fn boot_ns() -> Option<i64> {
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let seconds: f64 = uptime.split_ascii_whitespace().next()?.parse().ok()?;
    Some((seconds * 1e9) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    #[test]
    fn a_closed_lid_is_seen_once_and_a_busy_moment_is_none() {
        let mut sleep = Sleep { began: Instant::now(), boot_ns: Some(1000 * S), slept_ns: 0 };
        assert_eq!(sleep.judge(60 * S, 1060 * S), None);
        assert_eq!(sleep.judge(61 * S, 1062 * S), None, "read at two moments");
        assert_eq!(sleep.judge(70 * S, 4670 * S), Some(3600 * S));
        assert_eq!(sleep.judge(71 * S, 4671 * S), None);
        assert_eq!(sleep.judge(80 * S, 4690 * S), Some(10 * S), "and again");
        let mut unknown = Sleep { boot_ns: None, ..sleep };
        assert_eq!(unknown.judge(S, 9000 * S), None);
    }

    #[test]
    fn this_machine_says_how_long_it_is_on_and_has_not_slept_since() {
        assert!(boot_ns().is_some_and(|ns| ns > 0));
        assert_eq!(Sleep::watch().look(), None);
    }

    #[test]
    fn how_long_is_said_in_words() {
        for (ns, words) in [(5 * S, "5 s"), (65 * S, "1 min 5 s"), (3720 * S, "1 h 2 min")] {
            assert!(slept(ns).message.contains(words));
        }
    }
}
