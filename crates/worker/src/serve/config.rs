//! The configuration of the service: LiveKit Egress's own `config.yaml`, and what is ours beside it.

mod read;
#[cfg(test)]
mod tests;
mod yaml;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use api::admission::CpuCost;
use api::bus::redis::RedisConfig;
use egress::wire::BrowserFlag;
use jiff::SignedDuration;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de};

use super::storage::{AliOss, Azure, Gcp, S3, Secret, StorageConfig};

pub use read::{Read, read, text};

/// What stands in the file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Config {
    /// LiveKit's Redis: with it, its server sends requests.
    pub redis: Option<RedisConfig>,
    /// Key of the LiveKit server, and of callers of this service (`LIVEKIT_API_KEY`).
    pub api_key: String,
    /// Its secret (`LIVEKIT_API_SECRET`).
    pub api_secret: Option<SecretString>,
    /// Address of the LiveKit server (`LIVEKIT_WS_URL`).
    pub ws_url: String,
    /// Port of the health page; 0: none.
    pub health_port: u16,
    /// Port of the metrics; 0: none.
    pub prometheus_port: u16,
    /// Where LiveKit Egress serves its own such page; ours needs no port.
    pub template_port: u16,
    /// The page that draws layouts where a request names none.
    pub template_base: String,
    /// What is logged, LiveKit's older key.
    pub log_level: Option<Level>,
    /// What is logged, and how.
    pub logging: Logging,
    /// What Chromium is started with besides, by the names of its switches without dashes.
    pub chrome_flags: BTreeMap<String, BrowserFlag>,
    /// Whether a page may be at an address without a good certificate, and use what is not encrypted.
    pub insecure: bool,
    /// Threads of the H.264 encoder; 0 for as many as it likes.
    pub video_encoder_threads: u32,
    /// Where recordings go on this computer.
    pub local_directory: Option<PathBuf>,
    /// Where they are uploaded to.
    pub storage: Option<StorageConfig>,
    /// Where they go when that fails.
    pub backup: Option<StorageConfig>,
    /// The same, by the name that LiveKit's manual gives it: a folder, or a storage.
    pub backup_storage: Option<Backup>,
    /// Whether files may stay on this computer alone.
    pub disallow_local_storage: bool,
    /// Whether requests that name a bucket without keys are refused: they would upload as this computer itself.
    pub disallow_machine_identity: bool,
    /// The storage, where older configurations have it.
    pub s3: Option<S3>,
    /// As `s3`.
    pub azure: Option<Azure>,
    /// As `s3`.
    pub gcp: Option<Gcp>,
    /// As `s3`.
    pub alioss: Option<AliOss>,
    /// The role by which requests upload to S3 that name none.
    pub s3_assume_role_arn: String,
    /// What its owner wants to hear.
    pub s3_assume_role_external_id: Secret,
    /// Name of the key with which requests without keys assume their role.
    pub s3_assume_role_key: Secret,
    /// The secret of that key.
    pub s3_assume_role_secret: Secret,
    /// What ends jobs.
    pub session_limits: Limits,
    /// What jobs cost.
    pub cpu_cost: CpuCost,
    /// The cluster that this service is part of.
    pub cluster_id: String,
    /// Whom to tell of every egress.
    pub webhook: Option<Webhook>,
    /// The Egress API over HTTP.
    pub api: Option<Http>,
    /// Keys of callers besides the first, with their secrets.
    pub keys: BTreeMap<String, SecretString>,
}

impl Config {
    /// The page that draws layouts. LiveKit's own default means the one that comes with the program.
    pub fn template_base(&self) -> Option<&str> {
        let port = if self.template_port == 0 { 7980 } else { self.template_port };
        let own = format!("http://localhost:{port}");
        let asked = self.template_base.trim_end_matches('/');
        (!asked.is_empty() && asked != own).then_some(self.template_base.as_str())
    }
}

/// How much is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Everything.
    Debug,
    /// What happens.
    #[default]
    Info,
    /// What somebody should look at.
    Warn,
    /// What failed.
    Error,
}

impl Level {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// What is logged, and how.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Logging {
    /// How much.
    pub level: Option<Level>,
    /// As JSON, a line each.
    pub json: bool,
}

/// `backup_storage`.
#[derive(Debug)]
pub enum Backup {
    /// A folder.
    Folder(PathBuf),
    /// A storage.
    Storage(Box<StorageConfig>),
}

impl<'de> Deserialize<'de> for Backup {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> de::Visitor<'de> for Either {
            type Value = Backup;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a folder or a storage")
            }

            fn visit_str<E>(self, folder: &str) -> Result<Backup, E> {
                Ok(Backup::Folder(folder.into()))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Backup, A::Error> {
                let storage = StorageConfig::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Backup::Storage(Box::new(storage)))
            }
        }
        from.deserialize_any(Either)
    }
}

/// `session_limits`. Durations as Go writes them: `90m`, `1h30m`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Of jobs with a file.
    #[serde(deserialize_with = "duration")]
    pub file_output_max_duration: Option<Duration>,
    /// Bytes.
    pub file_output_max_size: u64,
    /// Of jobs with a stream.
    #[serde(deserialize_with = "duration")]
    pub stream_output_max_duration: Option<Duration>,
    /// Of jobs with segments.
    #[serde(deserialize_with = "duration")]
    pub segment_output_max_duration: Option<Duration>,
    /// Of jobs with images.
    #[serde(deserialize_with = "duration")]
    pub image_output_max_duration: Option<Duration>,
}

/// `webhook`, as in the configuration of LiveKit's server.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Webhook {
    /// Which key signs.
    pub api_key: String,
    /// Whom to call.
    pub urls: Vec<String>,
    /// About what.
    pub filter_params: Filter,
}

/// Which events.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// These alone.
    pub include_events: Vec<String>,
    /// All but these.
    pub exclude_events: Vec<String>,
}

/// `api`: ours.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Http {
    /// Where it listens.
    pub bind: IpAddr,
    /// At which port.
    pub port: u16,
    /// Its certificate, PEM.
    pub tls_cert: Option<PathBuf>,
    /// The key of that, PEM.
    pub tls_key: Option<PathBuf>,
}

impl Default for Http {
    fn default() -> Self {
        Self { bind: Ipv4Addr::LOCALHOST.into(), port: 7890, tls_cert: None, tls_key: None }
    }
}

/// A duration as Go writes it, or nanoseconds, as its YAML takes them too. 0 is none.
fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    struct Written;
    impl de::Visitor<'_> for Written {
        type Value = Duration;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a duration such as 90m or 1h30m")
        }

        fn visit_u64<E: de::Error>(self, ns: u64) -> Result<Duration, E> {
            Ok(Duration::from_nanos(ns))
        }

        fn visit_str<E: de::Error>(self, words: &str) -> Result<Duration, E> {
            let duration = words.parse::<SignedDuration>().ok();
            let duration = duration.and_then(|duration| Duration::try_from(duration).ok());
            duration.ok_or_else(|| E::invalid_value(de::Unexpected::Str(words), &self))
        }
    }
    let duration = from.deserialize_any(Written)?;
    Ok((!duration.is_zero()).then_some(duration))
}
