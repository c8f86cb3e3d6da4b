//! The handle.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::storage::object_key;
use parking_lot::Mutex;
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;

use crate::board::{Board, Row, order};
use crate::carry::now_ms;
use crate::disk::facts;
use crate::inner::Inner;
use crate::journal::{self, Journal};
use crate::pace::Yield;
use crate::surface::{
    Content, Event, Growth, NewUpload, Options, Secrets, Snapshot, Target, Upload, UploadId,
};
use crate::worker::{Order, work};

/// Longest file that is taken into the queue itself.
const MAX_BODY_BYTES: usize = 64 << 20;

/// The upload queue. A cheap handle; see the [crate]'s page.
#[derive(Clone)]
pub struct Queue {
    inner: Arc<Inner>,
    orders: mpsc::UnboundedSender<Order>,
    worker: Arc<Mutex<Option<JoinHandle<()>>>>,
    /// Locked for as long as the queue is open here.
    lock: Arc<Mutex<Option<File>>>,
}

impl Queue {
    /// Opens the queue in a folder and goes on with what is in it.
    ///
    /// # Errors
    /// The folder cannot be written, or another process has the queue.
    pub async fn open(folder: &Path, secrets: Arc<dyn Secrets>, options: Options) -> Result<Self, ApiError> {
        let dir = folder.to_owned();
        let opened = tokio::task::spawn_blocking(move || open_blocking(&dir)).await;
        let (journal, kept, lock) = opened.map_err(|_| ApiError::from(journal::JournalError::Gone))??;
        let mut board = Board::default();
        let forget_before = now_ms() - i64::try_from(options.remember.as_millis()).unwrap_or(i64::MAX);
        let mut forgotten = Vec::new();
        for mut row in kept.rows {
            if row.stored.as_ref().is_some_and(|stored| stored.settled && stored.at_ms < forget_before) {
                forgotten.push(row.id);
                continue;
            }
            // Whatever kept it from going may be over.
            row.next_try_ms = 0;
            board.put(row);
        }
        for (id, index, part) in kept.parts {
            if board.get(&id).is_some() {
                board.put_part(&id, index, part);
            }
        }
        let inner = Arc::new(Inner::new(journal, board, secrets, options));
        for id in forgotten {
            inner.remove(&id).await?;
        }
        let (orders, receiver) = mpsc::unbounded_channel();
        let worker = tokio::spawn(work(inner.clone(), receiver));
        Ok(Self {
            inner,
            orders,
            worker: Arc::new(Mutex::new(Some(worker))),
            lock: Arc::new(Mutex::new(Some(lock))),
        })
    }

    /// Puts a file on the list. It is on the disk when this returns.
    ///
    /// # Errors
    /// The settings, the name or the path cannot be; or the list cannot be written.
    pub async fn add(&self, upload: NewUpload) -> Result<UploadId, ApiError> {
        let checked = |mut target: Target| -> Result<(Target, String), ApiError> {
            target.profile.storage = target.profile.storage.check()?;
            let key = object_key(&target.profile.prefix, &upload.name)?;
            Ok((target, key))
        };
        let (target, key) = checked(upload.target.clone())?;
        let (backup, backup_key) = match upload.backup.clone().map(checked).transpose()? {
            Some((backup, key)) => (Some(backup), Some(key)),
            None => (None, None),
        };
        if !upload.path.is_absolute() {
            return Err(bad_path("The file to be uploaded is not named by its full path."));
        }
        let body = match upload.content {
            Content::Now(ref bytes) if bytes.len() > MAX_BODY_BYTES => {
                return Err(bad_path("The file to be uploaded is too long to be kept in the list."));
            }
            Content::Now(ref bytes) => Some(bytes.clone()),
            Content::Closed | Content::Growing => None,
        };
        let (group, after_group) = order(upload.order);
        // What joins a group that the operator has paused waits with it.
        let paused = group.as_ref().is_some_and(|group| self.inner.board.lock().group_paused(group));
        let mut row = Row {
            id: UploadId::random(),
            seq: 0,
            path: upload.path,
            name: upload.name,
            keys: (key, backup_key),
            target,
            backup,
            owner: upload.owner,
            group,
            after_group,
            afterwards: upload.afterwards,
            body: body.is_some(),
            growing: upload.content == Content::Growing,
            grown: false,
            file: None,
            part_bytes: self.inner.options.part_bytes,
            multipart: None,
            on_backup: false,
            main_error: None,
            attempts: 0,
            next_try_ms: 0,
            error: None,
            paused,
            stored: None,
            removed: false,
            created_at_ms: now_ms(),
        };
        let id = row.id.clone();
        if row.body {
            // Versions of the same file that are there already say nothing any more.
            let older: Vec<UploadId> = {
                let board = self.inner.board.lock();
                let same = |one: &&Row| {
                    one.body
                        && (one.stored.is_some() || one.paused && paused)
                        && (&one.path, &one.keys) == (&row.path, &row.keys)
                };
                board.rows().filter(same).map(|one| one.id.clone()).collect()
            };
            self.inner.remove_all(&older).await?;
        }
        row.seq = self.inner.board.lock().take_seq();
        let written = row.clone();
        self.inner.journal.run(move |c| journal::add(c, &written, body.as_deref())).await?;
        // Its group may have been paused, or let go on, while it was written down: one that is not like the others would
        // turn all that come after it.
        let paused_now = {
            let mut board = self.inner.board.lock();
            row.paused = row.group.as_ref().is_some_and(|group| board.group_paused(group));
            let paused_now = row.paused;
            board.put(row);
            paused_now
        };
        if paused_now != paused {
            // Only to the disk: it may have been changed again.
            self.inner.update(&id, |_| ()).await?;
        }
        self.inner.tell(&id);
        self.inner.wake.notify_one();
        Ok(id)
    }

