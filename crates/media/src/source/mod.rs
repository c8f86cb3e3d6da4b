//! Room tracks become timed, encoded units; a page becomes timed pictures and sound.

pub mod depayload;
pub mod opus;
pub mod page;
pub mod select;
