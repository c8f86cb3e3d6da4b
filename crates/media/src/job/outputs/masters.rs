//! The names of files, for their proxies.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egress::id::OutputId;
use parking_lot::{Condvar, Mutex};

/// A proxy waits so long for the name of its master.
const MASTER_WITHIN: Duration = Duration::from_secs(10);

/// The paths of files below their folders, as the threads that made them tell: a proxy is named like its master.
#[derive(Debug, Default, Clone)]
pub(super) struct Masters(Arc<(Mutex<HashMap<OutputId, PathBuf>>, Condvar)>);

impl Masters {
    /// A file has got its name.
    pub fn put(&self, id: OutputId, name: PathBuf) {
        self.0.0.lock().insert(id, name);
        self.0.1.notify_all();
    }

    /// Waits for a name; none: its file is not there in time.
    pub fn wait(&self, id: &OutputId) -> Option<PathBuf> {
        let until = Instant::now() + MASTER_WITHIN;
        let mut names = self.0.0.lock();
        while !names.contains_key(id) && !self.0.1.wait_until(&mut names, until).timed_out() {}
        names.get(id).cloned()
    }
}
