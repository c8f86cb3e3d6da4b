//! AWS's shared files: `~/.aws/credentials` and `~/.aws/config`.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;

use super::machine::Environment;
use crate::fault::StoreError;

/// The settings of one profile, by name in lower case.
pub(super) type Profile = BTreeMap<String, String>;

/// All profiles of both files.
#[derive(Debug, Default)]
pub(super) struct Profiles {
    profiles: BTreeMap<String, Profile>,
}

impl Profiles {
    /// Reads both files. One that is not there holds nothing.
    pub(super) async fn read(environment: &Environment) -> Result<Self, StoreError> {
        let mut all = Self::default();
        // Later settings take the place of earlier ones.
        for (variable, below_home, is_config) in [
            ("AWS_CONFIG_FILE", ".aws/config", true),
            ("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials", false),
        ] {
            let Some(path) = environment.file(variable, below_home) else { continue };
            for (name, profile) in parse(&read(path).await?, is_config) {
                all.profiles.entry(name).or_default().extend(profile);
            }
        }
        Ok(all)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Profile> {
        self.profiles.get(name)
    }
}

async fn read(path: PathBuf) -> Result<String, StoreError> {
    match tokio::fs::read(&path).await {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(String::new())
        }
        Err(error) => Err(StoreError::Odd(format!("{} cannot be read: {error}", path.display()))),
    }
}

/// The profiles of a file. In `config` the name of a section begins with `profile`, but for the default one.
pub(super) fn parse(text: &str, is_config: bool) -> BTreeMap<String, Profile> {
    let mut profiles = BTreeMap::<String, Profile>::new();
    let mut current = None;
    for line in text.trim_start_matches('\u{feff}').lines() {
        // What is set in is below another setting, and none of a profile.
        if line.starts_with([' ', '\t', '#', ';']) || line.trim().is_empty() {
            continue;
        }
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            current = name(section, is_config);
            if let Some(name) = &current {
                profiles.entry(name.clone()).or_default();
            }
        } else if let (Some(name), Some((key, value))) = (&current, line.split_once('=')) {
            let value = [" #", " ;", "\t#", "\t;"]
                .iter()
                .filter_map(|mark| value.find(mark))
                .min()
                .map_or(value, |comment| &value[..comment]);
            profiles
                .entry(name.clone())
                .or_default()
                .insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    profiles
}

fn name(section: &str, is_config: bool) -> Option<String> {
    let section = section.trim();
    let name = match section.strip_prefix("profile").filter(|rest| rest.starts_with([' ', '\t'])) {
        Some(rest) if is_config => rest,
        _ if is_config && section != "default" => return None,
        _ => section,
    };
    Some(name.trim().trim_matches(['"', '\'']).to_owned())
}
