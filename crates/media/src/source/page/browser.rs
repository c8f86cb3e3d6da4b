//! Chromium, showing one page on a screen of its own.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use chromiumoxide::browser::Browser as Connection;
use chromiumoxide::cdp::browser_protocol::browser::{SetDownloadBehaviorBehavior, SetDownloadBehaviorParams};
use chromiumoxide::cdp::browser_protocol::inspector::EventTargetCrashed;
use chromiumoxide::cdp::browser_protocol::network::{
    EventLoadingFailed, EventResponseReceived, EventWebSocketCreated, EventWebSocketFrameReceived,
    ResourceType,
};
use chromiumoxide::cdp::browser_protocol::page::{
    AddScriptToEvaluateOnNewDocumentParams, EventJavascriptDialogOpening, EventLoadEventFired,
    HandleJavaScriptDialogParams, NavigateParams,
};
use chromiumoxide::cdp::browser_protocol::target::{CloseTargetParams, EventTargetCreated};
use chromiumoxide::cdp::js_protocol::runtime::{EvaluateParams, EventConsoleApiCalled};
use chromiumoxide::handler::HandlerConfig;
use chromiumoxide::page::Page;
use egress::wire::Tuning;
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::StageError;
use super::heard::{self, PageEvent};
use super::sandbox::{HOME, Sandbox, Share, which};
use super::screen::Screen;
use super::sound::Loudspeaker;
use super::switches::tuned;
use crate::oom;

/// How long Chromium may take to start.
const STARTS: Duration = Duration::from_secs(20);
/// How long Chromium may take to answer a command.
const ANSWERS: Duration = Duration::from_secs(10);
/// Names under which distributions have Chromium.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

/// Runs in every document before its own scripts.
const EVERY: &str = include_str!("every.js");

/// A running Chromium with one page.
pub(super) struct Browser {
    page: Page,
    process: Child,
    _connection: Connection,
    _listeners: JoinSet<()>,
    sender: UnboundedSender<PageEvent>,
    events: UnboundedReceiver<PageEvent>,
}

