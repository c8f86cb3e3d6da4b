//! When what a template says in `div.error` counts as an error. Pure: time is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// What stands for so long is meant: some templates show an error for a moment, until their room is there.
const STANDS: Duration = Duration::from_millis(500);

/// What was seen of a page's `div.error` so far.
#[derive(Debug, Default)]
pub(super) struct Reported {
    since: Option<Instant>,
}

impl Reported {
    /// Takes in whether the page says something in it, which was asked at `asked` and answered at `answered`. True: it
    /// has said so for long enough.
    pub(super) fn stands(&mut self, says: bool, asked: Instant, answered: Instant) -> bool {
        if !says {
            self.since = None;
            return false;
        }
        // By what is certain: it was there before the first answer and after the last question.
        let since = *self.since.get_or_insert(answered);
        asked.saturating_duration_since(since) >= STANDS
    }

    /// Whether it said something when it was looked at last.
    pub(super) fn any(&self) -> bool {
        self.since.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it counts, looked at each 150 ms for 3 s, each answer taking `answer_ms`, where it says something while
    /// `says` holds (ms).
    fn counted_at(answer_ms: u64, says: impl Fn(u64) -> bool) -> Option<u64> {
        let start = Instant::now();
        let mut reported = Reported::default();
        (0..3000).step_by(150 + answer_ms as usize).find(|&ms| {
            let asked = start + Duration::from_millis(ms);
            reported.stands(says(ms), asked, asked + Duration::from_millis(answer_ms))
        })
    }

    #[test]
    fn an_error_that_stays_counts_within_a_second() {
        for from in (0..1000).step_by(7) {
            let at = counted_at(20, |ms| ms >= from).unwrap();
            assert!((from + 500..from + 900).contains(&at), "from {from} ms, counted at {at}");
        }
    }

    #[test]
    fn one_that_shows_briefly_does_not() {
        for from in (0..1000).step_by(7) {
            assert_eq!(counted_at(20, |ms| (from..from + 400).contains(&ms)), None, "from {from}");
            // Each of two, and a page whose answers take their time.
            assert_eq!(counted_at(0, |ms| ms >= from && (ms - from) % 700 < 400), None, "from {from}");
            assert_eq!(counted_at(400, |ms| (from..from + 400).contains(&ms)), None, "from {from}");
        }
    }
}
