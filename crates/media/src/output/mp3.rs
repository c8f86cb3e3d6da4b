//! MP3 through GStreamer's Xing muxer, which writes frames as they come and the head at the end.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;

use crate::chain::ChainError;
use crate::output::mux::{Lanes, Mux, MuxError};
use crate::unit::Unit;

/// How long the muxer may take to complete a file; a disk may be slow.
const FINISH: Duration = Duration::from_secs(30);

/// An MP3 being written.
#[derive(Debug)]
pub struct Mp3Mux {
    pipeline: gst::Pipeline,
    src: gst_app::AppSrc,
    done: mpsc::Receiver<Result<(), ChainError>>,
}

impl Mp3Mux {
    /// Opens `path` for writing.
    ///
    /// # Errors
    /// If an element is missing or the file cannot be opened.
    pub fn open(path: &Path, lanes: &Lanes) -> Result<Self, MuxError> {
        // Unbuffered: what the muxer has written must be the kernel's, not ours, when we are killed.
        let text = "appsrc name=src is-live=true format=time max-bytes=0 ! xingmux ! \
                    filesink name=file buffer-mode=unbuffered";
        let broken =
            |message: String| ChainError { element: "mux".to_owned(), message, debug: String::new() };
        let pipeline = gst::parse::launch(text)
            .map_err(|e| broken(e.to_string()))?
            .downcast::<gst::Pipeline>()
            .map_err(|_| broken("not a pipeline".to_owned()))?;
        if let Some(file) = pipeline.by_name("file") {
            file.set_property("location", path.to_string_lossy().as_ref());
        }
        let src = pipeline
            .by_name("src")
            .and_then(|e| e.downcast::<gst_app::AppSrc>().ok())
            .ok_or_else(|| broken("no source".to_owned()))?;
        src.set_caps(lanes.audio.as_ref());
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
        pipeline.set_state(gst::State::Playing).map_err(|e| {
            done.try_recv().ok().and_then(Result::err).unwrap_or_else(|| broken(e.to_string()))
        })?;
        Ok(Self { pipeline, src, done })
    }
}

impl Mux for Mp3Mux {
    fn write(&mut self, unit: &Unit, pts_ns: i64) -> Result<(), MuxError> {
        if let Ok(Err(error)) = self.done.try_recv() {
            return Err(error.into());
        }
        let mut data = unit.data.copy();
        if let Some(inner) = data.get_mut() {
            let time = gst::ClockTime::from_nseconds(pts_ns.max(0) as u64);
            inner.set_pts(time);
            inner.set_dts(time);
        }
        // The flow error repeats what the bus says.
        let _ = self.src.push_buffer(data);
        Ok(())
    }

    fn finish(self: Box<Self>, _end_ns: i64) -> Result<(), MuxError> {
        let _ = self.src.end_of_stream();
        self.done.recv_timeout(FINISH).map_err(|_| MuxError::Stuck)??;
        Ok(())
    }
}

impl Drop for Mp3Mux {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
