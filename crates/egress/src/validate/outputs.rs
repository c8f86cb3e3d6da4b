//! Where a request wants its media to go.

use std::collections::BTreeMap;

use livekit_protocol as proto;
use proto::output;

use super::{Local, RequestError, no_upload, not_yet_websocket};
use crate::id::OutputId;
use crate::spec::{Container, OutputKind, OutputSpec, StreamOutput};
use crate::stream::StreamUrl;
use crate::wire::Secret;

/// The outputs of a request.
pub(super) struct Targets<'a> {
    pub file: Option<Target<'a>>,
    /// None: no streams. An empty list: none yet.
    pub streams: Option<Vec<StreamUrl>>,
}

/// The one file of a request.
pub(super) struct Target<'a> {
    pub filepath: &'a str,
    pub container: Option<Container>,
    pub manifest: bool,
}

/// Outputs of other kinds that a request has.
#[derive(Default)]
pub(super) struct Others<'a> {
    pub streams: Vec<&'a proto::StreamOutput>,
    pub segments: usize,
    pub images: usize,
}

impl<'a> Others<'a> {
    /// The outputs of one of the older requests: the lists, or the one in the field that came before them.
    pub fn of(
        streams: &'a [proto::StreamOutput],
        one: Option<&'a proto::StreamOutput>,
        segments: usize,
        images: usize,
    ) -> Self {
        let one = one.filter(|_| streams.is_empty());
        Self { streams: streams.iter().chain(one).collect(), segments, images }
    }

    /// At most one of each kind, as LiveKit has it; and some of them cannot be made yet.
    fn check(&self) -> Result<(), RequestError> {
        if self.streams.len() > 1 {
            return Err(multiple("multiple stream outputs", "groups of streams"));
        }
        if self.segments > 1 {
            return Err(multiple("multiple segmented file outputs", "sets of segments"));
        }
        let file = "Record into a file.";
        if self.segments > 0 {
            return Err(RequestError::not_yet("Recording into HLS segments", file));
        }
        if self.images > 0 {
            return Err(RequestError::not_yet("Taking images at an interval", file));
        }
        Ok(())
    }

    /// The addresses of the one group of streams. Unlike LiveKit's service, one group takes RTMP and SRT together.
    fn stream_urls(&self, alone: bool) -> Result<Option<Vec<StreamUrl>>, RequestError> {
        use proto::StreamProtocol as P;
        let Some(group) = self.streams.first() else { return Ok(None) };
        let wanted = match P::try_from(group.protocol) {
            Ok(P::DefaultProtocol) => None,
            Ok(P::Rtmp) => Some(crate::spec::StreamProtocol::Rtmp),
            Ok(P::Srt) => Some(crate::spec::StreamProtocol::Srt),
            Ok(P::Websocket) => return Err(not_yet_websocket()),
            Err(_) => {
                return Err(RequestError::field(
                    "stream protocol",
                    format!("There is no stream protocol {}.", group.protocol),
                    "Leave it out: the addresses tell.",
                ));
            }
        };
        if group.urls.is_empty() && alone {
            return Err(RequestError::field(
                "stream url",
                "The request does not say where to stream to.",
                "Give at least one address, or add a file output and give the addresses later.",
            ));
        }
        let mut streams: Vec<StreamUrl> = Vec::new();
        for raw in &group.urls {
            let websocket = raw.trim_start().to_ascii_lowercase();
            if wanted.is_none() && (websocket.starts_with("ws://") || websocket.starts_with("wss://")) {
                return Err(not_yet_websocket());
            }
            let url = StreamUrl::parse(raw)?;
            if wanted.is_some_and(|wanted| wanted != url.protocol()) {
                return Err(url.wrong_scheme().into());
            }
            // The same address twice is one stream.
            if !streams.iter().any(|known| known.is(raw)) {
                streams.push(url);
            }
        }
        Ok(Some(streams))
    }
}

