//! What the window asks for, as LiveKit's own egress service takes it.

use livekit_protocol as proto;
use proto::{
    AutoParticipantEgress, AutoTrackEgress, CreateRoomRequest, RoomEgress, auto_participant_egress,
    auto_track_egress, direct_file_output, encoded_file_output, image_output, segmented_file_output,
};
use secrecy::ExposeSecret;

use crate::protocol::{accept, to_protocol};
use crate::request::{RecordFormat, RecordRequest, RecordSource};
use crate::spec::{Container, VideoCodec};
use crate::storage::{AliOss, Azure, Gcp, S3, Storage, StorageKeys, StorageProfile, StorageSecret};
use crate::validate::{EgressRequest, RequestError};

/// The layouts that LiveKit's own template knows, each also light and dark.
const LAYOUTS: [&str; 3] = ["grid", "speaker", "single-speaker"];

/// A storage of the operator's that LiveKit's service is to use, with its keys.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where to.
    pub profile: StorageProfile,
    /// With which keys.
    pub secret: StorageSecret,
}

/// The request to send. Its files go to `place`; without one, to where the service is configured to put them.
///
/// What LiveKit has no word for and would be missed is refused. What is only about this computer (its folder, what
/// becomes of local files, a backup, what is done after a page has crashed) is left out.
///
/// # Errors
/// As [`accept`], and LiveKit's service cannot do it.
pub fn for_livekit(record: &RecordRequest, place: Option<&Place>) -> Result<EgressRequest, RequestError> {
    accept(record)?;
    possible(record)?;
    let mut record = record.clone();
    if let Some(place) = place {
        record.name = format!("{}{}", prefix(&place.profile), record.name);
    }
    let mut request = to_protocol(&record);
    if let Some(place) = place {
        put(&mut request, &Upload::of(place)?);
    }
    Ok(request)
}

/// Auto egress as an `egress` block asks the server for it. The request is what it would be for a room of that name;
/// of a person or a track it stands for all of them.
///
/// # Errors
/// As [`for_livekit`].
pub fn with_room(record: &RecordRequest, place: Option<&Place>) -> Result<CreateRoomRequest, RequestError> {
    use proto::participant_egress_request::Options as Asked;
    let mut egress = RoomEgress::default();
    match for_livekit(record, place)? {
        EgressRequest::RoomComposite(request) => egress.room = Some(request),
        EgressRequest::Participant(request) => {
            let options = request.options.map(|options| match options {
                Asked::Preset(preset) => auto_participant_egress::Options::Preset(preset),
                Asked::Advanced(advanced) => auto_participant_egress::Options::Advanced(advanced),
            });
            let (file_outputs, segment_outputs) = (request.file_outputs, request.segment_outputs);
            egress.participant = Some(AutoParticipantEgress { file_outputs, segment_outputs, options });
        }
        EgressRequest::Track(request) => {
            let Some(proto::track_egress_request::Output::File(file)) = request.output else {
                return Err(not_of_a_room());
            };
            let output = file.output.map(|output| match output {
                direct_file_output::Output::S3(upload) => auto_track_egress::Output::S3(upload),
                direct_file_output::Output::Gcp(upload) => auto_track_egress::Output::Gcp(upload),
                direct_file_output::Output::Azure(upload) => auto_track_egress::Output::Azure(upload),
                direct_file_output::Output::AliOss(upload) => auto_track_egress::Output::AliOss(upload),
            });
            let (filepath, disable_manifest) = (file.filepath, file.disable_manifest);
            egress.tracks = Some(AutoTrackEgress { filepath, disable_manifest, output });
        }
        _ => return Err(not_of_a_room()),
    }
    Ok(CreateRoomRequest {
        name: record.room_name.clone(),
        egress: Some(egress),
        ..CreateRoomRequest::default()
    })
}

fn not_of_a_room() -> RequestError {
    RequestError::field(
        "egress",
        "A server can record of a new room the whole, each person or each track.",
        "Choose one of them.",
    )
}

/// What the names of objects begin with.
fn prefix(profile: &StorageProfile) -> String {
    match profile.prefix.trim_matches('/') {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    }
}

