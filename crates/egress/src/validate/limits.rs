//! What ends a job by configuration.

use super::outputs::Targets;
use crate::spec::Limits;

/// What ends jobs by the kinds of their outputs: LiveKit's `session_limits`. The smallest that concerns a job holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionLimits {
    /// Longest run of a job with a file, s.
    pub file_max_s: Option<u64>,
    /// Largest file, bytes.
    pub file_max_bytes: Option<u64>,
    /// Longest run of a job with a stream, s.
    pub stream_max_s: Option<u64>,
    /// Longest run of a job with segments, s.
    pub segments_max_s: Option<u64>,
    /// Longest run of a job with images, s.
    pub images_max_s: Option<u64>,
}

impl SessionLimits {
    pub(super) fn of(self, targets: &Targets<'_>) -> Limits {
        let streams = targets.streams.is_some() || !targets.sockets.is_empty();
        let concerned = [
            self.file_max_s.filter(|_| targets.file.is_some()),
            self.stream_max_s.filter(|_| streams),
            self.segments_max_s.filter(|_| targets.segments.is_some()),
            self.images_max_s.filter(|_| !targets.images.is_empty()),
        ];
        Limits {
            max_duration_s: concerned.into_iter().flatten().min(),
            max_size_bytes: self.file_max_bytes.filter(|_| targets.file.is_some()),
        }
    }
}