impl Targets<'_> {
    /// Of a file alone.
    pub fn file(file: Target<'_>) -> Targets<'_> {
        Targets { file: Some(file), streams: None }
    }

    /// The container that was asked for.
    pub fn container(&self) -> Option<Container> {
        self.file.as_ref().and_then(|file| file.container)
    }

    /// The streams as outputs of a job, and what of them the job must be told apart.
    pub fn stream_outputs(&self) -> (Vec<OutputSpec>, BTreeMap<OutputId, Secret>) {
        let (mut outputs, mut secrets) = (Vec::new(), BTreeMap::new());
        for (at, url) in self.streams.iter().flatten().enumerate() {
            let id = OutputId(format!("stream-{}", at + 1));
            secrets.insert(id.clone(), url.secret());
            outputs.push(stream_output(id, url, false));
        }
        (outputs, secrets)
    }
}

/// A stream as an output of a job.
pub fn stream_output(id: OutputId, url: &StreamUrl, any_certificate: bool) -> OutputSpec {
    let stream = StreamOutput { protocol: url.protocol(), address: url.shown().to_owned(), any_certificate };
    OutputSpec { id, kind: OutputKind::Stream(stream) }
}

pub(super) fn encoded_outputs<'a>(
    files: &'a [proto::EncodedFileOutput],
    deprecated: Option<&'a proto::EncodedFileOutput>,
    others: Others<'_>,
    local: &Local,
) -> Result<Targets<'a>, RequestError> {
    if files.len() > 1 {
        return Err(multiple("multiple file outputs", "files"));
    }
    others.check()?;
    let file = files.first().or(deprecated);
    let streams = others.stream_urls(file.is_none())?;
    let file = match file {
        None => None,
        Some(file) => {
            no_upload(file.output.is_some())?;
            Some(Target {
                filepath: &file.filepath,
                container: file_type(file.file_type, local)?,
                manifest: !file.disable_manifest,
            })
        }
    };
    some(Targets { file, streams })
}

pub(super) fn unified_outputs<'a>(
    outputs: &'a [proto::Output],
    local: &Local,
) -> Result<Targets<'a>, RequestError> {
    let (mut files, mut others) = (Vec::new(), Others::default());
    for output in outputs {
        match &output.config {
            Some(output::Config::File(file)) => files.push((file, output)),
            Some(output::Config::Stream(stream)) => others.streams.push(stream),
            Some(output::Config::Segments(_)) => others.segments += 1,
            Some(output::Config::Images(_)) => others.images += 1,
            None => return Err(no_output()),
        }
    }
    if files.len() > 1 {
        return Err(multiple("multiple file outputs", "files"));
    }
    others.check()?;
    let streams = others.stream_urls(files.is_empty())?;
    let file = match files.first() {
        None => None,
        Some((file, output)) => {
            no_upload(output.storage.as_ref().is_some_and(|storage| storage.provider.is_some()))?;
            Some(Target {
                filepath: &file.filepath,
                container: file_type(file.file_type, local)?,
                manifest: !file.disable_manifest,
            })
        }
    };
    some(Targets { file, streams })
}

fn some(targets: Targets<'_>) -> Result<Targets<'_>, RequestError> {
    if targets.file.is_none() && targets.streams.is_none() { Err(no_output()) } else { Ok(targets) }
}

fn file_type(file_type: i32, local: &Local) -> Result<Option<Container>, RequestError> {
    let named = match proto::EncodedFileType::try_from(file_type) {
        Ok(proto::EncodedFileType::DefaultFiletype) => None,
        Ok(proto::EncodedFileType::Mp4) => Some(Container::Mp4),
        Ok(proto::EncodedFileType::Ogg) => Some(Container::Ogg),
        Ok(proto::EncodedFileType::Mp3) => Some(Container::Mp3),
        Err(_) => {
            return Err(RequestError::field(
                "file_type",
                format!("There is no file type {file_type}."),
                "Choose MP4, OGG or MP3, or leave it out.",
            ));
        }
    };
    Ok(local.container.or(named))
}

fn multiple(field: &'static str, shown: &str) -> RequestError {
    RequestError::field(
        field,
        format!("One request cannot ask for several {shown}."),
        "Start a job for each.",
    )
}

pub(super) fn no_output() -> RequestError {
    RequestError::field("output", "The request does not say where to record to.", "Add a file or a stream.")
}
