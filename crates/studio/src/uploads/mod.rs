//! What is recorded goes up: the files of jobs that ask for it are put on the list of uploads, and what becomes of them
//! there is told in their jobs.
//!
//! A recording never waits for its upload and never fails by it. What must be on the list follows from the jobs alone, so
//! that a studio that was killed at any moment puts there what is missing.

mod courtesy;
mod folders;
mod following;
mod identity;
mod route;
mod sets;

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use egress::error::{ApiError, ErrorCode, Fault};
use egress::id::{EgressId, OutputId, StorageId};
use egress::request::UploadRequest;
use egress::storage::{StorageProfile, StorageSecret};
use futures_util::future::BoxFuture;
use upload::{LocalFile, Options, Queue, Secrets, Upload, UploadId, UploadState};

use crate::error::{closing, no_such_job, precondition};
use crate::fold::ended;
use crate::studio::{Inner, Studio};
use crate::surface::JobOutput;

pub(crate) use following::follow;
pub(crate) use identity::allowed;

/// Files come to a set a few a second at most; this is far more than it takes to be faster than they.
const PAUSES: usize = 50;

impl Studio {
    /// Puts the files of a recording on the list of uploads: of one that runs, as it grows; of one that is over, at once.
    ///
    /// # Errors
    /// There is no such recording or storage, or it goes up already.
    pub fn upload_recording(
        &self,
        egress_id: EgressId,
        to: UploadRequest,
    ) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let inner = &self.inner;
            inner.check_upload(Some(&to))?;
            let job = inner.board.job(&egress_id).ok_or_else(no_such_job)?;
            if job.preview || ended(job.status) && job.outputs.iter().all(|output| output.path.is_none()) {
                return Err(precondition("There is no file to upload.", "Record first."));
            }
            let goes = |upload: &upload::Upload| {
                upload.owner == egress_id.as_str() && !matches!(upload.state, UploadState::Stored { .. })
            };
            if inner.board.read(|snapshot| snapshot.uploads.iter().any(goes)) {
                return Err(precondition(
                    "This recording is on the list of uploads already.",
                    "Cancel what is on the list first, to send it elsewhere.",
                ));
            }
            let stored = |output: &JobOutput| output.stored.as_ref().map(|stored| stored.local);
            if job.outputs.iter().any(|output| stored(output) == Some(LocalFile::Removed)) {
                return Err(precondition(
                    "The local file was removed after its upload.",
                    "Copy it from the storage that has it.",
                ));
            }
            // What is there already is only forgotten here: it goes up anew.
            let queue = inner.uploads()?;
            let own =
                queue.snapshot().uploads.into_iter().filter(|upload| upload.owner == egress_id.as_str());
            queue.cancel_all(&own.map(|upload| upload.id).collect::<Vec<_>>()).await?;
            inner.board.edit_job(&egress_id, |job| {
                job.request.upload = Some(to);
                job.stores.clear();
                for output in &mut job.outputs {
                    (output.upload_queued, output.stored) = (false, None);
                }
            });
            inner.journal_shown(&egress_id).await
        })
    }

    /// Tries an upload again at once, with the keys that are kept now. Without an id: everything that waits.
    ///
    /// # Errors
    /// The list cannot be written.
    pub fn retry_upload(&self, id: Option<UploadId>) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            self.inner.ask_again().await;
            self.inner.uploads()?.retry_now(id.as_ref()).await
        })
    }

    /// Pauses an upload, or lets it go on.
    ///
    /// # Errors
    /// There is no such upload, or the list cannot be written.
    pub fn pause_upload(&self, id: UploadId, paused: bool) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move { self.inner.uploads()?.pause(&id, paused).await })
    }

    /// Takes an upload off the list. The local file stays.
    ///
    /// # Errors
    /// There is no such upload, or the list cannot be written.
    pub fn cancel_upload(&self, id: UploadId) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move { self.inner.uploads()?.cancel(&id).await })
    }

    /// Tries what waits of an output of many files again at once, with the keys that are kept now.
    ///
    /// # Errors
    /// There is no such job, or the list cannot be written.
    pub fn retry_set(&self, egress_id: EgressId, output: OutputId) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            self.inner.ask_again().await;
            let waits = |state: &UploadState| matches!(state, UploadState::Waiting { .. });
            let ids = self.inner.of_set(&egress_id, &output, waits)?;
            self.inner.uploads()?.retry_all(&ids).await
        })
    }

    /// Pauses what is not stored yet of an output of many files, and with it what is still to come of it; or lets it go
    /// on.
    ///
    /// # Errors
    /// There is no such job, or the list cannot be written.
    pub fn pause_set(
        &self,
        egress_id: EgressId,
        output: OutputId,
        paused: bool,
    ) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let other = |state: &UploadState| {
                !matches!(state, UploadState::Stored { .. }) && (*state == UploadState::Paused) != paused
            };
            // Until nothing is left: what is put there meanwhile joins a set that is not paused as a whole yet.
            for _ in 0..PAUSES {
                let ids = self.inner.of_set(&egress_id, &output, other)?;
                if ids.is_empty() {
                    break;
                }
                self.inner.uploads()?.pause_all(&ids, paused).await?;
            }
            Ok(())
        })
    }

    /// Takes an output of many files off the list; nothing more of it is put there. The local files stay, and so does
    /// what is stored already.
    ///
    /// # Errors
    /// There is no such job, or the list cannot be written.
    pub fn cancel_set(&self, egress_id: EgressId, output: OutputId) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let inner = &self.inner;
            // First, so that nothing is put there behind our back.
            inner.board.edit_job(&egress_id, |job| {
                for known in job.outputs.iter_mut().filter(|known| known.id == output) {
                    known.upload_queued = true;
                }
            });
            inner.journal_shown(&egress_id).await?;
            // What is stored is forgotten as well: a part of it is not the recording.
            let ids = inner.of_set(&egress_id, &output, |_| true)?;
            inner.uploads()?.cancel_all(&ids).await
        })
    }
}

