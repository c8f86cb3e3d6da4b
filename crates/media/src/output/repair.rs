//! A file that a dead job left behind becomes an ordinary one.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::FileResult;
use gst::prelude::*;
use gstreamer as gst;

use crate::output::segments::playlist;
use crate::output::{mp4, webm};

/// How long reading may stand still before it is given up.
const STALL: Duration = Duration::from_secs(60);

/// Repairs the file at `path` in place, by its ending. No media is moved: an index is added. Where that
/// fails, for instance because the disk is full, the file stays as it is, playable.
///
/// # Errors
/// If there is nothing playable in the file.
pub fn repair(path: &Path) -> Result<FileResult, ApiError> {
    let size = fs::metadata(path).map_err(|e| lost(path, &e))?.len();
    let kind = path.extension().and_then(|e| e.to_str());
    if size == 0 && kind != Some("m3u8") {
        // Nothing had come yet: an empty file would only confuse.
        let _ = fs::remove_file(path);
        return Err(lost(path, &"the file is empty"));
    }
    let duration_ns = match kind {
        Some("webm") => webm::complete(path).map(|ms| ms * 1_000_000).map_err(|e| lost(path, &e))?,
        Some("m3u8") => {
            let (duration_ns, size_bytes) = playlist::complete(path).map_err(|e| lost(path, &e))?;
            return Ok(FileResult { size_bytes, ..result(path, duration_ns) });
        }
        // Images are whole as they are.
        _ if path.is_dir() => 0,
        Some("mp4") => mp4::complete(path).map_err(|e| lost(path, &e))?,
        _ => duration(path).ok_or_else(|| lost(path, &"no whole sound in it"))?,
    };
    Ok(result(path, duration_ns))
}

fn result(path: &Path, duration_ns: i64) -> FileResult {
    FileResult {
        path: Some(path.to_owned()),
        size_bytes: fs::metadata(path).map_or(0, |m| m.len()),
        started_at_ns: 0,
        ended_at_ns: 0,
        duration_ns,
        error: None,
    }
}

fn lost(path: &Path, cause: &dyn std::fmt::Display) -> ApiError {
    ApiError::new(
        ErrorCode::Storage,
        Fault::Environment,
        format!("Nothing could be saved of {}.", path.display()),
        "The recording was cut off before its first second was on the disk. Record again.",
    )
    .with_detail(cause)
}

/// Runs a pipeline to its end, as long as it gets on.
fn run(pipeline: &gst::Pipeline) -> Result<(), String> {
    let bus = pipeline.bus().expect("a pipeline has a bus");
    pipeline.set_state(gst::State::Playing).map_err(|e| e.to_string())?;
    let (mut position, mut moved) = (None, Instant::now());
    loop {
        match bus.timed_pop_filtered(
            gst::ClockTime::from_mseconds(500),
            &[gst::MessageType::Eos, gst::MessageType::Error],
        ) {
            Some(message) => match message.view() {
                gst::MessageView::Error(error) => return Err(error.error().to_string()),
                _ => return Ok(()),
            },
            None => {
                let now = pipeline.query_position::<gst::ClockTime>();
                if now != position {
                    (position, moved) = (now, Instant::now());
                } else if moved.elapsed() > STALL {
                    return Err("it stands still".to_owned());
                }
            }
        }
    }
}

/// Length of the media in a file, ns; none if there is none. Reads the whole file where its index does
/// not say.
fn duration(path: &Path) -> Option<i64> {
    let text = "filesrc name=from ! parsebin name=parse ! fakesink sync=false";
    let pipeline = gst::parse::launch(text).ok()?.downcast::<gst::Pipeline>().ok()?;
    pipeline.by_name("from")?.set_property("location", path.to_string_lossy().as_ref());
    let outcome = run(&pipeline);
    let length = pipeline
        .query_duration::<gst::ClockTime>()
        .or_else(|| pipeline.query_position::<gst::ClockTime>())
        .map(|t| t.nseconds() as i64);
    let _ = pipeline.set_state(gst::State::Null);
    outcome.ok()?;
    length.filter(|ns| *ns > 0)
}
