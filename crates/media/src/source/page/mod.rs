//! A web page as a source: Chromium on a screen and a loudspeaker of its own, captured.

mod arrival;
mod browser;
mod capture;
mod heard;
mod sandbox;
mod screen;
pub mod site;
mod sound;
mod switches;

use std::future::Future;
use std::path::{Path, PathBuf};

use egress::wire::Tuning;

pub use capture::{CaptureSize, Captured};
pub use heard::PageEvent;

use browser::Browser;
use capture::Capture;
use sandbox::Sandbox;
use screen::Screen;
use sound::Loudspeaker;

use crate::chain::ChainError;

/// Why a page has no stage, or has lost it.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// A program is not installed or cannot be started.
    #[error("{program} cannot be started: {source}")]
    Missing {
        /// Which.
        program: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// There is no Chromium.
    #[error("no Chromium was found")]
    NoBrowser,
    /// A program ended, or did not start in time.
    #[error("{program} ended")]
    Died {
        /// Which.
        program: &'static str,
    },
    /// The job's folder cannot be used.
    #[error("{} cannot be written: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Chromium does not do what it is told.
    #[error("Chromium: {0}")]
    Browser(#[from] Box<chromiumoxide::error::CdpError>),
    /// The capture cannot start.
    #[error("capture: {0}")]
    Capture(#[from] ChainError),
}

impl From<chromiumoxide::error::CdpError> for StageError {
    fn from(error: chromiumoxide::error::CdpError) -> Self {
        Self::Browser(Box::new(error))
    }
}

/// A page being captured. Dropping it ends everything that was started for it.
pub struct PageSource {
    // Dropped in this order: nothing captures a screen that is gone.
    _capture: Capture,
    browser: Browser,
    screen: Screen,
    loudspeaker: Loudspeaker,
}

impl PageSource {
    /// Starts an empty page in `folder`, which is the job's and which only its owner may enter, and
    /// captures it from then on. `unix_ns` tells the time; `deliver` must not block for long.
    ///
    /// # Errors
    /// If a program is missing or does not start.
    pub async fn start(
        folder: &Path,
        size: CaptureSize,
        tuning: &Tuning,
        unix_ns: impl Fn() -> i64,
        deliver: impl Fn(Captured) + Send + Sync + 'static,
    ) -> Result<Self, StageError> {
        let sandbox = Sandbox::find().await;
        let pixels = (size.width, size.height);
        let (screen, loudspeaker) =
            tokio::try_join!(Screen::start(sandbox, folder, pixels), Loudspeaker::start(sandbox, folder))?;
        let browser = Browser::start(sandbox, folder, &screen, &loudspeaker, pixels, tuning).await?;
        let capture = Capture::start(&screen, &loudspeaker, size, unix_ns, deliver)?;
        Ok(Self { _capture: capture, browser, screen, loudspeaker })
    }

    /// Leaves for the page at `url`. Whether it comes is told by [`PageSource::event`].
    pub fn open(&self, url: &str) {
        self.browser.open(url);
    }

    /// Runs a script in the page; comes back with its value, or says that Chromium does not answer.
    pub fn script(
        &self,
        script: &str,
    ) -> impl Future<Output = Result<serde_json::Value, StageError>> + Send + use<> {
        self.browser.script(script)
    }

    /// Adds to what happens, for who has found it out in another way.
    pub fn note(&self, event: PageEvent) {
        self.browser.note(event);
    }

    /// What happens next. Safe to cancel.
    ///
    /// # Errors
    /// If one of the programs has ended.
    pub async fn event(&mut self) -> Result<PageEvent, StageError> {
        tokio::select! {
            event = self.browser.event() => Ok(event),
            () = self.screen.ended() => Err(StageError::Died { program: "Xvfb" }),
            () = self.loudspeaker.ended() => Err(StageError::Died { program: "pulseaudio" }),
        }
    }
}
