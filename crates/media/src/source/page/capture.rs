//! What stands on the screen and comes out of the loudspeaker, as pictures and sound with their times.

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;

use super::arrival::Arrivals;
use super::screen::Screen;
use super::sound::Loudspeaker;
use crate::chain::{ChainError, stereo, timed};

/// How much later than its sound a page's picture is seen, ns: drawing, the screen and the next capture take
/// longer than the way through the sound server. Measured with a page that flashes and beeps by one clock:
/// 40 ms, the same each second (Chromium 156, 30 pictures a second).
const PICTURE_BEHIND_NS: i64 = 40_000_000;

/// Samples of captured sound a second, of each side.
const RATE_HZ: i64 = 48_000;

/// A running capture. Dropping it stops it.
#[derive(Debug)]
pub(super) struct Capture {
    pipeline: gst::Pipeline,
}

/// What comes of a capture. Times are unix times, ns.
#[derive(Debug)]
pub enum Captured {
    /// A picture: I420, BT.709.
    Picture {
        /// When it stood on the screen.
        time_ns: i64,
        /// The picture.
        frame: gst::Buffer,
    },
    /// Sound: interleaved stereo at 48 kHz.
    Sound {
        /// When the first sample was heard.
        time_ns: i64,
        /// The samples.
        stereo: Vec<f32>,
    },
    /// Nothing more comes.
    Failed(ChainError),
}

/// What is captured.
#[derive(Debug, Clone, Copy)]
pub struct CaptureSize {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Pictures a second.
    pub framerate: u32,
    /// Whether pictures are taken.
    pub pictures: bool,
    /// Whether sound is taken.
    pub sound: bool,
}

impl Capture {
    /// Starts to capture. `unix_ns` tells the time; `deliver` is called from GStreamer's threads and must not block for long.
    pub(super) fn start(
        screen: &Screen,
        loudspeaker: &Loudspeaker,
        size: CaptureSize,
        unix_ns: impl Fn() -> i64,
        deliver: impl Fn(Captured) + Send + Sync + 'static,
    ) -> Result<Self, ChainError> {
        let mut text = String::new();
        if size.pictures {
            let (endx, endy, framerate) = (size.width - 1, size.height - 1, size.framerate);
            // The display stands in the text: ximagesrc opens one as soon as it is linked, and without a name
            // that is the operator's own desktop.
            let display = &screen.display;
            text += &format!(
                "ximagesrc display-name={display} use-damage=false show-pointer=false endx={endx} endy={endy} !
                 video/x-raw,framerate={framerate}/1 ! queue max-size-buffers=4 leaky=downstream !
                 videoconvert n-threads=1 ! video/x-raw,format=I420,colorimetry=bt709 !
                 appsink name=pictures sync=false "
            );
        }
        if size.sound {
            text += "pulsesrc name=sound provide-clock=false slave-method=none latency-time=10000 buffer-time=200000 !
                     audioconvert ! audio/x-raw,format=F32LE,layout=interleaved,rate=48000,channels=2 !
                     appsink name=samples sync=false";
        }
        let failed = |message: &str| ChainError {
            element: "page".to_owned(),
            message: message.to_owned(),
            debug: String::new(),
        };
        let pipeline = gst::parse::launch(&text)
            .map_err(|error| failed(&error.to_string()))?
            .downcast::<gst::Pipeline>()
            .map_err(|_| failed("not a pipeline"))?;
        let element = |name: &str| pipeline.by_name(name).ok_or_else(|| failed(name));
        if size.sound {
            let sound = element("sound")?;
            sound.set_property("server", loudspeaker.server.to_string_lossy().as_ref());
            sound.set_property("device", Loudspeaker::monitor());
        }

        // The times of both count on the clock that the room's packets are put on.
        let system = gst::SystemClock::obtain();
        pipeline.use_clock(Some(&system));
        let offset_ns = unix_ns() - system.time().nseconds() as i64;
        let to_unix = move |pipeline: &gst::glib::WeakRef<gst::Pipeline>, time_ns: i64| {
            let base = pipeline.upgrade().and_then(|p| p.base_time()).map_or(0, |t| t.nseconds() as i64);
            base + time_ns + offset_ns
        };
        let deliver = std::sync::Arc::new(deliver);
        let sink = |name: &str| -> Result<gst_app::AppSink, ChainError> {
            element(name)?.downcast().map_err(|_| failed("not a sink"))
        };
        let (to, weak) = (deliver.clone(), pipeline.downgrade());
        if size.pictures {
            sink("pictures")?.set_callbacks(
                gst_app::AppSinkCallbacks::builder()
                    .new_sample(move |sink| {
                        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                        if let Some((time_ns, frame)) = timed(&sample) {
                            let time_ns = to_unix(&weak, time_ns) - PICTURE_BEHIND_NS;
                            to(Captured::Picture { time_ns, frame });
                        }
                        Ok(gst::FlowSuccess::Ok)
                    })
                    .build(),
            );
        }
        let to = deliver.clone();
        if size.sound {
            let mut arrivals = Arrivals::default();
            sink("samples")?.set_callbacks(
                gst_app::AppSinkCallbacks::builder()
                    .new_sample(move |sink| {
                        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                        if let Some((counted_ns, buffer)) = timed(&sample)
                            && let Some(stereo) = stereo(&buffer)
                        {
                            let duration_ns = (stereo.len() / 2) as i64 * 1_000_000_000 / RATE_HZ;
                            let now_ns = system.time().nseconds() as i64 + offset_ns;
                            let time_ns = arrivals.began_ns(counted_ns, duration_ns, now_ns);
                            to(Captured::Sound { time_ns, stereo });
                        }
                        Ok(gst::FlowSuccess::Ok)
                    })
                    .build(),
            );
        }
        let bus = pipeline.bus().ok_or_else(|| failed("no bus"))?;
        bus.set_sync_handler(move |_, message| {
            if let gst::MessageView::Error(error) = message.view() {
                deliver(Captured::Failed(ChainError::from_message(error)));
            }
            gst::BusSyncReply::Drop
        });
        pipeline.set_state(gst::State::Playing).map_err(|error| failed(&error.to_string()))?;
        Ok(Self { pipeline })
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
