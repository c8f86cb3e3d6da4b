//! Segments of MPEG-TS: a muxer in a pipeline of its own for each, and the file it writes.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;

use crate::output::segments::mux::{SegmentMuxer, Whole, close, part};
use crate::unit::{Lane, Unit};

/// How long the end of a segment may take to be written: disks that sleep take seconds to wake.
const ENDS_WITHIN: gst::ClockTime = gst::ClockTime::from_seconds(20);
/// Times in segments begin with this, ns: the first sound may lie a little before the first picture.
const LEAD_NS: i64 = 1_000_000_000;
/// So much may wait to be written, bytes: twenty seconds of a very good picture.
const WAITING_BYTES: u64 = 64 << 20;
/// How often a full pipeline is looked at.
const LOOKS_EVERY: Duration = Duration::from_millis(20);

/// Writes segments one after the other.
#[derive(Debug)]
pub struct Ts {
    lanes: (bool, bool),
    origin_ns: Option<i64>,
    segment: Option<Segment>,
}

impl Ts {
    /// `lanes`: whether pictures and sound are expected.
    pub fn new(lanes: (bool, bool)) -> Self {
        Self { lanes, origin_ns: None, segment: None }
    }
}

impl SegmentMuxer for Ts {
    fn begin(&mut self, path: PathBuf, at_ns: i64) {
        let origin_ns = *self.origin_ns.get_or_insert(at_ns - LEAD_NS);
        self.segment = Some(Segment::begin(path, origin_ns, self.lanes));
    }

    fn push(&mut self, unit: Unit) -> io::Result<()> {
        self.segment.as_mut().map_or(Ok(()), |segment| segment.push(unit))
    }

    fn end(&mut self, _: i64) -> io::Result<Whole> {
        let segment = self.segment.take().ok_or_else(|| io::Error::other("no segment was begun"))?;
        Ok(Whole { size_bytes: segment.end()?, map: None })
    }
}

/// A segment being written.
#[derive(Debug)]
struct Segment {
    path: PathBuf,
    origin_ns: i64,
    lanes: (bool, bool),
    /// What came before it was known which lanes there are.
    held: Vec<Unit>,
    pipeline: Option<Pipeline>,
}

#[derive(Debug)]
struct Pipeline {
    pipeline: gst::Pipeline,
    video: Option<gst_app::AppSrc>,
    audio: Option<gst_app::AppSrc>,
}

impl Segment {
    /// A segment that becomes `path`. `origin_ns` is the moment that the set's time begins with, unix, ns; `lanes`:
    /// whether pictures and sound are expected.
    fn begin(path: PathBuf, origin_ns: i64, lanes: (bool, bool)) -> Self {
        Self { path, origin_ns, lanes, held: Vec::new(), pipeline: None }
    }

    fn push(&mut self, unit: Unit) -> io::Result<()> {
        if self.pipeline.is_some() {
            return self.write(&unit);
        }
        self.held.push(unit);
        let (video, audio) = self.has();
        // A muxer without the first packet of a lane would not know what to announce.
        if (video, audio) == self.lanes { self.start(video, audio) } else { Ok(()) }
    }

    /// Completes the file and gives it its name. Its size, bytes.
    fn end(mut self) -> io::Result<u64> {
        if self.pipeline.is_none() {
            let (video, audio) = self.has();
            self.start(video, audio)?;
        }
        if let Some(pipeline) = &self.pipeline {
            pipeline.finish()?;
        }
        self.pipeline = None;
        close(&File::open(part(&self.path))?, &self.path)
    }

    fn has(&self) -> (bool, bool) {
        let of = |lane| self.held.iter().any(|unit| unit.lane == lane);
        (of(Lane::Video), of(Lane::Audio))
    }

    fn start(&mut self, video: bool, audio: bool) -> io::Result<()> {
        self.pipeline = Some(Pipeline::start(&part(&self.path), video, audio)?);
        std::mem::take(&mut self.held).iter().try_for_each(|unit| self.write(unit))
    }

