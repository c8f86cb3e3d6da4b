//! The computer: its load, the room on its disk, what it lacks.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use egress::error::{ApiError, ErrorCode, Fault};
use sysinfo::System;

use crate::awake::Awake;
use crate::studio::Inner;
use crate::surface::{Change, Job, Machine};
use crate::tool;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(2);

/// Looks at the computer for ever, and keeps it awake while something records.
pub(crate) async fn watch(inner: Arc<Inner>) {
    let mut system = System::new();
    let mut awake = Awake::new();
    let mut cpu_at = None;
    loop {
        awake.set(!inner.running().is_empty());
        let cpu_percent = cpu(&mut system, &mut cpu_at);
        let folder = inner.board.read(|snapshot| snapshot.settings.folder.clone());
        let disk_free_bytes =
            tokio::task::spawn_blocking(move || free_bytes(Path::new(&folder))).await.ok().flatten();
        let mut problems = inner.problems.lock().clone();
        problems.extend(awake.failure().map(may_sleep));
        inner.board.edit(|snapshot| {
            problems.extend(snapshot.projects.keyring_error.clone());
            let machine = Machine {
                cpu_percent: cpu_percent.unwrap_or(snapshot.machine.cpu_percent),
                disk_free_bytes,
                disk_left_s: disk_free_bytes.and_then(|free| left_s(free, &snapshot.jobs)),
                problems,
            };
            (machine != snapshot.machine).then_some(Change::Machine { machine })
        });
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = inner.machine_nudge.notified() => {}
        }
    }
}

/// Asks the recording program once what this computer lacks, and the keyring whether it is there.
pub(crate) async fn probe(inner: Arc<Inner>) {
    let _ = inner.keyring(|secrets| secrets.check()).await;
    let found = match tool::probe(&inner.program).await {
        Ok(probe) => {
            tracing::info!(encoder = probe.encoder, hardware = probe.hardware, "H.264 encoder");
            probe.problems
        }
        Err(error) => vec![error],
    };
    inner.problems.lock().extend(found);
    inner.machine_nudge.notify_one();
}

/// The load since the last look; none before there are two.
fn cpu(system: &mut System, last: &mut Option<tokio::time::Instant>) -> Option<f64> {
    let now = tokio::time::Instant::now();
    if last.is_some_and(|last| now - last < sysinfo::MINIMUM_CPU_UPDATE_INTERVAL) {
        return None;
    }
    system.refresh_cpu_usage();
    let first = last.replace(now).is_none();
    // A tenth is finer than anybody reads, and keeps a computer at rest quiet.
    (!first).then(|| (f64::from(system.global_cpu_usage()) * 10.0).round() / 10.0)
}

/// Free bytes where a folder is or will be.
fn free_bytes(folder: &Path) -> Option<u64> {
    let there = folder.ancestors().find(|dir| dir.is_dir())?;
    fs4::available_space(there).ok()
}

/// Seconds of recording that fit, at the rate of all jobs together.
fn left_s(free_bytes: u64, jobs: &[Job]) -> Option<u64> {
    let outputs = jobs.iter().filter_map(|job| job.figures.as_ref()).flat_map(|figures| &figures.outputs);
    let bps: u64 = outputs.map(|output| output.bitrate_bps).sum();
    (bps > 0).then(|| free_bytes.saturating_mul(8) / bps)
}

fn may_sleep(detail: String) -> ApiError {
    ApiError::new(
        ErrorCode::Unsupported,
        Fault::Environment,
        "Tallylight cannot keep this computer awake while it records.",
        "Switch off automatic sleep in the system's settings before a long recording.",
    )
    .with_detail(detail)
}
