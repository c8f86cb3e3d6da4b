//! What is asked of an egress and what is so.
//!
//! This crate holds the vocabulary that every other part of Tallylight speaks, and the decisions that need
//! no IO: time, randomness and the file system are arguments.
//!
//! - Going in: what the window asks ([`request`]) is put into LiveKit's words ([`protocol`]), and whatever
//!   is in LiveKit's words, from the window or from a script, is checked in one place ([`validate`]) and
//!   becomes a job ([`spec`]). How a job is named on disk and in which container it goes is decided by
//!   [`filename`] and [`container`].
//! - Coming out: a job reports facts ([`fact`]) over its socket ([`wire`]); folded, they are its state
//!   ([`state`]), which is told to the world as [`info`] and left beside the file as [`manifest`].
//! - What a program picture is made of is in [`layout`].
//! - Where files are uploaded to is in [`storage`], its secrets apart from its settings.
//! - What LiveKit's own egress service is to run is put into its words by [`elsewhere`].
//! - The people of a room are in [`roster`], errors in [`error`], [`text`] cuts what strangers say, and [`redact`] keeps
//!   secrets out of all that is stored or shown.

pub mod container;
pub mod destination;
pub mod elsewhere;
mod encoding;
pub mod error;
pub mod fact;
pub mod filename;
pub mod id;
pub mod info;
pub mod layout;
pub mod life;
pub mod live_url;
pub mod manifest;
pub mod names;
pub mod protocol;
pub mod redact;
pub mod request;
pub mod roster;
pub mod shown;
pub mod spec;
pub mod state;
pub mod storage;
pub mod stream;
pub mod text;
pub mod validate;
pub mod websocket;
pub mod wire;
