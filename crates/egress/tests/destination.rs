//! How a destination comes up, is lost and comes up again.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use egress::destination::{Destination, Effect, Happening, Progress, WEDGED_MS};
use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::DestinationState;
use proptest::prelude::*;

fn trouble(message: &str) -> ApiError {
    ApiError::new(ErrorCode::Unreachable, Fault::Destination, message, "Wait.")
}

/// A destination and its clock.
struct Line {
    now_ms: i64,
    destination: Destination,
    told: Vec<DestinationState>,
    tries_at: Vec<i64>,
}

impl Line {
    fn new() -> Self {
        Self { now_ms: 0, destination: Destination::new(0), told: Vec::new(), tries_at: vec![0] }
    }

    fn happens(&mut self, happening: Happening) -> Vec<Effect> {
        let (destination, effects) = self.destination.clone().step(happening, self.now_ms, 1.0);
        self.destination = destination;
        for effect in &effects {
            match effect {
                Effect::Tell(state) => self.told.push(state.clone()),
                Effect::Connect => self.tries_at.push(self.now_ms),
                Effect::LetGo => {}
            }
        }
        effects
    }

    /// Lets time pass, answering each try with `answer`.
    fn pass(&mut self, ms: i64, mut answer: impl FnMut() -> Happening) {
        for _ in 0..ms / 20 {
            self.now_ms += 20;
            if self.happens(Happening::Tick).contains(&Effect::Connect) {
                let happening = answer();
                self.happens(happening);
            }
        }
    }
}

#[test]
fn it_is_live_when_the_server_takes_it() {
    let mut line = Line::new();
    line.now_ms = 80;
    line.happens(Happening::Connected);
    assert_eq!(line.told, [DestinationState::Live { retries: 0 }]);
    line.now_ms = 5_080;
    assert_eq!(line.destination.uptime_ms(line.now_ms), Some(5_000));
}

#[test]
fn a_server_that_is_away_for_a_minute_is_found_within_seconds_and_told_of_with_its_first_try() {
    let mut line = Line::new();
    line.happens(Happening::Connected);
    line.now_ms = 30_000;
    line.happens(Happening::Lost(trouble("gone")));
    line.pass(60_000, || Happening::Lost(trouble("gone")));
    let retries: Vec<u32> = line.told[1..].iter().map(retries_of).collect();
    assert_eq!(retries, [0, 1], "live, lost, tried: {:?}", line.told);
    let waits: Vec<i64> = line.tries_at.windows(2).skip(1).map(|w| w[1] - w[0]).collect();
    assert!(waits.windows(2).all(|w| w[1] >= w[0]) && waits.iter().all(|wait| *wait <= 5_020), "{waits:?}");
    let next = line.destination.next_try_ms(line.now_ms).unwrap();
    assert!(next <= 5_000);
    line.pass(5_000, || Happening::Connected);
    assert!(line.destination.is_live());
    let retries = line.destination.retries();
    assert_eq!(line.told.last(), Some(&DestinationState::Live { retries }));
    assert!((10..20).contains(&retries), "{retries} tries in a minute");
}

fn retries_of(state: &DestinationState) -> u32 {
    match state {
        DestinationState::Reconnecting { retries, .. } => *retries,
        other => panic!("{other:?}"),
    }
}

#[test]
fn tries_are_told_once_a_minute() {
    let mut line = Line::new();
    line.happens(Happening::Connected);
    line.now_ms = 30_000;
    line.happens(Happening::Lost(trouble("gone")));
    let tried = line.tries_at.len();
    line.pass(600_000, || Happening::Lost(trouble("gone")));
    let retries: Vec<u32> = line.told[1..].iter().map(retries_of).collect();
    assert!(retries.windows(2).all(|two| two[0] < two[1]), "{retries:?}");
    assert!((9..=12).contains(&retries.len()), "{retries:?} in ten minutes");
    assert!(line.tries_at.len() - tried > retries.len());
    assert_eq!(line.destination.life(), 0, "it was up: that life goes on");
}

#[test]
fn what_does_not_come_up_has_failed_and_lives_again_if_it_does_after_all() {
    let mut line = Line::new();
    line.happens(Happening::Lost(trouble("gone")));
    assert!(line.destination.has_failed(line.now_ms));
    line.pass(300_000, || Happening::Lost(trouble("gone")));
    assert_eq!((line.told.len(), line.destination.life()), (1, 0), "{:?}", line.told);
    line.pass(40_000, || Happening::Connected);
    assert_eq!((line.destination.life(), line.destination.has_failed(line.now_ms)), (1, false));
    // Lost again, it is told as any other that was up.
    line.now_ms += 10_000;
    line.happens(Happening::Lost(trouble("cut")));
    assert!(
        !line.destination.has_failed(line.now_ms + 29_999)
            && line.destination.has_failed(line.now_ms + 30_000)
    );
    line.happens(Happening::Retry);
    line.happens(Happening::Connected);
    assert_eq!(line.destination.life(), 1);
    // The operator's try is a life of its own from the beginning.
    let mut line = Line::new();
    line.happens(Happening::Denied(trouble("no")));
    line.happens(Happening::Retry);
    assert_eq!((line.destination.life(), line.destination.has_failed(line.now_ms)), (1, false));
}

#[test]
fn a_server_that_is_away_for_hours_is_asked_twice_a_minute() {
    let mut line = Line::new();
    line.pass(3_600_000, || Happening::Lost(trouble("gone")));
    line.happens(Happening::Lost(trouble("gone")));
    line.pass(3_600_000, || Happening::Lost(trouble("gone")));
    let late = line.tries_at.iter().filter(|at| **at > 3_600_000 + 600_000).count();
    assert!((90..=125).contains(&late), "{late} tries in 50 minutes");
}

