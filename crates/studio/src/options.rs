//! What a studio is opened with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use egress::storage::{StorageProfile, StorageSecret};
use egress::validate::SessionLimits;
use egress::wire::Tuning;
use secrecy::SecretString;

use crate::projects::ProjectStore;
use crate::secrets::SecretStore;

/// What holds for requests of LiveKit's Egress API where they say nothing else: a worker's configuration.
#[derive(Debug, Clone, Default)]
pub struct EgressDefaults {
    /// Where files go besides their folder. None: they stay there.
    pub storage: Option<ConfiguredStorage>,
    /// Where they go if that, or what the request names, fails for good.
    pub backup: Option<ConfiguredStorage>,
    /// Begins the names of objects in a storage that a request names.
    pub prefix: String,
    /// Whether a request that names a bucket without keys may upload as the computer that this runs on.
    pub machine_identity: bool,
    /// The role by which requests upload to S3 that name none.
    pub s3_role: S3Role,
    /// Whether files may stay on this computer alone.
    pub disallow_local: bool,
    /// Whether the local file stays after its upload was verified.
    pub keep_local: bool,
    /// What ends jobs.
    pub limits: SessionLimits,
    /// The page that draws layouts where a request names none; none for the one that comes with the program.
    pub template_base: Option<String>,
    /// How the programs of jobs run.
    pub tuning: Tuning,
}

/// A role of AWS for requests.
#[derive(Debug, Clone, Default)]
pub struct S3Role {
    /// Its ARN. Empty: requests without a role of their own assume none.
    pub arn: String,
    /// What its owner wants to hear.
    pub external_id: Option<SecretString>,
    /// Name and secret of the key with which requests without keys assume their role.
    pub key: Option<(SecretString, SecretString)>,
}

/// A storage that is configured and not saved, with its keys.
#[derive(Debug, Clone)]
pub struct ConfiguredStorage {
    /// Where objects go to.
    pub profile: StorageProfile,
    /// With which keys.
    pub secret: StorageSecret,
}

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
    /// What holds for requests of the Egress API.
    pub egress: EgressDefaults,
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
            egress: EgressDefaults::default(),
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
