//! What this process uses of the machine.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::output::worker::Worker;

/// How often the system is asked.
const EVERY: Duration = Duration::from_secs(1);

/// CPU and memory of this process, and of those it has started. A thread of its own looks: on a busy server there are
/// thousands of processes to look through.
#[derive(Debug)]
pub struct Usage {
    last: Arc<Mutex<Seen>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    cpu_percent: f64,
    memory_bytes: u64,
    unused: f64,
}

impl Usage {
    /// Watches from now on. `children`: whether this process starts others.
    pub fn watch(children: bool) -> Self {
        let last = Arc::new(Mutex::new(Seen::default()));
        let seen = Arc::downgrade(&last);
        Worker::start("usage", move || {
            let mut system = System::new();
            while let Some(last) = seen.upgrade() {
                let now = look(&mut system, children);
                *last.lock() = now;
                drop(last);
                thread::sleep(EVERY);
            }
        });
        Self { last }
    }

    /// Percent of one core over the last second, and resident bytes, as they were seen last.
    pub fn now(&self) -> (f64, u64) {
        let seen = *self.last.lock();
        (seen.cpu_percent, seen.memory_bytes)
    }

    /// Share of all processors' time over the last second in which nothing ran, 0 to 1.
    pub fn unused(&self) -> f64 {
        self.last.lock().unused
    }
}

fn look(system: &mut System, children: bool) -> Seen {
    let own = Pid::from_u32(std::process::id());
    let what = ProcessRefreshKind::nothing().with_cpu().with_memory();
    let which = [own];
    let which = if children { ProcessesToUpdate::All } else { ProcessesToUpdate::Some(&which) };
    system.refresh_processes_specifics(which, children, what);
    system.refresh_cpu_usage();
    let unused = 1.0 - f64::from(system.global_cpu_usage()) / 100.0;
    let ours = system.processes().values().filter(|process| is_ours(system, process, own));
    ours.fold(Seen { unused, ..Seen::default() }, |sum, process| Seen {
        cpu_percent: sum.cpu_percent + f64::from(process.cpu_usage()),
        memory_bytes: sum.memory_bytes + process.memory(),
        ..sum
    })
}

/// Whether a process is this one, or was started by it or by one of those. Threads are in their processes.
fn is_ours(system: &System, process: &Process, own: Pid) -> bool {
    if process.thread_kind().is_some() {
        return false;
    }
    let mut line = std::iter::successors(Some(process), |process| system.process(process.parent()?));
    line.any(|process| process.pid() == own)
}
