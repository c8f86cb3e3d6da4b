//! What this process uses of the machine.

use std::time::{Duration, Instant};

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// How often the system is asked.
const EVERY: Duration = Duration::from_secs(1);

/// CPU and memory of this process.
#[derive(Debug)]
pub struct Usage {
    system: System,
    asked: Option<Instant>,
    last: (f64, u64),
}

impl Usage {
    /// Knows nothing yet.
    pub fn new() -> Self {
        Self { system: System::new(), asked: None, last: (0.0, 0) }
    }

    /// Percent of one core over the last second, and resident bytes.
    pub fn now(&mut self) -> (f64, u64) {
        if self.asked.is_none_or(|at| at.elapsed() >= EVERY) {
            self.asked = Some(Instant::now());
            let pid = Pid::from_u32(std::process::id());
            let what = ProcessRefreshKind::nothing().with_cpu().with_memory();
            self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, what);
            if let Some(process) = self.system.process(pid) {
                self.last = (f64::from(process.cpu_usage()), process.memory());
            }
        }
        self.last
    }
}

impl Default for Usage {
    fn default() -> Self {
        Self::new()
    }
}
