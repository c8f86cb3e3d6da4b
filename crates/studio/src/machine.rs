//! The computer: its load, the room on its disk, what it lacks.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sysinfo::System;

use crate::studio::Inner;
use crate::surface::{Change, Job, Machine};
use crate::tool;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(2);

/// Looks at the computer for ever.
pub(crate) async fn watch(inner: Arc<Inner>) {
    let mut system = System::new();
    let mut cpu_at = None;
    loop {
        let cpu_percent = cpu(&mut system, &mut cpu_at);
        let (folder, written) =
            inner.board.read(|snapshot| (snapshot.settings.folder.clone(), written(&snapshot.jobs)));
        let disks = tokio::task::spawn_blocking(move || {
            let free = Disk::of(Path::new(&folder)).map(|disk| disk.free_bytes);
            (free, left_s(written.iter().filter_map(|(folder, bps)| Some((Disk::of(folder)?, *bps)))))
        });
        let (disk_free_bytes, disk_left_s) = disks.await.unwrap_or_default();
        let mut problems = inner.problems.lock().clone();
        inner.board.edit(|snapshot| {
            problems.extend(snapshot.projects.keyring_error.clone());
            let machine = Machine {
                cpu_percent: cpu_percent.unwrap_or(snapshot.machine.cpu_percent),
                disk_free_bytes,
                disk_left_s,
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
            if let Some(choice) = probe.choice {
                // Asked once.
                let _ = inner.encoder.set(choice);
            }
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

/// Where jobs write, and how fast, bits a second.
fn written(jobs: &[Job]) -> Vec<(PathBuf, u64)> {
    let rate = |job: &Job| {
        let outputs = job.figures.iter().flat_map(|f| &f.outputs);
        outputs.filter(|output| output.destination.is_none()).map(|output| output.bitrate_bps).sum()
    };
    jobs.iter()
        .map(|job| (PathBuf::from(&job.request.folder), rate(job)))
        .filter(|(_, bps)| *bps > 0)
        .collect()
}

/// A disk.
struct Disk {
    /// What tells it from others.
    id: u64,
    free_bytes: u64,
}

impl Disk {
    /// The disk where a folder is or will be.
    fn of(folder: &Path) -> Option<Self> {
        let there = folder.ancestors().find(|dir| dir.is_dir())?;
        let free_bytes = fs4::available_space(there).ok()?;
        #[cfg(unix)]
        let id = std::os::unix::fs::MetadataExt::dev(&std::fs::metadata(there).ok()?);
        // Elsewhere what is free has to tell: two disks are hardly alike to the byte.
        #[cfg(not(unix))]
        let id = free_bytes;
        Some(Self { id, free_bytes })
    }
}

/// Seconds until the first disk is full, at the rates of all jobs that write to it.
fn left_s(written: impl Iterator<Item = (Disk, u64)>) -> Option<u64> {
    let mut disks: HashMap<u64, (u64, u64)> = HashMap::new();
    for (disk, bps) in written {
        disks.entry(disk.id).or_insert((disk.free_bytes, 0)).1 += bps;
    }
    disks.into_values().map(|(free_bytes, bps)| free_bytes.saturating_mul(8) / bps).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_disk_to_be_full_counts_with_all_that_is_written_to_it() {
        let disk = |id, free_bytes| Disk { id, free_bytes };
        assert_eq!(left_s([].into_iter()), None);
        let written = [(disk(1, 1_000_000), 4_000), (disk(1, 1_000_000), 4_000), (disk(2, 900_000), 1_000)];
        assert_eq!(left_s(written.into_iter()), Some(1000));
    }
}