impl Browser {
    /// Starts Chromium with an empty page of `width` x `height` pixels.
    pub(super) async fn start(
        sandbox: Sandbox,
        folder: &Path,
        screen: &Screen,
        loudspeaker: &Loudspeaker,
        (width, height): (u32, u32),
        tuning: &Tuning,
    ) -> Result<Self, StageError> {
        let program = find().ok_or(StageError::NoBrowser)?;
        let shares = [
            Share { path: &screen.key, writable: false },
            Share { path: &loudspeaker.folder, writable: true },
        ];
        let env: Vec<_> = screen.env().into_iter().chain(loudspeaker.env()).collect();
        let mut command = sandbox.command(&program, &shares, &env);
        // A fresh profile: in memory where there is a sandbox, in the job's folder elsewhere.
        let profile =
            if sandbox.isolates() { Path::new(HOME).join("profile") } else { folder.join("profile") };
        let flags = tuned(flags(width, height, sandbox, &profile), tuning);
        command.args(flags).arg("about:blank");
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = oom::before_us(|| command.spawn())
            .map_err(|source| StageError::Missing { program: "chromium", source })?;
        let stderr = process.stderr.take().ok_or(StageError::Died { program: "chromium" })?;
        let mut lines = BufReader::new(stderr).lines();
        let address = async {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some((_, address)) = line.split_once("DevTools listening on ") {
                    return Some(address.trim().to_owned());
                }
            }
            None
        };
        let address = tokio::time::timeout(STARTS, address).await.ok().flatten();
        let address = address.ok_or(StageError::Died { program: "chromium" })?;
        // Chromium must not stand still because nobody reads what it grumbles.
        let mut listeners = JoinSet::new();
        listeners.spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });

        let config = HandlerConfig {
            ignore_https_errors: false,
            request_timeout: ANSWERS,
            ..HandlerConfig::default()
        };
        let (connection, mut handler) = Connection::connect_with_config(address, config).await?;
        // Nothing is answered unless this is polled.
        listeners.spawn(async move { while handler.next().await.is_some() {} });
        let page = first_page(&connection).await?;
        let deny = SetDownloadBehaviorParams::new(SetDownloadBehaviorBehavior::Deny);
        connection.execute(deny).await?;
        page.execute(AddScriptToEvaluateOnNewDocumentParams::new(EVERY)).await?;
        let (sender, events) = unbounded_channel();
        listen(&connection, &page, &sender, &mut listeners).await?;
        Ok(Self { page, process, _connection: connection, _listeners: listeners, sender, events })
    }

    /// Leaves for the page at `url`; what becomes of that is told by events. The answer is not waited for: a page
    /// that is slow keeps it back.
    pub(super) fn open(&self, url: &str) {
        let (page, navigate) = (self.page.clone(), NavigateParams::new(url));
        tokio::spawn(async move {
            if let Err(error) = page.execute(navigate).await {
                tracing::debug!(%error, "the page keeps its answer back");
            }
        });
    }

    /// Runs a script in the page; comes back with its value as JSON.
    pub(super) fn script(
        &self,
        script: &str,
    ) -> impl Future<Output = Result<serde_json::Value, StageError>> + Send + use<> {
        let page = self.page.clone();
        let mut params = EvaluateParams::new(script);
        params.await_promise = Some(true);
        params.return_by_value = Some(true);
        // Never as a gesture of a user's: Chromium opens no window for a page without one.
        async move {
            let answer = page.execute(params).await?.result;
            Ok(answer.result.value.unwrap_or_default())
        }
    }

    /// Adds an event.
    pub(super) fn note(&self, event: PageEvent) {
        // The other end is ours.
        let _ = self.sender.send(event);
    }

    /// The next event.
    pub(super) async fn event(&mut self) -> PageEvent {
        tokio::select! {
            event = self.events.recv() => event.unwrap_or(PageEvent::Ended),
            _ = self.process.wait() => PageEvent::Ended,
        }
    }
}

/// Chromium's path: as told, or as found.
fn find() -> Option<PathBuf> {
    let told = std::env::var_os("TALLYLIGHT_CHROMIUM").filter(|path| !path.is_empty()).map(PathBuf::from);
    told.or_else(|| which(&NAMES))
}

fn flags(width: u32, height: u32, sandbox: Sandbox, profile: &Path) -> Vec<String> {
    let mut flags: Vec<String> = [
        "--kiosk",
        "--no-first-run",
        "--no-default-browser-check",
        "--test-type",
        "--window-position=0,0",
        "--autoplay-policy=no-user-gesture-required",
        "--disable-gpu",
        "--force-color-profile=srgb",
        "--hide-scrollbars",
        "--password-store=basic",
        "--use-mock-keychain",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-default-apps",
        "--disable-extensions",
        "--disable-sync",
        "--metrics-recording-only",
        "--disable-background-timer-throttling",
        "--disable-backgrounding-occluded-windows",
        "--disable-renderer-backgrounding",
        "--disable-breakpad",
        "--disable-hang-monitor",
        "--noerrdialogs",
        // The sound of all pages comes from one process, whose place in the tree is known.
        "--disable-features=AudioServiceOutOfProcess,Translate,MediaRouter,OptimizationHints",
        // 40 ms, and three times that on its way to the loudspeaker. With less, a computer that is busy for a moment takes
        // sound from the loudspeaker's time; it then piles up where it comes in, seconds of it, and stays behind.
        "--audio-buffer-size=1920",
        // A LiveKit server may run on this very computer.
        "--allow-loopback-in-peer-connection",
        "--remote-debugging-port=0",
    ]
    .map(str::to_owned)
    .into();
    flags.push(format!("--window-size={width},{height}"));
    flags.push(format!("--user-data-dir={}", profile.display()));
    if !sandbox.isolates() && sandbox.root() {
        // Chromium's own sandbox refuses to be root's, and there is no other user here to run it as.
        flags.push("--no-sandbox".to_owned());
    }
    flags
}

