//! Requests for what Chromium shows: templates and web pages.

use livekit_protocol as proto;
use url::Url;

use proto::{room_composite_egress_request, web_egress_request};

use super::{
    Accepted, Local, Others, RequestError, Targets, accept, both, encoded, encoded_outputs, finish, no_room,
    webhooks,
};
use crate::encoding::Options;
use crate::roster::ParticipantKind;
use crate::spec::{AudioChannel, AudioRoute, AudioSelect, EndRule, PageAddress, PageSpec, Selection, Source};

/// Longest address that Chromium takes.
const MAX_URL_BYTES: usize = 32 * 1024;

/// What of a page is taken.
#[derive(Debug, Clone, Copy)]
struct Parts {
    audio_only: bool,
    video_only: bool,
}

pub(super) fn room_composite(
    request: &proto::RoomCompositeEgressRequest,
    local: &Local,
) -> Result<Accepted, RequestError> {
    use room_composite_egress_request::{Options as Asked, Output};
    let options = match &request.options {
        None => Options::Unset,
        Some(Asked::Preset(preset)) => Options::Preset(*preset),
        Some(Asked::Advanced(advanced)) => Options::Advanced(advanced),
    };
    #[allow(deprecated)] // the field is, the scripts that use it are not
    let (file, stream, segments) = match &request.output {
        None => (None, None, None),
        Some(Output::File(output)) => (Some(output), None, None),
        Some(Output::Stream(output)) => (None, Some(output), None),
        Some(Output::Segments(output)) => (None, None, Some(output)),
    };
    let (streams, many) = (&request.stream_outputs, &request.segment_outputs);
    let others = Others::of(streams, stream, many, segments, &request.image_outputs)?;
    let targets = encoded_outputs(&request.file_outputs, file, others, local)?;
    webhooks(&request.webhooks)?;
    let parts = Parts { audio_only: request.audio_only, video_only: request.video_only };
    let composite = Composite {
        room_name: &request.room_name,
        layout: &request.layout,
        base_url: &request.custom_base_url,
        audio_mixing: request.audio_mixing,
        parts,
    };
    composite.accept(options, targets, local)
}

pub(super) fn template(
    room_name: &str,
    request: &proto::TemplateSource,
    options: Options<'_>,
    targets: Targets<'_>,
    local: &Local,
) -> Result<Accepted, RequestError> {
    let composite = Composite {
        room_name,
        layout: &request.layout,
        base_url: &request.custom_base_url,
        audio_mixing: proto::AudioMixing::DefaultMixing.into(),
        parts: Parts { audio_only: request.audio_only, video_only: request.video_only },
    };
    composite.accept(options, targets, local)
}

pub(super) fn web(request: &proto::WebEgressRequest, local: &Local) -> Result<Accepted, RequestError> {
    use web_egress_request::{Options as Asked, Output};
    let options = match &request.options {
        None => Options::Unset,
        Some(Asked::Preset(preset)) => Options::Preset(*preset),
        Some(Asked::Advanced(advanced)) => Options::Advanced(advanced),
    };
    #[allow(deprecated)] // the field is, the scripts that use it are not
    let (file, stream, segments) = match &request.output {
        None => (None, None, None),
        Some(Output::File(output)) => (Some(output), None, None),
        Some(Output::Stream(output)) => (None, Some(output), None),
        Some(Output::Segments(output)) => (None, None, Some(output)),
    };
    let (streams, many) = (&request.stream_outputs, &request.segment_outputs);
    let others = Others::of(streams, stream, many, segments, &request.image_outputs)?;
    let targets = encoded_outputs(&request.file_outputs, file, others, local)?;
    webhooks(&request.webhooks)?;
    let source = proto::WebSource {
        url: request.url.clone(),
        audio_only: request.audio_only,
        video_only: request.video_only,
        await_start_signal: request.await_start_signal,
    };
    address(&source, options, targets, local)
}

