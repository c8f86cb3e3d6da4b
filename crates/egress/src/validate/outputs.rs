//! Where a request wants its media to go.

use std::collections::BTreeMap;

use livekit_protocol as proto;
use proto::output;

use super::many::{ImagesTarget, SegmentsTarget, images as images_of, segments as segments_of};
use super::{Local, RequestError};
use crate::id::OutputId;
use crate::spec::{Container, OutputKind, OutputSpec, SoundFormat, StreamOutput};
use crate::storage::Asked;
use crate::stream::StreamUrl;
use crate::websocket::WebSocketUrl;
use crate::wire::Secret;

/// The outputs of a request.
#[derive(Default)]
pub(super) struct Targets<'a> {
    pub file: Option<Target<'a>>,
    /// None: no streams. An empty list: none yet.
    pub streams: Option<Vec<StreamUrl>>,
    pub segments: Option<SegmentsTarget<'a>>,
    pub images: Vec<ImagesTarget<'a>>,
    pub sockets: Vec<WebSocketUrl>,
}

/// The one file of a request.
pub(super) struct Target<'a> {
    pub filepath: &'a str,
    pub container: Option<Container>,
    pub manifest: bool,
    /// Where it goes besides, if the request says so.
    pub storage: Option<Asked>,
}

/// Outputs of other kinds that a request has.
#[derive(Default)]
pub(super) struct Others<'a> {
    pub streams: Vec<&'a proto::StreamOutput>,
    pub segments: Vec<(&'a proto::SegmentedFileOutput, Option<Asked>)>,
    pub images: Vec<(&'a proto::ImageOutput, Option<Asked>)>,
}

/// The addresses of a group of streams.
type Addresses = (Option<Vec<StreamUrl>>, Vec<WebSocketUrl>);

impl<'a> Others<'a> {
    /// The outputs of one of the older requests: the lists, or the one in the field that came before them.
    pub fn of(
        streams: &'a [proto::StreamOutput],
        stream: Option<&'a proto::StreamOutput>,
        segments: &'a [proto::SegmentedFileOutput],
        segment: Option<&'a proto::SegmentedFileOutput>,
        images: &'a [proto::ImageOutput],
    ) -> Result<Self, RequestError> {
        let stream = stream.filter(|_| streams.is_empty());
        let segment = segment.filter(|_| segments.is_empty());
        let segments = segments.iter().chain(segment).map(|output| Ok((output, Asked::of_segments(output)?)));
        let images = images.iter().map(|output| Ok((output, Asked::of_images(output)?)));
        Ok(Self {
            streams: streams.iter().chain(stream).collect(),
            segments: segments.collect::<Result<_, RequestError>>()?,
            images: images.collect::<Result<_, RequestError>>()?,
        })
    }

    /// At most one of each kind but images, as LiveKit has it.
    fn check(&self) -> Result<(), RequestError> {
        if self.streams.len() > 1 {
            return Err(multiple("multiple stream outputs", "groups of streams"));
        }
        if self.segments.len() > 1 {
            return Err(multiple("multiple segmented file outputs", "sets of segments"));
        }
        Ok(())
    }

    /// All of them, beside a file.
    fn targets(self, file: Option<Target<'a>>) -> Result<Targets<'a>, RequestError> {
        let alone = file.is_none() && self.segments.is_empty() && self.images.is_empty();
        let (streams, sockets) = self.stream_urls(alone)?;
        let segments = self.segments.into_iter().next();
        let segments = segments.map(|(output, storage)| segments_of(output, storage)).transpose()?;
        let images = self.images.into_iter().map(|(output, storage)| images_of(output, storage));
        let images = images.collect::<Result<_, _>>()?;
        some(Targets { file, streams, segments, images, sockets })
    }

    /// The addresses of the one group of streams. Unlike LiveKit's service, one group takes RTMP and SRT together.
    fn stream_urls(&self, alone: bool) -> Result<Addresses, RequestError> {
        use proto::StreamProtocol as P;
        let Some(group) = self.streams.first() else { return Ok((None, Vec::new())) };
        let wanted = match P::try_from(group.protocol) {
            Ok(P::DefaultProtocol) => None,
            Ok(P::Rtmp) => Some(crate::spec::StreamProtocol::Rtmp),
            Ok(P::Srt) => Some(crate::spec::StreamProtocol::Srt),
            Ok(P::Websocket) => Some(crate::spec::StreamProtocol::Websocket),
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
        let (mut streams, mut sockets): (Vec<StreamUrl>, Vec<WebSocketUrl>) = Default::default();
        for raw in &group.urls {
            let socket = crate::spec::StreamProtocol::Websocket;
            if wanted == Some(socket) || wanted.is_none() && WebSocketUrl::is_one(raw) {
                let url = WebSocketUrl::parse(raw)?;
                // The same address twice is one stream.
                if !sockets.iter().any(|known| known.is(raw)) {
                    sockets.push(url);
                }
                continue;
            }
            let url = StreamUrl::parse(raw)?;
            if wanted.is_some_and(|wanted| wanted != url.protocol()) {
                return Err(url.wrong_scheme().into());
            }
            if !streams.iter().any(|known| known.is(raw)) {
                streams.push(url);
            }
        }
        // Sound alone over WebSockets needs none of what streams need.
        Ok(((!streams.is_empty() || sockets.is_empty()).then_some(streams), sockets))
    }
}

impl Targets<'_> {
    /// Of a file alone.
    pub fn file(file: Target<'_>) -> Targets<'_> {
        Targets { file: Some(file), ..Targets::default() }
    }

    /// Whether something takes what an encoder gives.
    pub fn encoded(&self) -> bool {
        self.file.is_some() || self.streams.is_some() || self.segments.is_some()
    }

    /// Whether something takes pictures.
    pub fn pictures(&self) -> bool {
        self.encoded() || !self.images.is_empty()
    }

    /// Whether something takes sound.
    pub fn sound(&self) -> bool {
        self.encoded() || !self.sockets.is_empty()
    }

    /// Whether something is written to a folder.
    pub fn on_disk(&self) -> bool {
        self.file.is_some() || self.segments.is_some() || !self.images.is_empty()
    }

    /// The container that was asked for.
    pub fn container(&self) -> Option<Container> {
        self.file.as_ref().and_then(|file| file.container)
    }

    /// The streams as outputs of a job, and what of them the job must be told apart.
    pub fn stream_outputs(&self, sound: SoundFormat) -> (Vec<OutputSpec>, BTreeMap<OutputId, Secret>) {
        let (mut outputs, mut secrets) = (Vec::new(), BTreeMap::new());
        for (at, url) in self.streams.iter().flatten().enumerate() {
            let id = OutputId(format!("stream-{}", at + 1));
            secrets.insert(id.clone(), url.secret());
            outputs.push(stream_output(id, url, false));
        }
        for (at, url) in self.sockets.iter().enumerate() {
            let id = OutputId(format!("websocket-{}", at + 1));
            secrets.insert(id.clone(), url.secret());
            outputs.push(url.output(id, sound));
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
    others: Others<'a>,
    local: &Local,
) -> Result<Targets<'a>, RequestError> {
    if files.len() > 1 {
        return Err(multiple("multiple file outputs", "files"));
    }
    others.check()?;
    let file = match files.first().or(deprecated) {
        None => None,
        Some(file) => {
            let container = file_type(file.file_type, local)?;
            let (manifest, storage) = (!file.disable_manifest, Asked::of_file(file)?);
            Some(Target { filepath: &file.filepath, container, manifest, storage })
        }
    };
    others.targets(file)
}

pub(super) fn unified_outputs<'a>(
    outputs: &'a [proto::Output],
    storage: Option<&proto::StorageConfig>,
    local: &Local,
) -> Result<Targets<'a>, RequestError> {
    let (mut files, mut others) = (Vec::new(), Others::default());
    let of_request = Asked::of_config(storage)?;
    for output in outputs {
        let storage = Asked::of_config(output.storage.as_ref())?.or_else(|| of_request.clone());
        match &output.config {
            Some(output::Config::File(file)) => files.push((file, storage)),
            Some(output::Config::Stream(stream)) => others.streams.push(stream),
            Some(output::Config::Segments(segments)) => others.segments.push((segments, storage)),
            Some(output::Config::Images(images)) => others.images.push((images, storage)),
            None => return Err(no_output()),
        }
    }
    if files.len() > 1 {
        return Err(multiple("multiple file outputs", "files"));
    }
    others.check()?;
    let file = match files.into_iter().next() {
        None => None,
        Some((file, storage)) => {
            let (container, manifest) = (file_type(file.file_type, local)?, !file.disable_manifest);
            Some(Target { filepath: &file.filepath, container, manifest, storage })
        }
    };
    others.targets(file)
}

fn some(targets: Targets<'_>) -> Result<Targets<'_>, RequestError> {
    let any = targets.pictures() || targets.sound();
    if any { Ok(targets) } else { Err(no_output()) }
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
