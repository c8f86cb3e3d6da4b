//! How much trouble software takes over a picture: more where the computer has time to spare, less before a picture is
//! lost.

/// The effort of a software encoder. Each step is another encoder: none can be told to change while it runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// A third less time than usual, at 1 to 2 dB.
    Least,
    /// What a computer that does nothing else can do several times over.
    #[default]
    Usual,
    /// A third more time than usual, for 0.1 to 0.2 dB.
    More,
}

impl Effort {
    fn up(self) -> Self {
        match self {
            Self::Least => Self::Usual,
            Self::Usual | Self::More => Self::More,
        }
    }

    fn down(self) -> Self {
        match self {
            Self::More => Self::Usual,
            Self::Usual | Self::Least => Self::Least,
        }
    }
}

/// An encoder so far behind its pictures falls behind, ns...
const BEHIND_NS: i64 = 500_000_000;
/// ...if it is for so long, ns: everybody is for a moment.
const FOR_NS: i64 = 2_000_000_000;
/// An encoder no further behind than this keeps up, ns.
const EASY_NS: i64 = 100_000_000;
/// It takes more trouble when the computer has had time to spare for so long, ns...
const SPARE_FOR_NS: i64 = 30_000_000_000;
/// ...so much of all its time.
const SPARE: f64 = 0.5;
/// What was too much is not tried again for so long, ns.
const REMEMBERED_NS: i64 = 300_000_000_000;

/// Which effort one encoder takes, as a pure function of what it and the computer are like.
#[derive(Debug, Default)]
pub struct Governor {
    effort: Effort,
    behind_since_ns: Option<i64>,
    spare_since_ns: Option<i64>,
    /// What was too much, and when.
    too_much: Option<(Effort, i64)>,
}

impl Governor {
    #[cfg(test)]
    pub fn at(effort: Effort) -> Self {
        Self { effort, ..Self::default() }
    }

    /// The effort to take.
    pub fn effort(&self) -> Effort {
        self.effort
    }

    /// Looks at an encoder that is `backlog_ns` behind, on a computer of whose time this share, 0 to 1, is unused. Whether
    /// another effort is to be taken from now on.
    pub fn look(&mut self, backlog_ns: i64, unused: f64, now_ns: i64) -> bool {
        let behind_ns = lasts(&mut self.behind_since_ns, backlog_ns > BEHIND_NS, now_ns);
        let spare_ns = lasts(&mut self.spare_since_ns, backlog_ns <= EASY_NS && unused >= SPARE, now_ns);
        let before = self.effort;
        if behind_ns >= FOR_NS {
            self.effort = before.down();
            self.too_much = Some((before, now_ns));
        } else if spare_ns >= SPARE_FOR_NS && self.may_be(before.up(), now_ns) {
            self.effort = before.up();
        }
        if self.effort != before {
            (self.behind_since_ns, self.spare_since_ns) = (None, None);
        }
        self.effort != before
    }

    fn may_be(&self, effort: Effort, now_ns: i64) -> bool {
        self.too_much.is_none_or(|(too_much, at)| effort < too_much || now_ns - at >= REMEMBERED_NS)
    }
}

/// For how long something is so, ns.
fn lasts(since_ns: &mut Option<i64>, is_so: bool, now_ns: i64) -> i64 {
    if !is_so {
        *since_ns = None;
        return 0;
    }
    now_ns - *since_ns.get_or_insert(now_ns)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: i64 = 1_000_000_000;

    /// The effort after each second of this backlog, s, and unused share.
    fn efforts(
        governor: &mut Governor,
        from_s: i64,
        seconds: i64,
        backlog_s: f64,
        unused: f64,
    ) -> Vec<Effort> {
        let look = |s: i64| {
            governor.look((backlog_s * 1e9) as i64, unused, s * S);
            governor.effort()
        };
        (from_s..from_s + seconds).map(look).collect()
    }

    #[test]
    fn an_encoder_that_falls_behind_takes_less_trouble_and_not_for_a_moment() {
        let mut governor = Governor::default();
        assert_eq!(efforts(&mut governor, 0, 2, 0.8, 0.0), [Effort::Usual; 2]);
        assert_eq!(efforts(&mut governor, 2, 1, 0.0, 0.0), [Effort::Usual]);
        assert_eq!(efforts(&mut governor, 3, 3, 0.8, 0.0), [Effort::Usual, Effort::Usual, Effort::Least]);
        assert_eq!(efforts(&mut governor, 6, 9, 0.8, 0.0), [Effort::Least; 9], "there is no less");
    }

    #[test]
    fn time_to_spare_is_used_and_what_was_too_much_is_not_tried_again_soon() {
        let mut governor = Governor::default();
        assert_eq!(efforts(&mut governor, 0, 31, 0.0, 0.9).last(), Some(&Effort::More));
        assert_eq!(efforts(&mut governor, 31, 3, 0.8, 0.1).last(), Some(&Effort::Usual));
        assert_eq!(efforts(&mut governor, 34, 200, 0.0, 0.9), [Effort::Usual; 200]);
        assert_eq!(efforts(&mut governor, 234, 200, 0.0, 0.9).last(), Some(&Effort::More));
        assert_eq!(efforts(&mut governor, 434, 200, 0.0, 0.3), [Effort::More; 200], "it keeps up");
    }

    proptest! {
        /// Whatever the load is like, it is not changed back and forth.
        #[test]
        fn it_settles(load in prop::collection::vec((0.0..2.0f64, 0.0..1.0f64), 1..2000)) {
            let mut governor = Governor::default();
            let mut ups = Vec::new();
            for (s, (backlog_s, unused)) in load.into_iter().enumerate() {
                let before = governor.effort();
                if governor.look((backlog_s * 1e9) as i64, unused, s as i64 * S) && governor.effort() > before {
                    ups.push(s as i64);
                }
            }
            prop_assert!(ups.windows(2).all(|pair| pair[1] - pair[0] >= SPARE_FOR_NS / S));
        }
    }
}