impl Inner {
    /// Opens the list of uploads. Where that fails, recordings are made all the same; it is shown as a problem of this
    /// computer.
    pub(crate) async fn open_uploads(self: &Arc<Self>) {
        let limit_bps = self.board.read(|snapshot| snapshot.settings.upload_limit_bps);
        let options = Options { limit_bps, ..Options::default() };
        let keys = Arc::new(Keys(Arc::downgrade(self)));
        match Queue::open(&self.data_dir.join("uploads"), keys, options).await {
            Ok(queue) => {
                let _ = self.queue.set(queue);
            }
            Err(error) => {
                tracing::error!(%error, detail = error.detail, "the list of uploads cannot be opened");
                self.problems.lock().push(error);
            }
        }
    }

    /// The list of uploads.
    pub(crate) fn uploads(&self) -> Result<&Queue, ApiError> {
        self.queue.get().ok_or_else(|| {
            ApiError::new(
                ErrorCode::Storage,
                Fault::Environment,
                "The list of uploads cannot be opened.",
                "Check that the disk has room and that Tallylight's data folder may be written; then start \
                 Tallylight again.",
            )
        })
    }

    /// Whether the storages that a request names are there.
    pub(crate) fn check_upload(&self, upload: Option<&UploadRequest>) -> Result<(), ApiError> {
        let Some(upload) = upload else { return Ok(()) };
        self.saved_storage(&upload.storage)?;
        if let Some(backup) = &upload.backup {
            self.saved_storage(backup)?;
            if *backup == upload.storage {
                return Err(ApiError::new(
                    ErrorCode::InvalidArgument,
                    Fault::Input,
                    "The backup storage is the storage itself.",
                    "Choose another one, or none.",
                ));
            }
        }
        Ok(())
    }

    /// What is on the list of an output of many files, in these states.
    fn of_set(
        &self,
        egress_id: &EgressId,
        output: &OutputId,
        states: impl Fn(&UploadState) -> bool,
    ) -> Result<Vec<UploadId>, ApiError> {
        let job = self.board.job(egress_id).ok_or_else(no_such_job)?;
        let of_it = |upload: &Upload| {
            upload.owner == egress_id.as_str()
                && states(&upload.state)
                && following::set_of(&job, &upload.path).is_some_and(|set| set.id == *output)
        };
        let all = self.uploads()?.snapshot().uploads;
        Ok(all.into_iter().filter(of_it).map(|upload| upload.id).collect())
    }

    /// Whether something goes to a storage, or will.
    pub(crate) fn storage_in_use(&self, id: &StorageId) -> bool {
        self.board.read(|snapshot| {
            snapshot.jobs.iter().any(|job| {
                let there = job
                    .request
                    .upload
                    .as_ref()
                    .is_some_and(|to| to.storage == *id || to.backup.as_ref() == Some(id));
                let going = |upload: &upload::Upload| {
                    upload.owner == job.egress_id.as_str()
                        && !matches!(upload.state, UploadState::Stored { .. })
                };
                there && (!ended(job.status) && !job.preview || snapshot.uploads.iter().any(going))
            })
        })
    }
}

/// The keys of the saved storages, for the queue.
struct Keys(Weak<Inner>);

#[async_trait]
impl Secrets for Keys {
    async fn secret(&self, name: &str) -> Result<StorageSecret, ApiError> {
        let inner = self.0.upgrade().ok_or_else(closing)?;
        match inner.saved_storage(&name.into()) {
            Ok(saved) => inner.storage_secret(&saved).await,
            Err(_) => inner.store_secret(name).await,
        }
    }

    fn profile(&self, name: &str) -> Option<StorageProfile> {
        self.0.upgrade()?.current_profile(name)
    }
}
