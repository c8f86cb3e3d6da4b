//! The queue on the disk: what is to go up, and which parts of it the stores have.
//!
//! SQLite in WAL mode with `synchronous=FULL`. A part is written down after the store has said that it has
//! it; a part that is not written down goes up again, which does no harm.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use egress::error::{ApiError, ErrorCode, Fault};
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, params};
use rusqlite_migration::{M, Migrations};

use crate::board::Row;
use crate::digest::PartSum;
use crate::remote::Part;
use crate::surface::UploadId;

/// Name of the journal in the queue's folder.
pub(crate) const JOURNAL_FILE: &str = "uploads.db";

const MIGRATIONS: &[M<'static>] = &[M::up(
    "CREATE TABLE uploads (
        id TEXT PRIMARY KEY,
        seq INTEGER NOT NULL,
        row TEXT NOT NULL,
        body BLOB
    ) STRICT;
    CREATE INDEX uploads_by_seq ON uploads (seq);
    CREATE TABLE parts (
        upload TEXT NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
        part INTEGER NOT NULL,
        size INTEGER NOT NULL,
        md5 BLOB NOT NULL,
        crc32c INTEGER NOT NULL,
        content_id TEXT NOT NULL,
        PRIMARY KEY (upload, part)
    ) STRICT, WITHOUT ROWID;",
)];

/// What can go wrong with the journal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    #[error("journal of uploads: {0}")]
    Database(#[from] rusqlite::Error),
    #[error("tables of the journal of uploads: {0}")]
    Migration(#[from] rusqlite_migration::Error),
    #[error("row of the journal of uploads: {0}")]
    Row(#[from] serde_json::Error),
    #[error("journal of uploads: {0}")]
    Io(#[from] std::io::Error),
    #[error("the journal's thread is gone")]
    Gone,
}

impl From<JournalError> for ApiError {
    fn from(error: JournalError) -> Self {
        let full = matches!(&error, JournalError::Database(rusqlite::Error::SqliteFailure(e, _))
            if e.code == rusqlite::ErrorCode::DiskFull);
        let error = if full {
            ApiError::new(
                ErrorCode::DiskFull,
                Fault::Environment,
                "The disk with Tallylight's list of uploads is full.",
                "Free some space; the uploads go on by themselves.",
            )
            .with_detail(error)
        } else {
            ApiError::new(
                ErrorCode::Storage,
                Fault::Environment,
                "Tallylight's list of uploads cannot be written.",
                "Check that the disk has room and that Tallylight's data folder may be written.",
            )
            .with_detail(error)
        };
        error.retryable()
    }
}

/// What the journal holds at start.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) rows: Vec<Row>,
    pub(crate) parts: Vec<(UploadId, u32, Part)>,
}

/// The journal. A cheap handle.
#[derive(Clone)]
pub(crate) struct Journal {
    connection: Arc<Mutex<Connection>>,
}

impl Journal {
    /// Opens the journal in a folder. A damaged one is moved aside, and where to is told.
    pub(crate) fn open(dir: &Path) -> Result<(Self, Kept, Option<PathBuf>), JournalError> {
        let path = dir.join(JOURNAL_FILE);
        let opened = Self::open_file(&path).and_then(|journal| Ok((journal.load()?, journal)));
        match opened {
            Ok((kept, journal)) => Ok((journal, kept, None)),
            Err(error) if damaged(&error) => {
                tracing::error!(%error, "the journal of uploads is damaged and moved aside");
                let aside = move_aside(&path)?;
                let journal = Self::open_file(&path)?;
                Ok((journal, Kept::default(), Some(aside)))
            }
            Err(error) => Err(error),
        }
    }

    fn open_file(path: &Path) -> Result<Self, JournalError> {
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if verdict != "ok" {
            let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
            return Err(rusqlite::Error::SqliteFailure(corrupt, Some(verdict)).into());
        }
        Migrations::from_slice(MIGRATIONS).to_latest(&mut connection)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    fn load(&self) -> Result<Kept, JournalError> {
        let connection = self.connection.lock();
        let mut kept = Kept::default();
        let mut query = connection.prepare("SELECT row FROM uploads ORDER BY seq")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let text: String = row.get(0)?;
            match serde_json::from_str(&text) {
                Ok(row) => kept.rows.push(row),
                // It stays in the file: a later version may read it.
                Err(error) => tracing::error!(%error, "an upload in the journal cannot be read"),
            }
        }
        let mut query =
            connection.prepare("SELECT upload, part, size, md5, crc32c, content_id FROM parts")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let sum =
                PartSum { size: row.get::<_, i64>(2)?.unsigned_abs(), md5: row.get(3)?, crc32c: row.get(4)? };
            kept.parts.push((UploadId(row.get(0)?), row.get(1)?, Part { sum, content_id: row.get(5)? }));
        }
        Ok(kept)
    }

    /// Makes a call off the async threads. It is made to its end, also if the caller is dropped.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Connection) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let connection = self.connection.clone();
        tokio::task::spawn_blocking(move || call(&connection.lock())).await.map_err(|_| JournalError::Gone)?
    }
}

