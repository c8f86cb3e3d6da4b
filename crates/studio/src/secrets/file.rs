//! Secrets in a file, for a service on a server that has no keyring.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};

use super::{SecretError, SecretStore};

/// Secrets in a file that its owner alone may read.
///
/// A service has to finish uploads whose keys came with a request, after a restart too, and nobody is there to give
/// them again. Such keys are forgotten with the upload; while there are none, there is no file.
pub struct FileSecrets {
    path: PathBuf,
    turn: Mutex<()>,
}

impl FileSecrets {
    /// Secrets in this file. Its folder is there when the first is kept.
    pub fn new(path: PathBuf) -> Self {
        Self { path, turn: Mutex::new(()) }
    }

    fn read(&self) -> Result<BTreeMap<String, String>, SecretError> {
        match std::fs::read(&self.path) {
            // What it holds must not be told, not even what of it makes no sense.
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|_| SecretError::Foreign(format!("{} is damaged", self.path.display()))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(refused(&self.path, &error)),
        }
    }

    fn write(&self, kept: &BTreeMap<String, String>) -> Result<(), SecretError> {
        let written = if kept.is_empty() {
            match std::fs::remove_file(&self.path) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            }
        } else {
            serde_json::to_vec(kept)
                .map_err(std::io::Error::other)
                .and_then(|text| replace(&self.path, &text))
        };
        written.map_err(|error| refused(&self.path, &error))
    }
}

impl SecretStore for FileSecrets {
    fn check(&self) -> Result<(), SecretError> {
        self.read().map(drop)
    }

    fn get(&self, owner: &str) -> Result<Option<SecretString>, SecretError> {
        let _turn = self.turn.lock();
        Ok(self.read()?.remove(owner).map(SecretString::from))
    }

    fn set(&self, owner: &str, secret: &SecretString) -> Result<(), SecretError> {
        let _turn = self.turn.lock();
        let mut kept = self.read()?;
        kept.insert(owner.to_owned(), secret.expose_secret().to_owned());
        self.write(&kept)
    }

    fn remove(&self, owner: &str) -> Result<(), SecretError> {
        let _turn = self.turn.lock();
        let mut kept = self.read()?;
        match kept.remove(owner) {
            Some(_) => self.write(&kept),
            None => Ok(()),
        }
    }
}

/// Puts a whole file in the place of the one before, readable by nobody else from its first byte on.
fn replace(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension("part");
    let mut options = std::fs::OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}

fn refused(path: &Path, error: &std::io::Error) -> SecretError {
    SecretError::Refused(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_for_the_next_run_and_gone_with_the_last() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets.json");
        let secrets = FileSecrets::new(path.clone());
        assert!(secrets.get("a").unwrap().is_none());
        secrets.remove("a").unwrap();
        secrets.set("a", &"one".into()).unwrap();
        secrets.set("b", &"two".into()).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let again = FileSecrets::new(path.clone());
        assert_eq!(again.get("b").unwrap().unwrap().expose_secret(), "two");
        again.remove("a").unwrap();
        assert!(path.exists());
        again.remove("b").unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_damaged_file_is_told_without_what_it_holds() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets.json");
        std::fs::write(&path, "{\"a\": planted").unwrap();
        let error = FileSecrets::new(path).get("a").unwrap_err();
        assert!(matches!(error, SecretError::Foreign(_)) && !format!("{error:?}").contains("planted"));
    }
}
