//! How Tallylight ends: by the window's close button, by Quit, by the system.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tauri::{AppHandle, Emitter, Manager};
use tauri_plugin_dialog::{DialogExt, MessageDialogButtons, MessageDialogKind};
use tokio::sync::Notify;

use crate::opened::Opened;
use crate::{demo, window};

/// The event by which the shell asks something of the page.
const SHELL: &str = "shell";
/// Somebody chose Quit while something records: the page is to ask what becomes of it.
const QUIT_REQUESTED: &str = "quit_requested";
/// Longest wait for recordings to be finished. A job that needs longer finishes by itself: it is a
/// process of its own.
const FINISH_WITHIN: Duration = Duration::from_secs(60);

/// How long the page may take to hear a question.
const HEARS_WITHIN: Duration = Duration::from_secs(3);

/// The page, as far as it says that it hears.
#[derive(Default)]
pub struct Page(Notify);

impl Page {
    /// It has heard what the shell asked.
    pub fn hears(&self) {
        self.0.notify_waiters();
    }
}

/// Whether the end has begun.
#[derive(Default)]
pub struct Leaving(AtomicBool);

impl Leaving {
    /// Whether the end has begun.
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// The window's close button: puts the window away while something records, or may have to by itself, and quits
/// otherwise.
pub async fn close_requested(app: &AppHandle) {
    if records(app) || stands_by(app) {
        window::put_away(app).await;
    } else {
        leave(app, true).await;
    }
}

/// Quit from the tray or the system's menu: asks through the page while something records, and by itself
/// where the page is dead.
pub async fn quit_requested(app: &AppHandle) {
    if !records(app) {
        return leave(app, true).await;
    }
    window::show(app);
    let page = app.state::<Page>();
    let heard = page.0.notified();
    if let Err(error) = app.emit_to(window::LABEL, SHELL, QUIT_REQUESTED) {
        tracing::warn!(%error, "the page cannot be asked");
    }
    if tokio::time::timeout(HEARS_WITHIN, heard).await.is_err() {
        ask(app);
    }
}

/// Asks without the page.
fn ask(app: &AppHandle) {
    let answered = app.clone();
    app.dialog()
        .message("The window does not answer. Recordings are processes of their own and still run.")
        .title("Quit Tallylight?")
        .kind(MessageDialogKind::Warning)
        .buttons(MessageDialogButtons::OkCancelCustom("Finish and quit".into(), "Cancel".into()))
        .show(move |finish| {
            if finish {
                tauri::async_runtime::spawn(async move { leave(&answered, true).await });
            }
        });
}

/// Ends Tallylight. With `finish`, stops and finalises every job first; without, leaves recordings
/// running: they are processes of their own, and the next start finds them.
pub async fn leave(app: &AppHandle, finish: bool) {
    if app.state::<Leaving>().0.swap(true, Ordering::SeqCst) {
        return;
    }
    // Gone at once for the operator; the files are finished behind.
    if let Some(window) = window::main(app)
        && let Err(error) = window.hide()
    {
        tracing::warn!(%error, "the window does not hide");
    }
    if let Some(studio) = app.state::<Opened>().now() {
        demo::leave(app, &studio).await;
        match tokio::time::timeout(FINISH_WITHIN, studio.shut_down(finish)).await {
            Ok(Ok(())) => tracing::info!(finish, "the studio is shut down"),
            Ok(Err(error)) => {
                tracing::error!(%error, detail = error.detail, "the studio is not shut down cleanly")
            }
            Err(_) => tracing::error!("jobs are still finishing; they go on by themselves"),
        }
    }
    app.exit(0);
}

/// Ends Tallylight when the system asks, at the end of the session for instance, and leaves recordings
/// running.
#[cfg(unix)]
pub async fn on_signals(app: AppHandle) {
    use tokio::signal::unix::{SignalKind, signal};

    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()))
    else {
        return tracing::warn!("signals cannot be caught; the system ends Tallylight without a word");
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = hangup.recv() => {}
    }
    tracing::info!("asked to go; recordings go on");
    leave(&app, false).await;
}

/// Windows and macOS speak through the event loop.
#[cfg(not(unix))]
pub async fn on_signals(_app: AppHandle) {}

/// Whether the studio waits for rooms or callers: without it nobody would record them.
fn stands_by(app: &AppHandle) -> bool {
    app.state::<Opened>().now().is_some_and(|studio| studio.stands_by())
}

/// Whether any job has an output. Before the studio is open nobody knows of any, and none is touched.
fn records(app: &AppHandle) -> bool {
    app.state::<Opened>().now().is_some_and(|studio| !studio.running().is_empty())
}
