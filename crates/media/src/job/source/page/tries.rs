//! How often, and when, a page that is in trouble is tried again. Pure: time is an argument.

use std::time::Duration;

/// Waits before the next tries; after the last the page is given up.
const WAITS: [Duration; 4] =
    [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(10)];
/// A page that was on for so long was well: what comes then is new trouble.
const WELL: Duration = Duration::from_secs(60);

/// The tries so far.
#[derive(Debug, Default)]
pub(super) struct Tries {
    failed: usize,
}

impl Tries {
    /// The page has failed after having been on for `was_on`. How long to wait before the next try; none: it
    /// is given up.
    pub(super) fn next(&mut self, was_on: Duration) -> Option<Duration> {
        if was_on >= WELL {
            self.failed = 0;
        }
        self.failed += 1;
        WAITS.get(self.failed - 1).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_fails_again_and_again_is_given_up() {
        let mut tries = Tries::default();
        let waits: Vec<_> = std::iter::from_fn(|| tries.next(Duration::from_secs(5))).collect();
        assert_eq!(waits, WAITS);
    }

    #[test]
    fn a_page_that_was_well_begins_anew() {
        let mut tries = Tries::default();
        for _ in 0..100 {
            assert_eq!(tries.next(WELL), Some(Duration::ZERO));
        }
    }
}
