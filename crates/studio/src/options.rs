//! What a studio is opened with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::projects::ProjectStore;
use crate::secrets::SecretStore;

/// What a studio is opened with.
pub struct StudioOptions {
    /// The studio's own folder: journal, job folders, lock. One studio at a time has it.
    pub data_dir: PathBuf,
    /// Where the list of projects and the settings are kept. Never holds a secret.
    pub projects: Arc<dyn ProjectStore>,
    /// Where the secrets of the projects are kept.
    pub secrets: Arc<dyn SecretStore>,
    /// The `tallylight-job` program. None: what `$TALLYLIGHT_JOB` names, else the one beside our own
    /// executable.
    pub job_program: Option<PathBuf>,
    /// Where recordings go until the operator says otherwise. None: "Tallylight" in the Videos folder.
    pub default_folder: Option<PathBuf>,
    /// How long another studio may take to let go of the folder: it may be on its last steps.
    pub lock_within: Duration,
}

impl StudioOptions {
    /// Options with everything else left to the defaults.
    pub fn new(data_dir: PathBuf, projects: Arc<dyn ProjectStore>, secrets: Arc<dyn SecretStore>) -> Self {
        Self {
            data_dir,
            projects,
            secrets,
            job_program: None,
            default_folder: None,
            lock_within: Duration::from_secs(1),
        }
    }
}

/// The folder where a studio keeps its journal when nothing else is said. None on a machine that has
/// no home folder.
pub fn default_data_dir() -> Option<PathBuf> {
    dirs::data_local_dir().map(|dir| dir.join("tallylight"))
}

/// `Tallylight` in the Videos folder of the user, or in their home where there is none.
pub fn default_recordings_folder() -> Option<PathBuf> {
    dirs::video_dir()
        .or_else(|| dirs::home_dir().map(|home| home.join("Videos")))
        .map(|dir| dir.join("Tallylight"))
}
