//! A small picture of a finished file, for the history.

use std::fs;
use std::path::Path;

use egress::error::{ApiError, ErrorCode, Fault};
use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;

/// Where in the file the picture is taken, ns: the very first may be black.
const AT_NS: u64 = 1_000_000_000;
/// How long to wait for it.
const PATIENCE_S: u64 = 10;

/// Writes a JPEG of at most `width` pixels, of a moment early in `file`.
///
/// # Errors
/// If the file has no picture.
pub fn still(file: &Path, to: &Path, width: u32) -> Result<(), ApiError> {
    let jpeg = picture(file, width).map_err(|cause| {
        ApiError::new(
            ErrorCode::Unsupported,
            Fault::Input,
            "There is no picture in this file.",
            "A recording of sound alone has none.",
        )
        .with_detail(cause)
    })?;
    fs::write(to, jpeg).map_err(|cause| {
        ApiError::new(
            ErrorCode::Storage,
            Fault::Destination,
            "The small picture for the history could not be saved.",
            "Check that the disk has room.",
        )
        .with_detail(cause)
    })
}

fn picture(file: &Path, width: u32) -> Result<Vec<u8>, String> {
    let text = format!(
        "filesrc name=from ! decodebin name=decode  decode. ! videoconvertscale ! \
         video/x-raw,format=I420,width={width},pixel-aspect-ratio=1/1 ! jpegenc quality=80 ! \
         appsink name=sink sync=false max-buffers=1"
    );
    let pipeline = gst::parse::launch(&text)
        .map_err(|e| e.to_string())?
        .downcast::<gst::Pipeline>()
        .map_err(|_| "not a pipeline".to_owned())?;
    if let Some(from) = pipeline.by_name("from") {
        from.set_property("location", file.to_string_lossy().as_ref());
    }
    let sink = pipeline
        .by_name("sink")
        .and_then(|e| e.downcast::<gst_app::AppSink>().ok())
        .ok_or_else(|| "no sink".to_owned())?;
    pipeline.set_state(gst::State::Paused).map_err(|e| e.to_string())?;
    let (state, ..) = pipeline.state(gst::ClockTime::from_seconds(PATIENCE_S));
    let taken = state.map_err(|e| e.to_string()).and_then(|_| {
        // A file shorter than that gives its first picture.
        let _ = pipeline.seek_simple(
            gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT | gst::SeekFlags::SNAP_BEFORE,
            gst::ClockTime::from_nseconds(AT_NS),
        );
        sink.try_pull_preroll(gst::ClockTime::from_seconds(PATIENCE_S)).ok_or_else(|| "no picture".to_owned())
    });
    let _ = pipeline.set_state(gst::State::Null);
    let sample = taken?;
    let buffer = sample.buffer().ok_or_else(|| "no picture".to_owned())?;
    let map = buffer.map_readable().map_err(|e| e.to_string())?;
    Ok(map.to_vec())
}
