//! Puts packets in order. A packet that is next in order passes at once; only a gap waits, for
//! retransmission or redundancy to fill it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

/// Gaps longer than this are not waited for: the retransmission requests reach back no further.
pub(crate) const REPAIRABLE_GAP: u64 = 100;

/// A packet as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrived {
    /// Extended sequence number.
    pub(crate) seq: u64,
    /// Extended RTP timestamp.
    pub(crate) rtp_time: u64,
    pub(crate) marker: bool,
    pub(crate) audio_level_dbov: Option<i8>,
    pub(crate) payload: Bytes,
    pub(crate) at: Instant,
}

/// A packet in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ordered {
    /// Packets given up between the one before and this one.
    pub(crate) lost_before: u32,
    pub(crate) packet: Arrived,
}

/// What became of a packet that was put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Insert {
    /// It is the next, or waits behind a gap.
    New,
    /// It filled a gap, wholly or partly.
    Repair,
    /// It is here already, or its place has been given up.
    Useless,
}

/// The buffer of one stream.
#[derive(Debug)]
pub(crate) struct JitterBuffer {
    wait: Duration,
    /// The next to deliver; none before the first packet.
    next: Option<u64>,
    /// The last delivered packet's RTP timestamp.
    last_rtp_time: u64,
    held: BTreeMap<u64, Arrived>,
    /// Since when the gap before the first held packet is known.
    gap_since: Option<Instant>,
    flushing: bool,
}

impl JitterBuffer {
    /// A buffer that gives up on a gap after `wait`.
    pub(crate) fn new(wait: Duration) -> Self {
        Self { wait, next: None, last_rtp_time: 0, held: BTreeMap::new(), gap_since: None, flushing: false }
    }

    /// Puts a packet in.
    pub(crate) fn insert(&mut self, packet: Arrived) -> Insert {
        let next = *self.next.get_or_insert(packet.seq);
        if packet.seq < next || self.held.contains_key(&packet.seq) {
            return Insert::Useless;
        }
        let repairs = self.held.last_key_value().is_some_and(|(&last, _)| packet.seq < last);
        if packet.seq != next && self.gap_since.is_none() {
            self.gap_since = Some(packet.at);
        }
        self.held.insert(packet.seq, packet);
        if repairs { Insert::Repair } else { Insert::New }
    }

    /// Whether anything is missing that an earlier copy could fill.
    pub(crate) fn has_gap(&self) -> bool {
        self.gap_since.is_some()
    }

    /// Finds the missing packet that sounded at `rtp_time`, given that it was sent again inside packet
    /// `carrier`, as the `back`-th before it. Redundancy names times, not numbers: a single hole around
    /// the time is certain, evenly spaced holes are computed, else the position in the carrier decides.
    pub(crate) fn locate(&self, carrier: u64, back: u64, rtp_time: u64) -> Option<u64> {
        let next = self.next?;
        if self.held.values().any(|packet| packet.rtp_time == rtp_time) || rtp_time <= self.last_rtp_time {
            return None;
        }
        let above = self.held.values().find(|packet| packet.rtp_time > rtp_time)?;
        let below = self.held.values().rev().find(|packet| packet.rtp_time < rtp_time);
        let (low_seq, low_time) = match below {
            Some(packet) => (packet.seq, packet.rtp_time),
            // Nothing has been delivered before the first packet, so nothing can be missing there.
            None => (next.checked_sub(1)?, self.last_rtp_time),
        };
        let steps = above.seq.checked_sub(low_seq)?;
        let candidate = match steps {
            0 | 1 => return None,
            2 => low_seq + 1,
            _ => {
                let (span, offset) = (above.rtp_time - low_time, rtp_time - low_time);
                let even = span % steps == 0 && span > 0 && offset % (span / steps) == 0;
                if even { low_seq + offset / (span / steps) } else { carrier.checked_sub(back)? }
            }
        };
        let missing = candidate > low_seq && candidate < above.seq && candidate >= next;
        (missing && !self.held.contains_key(&candidate)).then_some(candidate)
    }

