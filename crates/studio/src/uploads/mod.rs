//! What is recorded goes up: the files of jobs that ask for it are put on the list of uploads, and what becomes of them
//! there is told in their jobs.
//!
//! A recording never waits for its upload and never fails by it. What must be on the list follows from the jobs alone, so
//! that a studio that was killed at any moment puts there what is missing.

mod courtesy;
mod following;
mod route;
mod sets;

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use egress::error::{ApiError, ErrorCode, Fault};
use egress::id::{EgressId, StorageId};
use egress::request::UploadRequest;
use egress::storage::StorageSecret;
use upload::{LocalFile, Options, Queue, Secrets, UploadId, UploadState};

use crate::error::{closing, no_such_job, precondition};
use crate::fold::ended;
use crate::studio::{Inner, Studio};
use crate::surface::JobOutput;

pub(crate) use following::follow;

impl Studio {
    /// Puts the files of a recording on the list of uploads: of one that runs, as it grows; of one that is over, at once.
    ///
    /// # Errors
    /// There is no such recording or storage, or it goes up already.
    pub async fn upload_recording(&self, egress_id: EgressId, to: UploadRequest) -> Result<(), ApiError> {
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
        for upload in queue.snapshot().uploads.into_iter().filter(|upload| upload.owner == egress_id.as_str())
        {
            queue.cancel(&upload.id).await?;
        }
        inner.board.edit_job(&egress_id, |job| {
            job.request.upload = Some(to);
            job.stores.clear();
            for output in &mut job.outputs {
                (output.upload_queued, output.stored) = (false, None);
            }
        });
        inner.journal_shown(&egress_id).await
    }

    /// Tries an upload again at once, with the keys that are kept now. Without an id: everything that waits.
    ///
    /// # Errors
    /// The list cannot be written.
    pub async fn retry_upload(&self, id: Option<UploadId>) -> Result<(), ApiError> {
        self.inner.ask_again().await;
        self.inner.uploads()?.retry_now(id.as_ref()).await
    }

    /// Pauses an upload, or lets it go on.
    ///
    /// # Errors
    /// There is no such upload, or the list cannot be written.
    pub async fn pause_upload(&self, id: UploadId, paused: bool) -> Result<(), ApiError> {
        self.inner.uploads()?.pause(&id, paused).await
    }

    /// Takes an upload off the list. The local file stays.
    ///
    /// # Errors
    /// There is no such upload, or the list cannot be written.
    pub async fn cancel_upload(&self, id: UploadId) -> Result<(), ApiError> {
        self.inner.uploads()?.cancel(&id).await
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
}
