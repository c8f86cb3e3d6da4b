//! The saved storages, each with its keys in the keyring.

use egress::error::{ApiError, ErrorCode, Fault};
use egress::id::StorageId;
use egress::storage::{Storage, StorageKeys, StorageProfile, StorageSecret};
use futures_util::future::BoxFuture;
use upload::{Checked, Environment};

use crate::error::precondition;
use crate::keys::Keeping;
use crate::projects::SavedStorage;
use crate::studio::{Inner, Studio};
use crate::surface::{Change, SecretPlace, StorageInput, StoragePlace};

impl Studio {
    /// Writes, reads and deletes a probe. With the id of a saved storage, absent keys stand for the saved ones.
    ///
    /// # Errors
    /// Files cannot be uploaded there; what is wrong is said in words: no such bucket, key refused, wrong region,
    /// clock off, no right to write, nobody answers.
    pub fn check_storage(
        &self,
        input: StorageInput,
        saved: Option<StorageId>,
    ) -> BoxFuture<'_, Result<Checked, ApiError>> {
        Box::pin(async move {
            let before = saved.map(|id| self.inner.saved_storage(&id)).transpose()?;
            self.inner.ask_again().await;
            let (profile, secret) = self.inner.storage_input(input, before.as_ref()).await?;
            upload::check(&profile, &secret, &Environment::default()).await
        })
    }

    /// Saves a storage, its keys in the keyring unless they are for this run only.
    ///
    /// # Errors
    /// The settings cannot be, the keyring refuses, or the list cannot be saved.
    pub fn save_storage(&self, input: StorageInput) -> BoxFuture<'_, Result<StorageId, ApiError>> {
        Box::pin(async move {
            let id = StorageId::random();
            self.put_storage(id.clone(), input, None).await?;
            Ok(id)
        })
    }

    /// Saves new values for a storage. Uploads that wait go where these say. Those that are on their way go on where
    /// they began for as long as that works, and take the new keys.
    ///
    /// # Errors
    /// As [`Studio::save_storage`], and there is no such storage.
    pub fn edit_storage(&self, id: StorageId, input: StorageInput) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let before = self.inner.saved_storage(&id)?;
            self.put_storage(id, input, Some(before)).await?;
            // What waits for a right key need not wait any longer.
            match self.inner.uploads() {
                Ok(queue) => queue.retry_now(None).await,
                Err(_) => Ok(()),
            }
        })
    }

    async fn put_storage(
        &self,
        id: StorageId,
        input: StorageInput,
        before: Option<SavedStorage>,
    ) -> Result<(), ApiError> {
        let inner = &self.inner;
        inner.check_open()?;
        let (name, given, this_run_only) =
            (input.name.trim().to_owned(), input.secret.is_some(), input.this_run_only);
        let (profile, secret) = inner.storage_input(input, before.as_ref()).await?;
        let keyless = profile.storage.is_local() || profile.storage.machine_identity() && secret.is_empty();
        let kept = before.is_some_and(|before| before.in_keyring);
        // A folder and this computer's identity have no keys to keep; what was kept for what it was before goes.
        let keeping = Keeping { given, kept, this_run_only: this_run_only || keyless };
        inner.keep_key(id.0.as_str(), secret.to_keyring(), keeping).await?;
        let name = if name.is_empty() { short_name(&profile.storage) } else { name };
        let in_keyring = !keeping.this_run_only;
        let saved = SavedStorage { id: id.clone(), name, profile, in_keyring };
        {
            let mut all = inner.saved.lock();
            all.storages.retain(|known| known.id != id);
            all.storages.push(saved);
            all.storages.sort_by_key(|known| known.name.to_lowercase());
        }
        inner.publish_storages();
        inner.save().await
    }

    /// Forgets a storage and its keys.
    ///
    /// # Errors
    /// There is no such storage; something still goes there; the keyring refuses to give the keys up, so that it
    /// stays; the list cannot be saved.
    pub fn forget_storage(&self, id: StorageId) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let inner = &self.inner;
            let saved = inner.saved_storage(&id)?;
            if inner.storage_in_use(&id) {
                return Err(precondition(
                    "Something still goes to this storage.",
                    "Wait until its uploads are done, or cancel them; stop the recordings that go there.",
                ));
            }
            inner.forget_key(id.as_str(), saved.in_keyring).await?;
            inner.saved.lock().storages.retain(|known| known.id != id);
            inner.publish_storages();
            inner.save().await
        })
    }
}

