//! Units become one picture and one mix, on one clock.

pub mod decode;
pub mod mix;
pub mod picture;
pub mod program;
pub mod turns;
