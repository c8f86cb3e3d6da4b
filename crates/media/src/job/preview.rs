//! The program as the window shows it: small JPEGs of what the outputs get, made only while somebody looks.

use egress::spec::Treatment;
use gstreamer as gst;

use crate::chain::{Chain, ChainEvent};
use crate::job::media::{FromMedia, MediaSender};

/// Pixels: the width of the program in a window of 1280, and enough to see who blinks.
const WIDTH: u32 = 640;
/// Pictures a second.
const FPS: i64 = 15;
/// A picture that comes this much too early is still taken, ns: sources do not keep their beat to the nanosecond.
const EARLY_NS: i64 = 8_000_000;

/// The preview of one job.
#[derive(Debug)]
pub struct Preview {
    media: MediaSender,
    /// Width and height, pixels, and pictures a second.
    size: Option<(u32, u32, u32)>,
    watched: bool,
    chain: Option<Chain>,
    beat: Beat,
    newest: Option<Vec<u8>>,
}

impl Preview {
    /// A preview of what is made this way; there is one of pictures that are encoded. Nobody looks yet.
    pub fn new(media: MediaSender, treatment: &Treatment) -> Self {
        let size = match treatment {
            Treatment::Encode { video: Some(video), .. } => {
                Some((video.width, video.height, video.framerate))
            }
            _ => None,
        };
        Self { media, size, watched: false, chain: None, beat: Beat::default(), newest: None }
    }

    /// Somebody looks, or nobody does any more.
    pub fn watch(&mut self, watched: bool) {
        self.watched = watched;
        if !watched {
            self.chain = None;
        }
    }

    /// A picture of the program.
    pub fn push(&mut self, time_ns: i64, frame: &gst::Buffer) {
        let Some(size) = self.size.filter(|_| self.watched) else { return };
        if !self.beat.takes(time_ns) {
            return;
        }
        if self.chain.is_none() {
            self.chain = self.start(size);
        }
        if let Some(chain) = &self.chain {
            let mut frame = frame.copy();
            if let Some(frame) = frame.get_mut() {
                frame.set_pts(gst::ClockTime::from_nseconds(time_ns.max(0) as u64));
            }
            chain.push(frame);
        }
    }

    fn start(&self, (width, height, framerate): (u32, u32, u32)) -> Option<Chain> {
        let caps = gst::Caps::builder("video/x-raw")
            .field("format", "I420")
            .field("width", width as i32)
            .field("height", height as i32)
            .field("framerate", gst::Fraction::new(framerate as i32, 1))
            .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
            .build();
        let small = WIDTH.min(width);
        let description = format!(
            "videoconvertscale ! video/x-raw,format=I420,width={small},pixel-aspect-ratio=1/1 ! jpegenc quality=75"
        );
        let media = self.media.clone();
        let chain = Chain::start("preview", &caps, &description, move |event| {
            if let ChainEvent::Sample(sample) = event
                && let Some(map) = sample.buffer().and_then(|b| b.map_readable().ok())
            {
                media.send(FromMedia::Preview(map.to_vec()));
            }
        });
        chain.inspect_err(|error| tracing::warn!(%error, "no preview")).ok()
    }

    /// A small picture is made.
    pub fn made(&mut self, jpeg: Vec<u8>) {
        self.newest = Some(jpeg);
    }

    /// The newest small picture that was not taken yet.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        self.newest.take()
    }
}

/// Which pictures are taken.
#[derive(Debug, Default)]
struct Beat {
    due_ns: Option<i64>,
}

impl Beat {
    const BETWEEN_NS: i64 = 1_000_000_000 / FPS;

    /// Whether the picture of this time is.
    fn takes(&mut self, time_ns: i64) -> bool {
        let until_ns = self.due_ns.map(|due_ns| due_ns.saturating_sub(time_ns));
        let due_ns = match until_ns {
            Some(until_ns) if (EARLY_NS + 1..=2 * Self::BETWEEN_NS).contains(&until_ns) => return false,
            // The beat goes on from where it was due: what comes late must not put off all that follows.
            Some(until_ns) if until_ns.abs() <= Self::BETWEEN_NS => time_ns + until_ns,
            _ => time_ns,
        };
        self.due_ns = Some(due_ns + Self::BETWEEN_NS);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifteen_a_second_also_of_a_source_without_a_steady_beat() {
        for (between_ns, jitter_ns) in
            [(33_333_333, 6_000_000), (40_000_000, 9_000_000), (16_666_667, 3_000_000)]
        {
            let mut beat = Beat::default();
            let second = 1_000_000_000 / between_ns;
            let times = (0..10 * second).map(|n| n * between_ns + (n * 7919 % 13 - 6) * jitter_ns / 6);
            let taken = times.filter(|time_ns| beat.takes(*time_ns)).count();
            assert!((145..=151).contains(&taken), "{taken} in 10 s of {second} a second");
        }
    }

    #[test]
    fn a_source_that_stops_or_jumps_goes_on_at_once() {
        let mut beat = Beat::default();
        assert!(beat.takes(0));
        assert!(!beat.takes(10_000_000));
        assert!(beat.takes(5_000_000_000));
        assert!(!beat.takes(5_030_000_000));
        assert!(beat.takes(1_000_000_000));
    }
}
