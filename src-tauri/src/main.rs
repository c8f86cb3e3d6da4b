//! The desktop shell of Tallylight.

fn main() {}
