//! LiveKit egress requests, checked and turned into what a job does.

mod limits;
mod many;
mod outputs;
mod page;

use std::collections::BTreeMap;
use std::path::PathBuf;

use livekit_protocol as proto;
use proto::start_egress_request::{Encoding, Source as AskedSource};
use proto::{media_source, track_composite_egress_request, track_egress_request};
use url::Url;

use crate::container::Incompatible;
use crate::encoding::{self, Material, Options};
use crate::error::{ApiError, ErrorCode, Fault};
use crate::filename::{check, extension, without_extension};
use crate::id::OutputId;
use crate::roster::{ParticipantKind, TrackKind};
use crate::spec::{
    AfterCrash, AudioChannel, AudioRoute, AudioSelect, Container, EgressSpec, EndRule, FileOutput,
    OutputKind, OutputSpec, SegmentKind, Selection, SoundFormat, Source, Treatment, VideoCodec,
    VideoPreference, VideoSelect,
};
use crate::storage::Asked;
use crate::stream::StreamUrlError;
use crate::websocket::{WebSocketUrl, WebSocketUrlError};
use crate::wire::Secret;
use outputs::{Others, Target, Targets, encoded_outputs, no_output, unified_outputs};

pub use limits::SessionLimits;
pub use outputs::stream_output;

/// A request in any of the shapes LiveKit's Egress API has.
pub use livekit_protocol::egress_info::Request as EgressRequest;

/// More would make a caller's one request a flood of ours.
const MAX_WEBHOOKS: usize = 10;

/// The id of the output that a request itself asks for.
pub const REQUESTED_OUTPUT: &str = "file";

/// What a request made on this computer says beyond LiveKit's protocol.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Local {
    /// Absolute path of the folder that files go to.
    pub folder: PathBuf,
    /// A container that the protocol cannot name (WebM), or one for a Track egress.
    pub container: Option<Container>,
    /// A codec that the protocol cannot name (VP9).
    pub video_codec: Option<VideoCodec>,
    /// What to do when a page crashes.
    pub after_crash: AfterCrash,
    /// What is sent over WebSockets.
    pub sound: SoundFormat,
    /// What segments of HLS are.
    pub segments: SegmentKind,
    /// What ends the job.
    pub limits: SessionLimits,
    /// The page that draws layouts where a request names none; none for the one that comes with the program.
    pub template_base: Option<String>,
    /// Whether each file must go to a storage that the request names: files may not stay on this computer, and no
    /// storage is configured.
    pub storage_required: bool,
    /// How often the request was tried before: `{retry}` in names.
    pub retry: u32,
}

/// A request that can be carried out.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The room to join.
    pub room_name: String,
    /// What to do there.
    pub spec: EgressSpec,
    /// What outputs need and the specification must not hold.
    pub secrets: BTreeMap<OutputId, Secret>,
    /// Where the request wants the files of its outputs to go besides their folder: what the output says, else what the
    /// request says. An output that is not in here goes where is configured.
    pub storages: BTreeMap<OutputId, Asked>,
}

