//! What of Redis is configured: the `redis:` of LiveKit's own configuration, word for word.

use std::time::Duration;

use egress::error::{ApiError, ErrorCode, Fault};
use secrecy::SecretString;
use serde::Deserialize;

/// Where Redis is and how it is entered. One of `address`, `sentinel_addresses` and `cluster_addresses`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RedisConfig {
    /// `host:port`.
    pub address: String,
    /// User, where Redis has users; empty for none.
    pub username: String,
    /// Password; empty for none.
    pub password: SecretString,
    /// Number of the database. It has to be the server's: locks lie in it.
    pub db: i64,
    /// TLS, with the system's certificates.
    pub use_tls: bool,
    /// TLS, and how.
    pub tls: Option<TlsConfig>,
    /// What Sentinel calls the master.
    pub sentinel_master_name: String,
    /// User at Sentinel.
    pub sentinel_username: String,
    /// Password at Sentinel.
    pub sentinel_password: SecretString,
    /// Sentinels, `host:port`.
    pub sentinel_addresses: Vec<String>,
    /// Nodes of a cluster, `host:port`.
    pub cluster_addresses: Vec<String>,
    /// Longest time to connect, ms; 0 for the default.
    pub dial_timeout: u64,
    /// Longest time for an answer, ms; 0 for the default.
    pub read_timeout: u64,
    /// Longest time to send, ms; 0 for the default. Sending and answer are waited for together.
    pub write_timeout: u64,
    /// How often a cluster may send a command elsewhere.
    pub max_redirects: Option<u32>,
}

/// How TLS is spoken.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct TlsConfig {
    /// Whether it is.
    pub enabled: bool,
    /// Whether any certificate is taken.
    pub insecure: bool,
    /// Name that the server's certificate has to be for, where it is not that of its address. Not supported.
    pub server_name: String,
    /// PEM file with the authority that is trusted, in place of the system's.
    pub ca_cert_file: String,
    /// PEM file with a certificate of ours.
    pub client_cert_file: String,
    /// PEM file with its key.
    pub client_key_file: String,
}

impl RedisConfig {
    /// Whether there is a Redis at all.
    pub fn is_configured(&self) -> bool {
        !self.address.is_empty() || !self.sentinel_addresses.is_empty() || !self.cluster_addresses.is_empty()
    }

    /// What of it makes no sense.
    ///
    /// # Errors
    /// No address, an address without a port, or what is not supported.
    pub fn check(&self) -> Result<(), ApiError> {
        let wrong = |message: String, remedy: &str| {
            Err(ApiError::new(ErrorCode::InvalidArgument, Fault::Input, message, remedy))
        };
        if !self.is_configured() {
            return wrong(
                "The configuration names no Redis.".to_owned(),
                "Set redis.address to what it is in the LiveKit server's configuration.",
            );
        }
        let one = std::slice::from_ref(&self.address).iter().filter(|address| !address.is_empty());
        for address in one.chain(&self.sentinel_addresses).chain(&self.cluster_addresses) {
            if host_and_port(address).is_none() {
                return wrong(format!("{address} is no address of a Redis."), "Write it as host:port.");
            }
        }
        if !self.sentinel_addresses.is_empty() && self.sentinel_master_name.is_empty() {
            return wrong(
                "The configuration names Sentinels and not whom to ask them for.".to_owned(),
                "Set redis.sentinel_master_name.",
            );
        }
        if self.tls.as_ref().is_some_and(|tls| tls.enabled && !tls.server_name.is_empty()) {
            return wrong(
                "A name for Redis' certificate other than that of its address is not supported.".to_owned(),
                "Leave out redis.tls.server_name, and use the name that the certificate is for as address.",
            );
        }
        Ok(())
    }

    pub(crate) fn secure(&self) -> bool {
        self.use_tls || self.tls.as_ref().is_some_and(|tls| tls.enabled)
    }

    pub(crate) fn insecure(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.enabled && tls.insecure)
    }

    pub(crate) fn dial_within(&self) -> Duration {
        or(self.dial_timeout, 5_000)
    }

    pub(crate) fn answer_within(&self) -> Duration {
        // LiveKit's defaults for Sentinel, 0.2 s, lead to commands given up that were carried out.
        or(self.read_timeout.max(self.write_timeout), 3_000)
    }
}

fn or(ms: u64, default_ms: u64) -> Duration {
    Duration::from_millis(if ms == 0 { default_ms } else { ms })
}

/// `host:port` taken apart; an IPv6 address is in brackets.
pub(crate) fn host_and_port(address: &str) -> Option<(String, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = port.parse().ok().filter(|port| *port > 0)?;
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: &str) -> RedisConfig {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn livekits_words_are_read() {
        let config = config(
            r#"{"address": "redis.example:6379", "username": "egress", "password": "pw", "db": 2,
                "tls": {"enabled": true, "insecure": true}, "dial_timeout": 100, "pool_size": 5}"#,
        );
        assert!(config.secure() && config.insecure());
        assert_eq!(config.dial_within(), Duration::from_millis(100));
        assert_eq!(config.answer_within(), Duration::from_secs(3));
        assert!(config.check().is_ok());
        assert!(!format!("{config:?}").contains("pw"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for wrong in [
            "{}",
            r#"{"address": "redis.example"}"#,
            r#"{"address": ":6379"}"#,
            r#"{"cluster_addresses": ["a:1", "b"]}"#,
            r#"{"sentinel_addresses": ["a:26379"]}"#,
            r#"{"address": "a:1", "tls": {"enabled": true, "server_name": "b"}}"#,
        ] {
            assert!(config(wrong).check().is_err(), "{wrong}");
        }
        assert_eq!(host_and_port("[::1]:6379"), Some(("::1".to_owned(), 6379)));
    }
}
