//! The studio itself: what it holds, and the calls that concern all of it.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use egress::error::{ApiError, ErrorCode, Fault};
use egress::id::{EgressId, ProjectId};
use egress::wire::H264Encoder;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use secrecy::SecretString;
use tokio::sync::{Notify, Semaphore, broadcast, watch};
use tokio::task::JoinSet;

use crate::auto::Auto;
use crate::board::Board;
use crate::egress_api::Egresses;
use crate::elsewhere::Known;
use crate::error::closing;
use crate::fold::ended;
use crate::frames::Frames;
use crate::journal::Journal;
use crate::layouts::Own;
use crate::monitor::MonitorHandle;
use crate::names::NameClaims;
use crate::options::EgressDefaults;
use crate::projects::{ProjectStore, Saved};
use crate::secrets::SecretStore;
use crate::supervisor::JobHandle;
use crate::surface::{ApiState, AutoRule, Change, Numbered, Settings, Snapshot};

/// The studio. A cheap handle; when the last one goes, everything it does stops, except the jobs that
/// record: they go on, and the next studio finds them.
#[derive(Clone)]
pub struct Studio {
    pub(crate) inner: Arc<Inner>,
    _guard: Arc<Guard>,
}

struct Guard(Arc<Inner>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.closed.send_replace(true);
    }
}

pub(crate) struct Inner {
    pub(crate) data_dir: PathBuf,
    /// `tallylight-job`.
    pub(crate) program: PathBuf,
    pub(crate) board: Board,
    pub(crate) journal: Journal,
    pub(crate) store: Arc<dyn ProjectStore>,
    pub(crate) secrets: Arc<dyn SecretStore>,
    /// What `store` should hold.
    pub(crate) saved: Mutex<Saved>,
    /// One save at a time, so that the last one written is the newest.
    pub(crate) save_turn: Mutex<()>,
    /// Secrets that were given for this run only, or that were read from the keyring already.
    pub(crate) known_secrets: Mutex<HashMap<ProjectId, SecretString>>,
    /// Projects whose secret should be in the keyring and is not.
    pub(crate) lost_secrets: Mutex<HashSet<ProjectId>>,
    /// What the keyring said when it was last asked for a secret that it did not give. It is asked again when
    /// the operator wants it, and not by itself: its question would come back every few seconds.
    pub(crate) refused_secrets: tokio::sync::Mutex<HashMap<ProjectId, ApiError>>,
    /// Keys of destinations and storages that were given for this run only, or read from the keyring already.
    pub(crate) known_keys: Mutex<HashMap<String, SecretString>>,
    /// What the keyring said when it was last asked for such a key and did not give it, and when.
    pub(crate) refused_keys: tokio::sync::Mutex<HashMap<String, (std::time::Instant, ApiError)>>,
    /// The list of uploads, unless it cannot be opened.
    pub(crate) queue: OnceLock<upload::Queue>,
    /// What holds for requests of the Egress API.
    pub(crate) defaults: EgressDefaults,
    /// Every job in LiveKit's words.
    pub(crate) egresses: Egresses,
    /// Names of files that are spoken for.
    pub(crate) names: NameClaims,
    /// What rules of auto egress have started, and what came of it.
    pub(crate) auto: Auto,
    /// What is known of LiveKit's egress service besides what front ends see.
    pub(crate) elsewhere: Known,
    /// The operator's own layouts.
    pub(crate) layouts: Mutex<Own>,
    /// Jobs with a task that supervises them.
    pub(crate) jobs: Mutex<HashMap<EgressId, JobHandle>>,
    /// Counts up with each `arm`: the newest wins.
    pub(crate) arming: AtomicU64,
    pub(crate) monitor: Mutex<Option<MonitorHandle>>,
    /// Counts up with each opened or closed room, so that a monitor on its way out changes nothing.
    pub(crate) room_generation: AtomicU64,
    pub(crate) frames: Frames,
    pub(crate) stills: Semaphore,
    /// What is wrong with this computer, apart from the keyring.
    pub(crate) problems: Mutex<Vec<ApiError>>,
    /// The encoder of H.264 that works on this computer; none until it is found.
    pub(crate) encoder: OnceLock<H264Encoder>,
    pub(crate) rooms_nudge: Notify,
    pub(crate) machine_nudge: Notify,
    pub(crate) closed: watch::Sender<bool>,
    pub(crate) tasks: Mutex<JoinSet<()>>,
    /// Held for as long as the studio has its folder.
    pub(crate) lock: Mutex<Option<std::fs::File>>,
}

