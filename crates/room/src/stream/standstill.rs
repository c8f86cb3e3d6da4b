//! Tells, after a pause, whether a publisher's RTP time stood still during it or its packets are only late.
//!
//! A publisher whose microphone gives nothing for a while (a driver that hangs, a program that pushes samples and had
//! none) goes on where its sample count stopped: by its timestamps everything after the pause is as old as the pause
//! was long, for good. Packets that waited in a network are as old by their timestamps, and truly so. What tells the
//! two apart is the pace after the pause: packets that waited come in a burst and catch up, those of a count that
//! stood still come one by one, always as late. The server's sender reports do not help: a libwebrtc publisher lets
//! the RTP time of its reports run on through the pause, and LiveKit's server believes no later report that goes back
//! behind these, so that for up to twice the length of the pause the reports say that the sound is old.
//!
//! So packets after a pause are held for some 100 ms until it shows which it is. Time is an argument, as unix time in
//! ns; lateness is how long after its presumed capture a packet arrived.

use std::collections::VecDeque;
use std::time::Duration;

use egress::roster::TrackKind;

const MS: i64 = 1_000_000;
const SECOND: i64 = 1_000 * MS;

/// Lateness over the usual from which a pause of sound is looked into: above what a Wi-Fi adds to single packets.
const AUDIO_EXCESS_NS: i64 = 80 * MS;
/// The same for pictures, of which a large one is long on its way.
const VIDEO_EXCESS_NS: i64 = 200 * MS;
/// Packets that catch up do so by more than this while [`SETTLED_NS`] pass.
const CATCH_UP_NS: i64 = 20 * MS;
/// Lateness that is the same for so long stays.
const SETTLED_NS: i64 = 100 * MS;
/// Nothing more has come for so long: what is held is decided upon by what there is.
pub(crate) const PATIENCE: Duration = Duration::from_millis(250);
/// Longest time in which packets are held. Those that catch up more slowly pass meanwhile.
const LONGEST_HOLD_NS: i64 = 500 * MS;
/// Within this time the least lateness is the usual one.
const USUAL_WINDOW_NS: i64 = 2 * SECOND;

/// What to do with the packets that are held, the newest one among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// They are what they seem.
    Pass,
    /// It does not show yet.
    Hold,
    /// Time stood still: all of them, and what follows, are later by so much, ns.
    StoodStill(i64),
}

/// The look-out of one stream.
#[derive(Debug)]
pub(crate) struct Standstill {
    excess_ns: i64,
    /// Lateness that no later one undercuts, by time of arrival.
    usual: VecDeque<(i64, i64)>,
    last_arrived_ns: Option<i64>,
    suspicion: Option<Suspicion>,
}

#[derive(Debug, Clone, Copy)]
struct Suspicion {
    first_arrived_ns: i64,
    /// Least lateness over the usual so far.
    least_ns: i64,
    /// What it was when it last fell by more than packets scatter, and when that was.
    fell_to_ns: i64,
    fell_at_ns: i64,
    /// Packets are no longer held for it.
    passing: bool,
}

impl Standstill {
    pub(crate) fn new(kind: TrackKind) -> Self {
        let excess_ns = match kind {
            TrackKind::Audio => AUDIO_EXCESS_NS,
            TrackKind::Video => VIDEO_EXCESS_NS,
        };
        Self { excess_ns, usual: VecDeque::new(), last_arrived_ns: None, suspicion: None }
    }

    /// Looks at the next packet in order, `lateness_ns` after its presumed capture.
    pub(crate) fn packet(&mut self, arrived_ns: i64, lateness_ns: i64) -> Verdict {
        let pause_ns = arrived_ns - self.last_arrived_ns.unwrap_or(arrived_ns);
        self.last_arrived_ns = Some(self.last_arrived_ns.map_or(arrived_ns, |last| last.max(arrived_ns)));
        while self.usual.front().is_some_and(|&(at, _)| at < arrived_ns - USUAL_WINDOW_NS)
            && self.usual.len() > 1
        {
            self.usual.pop_front();
        }
        let excess_ns = self.usual.front().map_or(0, |&(_, usual)| lateness_ns - usual);
        if excess_ns < self.excess_ns || (self.suspicion.is_none() && pause_ns < self.excess_ns) {
            self.suspicion = None;
            while self.usual.back().is_some_and(|&(_, least)| least >= lateness_ns) {
                self.usual.pop_back();
            }
            self.usual.push_back((arrived_ns, lateness_ns));
            return Verdict::Pass;
        }
        let suspicion = self.suspicion.get_or_insert(Suspicion {
            first_arrived_ns: arrived_ns,
            least_ns: excess_ns,
            fell_to_ns: excess_ns,
            fell_at_ns: arrived_ns,
            passing: false,
        });
        suspicion.least_ns = suspicion.least_ns.min(excess_ns);
        if excess_ns < suspicion.fell_to_ns - CATCH_UP_NS {
            suspicion.fell_at_ns = arrived_ns;
            suspicion.fell_to_ns = excess_ns;
        }
        if arrived_ns - suspicion.fell_at_ns >= SETTLED_NS {
            return self.decide();
        }
        if suspicion.passing || arrived_ns - suspicion.first_arrived_ns >= LONGEST_HOLD_NS {
            suspicion.passing = true;
            return Verdict::Pass;
        }
        Verdict::Hold
    }

