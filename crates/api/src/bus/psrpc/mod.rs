//! psrpc, LiveKit's calls over publish and subscribe, as far as an egress worker needs them.
//!
//! What is pure is apart from what talks: names ([`channel`]), bytes ([`envelope`]), who waits for whom ([`claim`])
//! and errors ([`code`]) know no connection and no clock. [`server`] answers calls, [`client`] makes them.
//!
//! psrpc promises no stability. Nothing is negotiated: both sides know each method's flags ([`Method`]).

pub mod channel;
pub mod claim;
pub mod client;
pub mod code;
pub mod envelope;
pub mod server;

use rand::Rng;

pub use client::Client;
pub use code::{Code, RpcError};
pub use server::{Server, Serving};

/// A method of a service, with the flags that both sides have compiled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// Its service.
    pub service: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Whether who answers is agreed on first: servers bid, the caller grants.
    pub claim: bool,
    /// Whether the servers race for each request beforehand, so that only one of them sees it.
    pub queue: bool,
}

/// An id in psrpc's shape: a prefix and twelve letters and digits.
pub(crate) fn random_id(prefix: &str) -> String {
    let mut rng = rand::rng();
    let tail = (0..12).map(|_| char::from(rng.sample(rand::distr::Alphanumeric)));
    prefix.chars().chain(tail).collect()
}

/// Unix time, ns. Requests expire by the wall clock of whoever made them.
pub(crate) fn now_ns() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
