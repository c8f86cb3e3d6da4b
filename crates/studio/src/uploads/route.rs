//! Where the files of an output go: to the saved storage that the operator chose, or to what the job's own request names.

use std::path::PathBuf;

use egress::error::ApiError;
use egress::filename::ends_a_folder;
use egress::id::{EgressId, OutputId};
use egress::storage::{Asked, StorageProfile, StorageSecret};
use upload::Target;

use super::{folders, identity};
use crate::keys::Keeping;
use crate::options::ConfiguredStorage;
use crate::studio::Inner;
use crate::surface::{Job, JobOutput, JobStore};

/// Under which names the keys of configured storages are known. They are in the configuration, and kept nowhere else.
const CONFIGURED: &str = "configured-storage";
const CONFIGURED_BACKUP: &str = "configured-backup";

/// Where the files of an output go.
#[derive(Debug, Clone)]
pub(super) struct Route {
    /// Where to.
    pub target: Target,
    /// Where to if that fails for good.
    pub backup: Option<Target>,
    /// Whether the local files are removed once what is there is verified.
    pub remove_local: bool,
    /// The folder that the names of objects are taken relative to.
    pub folder: PathBuf,
    /// Whether objects go into a folder that is named like the egress.
    pub apart: bool,
}

/// Whether something of a job goes to a storage.
pub(super) fn goes_up(job: &Job) -> bool {
    !job.preview && (job.request.upload.is_some() || !job.stores.is_empty())
}

impl Inner {
    /// Where the files of an output go besides their folder, if anywhere.
    pub(super) fn route(&self, job: &Job, output: &JobOutput) -> Result<Option<Route>, ApiError> {
        if let Some(store) = job.stores.iter().find(|store| store.output == output.id) {
            return Ok(Some(Route {
                target: store.target.clone(),
                backup: store.backup.clone(),
                remove_local: store.remove_local,
                folder: PathBuf::from(&store.folder),
                apart: false,
            }));
        }
        let Some(to) = &job.request.upload else { return Ok(None) };
        let target = |id: &egress::id::StorageId| -> Result<Target, ApiError> {
            let saved = self.saved_storage(id)?;
            Ok(Target { profile: saved.profile, secret: saved.id.as_str().to_owned() })
        };
        Ok(Some(Route {
            target: target(&to.storage)?,
            backup: to.backup.as_ref().map(target).transpose()?,
            remove_local: to.remove_local,
            folder: PathBuf::from(&job.request.folder),
            // Once the file is gone from here the next recording gets its name, and would take its object's place.
            apart: to.remove_local && !of_its_own(&job.request.name),
        }))
    }

    /// Puts the keys of what a request asks for where keys are kept, and says where its outputs go. `outputs`: those
    /// that are files, each with the storage that the request names and the folder that its names are relative to.
    pub(crate) async fn keep_stores(
        &self,
        id: &EgressId,
        outputs: Vec<(OutputId, Option<Asked>, PathBuf)>,
    ) -> Result<Vec<JobStore>, ApiError> {
        let configured = |storage: &Option<ConfiguredStorage>, name: &str| {
            storage.as_ref().map(|storage| {
                self.known_keys.lock().insert(name.to_owned(), storage.secret.to_keyring());
                Target { profile: storage.profile.clone(), secret: name.to_owned() }
            })
        };
        let default = configured(&self.defaults.storage, CONFIGURED);
        let backup = configured(&self.defaults.backup, CONFIGURED_BACKUP);
        let mut stores: Vec<JobStore> = Vec::new();
        for (output, asked, folder) in outputs {
            let target = match asked {
                None => match &default {
                    Some(default) => default.clone(),
                    None => continue,
                },
                Some(Asked { storage, secret }) => {
                    let mut name = String::new();
                    // Of this computer's own identity there is nothing to keep.
                    if !(storage.machine_identity() && secret.is_empty()) {
                        name = format!("{id}-{}", output.as_str());
                        self.keep_for_job(&name, &secret).await;
                    }
                    let profile = StorageProfile { storage, prefix: self.defaults.prefix.clone() };
                    Target { profile, secret: name }
                }
            };
            stores.push(JobStore {
                output,
                target,
                backup: backup.clone(),
                folder: folder.display().to_string(),
                remove_local: !self.defaults.keep_local,
            });
        }
        Ok(stores)
    }

