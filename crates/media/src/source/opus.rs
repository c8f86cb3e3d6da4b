//! A published Opus stream as a gapless run of packets.
//!
//! A muted microphone, DTX and loss leave holes, and most containers and players do not keep a hole as
//! time. RFC 7845 §4.1 says what to do when an Opus stream is recorded as it came: published packets
//! stay as they are, bit for bit, and holes are filled with packets of no content that ask the decoder
//! to conceal (a TOC byte with an empty frame). Holes longer than concealment can bridge are filled with
//! coded silence.

use bytes::Bytes;

/// Opus always counts at 48 kHz, whatever was sampled (RFC 7587 §4.1).
pub const RATE_HZ: i64 = 48_000;
/// Longest hole that is given to the decoder's concealment; libopus fades to nothing well before.
const CONCEAL_MAX_SAMPLES: i64 = RATE_HZ * 120 / 1000;
/// Shortest Opus frame: 2.5 ms.
const SHORTEST_SAMPLES: i64 = 120;
/// A timestamp that is this far from where the stream stands is a new beginning, not a hole.
const NEW_BEGINNING_SAMPLES: i64 = RATE_HZ * 3600 * 6;

/// Where the timestamps show a hole that is so much longer than by the room's clock, they have jumped (a sound card was
/// changed).
const JUMPED_SAMPLES: i64 = RATE_HZ / 4;
/// Where by the room's clock a hole is so much longer than the timestamps show, they stood still in it (a call came in
/// on the publisher's telephone, a program had nothing to send). Above what the clock leads a stream by in one step.
const STOOD_SAMPLES: i64 = RATE_HZ * 60 / 1000;
/// Longest hole (200 ms) that is filled for a decoder.
const DECODER_FILL_SAMPLES: i64 = RATE_HZ / 5;

/// One packet of the gapless run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpusPacket {
    /// Start, on the room's clock, ns.
    pub time_ns: i64,
    /// Length, samples at 48 kHz.
    pub samples: i64,
    /// The Opus packet.
    pub payload: Bytes,
    /// Whether we made it.
    pub filler: bool,
}

/// Length of an Opus packet in samples at 48 kHz, from its TOC byte (RFC 6716 §3.1); none if malformed.
pub fn packet_samples(payload: &[u8]) -> Option<i64> {
    let toc = *payload.first()?;
    let config = toc >> 3;
    let frame = match config {
        0..=11 => [480, 960, 1920, 2880][usize::from(config & 3)],
        12..=15 => [480, 960][usize::from(config & 1)],
        _ => [120, 240, 480, 960][usize::from(config & 3)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => i64::from(*payload.get(1)? & 0x3f),
    };
    let samples = frame * frames;
    (samples > 0 && samples <= 5760).then_some(samples)
}

/// Makes the run. Time is an argument; it does no IO.
#[derive(Debug)]
pub struct OpusRun {
    /// Longer holes are not filled, samples.
    longest_fill: i64,
    /// Where the run stands; none before the first packet.
    position: Option<Position>,
    /// TOC of the last published packet, with the frame count cleared.
    toc: u8,
}

#[derive(Debug, Clone, Copy)]
struct Position {
    /// End of what was given out, ns.
    end_ns: i64,
    /// RTP timestamp that belongs to it, and the stream it counts in.
    rtp_end: u64,
    stream: u64,
}

/// Why a hole is there, which decides what fills it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hole {
    /// The publisher sent nothing (DTX), or little was lost: the decoder continues what it had.
    Conceal,
    /// Muted, unpublished, or too much was lost.
    Silence,
}

impl OpusRun {
    /// A run without a hole, for a file.
    pub fn gapless() -> Self {
        Self { longest_fill: i64::MAX, position: None, toc: 0 }
    }

    /// A run for a decoder: the mixer lays sound by its time, so that only what the decoder can bridge is
    /// filled. The fillers of an hour's mute would keep it busy for the first seconds of speech after it.
    pub fn for_decoder() -> Self {
        Self { longest_fill: DECODER_FILL_SAMPLES, ..Self::gapless() }
    }

