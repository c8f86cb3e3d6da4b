//! The studio with real child processes. Most tests use a peer that speaks the job's protocol; those in
//! `real` use `tallylight-job` and a LiveKit server.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod api;
mod auto;
mod bench;
mod jobs;
mod keyring;
mod layouts;
mod live;
mod open_room;
mod real;
mod recovery;
mod secrecy_kept;
mod stores;
mod streams;
mod told;
mod uploads;
