//! When captured sound was heard. Samples are counted exactly, by the sound server's clock, which is this computer's; but
//! they come here late whenever the computer is busy, and never early. So the least delay of the last seconds is the
//! true one, and what comes late has the time of what came in time. (GStreamer's own way takes the delay at the start, or
//! after a pause of a fifth of a second, for good: sound is up to as much late then.)

use std::collections::VecDeque;

/// How much sound is looked back upon, ns. What comes later than the program waits for is lost anyhow; and where the
/// sound server itself has lost some, so that all comes later by its count, that is believed after this time.
const LOOK_BACK_NS: i64 = 2_000_000_000;

/// What is known of a sound's way here.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// Where a piece of sound ends by its count, and how much later than that it came, ns: those that are the least of
    /// all since, so in rising order.
    least: VecDeque<(i64, i64)>,
}

impl Arrivals {
    /// When a piece of sound began, on the clock of `now_ns`, at which it came. It begins at `counted_ns` by the count of
    /// its samples and is `duration_ns` long.
    pub(super) fn began_ns(&mut self, counted_ns: i64, duration_ns: i64, now_ns: i64) -> i64 {
        let end_ns = counted_ns + duration_ns;
        let offset_ns = now_ns - end_ns;
        while self.least.back().is_some_and(|&(_, least)| least >= offset_ns) {
            self.least.pop_back();
        }
        self.least.push_back((end_ns, offset_ns));
        while self.least.front().is_some_and(|&(at, _)| at < end_ns - LOOK_BACK_NS) {
            self.least.pop_front();
        }
        counted_ns + self.least.front().map_or(offset_ns, |&(_, least)| least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;
    /// Between the two clocks.
    const APART: i64 = 123_456 * MS;

    /// How much later than it was heard each piece of 10 ms is said to be, ms, where piece `n` takes `way_ms(n)` to come.
    /// One cannot overtake another.
    fn late_ms(pieces: i64, way_ms: impl Fn(i64) -> i64) -> Vec<i64> {
        let mut arrivals = Arrivals::default();
        let mut now = 0;
        (0..pieces)
            .map(|n| {
                let counted = n * 10 * MS;
                now = now.max(APART + counted + 10 * MS + way_ms(n) * MS);
                (arrivals.began_ns(counted, 10 * MS, now) - APART - counted) / MS
            })
            .collect()
    }

    #[test]
    fn sound_that_comes_in_time_has_the_time_it_came() {
        assert!(late_ms(3000, |_| 4).iter().all(|&late| late == 4));
        assert!(late_ms(3000, |n| 4 + n % 7).iter().skip(7).all(|&late| late == 4));
    }

    #[test]
    fn a_pause_of_this_program_moves_nothing() {
        for pause_ms in [20, 150, 250, 900, 1800] {
            // Everything that was heard meanwhile comes at once, when it is over.
            let late = late_ms(3000, |n| 4 + (pause_ms - (n - 500).rem_euclid(1500) * 10).max(0));
            assert!(late.iter().skip(1).all(|&late| late == 4), "{pause_ms} ms: {:?}", late.iter().max());
        }
    }

    #[test]
    fn a_late_start_is_put_right_by_the_first_that_comes_in_time() {
        let late = late_ms(1000, |n| 4 + (290 - n * 10).max(0));
        assert_eq!(late[0], 294);
        assert!(late.iter().skip(30).all(|&late| late == 4));
    }

    #[test]
    fn sound_that_is_late_for_good_is_believed_at_last() {
        let late = late_ms(4000, |n| if n < 1000 { 4 } else { 30 });
        assert_eq!((late[1150], late[1250], late[3999]), (4, 30, 30));
    }
}
