//! The studio, which opens while the window already shows.

use egress::error::{ApiError, ErrorCode, Fault};
use studio::Studio;
use tokio::sync::watch;

/// What came of opening the studio; none while it is being opened.
type Outcome = Option<Result<Studio, ApiError>>;

/// Hands out the studio to whoever calls for it, once it is open. Opening may have files to repair, and
/// the window does not wait for that.
#[derive(Clone)]
pub struct Opened {
    outcome: watch::Receiver<Outcome>,
}

/// The side that says what came of it.
pub struct Opening {
    outcome: watch::Sender<Outcome>,
}

impl Opening {
    /// Nothing is known yet.
    pub fn new() -> (Self, Opened) {
        let (sender, receiver) = watch::channel(None);
        (Self { outcome: sender }, Opened { outcome: receiver })
    }

    /// Says what came of it, to everybody who waits and will ask.
    pub fn done(self, result: Result<Studio, ApiError>) {
        self.outcome.send_replace(Some(result));
    }
}

impl Opened {
    /// The studio, as soon as it is open, or why it cannot be.
    pub async fn studio(&self) -> Result<Studio, ApiError> {
        let mut outcome = self.outcome.clone();
        match outcome.wait_for(Option::is_some).await {
            Ok(known) => known.clone().unwrap_or_else(|| Err(gone())),
            Err(_) => Err(gone()),
        }
    }

    /// The studio, if it is open by now.
    pub fn now(&self) -> Option<Studio> {
        self.outcome.borrow().as_ref().and_then(|outcome| outcome.as_ref().ok().cloned())
    }
}

fn gone() -> ApiError {
    ApiError::new(
        ErrorCode::Internal,
        Fault::Ours,
        "Tallylight stopped while it was starting",
        "Start it again. If it happens again, report it with the log file.",
    )
}
