//! The start of a studio, with what earlier ones left behind, and its end.

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::spec::Task;
use egress::state::JobState;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, watch};

use crate::auto::Auto;
use crate::board::Board;
use crate::conversation::Conversation;
use crate::egress_api::Egresses;
use crate::elsewhere::Known;
use crate::error::{internal, precondition, storage};
use crate::fold::show;
use crate::frames::Frames;
use crate::journal::{Journal, Row};
use crate::layouts::Own;
use crate::link::Link;
use crate::names::NameClaims;
use crate::options::{StudioOptions, default_recordings_folder};
use crate::process::{
    Birth, Exit, JobFolder, Process, ProcessId, alive, find_program, make_private, number_alive,
};
use crate::projects::Saved;
use crate::studio::{Inner, Studio};
use crate::supervisor::{Command, Supervisor, conclude};
use crate::surface::{ApiState, Change, Elsewhere, Job, Machine, Projects, Rooms, Settings, Snapshot};
use crate::{elsewhere, layouts, machine, recovery, rooms, uploads};

/// Finished jobs that a front end gets to see.
const HISTORY: u32 = 500;
/// How long outputs may take to be finished at the end.
const FINISH_WITHIN: Duration = Duration::from_secs(60);
/// How long everything else may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(8);
/// The file whose lock says that a studio has the folder.
const LOCK_FILE: &str = "studio.lock";

/// What was found in a studio's folder.
struct Found {
    lock: std::fs::File,
    journal: Journal,
    damaged: Option<std::path::PathBuf>,
    saved: Result<Saved, ApiError>,
    running: Vec<Row>,
    history: Vec<Row>,
}

