//! When a packet's sample was captured, on one clock for all streams of a room.
//!
//! The server's sender reports tie each stream's RTP timestamps to the server's own clock, which is thus
//! common to everybody. [`ServerClock`] relates that clock to ours; [`StreamClock`] maps the RTP time of
//! one stream. Both only ever lean slowly towards what the reports say, because every step would be heard
//! or seen; the first report, which replaces mere times of arrival, may step if it is far off.
//!
//! All times are unix time in ns on this machine's clock, as one `i64`.

use std::collections::VecDeque;

use egress::roster::TrackKind;

const MS: i64 = 1_000_000;
const SECOND: i64 = 1_000 * MS;

/// Reports within which the fastest delivery is looked for.
const OFFSET_WINDOW_NS: i64 = 60 * SECOND;
/// How fast the relation of the two clocks is followed, ns per second: ten times what clocks drift, and
/// slow enough that streams, each of which follows at its own reports, stay together.
const OFFSET_SLOPE_NS: i64 = 500_000;
/// A report this far off is taken for a clock that was set, once a second one agrees.
const CLOCK_SET_NS: i64 = SECOND;

/// How the server's clock relates to ours.
///
/// Each report shows the difference plus its own delay on the way; the least of many is nearest the
/// truth.
#[derive(Debug, Default)]
pub(crate) struct ServerClock {
    offset_ns: Option<i64>,
    updated_ns: i64,
    /// Samples that no later one undercuts, by time of arrival.
    least: VecDeque<(i64, i64)>,
    suspect: Option<i64>,
}

impl ServerClock {
    /// Takes a report sent at `ntp_ns` on the server's clock. Returns its time on ours, or none if the
    /// report seems to come from another clock.
    pub(crate) fn report(&mut self, arrived_ns: i64, ntp_ns: i64) -> Option<i64> {
        let sample = arrived_ns.saturating_sub(ntp_ns);
        match self.offset_ns {
            Some(offset) if (sample - offset).abs() > CLOCK_SET_NS => {
                let agrees = self.suspect.is_some_and(|suspect| (sample - suspect).abs() < CLOCK_SET_NS / 2);
                if !agrees {
                    self.suspect = Some(sample);
                    return None;
                }
                *self = Self::default();
            }
            _ => self.suspect = None,
        }
        while self.least.back().is_some_and(|&(_, least)| least >= sample) {
            self.least.pop_back();
        }
        self.least.push_back((arrived_ns, sample));
        while self.least.front().is_some_and(|&(at, _)| at < arrived_ns - OFFSET_WINDOW_NS) {
            self.least.pop_front();
        }
        let least = self.least.front().map_or(sample, |&(_, least)| least);
        let offset = match self.offset_ns {
            None => least,
            Some(offset) => {
                let elapsed = (arrived_ns - self.updated_ns).clamp(0, OFFSET_WINDOW_NS);
                let step = scale(elapsed, OFFSET_SLOPE_NS, SECOND);
                offset + (least - offset).clamp(-step, step)
            }
        };
        self.offset_ns = Some(offset);
        self.updated_ns = arrived_ns;
        Some(ntp_ns + offset)
    }
}

/// An error above this is corrected by a step where that goes forwards.
const STEP_NS: i64 = 100 * MS;
/// An error above this is corrected quickly: it comes from times of arrival.
const QUICK_NS: i64 = 10 * MS;
/// How fast errors are corrected, ns per second of media.
#[derive(Debug, Clone, Copy)]
struct Slopes {
    quick_ns: i64,
    slow_ns: i64,
}
/// A change of pitch of 2 % would be heard just so, if anybody resampled by it; reports of audio are noisy.
const AUDIO: Slopes = Slopes { quick_ns: 20 * MS, slow_ns: 2 * MS };
/// 5 ms a frame are not seen, and pictures, which are long on their way, are far off until the first report.
const VIDEO: Slopes = Slopes { quick_ns: 150 * MS, slow_ns: 20 * MS };
/// How fast time is held back where it would have to step backwards.
const BACK_SLOPE_NS: i64 = SECOND / 2;
/// A sample cannot be captured after it arrived; beyond this the timestamps have jumped.
const FUTURE_NS: i64 = SECOND;
/// Reports whose median counts.
const REPORTS: usize = 5;
/// A report that puts a sample so long after its arrival is wrong: a sample is captured before.
const UNBORN_NS: i64 = 100 * MS;
/// And so is one by which a sample was on its way for so long.
const LOST_NS: i64 = 60 * SECOND;
/// After a standstill, reports that still put samples this far back are not believed...
const STALE_NS: i64 = 60 * MS;
/// ...for so long, and for this many times the standstill: LiveKit's server takes up to twice as long to see it.
const STALE_FOR_NS: i64 = 15 * SECOND;
const STALE_FOR_TIMES: i64 = 3;

