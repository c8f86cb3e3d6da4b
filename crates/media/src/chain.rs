//! A straight GStreamer pipeline with an open end on both sides: buffers are pushed in, samples come
//! out at a callback. Depayloading, decoding and encoding are chains; since each is a pipeline of its
//! own, an error in one (a broken stream, a codec that gives up) ends that chain and nothing else.

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;

/// What a chain reports.
#[derive(Debug)]
pub enum ChainEvent {
    /// A finished buffer with its caps.
    Sample(gst::Sample),
    /// Everything that was pushed before [`Chain::finish`] has come out.
    Finished,
    /// The chain is broken and gives nothing more.
    Failed(ChainError),
}

/// Why a chain cannot be built or has broken.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{element}: {message}")]
pub struct ChainError {
    /// The element that reported it.
    pub element: String,
    /// Its message.
    pub message: String,
    /// GStreamer's debugging text, for the log.
    pub debug: String,
}

impl ChainError {
    fn new(element: &str, message: impl std::fmt::Display) -> Self {
        Self { element: element.to_owned(), message: message.to_string(), debug: String::new() }
    }

    /// From a message on a pipeline's bus.
    pub fn from_message(error: &gst::message::Error) -> Self {
        Self {
            element: error.src().map(|s| s.name().to_string()).unwrap_or_default(),
            message: error.error().to_string(),
            debug: error.debug().map(|d| d.to_string()).unwrap_or_default(),
        }
    }
}

/// A running chain. Dropping it stops it at once; what is inside is lost.
#[derive(Debug)]
pub struct Chain {
    pipeline: gst::Pipeline,
    src: gst_app::AppSrc,
}

impl Chain {
    /// Starts `description` (in `gst-launch` syntax) between an `appsrc` with `caps` and an `appsink`.
    /// `report` is called from GStreamer's threads and must not block for long.
    ///
    /// # Errors
    /// If an element is missing or refuses to start.
    pub fn start(
        name: &str,
        caps: &gst::Caps,
        description: &str,
        report: impl Fn(ChainEvent) + Send + Sync + 'static,
    ) -> Result<Self, ChainError> {
        let text = format!(
            "appsrc name=src is-live=true format=time max-bytes=0 ! {description} ! appsink name=sink sync=false"
        );
        let element = gst::parse::launch(&text).map_err(|e| ChainError::new(name, e))?;
        let pipeline =
            element.downcast::<gst::Pipeline>().map_err(|_| ChainError::new(name, "not a pipeline"))?;
        let src: gst_app::AppSrc = child(&pipeline, "src")?;
        let sink: gst_app::AppSink = child(&pipeline, "sink")?;
        src.set_caps(Some(caps));

        let report = std::sync::Arc::new(report);
        let (on_sample, on_end) = (report.clone(), report.clone());
        sink.set_callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    on_sample(ChainEvent::Sample(sample));
                    Ok(gst::FlowSuccess::Ok)
                })
                .eos(move |_| on_end(ChainEvent::Finished))
                .build(),
        );
        let bus = pipeline.bus().expect("a pipeline has a bus");
        let label = name.to_owned();
        bus.set_sync_handler(move |_, message| {
            if let gst::MessageView::Error(error) = message.view() {
                let error = ChainError::from_message(error);
                tracing::warn!(chain = label, %error, debug = error.debug, "chain failed");
                report(ChainEvent::Failed(error));
            }
            gst::BusSyncReply::Drop
        });
        pipeline.set_state(gst::State::Playing).map_err(|e| ChainError::new(name, e))?;
        Ok(Self { pipeline, src })
    }

    /// Pushes a buffer. Buffers pushed into a broken chain are dropped; the break is reported.
    pub fn push(&self, buffer: gst::Buffer) {
        // The flow error repeats what the bus has said.
        let _ = self.src.push_buffer(buffer);
    }

    /// Announces a change of the caps of what is pushed next.
    pub fn set_caps(&self, caps: &gst::Caps) {
        self.src.set_caps(Some(caps));
    }

    /// Lets what is inside come out; [`ChainEvent::Finished`] follows.
    pub fn finish(&self) {
        let _ = self.src.end_of_stream();
    }

    /// Bytes pushed and not yet taken by the first element.
    pub fn backlog_bytes(&self) -> u64 {
        self.src.current_level_bytes()
    }

    /// Asks the first encoder in the chain for a keyframe.
    pub fn force_keyframe(&self) {
        let event = gst::event::CustomUpstream::builder(
            gst::Structure::builder("GstForceKeyUnit").field("all-headers", true).build(),
        )
        .build();
        if let Some(sink) = self.pipeline.by_name("sink") {
            sink.send_event(event);
        }
    }

    /// Asks the first encoder in the chain to make the first picture from `time_ns` on a keyframe.
    pub fn force_keyframe_at(&self, time_ns: i64) {
        let event = gstreamer_video::UpstreamForceKeyUnitEvent::builder()
            .running_time(gst::ClockTime::from_nseconds(time_ns.max(0) as u64))
            .all_headers(true)
            .build();
        if let Some(sink) = self.pipeline.by_name("sink") {
            sink.send_event(event);
        }
    }

    /// An element of the chain, by its name in the description.
    pub fn element(&self, name: &str) -> Option<gst::Element> {
        self.pipeline.by_name(name)
    }
}

/// A sample's time and data.
pub(crate) fn timed(sample: &gst::Sample) -> Option<(i64, gst::Buffer)> {
    let buffer = sample.buffer_owned()?;
    let time = buffer.pts()?;
    Some((time.nseconds() as i64, buffer))
}

/// The samples of raw sound: interleaved stereo, 32-bit floats.
pub(crate) fn stereo(buffer: &gst::Buffer) -> Option<Vec<f32>> {
    let map = buffer.map_readable().ok()?;
    Some(map.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}

fn child<T: IsA<gst::Element>>(pipeline: &gst::Pipeline, name: &str) -> Result<T, ChainError> {
    pipeline
        .by_name(name)
        .and_then(|e| e.downcast::<T>().ok())
        .ok_or_else(|| ChainError::new(name, "element not found"))
}

impl Drop for Chain {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
