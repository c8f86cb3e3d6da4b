//! How fast uploads may go: a limit the operator sets, and what is left to them while something live runs.

use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::Instant;
use ts_rs::TS;

/// What uploads leave to live streams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Yield {
    /// Nothing: none runs.
    #[default]
    No,
    /// All but this, bits a second.
    Throttle {
        /// Bits a second for all uploads together.
        #[ts(type = "number")]
        bps: u64,
    },
    /// Everything: no part is begun; those under way go on.
    Pause,
}

/// A bucket that fills with what may be sent.
#[derive(Debug)]
pub(crate) struct Pace {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    limit_bps: Option<u64>,
    yielding: Yield,
    /// Bytes that may go now. Below zero: they went ahead of their time.
    tokens: f64,
    at: Instant,
}

impl State {
    fn bytes_per_s(&self) -> Option<f64> {
        let throttle = match self.yielding {
            Yield::Throttle { bps } => Some(bps),
            Yield::No | Yield::Pause => None,
        };
        let bps = match (self.limit_bps, throttle) {
            (Some(a), Some(b)) => a.min(b),
            (a, b) => a.or(b)?,
        };
        Some((bps as f64 / 8.0).max(1.0))
    }
}

impl Pace {
    pub(crate) fn new(limit_bps: Option<u64>) -> Self {
        let state = State { limit_bps, yielding: Yield::No, tokens: 0.0, at: Instant::now() };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    pub(crate) fn set_limit(&self, limit_bps: Option<u64>) {
        self.state.lock().limit_bps = limit_bps;
        self.changed.notify_waiters();
    }

    pub(crate) fn set_yield(&self, yielding: Yield) {
        self.state.lock().yielding = yielding;
        self.changed.notify_waiters();
    }

    pub(crate) fn paused(&self) -> bool {
        self.state.lock().yielding == Yield::Pause
    }

    /// How much to send at a time, bytes: small where every bit counts.
    pub(crate) fn piece(&self) -> usize {
        match self.state.lock().bytes_per_s() {
            Some(rate) => ((rate / 20.0) as usize).clamp(1 << 10, 256 << 10),
            None => 256 << 10,
        }
    }

    /// Waits until `bytes` may go.
    pub(crate) async fn take(&self, bytes: usize) {
        let mut asked = false;
        loop {
            let changed = self.changed.notified();
            let wait = {
                let mut state = self.state.lock();
                let now = Instant::now();
                let Some(rate) = state.bytes_per_s() else {
                    state.at = now;
                    state.tokens = 0.0;
                    return;
                };
                let earned = (now - state.at).as_secs_f64() * rate;
                // A tenth of a second may be saved up, no more: a limit is no average over the night.
                state.tokens = (state.tokens + earned).min(rate / 10.0);
                state.at = now;
                if !asked {
                    state.tokens -= bytes as f64;
                    asked = true;
                }
                if state.tokens >= 0.0 {
                    return;
                }
                Duration::from_secs_f64((-state.tokens / rate).min(5.0))
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = changed => {}
            }
        }
    }

    /// Waits while everything is left to live streams.
    pub(crate) async fn open(&self) {
        loop {
            let changed = self.changed.notified();
            if !self.paused() {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_limit_is_kept_and_lifted_at_once() {
        // 1 MB/s, of which a tenth of a second may be saved up.
        let pace = std::sync::Arc::new(Pace::new(Some(8_000_000)));
        let began = Instant::now();
        for _ in 0..6 {
            pace.take(100_000).await;
        }
        assert!(began.elapsed() >= Duration::from_millis(490), "{:?}", began.elapsed());

        pace.set_yield(Yield::Throttle { bps: 8 });
        let slow = tokio::spawn({
            let pace = pace.clone();
            async move { pace.take(1_000_000).await }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!slow.is_finished());
        pace.set_yield(Yield::No);
        pace.set_limit(None);
        // At 8 bits a second it would not be over this week.
        slow.await.unwrap();

        pace.set_yield(Yield::Pause);
        let paused = tokio::spawn({
            let pace = pace.clone();
            async move { pace.open().await }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!paused.is_finished());
        pace.set_yield(Yield::No);
        paused.await.unwrap();
    }
}