/// The clock of one stream.
#[derive(Debug)]
pub(crate) struct StreamClock {
    rate_hz: u32,
    slopes: Slopes,
    /// The newest timestamp given out and its time.
    newest: Option<(u64, i64)>,
    /// How far `newest` is from the truth, as far as known.
    error_ns: i64,
    /// Reports as RTP time and our time, oldest first.
    reports: VecDeque<(u64, i64)>,
    reported: bool,
    /// How long after its capture by this clock the newest sample arrived.
    lateness_ns: i64,
    /// Until when reports may be those of before a standstill.
    stale_until_ns: i64,
}

impl StreamClock {
    /// A clock for RTP timestamps that count at `rate_hz`.
    pub(crate) fn new(rate_hz: u32, kind: TrackKind) -> Self {
        let slopes = match kind {
            TrackKind::Audio => AUDIO,
            TrackKind::Video => VIDEO,
        };
        Self {
            rate_hz: rate_hz.max(1),
            slopes,
            newest: None,
            error_ns: 0,
            reports: VecDeque::new(),
            reported: false,
            lateness_ns: 0,
            stale_until_ns: i64::MIN,
        }
    }

    /// When the sample was captured if the stream goes on as it did; none before the first.
    pub(crate) fn presumed_ns(&self, rtp_time: u64) -> Option<i64> {
        self.newest.map(|(newest_rtp, newest_ns)| newest_ns + self.span_ns(newest_rtp, rtp_time))
    }

    /// The publisher's RTP time stood still before `rtp_time`, which came at `arrived_ns`: from there on everything is
    /// `by_ns` later.
    pub(crate) fn stood_still(&mut self, rtp_time: u64, by_ns: i64, arrived_ns: i64) {
        let Some((_, newest_ns)) = self.newest else { return };
        let presumed = self.presumed_ns(rtp_time).unwrap_or(newest_ns);
        // Where time had jumped ahead, being as late as usual may mean to be captured long after having come.
        let time_ns = (presumed + by_ns).min(arrived_ns + UNBORN_NS).max(newest_ns);
        self.newest = Some((rtp_time, time_ns));
        self.error_ns = 0;
        self.reports.clear();
        self.stale_until_ns = time_ns + STALE_FOR_NS + by_ns.saturating_mul(STALE_FOR_TIMES);
    }

    /// When the sample was captured. Rises with `rtp_time`.
    pub(crate) fn time_ns(&mut self, rtp_time: u64, arrived_ns: i64) -> i64 {
        let time = self.lead(rtp_time, arrived_ns);
        if self.newest.is_some_and(|(newest, _)| newest == rtp_time) {
            self.lateness_ns = arrived_ns - time;
        }
        time
    }

    fn lead(&mut self, rtp_time: u64, arrived_ns: i64) -> i64 {
        let Some((newest_rtp, newest_ns)) = self.newest else {
            // A report can be here before the first packet.
            let known = self.reports.back().map(|&(rtp, ns)| ns + self.span_ns(rtp, rtp_time));
            let plausible = known.filter(|ns| (ns - arrived_ns).abs() < 10 * SECOND);
            let first = plausible.unwrap_or(arrived_ns);
            self.newest = Some((rtp_time, first));
            return first;
        };
        if rtp_time <= newest_rtp {
            return newest_ns + self.span_ns(newest_rtp, rtp_time);
        }
        let elapsed = self.span_ns(newest_rtp, rtp_time);
        let mut time = newest_ns + elapsed;
        if !self.reported && arrived_ns < time {
            // The first packets were slow; the stream is older than they made believe.
            self.error_ns = arrived_ns - time;
        }
        let slope = match self.error_ns {
            error if error <= -STEP_NS => BACK_SLOPE_NS,
            error if error.abs() > QUICK_NS => self.slopes.quick_ns,
            _ => self.slopes.slow_ns,
        };
        let most = scale(elapsed, slope, SECOND);
        let correction = self.error_ns.clamp(-most, most);
        time += correction;
        self.error_ns -= correction;
        if time - arrived_ns > FUTURE_NS {
            time = arrived_ns.max(newest_ns);
            self.error_ns = 0;
            self.reports.clear();
            self.reported = false;
        }
        self.newest = Some((rtp_time, time));
        time
    }