/// Writes a row, new or known.
pub(crate) fn save(connection: &Connection, row: &Row) -> Result<(), JournalError> {
    connection.execute(
        "INSERT INTO uploads (id, seq, row) VALUES (?1, ?2, ?3)
         ON CONFLICT (id) DO UPDATE SET row = excluded.row, body = CASE WHEN ?4 THEN NULL ELSE body END",
        params![row.id.0, row.seq, serde_json::to_string(row)?, row.stored.is_some()],
    )?;
    Ok(())
}

/// Writes many rows in one step.
pub(crate) fn save_all(connection: &Connection, rows: &[Row]) -> Result<(), JournalError> {
    let transaction = connection.unchecked_transaction()?;
    rows.iter().try_for_each(|row| save(&transaction, row))?;
    transaction.commit()?;
    Ok(())
}

/// Writes a row that is new, with the bytes it stands for.
pub(crate) fn add(connection: &Connection, row: &Row, body: Option<&[u8]>) -> Result<(), JournalError> {
    connection.execute(
        "INSERT INTO uploads (id, seq, row, body) VALUES (?1, ?2, ?3, ?4)",
        params![row.id.0, row.seq, serde_json::to_string(row)?, body],
    )?;
    Ok(())
}

/// The bytes that a row stands for.
pub(crate) fn body(connection: &Connection, id: &UploadId) -> Result<Option<Vec<u8>>, JournalError> {
    let body = connection
        .query_row("SELECT body FROM uploads WHERE id = ?1", [&id.0], |row| row.get(0))
        .optional()?;
    Ok(body.flatten())
}

/// Writes that a store has a part; not if the upload has begun anew meanwhile under another `multipart`.
pub(crate) fn save_part(
    connection: &Connection,
    id: &UploadId,
    multipart: &str,
    index: u32,
    part: &Part,
) -> Result<(), JournalError> {
    connection.execute(
        "INSERT OR REPLACE INTO parts (upload, part, size, md5, crc32c, content_id)
         SELECT id, ?3, ?4, ?5, ?6, ?7 FROM uploads WHERE id = ?1 AND json_extract(row, '$.multipart') = ?2",
        params![id.0, multipart, index, part.sum.size as i64, part.sum.md5, part.sum.crc32c, part.content_id],
    )?;
    Ok(())
}

/// Writes a row anew and forgets its parts, in one step.
pub(crate) fn start_over(connection: &Connection, row: &Row) -> Result<(), JournalError> {
    let transaction = connection.unchecked_transaction()?;
    save(&transaction, row)?;
    transaction.execute("DELETE FROM parts WHERE upload = ?1", [&row.id.0])?;
    transaction.commit()?;
    Ok(())
}

/// Forgets one part.
pub(crate) fn drop_part(connection: &Connection, id: &UploadId, index: u32) -> Result<(), JournalError> {
    connection.execute("DELETE FROM parts WHERE upload = ?1 AND part = ?2", params![id.0, index])?;
    Ok(())
}

/// Forgets uploads, in one step.
pub(crate) fn remove(connection: &Connection, ids: &[UploadId]) -> Result<(), JournalError> {
    let transaction = connection.unchecked_transaction()?;
    for id in ids {
        transaction.execute("DELETE FROM uploads WHERE id = ?1", [&id.0])?;
    }
    transaction.commit()?;
    Ok(())
}

fn damaged(error: &JournalError) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error, JournalError::Database(rusqlite::Error::SqliteFailure(e, _))
        if matches!(e.code, DatabaseCorrupt | NotADatabase))
}

fn move_aside(path: &Path) -> std::io::Result<PathBuf> {
    let at = jiff::Timestamp::now().as_second();
    let aside = path.with_file_name(format!("{JOURNAL_FILE}.damaged-{at}"));
    std::fs::rename(path, &aside)?;
    for suffix in ["-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        if let Err(error) = std::fs::remove_file(&name)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(error);
        }
    }
    Ok(aside)
}
