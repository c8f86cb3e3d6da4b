//! The task that shows a page: starts its programs, loads it, watches over it, and starts anew when it breaks.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use egress::error::ApiError;
use egress::fact::PageState;
use egress::spec::AfterCrash;
use egress::wire::{LayoutChange, Tuning};
use parking_lot::Mutex;
use room::clock::Clock;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc::{Sender, UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::reported::Reported;
use super::tries::Tries;
use super::{PageCommand, PageNews, words};
use crate::job::media::{FromMedia, MediaSender};
use crate::source::page::{CaptureSize, Captured, PageEvent, PageSource, StageError};

/// How long a page may take to load.
const LOADS: Duration = Duration::from_secs(60);
/// Between two looks at whether it lives.
const LOOK: Duration = Duration::from_millis(500);
/// Between two looks before it is on: an error that it reports is to be known within a second.
const LOOK_BEFORE: Duration = Duration::from_millis(150);

/// Whether the page is there, what its server answered, and what LiveKit's templates say of trouble (empty: nothing, and
/// cut: a page may say anything). Chromium tells of the first two as well, in no certain order, and not all that it tells
/// arrives: messages that the library does not know are lost.
const STATE: &str = "[/^https?:/.test(location.href) && document.readyState === 'complete',
    performance.getEntriesByType('navigation')[0]?.responseStatus ?? 0,
    (document.querySelector('div.error')?.innerText ?? '').trim().slice(0, 500)]";

/// What to show.
pub struct Show {
    /// The page's address. It may hold a token, and is not told.
    pub url: String,
    /// The job's folder.
    pub folder: PathBuf,
    /// The frame.
    pub size: CaptureSize,
    /// Whether the page is on only when it says so.
    pub await_start_signal: bool,
    /// How its programs run.
    pub tuning: Tuning,
    /// Whether it belongs to a room, and is nothing without it.
    pub of_room: bool,
    /// What to do when it breaks while it is on.
    pub after_crash: AfterCrash,
    /// The clock of the job.
    pub clock: Clock,
}

/// How a page ended.
struct Broken {
    error: ApiError,
    was_on: Option<Duration>,
}

/// Shows a page until it is told to close, the page is over, or it is given up.
pub async fn run(
    show: Show,
    news: Sender<PageNews>,
    mut commands: UnboundedReceiver<PageCommand>,
    media: MediaSender,
) {
    let mut tries = Tries::default();
    let mut begun = false;
    let layout = Shown::default();
    loop {
        let again = begun;
        let Err(Broken { error, was_on }) = once(&show, again, &layout, &news, &mut commands, &media).await
        else {
            return;
        };
        begun |= was_on.is_some();
        let wait = match show.after_crash {
            AfterCrash::End if begun => None,
            _ if !error.retryable => None,
            _ => tries.next(was_on.unwrap_or_default()),
        };
        let Some(wait) = wait else {
            let _ = news.send(PageNews::Failed(error)).await;
            return;
        };
        tracing::warn!(%error, detail = error.detail, "the page is tried again");
        let _ = news.send(PageNews::Trouble(error)).await;
        if begun {
            let _ = news.send(PageNews::State(PageState::Reloading)).await;
        }
        let until = Instant::now() + wait;
        loop {
            tokio::select! {
                () = sleep_until(until) => break,
                command = commands.recv() => match command {
                    None | Some(PageCommand::Close) => return,
                    Some(PageCommand::Reload) => break,
                    Some(command) => refuse(command, &news).await,
                }
            }
        }
    }
}

/// The layout that was changed to last: a page that is loaded again begins with the one of its address.
type Shown = Arc<Mutex<Option<LayoutChange>>>;

/// A script of ours that runs in the page.
type Asking = Pin<Box<dyn Future<Output = Result<Value, StageError>> + Send>>;

