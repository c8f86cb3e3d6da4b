//! Time, and what is done with jobs that are over.

use std::path::PathBuf;
use std::sync::Arc;

use egress::error::ApiError;
use egress::id::{EgressId, OutputId};
use futures_util::future::BoxFuture;

use crate::error::{no_such_job, precondition};
use crate::fold::ended;
use crate::studio::Studio;
use crate::surface::Change;
use crate::tool;
use upload::UploadState;

/// Unix time, ms.
pub(crate) fn now_ms() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

impl Studio {
    /// The path of an output's file, as the job told it.
    ///
    /// # Errors
    /// There is no such job or output, or its file is not named yet.
    pub fn output_path(
        &self,
        egress_id: EgressId,
        output: OutputId,
    ) -> BoxFuture<'_, Result<PathBuf, ApiError>> {
        Box::pin(async move {
            let job = self.inner.board.job(&egress_id).ok_or_else(no_such_job)?;
            let output = job.outputs.iter().find(|o| o.id == output).ok_or_else(no_such_job)?;
            output.path.clone().map(PathBuf::from).ok_or_else(|| {
                precondition("The file has no name yet.", "Wait until the recording has begun.")
            })
        })
    }

    /// A small picture of a finished output; none where it has no picture.
    ///
    /// # Errors
    /// There is no such job or output, or its file is gone or cannot be read.
    pub fn history_still(
        &self,
        egress_id: EgressId,
        output: OutputId,
    ) -> BoxFuture<'_, Result<Option<PathBuf>, ApiError>> {
        Box::pin(async move {
            let job = self.inner.board.job(&egress_id).ok_or_else(no_such_job)?;
            let found = job.outputs.iter().find(|o| o.id == output).ok_or_else(no_such_job)?;
            if !found.thumbnail {
                return Ok(None);
            }
            let path = self.output_path(egress_id.clone(), output).await?;
            let id = egress_id.clone();
            let folder = self.inner.journal.run(move |journal| journal.folder(&id)).await?;
            let folder = folder.ok_or_else(no_such_job)?;
            let at = job.outputs.iter().position(|o| o.id == found.id).unwrap_or(0);
            let still = folder.join(format!("still-{at}.jpg"));
            // One at a time: a long history must not start a hundred decoders.
            let _turn = self.inner.stills.acquire().await.map_err(crate::error::internal)?;
            if !still.exists() {
                // Beside and renamed, so that a still that was cut off is never shown.
                let beside = folder.join(format!("still-{at}.part.jpg"));
                crate::process::make_private(&folder)
                    .map_err(|error| crate::error::storage(&folder, "Cannot write").with_detail(error))?;
                tool::still(&self.inner.program, &path, &beside).await?;
                tokio::fs::rename(&beside, &still)
                    .await
                    .map_err(|error| crate::error::storage(&still, "Cannot write").with_detail(error))?;
            }
            Ok(Some(still))
        })
    }

    /// Takes a finished job out of the history. Its file stays.
    ///
    /// # Errors
    /// There is no such job, or it still runs.
    pub fn forget_job(&self, egress_id: EgressId) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let job = self.inner.board.job(&egress_id).ok_or_else(no_such_job)?;
            if !ended(job.status) || self.inner.jobs.lock().contains_key(&egress_id) {
                return Err(precondition("This recording still runs.", "Stop it first."));
            }
            let waits = |upload: &upload::Upload| {
                upload.owner == egress_id.as_str() && !matches!(upload.state, UploadState::Stored { .. })
            };
            if self.inner.board.read(|snapshot| snapshot.uploads.iter().any(waits)) {
                return Err(precondition(
                    "This recording is still on the list of uploads.",
                    "Wait until it is stored, or take it off that list first.",
                ));
            }
            self.inner.forget_keys(&egress_id, &job.stores).await;
            self.inner.forget(egress_id).await
        })
    }
}

impl crate::studio::Inner {
    /// Writes a job as it is shown, where no fact of its own has changed it.
    pub(crate) async fn journal_shown(self: &Arc<Self>, id: &EgressId) -> Result<(), ApiError> {
        let (inner, id) = (self.clone(), id.clone());
        let newest = move || inner.board.job(&id);
        self.journal.run(move |journal| journal.folded(newest, 0)).await.map_err(ApiError::from)
    }

    /// Takes a job out of the board, the journal and the studio's folder.
    pub(crate) async fn forget(&self, egress_id: EgressId) -> Result<(), ApiError> {
        let id = egress_id.clone();
        let folder = self
            .journal
            .run(move |journal| {
                let folder = journal.folder(&id)?;
                journal.remove(&id)?;
                Ok(folder)
            })
            .await?;
        self.board.edit(|snapshot| {
            let known = snapshot.jobs.iter().any(|job| job.egress_id == egress_id);
            known.then(|| Change::JobRemoved { egress_id: egress_id.clone() })
        });
        self.egresses.forget(&egress_id);
        if let Some(folder) = folder {
            // Never anything but a folder that we made: a damaged row must not name another.
            if folder.parent() == Some(self.jobs_dir().as_path())
                && let Ok(folder) = crate::process::JobFolder::open(folder)
            {
                let _ = tokio::task::spawn_blocking(move || folder.remove()).await;
            }
        }
        Ok(())
    }
}
