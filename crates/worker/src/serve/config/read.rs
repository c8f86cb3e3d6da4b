//! Reads a configuration: its text, and what of it may stand in the environment instead.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use api::bus::redis::RedisConfig;
use egress::error::ApiError;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{Config, yaml};
use crate::args::invalid;

/// Keys of LiveKit Egress that change nothing here, most of them because what they tune is not there.
const WITHOUT_EFFECT: &[&str] = &[
    "audio_tempo_controller",
    // No job is ended because others need the computer.
    "cpu_cost.cpu_kill_grace_sec",
    "cpu_cost.memory_kill_grace_sec",
    // Each page has a sound server of its own.
    "cpu_cost.max_pulse_clients",
    "debug",
    "debug_handler_port",
    // It always is.
    "enable_chrome_sandbox",
    "enable_one_shot_sender_report_sync",
    "enable_sync_engine",
    "io_create_timeout",
    "io_selection_timeout",
    "io_update_timeout",
    "io_workers",
    "latency",
    "latency_overrides",
    "logging.component_levels",
    "logging.item_sample_initial",
    "logging.item_sample_interval",
    "logging.item_sample_seconds",
    "logging.sample",
    "logging.sample_initial",
    "logging.sample_interval",
    "max_upload_queue",
    "nodeid",
    "pulse_sink_reap_grace_sec",
    "redis.pool_size",
    "redis.pool_timeout",
    "test_overrides",
];

/// Switches of Chromium that the recording of its picture and sound rests on.
const OURS: &[&str] = &[
    "display",
    "headless",
    "kiosk",
    "remote-debugging-address",
    "remote-debugging-pipe",
    "remote-debugging-port",
    "user-data-dir",
    "window-position",
    "window-size",
];

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
/// It is not YAML, a value is of the wrong kind, or what is needed is missing.
pub fn read(text: &str, from: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Read, ApiError> {
    let mut unknown = BTreeSet::new();
    let config = yaml::parse(text).and_then(|document| {
        serde_ignored::deserialize(document, |path| {
            // What may be missing is a step of its own in there, by the name of a question mark.
            unknown.insert(path.to_string().replace(".?", ""));
        })
    });
    let mut config: Config = config.map_err(|error| {
        invalid(
            format!("The configuration in {from} cannot be used."),
            "Correct the value at the place named below; the keys are those of LiveKit Egress's config.yaml.",
        )
        .with_detail(match line(text, &error.place()) {
            Some(line) => format!("{error}, line {line}"),
            None => error.to_string(),
        })
    })?;
    let mut warnings: Vec<String> = unknown.iter().map(|key| warning(key)).collect();
    let ours = config.chrome_flags.extract_if(.., |name, _| OURS.contains(&name.as_str()));
    warnings.extend(ours.map(|(name, _)| format!("chrome_flags.{name} has no effect here")));
    complete(&mut config, |name| environment(name).filter(|value| !value.is_empty()), &mut warnings);
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
    warnings.sort();
    Ok(Read { config, warnings })
}

/// In which line a value stands that is of the wrong kind, if a plain reader of YAML finds fault with the same.
fn line(text: &str, place: &str) -> Option<usize> {
    let error = yaml_serde::from_str::<Config>(text).err()?;
    let same = !place.is_empty() && error.to_string().starts_with(&format!("{place}: "));
    error.location().filter(|_| same).map(|at| at.line())
}

/// Takes what the file does not say from the environment, by the names that LiveKit's egress, server and tools read.
fn complete(config: &mut Config, environment: impl Fn(&str) -> Option<String>, warnings: &mut Vec<String>) {
    let or = |value: &mut String, names: &[&str]| {
        if value.is_empty() {
            *value = names.iter().find_map(|name| environment(name)).unwrap_or_default();
        }
    };
    let secret = |secret: &SecretString| !secret.expose_secret().is_empty();
    or(&mut config.api_key, &["LIVEKIT_API_KEY"]);
    or(&mut config.ws_url, &["LIVEKIT_WS_URL", "LIVEKIT_URL"]);
    config.api_secret = config.api_secret.take().filter(secret);
    config.api_secret =
        config.api_secret.take().or_else(|| environment("LIVEKIT_API_SECRET").map(SecretString::from));
    if let Some(keys) = environment("LIVEKIT_KEYS") {
        match pairs(&keys) {
            Some(pairs) => take_keys(config, pairs),
            None => warnings.push("LIVEKIT_KEYS is not used: it is no list of \"key: secret\"".to_owned()),
        }
    }
    if let Some(address) = environment("REDIS_HOST") {
        let redis = config.redis.get_or_insert_with(RedisConfig::default);
        if !redis.is_configured() {
            redis.address = address;
        }
    }
    if let Some(redis) = &mut config.redis
        && !secret(&redis.password)
        && let Some(password) = environment("REDIS_PASSWORD")
    {
        redis.password = password.into();
    }
}

/// `LIVEKIT_KEYS`, as LiveKit's server has it: a map of keys and their secrets, in YAML.
fn pairs(keys: &str) -> Option<Vec<(String, SecretString)>> {
    let yaml::Node::Map(pairs) = yaml::parse(keys).ok()? else { return None };
    let secret = |node| SecretString::deserialize(node).ok();
    pairs.into_iter().map(|(key, node)| Some((key, secret(node)?))).collect()
}

/// All keys of the LiveKit server are good for callers; the first is ours where the file names none.
fn take_keys(config: &mut Config, pairs: Vec<(String, SecretString)>) {
    if config.api_key.is_empty() && config.api_secret.is_none() {
        config.api_key = pairs.first().map(|(key, _)| key.clone()).unwrap_or_default();
    }
    for (key, secret) in pairs {
        if key != config.api_key {
            config.keys.entry(key).or_insert(secret);
        } else if config.api_secret.is_none() {
            config.api_secret = Some(secret);
        }
    }
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