impl Studio {
    /// Opens a studio: finds the jobs of earlier ones, takes over those that still run, and saves the
    /// files of those that died. The saving goes on after this comes back; it shows in the jobs.
    ///
    /// # Errors
    /// Another studio has the folder, or it cannot be used.
    pub fn open(options: StudioOptions) -> BoxFuture<'static, Result<Self, ApiError>> {
        Box::pin(async move {
            let StudioOptions {
                data_dir,
                projects: store,
                secrets,
                job_program,
                default_folder,
                egress: defaults,
                lock_within,
            } = options;
            // The jobs are told where their folders are, and may look from elsewhere.
            let data_dir = std::path::absolute(data_dir).map_err(internal)?;
            let found = {
                let (data_dir, store) = (data_dir.clone(), store.clone());
                tokio::task::spawn_blocking(move || look(&data_dir, &*store, lock_within))
                    .await
                    .map_err(internal)??
            };
            let mut problems = Vec::new();
            problems.extend(found.damaged.map(|aside| journal_damaged(&aside)));
            let saved = found.saved.unwrap_or_else(|error| {
                problems.push(error);
                Saved::default()
            });
            let folder = default_folder
                .or_else(default_recordings_folder)
                .unwrap_or_else(|| data_dir.join("recordings"));
            let settings = saved
                .settings
                .clone()
                .unwrap_or_else(|| Settings { folder: folder.display().to_string(), ..Settings::default() });
            let mut jobs: Vec<Job> =
                found.running.iter().chain(&found.history).map(|row| row.job.clone()).collect();
            jobs.retain(|job| !job.preview);
            for job in &mut jobs {
                job.project_id.take_if(|id| saved.projects.iter().all(|project| project.id != *id));
            }
            jobs.sort_by_key(|job| std::cmp::Reverse(job.created_at_ms));
            let board = Board::new(Snapshot {
                seq: 0,
                projects: Projects::default(),
                rooms: Rooms { loading: saved.current.is_some(), ..Rooms::default() },
                room: None,
                jobs,
                machine: Machine { problems: problems.clone(), ..Machine::default() },
                settings,
                layouts: Own::default().choices(),
                destinations: Vec::new(),
                storages: Vec::new(),
                uploads: Vec::new(),
                rules: Vec::new(),
                elsewhere: Elsewhere::default(),
                api: ApiState::default(),
            });
            let inner = Arc::new(Inner {
                program: find_program(job_program),
                data_dir,
                board,
                journal: found.journal,
                store,
                secrets,
                saved: Mutex::new(saved),
                save_turn: Mutex::new(()),
                known_secrets: Mutex::default(),
                lost_secrets: Mutex::default(),
                refused_secrets: tokio::sync::Mutex::default(),
                known_keys: Mutex::default(),
                refused_keys: tokio::sync::Mutex::default(),
                queue: OnceLock::new(),
                defaults,
                egresses: Egresses::default(),
                names: NameClaims::default(),
                auto: Auto::default(),
                elsewhere: Known::default(),
                layouts: Mutex::default(),
                jobs: Mutex::default(),
                arming: AtomicU64::new(0),
                monitor: Mutex::default(),
                room_generation: AtomicU64::new(0),
                frames: Frames::default(),
                stills: Semaphore::new(1),
                problems: Mutex::new(problems),
                encoder: Default::default(),
                rooms_nudge: Notify::new(),
                machine_nudge: Notify::new(),
                closed: watch::Sender::new(false),
                tasks: Mutex::default(),
                lock: Mutex::new(Some(found.lock)),
            });
            inner.publish_projects(None);
            inner.publish_destinations();
            inner.publish_storages();
            inner.publish_rules();
            inner.open_uploads().await;
            inner.egresses.found_under_way(&found.running);
            inner.claim_names_of(&found.running);
            inner.tell_found(&found.running);
            inner.tell_found(&found.history);
            for row in found.running {
                inner.spawn(adopt(inner.clone(), row));
            }
            for row in found.history.into_iter().filter(|row| row.job.preview) {
                // A disk that is full must not keep the studio from opening.
                if let Err(error) = inner.forget(row.job.egress_id).await {
                    tracing::warn!(%error, "a preview could not be forgotten");
                }
            }
            inner.spawn_until_closed(uploads::follow(inner.clone()));
            inner.spawn_until_closed(rooms::poll(inner.clone()));
            inner.spawn_until_closed(elsewhere::poll(inner.clone()));
            inner.spawn_until_closed(layouts::watch(inner.clone()));
            inner.spawn_until_closed(machine::watch(inner.clone()));
            inner.spawn_until_closed(machine::probe(inner.clone()));
            Ok(Self::new(inner))
        })
    }

    /// Closes the studio. With `finish`, all jobs are stopped and their files finished first; without, the
    /// jobs that record go on, and the next studio takes them over. Previews and the open room end in
    /// either case.
    ///
    /// # Errors
    /// A file is not finished within a minute. The studio is closed all the same; the job goes on finishing
    /// by itself, and the next studio reports it.
    pub fn shut_down(&self, finish: bool) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let inner = &self.inner;
            let monitor = inner.close_room();
            inner.discard_previews(None).await;
            let mut finished = Ok(());
            if finish {
                finished = finish_jobs(self).await;
            }
            // What is over, or not on the board any more, is on its way out: what came of it is written down.
            let mut going: Vec<_> = {
                let running = inner.running();
                let jobs = inner.jobs.lock();
                jobs.iter()
                    .filter(|(id, _)| !running.contains(id))
                    .map(|(_, handle)| handle.done.clone())
                    .collect()
            };
            going.extend(monitor);
            let all_gone = async {
                for mut gone in going {
                    let _ = gone.wait_for(|gone| *gone).await;
                }
            };
            let _ = tokio::time::timeout(CLOSE_WITHIN, all_gone).await;
            inner.closed.send_replace(true);
            if let Some(queue) = inner.queue.get() {
                let _ = tokio::time::timeout(CLOSE_WITHIN, queue.clone().shutdown()).await;
            }
            let mut tasks = std::mem::take(&mut *inner.tasks.lock());
            let all = async { while tasks.join_next().await.is_some() {} };
            if tokio::time::timeout(CLOSE_WITHIN, all).await.is_err() {
                tasks.abort_all();
            }
            // Unlocked, not only closed: a child that is just being started still has our files open.
            if let Some(lock) = inner.lock.lock().take()
                && let Err(error) = lock.unlock()
            {
                tracing::warn!(%error, "the data folder may stay locked for a moment");
            }
            finished
        })
    }
}

async fn finish_jobs(studio: &Studio) -> Result<(), ApiError> {
    let running = studio.running();
    let handles: Vec<_> = {
        let jobs = studio.inner.jobs.lock();
        running.iter().filter_map(|id| jobs.get(id).cloned()).collect()
    };
    let mut stops = tokio::task::JoinSet::new();
    for id in running {
        let studio = studio.clone();
        stops.spawn(async move { studio.stop(id).await });
    }
    let all = async {
        while stops.join_next().await.is_some() {}
        for mut handle in handles {
            let _ = handle.done.wait_for(|done| *done).await;
        }
    };
    tokio::time::timeout(FINISH_WITHIN, all).await.map_err(|_| {
        precondition(
            "A recording is not finished yet.",
            "It goes on finishing by itself; start Tallylight again later to see that it is whole.",
        )
    })
}

