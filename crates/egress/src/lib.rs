//! What is asked of an egress and what is so.
//!
//! This crate holds the vocabulary that every other part of Tallylight speaks: a request made to the
//! studio ([`request`]), the validated job that comes of it ([`spec`]), the facts a job reports
//! ([`fact`]), the people of a room ([`roster`]) and the errors ([`error`]). It does no IO: time,
//! randomness and the file system are arguments.

pub mod container;
mod encoding;
pub mod error;
pub mod fact;
pub mod filename;
pub mod id;
pub mod info;
pub mod manifest;
pub mod protocol;
pub mod redact;
pub mod request;
pub mod roster;
pub mod spec;
pub mod state;
pub mod validate;
pub mod wire;