    /// Takes a report: `rtp_time` was `time_ns` on our clock.
    pub(crate) fn report(&mut self, rtp_time: u64, time_ns: i64) {
        let Some((newest_rtp, newest_ns)) = self.newest else {
            self.reports.clear();
            self.reports.push_back((rtp_time, time_ns));
            self.reported = true;
            return;
        };
        let error_ns = time_ns - (newest_ns + self.span_ns(newest_rtp, rtp_time));
        let stale = time_ns < self.stale_until_ns && error_ns < -STALE_NS;
        let lateness_ns = self.lateness_ns.saturating_sub(error_ns);
        if stale || !(-UNBORN_NS..LOST_NS).contains(&lateness_ns) {
            return;
        }
        if self.reports.len() == REPORTS {
            self.reports.pop_front();
        }
        self.reports.push_back((rtp_time, time_ns));
        let mut errors = self.errors(newest_rtp, newest_ns);
        // Two reports in a row that agree on a large error are believed at once.
        if let [.., before, last] = errors[..]
            && (last - before).abs() < STEP_NS / 4
            && last.abs() > STEP_NS
        {
            self.reports.drain(..self.reports.len() - 2);
            errors = self.errors(newest_rtp, newest_ns);
        }
        errors.sort_unstable();
        let middle = errors.len() / 2;
        let median = if errors.len().is_multiple_of(2) {
            (errors[middle - 1] + errors[middle]) / 2
        } else {
            errors[middle]
        };
        if median > STEP_NS {
            self.newest = Some((newest_rtp, newest_ns + median));
            self.error_ns = 0;
        } else {
            self.error_ns = median;
        }
        self.reported = true;
    }

    /// How far each report is from the present mapping.
    fn errors(&self, newest_rtp: u64, newest_ns: i64) -> Vec<i64> {
        self.reports.iter().map(|&(rtp, ns)| ns - (newest_ns + self.span_ns(newest_rtp, rtp))).collect()
    }

    fn span_ns(&self, from: u64, to: u64) -> i64 {
        let span = |ticks: u64| {
            i64::try_from(u128::from(ticks) * 1_000_000_000 / u128::from(self.rate_hz))
                .unwrap_or(i64::MAX / 4)
        };
        if to >= from { span(to - from) } else { -span(from - to) }
    }
}

