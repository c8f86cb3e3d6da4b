//! Keeps the computer from going to sleep while a job records. The job does it itself: the studio may die, or
//! be told to go, while recordings go on.

use std::sync::mpsc;

use egress::error::{ApiError, ErrorCode, Fault};

/// A wish, and a thread that sees to it: on Windows the wish belongs to the thread that made it, and on
/// Linux making it may wait for a bus.
#[derive(Debug)]
pub struct Awake {
    wishes: Option<mpsc::Sender<bool>>,
    wished: bool,
}

impl Awake {
    /// Nothing is wished yet.
    pub fn new() -> Self {
        let (wishes, wished) = mpsc::channel();
        let thread = std::thread::Builder::new().name("awake".into()).spawn(move || keep(&wished));
        if let Err(error) = &thread {
            tracing::warn!(%error, "the computer may go to sleep");
        }
        Self { wishes: thread.is_ok().then_some(wishes), wished: false }
    }

    /// Wishes that the computer stays awake, or no longer.
    pub fn set(&mut self, wish: bool) {
        if wish != self.wished {
            self.wished = wish;
            // The thread lives as long as this does.
            let _ = self.wishes.as_ref().map(|wishes| wishes.send(wish));
        }
    }
}

impl Default for Awake {
    fn default() -> Self {
        Self::new()
    }
}

fn keep(wishes: &mpsc::Receiver<bool>) {
    let mut held = None;
    while let Ok(wish) = wishes.recv() {
        if !wish {
            held = None;
        } else if held.is_none() {
            held = inhibit().inspect_err(|error| tracing::warn!(%error, "the computer may go to sleep")).ok();
        }
    }
    drop(held);
}

fn inhibit() -> Result<keepawake::KeepAwake, keepawake::Error> {
    keepawake::Builder::default()
        .idle(true)
        .sleep(true)
        .reason("Recording")
        .app_name("Tallylight")
        .app_reverse_domain("io.tallylight.Tallylight")
        .create()
}

/// Why this computer cannot be kept awake, if so.
pub fn problem() -> Option<ApiError> {
    let error = inhibit().err()?;
    let problem = ApiError::new(
        ErrorCode::Unsupported,
        Fault::Environment,
        "Tallylight cannot keep this computer awake while it records.",
        "Switch off automatic sleep in the system's settings before a long recording.",
    );
    Some(problem.with_detail(error))
}