    fn write(&self, unit: &Unit) -> io::Result<()> {
        let Some(pipeline) = &self.pipeline else { return Ok(()) };
        pipeline.push(unit, self.origin_ns)
    }
}

impl Pipeline {
    fn start(to: &Path, video: bool, audio: bool) -> io::Result<Self> {
        let mut text = "mpegtsmux name=mux ! filesink name=sink async=false sync=false".to_owned();
        let source = |name: &str| format!("appsrc name={name} format=time max-bytes=0");
        if video {
            text += &format!(" {} ! h264parse config-interval=-1 ! mux.", source("video"));
        }
        if audio {
            text += &format!(" {} ! aacparse ! mux.", source("audio"));
        }
        let pipeline = gst::parse::launch(&text)
            .map_err(io::Error::other)?
            .downcast::<gst::Pipeline>()
            .map_err(|_| io::Error::other("not a pipeline"))?;
        if let Some(sink) = pipeline.by_name("sink") {
            sink.set_property("location", to.to_string_lossy().as_ref());
        }
        let source = |name| pipeline.by_name(name).and_then(|e| e.downcast::<gst_app::AppSrc>().ok());
        let started = Self { video: source("video"), audio: source("audio"), pipeline };
        match started.pipeline.set_state(gst::State::Playing) {
            Ok(_) => Ok(started),
            Err(error) => Err(started.trouble().unwrap_or_else(|| io::Error::other(error))),
        }
    }

    fn push(&self, unit: &Unit, origin_ns: i64) -> io::Result<()> {
        let source = match unit.lane {
            Lane::Video => &self.video,
            Lane::Audio => &self.audio,
        };
        let Some(source) = source else { return Ok(()) };
        if source.caps().as_ref() != Some(&unit.caps) {
            source.set_caps(Some(&unit.caps));
        }
        // A copy of the buffer's head; the bytes are shared with every other output.
        let mut buffer = unit.data.copy();
        if let Some(inner) = buffer.get_mut() {
            let time = gst::ClockTime::from_nseconds((unit.time_ns - origin_ns).max(0) as u64);
            inner.set_pts(time);
            inner.set_dts(time);
            inner.set_duration(
                (unit.duration_ns > 0).then(|| gst::ClockTime::from_nseconds(unit.duration_ns as u64)),
            );
            inner.unset_flags(gst::BufferFlags::DISCONT);
        }
        while source.current_level_bytes() > WAITING_BYTES {
            if let Some(error) = self.trouble() {
                return Err(error);
            }
            std::thread::sleep(LOOKS_EVERY);
        }
        source
            .push_buffer(buffer)
            .map(drop)
            .map_err(|flow| self.trouble().unwrap_or_else(|| io::Error::other(flow)))
    }

    fn finish(&self) -> io::Result<()> {
        for source in [&self.video, &self.audio].into_iter().flatten() {
            let _ = source.end_of_stream();
        }
        let bus = self.pipeline.bus().expect("a pipeline has a bus");
        let ends = [gst::MessageType::Eos, gst::MessageType::Error];
        match bus.timed_pop_filtered(ENDS_WITHIN, &ends) {
            Some(message) => match message.view() {
                gst::MessageView::Error(error) => Err(in_words(error)),
                _ => Ok(()),
            },
            None => Err(io::Error::new(io::ErrorKind::TimedOut, "the segment does not end")),
        }
    }

    /// What went wrong, if anything did.
    fn trouble(&self) -> Option<io::Error> {
        let message = self.pipeline.bus()?.pop_filtered(&[gst::MessageType::Error])?;
        match message.view() {
            gst::MessageView::Error(error) => Some(in_words(error)),
            _ => None,
        }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn in_words(error: &gst::message::Error) -> io::Error {
    let told = error.error();
    let full = told.kind::<gst::ResourceError>() == Some(gst::ResourceError::NoSpaceLeft);
    let kind = if full { io::ErrorKind::StorageFull } else { io::ErrorKind::Other };
    io::Error::new(kind, format!("{} | {}", told.message(), error.debug().unwrap_or_default()))
}
