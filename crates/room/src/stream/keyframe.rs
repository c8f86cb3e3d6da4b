//! When a publisher is asked for a key frame.

use std::time::{Duration, Instant};

/// Least time between two requests.
const KEYFRAME_INTERVAL: Duration = Duration::from_millis(500);

/// Whether a key frame is missing, and what has been done about it.
#[derive(Debug)]
pub(super) struct KeyframeRequests {
    /// A stream of pictures; another has no key frames.
    video: bool,
    wanted: bool,
    requested_at: Option<Instant>,
    /// Packets came since the last request, so that there is a publisher to answer.
    flowing: bool,
}

impl KeyframeRequests {
    /// A subscription begins. The server asks for a key frame itself then: the first request of ours comes only if that
    /// one is not answered in time.
    pub(super) fn new(video: bool) -> Self {
        Self { video, wanted: video, requested_at: None, flowing: false }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// A packet came at `at`.
    pub(super) fn received(&mut self, at: Instant) {
        self.requested_at.get_or_insert(at);
        self.flowing = true;
    }

    /// Something is lost.
    pub(super) fn want(&mut self) {
        self.wanted |= self.video;
    }

    /// Somebody wants one, whatever was received.
    pub(super) fn ask(&mut self) {
        self.want();
        self.flowing |= self.video;
    }

    /// It is there.
    pub(super) fn came(&mut self) {
        self.wanted = false;
    }

    /// When the next request is due.
    pub(super) fn due(&self) -> Option<Instant> {
        (self.wanted && self.flowing).then_some(self.requested_at? + KEYFRAME_INTERVAL)
    }

    /// Whether to ask now.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        if self.due().is_none_or(|due| due > now) {
            return false;
        }
        self.requested_at = Some(now);
        self.flowing = false;
        true
    }
}