/// Shows the page once. Ok: it was told to close, or it is over.
async fn once(
    show: &Show,
    again: bool,
    shown: &Shown,
    news: &Sender<PageNews>,
    commands: &mut UnboundedReceiver<PageCommand>,
    media: &MediaSender,
) -> Result<(), Broken> {
    let mut on_since: Option<Instant> = None;
    let broken = |error: ApiError, on_since: Option<Instant>| Broken {
        error,
        was_on: on_since.map(|since| since.elapsed()),
    };
    let tell = async |state| {
        // Once it was on, all of its way back is one state.
        if !again || state == PageState::On {
            let _ = news.send(PageNews::State(state)).await;
        }
    };
    tell(PageState::Starting).await;
    let (broke, mut capture_broke) = unbounded_channel();
    let deliver = {
        let media = media.clone();
        move |captured| match captured {
            Captured::Failed(error) => drop(broke.send(error)),
            captured => media.send(FromMedia::Captured(captured)),
        }
    };
    let clock = show.clock;
    let started =
        PageSource::start(&show.folder, show.size, &show.tuning, move || clock.now_ns(), deliver).await;
    let mut page = started.map_err(|error| broken(words::stage(&error), None))?;
    tell(PageState::Loading).await;
    page.open(&show.url);

    let mut deadline = Instant::now() + LOADS;
    let mut loading = true;
    // Chromium says that something has loaded: also what a server sends with its refusal is loaded.
    let mut loaded = false;
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut asking: Option<(Instant, Asking)> = None;
    let mut reported = Reported::default();
    loop {
        tokio::select! {
            biased;
            // Before what the page says: it may say things without end.
            () = sleep_until(deadline), if loading => {
                return Err(broken(words::too_slow(&show.url, LOADS.as_secs()), on_since));
            }
            command = commands.recv() => match command {
                None | Some(PageCommand::Close) => return Ok(()),
                Some(PageCommand::Start) => {
                    on_since.get_or_insert_with(Instant::now);
                }
                Some(PageCommand::TooLarge) => return Err(broken(words::too_large(), on_since)),
                Some(PageCommand::Reload) => {
                    (loading, loaded) = (true, false);
                    deadline = Instant::now() + LOADS;
                    page.open(&show.url);
                }
                Some(PageCommand::Layout(request, layout)) if !loading => {
                    let (script, news, shown) = (page.script(&set_layout(&layout)), news.clone(), shown.clone());
                    tokio::spawn(async move {
                        let outcome = answered(script.await, &layout);
                        if outcome.is_ok() {
                            *shown.lock() = Some(layout);
                        }
                        let _ = news.send(PageNews::Layout { request: Some(request), outcome }).await;
                    });
                }
                Some(command) => refuse(command, news).await,
            },
            Some(error) = capture_broke.recv() => {
                return Err(broken(words::stage(&StageError::Capture(error)), on_since));
            }
            event = page.event() => match event {
                Ok(PageEvent::Loaded) => {
                    // What was asked before may have been asked of nothing.
                    (loaded, asking, reported) = (true, None, Reported::default());
                    look.reset_immediately();
                }
                Ok(PageEvent::There) => {
                    loading = false;
                    if let Some(layout) = shown.lock().clone() {
                        tokio::spawn(page.script(&set_layout(&layout)));
                    }
                    if show.await_start_signal {
                        if on_since.is_none() {
                            tell(PageState::Waiting).await;
                        }
                    } else if on_since.is_none() {
                        on_since = Some(Instant::now());
                        tell(PageState::On).await;
                    }
                }
                Ok(PageEvent::StartSignal) => {
                    loading = false;
                    if on_since.is_none() {
                        on_since = Some(Instant::now());
                        tell(PageState::On).await;
                    }
                }
                Ok(PageEvent::Evicted) if show.of_room => {
                    let _ = news.send(PageNews::Evicted).await;
                    return closed(commands, news).await;
                }
                Ok(PageEvent::Evicted) => {}
                Ok(PageEvent::EndSignal) => {
                    let _ = news.send(PageNews::Over { room: false }).await;
                    // The last pictures are still taken; the job closes the page when it has them.
                    return closed(commands, news).await;
                }
                // While it is on, the page says when it is over: it may show something after its room.
                Ok(PageEvent::RoomEnded) if show.of_room && on_since.is_none() => {
                    let _ = news.send(PageNews::Over { room: true }).await;
                    return closed(commands, news).await;
                }
                Ok(PageEvent::RoomEnded) => {}
                Ok(PageEvent::Layout(name)) => {
                    *shown.lock() = Some(LayoutChange::Name(name.clone()));
                    let _ = news.send(PageNews::Layout { request: None, outcome: Ok(name) }).await;
                }
                Ok(PageEvent::Unreachable(cause)) if loading => {
                    return Err(broken(words::unreachable(&show.url, &cause), on_since));
                }
                Ok(PageEvent::Refused(status)) if loading => {
                    return Err(broken(words::refused(&show.url, status), on_since));
                }
                Ok(PageEvent::Unreachable(_) | PageEvent::Refused(_)) => {}
                Ok(PageEvent::Crashed) => return Err(broken(words::crashed(), on_since)),
                Ok(PageEvent::Ended) => return Err(broken(words::ended(), on_since)),
                Err(error) => return Err(broken(words::stage(&error), on_since)),
            },
            answer = async { (&mut asking.as_mut().expect("there is a question").1).await }, if asking.is_some() => {
                let (asked, _) = asking.take().expect("it is answered");
                if on_since.is_none() {
                    look.reset_after(LOOK_BEFORE);
                }
                match answer.map(serde_json::from_value::<(bool, i64, String)>) {
                    Ok(Ok((_, status, _))) if loading && status >= 400 => {
                        return Err(broken(words::refused(&show.url, status), on_since));
                    }
                    // As LiveKit has it, when the page has loaded and before it is on.
                    Ok(Ok((there, _, said)))
                        if on_since.is_none() && reported.stands(there && !said.is_empty(), asked, Instant::now()) =>
                    {
                        return Err(broken(words::template(&said, again), on_since));
                    }
                    Ok(Ok((true, ..))) if loading && !reported.any() => page.note(PageEvent::There),
                    // Nothing answers between two pages.
                    Err(_) if !loading || loaded => return Err(broken(words::hung(), on_since)),
                    _ => {}
                }
            }
            _ = look.tick(), if asking.is_none() => {
                asking = Some((Instant::now(), Box::pin(page.script(STATE))));
            }
        }
    }
}

