//! Names of files: resolved when a job is launched, so that whoever asked for it is answered with them, and spoken for
//! until the files are there.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use egress::error::ApiError;
use egress::filename::{NameFacts, claims, launch_names};
use egress::id::EgressId;
use egress::names::LaunchNames;
use egress::spec::{EgressSpec, JobSpec, Task};
use parking_lot::Mutex;

use crate::error::internal;
use crate::fold::ended;
use crate::journal::Row;
use crate::studio::Inner;

/// Paths that jobs were given and may not have made yet.
#[derive(Default)]
pub(crate) struct NameClaims(Mutex<HashMap<EgressId, Vec<PathBuf>>>);

impl NameClaims {
    /// Gives up what a job was given that is not to be.
    pub(crate) fn release(&self, id: &EgressId) {
        self.0.lock().remove(id);
    }
}

impl Inner {
    /// Resolves the names of a job that is about to be launched. `at_ms`: when it was asked for, unix, ms.
    pub(crate) async fn name_outputs(
        self: &std::sync::Arc<Self>,
        job: &JobSpec,
        egress: &EgressSpec,
        at_ms: i64,
    ) -> Result<LaunchNames, ApiError> {
        let zone = jiff::tz::TimeZone::system();
        let facts = NameFacts::at_launch(job, &egress.source, at_ms * 1_000_000, zone);
        let (inner, id, egress) = (self.clone(), job.egress_id.clone(), egress.clone());
        // Disks are asked which names are taken, and a disk may be slow.
        let named = tokio::task::spawn_blocking(move || {
            let over = |id: &EgressId| inner.board.job(id).is_some_and(|job| ended(job.status));
            let mut claimed = inner.names.0.lock();
            claimed.retain(|id, _| !over(id));
            let taken = |path: &Path| {
                claimed.values().flatten().any(|claimed| claimed == path) || path.symlink_metadata().is_ok()
            };
            let names = launch_names(&egress, &facts, taken);
            // A second request of one id, which is refused, takes nothing from the first.
            claimed.entry(id).or_insert_with(|| claims(&egress, &names));
            names
        });
        named.await.map_err(internal)
    }

    /// Takes in the names of jobs of an earlier run that still run.
    pub(crate) fn claim_names_of(&self, rows: &[Row]) {
        let mut claimed = self.names.0.lock();
        for Row { spec, .. } in rows.iter().filter(|row| !ended(row.job.status)) {
            if let Task::Egress(egress) = &spec.task {
                claimed.insert(spec.egress_id.clone(), claims(egress, &spec.names));
            }
        }
    }
}
