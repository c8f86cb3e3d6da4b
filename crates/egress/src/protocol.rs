//! The window's requests in LiveKit's words, so that one path checks them all.

use std::borrow::Cow;
use std::path::PathBuf;

use livekit_protocol as proto;
use proto::{
    DirectFileOutput, EncodedFileOutput, EncodedFileType, EncodingOptions, EncodingOptionsPreset,
    ImageOutput, ParticipantEgressRequest, RoomCompositeEgressRequest, SegmentedFileOutput,
    TrackCompositeEgressRequest, TrackEgressRequest, WebEgressRequest, track_egress_request,
};

use crate::filename::{ends_a_folder, without_extension};
use crate::id::OutputId;
use crate::request::{
    AdvancedOptions, Mixing, PageParts, Preset, ProxyRequest, RecordFormat, RecordRequest, RecordSource,
};
use crate::spec::{
    AfterCrash, AudioCodec, Container, FileOutput, OutputKind, OutputSpec, ProxyEncoding, SegmentKind,
    Source, Treatment, VideoCodec,
};
use crate::validate::{Accepted, EgressRequest, Local, RequestError, validate};

/// The id of the output that is the file once more, in another folder.
pub const COPY_OUTPUT: &str = "copy";
/// The id of the output that is a small proxy of the file.
pub const PROXY_OUTPUT: &str = "proxy";
/// Heights of a proxy, pixels.
const PROXY_HEIGHTS: std::ops::RangeInclusive<u32> = 90..=2160;
/// Bit rates of a proxy's picture, kilobits a second.
const PROXY_KBPS: std::ops::RangeInclusive<u32> = 100..=50_000;

/// Checks what the window asks for.
///
/// Returned are the request in LiveKit's words, for `EgressInfo`, and what the job does. To arm a job, take
/// `spec.outputs` out, and attach them when Record is pressed.
///
/// # Errors
/// As [`validate`].
pub fn accept(record: &RecordRequest) -> Result<(EgressRequest, Accepted), RequestError> {
    if matches!(record.source, RecordSource::Track { .. })
        && !matches!(record.format, RecordFormat::AsPublished { .. })
    {
        return Err(RequestError::field(
            "preset",
            "A single track is recorded exactly as published, and a preset is chosen.",
            "Choose \"as published\", or record it as a composite of one track.",
        ));
    }
    if matches!(record.source, RecordSource::Track { .. })
        && (record.segments.is_some() || record.images.is_some() || record.proxy.is_some())
    {
        return Err(RequestError::field(
            "segment_outputs",
            "A single track is recorded exactly as published, and segments, images or a proxy are made anew.",
            "Record it as a composite of one track.",
        ));
    }
    let (request, local) = (to_protocol(record), local(record));
    let mut accepted = validate(&request, &local)?;
    if let Some(folder) = &record.copy_folder {
        copy(folder, &local, &mut accepted)?;
    }
    if let Some(asked) = &record.proxy {
        proxy(asked, record, &local, &mut accepted)?;
    }
    Ok((request, accepted))
}

/// Adds a small proxy of the file.
fn proxy(
    asked: &ProxyRequest,
    record: &RecordRequest,
    local: &Local,
    accepted: &mut Accepted,
) -> Result<(), RequestError> {
    let folder = asked.folder.as_ref().map_or_else(|| local.folder.clone(), PathBuf::from);
    if !folder.is_absolute() {
        return Err(RequestError::field(
            "proxy.folder",
            "The folder of the proxy must be a full path.",
            "Choose a folder, or none for the one of the recording.",
        ));
    }
    if !PROXY_HEIGHTS.contains(&asked.height) || !asked.height.is_multiple_of(2) {
        return Err(RequestError::field(
            "proxy.height",
            format!("A proxy cannot be {} pixels high.", asked.height),
            "Choose an even height from 90 to 2160, for instance 540.",
        ));
    }
    if asked.video_bitrate_kbps.is_some_and(|kbps| !PROXY_KBPS.contains(&kbps)) {
        return Err(RequestError::field(
            "proxy.video_bitrate",
            "This is no bit rate for the picture of a proxy.",
            "Choose from 100 to 50000 kbit/s, or leave it out.",
        ));
    }
    let pictures = match (&accepted.spec.treatment, &accepted.spec.source) {
        (Treatment::Encode { video, .. }, _) => video.is_some(),
        (Treatment::Passthrough, Source::Tracks(selection)) => selection.video.is_some(),
        (Treatment::Passthrough, Source::Page(_)) => true,
    };
    if !pictures {
        return Err(RequestError::field(
            "proxy",
            "There is no picture to make a small one of.",
            "Leave the proxy out, or choose something that has a picture.",
        ));
    }
    let files = accepted.spec.outputs.iter();
    let mut masters = files.filter_map(|output| match &output.kind {
        OutputKind::File(file) => Some((output.id.clone(), file.manifest)),
        _ => None,
    });
    let Some((of, manifest)) = masters.next() else { return Ok(()) };
    let bitrate_bps = asked.video_bitrate_kbps.map(|kbps| kbps * 1000);
    let file = FileOutput {
        folder,
        // What it is named by where its master has no name: it takes that of its master otherwise.
        name: format!("{}-proxy", stem(record)),
        container: Some(Container::Mp4),
        manifest,
        proxy: Some(ProxyEncoding { of, height: asked.height, bitrate_bps }),
        as_published: false,
    };
    accepted.spec.outputs.push(OutputSpec { id: OutputId::from(PROXY_OUTPUT), kind: OutputKind::File(file) });
    Ok(())
}

