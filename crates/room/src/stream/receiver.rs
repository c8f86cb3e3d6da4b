//! One received stream: redundancy taken apart, gaps waited for, times given, key frames asked for.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use egress::roster::TrackKind;

use super::clock::{ServerClock, StreamClock};
use super::jitter::{Arrived, Insert, JitterBuffer, Ordered};
use super::keyframe::KeyframeRequests;
use super::standstill::{self, Standstill, Verdict};
use super::{payload, red};
use crate::clock::Clock;
use crate::event::{Packet, Stream};

/// How long a missing video packet is waited for: several rounds of retransmission requests.
const VIDEO_WAIT: Duration = Duration::from_millis(500);
/// How long a missing audio packet is waited for. LiveKit does not heed a first request within 100 ms of
/// the packet; the second comes 105 ms after the first.
const AUDIO_WAIT: Duration = Duration::from_millis(300);
/// How long where redundancy repairs: the server does not retransmit it, and the copy comes a few packets
/// later or not at all.
const REDUNDANT_WAIT: Duration = Duration::from_millis(100);
/// A packet as the transport hands it over.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    /// Extended sequence number.
    pub(crate) seq: u64,
    /// RTP timestamp as on the wire.
    pub(crate) rtp_time: u32,
    pub(crate) marker: bool,
    pub(crate) audio_level_dbov: Option<i8>,
    pub(crate) payload: Bytes,
    pub(crate) at: Instant,
}

/// What a stream went through.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) repaired: u64,
    pub(crate) lost: u64,
    pub(crate) keyframe_requests: u64,
}

/// The receiving end of one stream.
#[derive(Debug)]
pub(crate) struct Receiver {
    stream: Arc<Stream>,
    buffer: JitterBuffer,
    clock: StreamClock,
    standstill: Standstill,
    /// In order, after a pause of which it does not show yet what it was.
    held: VecDeque<Ordered>,
    flushing: bool,
    /// Extended timestamp of the newest packet.
    rtp_time: Option<u64>,
    counts: Counts,
    /// Lost since the last packet that was delivered.
    lost_before: u32,
    keyframe: KeyframeRequests,
}

impl Receiver {
    /// `redundant`: its payloads are RED.
    pub(crate) fn new(stream: Arc<Stream>, redundant: bool) -> Self {
        let video = stream.kind == TrackKind::Video;
        let wait = match (video, redundant) {
            (true, _) => VIDEO_WAIT,
            (false, true) => REDUNDANT_WAIT,
            (false, false) => AUDIO_WAIT,
        };
        Self {
            buffer: JitterBuffer::new(wait),
            clock: StreamClock::new(stream.clock_rate_hz, stream.kind),
            standstill: Standstill::new(stream.kind),
            held: VecDeque::new(),
            flushing: false,
            rtp_time: None,
            counts: Counts::default(),
            lost_before: 0,
            keyframe: KeyframeRequests::new(video),
            stream,
        }
    }

    pub(crate) fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes a packet. `redundant`: its payload is RED.
    pub(crate) fn receive(&mut self, incoming: Incoming, redundant: bool) {
        let rtp_time = extend(self.rtp_time, incoming.rtp_time);
        self.rtp_time = Some(self.rtp_time.map_or(rtp_time, |newest| newest.max(rtp_time)));
        self.counts.bytes += incoming.payload.len() as u64;
        self.keyframe.received(incoming.at);

        let mut arrived = Arrived {
            seq: incoming.seq,
            rtp_time,
            marker: incoming.marker,
            audio_level_dbov: incoming.audio_level_dbov,
            payload: incoming.payload,
            at: incoming.at,
        };
        let mut earlier = Vec::new();
        if redundant && !arrived.payload.is_empty() {
            let Some(taken_apart) = red::split(&arrived.payload) else { return };
            arrived.payload = taken_apart.primary;
            earlier = taken_apart.earlier;
        }
        if payload::is_blank_frame(self.stream.codec, &arrived.payload) {
            arrived.payload = Bytes::new();
        }
        let (seq, at) = (arrived.seq, arrived.at);
        let insert = self.buffer.insert(arrived);
        self.count(insert);
        if !self.buffer.has_gap() {
            return;
        }
        let blocks = earlier.len() as u64;
        for (index, block) in earlier.into_iter().enumerate() {
            let Some(rtp_time) = rtp_time.checked_sub(u64::from(block.offset)) else { continue };
            if let Some(place) = self.buffer.locate(seq, blocks - index as u64, rtp_time) {
                let repair = Arrived {
                    seq: place,
                    rtp_time,
                    marker: false,
                    audio_level_dbov: None,
                    payload: block.payload,
                    at,
                };
                let insert = self.buffer.insert(repair);
                self.count(insert);
            }
        }
    }