pub(super) fn address(
    request: &proto::WebSource,
    options: Options<'_>,
    targets: Targets<'_>,
    local: &Local,
) -> Result<Accepted, RequestError> {
    let page = PageSpec {
        address: PageAddress::Web { url: web_url("url", &request.url)? },
        await_start_signal: request.await_start_signal,
        after_crash: local.after_crash,
    };
    let parts = Parts { audio_only: request.audio_only, video_only: request.video_only };
    accept_page("", page, parts, options, targets, local)
}

/// A room composite in either form of LiveKit's API.
struct Composite<'a> {
    room_name: &'a str,
    layout: &'a str,
    base_url: &'a str,
    audio_mixing: i32,
    parts: Parts,
}

impl Composite<'_> {
    fn accept(
        self,
        options: Options<'_>,
        targets: Targets<'_>,
        local: &Local,
    ) -> Result<Accepted, RequestError> {
        if self.room_name.is_empty() {
            return Err(no_room());
        }
        if self.parts.audio_only && !self.parts.video_only && self.base_url.is_empty() {
            // Nobody sees the layout: the room's sound is mixed without a browser.
            let audio = routes(self.audio_mixing);
            let selection = Selection { video: None, audio, ends: EndRule::RoomEnds };
            return finish(self.room_name, selection, options, targets, local);
        }
        // A page mixes its sound itself: there audio_mixing is without effect, as with LiveKit.
        let base_url = match self.base_url {
            "" => local.template_base.clone(),
            url => Some(web_url("custom_base_url", url)?),
        };
        let page = PageSpec {
            address: PageAddress::Template { base_url, layout: self.layout.to_owned(), document: None },
            await_start_signal: true,
            after_crash: local.after_crash,
        };
        accept_page(self.room_name, page, self.parts, options, targets, local)
    }
}

/// Who is heard on which side when the room's sound is mixed here.
fn routes(mixing: i32) -> Vec<AudioRoute> {
    match proto::AudioMixing::try_from(mixing) {
        // What a later LiveKit may add is heard on both sides, as LiveKit's older workers have it.
        Ok(proto::AudioMixing::DefaultMixing) | Err(_) => vec![both(AudioSelect::All)],
        Ok(proto::AudioMixing::DualChannelAgent) => vec![
            AudioRoute { from: AudioSelect::Kind(ParticipantKind::Agent), channel: AudioChannel::Left },
            AudioRoute { from: AudioSelect::All, channel: AudioChannel::Right },
        ],
        Ok(proto::AudioMixing::DualChannelAlternate) => {
            vec![AudioRoute { from: AudioSelect::All, channel: AudioChannel::Alternate }]
        }
    }
}

fn accept_page(
    room_name: &str,
    page: PageSpec,
    parts: Parts,
    options: Options<'_>,
    mut targets: Targets<'_>,
    local: &Local,
) -> Result<Accepted, RequestError> {
    if parts.audio_only && parts.video_only {
        return Err(RequestError::field(
            "audio_only and video_only",
            "Neither picture nor sound is left to record.",
            "Set one of the two, or neither for both.",
        ));
    }
    let (video, audio) = (!parts.audio_only, !parts.video_only);
    let treatment = encoded(options, video, audio, &mut targets, local)?;
    accept(room_name, Source::Page(page), treatment, targets, local)
}

/// An address that a page can be at.
fn web_url(field: &'static str, text: &str) -> Result<String, RequestError> {
    let wrong = |message: String| {
        let remedy = "Give an address that begins with https:// or http://.";
        RequestError::field(field, message, remedy)
    };
    if text.trim().is_empty() {
        return Err(wrong("No page is named.".to_owned()));
    }
    let url =
        Url::parse(text.trim()).map_err(|error| wrong(format!("This is no address of a page: {error}.")))?;
    match url.scheme() {
        "http" | "https" if url.as_str().len() <= MAX_URL_BYTES => Ok(url.into()),
        "http" | "https" => Err(wrong("This address is too long.".to_owned())),
        scheme => Err(wrong(format!("A page cannot be at a {scheme}: address."))),
    }
}