/// Waits until the page may be closed.
async fn closed(
    commands: &mut UnboundedReceiver<PageCommand>,
    news: &Sender<PageNews>,
) -> Result<(), Broken> {
    loop {
        match commands.recv().await {
            None | Some(PageCommand::Close) => return Ok(()),
            Some(command) => refuse(command, news).await,
        }
    }
}

/// Answers a command that comes at the wrong time.
async fn refuse(command: PageCommand, news: &Sender<PageNews>) {
    if let PageCommand::Layout(request, _) = command {
        let news_of = PageNews::Layout { request: Some(request), outcome: Err(words::not_there()) };
        let _ = news.send(news_of).await;
    }
}

/// A script that changes the layout of our template. A page that is not ours gives nothing back.
fn set_layout(layout: &LayoutChange) -> String {
    let asked = match layout {
        LayoutChange::Name(name) => Value::from(name.as_str()),
        LayoutChange::Document(document) => serde_json::to_value(document).unwrap_or_default(),
    };
    format!("window.tallylight?.setLayout?.({asked}) ?? null")
}

/// What our template answers.
#[derive(Debug, Deserialize)]
struct Answer {
    ok: bool,
    layout: Option<String>,
    error: Option<egress::layout::Broken>,
}

fn answered(answer: Result<Value, StageError>, asked: &LayoutChange) -> Result<String, ApiError> {
    let value = answer.map_err(|error| words::stage(&error))?;
    let Ok(answer) = serde_json::from_value::<Answer>(value) else { return Err(words::no_layouts()) };
    match (answer.ok, answer.error) {
        (false, Some(error)) => Err(words::layout(&error.path, &error.reason)),
        _ => Ok(answer.layout.unwrap_or_else(|| match asked {
            LayoutChange::Name(name) => name.clone(),
            LayoutChange::Document(document) => document.name.0.clone(),
        })),
    }
}
