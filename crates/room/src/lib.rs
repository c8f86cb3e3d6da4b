//! A LiveKit room at RTP level.
//!
//! - [`clock`]: the one clock of a job;
//! - [`token`]: access tokens for our own participants;
//! - [`service`]: the server's room service: is it there, which rooms, who is in them;
//! - [`session`]: join a room hidden, subscribe to tracks, get their RTP packets in order and on one
//!   clock ([`event`]).

pub mod clock;
pub mod event;
mod roster;
mod sdp;
pub mod service;
pub mod session;
mod signal;
mod stream;
pub mod token;
mod transport;