    /// Takes the next packet in order, if it is here or the gap before it is given up.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Ordered> {
        let next = self.next?;
        let Some(first) = self.held.first_entry() else {
            self.flushing = false;
            return None;
        };
        let missing = first.key() - next;
        if missing > 0 {
            let expired =
                self.gap_since.is_none_or(|since| now.saturating_duration_since(since) >= self.wait);
            if !expired && !self.flushing && missing <= REPAIRABLE_GAP {
                return None;
            }
        }
        let packet = first.remove();
        self.next = Some(packet.seq + 1);
        self.last_rtp_time = packet.rtp_time;
        if self.gap_since.is_some() {
            // The next gap is known since the first of the packets behind it came.
            let gap = self.held.first_key_value().is_some_and(|(&seq, _)| seq != packet.seq + 1);
            let whole = self.held.len() as u64
                == self.held.last_key_value().map_or(0, |(&last, _)| last - packet.seq);
            if whole {
                self.gap_since = None;
            } else if gap {
                self.gap_since = self.held.values().map(|held| held.at).min();
            }
        }
        Some(Ordered { lost_before: u32::try_from(missing).unwrap_or(u32::MAX), packet })
    }

    /// When [`Self::pop`] will give up on the present gap.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.gap_since.filter(|_| !self.held.is_empty()).map(|since| since + self.wait)
    }

    /// Lets [`Self::pop`] return everything held, without waiting.
    pub(crate) fn flush(&mut self) {
        self.flushing = !self.held.is_empty();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WAIT: Duration = Duration::from_millis(500);

    fn packet(seq: u64, at: Instant) -> Arrived {
        Arrived {
            seq,
            rtp_time: 1_000_000 + seq * 960,
            marker: false,
            audio_level_dbov: None,
            payload: Bytes::copy_from_slice(&seq.to_be_bytes()),
            at,
        }
    }

    fn drain(buffer: &mut JitterBuffer, now: Instant) -> Vec<(u64, u32)> {
        std::iter::from_fn(|| buffer.pop(now)).map(|out| (out.packet.seq, out.lost_before)).collect()
    }

    #[test]
    fn packets_in_order_pass_at_once() {
        let now = Instant::now();
        let mut buffer = JitterBuffer::new(WAIT);
        for seq in 5..50 {
            assert_eq!(buffer.insert(packet(seq, now)), Insert::New);
            assert_eq!(drain(&mut buffer, now), [(seq, 0)]);
            assert_eq!(buffer.deadline(), None);
        }
    }

    #[test]
    fn a_gap_waits_for_its_repair() {
        let now = Instant::now();
        let mut buffer = JitterBuffer::new(WAIT);
        for seq in [1, 3, 4] {
            buffer.insert(packet(seq, now));
        }
        assert_eq!(drain(&mut buffer, now), [(1, 0)]);
        assert_eq!(buffer.deadline(), Some(now + WAIT));
        assert_eq!(buffer.insert(packet(2, now + WAIT / 2)), Insert::Repair);
        assert_eq!(drain(&mut buffer, now + WAIT / 2), [(2, 0), (3, 0), (4, 0)]);
        assert_eq!(buffer.deadline(), None);
    }

    #[test]
    fn a_gap_is_given_up_in_time_and_counted() {
        let now = Instant::now();
        let mut buffer = JitterBuffer::new(WAIT);
        buffer.insert(packet(1, now));
        buffer.insert(packet(4, now));
        assert_eq!(drain(&mut buffer, now), [(1, 0)]);
        buffer.insert(packet(7, now + WAIT / 2));
        assert_eq!(drain(&mut buffer, now + WAIT - Duration::from_millis(1)), []);
        assert_eq!(drain(&mut buffer, now + WAIT), [(4, 2)]);
        assert_eq!(buffer.deadline(), Some(now + WAIT / 2 + WAIT), "the second gap has its own time");
        assert_eq!(buffer.insert(packet(2, now + WAIT)), Insert::Useless);
        assert_eq!(drain(&mut buffer, now + WAIT * 2), [(7, 2)]);
    }

    #[test]
    fn a_gap_too_long_to_repair_does_not_wait() {
        let now = Instant::now();
        let mut buffer = JitterBuffer::new(WAIT);
        buffer.insert(packet(1, now));
        buffer.insert(packet(1000, now));
        assert_eq!(drain(&mut buffer, now), [(1, 0), (1000, 998)]);
    }

    #[test]
    fn a_flush_delivers_what_is_held() {
        let now = Instant::now();
        let mut buffer = JitterBuffer::new(WAIT);
        for seq in [1, 3, 6] {
            buffer.insert(packet(seq, now));
        }
        buffer.flush();
        assert_eq!(drain(&mut buffer, now), [(1, 0), (3, 1), (6, 2)]);
        buffer.insert(packet(8, now));
        assert_eq!(drain(&mut buffer, now), [], "later gaps wait again");
    }

    #[test]
    fn redundancy_finds_its_place() {
        let now = Instant::now();
        let mut buffer = JitterBuffer::new(WAIT);
        buffer.insert(packet(10, now));
        assert_eq!(drain(&mut buffer, now), [(10, 0)]);
        buffer.insert(packet(12, now));
        let time = |seq: u64| 1_000_000 + seq * 960;
        assert_eq!(buffer.locate(12, 1, time(11)), Some(11));
        assert_eq!(buffer.locate(12, 2, time(10)), None, "delivered already");
        assert_eq!(buffer.locate(12, 3, time(9)), None);
        buffer.insert(packet(15, now));
        assert_eq!(buffer.locate(15, 2, time(13)), Some(13), "evenly spaced holes");
        assert_eq!(buffer.locate(15, 1, time(14)), Some(14));
        let mut odd = packet(19, now);
        odd.rtp_time += 77;
        buffer.insert(odd);
        assert_eq!(buffer.locate(19, 1, time(18) + 77), Some(18), "by position where spacing is uneven");
    }

    proptest! {
        /// Whatever arrives in whatever order: what comes out is in order, nothing twice, and what is
        /// missing is counted exactly.
        #[test]
        fn order_and_counts_hold(
            start in 0u64..100_000,
            arrivals in prop::collection::vec((0u64..400, 0u64..120), 1..300),
            pops in prop::collection::vec(any::<bool>(), 300),
        ) {
            let mut now = Instant::now();
            let mut buffer = JitterBuffer::new(WAIT);
            let mut out = Vec::new();
            for ((offset, wait_ms), pop) in arrivals.iter().zip(pops) {
                now += Duration::from_millis(*wait_ms);
                buffer.insert(packet(start + offset, now));
                if pop {
                    out.extend(drain(&mut buffer, now));
                    if let Some(deadline) = buffer.deadline() {
                        prop_assert!(deadline > now, "what is due has been delivered");
                    }
                }
            }
            buffer.flush();
            out.extend(drain(&mut buffer, now));
            prop_assert_eq!(buffer.deadline(), None);
            let mut expected = out[0].0;
            for (seq, lost) in out {
                prop_assert_eq!(seq, expected + u64::from(lost));
                expected = seq + 1;
            }
        }

        /// A packet that arrives within the wait is never lost.
        #[test]
        fn what_comes_in_time_is_kept(order in Just((1u64..80).collect::<Vec<_>>()).prop_shuffle()) {
            let now = Instant::now();
            let mut buffer = JitterBuffer::new(WAIT);
            buffer.insert(packet(0, now));
            let mut out = drain(&mut buffer, now);
            for (index, seq) in order.into_iter().enumerate() {
                let at = now + Duration::from_millis(6 * index as u64);
                buffer.insert(packet(seq, at));
                out.extend(drain(&mut buffer, at));
            }
            prop_assert_eq!(out, (0..80).map(|seq| (seq, 0)).collect::<Vec<_>>());
        }
    }
}