    /// What is held is decided upon now.
    pub(crate) fn decide(&mut self) -> Verdict {
        let by_ns = self.suspicion.take().map_or(0, |suspicion| suspicion.least_ns);
        Verdict::StoodStill(by_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets each 20 ms as `(capture by timestamp, arrival)`, ms. Returns the verdicts in the end.
    fn verdicts(kind: TrackKind, packets: impl IntoIterator<Item = (i64, i64)>) -> Vec<Verdict> {
        let mut standstill = Standstill::new(kind);
        packets
            .into_iter()
            .map(|(captured, arrived)| standstill.packet(arrived * MS, (arrived - captured) * MS))
            .collect()
    }

    fn steady(from: i64, to: i64) -> impl Iterator<Item = (i64, i64)> {
        (from..to).step_by(20).map(|at| (at, at + 5))
    }

    #[test]
    fn a_count_that_stood_still_is_found_within_a_tenth_of_a_second() {
        for pause in [100, 300, 600, 1000, 3000, 12_000, 61_000] {
            let after = (1000..1400).step_by(20).map(|at| (at, at + pause + 5));
            let found = verdicts(TrackKind::Audio, steady(0, 1000).chain(after));
            let (before, after) = found.split_at(50);
            assert!(before.iter().all(|v| *v == Verdict::Pass));
            let at = after.iter().position(|v| *v == Verdict::StoodStill(pause * MS));
            assert_eq!(at, Some(5), "{pause}: {after:?}");
            assert!(after[..5].iter().all(|v| *v == Verdict::Hold), "{after:?}");
        }
    }

    #[test]
    fn a_first_packet_that_is_a_little_late_moves_nothing() {
        let after = (1000..1400).step_by(20).map(|at| (at, at + 3005 + if at == 1000 { 15 } else { 0 }));
        let found = verdicts(TrackKind::Audio, steady(0, 1000).chain(after));
        assert!(found.contains(&Verdict::StoodStill(3000 * MS)), "{found:?}");
    }

    #[test]
    fn packets_that_waited_in_the_network_pass_as_they_are() {
        for pause in [100, 300, 1000, 12_000] {
            // All that was captured meanwhile comes within some ms, then the stream goes on.
            let burst = (1000..1000 + pause).step_by(20).map(|at| (at, 1000 + pause + 5 + (at - 1000) / 200));
            let all = steady(0, 1000).chain(burst).chain(steady(1000 + pause + 200, 1000 + pause + 600));
            let found = verdicts(TrackKind::Audio, all);
            assert!(!found.iter().any(|v| matches!(v, Verdict::StoodStill(_))), "{pause}: {found:?}");
            assert_eq!(found.last(), Some(&Verdict::Pass));
        }
    }

    #[test]
    fn a_slow_line_that_catches_up_is_not_held_for_long() {
        // Three seconds waited; then they come at double speed.
        let after = (1000..7000).step_by(20).map(|at| (at, (4005 + (at - 1000) / 2).max(at + 5)));
        let found = verdicts(TrackKind::Audio, steady(0, 1000).chain(after));
        assert!(!found.iter().any(|v| matches!(v, Verdict::StoodStill(_))), "{found:?}");
        let held = found.iter().filter(|v| **v == Verdict::Hold).count() as i64;
        assert!(held * 10 <= LONGEST_HOLD_NS / MS, "{held} held, which arrive each 10 ms");
    }

    #[test]
    fn what_a_queue_had_comes_in_a_burst_and_the_rest_stood_still() {
        // A program was stopped for 12 s, and 1 s of it was in a queue.
        let burst = (1000..2000).step_by(20).map(|at| (at, 13_005 + (at - 1000) / 100));
        let after = (2000..2400).step_by(20).map(|at| (at, at + 11_015));
        let found = verdicts(TrackKind::Audio, steady(0, 1000).chain(burst).chain(after));
        let Some(Verdict::StoodStill(by)) = found.iter().find(|v| matches!(v, Verdict::StoodStill(_))) else {
            panic!("{found:?}");
        };
        assert!((11_000 * MS..11_050 * MS).contains(by), "{by}");
    }

    #[test]
    fn silence_that_is_not_sent_is_no_pause() {
        // DTX: a packet each 400 ms, its timestamp as much further.
        let found = verdicts(TrackKind::Audio, (0..20).map(|n| (n * 400, n * 400 + 5)));
        assert!(found.iter().all(|v| *v == Verdict::Pass));
    }

    #[test]
    fn a_queue_that_builds_up_in_the_network_is_no_standstill() {
        let found = verdicts(TrackKind::Video, (0..300).map(|n| (n * 33, n * 33 + 5 + n * 3)));
        assert!(found.iter().all(|v| *v == Verdict::Pass));
    }

    #[test]
    fn a_lone_packet_is_taken_for_one_of_a_count_that_stood_still() {
        let mut standstill = Standstill::new(TrackKind::Audio);
        for (captured, arrived) in steady(0, 1000) {
            standstill.packet(arrived * MS, (arrived - captured) * MS);
        }
        assert_eq!(standstill.packet(3000 * MS, 2000 * MS), Verdict::Hold);
        assert_eq!(standstill.decide(), Verdict::StoodStill(1995 * MS));
        assert_eq!(standstill.packet(3020 * MS, 5 * MS), Verdict::Pass);
    }
}
