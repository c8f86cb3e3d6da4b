//! How the system asks a job to end.

/// The system's request to end: SIGTERM, or SIGINT from a terminal. SIGHUP is not one: a job outlives
/// the terminal its studio was started in.
pub struct EndSignal {
    #[cfg(unix)]
    signals: Option<(tokio::signal::unix::Signal, tokio::signal::unix::Signal, tokio::signal::unix::Signal)>,
}

impl EndSignal {
    /// Begins to listen.
    pub fn new() -> Self {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let signals = signal(SignalKind::terminate()).ok().zip(signal(SignalKind::interrupt()).ok());
            let signals =
                signals.zip(signal(SignalKind::hangup()).ok()).map(|((term, int), hup)| (term, int, hup));
            Self { signals }
        }
        #[cfg(not(unix))]
        Self {}
    }

    /// Returns when asked to end. Safe to cancel.
    pub async fn wait(&mut self) {
        #[cfg(unix)]
        match self.signals.as_mut() {
            Some((term, int, hup)) => loop {
                tokio::select! {
                    _ = term.recv() => return,
                    _ = int.recv() => return,
                    _ = hup.recv() => {}
                }
            },
            None => std::future::pending().await,
        }
        #[cfg(not(unix))]
        {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Default for EndSignal {
    fn default() -> Self {
        Self::new()
    }
}
