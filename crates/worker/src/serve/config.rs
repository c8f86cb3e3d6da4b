//! The configuration of the service: LiveKit Egress's own `config.yaml`, and what is ours beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use api::admission::CpuCost;
use api::bus::redis::RedisConfig;
use egress::error::ApiError;
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de};

use super::storage::{AliOss, Azure, Gcp, S3, Secret, StorageConfig};
use crate::args::invalid;

/// Keys of LiveKit Egress that change nothing here, most of them because what they tune is not there.
const WITHOUT_EFFECT: &[&str] = &[
    "audio_tempo_controller",
    "chrome_flags",
    // Sound without a picture takes the same way here, whoever draws.
    "cpu_cost.sdk_audio_room_composite_cpu_cost",
    "debug",
    "debug_handler_port",
    "enable_chrome_sandbox",
    "enable_one_shot_sender_report_sync",
    "enable_sync_engine",
    "insecure",
    "io_create_timeout",
    "io_selection_timeout",
    "io_update_timeout",
    "io_workers",
    "latency",
    "latency_overrides",
    "max_upload_queue",
    "pulse_sink_reap_grace_sec",
    "test_overrides",
    "video_encoder_threads",
];

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
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Backup {
    /// A folder.
    Folder(PathBuf),
    /// A storage.
    Storage(Box<StorageConfig>),
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

/// A configuration, and what in it should be looked at.
#[derive(Debug)]
pub struct Read {
    /// What is configured.
    pub config: Config,
    /// A line each.
    pub warnings: Vec<String>,
}

/// Reads a configuration.
///
/// # Errors
/// It is no YAML, a value is of the wrong kind, or what is needed is missing.
pub fn read(text: &str, from: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Read, ApiError> {
    let mut unknown = BTreeSet::new();
    // An empty file says nothing, and is none of YAML's.
    let text = if text.trim().is_empty() { "{}" } else { text };
    let document = yaml_serde::Deserializer::from_str(text);
    let config: Result<Config, _> = serde_ignored::deserialize(document, |path| {
        // What may be missing is a step of its own in there, by the name of a question mark.
        unknown.insert(path.to_string().replace(".?", ""));
    });
    let mut config = config.map_err(|error| {
        invalid(
            format!("The configuration in {from} cannot be used."),
            "Correct the value at the place named below; the keys are those of LiveKit Egress's config.yaml.",
        )
        .with_detail(without_values(&error.to_string()))
    })?;
    let or = |value: &mut String, name: &str| {
        if value.is_empty()
            && let Some(found) = environment(name)
        {
            *value = found;
        }
    };
    or(&mut config.api_key, "LIVEKIT_API_KEY");
    or(&mut config.ws_url, "LIVEKIT_WS_URL");
    if config.api_secret.as_ref().is_none_or(|secret| secret.expose_secret().is_empty()) {
        config.api_secret =
            environment("LIVEKIT_API_SECRET").filter(|s| !s.is_empty()).map(SecretString::from);
    }
    for (missing, key, name) in [
        (config.api_key.is_empty(), "api_key", "LIVEKIT_API_KEY"),
        (config.api_secret.is_none(), "api_secret", "LIVEKIT_API_SECRET"),
        (config.ws_url.is_empty(), "ws_url", "LIVEKIT_WS_URL"),
    ] {
        if missing {
            let remedy = format!("Write {key} into the file, or {name} into the environment.");
            return Err(invalid(format!("The configuration in {from} holds no {key}."), remedy));
        }
    }
    let warnings = unknown.iter().map(|key| warning(key)).collect();
    Ok(Read { config, warnings })
}

fn warning(key: &str) -> String {
    let top = key.split('.').next().unwrap_or(key);
    if [top, key].iter().any(|key| WITHOUT_EFFECT.contains(key)) {
        format!("{key} has no effect here")
    } else if matches!(top, "s3" | "azure" | "gcp" | "alioss") {
        format!("{key} is not known: a storage stands below the key storage")
    } else {
        format!("{key} is not known")
    }
}

/// What a parser says, without the texts that it found: one of them may be a secret in the wrong place.
fn without_values(words: &str) -> String {
    let Some((before, rest)) = words.split_once("string \"") else { return words.to_owned() };
    match rest.rsplit_once("\", expected") {
        Some((_, after)) => format!("{before}a text, expected{after}"),
        None => format!("{before}a text"),
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

/// The text of the configuration, and where it is from: `--config`, else `EGRESS_CONFIG_BODY`, else the file that
/// `EGRESS_CONFIG_FILE` names.
///
/// # Errors
/// None is named, or the file cannot be read.
pub fn text(
    file: Option<&Path>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<(String, String), ApiError> {
    let named = match file {
        Some(file) => Some(file.to_owned()),
        None => match environment("EGRESS_CONFIG_BODY").filter(|body| !body.is_empty()) {
            Some(body) => return Ok((body, "EGRESS_CONFIG_BODY".to_owned())),
            None => environment("EGRESS_CONFIG_FILE").filter(|file| !file.is_empty()).map(PathBuf::from),
        },
    };
    let Some(file) = named else {
        return Err(invalid(
            "No configuration is named.",
            "Name one with --config, EGRESS_CONFIG_FILE or EGRESS_CONFIG_BODY.",
        ));
    };
    let from = file.display().to_string();
    std::fs::read_to_string(&file).map(|text| (text, from.clone())).map_err(|error| {
        invalid(format!("The configuration {from} cannot be read."), "Check its name and its rights.")
            .with_detail(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: &str = "api_key: key\napi_secret: secret\nws_url: ws://localhost:7880\n";

    fn nothing(_: &str) -> Option<String> {
        None
    }

    fn config(more: &str) -> Result<Read, ApiError> {
        read(&format!("{NEEDED}{more}"), "config.yaml", nothing)
    }

    #[test]
    fn livekits_own_example_is_read() {
        let read = config(
            "
redis:
  address: localhost:6379
  db: 1
health_port: 9090
template_port: 7980
prometheus_port: 9091
log_level: debug
logging: { level: warn, json: true }
template_base: http://localhost:7980/
enable_chrome_sandbox: true
insecure: true
cluster_id: eu
cpu_cost: { room_composite_cpu_cost: 3.0, track_cpu_cost: 1, sdk_audio_room_composite_cpu_cost: 0.5 }
session_limits:
  file_output_max_duration: 1h
  stream_output_max_duration: 90m
  segment_output_max_duration: 1h30m
  image_output_max_duration: 60000000000
  file_output_max_size: 300000
storage:
  prefix: shows
  s3: { access_key: a, secret: b, region: eu-west-1, bucket: c, max_retries: 3 }
webhook: { api_key: key, urls: [https://example.com/hook], filter_params: { exclude_events: [egress_updated] } }
api: { bind: '::1', port: 8443, tls_cert: /c.pem, tls_key: /k.pem }
",
        )
        .unwrap();
        let Read { config, warnings } = read;
        assert_eq!((config.health_port, config.prometheus_port), (9090, 9091));
        assert_eq!((config.log_level, config.logging.level), (Some(Level::Debug), Some(Level::Warn)));
        assert_eq!(config.template_base(), None, "that is LiveKit's own page");
        let redis = config.redis.unwrap();
        assert_eq!((redis.address.as_str(), redis.db), ("localhost:6379", 1));
        let limits = config.session_limits;
        let minutes = |minutes: u64| Some(Duration::from_secs(minutes * 60));
        assert_eq!(
            (limits.file_output_max_duration, limits.stream_output_max_duration),
            (minutes(60), minutes(90))
        );
        assert_eq!(
            (limits.segment_output_max_duration, limits.image_output_max_duration),
            (minutes(90), minutes(1))
        );
        assert_eq!(limits.file_output_max_size, 300_000);
        assert!((config.cpu_cost.room_composite_cpu_cost - 3.0).abs() < 1e-9);
        assert!((config.cpu_cost.track_cpu_cost - 1.0).abs() < 1e-9);
        assert_eq!(config.api.unwrap().port, 8443);
        assert_eq!(config.storage.unwrap().prefix, "shows");
        assert_eq!(
            warnings,
            [
                "cpu_cost.sdk_audio_room_composite_cpu_cost has no effect here",
                "enable_chrome_sandbox has no effect here",
                "insecure has no effect here",
                "storage.s3.max_retries is not known",
            ]
        );
    }

    #[test]
    fn what_is_missing_comes_from_the_environment_or_is_named() {
        let environment = |name: &str| match name {
            "LIVEKIT_API_KEY" => Some("of the environment".to_owned()),
            "LIVEKIT_API_SECRET" => Some("s".to_owned()),
            "LIVEKIT_WS_URL" => Some("wss://example.com".to_owned()),
            _ => None,
        };
        assert_eq!(read("", "f", environment).unwrap().config.api_key, "of the environment");
        assert_eq!(read("api_key: of the file", "f", environment).unwrap().config.api_key, "of the file");
        for (text, key) in [
            ("", "api_key"),
            ("api_key: a", "api_secret"),
            ("api_key: a\napi_secret: b", "ws_url"),
            ("api_key: a\napi_secret: ''\nws_url: c", "api_secret"),
        ] {
            let error = read(text, "config.yaml", nothing).unwrap_err();
            assert!(error.message.contains(key) && error.message.contains("config.yaml"), "{error:?}");
        }
    }

    #[test]
    fn a_wrong_value_is_named_by_its_place_and_not_repeated() {
        for (text, place) in [
            ("health_port: many", "health_port"),
            ("health_port: 70000", "health_port"),
            ("session_limits: { file_output_max_duration: soonish }", "file_output_max_duration"),
            ("storage: { s3: hunter2 }", "storage.s3"),
            ("api: { bind: hunter2 }", "api.bind"),
            ("logging: { level: loud }", "logging.level"),
        ] {
            let error = config(text).unwrap_err();
            assert!(error.detail.contains(place), "{text}: {}", error.detail);
            assert!(!format!("{error:?}").contains("hunter2"), "{}", error.detail);
        }
        assert!(config("a: [").is_err());
    }

    #[test]
    fn unknown_keys_are_warned_of() {
        let warnings = config("s3: { buckt: a }\nhelth_port: 1\napi: { prt: 1 }").unwrap().warnings;
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        assert!(warnings.iter().any(|line| line.contains("below the key storage")), "{warnings:?}");
    }

    #[test]
    fn a_backup_is_a_folder_or_a_storage() {
        let backup = config("backup_storage: /mnt/backup").unwrap().config.backup_storage;
        assert!(matches!(backup, Some(Backup::Folder(folder)) if folder == Path::new("/mnt/backup")));
    }

    #[test]
    fn nothing_of_a_secret_is_shown() {
        let read = config("storage: { s3: { access_key: AKIAXX, secret: hunter2, bucket: b } }").unwrap();
        let shown = format!("{read:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("AKIAXX"), "{shown}");
    }
}
