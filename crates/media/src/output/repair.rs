//! A file that a dead job left behind becomes an ordinary one.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, Instant};

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::FileResult;
use gst::prelude::*;
use gstreamer as gst;

use crate::output::file::sync_folder;
use crate::output::webm;

/// How long a rewrite may stand still before it is given up.
const STALL: Duration = Duration::from_secs(60);

/// Repairs the file at `path` in place, by its ending. The bytes are replaced only once the new ones
/// are on the disk; where a repair fails or there is no room for it the file stays as it is, playable.
///
/// # Errors
/// If there is nothing playable in the file.
pub fn repair(path: &Path) -> Result<FileResult, ApiError> {
    let size = fs::metadata(path).map_err(|e| lost(path, &e))?.len();
    let duration_ns = match path.extension().and_then(|e| e.to_str()) {
        Some("webm") => webm::complete(path).map(|ms| ms * 1_000_000).map_err(|e| lost(path, &e))?,
        Some("mp4") => {
            if size == 0 {
                let _ = fs::remove_file(path);
                return Err(lost(path, &"the file is empty"));
            }
            if fragmented(path).map_err(|e| lost(path, &e))? {
                if let Err(error) = rewrite(path) {
                    tracing::warn!(%error, path = %path.display(), "left as it is, in fragments");
                }
            }
            duration(path).ok_or_else(|| lost(path, &"no whole picture or sound in it"))?
        }
        _ => duration(path).ok_or_else(|| lost(path, &"no whole sound in it"))?,
    };
    Ok(FileResult {
        path: Some(path.to_owned()),
        size_bytes: fs::metadata(path).map_or(0, |m| m.len()),
        started_at_ns: 0,
        ended_at_ns: 0,
        duration_ns,
        error: None,
    })
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

/// Whether an MP4 was not finished: its first top-level `moov` stands before the media, or a fragment
/// is left open. (A finished one has `ftyp free mdat moov`.)
fn fragmented(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let total = file.seek(SeekFrom::End(0))?;
    let (mut at, mut moov_last) = (0u64, false);
    while at + 8 <= total {
        let mut head = [0u8; 16];
        let count = head.len().min((total - at) as usize);
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut head[..count])?;
        let size = match u32::from_be_bytes([head[0], head[1], head[2], head[3]]) {
            1 if count == 16 => u64::from_be_bytes([
                head[8], head[9], head[10], head[11], head[12], head[13], head[14], head[15],
            ]),
            n => u64::from(n),
        };
        match &head[4..8] {
            b"moof" => return Ok(true),
            b"moov" => moov_last = true,
            b"mdat" => moov_last = false,
            _ => {}
        }
        if size < 8 {
            break;
        }
        at += size;
    }
    Ok(!moov_last)
}

/// Copies the media into a new file with one index, and puts it in the place of the old.
fn rewrite(path: &Path) -> Result<(), String> {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".repair");
    let target = path.with_file_name(name);
    let outcome = remux(path, &target).and_then(|()| {
        File::open(&target).and_then(|f| f.sync_all()).map_err(|e| e.to_string())?;
        fs::rename(&target, path).map_err(|e| e.to_string())
    });
    if outcome.is_err() {
        let _ = fs::remove_file(&target);
    }
    sync_folder(path);
    outcome
}

fn remux(from: &Path, to: &Path) -> Result<(), String> {
    let text = "filesrc name=from ! qtdemux name=demux  mp4mux name=mux ! filesink name=to";
    let pipeline = gst::parse::launch(text)
        .map_err(|e| e.to_string())?
        .downcast::<gst::Pipeline>()
        .map_err(|_| "not a pipeline".to_owned())?;
    let by_name = |name: &str| pipeline.by_name(name).ok_or_else(|| format!("no element {name}"));
    by_name("from")?.set_property("location", from.to_string_lossy().as_ref());
    by_name("to")?.set_property("location", to.to_string_lossy().as_ref());
    let mux = by_name("mux")?;
    let weak = pipeline.downgrade();
    by_name("demux")?.connect_pad_added(move |_, pad| {
        let Some(pipeline) = weak.upgrade() else { return };
        let kind = if pad.name().starts_with("video") { "video_%u" } else { "audio_%u" };
        let Ok(queue) = gst::ElementFactory::make("queue")
            .property("max-size-buffers", 0u32)
            .property("max-size-bytes", 0u32)
            .property("max-size-time", 30_000_000_000u64)
            .build()
        else {
            return;
        };
        let linked = pipeline.add(&queue).is_ok()
            && queue.sync_state_with_parent().is_ok()
            && queue.static_pad("sink").is_some_and(|sink| pad.link(&sink).is_ok())
            && mux
                .request_pad_simple(kind)
                .zip(queue.static_pad("src"))
                .is_some_and(|(to, src)| src.link(&to).is_ok());
        if !linked {
            tracing::warn!(pad = %pad.name(), "a track could not be taken over");
        }
    });
    let outcome = run(&pipeline);
    let _ = pipeline.set_state(gst::State::Null);
    outcome
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
