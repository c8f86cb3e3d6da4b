//! The keys of what is saved besides projects (destinations, storages): in the keyring under the id of what they belong
//! to, or in memory for this run.

use std::time::{Duration, Instant};

use egress::error::ApiError;
use secrecy::SecretString;

use crate::secrets::SecretStore;
use crate::studio::Inner;
use crate::surface::SecretPlace;

/// How long a no of the keyring holds.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(10 * 60);

/// How a key is to be kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keeping {
    /// Whether it is a new one; else it is the one that is kept already.
    pub given: bool,
    /// Whether the one before is in the keyring.
    pub kept: bool,
    /// Whether this one is for this run only.
    pub this_run_only: bool,
}

impl Inner {
    /// Keeps a key where it is wanted, and takes it away from where it is not.
    pub(crate) async fn keep_key(
        &self,
        owner: &str,
        key: SecretString,
        keeping: Keeping,
    ) -> Result<(), ApiError> {
        let Keeping { given, kept, this_run_only } = keeping;
        match (this_run_only, kept) {
            (false, true) if !given => {}
            (false, _) => {
                let late = owner.to_owned();
                // Nobody would know of a key that is kept after we have given up.
                let undo = move |secrets: &dyn SecretStore| {
                    if !kept {
                        let _ = secrets.remove(&late);
                    }
                };
                self.keep_in_keyring(owner, &key, undo).await?;
            }
            (true, true) => {
                let owner = owner.to_owned();
                self.keyring(move |secrets| secrets.remove(&owner)).await?;
            }
            (true, false) => {}
        }
        self.known_keys.lock().insert(owner.to_owned(), key);
        Ok(())
    }

    /// A key: as given or read in this run, else from the keyring.
    pub(crate) async fn key(&self, owner: &str, in_keyring: bool) -> Result<Option<SecretString>, ApiError> {
        if let Some(key) = self.known_keys.lock().get(owner).cloned() {
            return Ok(Some(key));
        }
        if !in_keyring {
            return Ok(None);
        }
        // One question at a time, and none again soon after a no: the prompt would come back with every upload.
        let mut refused = self.refused_keys.lock().await;
        if let Some(key) = self.known_keys.lock().get(owner).cloned() {
            return Ok(Some(key));
        }
        if let Some((at, error)) = refused.get(owner)
            && at.elapsed() < ASK_AGAIN_AFTER
        {
            return Err(error.clone());
        }
        let kept = owner.to_owned();
        match self.keyring(move |secrets| secrets.get(&kept)).await {
            Ok(key) => {
                refused.remove(owner);
                if let Some(key) = &key {
                    self.known_keys.lock().insert(owner.to_owned(), key.clone());
                }
                Ok(key)
            }
            Err(error) => {
                refused.insert(owner.to_owned(), (Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Lets the keyring be asked again at once: the operator wants it.
    pub(crate) async fn ask_again(&self) {
        self.refused_keys.lock().await.clear();
    }

    /// Forgets a key. If the keyring refuses, it stays.
    pub(crate) async fn forget_key(&self, owner: &str, in_keyring: bool) -> Result<(), ApiError> {
        if in_keyring {
            let kept = owner.to_owned();
            self.keyring(move |secrets| secrets.remove(&kept)).await?;
        }
        self.known_keys.lock().remove(owner);
        Ok(())
    }

    /// Where a key is, as the operator sees it.
    pub(crate) fn key_place(&self, owner: &str, in_keyring: bool) -> SecretPlace {
        match in_keyring {
            true => SecretPlace::Keyring,
            false if self.known_keys.lock().contains_key(owner) => SecretPlace::ThisRun,
            false => SecretPlace::Missing,
        }
    }
}