/// Refuses what LiveKit has no word for.
fn possible(record: &RecordRequest) -> Result<(), RequestError> {
    let refuse =
        |field: &'static str, message: &str, remedy: &str| Err(RequestError::field(field, message, remedy));
    const HERE: &str = "Leave it out, or record on this computer.";
    let as_published = matches!(record.format, RecordFormat::AsPublished { .. });
    if as_published && !matches!(record.source, RecordSource::Track { .. }) {
        return refuse(
            "preset",
            "LiveKit's service records as published only single tracks.",
            "Choose a size and quality, or record on this computer.",
        );
    }
    let (container, codec) = match &record.format {
        RecordFormat::AsPublished { container } | RecordFormat::Preset { container, .. } => {
            (*container, None)
        }
        RecordFormat::Advanced { container, options } => (*container, options.video_codec),
    };
    if (container == Some(Container::Webm) && !as_published) || codec == Some(VideoCodec::Vp9) {
        return refuse(
            "file_type",
            "LiveKit's service writes no WebM.",
            "Choose MP4, or record on this computer.",
        );
    }
    if record.copy_folder.is_some() {
        return refuse("copy_folder", "LiveKit's service writes each file once.", HERE);
    }
    if record.proxy.is_some() {
        return refuse("proxy", "LiveKit's service makes no small proxies.", HERE);
    }
    if record.segments.is_some_and(|segments| segments.fmp4) {
        return refuse(
            "segments",
            "LiveKit's service writes segments as MPEG-TS only.",
            "Choose MPEG-TS, or record on this computer.",
        );
    }
    if let RecordSource::RoomComposite { layout, base_url: None, .. } = &record.source {
        let plain = layout.strip_suffix("-light").or(layout.strip_suffix("-dark")).unwrap_or(layout);
        if !plain.is_empty() && !LAYOUTS.contains(&plain) {
            return Err(RequestError::field(
                "layout",
                format!("LiveKit's service does not know the layout \"{layout}\"."),
                "Choose grid, speaker or single-speaker, or record on this computer.",
            ));
        }
    }
    Ok(())
}

/// A storage in the words of a request.
#[expect(clippy::large_enum_variant, reason = "there is one at a time, for as long as a request is written")]
enum Upload {
    S3(proto::S3Upload),
    Gcp(proto::GcpUpload),
    Azure(proto::AzureBlobUpload),
    AliOss(proto::AliOssUpload),
}

impl Upload {
    fn of(Place { profile, secret }: &Place) -> Result<Self, RequestError> {
        let text = |secret: &secrecy::SecretString| secret.expose_secret().to_owned();
        let some = |secret: &Option<secrecy::SecretString>| secret.as_ref().map(text).unwrap_or_default();
        let proxy = |url: &str| {
            (!url.is_empty()).then(|| proto::ProxyConfig {
                url: url.to_owned(),
                username: secret.proxy.as_ref().map(|login| text(&login.username)).unwrap_or_default(),
                password: secret.proxy.as_ref().map(|login| text(&login.password)).unwrap_or_default(),
            })
        };
        match (&profile.storage, &secret.keys) {
            // Without keys that service would take its own identity, which need not be allowed the same.
            (storage, _) if storage.machine_identity() => Err(RequestError::field(
                "output",
                "This storage uses this computer's identity, which LiveKit's service does not have.",
                "Choose a storage with keys, or record on this computer.",
            )),
            (Storage::Azure(_), StorageKeys::Azure { .. }) if secret.is_sas() => Err(RequestError::field(
                "output",
                "LiveKit's service takes the key of an Azure account alone, and this storage has a shared access \
                 signature.",
                "Choose another storage, or record on this computer.",
            )),
            (
                Storage::S3(S3 {
                    bucket,
                    region,
                    endpoint,
                    force_path_style,
                    assume_role_arn,
                    metadata,
                    tagging,
                    content_disposition,
                    proxy_url,
                    machine_identity: _,
                }),
                StorageKeys::S3 { access_key, secret: key, session_token, assume_role_external_id },
            ) => Ok(Self::S3(proto::S3Upload {
                access_key: text(access_key),
                secret: text(key),
                session_token: some(session_token),
                assume_role_arn: assume_role_arn.clone(),
                assume_role_external_id: some(assume_role_external_id),
                region: region.clone(),
                endpoint: endpoint.clone(),
                bucket: bucket.clone(),
                force_path_style: *force_path_style,
                metadata: metadata.clone().into_iter().collect(),
                tagging: tagging.clone(),
                content_disposition: content_disposition.clone(),
                proxy: proxy(proxy_url),
            })),
            (Storage::Gcp(Gcp { bucket, proxy_url, .. }), StorageKeys::Gcp { credentials }) => {
                Ok(Self::Gcp(proto::GcpUpload {
                    credentials: text(credentials),
                    bucket: bucket.clone(),
                    proxy: proxy(proxy_url),
                }))
            }
            (
                Storage::Azure(Azure { account_name, container_name, endpoint, .. }),
                StorageKeys::Azure { account_key },
            ) if endpoint.is_empty() => Ok(Self::Azure(proto::AzureBlobUpload {
                account_name: account_name.clone(),
                account_key: text(account_key),
                container_name: container_name.clone(),
            })),
            (
                Storage::AliOss(AliOss { bucket, region, endpoint }),
                StorageKeys::AliOss { access_key, secret: key },
            ) => Ok(Self::AliOss(proto::AliOssUpload {
                access_key: text(access_key),
                secret: text(key),
                region: region.clone(),
                endpoint: endpoint.clone(),
                bucket: bucket.clone(),
            })),
            (Storage::Azure(_), StorageKeys::Azure { .. }) => Err(RequestError::field(
                "output",
                "LiveKit's service knows Azure's own address alone, and this storage has another one.",
                "Choose another storage, or record on this computer.",
            )),
            (Storage::Local(local), _) => Err(RequestError::field(
                "output",
                format!(
                    "LiveKit's service cannot write into {}: that is on this computer.",
                    local.folder.display()
                ),
                "Choose a bucket, or none for where the service is configured to put files.",
            )),
            _ => Err(RequestError::field(
                "output",
                "The keys of this storage are those of another kind of storage.",
                "Edit the storage and give its keys again.",
            )),
        }
    }
}

