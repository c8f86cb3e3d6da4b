//! The program as the window shows it: small JPEGs of what the outputs get, made only while somebody looks.

use egress::spec::Treatment;
use gstreamer as gst;
use tokio::sync::mpsc::UnboundedSender;

use crate::chain::{Chain, ChainEvent};
use crate::job::ingest::FromMedia;

/// Pixels: the width of the program in a window of 1280, and enough to see who blinks.
const WIDTH: u32 = 640;
/// Pictures a second.
const FPS: i64 = 15;
/// A picture that comes this much too early is still taken, ns: sources do not keep their beat to the nanosecond.
const EARLY_NS: i64 = 8_000_000;

/// The preview of one job.
#[derive(Debug)]
pub struct Preview {
    media: UnboundedSender<FromMedia>,
    /// Width and height, pixels, and pictures a second.
    size: Option<(u32, u32, u32)>,
    watched: bool,
    chain: Option<Chain>,
    due_ns: i64,
    newest: Option<Vec<u8>>,
}

impl Preview {
    /// A preview of what is made this way; there is one of pictures that are encoded. Nobody looks yet.
    pub fn new(media: UnboundedSender<FromMedia>, treatment: &Treatment) -> Self {
        let size = match treatment {
            Treatment::Encode { video: Some(video), .. } => {
                Some((video.width, video.height, video.framerate))
            }
            _ => None,
        };
        Self { media, size, watched: false, chain: None, due_ns: i64::MIN, newest: None }
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
        let between_ns = 1_000_000_000 / FPS;
        if time_ns + EARLY_NS < self.due_ns && self.due_ns - time_ns <= between_ns {
            return;
        }
        self.due_ns = time_ns + between_ns;
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
                let _ = media.send(FromMedia::Preview(map.to_vec()));
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
