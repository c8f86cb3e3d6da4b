//! The decoders of a job's streams, and how far they are behind.

use std::collections::{HashMap, VecDeque};

use room::event::{Codec, Packet, Stream, StreamId};

use crate::chain::ChainError;
use crate::compose::decode::{Decoded, Decoder};
use crate::job::media::{FromMedia, MediaSender};
use crate::source::opus::{OpusRun, ns_of};
use crate::unit::Unit;

/// A decoder that holds a picture for longer than this cannot keep up, ns.
const LAG_NS: i64 = 1_000_000_000;
/// Fewer pictures than this inside are no sign of anything: some decoders keep a few.
const LAG_PICTURES: usize = 15;

/// The decoders of a job.
#[derive(Debug)]
pub struct Decoders {
    running: HashMap<StreamId, Running>,
    media: MediaSender,
}

#[derive(Debug)]
struct Running {
    decoder: Decoder,
    /// What pictures are fitted into.
    size: (u32, u32),
    run: OpusRun,
    inside: Inside,
}

/// The pictures inside a decoder.
#[derive(Debug, Default)]
struct Inside {
    /// Time of the picture, and when it was pushed, ns.
    pushed: VecDeque<(i64, i64)>,
}

impl Inside {
    fn push(&mut self, time_ns: i64, now_ns: i64) {
        self.pushed.push_back((time_ns, now_ns));
    }

    fn came_out(&mut self, time_ns: i64) {
        while self.pushed.front().is_some_and(|(time, _)| *time <= time_ns) {
            self.pushed.pop_front();
        }
    }

    fn lags(&self, now_ns: i64) -> bool {
        self.pushed.len() > LAG_PICTURES
            && self.pushed.front().is_some_and(|(_, pushed)| now_ns - pushed > LAG_NS)
    }
}

impl Decoders {
    /// None yet. What they give goes to `media`.
    pub fn new(media: MediaSender) -> Self {
        Self { running: HashMap::new(), media }
    }

    fn add(&mut self, id: StreamId, decoder: Decoder, size: (u32, u32)) {
        let running = Running { decoder, size, run: OpusRun::for_decoder(), inside: Inside::default() };
        self.running.insert(id, running);
    }