/// Names the storage in every output of a request.
fn put(request: &mut EgressRequest, upload: &Upload) {
    macro_rules! outputs {
        ($request:ident) => {{
            $request.file_outputs.iter_mut().for_each(|file| file.output = Some(file_output(upload)));
            $request.segment_outputs.iter_mut().for_each(|set| set.output = Some(segment_output(upload)));
            $request.image_outputs.iter_mut().for_each(|set| set.output = Some(image_output(upload)));
        }};
    }
    match request {
        EgressRequest::RoomComposite(request) => outputs!(request),
        EgressRequest::Web(request) => outputs!(request),
        EgressRequest::Participant(request) => outputs!(request),
        EgressRequest::TrackComposite(request) => outputs!(request),
        EgressRequest::Track(request) => {
            if let Some(proto::track_egress_request::Output::File(file)) = &mut request.output {
                file.output = Some(match upload {
                    Upload::S3(upload) => direct_file_output::Output::S3(upload.clone()),
                    Upload::Gcp(upload) => direct_file_output::Output::Gcp(upload.clone()),
                    Upload::Azure(upload) => direct_file_output::Output::Azure(upload.clone()),
                    Upload::AliOss(upload) => direct_file_output::Output::AliOss(upload.clone()),
                });
            }
        }
        // The window asks in the older forms, which every server takes.
        EgressRequest::Egress(_) | EgressRequest::Replay(_) => {}
    }
}

fn file_output(upload: &Upload) -> encoded_file_output::Output {
    match upload {
        Upload::S3(upload) => encoded_file_output::Output::S3(upload.clone()),
        Upload::Gcp(upload) => encoded_file_output::Output::Gcp(upload.clone()),
        Upload::Azure(upload) => encoded_file_output::Output::Azure(upload.clone()),
        Upload::AliOss(upload) => encoded_file_output::Output::AliOss(upload.clone()),
    }
}

fn segment_output(upload: &Upload) -> segmented_file_output::Output {
    match upload {
        Upload::S3(upload) => segmented_file_output::Output::S3(upload.clone()),
        Upload::Gcp(upload) => segmented_file_output::Output::Gcp(upload.clone()),
        Upload::Azure(upload) => segmented_file_output::Output::Azure(upload.clone()),
        Upload::AliOss(upload) => segmented_file_output::Output::AliOss(upload.clone()),
    }
}

fn image_output(upload: &Upload) -> image_output::Output {
    match upload {
        Upload::S3(upload) => image_output::Output::S3(upload.clone()),
        Upload::Gcp(upload) => image_output::Output::Gcp(upload.clone()),
        Upload::Azure(upload) => image_output::Output::Azure(upload.clone()),
        Upload::AliOss(upload) => image_output::Output::AliOss(upload.clone()),
    }
}

/// The layout that a request asks for, of one that has any.
pub fn layout_of(request: &EgressRequest) -> Option<&str> {
    use proto::start_egress_request::Source;
    match request {
        EgressRequest::RoomComposite(request) => Some(&request.layout),
        EgressRequest::Egress(request) => match &request.source {
            Some(Source::Template(template)) => Some(&template.layout),
            _ => None,
        },
        _ => None,
    }
}
