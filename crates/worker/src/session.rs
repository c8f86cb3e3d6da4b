//! A studio for one run, logged in.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::id::EgressId;
use egress::roster::RoomSummary;
use studio::projects::JsonProjects;
use studio::secrets::{FileSecrets, MemorySecrets};
use studio::surface::{ProjectInput, Rooms};
use studio::{EgressDefaults, Studio, StudioOptions, default_data_dir};

use crate::args::{Access, invalid};
use crate::report;

/// Workers of one user that run at the same time: each has a folder of its own.
const WORKERS: u32 = 64;

/// A studio, logged in.
pub struct Session {
    /// The studio.
    pub studio: Studio,
    /// Jobs of earlier runs that were not over.
    found: Vec<EgressId>,
}

impl Session {
    /// Opens a studio.
    pub async fn open(access: &Access) -> Result<Self, ApiError> {
        let studio = open(access.data_dir.clone()).await?;
        let mut found = Vec::new();
        for job in studio.snapshot().jobs.iter().filter(|job| job.ended_at_ms.is_none()) {
            found.push(job.egress_id.clone());
            report::say(&format!("found a recording of an earlier run: {} ({})", job.title, job.egress_id));
        }
        Ok(Self { studio, found })
    }

    /// Opens a studio and logs it in.
    pub async fn logged_in(access: &Access) -> Result<Self, ApiError> {
        let missing = |what: &str, remedy: &str| invalid(format!("The {what} is missing."), remedy);
        let url = access.url.clone().ok_or_else(|| missing("server's URL", "Give it with --url."))?;
        let api_key = access
            .api_key
            .clone()
            .ok_or_else(|| missing("API key", "Put it into the environment as LIVEKIT_API_KEY."))?;
        let secret = access
            .secret()
            .ok_or_else(|| missing("API secret", "Put it into the environment as LIVEKIT_API_SECRET."))?;
        let session = Self::open(access).await?;
        let known = session.studio.snapshot().projects.list;
        let known = known.iter().find(|project| project.url == url && project.api_key == api_key);
        let input = ProjectInput {
            name: String::new(),
            url,
            api_key,
            api_secret: Some(secret),
            // Whoever runs a worker keeps the secret; we have no business to.
            this_run_only: true,
        };
        let logged_in = match known {
            Some(project) => {
                session.studio.edit_project(project.id.clone(), input).await.map(|()| project.id.clone())
            }
            None => session.studio.add_project(input).await,
        };
        let selected = match logged_in {
            Ok(id) => session.studio.select_project(Some(id)).await,
            Err(error) => Err(error),
        };
        match selected {
            Ok(()) => Ok(session),
            Err(error) => {
                let _ = session.close().await;
                Err(error)
            }
        }
    }

    /// The rooms of the project.
    pub async fn rooms(&self) -> Result<Vec<RoomSummary>, ApiError> {
        let rooms = self.listed(|rooms| !rooms.loading).await;
        match rooms.error {
            Some(error) => Err(error),
            None => Ok(rooms.list),
        }
    }

    /// Waits until a room is open.
    pub async fn room_open(&self, name: &str) {
        self.listed(|rooms| rooms.list.iter().any(|room| room.name == name)).await;
    }

    /// Waits for a list of rooms; that somebody listens to the changes makes the studio ask for it.
    async fn listed(&self, fits: impl Fn(&Rooms) -> bool) -> Rooms {
        let mut changes = self.studio.changes();
        loop {
            let rooms = self.studio.snapshot().rooms;
            if fits(&rooms) {
                return rooms;
            }
            let _ = tokio::time::timeout(Duration::from_secs(1), changes.recv()).await;
        }
    }

    /// Closes the studio. Jobs of earlier runs that still record go on.
    pub async fn close(&self) -> Result<(), ApiError> {
        let closed = self.studio.shut_down(false).await;
        for job in self.studio.snapshot().jobs.iter().filter(|job| self.found.contains(&job.egress_id)) {
            report::earlier(job);
        }
        closed
    }
}

/// The folder of a studio that serves others.
///
/// # Errors
/// None is named, and this user has no home.
pub fn served_dir(data_dir: Option<PathBuf>) -> Result<PathBuf, ApiError> {
    match data_dir {
        Some(dir) => Ok(dir),
        // Always the same one: what an earlier run has left belongs to this one.
        None => Ok(base_dir()?.join("serve")),
    }
}

/// A studio that serves others, in a folder that is its own alone.
///
/// # Errors
/// Another service has the folder, or it cannot be used.
pub async fn served(
    dir: PathBuf,
    recordings: Option<PathBuf>,
    defaults: EgressDefaults,
) -> Result<Studio, ApiError> {
    Studio::open(StudioOptions {
        // Keys that came with a request, for as long as its uploads need them.
        secrets: Arc::new(FileSecrets::new(dir.join("secrets.json"))),
        default_folder: recordings,
        egress: defaults,
        lock_within: Duration::from_secs(10),
        ..options(dir)
    })
    .await
}

async fn open(data_dir: Option<PathBuf>) -> Result<Studio, ApiError> {
    if let Some(dir) = data_dir {
        return Studio::open(options(dir)).await;
    }
    let base = base_dir()?;
    // Scripts run several at once. Each takes the first folder that is free, and with it what an earlier
    // worker that died left there.
    let mut taken = None;
    for number in 1..=WORKERS {
        match Studio::open(options(base.join(format!("worker-{number}")))).await {
            Err(error) if error.code == ErrorCode::FailedPrecondition => taken = Some(error),
            other => return other,
        }
    }
    Err(taken.expect("there is at least one number, and all were taken"))
}

fn base_dir() -> Result<PathBuf, ApiError> {
    default_data_dir().ok_or_else(|| {
        ApiError::new(
            ErrorCode::Storage,
            Fault::Environment,
            "This user has no home folder for Tallylight's journal.",
            "Name a folder with --data-dir.",
        )
    })
}

fn options(dir: PathBuf) -> StudioOptions {
    let projects = JsonProjects::new(dir.join("projects.json"));
    StudioOptions {
        // There is another folder.
        lock_within: Duration::ZERO,
        ..StudioOptions::new(dir, Arc::new(projects), Arc::new(MemorySecrets::default()))
    }
}