/// Adds the same file once more, in another folder.
fn copy(folder: &str, local: &Local, accepted: &mut Accepted) -> Result<(), RequestError> {
    let folder = PathBuf::from(folder);
    if !folder.is_absolute() || folder == local.folder {
        return Err(RequestError::field(
            "copy_folder",
            "The second folder must be a full path, and another folder than the first.",
            "Choose a folder on another disk, or none.",
        ));
    }
    let file = accepted.spec.outputs.iter().find_map(|output| match &output.kind {
        OutputKind::File(file) => Some(file.clone()),
        _ => None,
    });
    let file = file.map(|file| OutputKind::File(FileOutput { folder, ..file }));
    accepted.spec.outputs.extend(file.map(|kind| OutputSpec { id: COPY_OUTPUT.into(), kind }));
    Ok(())
}

/// The request in LiveKit's words.
pub fn to_protocol(record: &RecordRequest) -> EgressRequest {
    let room_name = record.room_name.clone();
    match &record.source {
        RecordSource::Track { track_id } => EgressRequest::Track(TrackEgressRequest {
            room_name,
            track_id: track_id.0.clone(),
            output: Some(track_egress_request::Output::File(DirectFileOutput {
                filepath: record.name.clone(),
                disable_manifest: !record.manifest,
                output: None,
            })),
            ..Default::default()
        }),
        RecordSource::TrackComposite { video_track_id, audio_track_id } => {
            use proto::track_composite_egress_request::Options;
            EgressRequest::TrackComposite(TrackCompositeEgressRequest {
                room_name,
                audio_track_id: audio_track_id.as_ref().map(|id| id.0.clone()).unwrap_or_default(),
                video_track_id: video_track_id.as_ref().map(|id| id.0.clone()).unwrap_or_default(),
                file_outputs: vec![file(record)],
                segment_outputs: segments(record),
                image_outputs: images(record),
                options: Some(options(&record.format, Options::Preset, Options::Advanced)),
                ..Default::default()
            })
        }
        RecordSource::Participant { identity, follow_screen_share } => {
            use proto::participant_egress_request::Options;
            EgressRequest::Participant(ParticipantEgressRequest {
                room_name,
                identity: identity.clone(),
                screen_share: *follow_screen_share,
                file_outputs: vec![file(record)],
                segment_outputs: segments(record),
                image_outputs: images(record),
                options: Some(options(&record.format, Options::Preset, Options::Advanced)),
                ..Default::default()
            })
        }
        RecordSource::RoomComposite { layout, base_url, parts, mixing, .. } => {
            use proto::room_composite_egress_request::Options;
            EgressRequest::RoomComposite(RoomCompositeEgressRequest {
                room_name,
                layout: layout.clone(),
                custom_base_url: base_url.clone().unwrap_or_default(),
                audio_only: *parts == PageParts::Sound,
                video_only: *parts == PageParts::Picture,
                audio_mixing: match mixing {
                    Mixing::Together => proto::AudioMixing::DefaultMixing,
                    Mixing::AgentLeft => proto::AudioMixing::DualChannelAgent,
                    Mixing::Alternate => proto::AudioMixing::DualChannelAlternate,
                }
                .into(),
                file_outputs: vec![file(record)],
                segment_outputs: segments(record),
                image_outputs: images(record),
                options: Some(options(&record.format, Options::Preset, Options::Advanced)),
                ..Default::default()
            })
        }
        RecordSource::Web { url, await_start_signal, parts, .. } => {
            use proto::web_egress_request::Options;
            EgressRequest::Web(WebEgressRequest {
                url: url.clone(),
                await_start_signal: *await_start_signal,
                audio_only: *parts == PageParts::Sound,
                video_only: *parts == PageParts::Picture,
                file_outputs: vec![file(record)],
                segment_outputs: segments(record),
                image_outputs: images(record),
                options: Some(options(&record.format, Options::Preset, Options::Advanced)),
                ..Default::default()
            })
        }
    }
}

/// What of the request LiveKit has no words for.
fn local(record: &RecordRequest) -> Local {
    let (container, video_codec) = match &record.format {
        RecordFormat::AsPublished { container } | RecordFormat::Preset { container, .. } => {
            (*container, None)
        }
        RecordFormat::Advanced { container, options } => (*container, options.video_codec),
    };
    let after_crash = match &record.source {
        RecordSource::RoomComposite { after_crash, .. } | RecordSource::Web { after_crash, .. } => {
            *after_crash
        }
        _ => AfterCrash::default(),
    };
    let folder = PathBuf::from(&record.folder);
    let fmp4 = record.segments.is_some_and(|segments| segments.fmp4);
    let segments = if fmp4 { SegmentKind::Fmp4 } else { SegmentKind::MpegTs };
    Local { folder, container, video_codec, after_crash, segments, ..Local::default() }
}