#[test]
fn a_refused_key_waits_for_the_operator() {
    let mut line = Line::new();
    line.happens(Happening::Denied(trouble("no")));
    line.pass(600_000, || Happening::Connected);
    assert_eq!(line.tries_at, [0]);
    assert_eq!(line.told, [DestinationState::Refused { error: trouble("no") }]);
    assert!(line.destination.is_refused() && line.destination.can_retry());
    assert_eq!(line.happens(Happening::Retry), [Effect::Tell(DestinationState::Connecting), Effect::Connect]);
    line.happens(Happening::Connected);
    assert!(line.destination.is_live() && !line.destination.can_retry());
}

#[test]
fn a_no_to_a_key_that_was_good_is_not_believed_at_once() {
    let mut line = Line::new();
    line.happens(Happening::Connected);
    line.now_ms = 10_000;
    line.happens(Happening::Lost(trouble("cut")));
    let mut denials = 0;
    line.pass(45_000, || {
        denials += 1;
        if denials < 8 { Happening::Denied(trouble("no")) } else { Happening::Connected }
    });
    assert!(line.destination.is_live());
    line.now_ms += 10_000;
    line.happens(Happening::Lost(trouble("cut")));
    line.pass(600_000, || Happening::Denied(trouble("no")));
    assert!(line.destination.is_refused(), "but not for ever");
}

/// After a cut the server may hold the old connection for minutes, and takes no second one.
#[test]
fn a_key_in_use_is_tried_on_if_it_is_our_own_use_and_refused_otherwise() {
    let mut line = Line::new();
    line.happens(Happening::Connected);
    line.now_ms = 10_000;
    line.happens(Happening::Lost(trouble("cut")));
    line.pass(600_000, || Happening::Taken(trouble("in use")));
    assert!(!line.destination.is_refused());
    line.pass(31_000, || Happening::Connected);
    assert!(line.destination.is_live());
    let mut other = Line::new();
    other.happens(Happening::Taken(trouble("in use")));
    assert!(other.destination.is_refused());
}

#[test]
fn a_server_that_hangs_up_each_time_does_not_want_it() {
    let mut line = Line::new();
    line.happens(Happening::Connected);
    line.now_ms = 300;
    line.happens(Happening::HungUp(trouble("hung up")));
    line.pass(60_000, || Happening::HungUp(trouble("hung up")));
    assert!(line.destination.is_refused());
    assert_eq!(line.tries_at.len(), 4);
}

#[test]
fn a_connection_that_is_cut_every_five_seconds_is_never_given_up() {
    let mut line = Line::new();
    line.happens(Happening::Connected);
    for _ in 0..200 {
        line.now_ms += 5_000;
        line.happens(Happening::HungUp(trouble("cut")));
        line.pass(1_100, || Happening::Connected);
        assert!(line.destination.is_live());
    }
    assert_eq!(line.destination.retries(), 200);
}

#[test]
fn the_operator_need_not_wait_for_the_next_try() {
    let mut line = Line::new();
    line.pass(100, || Happening::Tick);
    line.happens(Happening::Lost(trouble("gone")));
    assert!(line.destination.can_retry());
    assert_eq!(line.happens(Happening::Retry), [Effect::Connect]);
    assert!(line.happens(Happening::Retry).is_empty(), "once");
}

#[test]
fn what_takes_nothing_is_wedged_and_what_has_nothing_to_take_is_not() {
    let mut progress = Progress::new(0);
    assert!(!progress.wedged(100, true, 1));
    assert!(!progress.wedged(100, true, WEDGED_MS));
    assert!(progress.wedged(100, true, WEDGED_MS + 1));
    let mut progress = Progress::new(0);
    assert!(!progress.wedged(0, false, 10 * WEDGED_MS), "nothing waits");
    assert!(!progress.wedged(0, true, 10 * WEDGED_MS + 1), "counted from when something did");
    assert!(progress.wedged(0, true, 11 * WEDGED_MS));
}

proptest! {
    /// Whatever happens in whatever order: one try at a time, none while it is refused, and it never stands still.
    #[test]
    fn any_order_of_events(events in proptest::collection::vec((0u8..7, 0i64..20_000), 1..200), chance in 0.0..1.0) {
        let mut destination = Destination::new(0);
        let (mut now, mut trying, mut refused) = (0, true, false);
        let mut failed_in: Option<u32> = None;
        for (kind, passed) in events {
            now += passed;
            let happening = match kind {
                0 => Happening::Connected,
                1 => Happening::Lost(trouble("lost")),
                2 => Happening::HungUp(trouble("hung up")),
                3 => Happening::Denied(trouble("no")),
                4 => Happening::Retry,
                5 => Happening::Taken(trouble("in use")),
                _ => Happening::Tick,
            };
            let asked = happening == Happening::Retry;
            let (next, effects) = destination.step(happening, now, chance);
            destination = next;
            for effect in effects {
                match effect {
                    Effect::Connect => {
                        prop_assert!(!trying && (!refused || asked));
                        trying = true;
                        refused = false;
                    }
                    Effect::LetGo => trying = false,
                    Effect::Tell(state) => {
                        refused |= matches!(state, DestinationState::Refused { .. });
                        // No life is told otherwise once it was told as failed.
                        let up = matches!(state, DestinationState::Live { .. } | DestinationState::Connecting);
                        prop_assert!(!up || failed_in != Some(destination.life()));
                        if destination.has_failed(0) {
                            failed_in = Some(destination.life());
                        }
                    }
                }
            }
            prop_assert!(trying || refused || destination.next_try_ms(now).is_some_and(|ms| ms <= 30_000));
            prop_assert_eq!(destination.is_refused(), refused);
        }
    }
}
