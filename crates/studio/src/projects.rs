//! The saved projects and settings, without their secrets.

use std::path::PathBuf;

use egress::error::ApiError;
use egress::id::{DestinationId, ProjectId, RuleId, StorageId};
use egress::spec::{SoundFormat, StreamProtocol};
use egress::storage::StorageProfile;
use serde::{Deserialize, Serialize};

use crate::surface::{AutoEgress, Settings};

/// What is saved: everything about the projects but their secrets, and the settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Saved {
    /// The projects, in order of name.
    pub projects: Vec<SavedProject>,
    /// The open one.
    pub current: Option<ProjectId>,
    /// Destinations of live streams, in order of name.
    pub destinations: Vec<SavedDestination>,
    /// Storages, in order of name.
    pub storages: Vec<SavedStorage>,
    /// Rules of auto egress, in the order they were made.
    pub rules: Vec<SavedRule>,
    /// What the operator set; none: nothing yet.
    pub settings: Option<Settings>,
}

/// A saved project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedProject {
    /// Ours.
    pub id: ProjectId,
    /// Shown name.
    pub name: String,
    /// Address of the server.
    pub url: String,
    /// API key.
    pub api_key: String,
    /// Whether the secret was put into the keyring.
    pub in_keyring: bool,
}

/// A saved destination of live streams, without its key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedDestination {
    /// Ours.
    pub id: DestinationId,
    /// Shown name.
    pub name: String,
    /// Its address as it may be shown.
    pub address: String,
    /// How it is sent to.
    pub protocol: StreamProtocol,
    /// RTMPS: whether any certificate is taken.
    pub any_certificate: bool,
    /// What is sent, of a WebSocket.
    #[serde(default)]
    pub sound: SoundFormat,
    /// Whether the address with its key was put into the keyring.
    pub in_keyring: bool,
}

/// A saved storage, without its keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedStorage {
    /// Ours.
    pub id: StorageId,
    /// Shown name.
    pub name: String,
    /// Where objects go to.
    pub profile: StorageProfile,
    /// Whether its keys were put into the keyring.
    pub in_keyring: bool,
}

/// A saved rule of auto egress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedRule {
    /// Ours.
    pub id: RuleId,
    /// The project whose rooms it is about.
    pub project_id: ProjectId,
    /// What is recorded of which rooms.
    pub what: AutoEgress,
}

/// What can go wrong with the list of projects.
#[derive(Debug, thiserror::Error)]
pub enum ProjectStoreError {
    /// It cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is there and makes no sense.
    #[error("{path}: {source}")]
    Form {
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The store of the front end refuses.
    #[error("{0}")]
    Refused(String),
}

impl From<ProjectStoreError> for ApiError {
    fn from(error: ProjectStoreError) -> Self {
        use egress::error::{ErrorCode, Fault};
        ApiError::new(
            ErrorCode::Storage,
            Fault::Environment,
            "The list of projects cannot be read or saved.",
            "Check that the disk has room and that Tallylight's data folder may be written.",
        )
        .retryable()
        .with_detail(error)
    }
}

/// Keeps the list of projects and the settings. Calls may block for a disk write.
pub trait ProjectStore: Send + Sync + 'static {
    /// What was saved; the default where nothing was.
    fn load(&self) -> Result<Saved, ProjectStoreError>;
    /// Replaces what was saved.
    fn save(&self, saved: &Saved) -> Result<(), ProjectStoreError>;
}

/// The list in a JSON file.
pub struct JsonProjects {
    path: PathBuf,
}

impl JsonProjects {
    /// The list in this file, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

impl ProjectStore for JsonProjects {
    fn load(&self) -> Result<Saved, ProjectStoreError> {
        let text = match std::fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Saved::default()),
            Err(source) => return Err(ProjectStoreError::File { path: self.path.clone(), source }),
        };
        serde_json::from_slice(&text)
            .map_err(|source| ProjectStoreError::Form { path: self.path.clone(), source })
    }

    fn save(&self, saved: &Saved) -> Result<(), ProjectStoreError> {
        let of = |source| ProjectStoreError::File { path: self.path.clone(), source };
        let text = serde_json::to_vec_pretty(saved)
            .map_err(|source| ProjectStoreError::Form { path: self.path.clone(), source })?;
        // Written beside and renamed, so that a crash leaves the old list or the new one.
        let beside = self.path.with_extension("new");
        let mut file = std::fs::File::create(&beside).map_err(of)?;
        std::io::Write::write_all(&mut file, &text).map_err(of)?;
        file.sync_all().map_err(of)?;
        std::fs::rename(&beside, &self.path).map_err(of)
    }
}
