//! Jobs that LiveKit's own egress service runs for the open project: listed, started, changed and stopped from here.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egress::elsewhere::{Place, for_livekit, layout_of, with_room};
use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::EgressStatus;
use egress::id::{EgressId, ProjectId};
use egress::live_url::LiveUrl;
use egress::request::{RecordRequest, RecordSource};
use egress::validate::EgressRequest;
use futures_util::future::BoxFuture;
use livekit_protocol as proto;
use parking_lot::Mutex;
use proto::EgressInfo;
use proto::start_egress_request::Source;
use room::service::{Server, create_room, egress as service};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Notify;

use crate::auto::{request, whole_room};
use crate::project_calls::host;
use crate::rooms::silent;
use crate::studio::{Inner, Studio};
use crate::surface::{
    AutoParts, Change, EgressService, Elsewhere, ElsewhereFile, ElsewhereJob, ElsewhereStream,
    ElsewhereStreamState, RoomEgress, RoomInput, StreamInput,
};

/// Between two lists of what runs.
const EVERY: Duration = Duration::from_secs(2);
/// Between two lists of all, which may be long.
const ALL_EVERY: Duration = Duration::from_secs(30);
/// The same where there is no service: one may be set up.
const ABSENT_EVERY: Duration = Duration::from_secs(60);
/// Longest wait after errors.
const LONGEST: Duration = Duration::from_secs(30);
/// How long a list may take.
const WITHIN: Duration = Duration::from_secs(10);
/// For how long jobs that are over are shown, ms. LiveKit's server keeps them as long.
const KEPT_MS: i64 = 24 * 3600 * 1000;

/// What is known of LiveKit's service besides what front ends see.
#[derive(Default)]
pub(crate) struct Known {
    /// Asks for the list at once.
    pub(crate) nudge: Notify,
    /// Whole addresses of streams that were added from here: the service shows them without their keys and wants them
    /// back whole.
    urls: Mutex<HashMap<EgressId, Vec<SecretString>>>,
}

impl Studio {
    /// Sends a request to LiveKit's own egress service. Its files go to the storage that the request names, else to
    /// where the service is configured to put them.
    ///
    /// # Errors
    /// The service cannot do it, is not there, or is busy.
    pub fn start_elsewhere(&self, request: RecordRequest) -> BoxFuture<'_, Result<EgressId, ApiError>> {
        Box::pin(async move {
            let inner = &self.inner;
            let request = inner.with_defaults(request);
            let place = inner.place(request.upload.as_ref().map(|upload| &upload.storage)).await?;
            let sent = for_livekit(&request, place.as_ref())?;
            inner.check_service()?;
            let (_, server) = inner.current_server().await?;
            let info = service::start(&server, &sent).await?;
            inner.show_elsewhere(&info);
            Ok(EgressId(info.egress_id))
        })
    }

    /// Stops a job of LiveKit's service.
    ///
    /// # Errors
    /// There is no such job, or the service cannot be reached.
    pub fn stop_elsewhere(&self, id: EgressId) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let (_, server) = self.inner.current_server().await?;
            self.inner.show_elsewhere(&service::stop(&server, &id).await?);
            Ok(())
        })
    }

    /// Changes the layout of a job of LiveKit's service.
    ///
    /// # Errors
    /// There is no such job, it has no layout, or the service cannot be reached.
    pub fn update_layout_elsewhere(
        &self,
        id: EgressId,
        layout: String,
    ) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let (_, server) = self.inner.current_server().await?;
            self.inner.show_elsewhere(&service::update_layout(&server, &id, &layout).await?);
            Ok(())
        })
    }

    /// Streams a job of LiveKit's service to one more destination.
    ///
    /// # Errors
    /// There is no such job or destination, the address is none, or the service refuses or cannot be reached.
    pub fn add_stream_elsewhere(
        &self,
        id: EgressId,
        stream: StreamInput,
    ) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let inner = &self.inner;
            let (url, ..) = inner.stream_input(stream).await?;
            let raw = LiveUrl::parse(url.expose_secret())?.secret().0;
            let (_, server) = inner.current_server().await?;
            let info = service::update_stream(&server, &id, std::slice::from_ref(&raw), &[]).await?;
            inner.elsewhere.urls.lock().entry(id).or_default().push(raw);
            inner.show_elsewhere(&info);
            Ok(())
        })
    }

    /// Takes a stream of a job of LiveKit's service off, by its address as it is shown.
    ///
    /// # Errors
    /// There is no such job, its whole address is not known here, or the service cannot be reached.
    pub fn remove_stream_elsewhere(
        &self,
        id: EgressId,
        address: String,
    ) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let inner = &self.inner;
            let (_, server) = inner.current_server().await?;
            let raw = inner.whole_url(&id, &server, &address).await?.ok_or_else(|| {
            ApiError::new(
                ErrorCode::FailedPrecondition,
                Fault::Environment,
                "The key of this stream is not known here, and LiveKit's service wants it to take the stream off.",
                "Take it off where it was added, or save the destination here with its key.",
            )
        })?;
            let info = service::update_stream(&server, &id, &[], &[raw]).await?;
            inner.show_elsewhere(&info);
            Ok(())
        })
    }

    /// Creates a room on the server of the open project.
    ///
    /// # Errors
    /// The name is empty, the server refuses, or it is to record the room and has no egress service.
    pub fn create_room(&self, input: RoomInput) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let inner = &self.inner;
            let name = input.name.trim().to_owned();
            if name.is_empty() {
                return Err(ApiError::new(
                    ErrorCode::InvalidArgument,
                    Fault::Input,
                    "The room has no name.",
                    "Give it one.",
                ));
            }
            let (_, server) = inner.current_server().await?;
            let mut request = match input.egress {
                None => proto::CreateRoomRequest { name, ..proto::CreateRoomRequest::default() },
                Some(asked) => {
                    inner.check_service()?;
                    let place = inner.place(asked.storage.as_ref()).await?;
                    with_room(&auto_request(&name, asked), place.as_ref())?
                }
            };
            request.empty_timeout = input.empty_timeout_s.unwrap_or_default();
            create_room(&server, &request).await?;
            inner.rooms_nudge.notify_one();
            inner.elsewhere.nudge.notify_one();
            Ok(())
        })
    }
}