impl Studio {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { _guard: Arc::new(Guard(inner.clone())), inner }
    }

    /// Everything a front end shows.
    pub fn snapshot(&self) -> Snapshot {
        self.inner.board.snapshot()
    }

    /// The changes from now on. Subscribe first, take the snapshot then, and leave out changes whose
    /// number is not above the snapshot's. A receiver that lags takes a new snapshot.
    pub fn changes(&self) -> broadcast::Receiver<Arc<Numbered>> {
        self.inner.board.subscribe()
    }

    /// Jobs with outputs that are not over.
    pub fn running(&self) -> Vec<EgressId> {
        self.inner.running()
    }

    /// Whether it has something to wait for where nothing records: a room that a rule of the open project is about, or
    /// a caller of its API.
    pub fn stands_by(&self) -> bool {
        self.inner.board.read(|snapshot| {
            let current = snapshot.projects.current.as_ref();
            let in_force = |rule: &AutoRule| rule.what.on && Some(&rule.project_id) == current;
            matches!(snapshot.api, ApiState::On { .. }) || snapshot.rules.iter().any(in_force)
        })
    }

    /// Changes what the operator set.
    ///
    /// # Errors
    /// The folder is not absolute, or cannot be made; the settings cannot be saved.
    pub fn set_settings(&self, settings: Settings) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let folder = PathBuf::from(&settings.folder);
            make_recordings_folder(folder).await?;
            self.inner.saved.lock().settings = Some(settings.clone());
            self.inner.board.publish(Change::Settings { settings });
            self.inner.machine_nudge.notify_one();
            self.inner.save().await
        })
    }
}

impl Inner {
    pub(crate) fn jobs_dir(&self) -> PathBuf {
        self.data_dir.join("jobs")
    }

    pub(crate) fn monitors_dir(&self) -> PathBuf {
        self.data_dir.join("monitor")
    }

    pub(crate) fn running(&self) -> Vec<EgressId> {
        self.board.read(|snapshot| {
            let running = snapshot.jobs.iter().filter(|job| !job.preview && !ended(job.status));
            running.map(|job| job.egress_id.clone()).collect()
        })
    }

    /// Refuses while the studio closes.
    pub(crate) fn check_open(&self) -> Result<(), ApiError> {
        if *self.closed.borrow() { Err(closing()) } else { Ok(()) }
    }

    /// Runs a task for as long as the studio is open.
    pub(crate) fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock();
        // Those that are over are let go, so that the set does not grow with every job.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Runs a task that is dropped as soon as the studio closes.
    pub(crate) fn spawn_until_closed(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        let inner = self.clone();
        self.spawn(async move {
            tokio::select! {
                () = inner.until_closed() => {}
                () = task => {}
            }
        });
    }

    /// Waits until the studio closes.
    pub(crate) async fn until_closed(&self) {
        // It is never dropped while this borrows it, so that there is nothing but the closing to wait for.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    pub(crate) fn next_generation(&self) -> u64 {
        self.room_generation.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// Makes sure that recordings can go to a folder.
pub(crate) async fn make_recordings_folder(folder: PathBuf) -> Result<(), ApiError> {
    if !folder.is_absolute() {
        return Err(ApiError::new(
            ErrorCode::InvalidArgument,
            Fault::Input,
            "The folder for recordings must be a full path.",
            "Choose a folder.",
        ));
    }
    let made = {
        let folder = folder.clone();
        tokio::task::spawn_blocking(move || std::fs::create_dir_all(folder)).await
    };
    made.map_err(crate::error::internal)?.map_err(|error| {
        ApiError::new(
            ErrorCode::Storage,
            Fault::Destination,
            format!("The folder {} cannot be made.", folder.display()),
            "Choose another folder, or check that its disk is there and may be written.",
        )
        .retryable()
        .with_detail(error)
    })
}
