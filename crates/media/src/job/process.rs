//! What a `tallylight-job` process does from its start to its exit.

use std::time::Duration;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{ConnectionState, EgressStatus, EndReason, Fact};
use egress::spec::{EgressSpec, PageAddress, PageSpec, Selection, Source, Task, Treatment};
use egress::wire::Launch;
use room::clock::Clock;
use room::session::{Room, RoomOptions, join};
use secrecy::ExposeSecret;
use tokio::sync::mpsc::{channel, unbounded_channel};
use url::Url;

use crate::job::link::{FromStudio, Link};
use crate::job::signal::EndSignal;
use crate::job::source::page::{self, Page, PageCommand, Show};
use crate::job::source::tracks::Tracks;
use crate::job::{Facts, Joined, media, monitor, recording};
use crate::oom;
use crate::source::page::CaptureSize;
use crate::source::page::site::Site;

/// How long the process stays after its last fact, for the studio to read it.
const FAREWELL: Duration = Duration::from_millis(500);
/// How long the disk may take for the last facts.
const LAST_FACTS: Duration = Duration::from_secs(10);
/// How long a page's programs may take to end.
const CLOSES: Duration = Duration::from_secs(2);
/// What a page says waits here for the job's loop.
const NEWS: usize = 256;

/// Does what `launch` says.
///
/// # Errors
/// If the job's folder cannot be used. Everything else is told as facts.
pub async fn run(launch: Launch) -> std::io::Result<()> {
    oom::volunteer();
    let clock = Clock::start();
    let mut facts = Facts::open(&launch.folder, clock)?;
    let mut link = Link::listen(&launch.folder)?;
    facts.record(Fact::Started { pid: std::process::id() });
    facts.record(Fact::Connection { state: ConnectionState::Connecting });

    let outcome = match &launch.spec.task {
        Task::Egress(spec) => match &spec.source {
            Source::Page(page) => show(&launch, spec, page, clock, &mut facts, &mut link).await,
            Source::Tracks(selection) => record(&launch, spec, selection, clock, &mut facts, &mut link).await,
        },
        Task::Monitor(spec) => match joined(&launch, clock, &mut facts, &mut link).await {
            Ok(Some(joined)) => {
                let leaving = joined.0.clone();
                monitor::run(spec.clone(), joined, &mut facts, &mut link).await;
                leaving.leave().await;
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        },
    };
    if let Err(error) = outcome {
        facts.record(Fact::Connection { state: ConnectionState::Disconnected });
        facts.record(Fact::Ending { reason: EndReason::Failure });
        facts.record(Fact::Ended { status: EgressStatus::Failed, error: Some(error) });
    }
    facts.flush(LAST_FACTS).await;
    facts.tell(&link);
    if link.connected() {
        // Until the studio has taken the last facts and gone, or a moment.
        let gone = async { while !matches!(link.next().await, FromStudio::Gone) {} };
        let _ = tokio::time::timeout(FAREWELL, gone).await;
    }
    Ok(())
}

/// Takes tracks of a room to outputs.
async fn record(
    launch: &Launch,
    spec: &EgressSpec,
    selection: &Selection,
    clock: Clock,
    facts: &mut Facts,
    link: &mut Link,
) -> Result<(), ApiError> {
    let Some((room, events)) = joined(launch, clock, facts, link).await? else { return Ok(()) };
    let (media, from_media) = media::line();
    let as_published = spec.treatment == Treatment::Passthrough;
    let tracks = Tracks::new(selection.clone(), as_published, room.clone(), media.clone(), clock.now_ns());
    let mut engine = recording::engine(launch, spec, &clock, tracks, media).await;
    engine.on_event(room::event::RoomEvent::Roster(room.roster()), clock.now_ns(), facts);
    recording::run(engine, &spec.limits, &clock, events, from_media, facts, link).await;
    Room::leave(&room).await;
    Ok(())
}

/// Takes a page to outputs.
async fn show(
    launch: &Launch,
    spec: &EgressSpec,
    page: &PageSpec,
    clock: Clock,
    facts: &mut Facts,
    link: &mut Link,
) -> Result<(), ApiError> {
    let (url, _site) = address(launch, &page.address).await?;
    let (media, from_media) = media::line();
    let (news, events) = channel(NEWS);
    let (commands, to_page) = unbounded_channel();
    let (video, audio) = match &spec.treatment {
        Treatment::Encode { video, audio } => (video.as_ref(), audio.is_some()),
        Treatment::Passthrough => (None, false),
    };
    let size = CaptureSize {
        width: video.map_or(1280, |video| video.width),
        height: video.map_or(720, |video| video.height),
        framerate: video.map_or(30, |video| video.framerate),
        pictures: video.is_some(),
        sound: audio,
    };
    let shown = Show {
        url,
        folder: launch.folder.clone(),
        size,
        await_start_signal: page.await_start_signal,
        tuning: launch.tuning.clone(),
        of_room: matches!(page.address, PageAddress::Template { .. }),
        after_crash: page.after_crash,
        clock,
    };
    let task = tokio::spawn(page::run(shown, news, to_page, media.clone()));
    if let PageAddress::Template { layout, .. } = &page.address {
        facts.record(Fact::Layout { layout: layout.clone() });
    }
    let room_sid = launch.spec.room_sid.clone();
    let source = Page::new(commands.clone(), room_sid, (video.is_some(), audio), page.await_start_signal);
    let engine = recording::engine(launch, spec, &clock, source, media).await;
    recording::run(engine, &spec.limits, &clock, events, from_media, facts, link).await;
    let _ = commands.send(PageCommand::Close);
    let _ = tokio::time::timeout(CLOSES, task).await;
    Ok(())
}

/// Where the page is, and what serves it, if that is us.
async fn address(launch: &Launch, page: &PageAddress) -> Result<(String, Option<Site>), ApiError> {
    let (base_url, layout, document) = match page {
        PageAddress::Web { url } => return Ok((url.clone(), None)),
        PageAddress::Template { base_url, layout, document } => (base_url, layout, document),
    };
    let site = match base_url {
        Some(_) => None,
        None => Some(Site::start(document.as_deref()).await.map_err(|cause| {
            ApiError::new(
                ErrorCode::Internal,
                Fault::Ours,
                "The page that draws layouts cannot be served.",
                "Try again; if it stays so, copy the details into a report.",
            )
            .with_detail(cause)
        })?),
    };
    let mut url = match (&site, base_url) {
        (Some(site), _) => site.address().clone(),
        (None, base_url) => Url::parse(base_url.as_deref().unwrap_or_default()).map_err(|cause| {
            ApiError::new(
                ErrorCode::InvalidArgument,
                Fault::Input,
                "This is no address of a template.",
                "Give an address that begins with https:// or http://.",
            )
            .with_detail(cause)
        })?,
    };
    // Scripts give either; a template wants the one that WebSockets go to.
    let server = launch.spec.url.replacen("http", "ws", usize::from(launch.spec.url.starts_with("http")));
    url.query_pairs_mut()
        .append_pair("layout", layout)
        .append_pair("url", &server)
        .append_pair("token", launch.token.expose_secret());
    Ok((url.into(), site))
}

/// Joins; none: told to stop meanwhile, and the end is told.
async fn joined(
    launch: &Launch,
    clock: Clock,
    facts: &mut Facts,
    link: &mut Link,
) -> Result<Option<Joined>, ApiError> {
    let options = RoomOptions::new(launch.spec.url.clone(), launch.token.clone());
    let joining = join(RoomOptions { clock, ..options });
    tokio::pin!(joining);
    let mut end = EndSignal::new();
    let reason = loop {
        tokio::select! {
            joined = &mut joining => {
                let (room, events) = joined?;
                facts.record(Fact::RoomJoined { room_sid: room.roster().room_sid.clone() });
                facts.record(Fact::Connection { state: ConnectionState::Connected });
                facts.tell(link);
                link.release();
                return Ok(Some((room, events)));
            }
            from = link.next() => match from {
                FromStudio::Connected { after } => facts.tell_after(after, link),
                FromStudio::Command(egress::wire::ToJob::Stop { request }) => {
                    link.reply(request, None);
                    break EndReason::StopRequested;
                }
                // Commands before the join are for a job that knows its room: answered as soon as it does.
                FromStudio::Command(command) => link.put_back(command),
                FromStudio::Gone => {}
            },
            () = end.wait() => break EndReason::ProcessKilled,
        }
    };
    facts.record(Fact::Ending { reason });
    facts.record(Fact::Ended { status: EgressStatus::Aborted, error: None });
    Ok(None)
}