    fn count(&mut self, insert: Insert) {
        self.counts.packets += u64::from(insert != Insert::Useless);
        self.counts.repaired += u64::from(insert == Insert::Repair);
    }

    /// Takes a sender report.
    pub(crate) fn report(
        &mut self,
        server: &mut ServerClock,
        local: &Clock,
        at: Instant,
        rtp: u32,
        ntp_ns: i64,
    ) {
        if let Some(time_ns) = server.report(local.ns(at), ntp_ns) {
            self.clock.report(extend(self.rtp_time, rtp), time_ns);
        }
    }

    /// Hands out what is in order.
    pub(crate) fn poll(&mut self, now: Instant, local: &Clock, mut deliver: impl FnMut(Packet) -> bool) {
        while let Some(ordered) = self.buffer.pop(now) {
            let verdict = self.judge(&ordered.packet, local);
            self.held.push_back(ordered);
            self.release(verdict, local, &mut deliver);
        }
        if self.flushing || self.held_until().is_some_and(|until| until <= now) {
            let verdict = self.standstill.decide();
            self.release(verdict, local, &mut deliver);
        }
        self.flushing = false;
    }

    /// Whether the next packet in order, and what is held before it, may pass.
    fn judge(&mut self, packet: &Arrived, local: &Clock) -> Verdict {
        // Padding carries the time of the picture before it, however long ago that was.
        if packet.payload.is_empty() {
            return if self.held.is_empty() { Verdict::Pass } else { Verdict::Hold };
        }
        let arrived_ns = local.ns(packet.at);
        match self.clock.presumed_ns(packet.rtp_time) {
            Some(captured_ns) => self.standstill.packet(arrived_ns, arrived_ns - captured_ns),
            None => Verdict::Pass,
        }
    }

    fn release(&mut self, verdict: Verdict, local: &Clock, deliver: &mut impl FnMut(Packet) -> bool) {
        match verdict {
            Verdict::Hold => return,
            Verdict::Pass => {}
            Verdict::StoodStill(by_ns) => {
                if let Some(first) = self.held.front() {
                    self.clock.stood_still(first.packet.rtp_time, by_ns, local.ns(first.packet.at));
                }
            }
        }
        while let Some(ordered) = self.held.pop_front() {
            self.hand_out(ordered, local, deliver);
        }
    }

    fn hand_out(&mut self, ordered: Ordered, local: &Clock, deliver: &mut impl FnMut(Packet) -> bool) {
        let packet = ordered.packet;
        if ordered.lost_before > 0 {
            self.counts.lost += u64::from(ordered.lost_before);
            self.lost_before = self.lost_before.saturating_add(ordered.lost_before);
            self.keyframe.want();
        }
        if self.keyframe.is_wanted() && payload::begins_keyframe(self.stream.codec, &packet.payload) {
            self.keyframe.came();
        }
        let delivered = deliver(Packet {
            stream: self.stream.id,
            seq: packet.seq,
            rtp_time: packet.rtp_time,
            time_ns: self.clock.time_ns(packet.rtp_time, local.ns(packet.at)),
            marker: packet.marker,
            lost_before: self.lost_before,
            audio_level_dbov: packet.audio_level_dbov,
            payload: packet.payload,
        });
        if delivered {
            self.lost_before = 0;
        } else {
            self.counts.lost += 1;
            self.lost_before = self.lost_before.saturating_add(1);
            self.keyframe.want();
        }
    }

    /// When what is held is decided upon, whatever has come by then.
    fn held_until(&self) -> Option<Instant> {
        self.held.iter().map(|ordered| ordered.packet.at).max().map(|newest| newest + standstill::PATIENCE)
    }

    /// Lets the next [`Self::poll`] hand out everything.
    pub(crate) fn flush(&mut self) {
        self.buffer.flush();
        self.flushing = true;
    }

    /// Somebody wants a key frame, whatever was received.
    pub(crate) fn ask_keyframe(&mut self) {
        self.keyframe.ask();
    }

    /// Whether to ask the publisher for a key frame now. Repeats until one comes.
    pub(crate) fn take_keyframe_request(&mut self, now: Instant) -> bool {
        let due = self.keyframe.take(now);
        self.counts.keyframe_requests += u64::from(due);
        due
    }

