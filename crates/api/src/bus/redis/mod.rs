//! The connection to Redis.

mod config;
mod dial;
mod line;

pub use config::{RedisConfig, TlsConfig};
pub use line::{Line, LineError, LineState, Received};
