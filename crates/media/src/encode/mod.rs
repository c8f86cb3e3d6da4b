//! Raw picture and sound become encoded units.

pub mod encoder;
pub mod probe;
