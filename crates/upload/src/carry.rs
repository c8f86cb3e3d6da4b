//! One upload, as far as it goes now.
//!
//! May be dropped at any point, as the process may be killed at any point: what is true is in the journal,
//! and what is not there is done again.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use egress::storage::object_key;
use futures_util::stream::{self, TryStreamExt};
use jiff::Timestamp;
use md5::{Digest, Md5};

use crate::board::{FileFacts, MAX_PARTS, Row, Stored};
use crate::digest::PartSum;
use crate::disk::{blocking, facts, facts_of, read, same_as_file};
use crate::fault::StoreError;
use crate::inner::Inner;
use crate::journal;
use crate::line::{SENT, within};
use crate::remote::{Expected, Part, Parts, Remote, Verdict};
use crate::surface::{Afterwards, UploadId, Verified};

/// Parts are made larger where a file would need more than this; a margin to what stores take.
const MOST_PARTS: u64 = 9_000;
const MIB: u64 = 1 << 20;
/// S3 may take minutes to put many parts together, and says so drop by drop: so many stalls are allowed for.
const COMPLETING: u32 = 10;

/// What came of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// What there is of a growing file is up.
    Followed,
    /// The object is there and verified, and the local file is as it should be.
    Done,
    /// It did not work.
    Failed(StoreError),
}

/// How many bytes of an upload are up, parts under way included.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    landed: AtomicU64,
    flying: parking_lot::Mutex<Vec<Arc<AtomicU64>>>,
}

impl Meter {
    pub(crate) fn sent(&self) -> u64 {
        let flying: u64 = self.flying.lock().iter().map(|part| part.load(Ordering::Relaxed)).sum();
        self.landed.load(Ordering::Relaxed) + flying
    }

    fn start(self: &Arc<Self>) -> Flight {
        let sent = Arc::new(AtomicU64::new(0));
        self.flying.lock().push(sent.clone());
        Flight { meter: self.clone(), sent }
    }
}

/// A part under way. Dropped before it landed, its bytes do not count.
struct Flight {
    meter: Arc<Meter>,
    sent: Arc<AtomicU64>,
}

impl Flight {
    fn landed(self, bytes: u64) {
        self.meter.landed.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.meter.flying.lock().retain(|part| !Arc::ptr_eq(part, &self.sent));
    }
}

/// Carries an upload as far as it goes.
pub(crate) async fn carry(inner: Arc<Inner>, id: UploadId, meter: Arc<Meter>) -> Outcome {
    let carrying = Carrying { inner, id, meter };
    match carrying.run().await {
        Ok(outcome) => outcome,
        Err(error) => Outcome::Failed(error),
    }
}

/// What became of an upload in parts that was begun before, or of a new one.
enum Resumed {
    /// It can go on.
    Goes(Box<Row>),
    /// It had been completed, and the answer was lost.
    WasComplete,
}

struct Carrying {
    inner: Arc<Inner>,
    id: UploadId,
    meter: Arc<Meter>,
}

impl Carrying {
    fn row(&self) -> Result<Row, StoreError> {
        self.inner
            .board
            .lock()
            .get(&self.id)
            .cloned()
            .ok_or_else(|| StoreError::Odd("not in the queue".into()))
    }

    async fn run(&self) -> Result<Outcome, StoreError> {
        let mut row = self.row()?;
        if row.stored.is_some() {
            return self.settle(row).await;
        }
        let follow = !row.on_backup
            && row.backup.is_some()
            && row.group.as_deref().is_some_and(|group| self.inner.board.lock().group_on_backup(group));
        if follow && row.multipart.is_none() {
            row = self.update(|row| row.on_backup = true).await?;
        }
        row = self.correct(row).await?;
        let remote = self.inner.remote(row.target()).await?;
        if row.body {
            let id = self.id.clone();
            let body = self.inner.journal.run(move |c| journal::body(c, &id)).await.map_err(told)?;
            return self.put(row, &*remote, body.unwrap_or_default().into()).await;
        }
        if !row.growing {
            row = self.look_at_file(row, &*remote).await?;
        }
        let size = row.file.map(|file| file.size).unwrap_or_default();
        let one_request = row.multipart.is_none()
            && size <= self.inner.options.part_bytes
            && (!remote.always_parts() || size == 0);
        if !row.growing && one_request {
            let bytes = read(row.path.clone(), 0, size).await?;
            return self.put(row, &*remote, bytes).await;
        }
        self.parts(row, &*remote).await
    }