    /// Where keys cannot be kept they are known for as long as this runs: the job is recorded all the same.
    async fn keep_for_job(&self, name: &str, secret: &StorageSecret) {
        let keeping = Keeping { given: true, kept: false, this_run_only: false };
        let key = secret.to_keyring();
        if let Err(error) = self.keep_key(name, key.clone(), keeping).await {
            tracing::warn!(%error, "the keys of a request are kept for this run only");
            self.known_keys.lock().insert(name.to_owned(), key);
        }
    }

    /// The keys of a storage that is not a saved one.
    pub(super) async fn store_secret(&self, name: &str) -> Result<StorageSecret, ApiError> {
        let configured = match name {
            CONFIGURED => Some(&self.defaults.storage),
            CONFIGURED_BACKUP => Some(&self.defaults.backup),
            _ => None,
        };
        if let Some(configured) = configured {
            return configured.as_ref().map(|storage| storage.secret.clone()).ok_or_else(|| {
                lost(
                    "The storage is not in the configuration any more.",
                    "Put it back, or cancel the upload.",
                )
            });
        }
        let kept = self.key(name, true).await?;
        let mut kept = kept.as_ref().and_then(StorageSecret::from_keyring).ok_or_else(|| {
            lost(
                "The keys that came with the request are not at hand any more.",
                "Upload the recording to a saved storage. It is safe in its folder.",
            )
        })?;
        identity::fill(&self.defaults, &mut kept);
        Ok(kept)
    }

    /// The settings that a configured or a saved storage has by now.
    pub(super) fn current_profile(&self, name: &str) -> Option<StorageProfile> {
        let configured = match name {
            "" => return None,
            CONFIGURED => &self.defaults.storage,
            CONFIGURED_BACKUP => &self.defaults.backup,
            name => return self.saved_storage(&name.into()).ok().map(|saved| saved.profile),
        };
        configured.as_ref().map(|storage| storage.profile.clone())
    }

    /// Forgets the keys that came with a request.
    pub(crate) async fn forget_keys(&self, id: &EgressId, stores: &[JobStore]) {
        for target in stores.iter().map(|store| &store.target) {
            if target.secret.starts_with(id.as_str())
                && let Err(error) = self.forget_key(&target.secret, true).await
            {
                tracing::warn!(egress_id = %id, %error, "keys of a request could not be forgotten");
            }
        }
    }

    /// Forgets the keys of what a job's request asked for: its files are there.
    pub(crate) async fn forget_stores(&self, job: &Job) {
        self.forget_keys(&job.egress_id, &job.stores).await;
        if self.board.edit_job(&job.egress_id, |job| job.stores.clear()).is_some() {
            let (board_job, id) = (self.board.job(&job.egress_id), job.egress_id.clone());
            let written = self.journal.run(move |journal| journal.folded(|| board_job, 0)).await;
            if let Err(error) = written {
                tracing::error!(egress_id = %id, %error, "the journal is behind");
            }
            self.tell_egress(&id, None);
        }
        for store in job.stores.iter().filter(|store| store.remove_local) {
            let folder = PathBuf::from(&store.folder);
            let _ = tokio::task::spawn_blocking(move || folders::remove_empty(&folder)).await;
        }
    }
}

fn lost(message: &str, remedy: &str) -> ApiError {
    use egress::error::{ErrorCode, Fault};
    ApiError::new(ErrorCode::Keyring, Fault::Environment, message, remedy)
}

/// Whether no other recording gets the same name by this template.
fn of_its_own(template: &str) -> bool {
    let told_apart = |part| template.contains(part);
    template.is_empty()
        || ends_a_folder(template)
        || ["{time}", "{utc}", "{egress_id}"].into_iter().any(told_apart)
}
