//! Units go into files that are playable at every moment.

pub mod container;
pub mod disk;
pub mod file;
pub mod mp3;
pub mod mp4;
pub mod mux;
pub mod ogg;
pub mod repair;
pub mod still;
pub mod webm;