/// Why a request cannot be carried out. Displays as LiveKit's Egress API words it, where it has words for
/// it; the [`ApiError`] that it becomes says it to a producer and keeps those words as its detail.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RequestError {
    /// A field is missing or has no sense.
    #[error("request has missing or invalid field: {field}")]
    Field {
        /// LiveKit's name for it.
        field: &'static str,
        /// What is wrong with it.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// It was tried before, and an output has no name of its own for each try.
    #[error("output configuration does not support retry")]
    NotRetryable,
    /// What later versions of Tallylight bring.
    #[error("{feature} is not yet supported")]
    NotYet {
        /// Named as it begins a sentence.
        feature: &'static str,
        /// What to do instead.
        remedy: &'static str,
    },
    /// A codec that does not go into the container.
    #[error(transparent)]
    Incompatible(#[from] Incompatible),
    /// An address that nothing can be streamed to.
    #[error(transparent)]
    Stream(#[from] StreamUrlError),
    /// An address that no sound can be sent to.
    #[error(transparent)]
    WebSocket(#[from] WebSocketUrlError),
}

impl RequestError {
    pub(crate) fn field(field: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Field { field, message: message.into(), remedy: remedy.into() }
    }

    fn not_yet(feature: &'static str, remedy: &'static str) -> Self {
        Self::NotYet { feature, remedy }
    }
}

impl From<RequestError> for ApiError {
    fn from(error: RequestError) -> Self {
        let detail = error.to_string();
        match error {
            RequestError::Field { message, remedy, .. } => {
                Self::new(ErrorCode::InvalidArgument, Fault::Input, message, remedy).with_detail(detail)
            }
            RequestError::NotRetryable => Self::new(
                ErrorCode::FailedPrecondition,
                Fault::Input,
                "The egress was tried before, and its files would have the names of those of that try.",
                "Put {retry} into the name of each output, or leave the names out.",
            )
            .with_detail(detail),
            RequestError::NotYet { feature, remedy } => Self::new(
                ErrorCode::Unsupported,
                Fault::Input,
                format!("{feature} comes with a later version of Tallylight."),
                remedy,
            )
            .with_detail(detail),
            RequestError::Incompatible(error) => error.into(),
            RequestError::Stream(error) => error.into(),
            RequestError::WebSocket(error) => error.into(),
        }
    }
}

/// Checks a request and turns it into what a job does.
///
/// # Errors
/// The request is malformed, contradicts itself, or asks for what later versions bring.
pub fn validate(request: &EgressRequest, local: &Local) -> Result<Accepted, RequestError> {
    match request {
        EgressRequest::Track(request) => track(request, local),
        EgressRequest::TrackComposite(request) => track_composite(request, local),
        EgressRequest::Participant(request) => participant(request, local),
        EgressRequest::Egress(request) => unified(request, local),
        EgressRequest::RoomComposite(request) => page::room_composite(request, local),
        EgressRequest::Web(request) => page::web(request, local),
        EgressRequest::Replay(_) => Err(RequestError::not_yet(
            "Exporting a replay",
            "Replays are kept by LiveKit Cloud alone: export them there.",
        )),
    }
}

fn track(request: &proto::TrackEgressRequest, local: &Local) -> Result<Accepted, RequestError> {
    if request.track_id.is_empty() {
        return Err(RequestError::field("track_id", "No track is named.", "Choose a track."));
    }
    if request.room_name.is_empty() {
        return Err(no_room());
    }
    let file = match &request.output {
        Some(track_egress_request::Output::File(file)) => {
            let manifest = !file.disable_manifest;
            let storage = Asked::of_track_file(file)?;
            Target { filepath: &file.filepath, container: local.container, manifest, storage }
        }
        Some(track_egress_request::Output::WebsocketUrl(url)) => {
            let sockets = vec![WebSocketUrl::parse(url)?];
            webhooks(&request.webhooks)?;
            let audio = vec![both(AudioSelect::Track(request.track_id.as_str().into()))];
            let selection = Selection { video: None, audio, ends: EndRule::TracksGone };
            let targets = Targets { sockets, ..Targets::default() };
            return finish(&request.room_name, selection, Options::Unset, targets, local);
        }
        None => return Err(no_output()),
    };
    webhooks(&request.webhooks)?;
    let selection = Selection {
        video: Some(VideoSelect::Track(request.track_id.as_str().into())),
        audio: vec![both(AudioSelect::Track(request.track_id.as_str().into()))],
        ends: EndRule::TracksGone,
    };
    let targets = Targets::file(file);
    accept(&request.room_name, Source::Tracks(selection), Treatment::Passthrough, targets, local)
}

fn track_composite(
    request: &proto::TrackCompositeEgressRequest,
    local: &Local,
) -> Result<Accepted, RequestError> {
    let (video, audio) = (request.video_track_id.as_str(), request.audio_track_id.as_str());
    if video.is_empty() && audio.is_empty() {
        return Err(RequestError::field(
            "audio_track_id or video_track_id",
            "No track is named.",
            "Choose a picture, a sound, or one of each.",
        ));
    }
    let options = match &request.options {
        None => Options::Unset,
        Some(track_composite_egress_request::Options::Preset(preset)) => Options::Preset(*preset),
        Some(track_composite_egress_request::Options::Advanced(advanced)) => Options::Advanced(advanced),
    };
    let (mut file, mut stream, mut segments) = (None, None, None);
    #[allow(deprecated)] // the field is, the scripts that use it are not
    match &request.output {
        None => {}
        Some(track_composite_egress_request::Output::File(output)) => file = Some(output),
        Some(track_composite_egress_request::Output::Stream(output)) => stream = Some(output),
        Some(track_composite_egress_request::Output::Segments(output)) => segments = Some(output),
    }
    let (streams, many) = (&request.stream_outputs, &request.segment_outputs);
    let others = Others::of(streams, stream, many, segments, &request.image_outputs)?;
    let targets = encoded_outputs(&request.file_outputs, file, others, local)?;
    webhooks(&request.webhooks)?;
    let selection = Selection {
        video: (!video.is_empty()).then(|| VideoSelect::Track(video.into())),
        audio: (!audio.is_empty()).then(|| both(AudioSelect::Track(audio.into()))).into_iter().collect(),
        ends: EndRule::TracksGone,
    };
    finish(&request.room_name, selection, options, targets, local)
}

fn participant(request: &proto::ParticipantEgressRequest, local: &Local) -> Result<Accepted, RequestError> {
    use proto::participant_egress_request::Options as AskedOptions;
    if request.identity.is_empty() {
        return Err(RequestError::field("identity", "No person is named.", "Choose a person."));
    }
    let options = match &request.options {
        None => Options::Unset,
        Some(AskedOptions::Preset(preset)) => Options::Preset(*preset),
        Some(AskedOptions::Advanced(advanced)) => Options::Advanced(advanced),
    };
    if options.passthrough() {
        return Err(RequestError::field(
            "preset",
            "A person is followed across republishing and changes of codec, which a file as published cannot hold.",
            "Choose another preset, or record the person's tracks as published.",
        ));
    }
    let (streams, segments) = (&request.stream_outputs, &request.segment_outputs);
    let others = Others::of(streams, None, segments, None, &request.image_outputs)?;
    let targets = encoded_outputs(&request.file_outputs, None, others, local)?;
    webhooks(&request.webhooks)?;
    let identity = request.identity.clone();
    // With a container for sound alone, the person is wanted without their picture. (LiveKit's own
    // service refuses this, and has no way to ask for it.)
    let sound_only = matches!(targets.container(), Some(Container::Ogg | Container::Mp3))
        && local.video_codec.is_none()
        && !matches!(options, Options::Advanced(advanced) if advanced.video_codec != 0);
    let (prefer, sound) = if request.screen_share {
        (VideoPreference::ScreenShare, AudioSelect::Participant(identity.clone()))
    } else {
        (VideoPreference::Camera, AudioSelect::Voice(identity.clone()))
    };
    let selection = Selection {
        video: (!sound_only).then(|| VideoSelect::Participant { identity: identity.clone(), prefer }),
        audio: vec![both(sound)],
        ends: EndRule::ParticipantLeaves(identity),
    };
    finish(&request.room_name, selection, options, targets, local)
}

fn unified(request: &proto::StartEgressRequest, local: &Local) -> Result<Accepted, RequestError> {
    let Some(asked) = &request.source else {
        return Err(RequestError::field(
            "source",
            "The request does not say what to record.",
            "Set one of template, web and media.",
        ));
    };
    let options = match &request.encoding {
        None => Options::Unset,
        Some(Encoding::Preset(preset)) => Options::Preset(*preset),
        Some(Encoding::Advanced(advanced)) => Options::Advanced(advanced),
    };
    let targets = unified_outputs(&request.outputs, request.storage.as_ref(), local)?;
    webhooks(&request.webhooks)?;
    let room = &request.room_name;
    match asked {
        AskedSource::Media(media) => {
            finish(room, media_selection(media, options.passthrough())?, options, targets, local)
        }
        AskedSource::Template(template) => page::template(room, template, options, targets, local),
        AskedSource::Web(web) => page::address(web, options, targets, local),
    }
}

fn media_selection(media: &proto::MediaSource, passthrough: bool) -> Result<Selection, RequestError> {
    let video = match &media.video {
        None => None,
        Some(media_source::Video::VideoTrackId(id)) if id.is_empty() => {
            return Err(RequestError::field("video_track_id", "No track is named.", "Choose a track."));
        }
        Some(media_source::Video::VideoTrackId(id)) => Some(VideoSelect::Track(id.as_str().into())),
        Some(media_source::Video::ParticipantVideo(person)) if person.identity.is_empty() => {
            return Err(RequestError::field("identity", "No person is named.", "Choose a person."));
        }
        Some(media_source::Video::ParticipantVideo(person)) => Some(VideoSelect::Participant {
            identity: person.identity.clone(),
            prefer: if person.prefer_screen_share {
                VideoPreference::ScreenShare
            } else {
                VideoPreference::Camera
            },
        }),
    };
    let mut audio = Vec::new();
    if let Some(config) = &media.audio {
        for route in &config.routes {
            audio.push(audio_route(route)?);
        }
        if config.capture_all {
            audio.push(both(AudioSelect::All));
        }
    }
    if video.is_none() && audio.is_empty() {
        return Err(RequestError::field(
            "media",
            "The request names neither a picture nor a sound.",
            "Set video, audio, or both.",
        ));
    }
    if !passthrough {
        return Ok(Selection { video, audio, ends: EndRule::RoomEnds });
    }
    let tracks_only = !matches!(video, Some(VideoSelect::Participant { .. }))
        && matches!(
            audio.as_slice(),
            [] | [AudioRoute { from: AudioSelect::Track(_), channel: AudioChannel::Both }]
        );
    if !tracks_only {
        return Err(RequestError::field(
            "preset",
            "As published, a file takes single tracks: one picture, one sound, or one of each.",
            "Name the tracks, or choose another preset.",
        ));
    }
    Ok(Selection { video, audio, ends: EndRule::TracksGone })
}

fn audio_route(route: &proto::AudioRoute) -> Result<AudioRoute, RequestError> {
    use proto::audio_route::Match;
    let invalid = |message: String| {
        Err(RequestError::field(
            "audio.routes",
            message,
            "Name a track, an identity or a kind of participant.",
        ))
    };
    let from = match &route.r#match {
        Some(Match::TrackId(id)) if !id.is_empty() => AudioSelect::Track(id.as_str().into()),
        Some(Match::ParticipantIdentity(identity)) if !identity.is_empty() => {
            AudioSelect::Participant(identity.clone())
        }
        Some(Match::ParticipantKind(kind)) => match participant_kind(*kind) {
            Some(kind) => AudioSelect::Kind(kind),
            None => return invalid(format!("There is no kind of participant {kind}.")),
        },
        _ => return invalid("A route does not say which sound it takes.".to_owned()),
    };
    let channel = match proto::AudioChannel::try_from(route.channel) {
        Ok(proto::AudioChannel::Both) => AudioChannel::Both,
        Ok(proto::AudioChannel::Left) => AudioChannel::Left,
        Ok(proto::AudioChannel::Right) => AudioChannel::Right,
        Err(_) => return invalid(format!("There is no audio channel {}.", route.channel)),
    };
    Ok(AudioRoute { from, channel })
}

fn participant_kind(kind: i32) -> Option<ParticipantKind> {
    use proto::participant_info::Kind;
    Some(match Kind::try_from(kind).ok()? {
        Kind::Standard => ParticipantKind::Standard,
        Kind::Ingress => ParticipantKind::Ingress,
        Kind::Egress => ParticipantKind::Egress,
        Kind::Sip => ParticipantKind::Sip,
        Kind::Agent => ParticipantKind::Agent,
        Kind::Connector => ParticipantKind::Connector,
        Kind::Bridge => ParticipantKind::Bridge,
    })
}

fn both(from: AudioSelect) -> AudioRoute {
    AudioRoute { from, channel: AudioChannel::Both }
}

/// Whether each webhook of a request can be called.
fn webhooks(webhooks: &[proto::WebhookConfig]) -> Result<(), RequestError> {
    let wrong = |message: String| {
        Err(RequestError::field("webhooks", message, "Give addresses that begin with https:// or http://."))
    };
    if webhooks.len() > MAX_WEBHOOKS {
        return wrong(format!(
            "A request can have {MAX_WEBHOOKS} webhooks, and this one has {}.",
            webhooks.len()
        ));
    }
    for webhook in webhooks {
        match Url::parse(&webhook.url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {}
            _ => return wrong("The address of a webhook is not one.".to_owned()),
        }
    }
    Ok(())
}

/// Settles the treatment of tracks.
fn finish(
    room_name: &str,
    mut selection: Selection,
    options: Options<'_>,
    mut targets: Targets<'_>,
    local: &Local,
) -> Result<Accepted, RequestError> {
    if !targets.pictures() {
        selection.video = None;
    }
    if !targets.sound() {
        selection.audio.clear();
    }
    let (video, audio) = (selection.video.is_some(), !selection.audio.is_empty());
    let treatment = if options.passthrough() {
        let others = !targets.sockets.is_empty() || !targets.images.is_empty() || targets.segments.is_some();
        if targets.file.is_none() || others {
            return Err(RequestError::field(
                "preset",
                "Only a file takes what is published as it is.",
                "Choose another preset.",
            ));
        }
        if let Some(container @ (Container::Ogg | Container::Mp3)) = targets.container()
            && video
        {
            return Err(Incompatible { container, kind: TrackKind::Video, codec: "h264" }.into());
        }
        Treatment::Passthrough
    } else {
        encoded(options, video, audio, &mut targets, local)?
    };
    if room_name.is_empty() {
        return Err(no_room());
    }
    accept(room_name, Source::Tracks(selection), treatment, targets, local)
}

/// How the source is encoded, for all outputs together.
fn encoded(
    options: Options<'_>,
    video: bool,
    audio: bool,
    targets: &mut Targets<'_>,
    local: &Local,
) -> Result<Treatment, RequestError> {
    let (video, audio) = (video && targets.pictures(), audio && targets.sound());
    if !video && !targets.images.is_empty() {
        return Err(RequestError::field(
            "audio_only",
            "There is no picture to take images of.",
            "Leave the images out, or choose something that has a picture.",
        ));
    }
    if !audio && !targets.sockets.is_empty() {
        return Err(RequestError::field(
            "video_only",
            "There is no sound to send over a WebSocket.",
            "Leave it out, or choose something that has sound.",
        ));
    }
    // Streams alone are what an MP4 holds.
    let container = if targets.file.is_some() { targets.container() } else { Some(Container::Mp4) };
    let material = Material { video, audio, container, video_codec: local.video_codec };
    let (container, mut treatment) = encoding::encode(options, material)?;
    match &mut targets.file {
        Some(file) => file.container = Some(container),
        None => encoding::for_servers(&mut treatment),
    }
    if targets.streams.is_some() {
        encoding::stream_keyframes(&mut treatment);
    }
    Ok(treatment)
}

fn no_room() -> RequestError {
    RequestError::field("room_name", "No room is named.", "Choose a room.")
}

fn accept(
    room_name: &str,
    source: Source,
    treatment: Treatment,
    targets: Targets<'_>,
    local: &Local,
) -> Result<Accepted, RequestError> {
    let (streams, secrets) = targets.stream_outputs(local.sound);
    let mut outputs = Vec::new();
    let mut storages = BTreeMap::new();
    let limits = local.limits.of(&targets);
    if targets.on_disk() && !local.folder.is_absolute() {
        return Err(RequestError::field(
            "folder",
            "No folder to record into is chosen.",
            "Choose a folder in the settings.",
        ));
    }
    let mut add = |output: OutputSpec, storage: Option<Asked>| {
        if local.retry > 0 && !retryable(&output.kind) {
            return Err(RequestError::NotRetryable);
        }
        if storage.is_none() && local.storage_required {
            return Err(RequestError::field(
                "output",
                "Files may not stay on this computer, and the request names no storage for one.",
                "Name a storage in the output or in the request.",
            ));
        }
        storages.extend(storage.map(|asked| (output.id.clone(), asked)));
        outputs.push(output);
        Ok(())
    };
    if let Some(file) = targets.file {
        if treatment == Treatment::Passthrough && file.container == Some(Container::Mp3) {
            // Nobody publishes MP3.
            let container = Container::Mp3;
            return Err(Incompatible { container, kind: TrackKind::Audio, codec: "opus" }.into());
        }
        let extension = file.container.map_or(".webm".len(), |container| extension(container).len() + 1);
        check("filepath", without_extension(file.filepath), extension)?;
        let output = FileOutput {
            folder: local.folder.clone(),
            name: file.filepath.to_owned(),
            container: file.container,
            manifest: file.manifest,
            proxy: None,
            as_published: false,
        };
        add(OutputSpec { id: REQUESTED_OUTPUT.into(), kind: OutputKind::File(output) }, file.storage)?;
    }
    if let Some(segments) = targets.segments {
        add(segments.output(&local.folder, local.segments), segments.storage)?;
    }
    for (at, images) in targets.images.into_iter().enumerate() {
        add(images.output(&local.folder, at + 1), images.storage)?;
    }
    outputs.extend(streams);
    Ok(Accepted {
        room_name: room_name.to_owned(),
        spec: EgressSpec { source, treatment, outputs, limits },
        secrets,
        storages,
    })
}

/// Whether the files of another try have other names, by LiveKit's rule: names that are made up do, others where they
/// hold `{retry}`. Images are not held to it.
fn retryable(output: &OutputKind) -> bool {
    const RETRY: &str = "{retry}";
    match output {
        OutputKind::File(file) => {
            file.name.is_empty() || file.name.ends_with('/') || file.name.contains(RETRY)
        }
        OutputKind::Segments(set) => {
            let named = if set.prefix.is_empty() { &set.playlist } else { &set.prefix };
            named.is_empty() || named.contains(RETRY)
        }
        OutputKind::Images(_) | OutputKind::Stream(_) | OutputKind::WebSocket(_) => true,
    }
}
