//! Raw picture and sound become encoded units.

pub mod effort;
pub mod encoder;
pub mod h264;
pub mod held;
pub mod keyframes;
pub mod probe;
pub mod set;
