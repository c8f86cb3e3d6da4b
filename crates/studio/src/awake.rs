//! Keeps the computer from going to sleep while something records.

use std::sync::Arc;
use std::sync::mpsc;

use parking_lot::Mutex;

/// A wish, and a thread that sees to it: on Windows the wish belongs to the thread that made it, and on
/// Linux making it may wait for a bus.
pub(crate) struct Awake {
    wishes: mpsc::Sender<bool>,
    wished: bool,
    failure: Arc<Mutex<Option<String>>>,
}

impl Awake {
    pub(crate) fn new() -> Self {
        let (wishes, wished) = mpsc::channel();
        let failure = Arc::new(Mutex::new(None));
        let report = failure.clone();
        let thread = std::thread::Builder::new().name("awake".into()).spawn(move || keep(&wished, &report));
        if let Err(error) = thread {
            *failure.lock() = Some(error.to_string());
        }
        Self { wishes, wished: false, failure }
    }

    /// Wishes that the computer stays awake, or no longer.
    pub(crate) fn set(&mut self, wish: bool) {
        if wish != self.wished {
            self.wished = wish;
            let _ = self.wishes.send(wish);
        }
    }

    /// Why the wish cannot be met.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failure.lock().clone()
    }
}

fn keep(wishes: &mpsc::Receiver<bool>, report: &Mutex<Option<String>>) {
    let mut held = None;
    while let Ok(wish) = wishes.recv() {
        if !wish {
            held = None;
            *report.lock() = None;
        } else if held.is_none() {
            let made = keepawake::Builder::default()
                .idle(true)
                .sleep(true)
                .reason("Recording")
                .app_name("Tallylight")
                .app_reverse_domain("io.tallylight.Tallylight")
                .create();
            match made {
                Ok(awake) => held = Some(awake),
                Err(error) => {
                    tracing::warn!(%error, "the computer may go to sleep");
                    *report.lock() = Some(error.to_string());
                }
            }
        }
    }
    drop(held);
}