    /// Tells how far a growing file is final. Cheap; once a second is often enough.
    ///
    /// # Errors
    /// There is no such upload, or its file is complete.
    pub fn grow(&self, id: &UploadId, growth: Growth) -> Result<(), ApiError> {
        let mut board = self.inner.board.lock();
        let row = board.get(id).ok_or_else(unknown)?.clone();
        if !row.growing {
            return Err(not_growing());
        }
        let live = board.live(id);
        live.final_bytes = live.final_bytes.max(growth.final_bytes);
        live.rewritten = growth.rewritten;
        if row.multipart.is_none() || !board.due_parts(&row).is_empty() {
            self.inner.wake.notify_one();
        }
        Ok(())
    }

    /// Tells that a growing file is complete and will not change any more. Of a recording that died it is
    /// called when its file has been repaired; until then what is up waits.
    ///
    /// # Errors
    /// There is no such upload, the file is gone, or the list cannot be written.
    pub async fn finish(&self, id: &UploadId) -> Result<(), ApiError> {
        let row = self.inner.board.lock().get(id).cloned().ok_or_else(unknown)?;
        if !row.growing {
            return Ok(());
        }
        let file =
            facts(row.path.clone()).await.map_err(|error| error.told(&row.target().profile.storage, None))?;
        self.inner
            .update(id, move |row| {
                row.growing = false;
                row.file = Some(file);
                row.next_try_ms = 0;
            })
            .await?;
        self.inner.wake.notify_one();
        Ok(())
    }

    /// Takes an upload off the list; what the store has of it is thrown away. The local file stays. An
    /// upload that is stored is only forgotten.
    ///
    /// # Errors
    /// There is no such upload, or the list cannot be written.
    pub async fn cancel(&self, id: &UploadId) -> Result<(), ApiError> {
        self.inner.board.lock().get(id).ok_or_else(unknown)?;
        self.cancel_all(std::slice::from_ref(id)).await
    }

    /// As [`cancel`](Self::cancel), for many in one step. Those that are not on the list are passed over.
    ///
    /// # Errors
    /// The list cannot be written.
    pub async fn cancel_all(&self, ids: &[UploadId]) -> Result<(), ApiError> {
        // Not begun again between the stop and the removal.
        self.inner.update_all(ids, |row| row.paused = true).await?;
        self.stop(ids).await;
        let rows = self.inner.remove_all(ids).await?;
        // What waited for them waits no longer.
        self.inner.wake.notify_one();
        for row in rows {
            if let (None, Some(multipart)) = (&row.stored, row.multipart.clone())
                && let Ok(remote) = self.inner.remote(row.target()).await
            {
                tokio::spawn(async move { remote.abort(row.key(), &multipart).await });
            }
        }
        Ok(())
    }

    /// Tries again at once, with the secrets that are in the keyring now. Without an id: everything that
    /// waits.
    ///
    /// # Errors
    /// The list cannot be written.
    pub async fn retry_now(&self, id: Option<&UploadId>) -> Result<(), ApiError> {
        let ids: Vec<UploadId> = {
            let board = self.inner.board.lock();
            board.rows().filter(|row| id.is_none_or(|id| *id == row.id)).map(|row| row.id.clone()).collect()
        };
        self.retry_all(&ids).await
    }