impl Inner {
    pub(crate) fn saved_storage(&self, id: &StorageId) -> Result<SavedStorage, ApiError> {
        self.saved.lock().storages.iter().find(|saved| saved.id == *id).cloned().ok_or_else(|| {
            ApiError::new(
                ErrorCode::NotFound,
                Fault::Input,
                "There is no such storage.",
                "Choose from the list, or add it first.",
            )
        })
    }

    /// The keys of a saved storage.
    pub(crate) async fn storage_secret(&self, saved: &SavedStorage) -> Result<StorageSecret, ApiError> {
        if saved.profile.storage.is_local() {
            return Ok(StorageSecret::default());
        }
        let kept = self.key(saved.id.as_str(), saved.in_keyring).await?;
        if kept.is_none() && saved.profile.storage.machine_identity() {
            return Ok(StorageSecret::default());
        }
        kept.as_ref().and_then(StorageSecret::from_keyring).ok_or_else(|| {
            ApiError::new(
                ErrorCode::Keyring,
                Fault::Environment,
                format!(
                    "The keys of the storage \"{}\" are not at hand: they were kept for an earlier run only, or the \
                     keyring has lost them.",
                    saved.name
                ),
                "Edit the storage and give its keys again. What was recorded is safe in its folder meanwhile.",
            )
        })
    }

    /// What the operator has entered, checked; keys that were not entered are those that are kept.
    async fn storage_input(
        &self,
        input: StorageInput,
        before: Option<&SavedStorage>,
    ) -> Result<(StorageProfile, StorageSecret), ApiError> {
        let storage = input.profile.storage.check()?;
        let secret = match (input.secret, before) {
            (Some(secret), _) => secret,
            (None, _) if storage.is_local() => StorageSecret::default(),
            // What is kept may be keys, from before this computer's identity took their place.
            (None, saved) if storage.machine_identity() => match saved {
                Some(saved) if saved.profile.storage.machine_identity() => self.storage_secret(saved).await?,
                _ => StorageSecret::default(),
            },
            (None, Some(saved)) => self.storage_secret(saved).await?,
            (None, None) => StorageSecret { keys: StorageKeys::None, proxy: None },
        };
        let secret = secret.check(&storage)?;
        let prefix = input.profile.prefix.trim().trim_matches('/').to_owned();
        Ok((StorageProfile { storage, prefix }, secret))
    }

    /// Tells front ends which storages are saved.
    pub(crate) fn publish_storages(&self) {
        let saved = self.saved.lock().storages.clone();
        let shown = |saved: SavedStorage| StoragePlace {
            keys: match saved.profile.storage.is_local() || saved.profile.storage.machine_identity() {
                true => SecretPlace::Keyring,
                false => self.key_place(saved.id.as_str(), saved.in_keyring),
            },
            id: saved.id,
            name: saved.name,
            profile: saved.profile,
        };
        let storages: Vec<StoragePlace> = saved.into_iter().map(shown).collect();
        self.board.edit(|snapshot| (storages != snapshot.storages).then_some(Change::Storages { storages }));
    }
}

fn short_name(storage: &Storage) -> String {
    match storage {
        Storage::S3(s3) => s3.bucket.clone(),
        Storage::Gcp(gcp) => gcp.bucket.clone(),
        Storage::Azure(azure) => azure.container_name.clone(),
        Storage::AliOss(oss) => oss.bucket.clone(),
        Storage::Local(local) => local.folder.display().to_string(),
    }
}
