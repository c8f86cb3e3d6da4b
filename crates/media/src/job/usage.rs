//! What this process uses of the machine.

use std::time::{Duration, Instant};

use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessesToUpdate, System};

/// How often the system is asked.
const EVERY: Duration = Duration::from_secs(1);

/// CPU and memory of this process, and of those it has started.
#[derive(Debug)]
pub struct Usage {
    system: System,
    children: bool,
    asked: Option<Instant>,
    last: (f64, u64),
}

impl Usage {
    /// Knows nothing yet. `children`: whether this process starts others.
    pub fn new(children: bool) -> Self {
        Self { system: System::new(), children, asked: None, last: (0.0, 0) }
    }

    /// Percent of one core over the last second, and resident bytes.
    pub fn now(&mut self) -> (f64, u64) {
        if self.asked.is_none_or(|at| at.elapsed() >= EVERY) {
            self.asked = Some(Instant::now());
            let pid = Pid::from_u32(std::process::id());
            let what = ProcessRefreshKind::nothing().with_cpu().with_memory();
            let (which, own) = ([pid], self.children);
            let which = if own { ProcessesToUpdate::All } else { ProcessesToUpdate::Some(&which) };
            self.system.refresh_processes_specifics(which, own, what);
            let mut sum = (0.0, 0);
            for process in self.system.processes().values().filter(|process| self.is_ours(process, pid)) {
                sum.0 += f64::from(process.cpu_usage());
                sum.1 += process.memory();
            }
            self.last = sum;
        }
        self.last
    }

    /// Whether a process is this one, or was started by it or by one of those. Threads are in their processes.
    fn is_ours(&self, process: &Process, own: Pid) -> bool {
        if process.thread_kind().is_some() {
            return false;
        }
        let mut line = std::iter::successors(Some(process), |process| self.system.process(process.parent()?));
        line.any(|process| process.pid() == own)
    }
}