    fn deliver(&self, id: StreamId) -> impl Fn(Decoded) + Send + Sync + 'static {
        let media = self.media.clone();
        move |decoded| {
            media.send(FromMedia::Decoded(id, decoded));
        }
    }

    /// Decodes a picture, fitted into `size`, which may be another each time.
    ///
    /// # Errors
    /// If there is no decoder for it on this machine.
    pub fn picture(
        &mut self,
        id: StreamId,
        codec: Codec,
        unit: &Unit,
        size: (u32, u32),
        now_ns: i64,
    ) -> Result<(), ChainError> {
        if !self.running.contains_key(&id) {
            let decoder = Decoder::video(codec, &unit.caps, size, self.deliver(id))?;
            self.add(id, decoder, size);
        }
        if let Some(running) = self.running.get_mut(&id) {
            if std::mem::replace(&mut running.size, size) != size {
                running.decoder.resize(size);
            }
            running.inside.push(unit.time_ns, now_ns);
            running.decoder.push_unit(unit);
        }
        Ok(())
    }

    /// Starts to decode a sound stream.
    ///
    /// # Errors
    /// If there is no decoder for it on this machine.
    pub fn sound_stream(&mut self, id: StreamId, codec: Codec) -> Result<(), ChainError> {
        let decoder = Decoder::audio(codec, self.deliver(id))?;
        self.add(id, decoder, (0, 0));
        Ok(())
    }

    /// Decodes a packet of sound for its meter alone: holes do not matter.
    pub fn meter(&self, packet: &Packet) {
        if let Some(running) = self.running.get(&packet.stream) {
            running.decoder.push_sound(packet.time_ns, 0, packet.payload.clone());
        }
    }

    /// Decodes a packet of sound.
    pub fn sound(&mut self, stream: &Stream, packet: &Packet) {
        let Some(Running { decoder, run, .. }) = self.running.get_mut(&packet.stream) else { return };
        let (time_ns, lost, payload) = (packet.time_ns, packet.lost_before, &packet.payload);
        if stream.codec == Codec::Opus {
            for p in run.push(packet.stream.0, packet.rtp_time, time_ns, lost, payload) {
                decoder.push_sound(p.time_ns, ns_of(p.samples), p.payload);
            }
        } else {
            let duration_ns = payload.len() as i64 * 1_000_000_000 / i64::from(stream.clock_rate_hz.max(1));
            decoder.push_sound(time_ns, duration_ns, payload.clone());
        }
    }

    /// A picture has come out.
    pub fn came_out(&mut self, id: StreamId, time_ns: i64) {
        if let Some(running) = self.running.get_mut(&id) {
            running.inside.came_out(time_ns);
        }
    }

    /// Whether a stream's decoder cannot keep up with its pictures.
    pub fn lags(&self, id: StreamId, now_ns: i64) -> bool {
        self.running.get(&id).is_some_and(|running| running.inside.lags(now_ns))
    }

    /// Whether a stream has a decoder.
    pub fn has(&self, id: StreamId) -> bool {
        self.running.contains_key(&id)
    }

    /// Lets a stream's decoder out; [`Decoded::Finished`] follows.
    pub fn finish(&self, id: StreamId) {
        if let Some(running) = self.running.get(&id) {
            running.decoder.finish();
        }
    }

    /// Ends a stream's decoder.
    pub fn remove(&mut self, id: StreamId) {
        self.running.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::{Duration, Instant};

    use egress::spec::{VideoCodec, VideoEncoding};
    use gstreamer as gst;

    use super::*;
    use crate::encode::effort::Effort;
    use crate::encode::encoder::{Encoded, Encoder};
    use crate::encode::h264::VideoEncoder;
    use crate::job::media;

    const MS: i64 = 1_000_000;

    /// Coded pictures of 320x180.
    fn coded(count: i64) -> Vec<Unit> {
        crate::init().unwrap();
        let encoding = VideoEncoding {
            codec: VideoCodec::H264Main,
            width: 320,
            height: 180,
            framerate: 30,
            bitrate_bps: 500_000,
            key_frame_interval_s: None,
        };
        let (sender, receiver) = channel();
        let with = VideoEncoder::X264 { threads: 1 };
        let encoder = Encoder::video(&encoding, (320, 180), &with, Effort::Usual, move |encoded| {
            let _ = sender.send(encoded);
        });
        let encoder = encoder.unwrap();
        for n in 0..count {
            let frame = gst::Buffer::from_mut_slice(vec![0x80u8; 320 * 180 * 3 / 2]);
            encoder.push_picture(&frame, n * 33 * MS);
        }
        encoder.finish();
        let units = receiver.into_iter().map_while(|encoded| match encoded {
            Encoded::Unit(unit) => Some(unit),
            _ => None,
        });
        units.collect()
    }

    #[test]
    fn a_picture_becomes_as_large_as_it_is_wanted_also_while_it_runs() {
        let units = coded(20);
        let (to, mut from) = media::line();
        let mut decoders = Decoders::new(to);
        let mut sizes = Vec::new();
        let until = Instant::now() + Duration::from_secs(60);
        for (n, unit) in units.iter().enumerate() {
            let size = if n < 10 { (320, 180) } else { (160, 90) };
            decoders.picture(StreamId(1), Codec::H264, unit, size, 0).unwrap();
            if n == 9 || n == 19 {
                // The size is another from the next picture on, so the ones before come out first.
                while sizes.len() <= n {
                    assert!(Instant::now() < until, "{} came out", sizes.len());
                    match from.try_recv() {
                        Some(FromMedia::Decoded(_, Decoded::Picture { frame, .. })) => {
                            sizes.push(frame.size())
                        }
                        Some(other) => panic!("{other:?}"),
                        None => std::thread::sleep(Duration::from_millis(1)),
                    }
                }
            }
        }
        let bytes = |(width, height): (usize, usize)| width * height + 2 * (width / 2) * (height / 2);
        assert_eq!(sizes[..10], [bytes((320, 180)); 10]);
        assert_eq!(sizes[10..], [bytes((160, 90)); 10]);
    }

    #[test]
    fn a_decoder_lags_that_holds_many_pictures_for_long() {
        let mut inside = Inside::default();
        for n in 0..40 {
            inside.push(n * 33 * MS, n * 33 * MS);
        }
        assert!(!inside.lags(1000 * MS), "not long");
        assert!(inside.lags(1001 * MS));
        inside.came_out(20 * 33 * MS);
        assert!(!inside.lags(1321 * MS), "the oldest inside came in at 693 ms");
        inside.came_out(30 * 33 * MS);
        assert!(!inside.lags(60_000 * MS), "few are no sign: the camera may have been switched off");
    }
}
