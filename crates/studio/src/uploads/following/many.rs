//! Outputs of many files: segments with their playlists, and images.

use std::path::{Path, PathBuf};

use egress::error::ApiError;
use egress::fact::OutputSet;
use upload::{Content, Order, Upload, UploadState};

use super::super::route::Route;
use super::super::sets;
use super::{Following, key_of};
use crate::fold::closed;
use crate::surface::{Job, JobOutput, JobStore};

/// So many files of a set are put on the list before everything else has its turn again.
const PUT_AT_ONCE: usize = 100;

impl Following {
    pub(super) async fn set(
        &mut self,
        job: &Job,
        to: &Route,
        output: &JobOutput,
        set: &OutputSet,
    ) -> Result<(), ApiError> {
        let Some(path) = output.path.as_deref().filter(|_| !output.upload_queued).map(PathBuf::from) else {
            return Ok(());
        };
        let over = closed(output.state);
        let files = {
            let (set, path, folder) = (set.clone(), path, to.folder.clone());
            tokio::task::spawn_blocking(move || sets::look(&set, &path, &folder)).await.unwrap_or_default()
        };
        let Some(files) = files else {
            // A disk that is away may come back; what never was need not be looked for.
            let nothing = output.result.as_ref().is_some_and(|result| result.path.is_none());
            if over && nothing {
                self.queued(job, output).await;
            }
            return Ok(());
        };
        let group = format!("{}/{}", job.egress_id, output.id);
        let mut room = PUT_AT_ONCE;
        for file in &files.files {
            let cancelled = self.cancelled.contains(&key_of(job, file));
            if !cancelled && self.known(job, file).is_none() && file.exists() {
                if room == 0 {
                    return Ok(());
                }
                room -= 1;
                let order = Order::In(group.clone());
                if !self.put_of_set(job, to, output, (file, Content::Closed, order)).await? {
                    return Ok(());
                }
            }
        }
        if let Some(image) = &files.replaced
            && !self.replaced(job, to, output, (image, &group)).await?
        {
            return Ok(());
        }
        let key = (job.egress_id.clone(), output.id.clone());
        if over || self.listed.get(&key).copied().unwrap_or(0) != files.files.len() {
            let count = files.files.len();
            for (list, bytes) in files.lists {
                let order = Order::After(group.clone());
                if !self.put_of_set(job, to, output, (&list, Content::Now(bytes), order)).await? {
                    return Ok(());
                }
            }
            self.listed.insert(key.clone(), count);
        }
        if over {
            self.listed.remove(&key);
            self.queued(job, output).await;
        }
        Ok(())
    }

    /// A file that is written over goes up again when it has changed, one version after the other: what comes while one
    /// is on its way is not wanted, but for the newest. Returned is whether that is on the list.
    async fn replaced(
        &mut self,
        job: &Job,
        to: &Route,
        output: &JobOutput,
        (path, group): (&Path, &str),
    ) -> Result<bool, ApiError> {
        let key = key_of(job, path);
        if self.cancelled.contains(&key) {
            return Ok(true);
        }
        let read = {
            let (path, known) = (path.to_owned(), self.versions.get(&key).copied());
            let going =
                self.known(job, &path).is_some_and(|up| !matches!(up.state, UploadState::Stored { .. }));
            tokio::task::spawn_blocking(move || {
                let file = std::fs::metadata(&path).ok()?;
                let version = (file.modified().ok()?, file.len());
                // First its version: what is read may be newer, and then goes up twice.
                let news = known != Some(version);
                let bytes = if news && !going { Some(std::fs::read(&path).ok()?) } else { None };
                Some((news, version, bytes))
            })
        };
        match read.await.unwrap_or_default() {
            Some((true, version, Some(bytes))) => {
                let order = Order::In(group.to_owned());
                let goes = self.put_of_set(job, to, output, (path, Content::Now(bytes), order)).await?;
                self.versions.insert(key, version);
                Ok(goes)
            }
            Some((news, ..)) => Ok(!news),
            // Between two versions, or on a disk that is away.
            None => Ok(closed(output.state)),
        }
    }

    /// Of sets that are in their storage and not to stay here, what was written anew goes last: the lists, and an image
    /// that each took the place of. They went up as they were, so that they outlived their uploads.
    pub(super) async fn sweep(&self, job: &Job) {
        for output in &job.outputs {
            let goes = |store: &&JobStore| store.output == output.id && store.remove_local;
            let (Some(set), Some(path), Some(store)) =
                (&output.set, &output.path, job.stores.iter().find(goes))
            else {
                continue;
            };
            let (set, path, folder) = (set.clone(), PathBuf::from(path), PathBuf::from(&store.folder));
            let files = tokio::task::spawn_blocking(move || sets::look(&set, &path, &folder)).await;
            let Ok(Some(files)) = files else { continue };
            for file in files.lists.into_iter().map(|(list, _)| list).chain(files.replaced) {
                let stored = |upload: &Upload| matches!(upload.state, UploadState::Stored { .. });
                if self.known(job, &file).is_some_and(stored)
                    && let Err(error) = tokio::fs::remove_file(&file).await
                {
                    tracing::warn!(egress_id = %job.egress_id, %error, "a list that was uploaded stays here");
                }
            }
        }
    }

    /// Puts a file of a set on the list; false: the set was taken off meanwhile, and this with it.
    async fn put_of_set(
        &mut self,
        job: &Job,
        to: &Route,
        output: &JobOutput,
        (path, content, order): (&Path, Content, Order),
    ) -> Result<bool, ApiError> {
        let id = self.put(job, to, path, content, order).await?;
        let off =
            self.inner.board.job(&job.egress_id).is_none_or(|job| {
                job.outputs.iter().any(|known| known.id == output.id && known.upload_queued)
            });
        if off {
            self.queue.cancel_all(&[id]).await?;
        }
        Ok(!off)
    }
}
