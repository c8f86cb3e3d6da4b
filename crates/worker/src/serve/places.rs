//! Where files go: what a configuration says of it in its several ways.

use std::path::PathBuf;

use egress::error::ApiError;
use studio::{ConfiguredStorage, EgressDefaults};

use super::config::{Backup, Config};
use super::storage::{StorageConfig, folder_at, s3_role};
use crate::args::invalid;

/// What holds for storages, the other defaults as they are; and what in it should be looked at, a line each.
///
/// # Errors
/// A storage cannot be used, or one place is named twice.
pub fn places(
    config: &mut Config,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<(EgressDefaults, Vec<String>), ApiError> {
    let mut warnings = Vec::new();
    older(config, &mut warnings)?;
    let base: Option<PathBuf> = config.local_directory.clone().or_else(studio::default_recordings_folder);
    let configured = |storage: &StorageConfig, key: &str| -> Result<Option<ConfiguredStorage>, ApiError> {
        storage.configured(key, base.as_deref(), &environment)
    };
    let storage = config.storage.as_ref().map(|storage| configured(storage, "storage")).transpose()?;
    let backup = match (&config.backup, &config.backup_storage) {
        (Some(_), Some(_)) => {
            return Err(invalid("backup and backup_storage name two backups.", "Leave one of them."));
        }
        (Some(storage), None) => configured(storage, "backup")?,
        (None, Some(Backup::Storage(storage))) => configured(storage, "backup_storage")?,
        (None, Some(Backup::Folder(folder))) => Some(folder_at(folder)?),
        (None, None) => None,
    };
    let defaults = EgressDefaults {
        storage: storage.flatten(),
        backup,
        prefix: config.storage.as_ref().map(|storage| storage.prefix.clone()).unwrap_or_default(),
        // As LiveKit's service does it, unless the operator forbids it.
        machine_identity: !config.disallow_machine_identity,
        s3_role: s3_role(
            &config.s3_assume_role_arn,
            &config.s3_assume_role_external_id,
            &config.s3_assume_role_key,
            &config.s3_assume_role_secret,
        )?,
        ..EgressDefaults::default()
    };
    Ok((defaults, warnings))
}

/// Older configurations name the storage at the top.
fn older(config: &mut Config, warnings: &mut Vec<String>) -> Result<(), ApiError> {
    let top = StorageConfig {
        prefix: String::new(),
        s3: config.s3.take(),
        azure: config.azure.take(),
        gcp: config.gcp.take(),
        alioss: config.alioss.take(),
    };
    let named = [
        (top.s3.is_some(), "s3"),
        (top.azure.is_some(), "azure"),
        (top.gcp.is_some(), "gcp"),
        (top.alioss.is_some(), "alioss"),
    ];
    let named: Vec<&str> = named.into_iter().filter(|(is, _)| *is).map(|(_, name)| name).collect();
    let Some(first) = named.first() else { return Ok(()) };
    match &mut config.storage {
        Some(storage) if storage.names_a_store() => {
            return Err(invalid(
                format!("{first} and storage both name where files go."),
                format!("Leave storage, and take {} out.", named.join(" and ")),
            ));
        }
        Some(storage) => {
            let prefix = std::mem::take(&mut storage.prefix);
            *storage = StorageConfig { prefix, ..top };
        }
        none => *none = Some(top),
    }
    warnings.push(format!(
        "{first} at the top is how older configurations write it: it is used as storage.{first}"
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use egress::storage::{Asked, Storage};
    use secrecy::ExposeSecret;

    use super::super::config::read;
    use super::*;

    fn of(more: &str, variables: &[(&str, &str)]) -> Result<(EgressDefaults, Vec<String>), ApiError> {
        let text = format!(
            "api_key: key\napi_secret: secret\nws_url: ws://localhost:7880\nlocal_directory: /srv/rec\n{more}"
        );
        let environment =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let mut config = read(&text, "config.yaml", environment)?.config;
        places(&mut config, environment)
    }

    fn storage(more: &str, variables: &[(&str, &str)]) -> ConfiguredStorage {
        of(more, variables).unwrap().0.storage.unwrap()
    }

    fn folder(storage: Option<ConfiguredStorage>) -> String {
        match storage.unwrap().profile.storage {
            Storage::Local(local) => local.folder.display().to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_prefix_alone_is_a_folder() {
        let (defaults, warnings) =
            of("storage: { prefix: /mnt/shows }\nbackup: { prefix: /mnt/backup }", &[]).unwrap();
        assert_eq!(
            (folder(defaults.storage), folder(defaults.backup)),
            ("/mnt/shows".into(), "/mnt/backup".into())
        );
        assert_eq!((defaults.prefix.as_str(), warnings.len()), ("/mnt/shows", 0));
        assert_eq!(folder(of("storage: { prefix: shows }", &[]).unwrap().0.storage), "/srv/rec/shows");
        let backup = |text: &str| folder(of(text, &[]).unwrap().0.backup);
        assert_eq!(backup("backup_storage: /mnt/backup"), "/mnt/backup");
        assert_eq!(backup("backup_storage: { prefix: /mnt/backup }"), "/mnt/backup");
        assert!(of("storage: {}", &[]).unwrap().0.storage.is_none());
        assert!(of("backup: { prefix: /a }\nbackup_storage: /b", &[]).is_err());
        let named = storage("storage: { prefix: shows, s3: { access_key: a, secret: b, bucket: c } }", &[]);
        assert_eq!(
            (named.profile.prefix.as_str(), named.profile.storage.described().as_str()),
            ("shows", "the bucket \"c\"")
        );
    }

    #[test]
    fn a_storage_at_the_top_is_used_and_warned_of() {
        for (text, what) in [
            ("s3: { access_key: a, secret: b, bucket: c }", "the bucket \"c\""),
            (
                "azure: { account_name: studio, account_key: aaaa, container_name: ccc }",
                "the container \"ccc\"",
            ),
            ("storage: { prefix: x }\ngcp: { bucket: c }", "the bucket \"c\""),
            (
                "alioss: { access_key: a, secret: b, bucket: c, endpoint: oss-cn-hangzhou.aliyuncs.com }",
                "the bucket \"c\"",
            ),
        ] {
            let (defaults, warnings) = of(text, &[]).unwrap();
            assert_eq!(defaults.storage.unwrap().profile.storage.described(), what, "{text}");
            assert!(warnings.len() == 1 && warnings[0].contains("older"), "{warnings:?}");
        }
        // Which of two is meant, nobody knows.
        for text in
            ["s3: { bucket: a }\nstorage: { s3: { bucket: b } }", "s3: { bucket: a }\ngcp: { bucket: b }"]
        {
            assert!(of(text, &[]).is_err(), "{text}");
        }
    }

    #[test]
    fn keys_are_those_of_the_file_or_the_machines_own() {
        let own = |text: &str, variables: &[(&str, &str)]| {
            storage(text, variables).profile.storage.machine_identity()
        };
        assert!(own("storage: { s3: { bucket: c } }", &[]));
        // The environment is the first thing that the machine's identity is looked for in.
        assert!(own(
            "storage: { s3: { bucket: c } }",
            &[("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "s")]
        ));
        assert!(own("storage: { gcp: { bucket: c } }", &[]));
        assert!(own("storage: { azure: { account_name: studio, container_name: ccc } }", &[]));
        assert!(!own("storage: { s3: { access_key: a, secret: b, bucket: c } }", &[]));
        assert!(!own("storage: { s3: { secret: b, bucket: c } }", &[("AWS_ACCESS_KEY_ID", "AKIA")]));
        assert!(!own(
            "storage: { azure: { account_name: studio, account_key: 'sv=1&sig=a', container_name: ccc } }",
            &[]
        ));
        let error = of("storage: { s3: { secret: b, bucket: c } }", &[]).unwrap_err();
        assert!(error.message.contains("storage cannot be used"), "{error:?}");
        assert!(of("storage: { s3: { bucket: c }, azure: { account_name: aaa } }", &[]).is_err());
        assert!(
            of("storage: { gcp: { bucket: c } }", &[("GOOGLE_APPLICATION_CREDENTIALS", "/no/such/file")])
                .is_err()
        );
    }

    #[test]
    fn a_store_of_ones_own_is_in_the_region_of_the_environment_and_amazon_is_asked() {
        let region = |endpoint: &str, variables: &[(&str, &str)]| {
            let text = format!("storage: {{ s3: {{ bucket: c, endpoint: '{endpoint}' }} }}");
            match storage(&text, variables).profile.storage {
                Storage::S3(s3) => s3.region,
                other => panic!("{other:?}"),
            }
        };
        let both = [("AWS_REGION", "eu-west-1"), ("AWS_DEFAULT_REGION", "us-west-2")];
        assert_eq!(region("http://minio:9000", &both), "eu-west-1");
        assert_eq!(region("http://minio:9000", &both[1..]), "us-west-2");
        assert_eq!(region("", &both), "");
    }

    #[test]
    fn what_requests_without_keys_may_do() {
        let (defaults, _) = of("", &[]).unwrap();
        assert!(
            defaults.machine_identity && defaults.s3_role.arn.is_empty() && defaults.s3_role.key.is_none()
        );
        assert!(!of("disallow_machine_identity: true", &[]).unwrap().0.machine_identity);
        let role = "s3_assume_role_arn: arn:aws:iam::1:role/a\ns3_assume_role_external_id: id\ns3_assume_role_key: AKIA\n";
        let (defaults, _) = of(&format!("{role}s3_assume_role_secret: hunter2"), &[]).unwrap();
        let (key, secret) = defaults.s3_role.key.clone().unwrap();
        assert_eq!((key.expose_secret(), secret.expose_secret()), ("AKIA", "hunter2"));
        assert!(!format!("{defaults:?}").contains("hunter2"));
        assert!(of(role, &[]).is_err(), "half a key");
    }

    #[test]
    fn a_folder_is_named_by_its_full_path() {
        assert!(folder_at(Path::new("relative")).is_err());
        let asked =
            Asked::of_s3(&livekit_protocol::S3Upload { bucket: "c".into(), ..Default::default() }).unwrap();
        assert!(asked.storage.machine_identity());
    }
}