    /// Takes the settings that its storage has by now. What is on its way goes on there for as long as that works: the
    /// parts that are up would have to go up again.
    async fn correct(&self, row: Row) -> Result<Row, StoreError> {
        let old = row.target().clone();
        let Some(new) = self.inner.current(&old) else { return Ok(row) };
        let same =
            new.profile.storage.same_place(&old.profile.storage) && new.profile.prefix == old.profile.prefix;
        if !same && row.multipart.is_some() && row.error.is_none() {
            return Ok(row);
        }
        let key = match row.name.as_str() {
            "" => row.key().to_owned(),
            name => object_key(&new.profile.prefix, name).map_err(|error| StoreError::Told(error.into()))?,
        };
        tracing::info!(upload = %self.id, "an upload goes to the storage as it is set up now");
        let moved = move |row: &mut Row| match &mut row.backup {
            Some(backup) if row.on_backup => {
                *backup = new;
                row.keys.1 = Some(key);
            }
            _ => {
                row.target = new;
                row.keys.0 = key;
            }
        };
        if same {
            return self.update(moved).await;
        }
        if let (Some(multipart), key) = (row.multipart.clone(), row.key().to_owned()) {
            // Its parts would cost rent. If the storage cannot be reached, they stay.
            let inner = self.inner.clone();
            tokio::spawn(async move { inner.remote(&old).await?.abort(&key, &multipart).await });
        }
        self.reset(moved).await
    }

    /// Notes what file is going up; starts over if it is another than the one of which parts are up.
    async fn look_at_file(&self, row: Row, remote: &dyn Remote) -> Result<Row, StoreError> {
        let now = facts(row.path.clone()).await?;
        match row.file {
            Some(file) if file == now && !outgrown(&row) => Ok(row),
            Some(_) => self.start_over(row, remote, move |row| row.file = Some(now)).await,
            None => self.update(move |row| row.file = Some(now)).await,
        }
    }

    async fn put(&self, row: Row, remote: &dyn Remote, bytes: Bytes) -> Result<Outcome, StoreError> {
        self.inner.pace.open().await;
        let sum = PartSum::of_bytes(&bytes).await;
        let flight = self.meter.start();
        let receipt = SENT.scope(flight.sent.clone(), remote.put(row.key(), bytes, sum)).await?;
        flight.landed(sum.size);
        let part = Part { sum, content_id: String::new() };
        self.verify(&row, remote, &[part], false, receipt.as_deref()).await
    }

    async fn parts(&self, mut row: Row, remote: &dyn Remote) -> Result<Outcome, StoreError> {
        row = match self.begin_or_resume(row, remote).await? {
            Resumed::Goes(row) => *row,
            Resumed::WasComplete => return Ok(Outcome::Done),
        };
        let sent = self.inner.board.lock().sent_bytes(&self.id);
        self.meter.landed.store(sent, Ordering::Relaxed);
        let Some(id) = row.multipart.clone() else { return Err(StoreError::Forgotten) };
        loop {
            // Anew each time: the file grows meanwhile, and may end.
            let now = self.row()?;
            let due = self.inner.board.lock().due_parts(&now);
            if due.is_empty() {
                row = now;
                break;
            }
            let file_size = now.file.map(|file| file.size);
            if now.growing && !now.grown {
                self.update(|row| row.grown = true).await?;
            }
            // Few at a time, so that what has just been finished is not behind what is only due.
            let batch = due.into_iter().take(self.inner.options.parallel_parts.max(1) * 2);
            stream::iter(batch.map(Ok))
                .try_for_each_concurrent(self.inner.options.parallel_parts.max(1), |index| {
                    self.part(&now, remote, &id, index, file_size)
                })
                .await?;
        }
        if row.growing {
            return Ok(Outcome::Followed);
        }
        // The file may have been changed behind our back while it went up.
        if row.file != Some(facts(row.path.clone()).await?) {
            return Err(StoreError::Changed);
        }
        let parts = self.held();
        self.inner.verifying(&self.id);
        match within(self.inner.options.stall * COMPLETING, remote.complete(row.key(), &id, &parts)).await {
            Ok(receipt) => self.verify(&row, remote, &parts, true, receipt.as_deref()).await,
            Err(error) if forgotten(&error) => {
                self.start_over(row, remote, |_| ()).await?;
                Err(StoreError::Forgotten)
            }
            Err(error) => Err(error),
        }
    }

