//! What is kept in the app's store: the projects without their secrets, and what the shell itself
//! remembers. The secrets are in the OS keyring and nowhere else.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use egress::error::ApiError;
use studio::projects::{JsonProjects, ProjectStore, ProjectStoreError, Saved};
use studio::secrets::KeyringSecrets;
use studio::{Studio, StudioOptions};
use tauri::{AppHandle, Wry};
use tauri_plugin_store::{Store, StoreExt};

/// The name that the secrets have in the keyring.
const KEYRING_SERVICE: &str = "Tallylight";
const PROJECTS_FILE: &str = "projects.json";
/// The list as it was last saved whole: the store overwrites its file in place, and a power cut in that
/// moment leaves half of it.
const PROJECTS_BACKUP_FILE: &str = "projects.backup.json";
/// Where a list that makes no sense is kept for whoever wants to look.
const PROJECTS_DAMAGED_FILE: &str = "projects.damaged.json";
/// The one entry of the projects' file.
const SAVED: &str = "saved";
const SHELL_FILE: &str = "shell.json";

/// Opens the studio on the app's store and the OS keyring.
pub async fn open_studio(app: &AppHandle, data_dir: PathBuf) -> Result<Studio, ApiError> {
    let projects = StoredProjects::open(app, &data_dir)?;
    let secrets = KeyringSecrets::new(KEYRING_SERVICE);
    Studio::open(StudioOptions::new(data_dir, Arc::new(projects), Arc::new(secrets))).await
}

/// The projects in the app's store.
struct StoredProjects {
    store: Arc<Store<Wry>>,
    path: PathBuf,
    backup: JsonProjects,
}

impl StoredProjects {
    fn open(app: &AppHandle, data_dir: &Path) -> Result<Self, ProjectStoreError> {
        let path = data_dir.join(PROJECTS_FILE);
        let store = app.store_builder(&path).disable_auto_save().build().map_err(refused)?;
        Ok(Self { store, path, backup: JsonProjects::new(data_dir.join(PROJECTS_BACKUP_FILE)) })
    }

    fn read(&self) -> Result<Saved, ProjectStoreError> {
        self.store.reload_ignore_defaults().map_err(refused)?;
        let saved = self.store.get(SAVED).unwrap_or_default();
        serde_json::from_value(saved)
            .map_err(|source| ProjectStoreError::Form { path: self.path.clone(), source })
    }
}

impl ProjectStore for StoredProjects {
    fn load(&self) -> Result<Saved, ProjectStoreError> {
        if !self.path.exists() {
            return self.backup.load();
        }
        self.read().or_else(|error| {
            tracing::warn!(%error, "the list of projects is damaged; the one saved before is used");
            let aside = self.path.with_file_name(PROJECTS_DAMAGED_FILE);
            std::fs::rename(&self.path, aside)
                .map_err(|source| ProjectStoreError::File { path: self.path.clone(), source })?;
            let saved = self.backup.load()?;
            self.save(&saved)?;
            Ok(saved)
        })
    }

    fn save(&self, saved: &Saved) -> Result<(), ProjectStoreError> {
        let file = |source| ProjectStoreError::File { path: self.path.clone(), source };
        let value = serde_json::to_value(saved)
            .map_err(|source| ProjectStoreError::Form { path: self.path.clone(), source })?;
        self.store.set(SAVED, value);
        self.store.save().map_err(refused)?;
        // Only a list that is whole on the disk may replace the one before.
        File::open(&self.path).and_then(|list| list.sync_all()).map_err(file)?;
        self.backup.save(saved)
    }
}

fn refused(error: tauri_plugin_store::Error) -> ProjectStoreError {
    ProjectStoreError::Refused(error.to_string())
}

/// What the shell remembers between runs.
pub struct Remembered(Arc<Store<Wry>>);

impl Remembered {
    /// Opens it; an unreadable one is as good as none.
    pub fn open(app: &AppHandle, data_dir: &Path) -> tauri_plugin_store::Result<Self> {
        Ok(Self(app.store_builder(data_dir.join(SHELL_FILE)).build()?))
    }

    /// Whether this happens for the first time ever.
    pub fn first_time(&self, what: &str) -> bool {
        let first = !self.0.has(what);
        self.0.set(what, true);
        first
    }
}
