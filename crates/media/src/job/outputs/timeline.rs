//! An output's line of time: what of the job's time it takes, and how that lies on the clock on the wall.

use crate::output::{Ended, SetResult};

/// After this long without a unit past its end a detached output is finished all the same, ns.
const PATIENCE_NS: i64 = 1_500_000_000;

/// When an output takes what comes. Times are unix times by the job's clock, ns.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Timeline {
    end_ns: Option<i64>,
    /// How long the computer had slept when the output began, which the job's clock does not know, ns.
    slept_ns: i64,
}

impl Timeline {
    /// It ends at this time, unless it ends before.
    pub fn end(&mut self, time_ns: i64) {
        self.end_ns.get_or_insert(time_ns);
    }

    /// Whether what is of this time belongs to it: else it is over.
    pub fn takes(&self, time_ns: i64) -> bool {
        self.end_ns.is_none_or(|end_ns| time_ns < end_ns)
    }

    /// Whether it has an end.
    pub fn ends(&self) -> bool {
        self.end_ns.is_some()
    }

    /// Whether it has ended for so long that nothing of it comes any more.
    pub fn is_over(&self, now_ns: i64) -> bool {
        self.end_ns.is_some_and(|end_ns| now_ns > end_ns + PATIENCE_NS)
    }

    /// Its first media is in it. `slept_ns`: how long the computer has slept so far.
    pub fn began(&mut self, slept_ns: i64) {
        self.slept_ns = slept_ns;
    }

    /// What came of it, by the clock on the wall. `slept_ns`: how long the computer has slept by its end.
    pub fn on_the_wall(&self, mut ended: Ended, slept_ns: i64) -> Ended {
        if let Ended::File(result) | Ended::Set(SetResult { result, .. }) = &mut ended
            && result.started_at_ns != 0
        {
            result.started_at_ns += self.slept_ns;
            result.ended_at_ns += slept_ns;
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use egress::fact::FileResult;

    use super::*;

    #[test]
    fn what_is_past_its_end_is_not_taken_and_not_waited_for() {
        let mut line = Timeline::default();
        assert!(line.takes(i64::MAX) && !line.ends() && !line.is_over(i64::MAX));
        line.end(100);
        line.end(200);
        assert!(line.takes(99) && !line.takes(100) && line.ends());
        assert!(!line.is_over(100 + PATIENCE_NS) && line.is_over(101 + PATIENCE_NS));
    }

    #[test]
    fn a_computer_that_slept_moves_what_came_after_on_the_wall() {
        let mut line = Timeline::default();
        line.began(10);
        let file = |started_at_ns, ended_at_ns| {
            let (path, size_bytes, duration_ns, error) = (None, 0, 50, None);
            FileResult { path, size_bytes, started_at_ns, ended_at_ns, duration_ns, error }
        };
        let times = |ended| match line.on_the_wall(ended, 30) {
            Ended::File(result) => (result.started_at_ns, result.ended_at_ns, result.duration_ns),
            other => panic!("{other:?}"),
        };
        assert_eq!(times(Ended::File(file(100, 150))), (110, 180, 50));
        assert_eq!(times(Ended::File(file(0, 0))), (0, 0, 50), "nothing is in it");
    }
}
