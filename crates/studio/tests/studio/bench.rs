//! A studio in a folder of its own, with a project that needs no server until somebody asks one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use egress::id::{EgressId, ProjectId};
use egress::request::{Preset, RecordFormat, RecordRequest, RecordSource};
use secrecy::SecretString;
use studio::projects::{JsonProjects, ProjectStore, Saved, SavedProject};
use studio::secrets::{MemorySecrets, SecretStore};
use studio::surface::{Job, Snapshot};
use studio::{Studio, StudioOptions};

/// Long enough for a machine under load; a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The API secret of the project: no other text may contain it.
pub const SECRET: &str = "planted-secret-7b1f0c9e-planted-secret";

pub struct Bench {
    pub dir: tempfile::TempDir,
    pub secrets: Arc<MemorySecrets>,
    pub secret: String,
    /// Where the studio's folder is within `dir`/data.
    pub nested: String,
}

impl Bench {
    /// With a project at an address where nobody listens.
    pub fn new() -> Self {
        Self::at("ws://127.0.0.1:9", "key", SECRET)
    }

    pub fn at(url: &str, key: &str, secret: &str) -> Self {
        let bench = Self {
            dir: tempfile::Builder::new().prefix("tl").tempdir().unwrap(),
            secrets: Arc::default(),
            secret: secret.into(),
            nested: String::new(),
        };
        let project = SavedProject {
            id: ProjectId::from("PJ_test"),
            name: "Test".into(),
            url: url.into(),
            api_key: key.into(),
            in_keyring: true,
        };
        bench.secrets.set(project.id.as_str(), &SecretString::from(secret)).unwrap();
        let saved = Saved { current: Some(project.id.clone()), projects: vec![project], ..Saved::default() };
        std::fs::create_dir_all(bench.data_dir()).unwrap();
        bench.projects().save(&saved).unwrap();
        bench
    }

    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data").join(&self.nested)
    }

    pub fn recordings(&self) -> PathBuf {
        self.dir.path().join("recordings")
    }

    pub fn projects(&self) -> JsonProjects {
        JsonProjects::new(self.data_dir().join("projects.json"))
    }

    pub async fn open(&self) -> Studio {
        self.open_with(example("peer_job")).await
    }

    pub async fn open_with(&self, program: PathBuf) -> Studio {
        let mut options =
            StudioOptions::new(self.data_dir(), Arc::new(self.projects()), self.secrets.clone());
        options.job_program = Some(program);
        options.default_folder = Some(self.recordings());
        Studio::open(options).await.unwrap()
    }
}

/// A program that stands beside the tests.
pub fn example(name: &str) -> PathBuf {
    let beside = std::env::current_exe().unwrap();
    let target = beside.parent().and_then(Path::parent).unwrap();
    let path = target.join("examples").join(name);
    assert!(path.exists(), "{} is missing: run the tests of the whole package", path.display());
    path
}

pub fn request(room: &str) -> RecordRequest {
    RecordRequest {
        room_name: room.into(),
        source: RecordSource::Participant { identity: "ada".into(), follow_screen_share: false },
        format: RecordFormat::Preset { container: None, preset: Preset::H264720p30 },
        folder: String::new(),
        name: String::new(),
        manifest: false,
        segments: None,
        images: None,
        copy_folder: None,
        proxy: None,
        upload: None,
    }
}

/// Waits until the snapshot is as it should be.
pub async fn until<T>(studio: &Studio, what: &str, look: impl Fn(&Snapshot) -> Option<T>) -> T {
    let mut changes = studio.changes();
    let looked = async {
        loop {
            if let Some(found) = look(&studio.snapshot()) {
                return found;
            }
            // Lagging is as good as a change: the snapshot is looked at again.
            let _ = tokio::time::timeout(Duration::from_millis(200), changes.recv()).await;
        }
    };
    match tokio::time::timeout(PATIENCE, looked).await {
        Ok(found) => found,
        Err(_) => panic!("{what} does not come: {:#?}", studio.snapshot()),
    }
}

/// Waits until a job is as it should be.
pub async fn until_job(studio: &Studio, id: &EgressId, what: &str, fits: impl Fn(&Job) -> bool) -> Job {
    until(studio, what, |snapshot| {
        snapshot.jobs.iter().find(|job| job.egress_id == *id && fits(job)).cloned()
    })
    .await
}

/// The process of a job, from its own log.
pub fn pid_of(bench: &Bench, id: &EgressId) -> u32 {
    let log = std::fs::read_to_string(bench.data_dir().join("jobs").join(id.as_str()).join("events.jsonl"))
        .unwrap();
    let first: egress::fact::Event = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    match first.fact {
        egress::fact::Fact::Started { pid } => pid,
        other => panic!("the first fact is {other:?}"),
    }
}

pub fn kill(pid: u32) {
    let status = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

/// Whether a process lives and is no zombie.
pub fn lives(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
}

/// Waits until a condition that has no event of its own holds.
pub async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let waited = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waited).await.is_ok(), "{what}: in vain");
}

/// All text and data under a folder, by file. What goes away meanwhile is left out.
pub fn all_files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let Ok(kind) = std::fs::symlink_metadata(&path).map(|found| found.file_type()) else { continue };
        if kind.is_dir() {
            files.extend(all_files(&path));
        } else if let Some(bytes) = kind.is_file().then(|| std::fs::read(&path).ok()).flatten() {
            files.push((path, bytes));
        }
    }
    files
}
