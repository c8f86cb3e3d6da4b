//! Looks at the computer and at the jobs on it each second.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use egress::request::{PageParts, RecordFormat, RecordRequest, RecordSource};
use serde::{Deserialize, Serialize};
use studio::Studio;
use studio::surface::Job;
use sysinfo::System;

use super::capacity::{Full, Kind, Machine, Running, Seen};
use super::cgroup;
use super::{Shared, State};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// Between two times that what was seen is written down.
const SAVE_EVERY: Duration = Duration::from_secs(60);
/// Name of the file with what was seen.
pub(super) const SEEN_FILE: &str = "costs.json";

/// What jobs were seen to cost, as it is kept.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    seen: BTreeMap<Kind, Seen>,
}

/// The computer at the start: its use is not known before a second look.
pub(super) fn first_look() -> Machine {
    let mut system = System::new();
    look(&mut system)
}

/// Looks for ever.
pub(super) async fn watch(shared: Arc<Shared>, studio: Studio) {
    let mut system = System::new();
    let mut saved = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(EVERY).await;
        let snapshot = studio.snapshot();
        let figures = snapshot.jobs.iter().filter_map(|job| job.figures.as_ref());
        let machine = Machine {
            disk_free_bytes: snapshot.machine.disk_free_bytes,
            jobs_bytes: figures.map(|figures| figures.memory_bytes).sum(),
            ..look(&mut system)
        };
        {
            let mut state = shared.state.lock();
            state.machine = machine;
            state.look_at(&snapshot.jobs);
        }
        if saved.elapsed() >= SAVE_EVERY {
            saved = tokio::time::Instant::now();
            save(&shared).await;
        }
    }
}

impl State {
    fn look_at(&mut self, jobs: &[Job]) {
        let running: Vec<&Job> = jobs.iter().filter(|job| job.ended_at_ms.is_none()).collect();
        self.running = running.iter().map(|job| of(job)).collect();
        for job in &self.running {
            self.capacity.learn(job, EVERY.as_secs_f64());
        }
        self.pending.retain(|id, _| jobs.iter().all(|job| job.egress_id.as_str() != id));
    }

    pub(super) fn available(&self) -> f64 {
        let pending: Vec<Kind> = self.pending.values().copied().collect();
        self.capacity.available(&self.machine, &self.running, &pending)
    }

    pub(super) fn fits(&self, kind: Kind) -> Result<(), Full> {
        let pending: Vec<Kind> = self.pending.values().copied().collect();
        self.capacity.fits(kind, &self.machine, &self.running, &pending)
    }
}

fn of(job: &Job) -> Running {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    Running {
        kind: kind(&job.request),
        age_s: now - job.created_at_ms as f64 / 1000.0,
        cores: job.figures.as_ref().map(|figures| figures.cpu_percent / 100.0),
    }
}

fn kind(request: &RecordRequest) -> Kind {
    match &request.source {
        RecordSource::RoomComposite { parts: PageParts::Sound, base_url: None, .. } => {
            Kind::SdkAudioRoomComposite
        }
        RecordSource::RoomComposite { parts: PageParts::Sound, .. } => Kind::AudioRoomComposite,
        RecordSource::RoomComposite { .. } => Kind::RoomComposite,
        RecordSource::Web { parts: PageParts::Sound, .. } => Kind::AudioWeb,
        RecordSource::Web { .. } => Kind::Web,
        RecordSource::Track { .. } => Kind::Track,
        RecordSource::TrackComposite { .. } if matches!(request.format, RecordFormat::AsPublished { .. }) => {
            Kind::Track
        }
        RecordSource::TrackComposite { .. } => Kind::TrackComposite,
        _ => Kind::Participant,
    }
}

fn look(system: &mut System) -> Machine {
    system.refresh_cpu_usage();
    system.refresh_memory();
    let all = system.cpus().len().max(1) as f64;
    // Of a container, what it may use of them.
    let cores = std::thread::available_parallelism().map_or(all, |cores| cores.get() as f64);
    let limits = system.cgroup_limits().filter(|limits| limits.total_memory > 0);
    let memory_free_bytes = limits.map_or(system.available_memory(), |limits| limits.free_memory);
    let used_cores = f64::from(system.global_cpu_usage()) / 100.0 * all;
    let used_cores = used_cores.min(cores);
    Machine {
        cores,
        used_cores,
        memory_free_bytes,
        jobs_bytes: 0,
        cgroup_bytes: cgroup::working_set_bytes(),
        disk_free_bytes: None,
    }
}

/// What was seen by earlier runs; nothing where that cannot be read.
pub(super) fn read(text: &[u8]) -> BTreeMap<Kind, Seen> {
    serde_json::from_slice::<Kept>(text).unwrap_or_default().seen
}

/// Writes down what was seen. It is a help and no more: if it cannot be, it is learned again.
pub(super) async fn save(shared: &Shared) {
    let seen = shared.state.lock().capacity.seen().clone();
    let written = async {
        let text = serde_json::to_vec(&Kept { seen })?;
        let beside = shared.seen_file.with_extension("new");
        tokio::fs::write(&beside, text).await?;
        tokio::fs::rename(&beside, &shared.seen_file).await
    };
    if let Err(error) = written.await {
        tracing::warn!(%error, "what jobs cost is not kept");
    }
}