/// Looks through a studio's folder.
fn look(
    data_dir: &Path,
    store: &dyn crate::projects::ProjectStore,
    lock_within: Duration,
) -> Result<Found, ApiError> {
    let cannot = |error| storage(data_dir, "Tallylight's data folder cannot be used").with_detail(error);
    make_private(data_dir).map_err(cannot)?;
    let lock = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(data_dir.join(LOCK_FILE))
        .map_err(cannot)?;
    // The studio before this one may be on its last steps.
    let until = std::time::Instant::now() + lock_within;
    loop {
        match lock.try_lock() {
            Ok(()) => break,
            Err(std::fs::TryLockError::WouldBlock) if std::time::Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(precondition(
                    "Tallylight is running already.",
                    "Use the one that runs, or give this one a data folder of its own.",
                ));
            }
            Err(std::fs::TryLockError::Error(error)) => return Err(cannot(error)),
        }
    }
    let (journal, damaged) = Journal::open(data_dir)?;
    if damaged.is_some() {
        journal.rebuild(&data_dir.join("jobs"))?;
    }
    let running = journal.running()?;
    let history = journal.history(HISTORY)?;
    // Monitors of an earlier studio leave by themselves, and nobody reads what they wrote.
    let _ = std::fs::remove_dir_all(data_dir.join("monitor"));
    make_private(&data_dir.join("jobs")).map_err(cannot)?;
    Ok(Found { lock, journal, damaged, saved: store.load().map_err(ApiError::from), running, history })
}

/// Takes over a job of an earlier studio, or ends it properly.
async fn adopt(inner: Arc<Inner>, row: Row) {
    let id = row.job.egress_id.clone();
    let folder = match JobFolder::open(row.folder.clone()) {
        Ok(folder) => folder,
        Err(error) => {
            tracing::error!(egress_id = %id, %error, "a job of an earlier run cannot be looked at");
            if !row.process.as_ref().is_some_and(alive) {
                inner.not_started(&id, row.job.preview, error.into()).await;
            }
            return;
        }
    };
    let process = tokio::select! {
        () = inner.until_closed() => return,
        process = process_of(&row, &folder) => process,
    };
    // The journal may be behind the job's own log by what happened while no studio ran.
    let state = JobState::of(&recovery::logged(&folder.path, 0));
    let mut job = row.job.clone();
    let newer = state.last_seq() >= row.last_seq;
    if newer {
        show(&mut job, &state);
    }
    let preview = job.preview;
    if !preview
        && match newer {
            true => inner.show_job(&id, &state),
            false => inner.board.job(&id),
        }
        .is_none()
    {
        inner.board.publish(Change::Job { job });
    }
    if let Some(process) = living(process.clone(), &folder).await {
        tracing::info!(egress_id = %id, pid = process.pid, "a job of an earlier run goes on");
        let conversation = Conversation::new(Process::Adopted(process), folder.clone());
        let handle = Supervisor::start(&inner, id, folder, conversation, state, attachable(&row));
        if preview {
            // Who armed it is gone.
            let _ = handle.commands.send(Command::Discard).await;
        }
    } else if preview {
        if let Err(error) = inner.forget(id.clone()).await {
            tracing::warn!(egress_id = %id, %error, "a preview could not be forgotten");
        }
    } else {
        let exit = process.map(|_| Exit::Unknown);
        conclude(&inner, &id, &folder, state, exit).await;
    }
}

/// The process of a job, as the journal has it; or as the job itself told it, for a studio that died before it
/// could write it down. A job that was only just started tells it in a moment.
async fn process_of(row: &Row, folder: &JobFolder) -> Option<ProcessId> {
    if let Some(process) = &row.process {
        return Some(process.clone());
    }
    loop {
        let starting = folder.locked();
        match JobState::of(&recovery::logged(&folder.path, 0)).pid() {
            Some(pid) => return Some(ProcessId { pid, birth: Birth::Unknown }),
            None if starting => tokio::time::sleep(Duration::from_millis(50)).await,
            None => return None,
        }
    }
}

/// The process, if it lives. A live job that is taken for dead loses its file, so all there is must agree that
/// it is dead: its number, its lock, and where the number is not known for sure, its socket.
async fn living(process: Option<ProcessId>, folder: &JobFolder) -> Option<ProcessId> {
    let process = process?;
    let sure = matches!(process.birth, Birth::Mark(_));
    let answers = async || !sure && number_alive(process.pid) && Link::connect(&folder.short).await.is_ok();
    if alive(&process) || answers().await {
        return Some(ProcessId::of(process.pid));
    }
    folder.locked().then_some(process)
}

/// What Record would attach to the job.
fn attachable(row: &Row) -> Vec<egress::spec::OutputSpec> {
    match &row.spec.task {
        Task::Egress(egress) => egress.outputs.clone(),
        Task::Monitor(_) => Vec::new(),
    }
}

fn journal_damaged(aside: &Path) -> ApiError {
    ApiError::new(
        ErrorCode::Storage,
        Fault::Environment,
        format!("The history of recordings was damaged; it was set aside as {}.", aside.display()),
        "Your recordings themselves are where they were. Check the health of the disk.",
    )
}
