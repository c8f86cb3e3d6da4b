//! What one egress has to tell the server, in order: the newest takes the place of what has not gone yet, and the end
//! is never taken back. Pure.

use std::sync::Arc;
use std::time::Duration;

use livekit_protocol::{EgressInfo, EgressStatus};

/// First and longest pause before something is told again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

/// Whether an egress is over.
pub fn is_over(info: &EgressInfo) -> bool {
    use EgressStatus::{EgressActive, EgressEnding, EgressStarting};
    !matches!(info.status(), EgressStarting | EgressActive | EgressEnding)
}

/// What is to be told of one egress.
#[derive(Debug, Default)]
pub struct Lane {
    /// Not told yet.
    next: Option<Arc<EgressInfo>>,
    /// Being told.
    going: Option<Arc<EgressInfo>>,
    failures: u32,
    /// The end was told, or is to be.
    over: bool,
}

/// What came of telling something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The server knows it.
    Heard,
    /// It may hear it later.
    NotYet,
    /// It never will.
    Never,
}

/// What to do then.
#[derive(Debug, PartialEq, Eq)]
pub enum Then {
    /// Tell the next at once, if there is one.
    Next,
    /// Pause, then tell the newest.
    Pause(Duration),
    /// The server has heard of the end, as far as it ever will.
    Settled,
}

impl Lane {
    /// The egress has changed. What is told later is newer; of an egress that is over, only another end is.
    pub fn offer(&mut self, info: Arc<EgressInfo>) {
        let over = is_over(&info);
        if self.over && !over {
            return;
        }
        self.over = over;
        self.next = Some(info);
    }

    /// What to tell now. One thing at a time.
    pub fn take(&mut self) -> Option<Arc<EgressInfo>> {
        if self.going.is_some() {
            return None;
        }
        self.going = self.next.take();
        self.going.clone()
    }

    /// What came of what was taken.
    pub fn told(&mut self, told: Told) -> Then {
        let Some(went) = self.going.take() else { return Then::Next };
        match told {
            Told::Heard | Told::Never => {
                self.failures = 0;
                if is_over(&went) && self.next.is_none() { Then::Settled } else { Then::Next }
            }
            Told::NotYet => {
                // Unless something newer is there already.
                self.next.get_or_insert(went);
                let pause = PAUSES.0.saturating_mul(1 << self.failures.min(10)).min(PAUSES.1);
                self.failures = self.failures.saturating_add(1);
                Then::Pause(pause)
            }
        }
    }

    /// Whether nothing is to be told, or being told.
    pub fn is_quiet(&self) -> bool {
        self.next.is_none() && self.going.is_none()
    }

    /// Whether something is to be told.
    pub fn waits(&self) -> bool {
        self.next.is_some()
    }

    /// The way to the server is there again: what waited begins with short pauses.
    pub fn encouraged(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn info(status: EgressStatus, updated_at: i64) -> Arc<EgressInfo> {
        Arc::new(EgressInfo { status: status.into(), updated_at, ..EgressInfo::default() })
    }

    #[test]
    fn the_newest_takes_the_place_of_what_waits() {
        let mut lane = Lane::default();
        lane.offer(info(EgressStatus::EgressActive, 1));
        assert_eq!(lane.take().unwrap().updated_at, 1);
        lane.offer(info(EgressStatus::EgressActive, 2));
        lane.offer(info(EgressStatus::EgressEnding, 3));
        assert!(lane.take().is_none(), "one thing at a time");
        assert_eq!(lane.told(Told::Heard), Then::Next);
        assert_eq!(lane.take().unwrap().updated_at, 3);
        lane.offer(info(EgressStatus::EgressComplete, 4));
        assert_eq!(lane.told(Told::NotYet), Then::Pause(Duration::from_millis(500)));
        assert_eq!(lane.take().unwrap().updated_at, 4);
        assert_eq!(lane.told(Told::NotYet), Then::Pause(Duration::from_secs(1)));
        assert_eq!(lane.take().unwrap().updated_at, 4);
        assert_eq!(lane.told(Told::Heard), Then::Settled);
    }

    #[test]
    fn pauses_end_at_a_minute() {
        let mut lane = Lane::default();
        lane.offer(info(EgressStatus::EgressComplete, 1));
        let pauses: Vec<u64> = (0..40)
            .map(|_| {
                lane.take().unwrap();
                match lane.told(Told::NotYet) {
                    Then::Pause(pause) => pause.as_secs(),
                    other => panic!("{other:?}"),
                }
            })
            .collect();
        assert_eq!(pauses[..9], [0, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pauses[39], 60);
    }

    proptest! {
        /// Whatever changes and whatever fails: the server hears things in order, it hears the last of them, and
        /// after an end nothing but ends.
        #[test]
        fn the_last_word_is_heard_and_nothing_goes_back(
            events in prop::collection::vec((0..7_i32, prop::option::of(any::<bool>())), 1..80),
        ) {
            let mut lane = Lane::default();
            let (mut heard, mut offered): (Vec<Arc<EgressInfo>>, Option<Arc<EgressInfo>>) = (Vec::new(), None);
            for (at, (status, works)) in events.into_iter().enumerate() {
                let now = info(EgressStatus::try_from(status).unwrap(), at as i64);
                if offered.as_ref().is_none_or(|last| !is_over(last) || is_over(&now)) {
                    offered = Some(now.clone());
                }
                lane.offer(now);
                if let Some(works) = works
                    && let Some(going) = lane.take()
                {
                    if works {
                        heard.push(going);
                    }
                    lane.told(if works { Told::Heard } else { Told::NotYet });
                }
            }
            while let Some(going) = lane.take() {
                heard.push(going);
                lane.told(Told::Heard);
            }
            prop_assert!(heard.windows(2).all(|two| two[0].updated_at < two[1].updated_at));
            prop_assert!(heard.windows(2).all(|two| !is_over(&two[0]) || is_over(&two[1])));
            prop_assert_eq!(heard.last(), offered.as_ref());
        }
    }
}