    /// The packets that a published packet adds: fillers before it, then itself. Nothing, if its time
    /// has been given out already.
    pub fn push(
        &mut self,
        stream: u64,
        rtp_time: u64,
        time_ns: i64,
        lost_before: u32,
        payload: &Bytes,
    ) -> Vec<OpusPacket> {
        let Some(samples) = packet_samples(payload) else { return Vec::new() };
        let mut out = Vec::new();
        let mut start_ns = time_ns;
        if let Some(at) = self.position {
            // Within a stream its own sample count says how long a hole is; the clock may be off by a
            // few ms there, and a packet must not be cut in because of that.
            let by_clock = samples_of(time_ns - at.end_ns);
            let by_count = rtp_time.wrapping_sub(at.rtp_end) as i64;
            // They stood still: by them, everything new is old. Or they jumped ahead.
            let behind = by_count <= -samples || by_clock.saturating_sub(by_count) > STOOD_SAMPLES;
            let stood = behind && by_clock > -samples;
            let jumped = by_count.saturating_sub(by_clock) > JUMPED_SAMPLES;
            let astray = at.stream != stream || stood || jumped;
            let gap = if astray { by_clock } else { by_count };
            if gap.abs() < NEW_BEGINNING_SAMPLES {
                if gap <= -samples {
                    return Vec::new();
                }
                let silent = (lost_before > 0 || astray) && gap > CONCEAL_MAX_SAMPLES;
                let hole = if silent { Hole::Silence } else { Hole::Conceal };
                if gap <= self.longest_fill {
                    self.fill(gap, hole, &mut out);
                }
                let end_ns = self.position.map_or(at.end_ns, |p| p.end_ns);
                // Follow the room's clock, so that hours of sound stay beside the picture, but never
                // start before what was given out.
                start_ns =
                    time_ns.max(end_ns - ns_of(SHORTEST_SAMPLES)).max(at.end_ns - ns_of(SHORTEST_SAMPLES));
            }
        }
        self.toc = payload[0] & !3;
        self.position = Some(Position {
            end_ns: start_ns + ns_of(samples),
            rtp_end: rtp_time.wrapping_add(samples as u64),
            stream,
        });
        out.push(OpusPacket { time_ns: start_ns, samples, payload: payload.clone(), filler: false });
        out
    }

    /// Silence up to `until_ns`: called while a microphone is known to be muted or gone, so that the
    /// file grows with time.
    pub fn silence_until(&mut self, until_ns: i64) -> Vec<OpusPacket> {
        let mut out = Vec::new();
        if let Some(at) = self.position {
            self.fill(samples_of(until_ns - at.end_ns), Hole::Silence, &mut out);
        }
        out
    }

    fn fill(&mut self, gap: i64, hole: Hole, out: &mut Vec<OpusPacket>) {
        let Some(at) = self.position.as_mut() else { return };
        let mut left = gap;
        while left >= SHORTEST_SAMPLES {
            let samples = [960, 480, 240, 120].into_iter().find(|s| *s <= left).unwrap_or(SHORTEST_SAMPLES);
            let payload = match hole {
                Hole::Conceal if samples == 960 && packet_samples(&[self.toc]) == Some(960) => {
                    Bytes::copy_from_slice(&[self.toc])
                }
                _ => silence(samples),
            };
            out.push(OpusPacket { time_ns: at.end_ns, samples, payload, filler: true });
            at.end_ns += ns_of(samples);
            at.rtp_end = at.rtp_end.wrapping_add(samples as u64);
            left -= samples;
        }
    }
}

/// A fullband CELT frame whose first coded bit says "silence" (RFC 6716 §4.3); mono, which a stereo
/// decoder plays on both sides.
fn silence(samples: i64) -> Bytes {
    let config: u8 = match samples {
        120 => 28,
        240 => 29,
        480 => 30,
        _ => 31,
    };
    Bytes::copy_from_slice(&[config << 3, 0xff, 0xfe])
}

/// Nanoseconds of a number of samples at 48 kHz.
pub fn ns_of(samples: i64) -> i64 {
    samples * 1_000_000_000 / RATE_HZ
}