/// The page that Chromium opens by itself: another one would not fill the screen.
async fn first_page(connection: &Connection) -> Result<Page, StageError> {
    for _ in 0..200 {
        for page in connection.pages().await? {
            if page.url().await.ok().flatten().is_some_and(|url| url == "about:blank") {
                return Ok(page);
            }
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    Err(StageError::Died { program: "chromium" })
}

/// Listens to what becomes of the page, and keeps it from what a recording has no use for.
async fn listen(
    connection: &Connection,
    page: &Page,
    sender: &UnboundedSender<PageEvent>,
    listeners: &mut JoinSet<()>,
) -> Result<(), StageError> {
    let main = page.mainframe().await?;
    let report = |event: Option<PageEvent>, sender: &UnboundedSender<PageEvent>| {
        if let Some(event) = event {
            let _ = sender.send(event);
        }
    };
    let to = sender.clone();
    let mut opened = page.event_listener::<EventWebSocketCreated>().await?;
    let mut received = page.event_listener::<EventWebSocketFrameReceived>().await?;
    let mut called = page.event_listener::<EventConsoleApiCalled>().await?;
    listeners.spawn(async move {
        let mut room = heard::Signalling::default();
        // In this order: what the room says is known before what the page makes of it.
        loop {
            tokio::select! {
                biased;
                Some(event) = opened.next() => room.opened(&event),
                Some(event) = received.next() => report(room.received(&event), &to),
                Some(event) = called.next() => {
                    heard::on_console(&event.args).for_each(|event| report(Some(event), &to));
                }
                else => break,
            }
        }
    });
    let to = sender.clone();
    listeners.spawn(each(page.event_listener::<EventLoadEventFired>().await?, move |_| {
        report(Some(PageEvent::Loaded), &to);
    }));
    let to = sender.clone();
    listeners.spawn(each(page.event_listener::<EventTargetCrashed>().await?, move |_| {
        report(Some(PageEvent::Crashed), &to);
    }));
    let to = sender.clone();
    listeners.spawn(each(page.event_listener::<EventResponseReceived>().await?, move |event| {
        let document = event.r#type == ResourceType::Document && event.frame_id == main;
        let failed = document && event.response.status >= 400;
        report(failed.then_some(PageEvent::Refused(event.response.status)), &to);
    }));
    let to = sender.clone();
    listeners.spawn(each(page.event_listener::<EventLoadingFailed>().await?, move |event| {
        let failed = event.r#type == ResourceType::Document && !event.canceled.unwrap_or(false);
        report(failed.then(|| PageEvent::Unreachable(event.error_text.clone())), &to);
    }));
    // A question of the page's would stop it until somebody answers.
    let (asked, mut dialogs) = (page.clone(), page.event_listener::<EventJavascriptDialogOpening>().await?);
    listeners.spawn(async move {
        while dialogs.next().await.is_some() {
            let _ = asked.execute(HandleJavaScriptDialogParams::new(true)).await;
        }
    });
    // A second window would stand before the page.
    let mut targets = connection.event_listener::<EventTargetCreated>().await?;
    let (own, killer) = (page.target_id().clone(), page.clone());
    listeners.spawn(async move {
        while let Some(event) = targets.next().await {
            let info = &event.target_info;
            if info.r#type == "page" && info.target_id != own {
                let _ = killer.execute(CloseTargetParams::new(info.target_id.clone())).await;
            }
        }
    });
    Ok(())
}

async fn each<T>(mut events: impl Stream<Item = T> + Unpin, act: impl Fn(T)) {
    while let Some(event) = events.next().await {
        act(event);
    }
}