    /// As [`retry_now`](Self::retry_now), for these.
    ///
    /// # Errors
    /// The list cannot be written.
    pub async fn retry_all(&self, ids: &[UploadId]) -> Result<(), ApiError> {
        self.inner.close_remotes();
        let waiting: Vec<UploadId> = {
            let board = self.inner.board.lock();
            let waits = |id: &&UploadId| board.get(id).is_some_and(|row| row.next_try_ms > 0);
            ids.iter().filter(waits).cloned().collect()
        };
        let at_once = |row: &mut Row| {
            row.next_try_ms = 0;
            row.error = None;
        };
        self.inner.update_all(&waiting, at_once).await?;
        self.inner.wake.notify_one();
        Ok(())
    }

    /// Pauses an upload, or lets it go on. Parts under way are broken off and sent again later.
    ///
    /// # Errors
    /// There is no such upload, or the list cannot be written.
    pub async fn pause(&self, id: &UploadId, paused: bool) -> Result<(), ApiError> {
        self.inner.board.lock().get(id).ok_or_else(unknown)?;
        self.pause_all(std::slice::from_ref(id), paused).await
    }

    /// As [`pause`](Self::pause), for many in one step. What joins a group of which all that is not stored is paused
    /// is paused as well.
    ///
    /// # Errors
    /// The list cannot be written.
    pub async fn pause_all(&self, ids: &[UploadId], paused: bool) -> Result<(), ApiError> {
        self.inner.update_all(ids, move |row| row.paused = paused).await?;
        if paused {
            self.stop(ids).await;
        }
        self.inner.wake.notify_one();
        Ok(())
    }

    async fn stop(&self, ids: &[UploadId]) {
        let (running, mut stopped) = mpsc::channel(1);
        if self.orders.send(Order::Stop(ids.iter().cloned().collect(), running)).is_ok() {
            // Nothing is ever sent: it closes when the last of them has ended.
            let _ = stopped.recv().await;
        }
    }

    /// Leaves the line to what is live, or takes it back.
    pub fn yield_to_live(&self, yielding: Yield) {
        self.inner.pace.set_yield(yielding);
        self.inner.wake.notify_one();
    }

    /// Limits all uploads together, bits a second.
    pub fn set_limit(&self, limit_bps: Option<u64>) {
        self.inner.pace.set_limit(limit_bps);
    }

    /// All uploads, and the number of the last event that is in it. To miss nothing, take the receiver of
    /// [`events`](Self::events) first.
    pub fn snapshot(&self) -> Snapshot {
        self.inner.board.lock().snapshot()
    }

    /// One upload, as it is now.
    pub fn upload(&self, id: &UploadId) -> Option<Upload> {
        let board = self.inner.board.lock();
        board.get(id).map(|row| board.show(row))
    }

    /// What happens from now on. A receiver that lags loses the oldest and is told so.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.inner.events.subscribe()
    }

    /// Breaks everything off and closes the queue; it goes on from there when it is opened again.
    pub async fn shutdown(self) {
        let _ = self.orders.send(Order::End);
        let worker = self.worker.lock().take();
        if let Some(worker) = worker {
            let _ = worker.await;
        }
        drop(self.lock.lock().take());
    }
}

fn open_blocking(dir: &Path) -> Result<(Journal, journal::Kept, File), ApiError> {
    let failed = |error: std::io::Error| ApiError::from(journal::JournalError::Io(error));
    std::fs::create_dir_all(dir).map_err(failed)?;
    let lock = File::create(dir.join("uploads.lock")).map_err(failed)?;
    if let Err(error) = lock.try_lock() {
        return Err(ApiError::new(
            ErrorCode::FailedPrecondition,
            Fault::Environment,
            "Another Tallylight has the list of uploads open.",
            "Close the other one first.",
        )
        .with_detail(error));
    }
    let (journal, kept, aside) = Journal::open(dir)?;
    if let Some(aside) = aside {
        tracing::error!(aside = %aside.display(), "the list of uploads was damaged; it begins anew");
    }
    Ok((journal, kept, lock))
}

fn bad_path(message: &str) -> ApiError {
    ApiError::new(ErrorCode::InvalidArgument, Fault::Input, message, "Check the path of the file.")
}

fn unknown() -> ApiError {
    ApiError::new(
        ErrorCode::NotFound,
        Fault::Input,
        "This upload is not on the list.",
        "Look at the list again: it may be done, or cancelled.",
    )
}

fn not_growing() -> ApiError {
    ApiError::new(
        ErrorCode::FailedPrecondition,
        Fault::Input,
        "The file of this upload was said to be complete.",
        "",
    )
}