fn samples_of(ns: i64) -> i64 {
    ns * RATE_HZ / 1_000_000_000
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 20 ms, fullband, mono, one frame.
    fn packet(tag: u8) -> Bytes {
        Bytes::from(vec![31 << 3, tag, 1, 2])
    }

    const FRAME_NS: i64 = 20_000_000;

    #[test]
    fn packets_in_a_row_pass_untouched() {
        let mut run = OpusRun::gapless();
        for n in 0..50u8 {
            let out = run.push(1, 960 * u64::from(n), FRAME_NS * i64::from(n), 0, &packet(n));
            assert_eq!(out.len(), 1);
            assert_eq!(out[0].payload, packet(n));
            assert!(!out[0].filler);
        }
    }

    #[test]
    fn a_short_loss_asks_for_concealment_and_a_long_one_is_silent() {
        let mut run = OpusRun::gapless();
        run.push(1, 0, 0, 0, &packet(0));
        let out = run.push(1, 960 * 4, FRAME_NS * 4, 3, &packet(1));
        assert_eq!(out.len(), 4);
        assert!(out[..3].iter().all(|p| p.filler && p.payload[..] == [31 << 3]));
        let out = run.push(1, 960 * 105, FRAME_NS * 105, 100, &packet(2));
        assert_eq!(out.len(), 101);
        assert!(out[..100].iter().all(|p| p.payload[..] == [0xf8, 0xff, 0xfe]));
    }

    #[test]
    fn a_mute_keeps_its_time_and_late_packets_do_not_run_over_it() {
        let mut run = OpusRun::gapless();
        run.push(1, 0, 0, 0, &packet(0));
        let filled = run.silence_until(FRAME_NS * 100);
        assert_eq!(filled.iter().map(|p| p.samples).sum::<i64>(), 960 * 99);
        assert!(run.push(1, 960 * 50, FRAME_NS * 50, 0, &packet(1)).is_empty());
        let out = run.push(1, 960 * 100, FRAME_NS * 100, 0, &packet(2));
        assert_eq!(out.len(), 1);
        assert_eq!(out[0].time_ns, FRAME_NS * 100);
    }

    #[test]
    fn a_republished_track_goes_on_by_the_rooms_clock() {
        let mut run = OpusRun::gapless();
        run.push(1, 5000, 0, 0, &packet(0));
        let out = run.push(2, 99, FRAME_NS * 51, 0, &packet(1));
        assert_eq!(out.last().unwrap().time_ns, FRAME_NS * 51);
        assert_eq!(out.iter().map(|p| p.samples).sum::<i64>(), 960 * 51);
    }

    #[test]
    fn timestamps_that_stood_still_do_not_silence_what_follows() {
        let mut run = OpusRun::gapless();
        run.push(1, 0, 0, 0, &packet(0));
        // Nothing for 20 s, and the publisher's count did not go on; the room's clock did.
        run.silence_until(FRAME_NS * 750);
        assert!(run.push(1, 960, FRAME_NS, 0, &packet(1)).is_empty(), "the clock does not know yet");
        let out = run.push(1, 960 * 2, FRAME_NS * 1000, 0, &packet(2));
        let last = out.last().unwrap();
        assert_eq!((last.time_ns, last.filler), (FRAME_NS * 1000, false));
        assert_eq!(run.push(1, 960 * 3, FRAME_NS * 1001, 0, &packet(3)).len(), 1);
    }

    #[test]
    fn a_pause_in_which_timestamps_stood_still_lasts_as_long_as_it_was() {
        for pause in [4, 15, 30, 600, 3050] {
            let mut run = OpusRun::gapless();
            run.push(1, 0, 0, 0, &packet(0));
            let out = run.push(1, 960, FRAME_NS * (1 + pause), 0, &packet(1));
            assert_eq!(out.last().unwrap().time_ns, FRAME_NS * (1 + pause));
            assert_eq!(out.iter().map(|p| p.samples).sum::<i64>(), 960 * (1 + pause));
            let out = run.push(1, 960 * 2, FRAME_NS * (2 + pause), 0, &packet(2));
            assert_eq!(out.len(), 1, "what follows is untouched");
        }
    }

    #[test]
    fn timestamps_that_jump_add_no_time() {
        let mut run = OpusRun::gapless();
        run.push(1, 0, 0, 0, &packet(0));
        let out = run.push(1, 48_000 * 3600, FRAME_NS * 3, 0, &packet(1));
        assert_eq!(out.iter().map(|p| p.samples).sum::<i64>(), 960 * 3);
        assert_eq!(run.push(1, 48_000 * 3600 + 960, FRAME_NS * 4, 0, &packet(2)).len(), 1);
    }

    #[test]
    fn a_decoder_is_not_fed_the_silence_of_a_long_mute() {
        let mut run = OpusRun::for_decoder();
        run.push(1, 0, 0, 0, &packet(0));
        let hour = 48_000 * 3600;
        let out = run.push(1, hour, ns_of(hour as i64), 0, &packet(1));
        assert_eq!(out.len(), 1);
        assert_eq!(out[0].time_ns, ns_of(hour as i64));
        assert_eq!(run.push(1, hour + 960 * 4, ns_of(hour as i64) + FRAME_NS * 4, 3, &packet(2)).len(), 4);
    }

    proptest! {
        /// Whatever is lost, the run has no overlap and no hole of 2.5 ms or more, and lasts as long as
        /// what was published.
        #[test]
        fn the_run_has_no_holes(steps in proptest::collection::vec(1u64..40, 1..60)) {
            let mut run = OpusRun::gapless();
            let mut rtp = 0u64;
            let mut all = run.push(1, 0, 0, 0, &packet(0));
            for step in &steps {
                rtp += 960 * step;
                let time = ns_of(rtp as i64);
                all.extend(run.push(1, rtp, time, (*step - 1) as u32, &packet(1)));
            }
            for pair in all.windows(2) {
                let hole = pair[1].time_ns - pair[0].time_ns - ns_of(pair[0].samples);
                prop_assert!(hole.abs() < ns_of(SHORTEST_SAMPLES), "hole of {hole} ns");
            }
            prop_assert_eq!(all.iter().map(|p| p.samples).sum::<i64>(), rtp as i64 + 960);
        }
    }
}