fn scale(value: i64, numerator: i64, denominator: i64) -> i64 {
    i64::try_from(i128::from(value) * i128::from(numerator) / i128::from(denominator)).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const T0: i64 = 1_700_000_000 * SECOND;

    #[test]
    fn the_fastest_report_tells_the_offset() {
        let mut clock = ServerClock::default();
        // The server is 5 s behind us; reports take 2 ms and more.
        let skew = 5 * SECOND;
        let report =
            |clock: &mut ServerClock, at: i64, delay: i64| clock.report(T0 + at + delay, T0 + at - skew);
        assert_eq!(report(&mut clock, 0, 3 * MS), Some(T0 + 3 * MS));
        let mut last = 0;
        for second in 1..60 {
            let delay = if second % 7 == 3 { 2 * MS } else { 30 * MS };
            last = report(&mut clock, second * SECOND, delay).unwrap() - (T0 + second * SECOND);
        }
        assert_eq!(last, 2 * MS);
    }

    #[test]
    fn a_server_clock_that_is_set_is_believed_the_second_time() {
        let mut clock = ServerClock::default();
        clock.report(T0, T0);
        assert_eq!(clock.report(T0 + SECOND, T0 + 9 * SECOND), None);
        assert_eq!(clock.report(T0 + 2 * SECOND, T0 + 2 * SECOND), Some(T0 + 2 * SECOND), "an outlier");
        assert_eq!(clock.report(T0 + 3 * SECOND, T0 + 13 * SECOND), None);
        assert_eq!(clock.report(T0 + 4 * SECOND, T0 + 14 * SECOND), Some(T0 + 4 * SECOND));
    }

    /// Plays a stream: frames every 20 ms that are late by `late(n)`, reports every 3 s from 3 s on that
    /// are wrong by `wrong(n)`; the publisher's clock runs `ppm` fast. Returns the error at each frame.
    fn play(seconds: i64, ppm: f64, late: impl Fn(i64) -> i64, wrong: impl Fn(i64) -> i64) -> Vec<i64> {
        let mut clock = StreamClock::new(48_000, TrackKind::Audio);
        let rtp = |ns: i64| 1_000_000 + (ns as f64 * 48e-6 * (1.0 + ppm * 1e-6)).round() as u64;
        let mut errors = Vec::new();
        let mut last = i64::MIN;
        for n in 0..seconds * 50 {
            let captured = n * 20 * MS;
            if n > 0 && n % 150 == 0 {
                clock.report(rtp(captured), T0 + captured + wrong(n / 150));
            }
            let time = clock.time_ns(rtp(captured), T0 + captured + late(n));
            assert!(time >= last, "time runs backwards at {n}: {time} after {last}");
            last = time;
            errors.push(time - (T0 + captured));
        }
        errors
    }

    #[test]
    fn arrival_is_replaced_by_reports_without_a_jump() {
        let errors = play(20, 0.0, |_| 40 * MS, |_| 0);
        assert!(errors[..150].iter().all(|error| *error == 40 * MS));
        for pair in errors.windows(2) {
            assert!((pair[1] - pair[0]).abs() <= MS, "{pair:?}");
        }
        // 20 ms a second down to 10 ms, then 2 ms a second.
        assert!(errors[150 + 80].abs() <= 10 * MS, "{}", errors[230]);
        assert!(errors[600].abs() <= 4 * MS);
        assert_eq!(*errors.last().unwrap(), 0);
    }

    #[test]
    fn pictures_are_in_place_a_second_after_their_first_report() {
        let mut clock = StreamClock::new(90_000, TrackKind::Video);
        let mut last = 0;
        for n in 0..150 {
            let (rtp, captured) = (n * 3000, T0 + n as i64 * SECOND / 30);
            if n == 90 {
                clock.report(rtp, captured);
            }
            let time = clock.time_ns(rtp, captured + 90 * MS);
            assert!(n == 0 || (time - last - SECOND / 30).abs() <= 5 * MS, "frame {n}");
            assert!(n < 120 || (time - captured).abs() <= 5 * MS, "frame {n}: {}", time - captured);
            last = time;
        }
    }

    #[test]
    fn a_slow_first_packet_is_made_good_before_the_first_report() {
        let errors = play(3, 0.0, |n| if n == 0 { 50 * MS } else { MS }, |_| 0);
        assert!(errors[149] < 15 * MS, "{}", errors[149]);
    }

    #[test]
    fn a_large_error_steps_forwards_or_is_held_back() {
        // Its time stood still for 400 ms and nobody saw it: a report does.
        let mut clock = StreamClock::new(48_000, TrackKind::Audio);
        clock.time_ns(48_000, T0);
        clock.time_ns(48_960, T0 + 425 * MS);
        clock.report(48_960, T0 + 420 * MS);
        assert_eq!(clock.time_ns(49_920, T0 + 445 * MS), T0 + 440 * MS);
        let ahead = play(10, 0.0, |_| 600 * MS, |_| 0);
        assert!(ahead[250] <= 120 * MS, "held back at half speed: {}", ahead[250]);
    }

    /// What LiveKit's server reports after a publisher's sample count stood still: for twice as long as that it goes
    /// on as if the count had run through.
    #[test]
    fn reports_of_before_a_standstill_are_not_believed() {
        for stood_s in [1, 12, 61] {
            let mut clock = StreamClock::new(48_000, TrackKind::Audio);
            let rtp = |count_ns: i64| 48_000 + (count_ns as u64) * 48 / 1_000_000;
            let by = stood_s * SECOND;
            for n in 0..500 {
                let at = n * 20 * MS;
                clock.time_ns(rtp(at), T0 + at + 5 * MS);
                if n % 150 == 149 {
                    clock.report(rtp(at), T0 + at);
                }
            }
            let first = 10 * SECOND;
            clock.stood_still(rtp(first), by, T0 + first + by + 5 * MS);
            for n in 0..(3 * stood_s + 30) * 50 {
                let at = first + n * 20 * MS;
                let time = clock.time_ns(rtp(at), T0 + at + by + 5 * MS);
                let off = time - (T0 + at + by);
                assert!(off.abs() < 10 * MS, "{stood_s} s: {} ms off after {} s", off / MS, n / 50);
                if n % 150 == 149 {
                    let stale = n * 20 * MS < 2 * by;
                    clock.report(rtp(at + if stale { by } else { 0 }), T0 + at + by);
                }
            }
        }
    }

    #[test]
    fn a_standstill_that_was_none_is_taken_back() {
        let mut clock = StreamClock::new(48_000, TrackKind::Audio);
        let mut off = 0;
        for n in 0..3000 {
            let (rtp, at) = (n as u64 * 960, T0 + n * 20 * MS);
            // A route to the server that is 300 ms longer looks like one.
            let delay = if n < 500 { 5 * MS } else { 305 * MS };
            if n == 500 {
                clock.stood_still(rtp, 300 * MS, at + delay);
            }
            off = clock.time_ns(rtp, at + delay) - at;
            if n % 150 == 149 {
                clock.report(rtp, at);
            }
        }
        assert!(off.abs() < 10 * MS, "{} ms off", off / MS);
    }

    #[test]
    fn a_report_that_cannot_be_true_changes_nothing() {
        for wrong_s in [-7 * 3600, -61, 1, 7 * 3600] {
            let mut clock = StreamClock::new(48_000, TrackKind::Audio);
            for n in 0..500 {
                let (rtp, at) = ((1 << 33) + n as u64 * 960, T0 + n * 20 * MS);
                if n % 100 == 50 {
                    clock.report(rtp, at + wrong_s * SECOND);
                }
                let time = clock.time_ns(rtp, at + 5 * MS);
                assert!((time - at).abs() <= 5 * MS, "{wrong_s} s: {} ms off", (time - at) / MS);
            }
        }
    }

    #[test]
    fn an_outlier_among_the_reports_is_ignored() {
        let errors = play(60, 0.0, |_| 2 * MS, |n| if n % 6 == 4 { 80 * MS } else { 0 });
        assert!(errors[1000..].iter().all(|error| error.abs() <= MS), "{:?}", errors[1000..].iter().max());
    }

    #[test]
    fn drift_over_an_hour_is_followed() {
        for ppm in [-200.0, 100.0, 200.0] {
            let noise = |n: i64| (n * 7919 % 9 - 4) * MS / 2;
            let errors = play(3600, ppm, |_| 5 * MS, noise);
            let worst = errors[1000..].iter().map(|error| error.abs()).max().unwrap();
            assert!(worst < 4 * MS, "{ppm} ppm: {} us", worst / 1000);
        }
    }

    #[test]
    fn a_jump_of_the_timestamps_starts_anew() {
        let mut clock = StreamClock::new(90_000, TrackKind::Video);
        assert_eq!(clock.time_ns(90_000, T0), T0);
        let jumped = clock.time_ns(90_000_000, T0 + SECOND);
        assert_eq!(jumped, T0 + SECOND);
        assert_eq!(clock.time_ns(90_003_000, T0 + SECOND + 50 * MS), T0 + SECOND + 33_333_333);
    }

    #[test]
    fn a_report_before_the_first_packet_counts() {
        let mut clock = StreamClock::new(48_000, TrackKind::Audio);
        clock.report(48_000, T0);
        assert_eq!(clock.time_ns(52_800, T0 + 130 * MS), T0 + 100 * MS);
    }

    proptest! {
        /// Whatever the reports say and however late packets are, time follows RTP time.
        #[test]
        fn time_is_monotonic(
            steps in prop::collection::vec((0u64..10_000, -300i64..2_000, prop::option::of(-500i64..500)), 1..300),
        ) {
            let mut clock = StreamClock::new(48_000, TrackKind::Audio);
            let (mut rtp, mut last) = (1 << 32, i64::MIN);
            for (ticks, late_ms, report_ms) in steps {
                rtp += ticks;
                let captured = T0 + ((rtp - (1 << 32)) as i64) * SECOND / 48_000;
                if let Some(wrong_ms) = report_ms {
                    clock.report(rtp, captured + wrong_ms * MS);
                }
                let time = clock.time_ns(rtp, captured + late_ms * MS);
                prop_assert!(time >= last);
                last = time;
            }
        }
    }
}
