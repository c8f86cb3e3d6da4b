//! Room tracks become timed, encoded units.

pub mod depayload;
pub mod opus;
pub mod select;
