//! The journal: what was started, on the disk before it is started, and what came of it.
//!
//! SQLite in WAL mode with `synchronous=FULL`: a row that was written is there after a power cut. Calls
//! block for a disk write and are made off the async threads ([`Journal::run`]).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::id::{EgressId, ProjectId};
use egress::spec::JobSpec;
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, params};
use rusqlite_migration::{M, Migrations};
use serde::{Deserialize, Serialize};

use crate::egress_api::Asked;
use crate::process::{Birth, ProcessId};
use crate::surface::Job;

/// Name of the journal in the studio's folder.
pub const JOURNAL_FILE: &str = "journal.db";

const MIGRATIONS: &[M<'static>] = &[
    M::up(
        "CREATE TABLE jobs (
            egress_id TEXT PRIMARY KEY,
            created_at_ms INTEGER NOT NULL,
            project_id TEXT,
            spec TEXT NOT NULL,
            request TEXT NOT NULL,
            folder TEXT NOT NULL,
            pid INTEGER,
            process_started_s INTEGER,
            last_seq INTEGER NOT NULL DEFAULT 0,
            job TEXT NOT NULL,
            running INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX jobs_by_time ON jobs (created_at_ms);
        CREATE INDEX jobs_running ON jobs (running) WHERE running = 1;",
    ),
    // Where the system has a mark of a process that a step of the clock does not move.
    M::up("ALTER TABLE jobs ADD COLUMN process_birth TEXT;"),
    // What is recorded may be a page as well as tracks.
    M::up(
        "UPDATE jobs SET spec = json_remove(
            json_set(spec, '$.task.egress.source',
                json_object('tracks', json_extract(spec, '$.task.egress.selection'))),
            '$.task.egress.selection')
         WHERE json_extract(spec, '$.task.egress.selection') IS NOT NULL;",
    ),
    // What was asked in LiveKit's words, without its secrets.
    M::up("ALTER TABLE jobs ADD COLUMN asked TEXT;"),
];

