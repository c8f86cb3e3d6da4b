//! A job that LiveKit's API asked for, as the window shows it.

use std::path::Path;

use crate::id::TrackId;
use crate::request::{
    AdvancedOptions, ImagesRequest, Mixing, PageParts, RecordFormat, RecordRequest, RecordSource,
    SegmentsRequest,
};
use crate::roster::ParticipantKind;
use crate::spec::{
    AfterCrash, AudioChannel, AudioRoute, AudioSelect, Container, EgressSpec, OutputKind, OutputSpec,
    PageAddress, SegmentKind, Selection, Source, Treatment, VideoPreference, VideoSelect,
};

/// What of a job the window's own kind of request can say. It is for showing: what the job does is its specification.
///
/// A room's sound alone that is routed by hand shows as the whole room's.
pub fn record_request(spec: &EgressSpec, room_name: &str, folder: &Path) -> RecordRequest {
    let (mut container, mut name, mut manifest) = (None, String::new(), false);
    let (mut segments, mut images) = (None, None);
    for OutputSpec { kind, .. } in &spec.outputs {
        match kind {
            OutputKind::File(file) => {
                container = file.container;
                name.clone_from(&file.name);
                manifest |= file.manifest;
            }
            OutputKind::Segments(set) => {
                let (duration_s, live_playlist) = (set.duration_ms / 1000, !set.live_playlist.is_empty());
                let fmp4 = set.kind == SegmentKind::Fmp4;
                segments = Some(SegmentsRequest { duration_s, live_playlist, fmp4 });
                manifest |= set.manifest;
            }
            OutputKind::Images(set) => {
                images = Some(ImagesRequest { interval_s: set.interval_ms / 1000 });
                manifest |= set.manifest;
            }
            OutputKind::Stream(_) | OutputKind::WebSocket(_) => {}
        }
    }
    RecordRequest {
        room_name: room_name.to_owned(),
        source: source(spec),
        format: format(&spec.treatment, container),
        folder: folder.display().to_string(),
        name,
        manifest,
        segments,
        images,
        copy_folder: None,
        proxy: None,
        upload: None,
    }
}

fn source(spec: &EgressSpec) -> RecordSource {
    let parts = match &spec.treatment {
        Treatment::Encode { video: None, .. } => PageParts::Sound,
        Treatment::Encode { audio: None, .. } => PageParts::Picture,
        _ => PageParts::Both,
    };
    match &spec.source {
        Source::Tracks(selection) => tracks(selection, &spec.treatment),
        Source::Page(page) => match &page.address {
            PageAddress::Template { base_url, layout, .. } => RecordSource::RoomComposite {
                layout: layout.clone(),
                base_url: base_url.clone(),
                parts,
                mixing: Mixing::Together,
                after_crash: page.after_crash,
            },
            PageAddress::Web { url } => RecordSource::Web {
                url: url.clone(),
                await_start_signal: page.await_start_signal,
                parts,
                after_crash: page.after_crash,
            },
        },
    }
}

fn tracks(selection: &Selection, treatment: &Treatment) -> RecordSource {
    let sound = selection.audio.first().map(|route| &route.from);
    match (&selection.video, sound) {
        (Some(VideoSelect::Participant { identity, prefer }), _) => RecordSource::Participant {
            identity: identity.clone(),
            follow_screen_share: *prefer == VideoPreference::ScreenShare,
        },
        (None, Some(AudioSelect::Participant(identity) | AudioSelect::Voice(identity))) => {
            RecordSource::Participant { identity: identity.clone(), follow_screen_share: false }
        }
        // A Track egress names its one track for both.
        (Some(VideoSelect::Track(video)), Some(AudioSelect::Track(audio)))
            if video == audio && *treatment == Treatment::Passthrough =>
        {
            RecordSource::Track { track_id: video.clone() }
        }
        (video, Some(AudioSelect::Track(audio))) => RecordSource::TrackComposite {
            video_track_id: video.as_ref().and_then(track_of),
            audio_track_id: Some(audio.clone()),
        },
        (Some(VideoSelect::Track(video)), _) => {
            RecordSource::TrackComposite { video_track_id: Some(video.clone()), audio_track_id: None }
        }
        (None, _) => RecordSource::RoomComposite {
            layout: String::new(),
            base_url: None,
            parts: PageParts::Sound,
            mixing: mixing(&selection.audio),
            after_crash: AfterCrash::default(),
        },
    }
}

/// On which sides a room is heard. Routes by hand, which the window has no word for, are shown as all together.
fn mixing(routes: &[AudioRoute]) -> Mixing {
    match routes {
        [AudioRoute { from: AudioSelect::All, channel: AudioChannel::Alternate }] => Mixing::Alternate,
        [
            AudioRoute { from: AudioSelect::Kind(ParticipantKind::Agent), channel: AudioChannel::Left },
            AudioRoute { from: AudioSelect::All, channel: AudioChannel::Right },
        ] => Mixing::AgentLeft,
        _ => Mixing::Together,
    }
}

fn track_of(video: &VideoSelect) -> Option<TrackId> {
    match video {
        VideoSelect::Track(id) => Some(id.clone()),
        VideoSelect::Participant { .. } => None,
    }
}

fn format(treatment: &Treatment, container: Option<Container>) -> RecordFormat {
    let Treatment::Encode { video, audio } = treatment else {
        return RecordFormat::AsPublished { container };
    };
    let mut options = AdvancedOptions::default();
    if let Some(video) = video {
        options.width = video.width;
        options.height = video.height;
        options.framerate = video.framerate;
        options.video_bitrate_kbps = video.bitrate_bps / 1000;
        options.video_codec = Some(video.codec);
        options.key_frame_interval_s = video.key_frame_interval_s.unwrap_or_default();
    }
    if let Some(audio) = audio {
        options.audio_bitrate_kbps = audio.bitrate_bps / 1000;
        options.audio_frequency_hz = audio.sample_rate_hz;
        options.audio_codec = Some(audio.codec);
    }
    RecordFormat::Advanced { container, options }
}
