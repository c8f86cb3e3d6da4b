//! Configurations as people have them.

use std::path::Path;

use egress::error::ApiError;
use secrecy::ExposeSecret;

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
insecure: yes
chrome_flags: { ignore-certificate-errors: true, lang: de, disable-gpu: false, window-size: '1,1', limit: 5 }
video_encoder_threads: 4
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
    assert!(config.insecure && config.video_encoder_threads == 4);
    let flags: Vec<String> = config
        .chrome_flags
        .iter()
        .map(|(name, flag)| match flag {
            BrowserFlag::Set(set) => format!("{name} {set}"),
            BrowserFlag::Value(value) => format!("{name}={value}"),
        })
        .collect();
    assert_eq!(flags, ["disable-gpu false", "ignore-certificate-errors true", "lang=de", "limit=5"]);
    let storage = config.storage.unwrap().configured("storage", None, nothing).unwrap().unwrap();
    assert_eq!(storage.profile.prefix, "shows");
    assert_eq!(
        warnings,
        [
            "chrome_flags.window-size has no effect here",
            "enable_chrome_sandbox has no effect here",
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
fn the_names_that_livekits_server_reads_are_read_too() {
    let of = |text: &str, pairs: &[(&str, &str)]| {
        let pairs: BTreeMap<String, String> =
            pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        read(text, "f", |name| pairs.get(name).cloned())
    };
    let redis = |text: &str, pairs: &[(&str, &str)]| {
        let redis = of(&format!("{NEEDED}{text}"), pairs).unwrap().config.redis;
        redis.map(|redis| (redis.address.clone(), redis.password.expose_secret().to_owned()))
    };
    let both = [("REDIS_HOST", "redis:6379"), ("REDIS_PASSWORD", "pw")];
    let pair = |address: &str, password: &str| Some((address.to_owned(), password.to_owned()));
    assert_eq!(redis("", &both), pair("redis:6379", "pw"));
    assert_eq!(redis("redis: { address: 'a:1', password: '' }", &both), pair("a:1", "pw"));
    assert_eq!(redis("redis: { address: 'a:1', password: 0123 }", &both), pair("a:1", "0123"));
    assert_eq!(redis("redis:", &both[1..]), None, "a password alone is no Redis");

    let keys = [("LIVEKIT_KEYS", "first: one\nsecond: 2"), ("LIVEKIT_URL", "wss://example.com")];
    let Read { config, warnings } = of("", &keys).unwrap();
    let secret = |secret: &SecretString| secret.expose_secret().to_owned();
    assert_eq!((config.api_key.as_str(), config.ws_url.as_str()), ("first", "wss://example.com"));
    assert_eq!(config.api_secret.as_ref().map(secret), Some("one".to_owned()));
    assert_eq!(config.keys.get("second").map(secret), Some("2".to_owned()));
    assert!(warnings.is_empty());
    let config = of("api_key: second\nws_url: a", &keys).unwrap().config;
    assert_eq!(config.api_secret.as_ref().map(secret), Some("2".to_owned()));
    let wrong = of(NEEDED, &[("LIVEKIT_KEYS", "hunter2")]).unwrap();
    assert!(wrong.warnings[0].contains("LIVEKIT_KEYS") && !wrong.warnings[0].contains("hunter2"));
}

#[test]
fn what_has_no_effect_is_one_line_each() {
    let warnings = config(
        "
latency: { jitter_buffer_latency: 2s, pipeline_latency: 3s }
debug: { enable_profiling: no }
redis: { address: 'a:1', pool_size: 5 }
cpu_cost: { max_pulse_clients: 60, cpu_kill_grace_sec: 30 }
logging: { sample: true }
helth_port: 1
",
    )
    .unwrap()
    .warnings;
    assert_eq!(
        warnings,
        [
            "cpu_cost.cpu_kill_grace_sec has no effect here",
            "cpu_cost.max_pulse_clients has no effect here",
            "debug has no effect here",
            "helth_port is not known",
            "latency has no effect here",
            "logging.sample has no effect here",
            "redis.pool_size has no effect here",
        ]
    );
}

#[test]
fn what_is_shared_is_merged_and_an_empty_section_is_none() {
    let read = config(
        "
x-common: &common { region: eu-west-1, force_path_style: yes }
storage: { s3: { <<: *common, access_key: 00123, secret: b, bucket: c } }
backup: { s3: { <<: *common, access_key: a, secret: b, bucket: d, region: eu-west-2 } }
redis:
session_limits:
logging: { json: on }
",
    )
    .unwrap();
    assert_eq!(read.warnings, ["x-common is not known"]);
    assert!(read.config.logging.json && read.config.redis.is_none());
    let of = |storage: Option<StorageConfig>| {
        storage.unwrap().configured("storage", None, nothing).unwrap().unwrap()
    };
    let shown = |storage: Option<StorageConfig>| format!("{:?}", of(storage).profile.storage);
    let (storage, backup) = (shown(read.config.storage), shown(read.config.backup));
    assert!(storage.contains("eu-west-1") && backup.contains("eu-west-2"), "{storage} {backup}");
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
        assert!(error.detail.contains("line 4"), "{text}: {}", error.detail);
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
    let backup = config("backup_storage: { prefix: /mnt/backup }").unwrap().config.backup_storage;
    assert!(matches!(backup, Some(Backup::Storage(storage)) if storage.prefix == "/mnt/backup"));
}

#[test]
fn nothing_of_a_secret_is_shown() {
    let read = config("storage: { s3: { access_key: AKIAXX, secret: hunter2, bucket: b } }").unwrap();
    let shown = format!("{read:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("AKIAXX"), "{shown}");
}
