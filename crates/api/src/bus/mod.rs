//! Jobs from a self-hosted LiveKit server over its Redis, in place of LiveKit Egress.
//!
//! - [`psrpc`] is LiveKit's way to call over Redis: its envelopes and channels, who gets to answer, and both ends.
//! - [`redis`] is the connection, as LiveKit's own configuration describes it.
//! - [`worker`] bids for jobs as far as this computer can carry them, hands them to the studio, and tells the
//!   server what becomes of them until it has heard it.
//!
//! Whoever may read that Redis sees requests with their storage keys and stream keys, and may forge them: it wants
//! a user of its own, TLS, or a network of its own. Nothing of a request is logged or kept here.

pub mod psrpc;
pub mod redis;
pub mod worker;