    /// When [`Self::poll`] or [`Self::take_keyframe_request`] has something to do without a new packet.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        [self.buffer.deadline(), self.keyframe.due(), self.held_until()].into_iter().flatten().min()
    }
}

/// Extends a 32-bit timestamp to the value nearest the newest known one.
fn extend(newest: Option<u64>, wire: u32) -> u64 {
    // Starting in the second round leaves room below for packets older than the first.
    let Some(newest) = newest else { return (1 << 32) | u64::from(wire) };
    let ahead = wire.wrapping_sub(newest as u32) as i32;
    newest.saturating_add_signed(i64::from(ahead))
}

#[cfg(test)]
mod tests {
    use egress::id::TrackId;
    use proptest::prelude::*;

    use super::*;
    use crate::event::{Codec, StreamId};

    fn receiver(codec: Codec, kind: TrackKind, rate: u32) -> Receiver {
        let stream = Arc::new(Stream {
            id: StreamId(1),
            track_id: TrackId::from("TR_1"),
            kind,
            codec,
            clock_rate_hz: rate,
            channels: 2,
            fmtp: String::new(),
        });
        Receiver::new(stream, false)
    }

    fn incoming(seq: u64, rtp_time: u32, payload: &[u8], at: Instant) -> Incoming {
        Incoming {
            seq,
            rtp_time,
            marker: true,
            audio_level_dbov: Some(-20),
            payload: Bytes::copy_from_slice(payload),
            at,
        }
    }

    fn drain(receiver: &mut Receiver, now: Instant) -> Vec<Packet> {
        let mut out = Vec::new();
        let local = Clock::start();
        receiver.poll(now, &local, |packet| {
            out.push(packet);
            true
        });
        out
    }

    /// What a sender, or the server, does to its time.
    #[derive(Debug, Clone)]
    enum Trick {
        Honest,
        /// RTP time jumps by so many ticks.
        Jump(i32),
        /// A report is off by so many ms.
        Report(i64),
    }

    fn trick() -> impl Strategy<Value = Trick> {
        prop_oneof![
            20 => Just(Trick::Honest),
            1 => any::<i32>().prop_map(Trick::Jump),
            1 => (-20_000_000..20_000_000i64).prop_map(Trick::Report),
            2 => (-50..50i64).prop_map(Trick::Report),
        ]
    }

    proptest! {
        /// Whatever a sender and its reports claim, nothing was captured after it came, but for a second that is left
        /// to clocks.
        #[test]
        fn no_packet_is_of_the_future(
            steps in prop::collection::vec((0..400u64, trick()), 1..300),
            video in any::<bool>(),
        ) {
            let (codec, kind, rate) =
                if video { (Codec::Vp8, TrackKind::Video, 90_000) } else { (Codec::Opus, TrackKind::Audio, 48_000) };
            let (mut receiver, mut server, local) = (receiver(codec, kind, rate), ServerClock::default(), Clock::start());
            let (mut at, mut rtp) = (Instant::now(), 12_345u32);
            for (seq, (pause_ms, trick)) in steps.into_iter().enumerate() {
                at += Duration::from_millis(pause_ms);
                rtp = rtp.wrapping_add(pause_ms as u32 * (rate / 1000));
                match trick {
                    Trick::Honest => {}
                    Trick::Jump(ticks) => rtp = rtp.wrapping_add(ticks as u32),
                    Trick::Report(off_ms) => {
                        receiver.report(&mut server, &local, at, rtp, local.ns(at) + off_ms * 1_000_000);
                    }
                }
                receiver.receive(incoming(seq as u64, rtp, &[0x10, 1, 2, 3], at), false);
                let mut out = Vec::new();
                receiver.poll(at, &local, |packet| {
                    out.push(packet.time_ns);
                    true
                });
                for time_ns in out {
                    prop_assert!(time_ns - local.ns(at) <= 1_000_000_000, "{} ns ahead", time_ns - local.ns(at));
                }
            }
        }
    }

    #[test]
    fn timestamps_are_extended_across_the_wrap() {
        let newest = extend(None, u32::MAX - 10);
        assert_eq!(extend(Some(newest), 20), newest + 31);
        assert_eq!(extend(Some(newest + 31), u32::MAX), newest + 10);
    }

