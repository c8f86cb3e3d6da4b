//! What the queue's handle, its worker and the uploads under way share.

use std::collections::HashMap;
use std::sync::Arc;

use egress::error::ApiError;
use egress::storage::StorageProfile;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, broadcast};

use crate::board::{Board, Row};
use crate::fault::StoreError;
use crate::journal::{self, Journal};
use crate::pace::Pace;
use crate::remote::{self, Remote};
use crate::surface::{Event, Options, Secrets, Target, UploadId, What};

pub(crate) struct Inner {
    pub(crate) journal: Journal,
    pub(crate) board: Mutex<Board>,
    /// Held while a row is changed: read, written to the disk, put on the board.
    changing: tokio::sync::Mutex<()>,
    /// Something may be to do.
    pub(crate) wake: Notify,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) pace: Arc<Pace>,
    secrets: Arc<dyn Secrets>,
    pub(crate) options: Options,
    /// Open storages.
    remotes: Mutex<HashMap<Target, Arc<dyn Remote>>>,
    /// Parts in memory, of all uploads together.
    pub(crate) part_slots: Semaphore,
}

impl Inner {
    pub(crate) fn new(journal: Journal, board: Board, secrets: Arc<dyn Secrets>, options: Options) -> Self {
        let slots = options.parallel_parts.max(1) * options.parallel_uploads.max(1);
        Self {
            journal,
            board: Mutex::new(board),
            changing: tokio::sync::Mutex::new(()),
            wake: Notify::new(),
            events: broadcast::channel(1024).0,
            pace: Arc::new(Pace::new(options.limit_bps)),
            secrets,
            options,
            remotes: Mutex::new(HashMap::new()),
            part_slots: Semaphore::new(slots),
        }
    }

    /// Changes a row, on the disk first. Goes to its end, also if the caller is dropped.
    pub(crate) async fn update(
        self: &Arc<Self>,
        id: &UploadId,
        how: impl FnOnce(&mut Row) + Send + 'static,
    ) -> Result<Option<Row>, ApiError> {
        self.change(id, how, false).await
    }

    /// Changes a row and forgets its parts, in one step.
    pub(crate) async fn start_over(
        self: &Arc<Self>,
        id: &UploadId,
        how: impl FnOnce(&mut Row) + Send + 'static,
    ) -> Result<Option<Row>, ApiError> {
        let anew = |row: &mut Row| {
            row.multipart = None;
            row.grown = false;
            how(row);
        };
        self.change(id, anew, true).await
    }

    async fn change(
        self: &Arc<Self>,
        id: &UploadId,
        how: impl FnOnce(&mut Row) + Send + 'static,
        forget_parts: bool,
    ) -> Result<Option<Row>, ApiError> {
        let (inner, id) = (self.clone(), id.clone());
        let changed =
            tokio::spawn(async move {
                let _one = inner.changing.lock().await;
                let Some(mut row) = inner.board.lock().get(&id).cloned() else { return Ok(None) };
                how(&mut row);
                let written = row.clone();
                inner
                    .journal
                    .run(move |c| {
                        if forget_parts {
                            journal::start_over(c, &written)
                        } else {
                            journal::save(c, &written)
                        }
                    })
                    .await?;
                {
                    let mut board = inner.board.lock();
                    if forget_parts {
                        board.drop_parts(&id);
                        board.live(&id).confirmed = false;
                    }
                    board.put(row.clone());
                }
                inner.tell(&id);
                Ok(Some(row))
            });
        changed.await.map_err(|_| journal::JournalError::Gone)?
    }

    /// Changes many rows in one step, on the disk first. Those that are not there are passed over; the others are
    /// returned as they are now.
    pub(crate) async fn update_all(
        self: &Arc<Self>,
        ids: &[UploadId],
        how: impl Fn(&mut Row) + Send + 'static,
    ) -> Result<Vec<Row>, ApiError> {
        let (inner, ids) = (self.clone(), ids.to_vec());
        let changed = tokio::spawn(async move {
            let _one = inner.changing.lock().await;
            let mut rows: Vec<Row> = {
                let board = inner.board.lock();
                ids.iter().filter_map(|id| board.get(id).cloned()).collect()
            };
            rows.iter_mut().for_each(how);
            let written = rows.clone();
            inner.journal.run(move |c| journal::save_all(c, &written)).await?;
            for row in &rows {
                inner.board.lock().put(row.clone());
                inner.tell(&row.id);
            }
            Ok(rows)
        });
        changed.await.map_err(|_| journal::JournalError::Gone)?
    }