/// What can go wrong with the journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// SQLite refuses.
    #[error("journal: {0}")]
    Database(#[from] rusqlite::Error),
    /// The tables cannot be brought to this version.
    #[error("journal tables: {0}")]
    Migration(#[from] rusqlite_migration::Error),
    /// A row cannot be written as JSON.
    #[error("journal row: {0}")]
    Row(#[from] serde_json::Error),
    /// The damaged file cannot be moved aside.
    #[error("journal: {0}")]
    Aside(#[from] std::io::Error),
    /// The thread that wrote it is gone.
    #[error("the journal's thread is gone")]
    Gone,
}

impl From<JournalError> for ApiError {
    fn from(error: JournalError) -> Self {
        let full = matches!(&error, JournalError::Database(rusqlite::Error::SqliteFailure(e, _))
            if e.code == rusqlite::ErrorCode::DiskFull);
        if full {
            ApiError::new(
                ErrorCode::DiskFull,
                Fault::Environment,
                "The disk with Tallylight's journal is full.",
                "Free some space, then try again.",
            )
        } else {
            ApiError::new(
                ErrorCode::Storage,
                Fault::Environment,
                "Tallylight's journal cannot be written.",
                "Check that the disk has room and that Tallylight's data folder may be written.",
            )
        }
        .retryable()
        .with_detail(error)
    }
}

/// What a job's folder keeps of its row, against the loss of the journal.
#[derive(Serialize, Deserialize)]
struct Kept {
    spec: JobSpec,
    job: Job,
    #[serde(default)]
    asked: Option<Asked>,
}

/// Name of the file in a job's folder that holds what is kept of its row.
const KEPT_FILE: &str = "job.json";

/// A job as the journal knows it.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) spec: JobSpec,
    /// The job's own folder.
    pub(crate) folder: PathBuf,
    /// Its process, once it was started.
    pub(crate) process: Option<ProcessId>,
    /// The last fact that is folded into `job`.
    pub(crate) last_seq: u64,
    /// What the operator sees, and with it the request, the project and the time.
    pub(crate) job: Job,
    /// What was asked, in LiveKit's words.
    pub(crate) asked: Asked,
}

/// The journal. A cheap handle.
#[derive(Clone)]
pub(crate) struct Journal {
    connection: Arc<Mutex<Connection>>,
}

impl Journal {
    /// Opens the journal in a folder. A damaged one is moved aside, and where to is told.
    pub(crate) fn open(dir: &Path) -> Result<(Self, Option<PathBuf>), JournalError> {
        let path = dir.join(JOURNAL_FILE);
        match Self::open_file(&path) {
            Ok(journal) => Ok((journal, None)),
            Err(error) if damaged(&error) => {
                tracing::error!(%error, "the journal is damaged and moved aside");
                let aside = move_aside(&path)?;
                Ok((Self::open_file(&path)?, Some(aside)))
            }
            Err(error) => Err(error),
        }
    }

    fn open_file(path: &Path) -> Result<Self, JournalError> {
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // `quick_check` reads the whole file: a damaged page found later would be found in the middle of a show.
        let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if verdict != "ok" {
            return Err(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
                Some(verdict),
            )
            .into());
        }
        Migrations::from_slice(MIGRATIONS).to_latest(&mut connection)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    /// Makes a call off the async threads.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Self) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let journal = self.clone();
        tokio::task::spawn_blocking(move || call(&journal)).await.map_err(|_| JournalError::Gone)?
    }

    /// Writes a job that is about to be started.
    pub(crate) fn begin(&self, row: &Row) -> Result<(), JournalError> {
        // Of use only if the journal is lost: not worth a wait for the disk.
        let kept = Kept { spec: row.spec.clone(), job: row.job.clone(), asked: Some(row.asked.clone()) };
        if let Err(error) = std::fs::write(row.folder.join(KEPT_FILE), serde_json::to_vec(&kept)?) {
            tracing::warn!(egress_id = %row.job.egress_id, %error, "a job's folder does not keep its row");
        }
        self.connection.lock().execute(
            "INSERT INTO jobs (egress_id, created_at_ms, project_id, spec, request, folder, job, asked, running)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1)",
            params![
                row.job.egress_id.as_str(),
                row.job.created_at_ms,
                row.job.project_id.as_ref().map(ProjectId::as_str),
                serde_json::to_string(&row.spec)?,
                serde_json::to_string(&row.job.request)?,
                row.folder.to_string_lossy(),
                job_json(&row.job)?,
                serde_json::to_string(&row.asked)?,
            ],
        )?;
        Ok(())
    }

    /// Writes jobs anew from their folders, after the journal was damaged: those that still run are found
    /// again, and those that are over are history again.
    pub(crate) fn rebuild(&self, jobs_dir: &Path) -> Result<(), JournalError> {
        let Ok(folders) = std::fs::read_dir(jobs_dir) else { return Ok(()) };
        for folder in folders.flatten().map(|entry| entry.path()) {
            let Ok(text) = std::fs::read(folder.join(KEPT_FILE)) else { continue };
            match serde_json::from_slice::<Kept>(&text) {
                Ok(Kept { spec, job, asked }) => {
                    let asked = asked.unwrap_or_else(|| Asked::of(&job.request));
                    self.begin(&Row { spec, folder, process: None, last_seq: 0, job, asked })?;
                }
                Err(error) => tracing::warn!(folder = %folder.display(), %error, "a job is not found again"),
            }
        }
        Ok(())
    }

    /// Writes which process has the job.
    pub(crate) fn started(&self, id: &EgressId, process: ProcessId) -> Result<(), JournalError> {
        let (mark, started_s) = match process.birth {
            Birth::Mark(mark) => (Some(mark), None),
            Birth::Clock(s) => (None, i64::try_from(s).ok()),
            Birth::Unknown => (None, None),
        };
        self.connection.lock().execute(
            "UPDATE jobs SET pid = ?2, process_birth = ?3, process_started_s = ?4 WHERE egress_id = ?1",
            params![id.as_str(), process.pid, mark, started_s],
        )?;
        Ok(())
    }

    /// Writes what the facts up to `last_seq` make of a job. Several tasks do: which copy is the newest is asked with
    /// the journal locked, so that an older one never takes its place.
    pub(crate) fn folded(
        &self,
        newest: impl FnOnce() -> Option<Job>,
        last_seq: u64,
    ) -> Result<(), JournalError> {
        self.write(
            "UPDATE jobs SET job = ?2, last_seq = max(last_seq, ?3) WHERE egress_id = ?1",
            newest,
            last_seq,
        )
    }

    /// Writes that a job is over: it is history from now on.
    pub(crate) fn concluded(
        &self,
        newest: impl FnOnce() -> Option<Job>,
        last_seq: u64,
    ) -> Result<(), JournalError> {
        self.write(
            "UPDATE jobs SET job = ?2, last_seq = max(last_seq, ?3), running = 0 WHERE egress_id = ?1",
            newest,
            last_seq,
        )
    }

    fn write(
        &self,
        how: &str,
        newest: impl FnOnce() -> Option<Job>,
        last_seq: u64,
    ) -> Result<(), JournalError> {
        let connection = self.connection.lock();
        let Some(job) = newest() else { return Ok(()) };
        let last_seq = i64::try_from(last_seq).unwrap_or(i64::MAX);
        connection.execute(how, params![job.egress_id.as_str(), job_json(&job)?, last_seq])?;
        Ok(())
    }

    /// Takes a job out.
    pub(crate) fn remove(&self, id: &EgressId) -> Result<(), JournalError> {
        self.connection.lock().execute("DELETE FROM jobs WHERE egress_id = ?1", [id.as_str()])?;
        Ok(())
    }

    /// The folder of a job.
    pub(crate) fn folder(&self, id: &EgressId) -> Result<Option<PathBuf>, JournalError> {
        Ok(self
            .connection
            .lock()
            .query_row("SELECT folder FROM jobs WHERE egress_id = ?1", [id.as_str()], |row| {
                row.get::<_, String>(0)
            })
            .optional()?
            .map(PathBuf::from))
    }

    /// Jobs that were not over when the journal was last written, oldest first. A row that cannot be
    /// read is left where it is and reported in the log.
    pub(crate) fn running(&self) -> Result<Vec<Row>, JournalError> {
        self.select("WHERE running = 1 ORDER BY created_at_ms, egress_id", 10_000)
    }

    /// Jobs that are over, newest first.
    pub(crate) fn history(&self, limit: u32) -> Result<Vec<Row>, JournalError> {
        self.select("WHERE running = 0 ORDER BY created_at_ms DESC, egress_id", limit)
    }

    fn select(&self, which: &str, limit: u32) -> Result<Vec<Row>, JournalError> {
        let connection = self.connection.lock();
        let mut statement = connection.prepare(&format!(
            "SELECT egress_id, spec, folder, pid, process_birth, process_started_s, last_seq, job, asked
             FROM jobs {which} LIMIT {limit}"
        ))?;
        let mut found = statement.query([])?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            match read(row) {
                Ok(row) => rows.push(row),
                Err(error) => {
                    let id: String = row.get(0).unwrap_or_default();
                    tracing::error!(egress_id = id, %error, "a row of the journal cannot be read");
                }
            }
        }
        Ok(rows)
    }
}