    #[test]
    fn redundancy_repairs_losses() {
        let now = Instant::now();
        let mut receiver = receiver(Codec::Opus, TrackKind::Audio, 48_000);
        // Two levels: the one before the last, then the last.
        let red = |n: u8| {
            let mut out = vec![0x80 | 111, (1920u32 >> 6) as u8, ((1920u32 & 63) << 2) as u8, 1];
            out.extend([0x80 | 111, (960u32 >> 6) as u8, ((960u32 & 63) << 2) as u8, 1, 111]);
            out.extend([n.wrapping_sub(2), n.wrapping_sub(1), n]);
            out
        };
        let mut got = Vec::new();
        for n in 10u8..100 {
            // One in three is lost, and sometimes two in a row.
            if n % 3 == 1 && n > 10 || n % 30 == 20 {
                continue;
            }
            receiver.receive(incoming(u64::from(n), u32::from(n) * 960, &red(n), now), true);
            got.extend(drain(&mut receiver, now));
        }
        let payloads: Vec<u8> = got.iter().map(|packet| packet.payload[0]).collect();
        assert_eq!(payloads, (10..=99).collect::<Vec<u8>>());
        assert!(got.iter().all(|packet| packet.lost_before == 0));
        assert!(got.windows(2).all(|pair| pair[1].rtp_time - pair[0].rtp_time == 960));
        assert_eq!(receiver.counts().lost, 0);
        assert!(receiver.counts().repaired >= 29, "{:?}", receiver.counts());
    }

    #[test]
    fn key_frames_are_asked_for_until_one_comes() {
        let start = Instant::now();
        let later = |ms: u64| start + Duration::from_millis(ms);
        let mut receiver = receiver(Codec::Vp8, TrackKind::Video, 90_000);
        let (key, delta) = ([0x10, 0x00, 0, 0], [0x10, 0x01, 0, 0]);
        receiver.receive(incoming(1, 0, &delta, start), false);
        drain(&mut receiver, start);
        assert!(!receiver.take_keyframe_request(later(499)));
        assert!(receiver.take_keyframe_request(later(500)));
        assert!(!receiver.take_keyframe_request(later(1100)), "nothing flows");
        receiver.receive(incoming(2, 3000, &delta, later(1100)), false);
        drain(&mut receiver, later(1100));
        assert!(receiver.take_keyframe_request(later(1100)));
        receiver.receive(incoming(3, 6000, &key, later(1200)), false);
        drain(&mut receiver, later(1200));
        assert!(!receiver.take_keyframe_request(later(9000)));
        assert_eq!(receiver.deadline(), None);

        receiver.receive(incoming(6, 15_000, &delta, later(9000)), false);
        assert_eq!(receiver.deadline(), Some(later(9500)));
        assert_eq!(drain(&mut receiver, later(9500))[0].lost_before, 2);
        assert!(receiver.take_keyframe_request(later(9500)), "an unrepaired gap needs one");
    }

    /// A microphone that gives nothing for a while and goes on, its sample count having stood still.
    #[test]
    fn what_follows_a_standstill_is_neither_lost_nor_late() {
        let local = Clock::start();
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut receiver = receiver(Codec::Opus, TrackKind::Audio, 48_000);
        let mut out = Vec::new();
        for n in 0..100u64 {
            let now = at(n * 20 + if n < 50 { 5 } else { 3005 });
            receiver.receive(incoming(n, n as u32 * 960, &[0xfc, 1], now), false);
            receiver.poll(now, &local, |packet| {
                out.push((packet.seq, packet.time_ns - local.ns(now)));
                true
            });
        }
        assert_eq!(out.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
        let (_, late) = out.last().unwrap();
        assert!(late.abs() < 1_000_000, "{late} ns from its arrival");
        // Of a pause that has just ended it does not show yet what it was; a flush does not wait for that.
        receiver.receive(incoming(100, 96_000, &[0xfc, 1], at(9000)), false);
        assert!(drain(&mut receiver, at(9000)).is_empty());
        assert_eq!(receiver.deadline(), Some(at(9000) + standstill::PATIENCE));
        receiver.flush();
        assert_eq!(drain(&mut receiver, at(9000)).len(), 1);
    }

    #[test]
    fn what_the_consumer_cannot_take_counts_as_lost() {
        let now = Instant::now();
        let mut receiver = receiver(Codec::Vp8, TrackKind::Video, 90_000);
        let local = Clock::start();
        for seq in 1..=4 {
            receiver.receive(incoming(seq, 0, &[0x10, 0, 0], now), false);
        }
        let mut out = Vec::new();
        receiver.poll(now, &local, |packet| {
            let take = packet.seq == 1 || packet.seq == 4;
            if take {
                out.push((packet.seq, packet.lost_before));
            }
            take
        });
        assert_eq!(out, [(1, 0), (4, 2)]);
        assert_eq!(receiver.counts().lost, 2);
    }
}
