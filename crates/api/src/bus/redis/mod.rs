//! The connection to Redis.

mod config;
mod dial;
mod line;

pub use config::{RedisConfig, TlsConfig};
pub use line::{Confirmed, Line, LineError, LineState, Received};
