//! What of Redis is configured: the `redis:` of LiveKit's own configuration, word for word.

use std::time::Duration;

use egress::error::{ApiError, ErrorCode, Fault};
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// Where Redis is and how it is entered. One of `address`, `sentinel_addresses` and `cluster_addresses`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RedisConfig {
    /// `host:port`, or `redis://` or `rediss://` with what else an address of Redis says: user, password, database, TLS.
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

    /// The configuration with plain addresses: what an address of `redis://` says stands in its fields, unless they say
    /// something themselves.
    ///
    /// # Errors
    /// No address, one that leads nowhere, or what is not supported.
    pub fn resolved(mut self) -> Result<Self, ApiError> {
        let one = std::slice::from_mut(&mut self.address).iter_mut();
        let all = one.chain(&mut self.sentinel_addresses).chain(&mut self.cluster_addresses);
        let mut said = Vec::new();
        for address in all.filter(|address| address.contains("://")) {
            let (plain, info) = taken_apart(address)?;
            *address = plain;
            said.push(info);
        }
        for info in said {
            let settings = info.redis_settings();
            if self.username.is_empty() {
                self.username = settings.username().unwrap_or_default().to_owned();
            }
            if self.password.expose_secret().is_empty() {
                self.password = settings.password().unwrap_or_default().into();
            }
            if self.db == 0 {
                self.db = settings.db();
            }
            if let ConnectionAddr::TcpTls { insecure, .. } = info.addr() {
                self.use_tls = true;
                if *insecure {
                    let tls = self.tls.get_or_insert_with(TlsConfig::default);
                    (tls.enabled, tls.insecure) = (true, true);
                }
            }
        }
        self.check()?;
        Ok(self)
    }

    /// What of it makes no sense.
    fn check(&self) -> Result<(), ApiError> {
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
                return wrong(
                    format!("{address} is not the address of a Redis."),
                    "Write it as host:port, redis://host:port or rediss://host:port.",
                );
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

/// An address of `redis://` or `rediss://`: `host:port`, and all that it says. It may hold a password, and is not shown.
fn taken_apart(address: &str) -> Result<(String, ConnectionInfo), ApiError> {
    let wrong = |cause: String| {
        ApiError::new(
            ErrorCode::InvalidArgument,
            Fault::Input,
            "An address of Redis in the configuration cannot be used.",
            "Write it as host:port, redis://user:password@host:port/db or rediss://….",
        )
        .with_detail(cause)
    };
    let scheme = address.split_once("://").map_or("", |(scheme, _)| scheme);
    if !matches!(scheme, "redis" | "rediss") {
        return Err(wrong("its scheme is neither redis nor rediss".to_owned()));
    }
    if address.contains('?') {
        return Err(wrong("it has options (?…), which belong into keys of their own".to_owned()));
    }
    let info = address.into_connection_info().map_err(|error| wrong(error.category().to_owned()))?;
    let (host, port) = match info.addr() {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => (host, port),
        _ => return Err(wrong("it leads to no host".to_owned())),
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    Ok((format!("{host}:{port}"), info))
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
        assert!(config.clone().resolved().is_ok());
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
            r#"{"address": "http://a:1"}"#,
            r#"{"address": "redis://"}"#,
            r#"{"address": "redis://a:1/db"}"#,
            r#"{"address": "redis://:hunter2@a:1?protocol=3"}"#,
        ] {
            let error = config(wrong).resolved().expect_err(wrong);
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
        assert_eq!(host_and_port("[::1]:6379"), Some(("::1".to_owned(), 6379)));
    }

    #[test]
    fn addresses_are_taken_for_what_they_say() {
        let of = |json: &str| {
            let config = config(json).resolved().unwrap();
            let password = config.password.expose_secret().to_owned();
            (config.address.clone(), config.username.clone(), password, config.db, config.secure())
        };
        let said = |address: &str, user: &str, password: &str, db, tls| {
            (address.to_owned(), user.to_owned(), password.to_owned(), db, tls)
        };
        assert_eq!(of(r#"{"address": "redis://a"}"#), said("a:6379", "", "", 0, false));
        assert_eq!(
            of(r#"{"address": "rediss://egress:p%40w@redis.example:6380/2"}"#),
            said("redis.example:6380", "egress", "p@w", 2, true)
        );
        assert_eq!(of(r#"{"address": "redis://:pw@[::1]:1"}"#), said("[::1]:1", "", "pw", 0, false));
        assert_eq!(
            of(
                r#"{"address": "redis://u:p@a:1/1", "username": "v", "password": "q", "db": 3, "use_tls": true}"#
            ),
            said("a:1", "v", "q", 3, true),
            "what stands in the fields counts"
        );
        let many = config(r#"{"cluster_addresses": ["rediss://:pw@a:1", "b:2"]}"#).resolved().unwrap();
        assert_eq!(many.cluster_addresses, ["a:1", "b:2"]);
        assert!(many.secure() && !many.insecure());
        assert!(config(r#"{"address": "rediss://a:1/#insecure"}"#).resolved().unwrap().insecure());
    }
}