fn file(record: &RecordRequest) -> EncodedFileOutput {
    let container = match &record.format {
        RecordFormat::AsPublished { container }
        | RecordFormat::Preset { container, .. }
        | RecordFormat::Advanced { container, .. } => *container,
    };
    let file_type = match container {
        None | Some(Container::Webm) => EncodedFileType::DefaultFiletype,
        Some(Container::Mp4) => EncodedFileType::Mp4,
        Some(Container::Ogg) => EncodedFileType::Ogg,
        Some(Container::Mp3) => EncodedFileType::Mp3,
    };
    EncodedFileOutput {
        file_type: file_type.into(),
        filepath: record.name.clone(),
        disable_manifest: !record.manifest,
        output: None,
    }
}

/// Segments in a folder that is named like the file.
fn segments(record: &RecordRequest) -> Vec<SegmentedFileOutput> {
    let asked = record.segments.map(|asked| SegmentedFileOutput {
        filename_prefix: format!("{}-hls/segment", stem(record)),
        playlist_name: format!("{}-hls/playlist", stem(record)),
        live_playlist_name: if asked.live_playlist { "live".to_owned() } else { String::new() },
        segment_duration: asked.duration_s,
        ..Default::default()
    });
    asked.into_iter().collect()
}

/// Images in a folder that is named like the file.
fn images(record: &RecordRequest) -> Vec<ImageOutput> {
    let asked = record.images.map(|asked| ImageOutput {
        filename_prefix: format!("{}-images/image", stem(record)),
        capture_interval: asked.interval_s,
        ..Default::default()
    });
    asked.into_iter().collect()
}

/// The file's name without its extension, as a template.
fn stem(record: &RecordRequest) -> Cow<'_, str> {
    match without_extension(&record.name) {
        "" => "{identifier}-{time}".into(),
        folder if ends_a_folder(folder) => format!("{folder}{{identifier}}-{{time}}").into(),
        name => name.into(),
    }
}

fn options<T>(
    format: &RecordFormat,
    preset: impl Fn(i32) -> T,
    advanced: impl Fn(EncodingOptions) -> T,
) -> T {
    match format {
        RecordFormat::AsPublished { .. } => preset(EncodingOptionsPreset::Passthrough.into()),
        RecordFormat::Preset { preset: asked, .. } => preset(preset_to_protocol(*asked).into()),
        RecordFormat::Advanced { options, .. } => advanced(advanced_to_protocol(options)),
    }
}

fn preset_to_protocol(preset: Preset) -> EncodingOptionsPreset {
    match preset {
        Preset::H264720p30 => EncodingOptionsPreset::H264720p30,
        Preset::H264720p60 => EncodingOptionsPreset::H264720p60,
        Preset::H2641080p30 => EncodingOptionsPreset::H2641080p30,
        Preset::H2641080p60 => EncodingOptionsPreset::H2641080p60,
        Preset::Portrait720p30 => EncodingOptionsPreset::PortraitH264720p30,
        Preset::Portrait720p60 => EncodingOptionsPreset::PortraitH264720p60,
        Preset::Portrait1080p30 => EncodingOptionsPreset::PortraitH2641080p30,
        Preset::Portrait1080p60 => EncodingOptionsPreset::PortraitH2641080p60,
    }
}

fn advanced_to_protocol(options: &AdvancedOptions) -> EncodingOptions {
    // What does not fit is far beyond what the check allows, and stays so.
    let int = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    EncodingOptions {
        width: int(options.width),
        height: int(options.height),
        framerate: int(options.framerate),
        audio_codec: match options.audio_codec {
            None => proto::AudioCodec::DefaultAc,
            Some(AudioCodec::Opus) => proto::AudioCodec::Opus,
            Some(AudioCodec::Aac) => proto::AudioCodec::Aac,
            Some(AudioCodec::Mp3) => proto::AudioCodec::AcMp3,
        }
        .into(),
        audio_bitrate: int(options.audio_bitrate_kbps),
        audio_frequency: int(options.audio_frequency_hz),
        video_codec: match options.video_codec {
            None | Some(VideoCodec::Vp9) => proto::VideoCodec::DefaultVc,
            Some(VideoCodec::H264Baseline) => proto::VideoCodec::H264Baseline,
            Some(VideoCodec::H264Main) => proto::VideoCodec::H264Main,
            Some(VideoCodec::H264High) => proto::VideoCodec::H264High,
            Some(VideoCodec::Vp8) => proto::VideoCodec::Vp8,
        }
        .into(),
        video_bitrate: int(options.video_bitrate_kbps),
        key_frame_interval: options.key_frame_interval_s,
        ..Default::default()
    }
}