/// What a server is to record of a new room by itself, as a request for one of them. The server puts in who it is.
fn auto_request(room_name: &str, asked: RoomEgress) -> RecordRequest {
    let source = match asked.parts {
        AutoParts::RoomComposite { layout } => whole_room(layout),
        AutoParts::Participants => {
            RecordSource::Participant { identity: "-".to_owned(), follow_screen_share: false }
        }
        AutoParts::Tracks => RecordSource::Track { track_id: "TR_".into() },
    };
    // It is checked as one for here would be.
    let folder = "/".to_owned();
    RecordRequest { folder, name: asked.name, ..request(room_name, source, asked.preset) }
}

/// Asks LiveKit's service for its jobs while somebody looks.
pub(crate) async fn poll(inner: Arc<Inner>) {
    let mut wait = EVERY;
    let mut all_at: Option<(ProjectId, Instant)> = None;
    loop {
        let current = inner.board.read(|snapshot| snapshot.projects.current.clone());
        if let Some(project) = current.filter(|_| inner.board.watched()) {
            let fresh = all_at.as_ref().is_some_and(|(of, at)| *of == project && at.elapsed() < ALL_EVERY);
            let listed = list(&inner, fresh).await;
            wait = match &listed {
                Ok(Some(_)) => EVERY,
                Ok(None) => ABSENT_EVERY,
                Err(_) => (wait * 2).min(LONGEST),
            };
            let gone = listed.as_ref().is_ok_and(|jobs| inner.misses_some(jobs.as_deref()));
            if listed.is_ok() && !fresh {
                all_at = Some((project.clone(), Instant::now()));
            }
            inner.publish_elsewhere(&project, listed, fresh);
            if fresh && gone {
                // How those ended is in the list of all.
                all_at = None;
                continue;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = inner.elsewhere.nudge.notified() => (wait, all_at) = (EVERY, None),
        }
    }
}

async fn list(inner: &Inner, active: bool) -> Result<Option<Vec<EgressInfo>>, ApiError> {
    let (_, server) = inner.current_server().await?;
    match tokio::time::timeout(WITHIN, service::list(&server, active)).await {
        Ok(listed) => listed,
        Err(_) => Err(silent(WITHIN)),
    }
}

impl Inner {
    /// Refuses what is for a service that is not there: the server itself takes 23 s to say so.
    fn check_service(&self) -> Result<(), ApiError> {
        let absent = self.board.read(|snapshot| snapshot.elsewhere.service == EgressService::Absent);
        if absent { Err(service::absent()) } else { Ok(()) }
    }

    /// The storage that LiveKit's service is to use, with its keys.
    async fn place(&self, id: Option<&egress::id::StorageId>) -> Result<Option<Place>, ApiError> {
        let Some(id) = id else { return Ok(None) };
        let saved = self.saved_storage(id)?;
        self.ask_again().await;
        let secret = self.storage_secret(&saved).await?;
        Ok(Some(Place { profile: saved.profile, secret }))
    }

    /// Whether a job that was active is not in a list of the active ones any more.
    fn misses_some(&self, listed: Option<&[EgressInfo]>) -> bool {
        let listed = listed.unwrap_or_default();
        self.board.read(|snapshot| {
            let active = snapshot.elsewhere.jobs.iter().filter(|job| !over(job.status));
            active.into_iter().any(|job| listed.iter().all(|info| info.egress_id != job.egress_id.0))
        })
    }

    /// Puts a list on the board: of all jobs, or of those alone that are active.
    fn publish_elsewhere(
        &self,
        project: &ProjectId,
        listed: Result<Option<Vec<EgressInfo>>, ApiError>,
        active: bool,
    ) {
        let shown = match listed {
            Ok(infos) => Ok(infos.map(|infos| {
                let theirs = infos.iter().filter(|info| !self.is_ours(info));
                theirs.map(|info| self.shown(info)).collect::<Vec<ElsewhereJob>>()
            })),
            Err(error) => Err(error),
        };
        self.board.edit(|snapshot| {
            if snapshot.projects.current.as_ref() != Some(project) {
                return None;
            }
            let before = &snapshot.elsewhere;
            let elsewhere = match shown {
                Ok(Some(mut jobs)) => {
                    for job in &mut jobs {
                        let known = before.jobs.iter().find(|known| known.egress_id == job.egress_id);
                        job.status = known.map_or(job.status, |known| later(known.status, job.status));
                    }
                    if active {
                        let kept = |known: &&ElsewhereJob| {
                            over(known.status) && jobs.iter().all(|job| job.egress_id != known.egress_id)
                        };
                        let kept: Vec<_> = before.jobs.iter().filter(kept).cloned().collect();
                        jobs.extend(kept);
                    }
                    Elsewhere { service: EgressService::Present, jobs: in_order(jobs), error: None }
                }
                Ok(None) => Elsewhere { service: EgressService::Absent, ..Elsewhere::default() },
                Err(error) => Elsewhere { error: Some(error), ..before.clone() },
            };
            (elsewhere != *before).then_some(Change::Elsewhere { elsewhere })
        });
    }

    /// Shows a job at once as the service has just answered.
    fn show_elsewhere(&self, info: &EgressInfo) {
        // The list that comes next has the last word.
        self.elsewhere.nudge.notify_one();
        if self.is_ours(info) {
            return;
        }
        let job = self.shown(info);
        self.board.edit(|snapshot| {
            let mut elsewhere = snapshot.elsewhere.clone();
            elsewhere.jobs.retain(|known| known.egress_id != job.egress_id);
            elsewhere.jobs.push(job);
            elsewhere.jobs = in_order(elsewhere.jobs);
            (elsewhere != snapshot.elsewhere).then_some(Change::Elsewhere { elsewhere })
        });
    }

    fn is_ours(&self, info: &EgressInfo) -> bool {
        self.egresses.info(&EgressId(info.egress_id.clone())).is_some()
    }

    fn shown(&self, info: &EgressInfo) -> ElsewhereJob {
        let request = info.request.as_ref();
        let streams = info.stream_results.iter().map(|stream| {
            let address = address(&stream.url);
            ElsewhereStream {
                removable: self.knows(&info.egress_id, &stream.url),
                address,
                state: match stream.status() {
                    proto::stream_info::Status::Active => ElsewhereStreamState::Active,
                    proto::stream_info::Status::Finished => ElsewhereStreamState::Finished,
                    proto::stream_info::Status::Failed => ElsewhereStreamState::Failed,
                },
                error: stream.error.clone(),
            }
        });
        ElsewhereJob {
            egress_id: EgressId(info.egress_id.clone()),
            room_name: info.room_name.clone(),
            title: request.map(title).unwrap_or_default(),
            status: status(info.status()),
            layout: request.and_then(layout_of).map(str::to_owned),
            started_at_ms: (info.started_at > 0).then_some(info.started_at / 1_000_000),
            ended_at_ms: (info.ended_at > 0).then_some(info.ended_at / 1_000_000),
            error: info.error.clone(),
            files: files(info),
            streams: streams.collect(),
            can_stream: !info.stream_results.is_empty(),
        }
    }

    /// Whether the whole address of a stream is known here, so that it can be taken off.
    fn knows(&self, id: &str, url: &str) -> bool {
        let shown = address(url);
        let added = self
            .elsewhere
            .urls
            .lock()
            .get(&EgressId::from(id))
            .is_some_and(|urls| urls.iter().any(|known| address(known.expose_secret()) == shown));
        added || !is_hidden(url) || self.saved.lock().destinations.iter().any(|saved| saved.address == shown)
    }

    /// The whole address of a stream that is shown without its key.
    async fn whole_url(
        &self,
        id: &EgressId,
        server: &Server,
        shown: &str,
    ) -> Result<Option<SecretString>, ApiError> {
        let added = self
            .elsewhere
            .urls
            .lock()
            .get(id)
            .and_then(|urls| urls.iter().find(|known| address(known.expose_secret()) == shown).cloned());
        if added.is_some() {
            return Ok(added);
        }
        let saved = self.saved.lock().destinations.iter().find(|saved| saved.address == shown).cloned();
        if let Some(saved) = saved {
            self.ask_again().await;
            return self.destination_url(&saved).await.map(Some);
        }
        // The service itself shows addresses of some kinds as they are.
        let listed = service::list(server, true).await?.unwrap_or_default();
        let job = listed.into_iter().find(|info| info.egress_id == id.0);
        let urls = job.map(|info| info.stream_results).unwrap_or_default();
        let found = urls.into_iter().find(|stream| !is_hidden(&stream.url) && address(&stream.url) == shown);
        Ok(found.map(|stream| stream.url.into()))
    }
}

/// Those that run first, then those that ended of late; newest first.
fn in_order(mut jobs: Vec<ElsewhereJob>) -> Vec<ElsewhereJob> {
    let now = crate::history::now_ms();
    jobs.retain(|job| !over(job.status) || job.ended_at_ms.is_none_or(|at| now - at < KEPT_MS));
    jobs.sort_by_key(|job| (over(job.status), std::cmp::Reverse(job.started_at_ms)));
    jobs
}

/// The one of two statuses that comes later: a list may be older than the answer to a call.
fn later(one: EgressStatus, other: EgressStatus) -> EgressStatus {
    let step = |status| match status {
        EgressStatus::Starting => 0,
        EgressStatus::Active => 1,
        EgressStatus::Ending => 2,
        _ => 3,
    };
    if step(one) > step(other) { one } else { other }
}

fn over(status: EgressStatus) -> bool {
    crate::fold::ended(status)
}

/// Whether the service has taken the key out of an address.
fn is_hidden(url: &str) -> bool {
    url.contains('{') && url.contains("...")
}

/// An address without its key.
fn address(url: &str) -> String {
    if is_hidden(url) {
        return url.to_owned();
    }
    LiveUrl::parse(url).map_or_else(|_| host(url).to_owned(), |parsed| parsed.shown().to_owned())
}

fn status(status: proto::EgressStatus) -> EgressStatus {
    match status {
        proto::EgressStatus::EgressStarting => EgressStatus::Starting,
        proto::EgressStatus::EgressActive => EgressStatus::Active,
        proto::EgressStatus::EgressEnding => EgressStatus::Ending,
        proto::EgressStatus::EgressComplete => EgressStatus::Complete,
        proto::EgressStatus::EgressFailed => EgressStatus::Failed,
        proto::EgressStatus::EgressAborted => EgressStatus::Aborted,
        proto::EgressStatus::EgressLimitReached => EgressStatus::LimitReached,
    }
}

/// A few words for what a request is about.
fn title(request: &EgressRequest) -> String {
    const ROOM: &str = "Whole room";
    let tracks = |video: &str, audio: &str| match (video, audio) {
        ("", one) | (one, "") => one.to_owned(),
        (video, audio) => format!("{video} + {audio}"),
    };
    match request {
        EgressRequest::RoomComposite(_) => ROOM.to_owned(),
        EgressRequest::Web(request) => host(&request.url).to_owned(),
        EgressRequest::Participant(request) => request.identity.clone(),
        EgressRequest::TrackComposite(request) => tracks(&request.video_track_id, &request.audio_track_id),
        EgressRequest::Track(request) => request.track_id.clone(),
        EgressRequest::Egress(request) => match &request.source {
            Some(Source::Web(web)) => host(&web.url).to_owned(),
            Some(Source::Media(media)) => media_title(media),
            Some(Source::Template(_)) | None => ROOM.to_owned(),
        },
        EgressRequest::Replay(_) => "Replay".to_owned(),
    }
}

fn media_title(media: &proto::MediaSource) -> String {
    match &media.video {
        Some(proto::media_source::Video::ParticipantVideo(video)) => video.identity.clone(),
        Some(proto::media_source::Video::VideoTrackId(id)) => id.clone(),
        None => "Sound".to_owned(),
    }
}

fn files(info: &EgressInfo) -> Vec<ElsewhereFile> {
    let file = |name: &str, location: &str, size_bytes: i64| ElsewhereFile {
        name: name.to_owned(),
        location: location.to_owned(),
        size_bytes,
    };
    let mut files: Vec<ElsewhereFile> =
        info.file_results.iter().map(|one| file(&one.filename, &one.location, one.size)).collect();
    let sets = info.segment_results.iter();
    files.extend(sets.map(|set| file(&set.playlist_name, &set.playlist_location, set.size)));
    files.extend(info.image_results.iter().map(|set| file(&set.filename_prefix, "", 0)));
    files
}
