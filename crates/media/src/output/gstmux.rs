//! MP4 and MP3 through GStreamer's muxers.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use egress::spec::Container;
use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;

use crate::chain::ChainError;
use crate::output::mux::{Lanes, Mux, MuxError, caps_name, has_lane};
use crate::unit::{Lane, Unit};

/// Length of a fragment, ms. A process that is killed loses at most the open one. At 1.5 Mb/s the
/// fragments' heads are about 1 % of the file, and stay in it as free boxes.
const FRAGMENT_MS: u32 = 300;
/// How far one lane may run ahead of the other before the muxer is told that the other has a hole.
const HOLE_NS: i64 = 1_000_000_000;
/// How long the muxer may take to complete a file. An hour takes some 100 ms; a disk may be slow.
const FINISH: Duration = Duration::from_secs(30);

/// A GStreamer muxer and its file.
#[derive(Debug)]
pub struct GstMux {
    pipeline: gst::Pipeline,
    video: Option<LaneSource>,
    audio: Option<LaneSource>,
    lanes: Lanes,
    done: mpsc::Receiver<Result<(), ChainError>>,
    failed: Option<ChainError>,
}

#[derive(Debug)]
struct LaneSource {
    src: gst_app::AppSrc,
    /// What was told of this lane so far, holes included, ns.
    told_ns: i64,
}

impl GstMux {
    /// Opens `path` for writing.
    ///
    /// # Errors
    /// If an element is missing or the file cannot be opened.
    pub fn open(container: Container, path: &Path, lanes: &Lanes) -> Result<Self, MuxError> {
        let muxer = match container {
            // Fragments while recording; at the end the fragments are given up for one ordinary index.
            Container::Mp4 => format!(
                "mp4mux name=mux fragment-duration={FRAGMENT_MS} fragment-mode=first-moov-then-finalise"
            ),
            _ => "xingmux name=mux".to_owned(),
        };
        // Unbuffered: what the muxer has written must be the kernel's, not ours, when we are killed.
        let mut text = format!("{muxer} ! filesink name=file buffer-mode=unbuffered");
        let mut source = |name: &str, pad: &str| {
            text.push_str(&format!(" appsrc name={name} is-live=true format=time max-bytes=0 ! mux.{pad}"));
        };
        // Named pads: by caps alone the parser would link the first that is free, of whatever kind.
        let mp4 = container == Container::Mp4;
        if lanes.video.is_some() {
            source("video", if mp4 { "video_0" } else { "sink" });
        }
        if lanes.audio.is_some() {
            source("audio", if mp4 { "audio_0" } else { "sink" });
        }
        let broken = |error: gst::glib::Error| ChainError {
            element: "mux".to_owned(),
            message: error.to_string(),
            debug: String::new(),
        };
        let pipeline = gst::parse::launch(&text)
            .map_err(broken)?
            .downcast::<gst::Pipeline>()
            .map_err(|_| MuxError::Unsupported("this container".to_owned()))?;
        if let Some(file) = pipeline.by_name("file") {
            file.set_property("location", path.to_string_lossy().as_ref());
        }
        let lane = |name: &str, caps: &Option<gst::Caps>| -> Option<LaneSource> {
            let src = pipeline.by_name(name)?.downcast::<gst_app::AppSrc>().ok()?;
            src.set_caps(caps.as_ref());
            Some(LaneSource { src, told_ns: 0 })
        };
        let (video, audio) = (lane("video", &lanes.video), lane("audio", &lanes.audio));

        let (sender, done) = mpsc::channel();
        let bus = pipeline.bus().expect("a pipeline has a bus");
        bus.set_sync_handler(move |_, message| {
            match message.view() {
                gst::MessageView::Error(error) => {
                    let _ = sender.send(Err(ChainError::from_message(error)));
                }
                gst::MessageView::Eos(_) => {
                    let _ = sender.send(Ok(()));
                }
                _ => {}
            }
            gst::BusSyncReply::Drop
        });
        pipeline.set_state(gst::State::Playing).map_err(|error| {
            done.try_recv().ok().and_then(Result::err).unwrap_or(ChainError {
                element: "mux".to_owned(),
                message: error.to_string(),
                debug: String::new(),
            })
        })?;
        Ok(Self { pipeline, video, audio, lanes: lanes.clone(), done, failed: None })
    }

    fn check(&mut self) -> Result<(), MuxError> {
        if self.failed.is_none() {
            self.failed = self.done.try_recv().ok().and_then(Result::err);
        }
        self.failed.clone().map_or(Ok(()), |error| Err(error.into()))
    }
}

impl Mux for GstMux {
    fn write(&mut self, unit: &Unit, pts_ns: i64) -> Result<(), MuxError> {
        self.check()?;
        if !has_lane(&self.lanes, unit.lane) {
            return Err(MuxError::Unsupported(caps_name(&unit.caps)));
        }
        let (own, other) = match unit.lane {
            Lane::Video => (&mut self.video, &mut self.audio),
            Lane::Audio => (&mut self.audio, &mut self.video),
        };
        let Some(own) = own.as_mut() else { return Ok(()) };
        let mut data = unit.data.copy();
        if let Some(inner) = data.get_mut() {
            let time = gst::ClockTime::from_nseconds(pts_ns.max(0) as u64);
            inner.set_pts(time);
            inner.set_dts(time);
            inner.set_duration(
                (unit.duration_ns > 0).then(|| gst::ClockTime::from_nseconds(unit.duration_ns as u64)),
            );
        }
        // Caps stay what they were at the start: the muxer cannot take new ones, and pictures carry
        // their own parameters.
        let _ = own.src.push_buffer(data);
        own.told_ns = own.told_ns.max(pts_ns + unit.duration_ns);
        // The muxer waits until it has something of every lane. A camera that is off gives nothing.
        if let Some(other) = other.as_mut().filter(|o| own.told_ns - o.told_ns > HOLE_NS) {
            let from = gst::ClockTime::from_nseconds(other.told_ns.max(0) as u64);
            let length = gst::ClockTime::from_nseconds((own.told_ns - other.told_ns - HOLE_NS / 2) as u64);
            other.src.send_event(gst::event::Gap::builder(from).duration(length).build());
            other.told_ns = own.told_ns - HOLE_NS / 2;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, _end_ns: i64) -> Result<(), MuxError> {
        self.check()?;
        for lane in [&self.video, &self.audio].into_iter().flatten() {
            let _ = lane.src.end_of_stream();
        }
        self.done.recv_timeout(FINISH).map_err(|_| MuxError::Stuck)??;
        Ok(())
    }
}

impl Drop for GstMux {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