    fn held(&self) -> Vec<Part> {
        let board = self.inner.board.lock();
        board.parts(&self.id).map(|parts| parts.values().cloned().collect()).unwrap_or_default()
    }

    /// Begins an upload in parts, or finds out what the store still has of it.
    async fn begin_or_resume(&self, row: Row, remote: &dyn Remote) -> Result<Resumed, StoreError> {
        if let Some(id) = &row.multipart {
            if self.inner.board.lock().live(&self.id).confirmed {
                return Ok(Resumed::Goes(Box::new(row)));
            }
            match remote.parts(row.key(), id).await? {
                Parts::Unknown => {}
                Parts::Gone => {
                    if !row.growing && self.inner.board.lock().due_parts(&row).is_empty() {
                        // It may be complete, and the answer was lost.
                        match self.verify(&row, remote, &self.held(), true, None).await {
                            Ok(_) => return Ok(Resumed::WasComplete),
                            Err(StoreError::Differs(_)) => {}
                            Err(error) if error.is(404) => {}
                            Err(StoreError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
                            Err(error) => return Err(error),
                        }
                    }
                    let row = self.start_over(row, remote, |_| ()).await?;
                    return self.begin(row, remote).await;
                }
                Parts::Held(held) => {
                    let known = self.inner.board.lock().parts(&self.id).cloned().unwrap_or_default();
                    for (index, part) in known {
                        let there = held.iter().any(|held| {
                            held.index == index
                                && held.size == part.sum.size
                                && held.content_id.trim_matches('"') == part.content_id.trim_matches('"')
                        });
                        if !there {
                            let id = self.id.clone();
                            self.inner
                                .journal
                                .run(move |c| journal::drop_part(c, &id, index))
                                .await
                                .map_err(told)?;
                            self.inner.board.lock().drop_part(&self.id, index);
                        }
                    }
                }
            }
            self.inner.board.lock().live(&self.id).confirmed = true;
            return Ok(Resumed::Goes(Box::new(row)));
        }
        self.begin(row, remote).await
    }

    async fn begin(&self, row: Row, remote: &dyn Remote) -> Result<Resumed, StoreError> {
        let size = row.file.map(|file| file.size).unwrap_or_default();
        let least = self.inner.options.part_bytes;
        let part_bytes = least.max(size.div_ceil(MOST_PARTS).div_ceil(MIB) * MIB);
        let id = within(self.inner.options.stall * COMPLETING, remote.begin(row.key())).await?;
        let row = self
            .update(move |row| {
                row.multipart = Some(id);
                row.part_bytes = part_bytes;
            })
            .await?;
        self.inner.board.lock().live(&self.id).confirmed = true;
        Ok(Resumed::Goes(Box::new(row)))
    }

    async fn part(
        &self,
        row: &Row,
        remote: &dyn Remote,
        id: &str,
        index: u32,
        file_size: Option<u64>,
    ) -> Result<(), StoreError> {
        let _slot =
            self.inner.part_slots.acquire().await.map_err(|error| StoreError::Odd(error.to_string()))?;
        self.inner.pace.open().await;
        let offset = u64::from(index) * row.part_bytes;
        let length = file_size.map_or(row.part_bytes, |size| row.part_bytes.min(size - offset));
        let bytes = read(row.path.clone(), offset, length).await?;
        let sum = PartSum::of_bytes(&bytes).await;
        let flight = self.meter.start();
        let sending = remote.put_part(row.key(), id, index, offset, bytes, sum);
        let content_id = SENT.scope(flight.sent.clone(), sending).await.map_err(|error| {
            // Said of a part, it means the upload and not the bucket.
            if forgotten(&error) { StoreError::Forgotten } else { error }
        })?;
        let part = Part { sum, content_id };
        let (upload, multipart, written) = (self.id.clone(), id.to_owned(), part.clone());
        self.inner
            .journal
            .run(move |c| journal::save_part(c, &upload, &multipart, index, &written))
            .await
            .map_err(told)?;
        self.inner.board.lock().put_part(&self.id, index, part);
        flight.landed(length);
        Ok(())
    }

    /// Looks at the object; what is not as it should be is thrown away here, never the file.
    async fn verify(
        &self,
        row: &Row,
        remote: &dyn Remote,
        parts: &[Part],
        multipart: bool,
        receipt: Option<&str>,
    ) -> Result<Outcome, StoreError> {
        self.inner.verifying(&self.id);
        let size = parts.iter().map(|part| part.sum.size).sum();
        let whole = row.body || row.file.is_some_and(|file| file.size == size);
        if !whole {
            return Err(StoreError::Differs("the parts do not make up the file".into()));
        }
        let expected = Expected { size, parts, multipart, receipt };
        let verified = match remote.verify(row.key(), expected).await {
            Ok(Verdict::Same(verified)) => Ok(verified),
            Ok(Verdict::ReadIt) => {
                let stall = self.inner.options.stall;
                read_back(remote, row.key(), parts, stall).await.map(|()| Verified::ReadBack)
            }
            Err(error) => Err(error),
        };
        let verified = match verified {
            Err(error @ StoreError::Differs(_)) => {
                self.start_over(row.clone(), remote, |_| ()).await?;
                return Err(error);
            }
            verified => verified?,
        };
        let location = remote.location(row.key());
        let facts = FileFacts { size, changed_ns: 0 };
        let row = self
            .update(move |row| {
                row.file = row.file.or(Some(facts));
                row.stored = Some(Stored { verified, at_ms: now_ms(), location, settled: !row.grown });
                (row.attempts, row.error, row.next_try_ms) = (0, None, 0);
            })
            .await?;
        self.settle(row).await
    }

    /// What is left when the object is there: a file that went up while it grew is compared once more, and
    /// then the file is removed if that is wanted.
    async fn settle(&self, mut row: Row) -> Result<Outcome, StoreError> {
        let Some(stored) = row.stored.clone() else { return Ok(Outcome::Done) };
        if !stored.settled {
            match same_as_file(row.path.clone(), self.held()).await {
                // Somebody has taken the file away; what went up was verified.
                Ok(true) | Err(StoreError::FileGone) => {}
                Ok(false) => {
                    tracing::error!(upload = %self.id, "a growing file changed where it was said to be final");
                    let now = facts(row.path.clone()).await?;
                    self.reset(move |row| {
                        row.stored = None;
                        row.file = Some(now);
                    })
                    .await?;
                    return Err(StoreError::Changed);
                }
                Err(error) => return Err(error),
            }
            row = self
                .update(|row| {
                    if let Some(stored) = &mut row.stored {
                        stored.settled = true;
                    }
                })
                .await?;
        }
        if row.afterwards == Afterwards::Remove && !row.removed && !row.body {
            let (path, known) = (row.path.clone(), row.file);
            let object = row.target().profile.storage.is_local().then(|| PathBuf::from(stored.location));
            let removed = blocking(move || match facts_of(&path) {
                // Not the file that went up: it is somebody else's.
                Ok(now) if Some(now) != known => Ok(false),
                // The object is the file.
                Ok(_)
                    if object
                        .is_some_and(|object| object.canonicalize().ok() == path.canonicalize().ok()) =>
                {
                    Ok(false)
                }
                Ok(_) => std::fs::remove_file(&path).map(|()| true).map_err(StoreError::from),
                Err(StoreError::FileGone) => Ok(true),
                Err(error) => Err(error),
            })
            .await?;
            self.update(move |row| match removed {
                true => row.removed = true,
                false => row.afterwards = Afterwards::Keep,
            })
            .await?;
        }
        Ok(Outcome::Done)
    }

    /// Throws away what the store has of it, and begins from nothing next time.
    async fn start_over(
        &self,
        row: Row,
        remote: &dyn Remote,
        how: impl FnOnce(&mut Row) + Send + 'static,
    ) -> Result<Row, StoreError> {
        if let Some(id) = &row.multipart
            && let Err(error) = remote.abort(row.key(), id).await
        {
            tracing::debug!(upload = %self.id, %error, "parts of an upload that is given up stay in the store");
        }
        self.reset(how).await
    }

    /// Forgets all parts, in the same step as the change.
    async fn reset(&self, how: impl FnOnce(&mut Row) + Send + 'static) -> Result<Row, StoreError> {
        self.meter.landed.store(0, Ordering::Relaxed);
        match self.inner.start_over(&self.id, how).await {
            Ok(Some(row)) => Ok(row),
            Ok(None) => Err(StoreError::Odd("not in the queue".into())),
            Err(error) => Err(StoreError::Told(error)),
        }
    }

    async fn update(&self, how: impl FnOnce(&mut Row) + Send + 'static) -> Result<Row, StoreError> {
        match self.inner.update(&self.id, how).await {
            Ok(Some(row)) => Ok(row),
            Ok(None) => Err(StoreError::Odd("not in the queue".into())),
            Err(error) => Err(StoreError::Told(error)),
        }
    }
}

fn told(error: journal::JournalError) -> StoreError {
    StoreError::Told(error.into())
}

/// Whether a store says that it has no such upload, or not these parts of it.
fn forgotten(error: &StoreError) -> bool {
    match error {
        StoreError::Forgotten => true,
        StoreError::Answered(answer) => matches!(
            answer.code.as_str(),
            "NoSuchUpload" | "InvalidPart" | "InvalidPartOrder" | "InvalidBlockList" | "InvalidBlobOrBlock"
        ),
        _ => false,
    }
}

pub(crate) fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// Reads an object and compares it with what was sent.
async fn read_back(
    remote: &dyn Remote,
    key: &str,
    parts: &[Part],
    stall: Duration,
) -> Result<(), StoreError> {
    let mut stream = remote.read(key).await?;
    let mut parts = parts.iter();
    let (mut part, mut left, mut sum) = (parts.next(), 0, Md5::new());
    if let Some(first) = part {
        left = first.sum.size;
    }
    while let Some(mut chunk) = within(stall, stream.try_next()).await? {
        while !chunk.is_empty() {
            let Some(current) = part else { return Err(StoreError::Differs("it is longer".into())) };
            let piece = chunk.split_to(usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len()));
            sum.update(&piece);
            left -= piece.len() as u64;
            if left == 0 {
                if <[u8; 16]>::from(sum.finalize_reset()) != current.sum.md5 {
                    return Err(StoreError::Differs("another MD5 when read back".into()));
                }
                part = parts.next();
                left = part.map_or(0, |part| part.sum.size);
            }
        }
    }
    // An empty file is one part of no bytes.
    match part {
        Some(part) if part.sum.size > 0 => Err(StoreError::Differs("it is shorter".into())),
        _ => Ok(()),
    }
}

/// Whether a growing file has become too long for its parts.
fn outgrown(row: &Row) -> bool {
    row.multipart.is_some()
        && row.file.is_some_and(|file| file.size.div_ceil(row.part_bytes.max(1)) > MAX_PARTS)
}
