//! The one clock of a job.
//!
//! Everybody who stamps anything, or asks how late it is, reads the same one: two that were started at different moments
//! would differ for good by whatever the system's clock was set by in between.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Unix time as it stood when the clock was started, carried on monotonically: it does not jump when the system's clock
/// is set. Copies are the same clock.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
    start_ns: i64,
}

impl Clock {
    /// Reads the system's clock, once.
    pub fn start() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start: Instant::now(), start_ns: i64::try_from(unix.as_nanos()).unwrap_or(i64::MAX / 2) }
    }

    /// Now, unix time, ns.
    pub fn now_ns(&self) -> i64 {
        self.ns(Instant::now())
    }

    /// An instant as unix time, ns.
    pub fn ns(&self, at: Instant) -> i64 {
        let ns = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX / 4);
        match at.checked_duration_since(self.start) {
            Some(after) => self.start_ns + ns(after),
            None => self.start_ns - ns(self.start.duration_since(at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_one_clock_and_it_knows_moments_before_its_start() {
        let before = Instant::now();
        let clock = Clock::start();
        let copy = clock;
        let at = Instant::now() + Duration::from_secs(3600);
        assert_eq!(clock.ns(at), copy.ns(at));
        assert_eq!(clock.ns(at) - clock.ns(before), (at - before).as_nanos() as i64);
        assert!(copy.now_ns() >= clock.ns(before));
    }
}
