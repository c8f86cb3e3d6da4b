//! Room tracks become timed, encoded units; a web page becomes pictures and sound.

pub mod depayload;
pub mod opus;
#[cfg(target_os = "linux")]
pub mod page;
pub mod select;
