//! The one command surface that every front end calls.

pub mod surface;
