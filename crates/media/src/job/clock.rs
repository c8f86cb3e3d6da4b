//! The room's clock on this side: unix time at the start of the job, carried on monotonically, so that
//! it agrees with the times of packets and does not jump when the system's clock is set.

use std::time::Instant;

use crate::job::log::unix_now_ns;

/// A monotonic unix clock.
#[derive(Debug, Clone, Copy)]
pub struct RoomClock {
    started: Instant,
    unix_ns: i64,
}

impl RoomClock {
    /// Starts now.
    pub fn start() -> Self {
        Self { started: Instant::now(), unix_ns: unix_now_ns() }
    }

    /// Now, unix time, ns.
    pub fn now_ns(&self) -> i64 {
        self.unix_ns + self.started.elapsed().as_nanos() as i64
    }
}