fn read(row: &rusqlite::Row<'_>) -> Result<Row, JournalError> {
    let pid: Option<u32> = row.get(3)?;
    let (mark, started_s): (Option<String>, Option<i64>) = (row.get(4)?, row.get(5)?);
    let started_s = started_s.and_then(|s| u64::try_from(s).ok());
    let birth = mark.map(Birth::Mark).or(started_s.map(Birth::Clock)).unwrap_or(Birth::Unknown);
    let job: Job = serde_json::from_str(&row.get::<_, String>(7)?)?;
    let asked = match row.get::<_, Option<String>>(8)? {
        Some(asked) => serde_json::from_str(&asked)?,
        // Of a version that did not keep it.
        None => Asked::of(&job.request),
    };
    Ok(Row {
        spec: serde_json::from_str(&row.get::<_, String>(1)?)?,
        folder: PathBuf::from(row.get::<_, String>(2)?),
        process: pid.map(|pid| ProcessId { pid, birth }),
        last_seq: u64::try_from(row.get::<_, i64>(6)?).unwrap_or(0),
        job,
        asked,
    })
}

/// Figures are of the moment and not kept.
fn job_json(job: &Job) -> Result<String, serde_json::Error> {
    if job.figures.is_none() {
        return serde_json::to_string(job);
    }
    serde_json::to_string(&Job { figures: None, ..job.clone() })
}

/// Whether the file itself is at fault, so that a new one helps.
fn damaged(error: &JournalError) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    match error {
        JournalError::Database(rusqlite::Error::SqliteFailure(e, _)) => {
            matches!(e.code, DatabaseCorrupt | NotADatabase)
        }
        JournalError::Migration(rusqlite_migration::Error::RusqliteError { err, .. }) => {
            matches!(err, rusqlite::Error::SqliteFailure(e, _) if matches!(e.code, DatabaseCorrupt | NotADatabase))
        }
        _ => false,
    }
}

/// Moves the journal and what belongs to it aside.
fn move_aside(path: &Path) -> std::io::Result<PathBuf> {
    let stamp = crate::history::now_ms();
    let aside = path.with_file_name(format!("journal-damaged-{stamp}.db"));
    std::fs::rename(path, &aside)?;
    for tail in ["-wal", "-shm"] {
        let of = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(tail);
            PathBuf::from(name)
        };
        match std::fs::rename(of(path), of(&aside)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use egress::spec::{Source, Task};

    use super::*;

    /// A job as the version before pages wrote it.
    const OLD_SPEC: &str = r#"{"egress_id": "EG_1", "url": "ws://h", "room_name": "show", "task": {"egress": {
        "selection": {"video": {"track": "TR_1"}, "audio": [], "ends": "tracks_gone"},
        "treatment": "passthrough", "outputs": [], "limits": {"max_duration_s": null, "max_size_bytes": null}}}}"#;

    #[test]
    fn a_job_of_the_version_before_pages_is_read() {
        let mut connection = Connection::open_in_memory().unwrap();
        Migrations::from_slice(&MIGRATIONS[..2]).to_latest(&mut connection).unwrap();
        connection
            .execute(
                "INSERT INTO jobs (egress_id, created_at_ms, spec, request, folder, job, running)
                 VALUES ('EG_1', 0, ?1, '{}', '/f', '{}', 1)",
                [OLD_SPEC],
            )
            .unwrap();
        Migrations::from_slice(MIGRATIONS).to_latest(&mut connection).unwrap();
        let spec: String = connection.query_row("SELECT spec FROM jobs", [], |row| row.get(0)).unwrap();
        let spec: JobSpec = serde_json::from_str(&spec).unwrap();
        let Task::Egress(egress) = spec.task else { panic!("{spec:?}") };
        assert!(matches!(egress.source, Source::Tracks(_)), "{egress:?}");
    }
}
