//! The studio's egress calls as others speak them.
//!
//! [`bus`]: jobs from a self-hosted LiveKit server over its Redis, in place of LiveKit Egress.

pub mod bus;
