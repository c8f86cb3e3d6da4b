//! The subscriber against the real LiveKit server and real publishers.
//!
//! The server's path is taken from `TALLYLIGHT_LIVEKIT_SERVER`, else from the cache that `npm test` fills;
//! the publishers need the npm packages of the workspace. Where either is missing, the tests fail.

mod harness;
mod media;
mod network;
mod service;
