//! The subscriber against the real LiveKit server and real publishers.
//!
//! The server's path is taken from `TALLYLIGHT_LIVEKIT_SERVER`, else from the cache that `npm test` fills;
//! the publishers need the npm packages of the workspace. Where either is missing, the tests fail.

// What is wrong in a test is to end it.
#![allow(clippy::unwrap_used)]

mod harness;
mod media;
mod network;
mod service;
