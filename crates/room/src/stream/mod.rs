//! One RTP stream: from packets as they arrive to packets in order, on the room's clock.
//!
//! Everything here is pure: the time is an argument.

pub(crate) mod clock;
pub(crate) mod jitter;
mod keyframe;
pub(crate) mod payload;
pub(crate) mod receiver;
pub(crate) mod red;
pub(crate) mod standstill;