    /// Takes an upload off the list.
    pub(crate) async fn remove(self: &Arc<Self>, id: &UploadId) -> Result<Option<Row>, ApiError> {
        Ok(self.remove_all(std::slice::from_ref(id)).await?.pop())
    }

    /// Takes uploads off the list in one step, and returns those that were on it.
    pub(crate) async fn remove_all(self: &Arc<Self>, ids: &[UploadId]) -> Result<Vec<Row>, ApiError> {
        let (inner, ids) = (self.clone(), ids.to_vec());
        let removed = tokio::spawn(async move {
            let _one = inner.changing.lock().await;
            let gone = ids.clone();
            inner.journal.run(move |c| journal::remove(c, &gone)).await?;
            let mut rows = Vec::new();
            for id in ids {
                let row = inner.board.lock().remove(&id);
                if let Some(row) = row {
                    rows.push(row);
                    inner.send(What::Gone { id });
                }
            }
            Ok(rows)
        });
        removed.await.map_err(|_| journal::JournalError::Gone)?
    }

    /// Says what an upload is now.
    pub(crate) fn tell(&self, id: &UploadId) {
        self.say(|board| board.get(id).map(|row| What::Upload { upload: Box::new(board.show(row)) }));
    }

    pub(crate) fn send(&self, what: What) {
        self.say(|_| Some(what));
    }

    /// Looks and speaks under one lock, so that what is said later was seen later, and numbers come in order.
    pub(crate) fn say(&self, what: impl FnOnce(&mut Board) -> Option<What>) {
        let mut board = self.board.lock();
        if let Some(what) = what(&mut board) {
            board.event_seq += 1;
            // Nobody listening is no fault.
            let _ = self.events.send(Event { seq: board.event_seq, what });
        }
    }

    /// All bytes are up.
    pub(crate) fn verifying(&self, id: &UploadId) {
        let was = std::mem::replace(&mut self.board.lock().live(id).verifying, true);
        if !was {
            self.tell(id);
        }
    }

    /// Opens a storage, or takes the open one.
    pub(crate) async fn remote(&self, target: &Target) -> Result<Arc<dyn Remote>, StoreError> {
        if let Some(remote) = self.remotes.lock().get(target) {
            return Ok(remote.clone());
        }
        let secret = self.secret(target).await.map_err(StoreError::Told)?;
        let (storage, options) = (&target.profile.storage, &self.options);
        let remote =
            remote::connect(storage, &secret, &self.pace, options.stall, &options.environment).await?;
        self.remotes.lock().insert(target.clone(), remote.clone());
        Ok(remote)
    }

    pub(crate) async fn secret(&self, target: &Target) -> Result<egress::storage::StorageSecret, ApiError> {
        let storage = &target.profile.storage;
        let needs_none = storage.is_local() || storage.machine_identity() && target.secret.is_empty();
        if needs_none {
            return Ok(egress::storage::StorageSecret::default());
        }
        self.secrets.secret(&target.secret).await
    }

    /// By which of this computer's identities an open storage is spoken to, in words.
    pub(crate) fn identity(&self, target: &Target) -> Option<String> {
        self.remotes.lock().get(target)?.identity()
    }

    /// The storage with the settings that it has by now, if they are others.
    pub(crate) fn current(&self, target: &Target) -> Option<Target> {
        let profile = self.secrets.profile(&target.secret)?;
        let profile = StorageProfile { storage: profile.storage.check().ok()?, ..profile };
        (profile != target.profile).then(|| Target { profile, secret: target.secret.clone() })
    }

    /// The next upload asks for the secret again: it may have been corrected.
    pub(crate) fn close_remote(&self, target: &Target) {
        self.remotes.lock().remove(target);
    }

    pub(crate) fn close_remotes(&self) {
        self.remotes.lock().clear();
    }
}
