//! Tallylight as a service: what LiveKit's server and its SDKs ask of LiveKit Egress, answered by the studio.
//!
//! - [`http`]: the calls of LiveKit's Egress API, as its server takes them (Twirp), and the pages for health
//!   and metrics.
//! - [`bus`]: jobs from a self-hosted LiveKit server over its Redis.
//! - [`local`]: those calls in the studio with a window, while they are switched on there.
//! - [`admission`]: whether this computer can carry another job, whoever asks.
//! - [`webhook`]: tells others what becomes of an egress.
//! - [`keys`]: the API keys by which calls are checked and webhooks signed.
//!
//! Nothing here decides what an egress does: requests go to the studio as they came, and its answers go back
//! as they are.

pub mod admission;
pub mod bus;
pub mod http;
pub mod keys;
pub mod local;
pub mod webhook;
