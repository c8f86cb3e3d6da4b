//! A LiveKit room at RTP level.

pub mod event;
