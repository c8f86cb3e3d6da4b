//! Whether this computer can carry another job, whoever asks for it.
//!
//! The bus and the calls over HTTP share one [`Admission`]: what one of them has given away, the other does not have.

mod capacity;
mod cgroup;
mod gauge;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use egress::error::{ApiError, ErrorCode, Fault};
use parking_lot::Mutex;
use studio::Studio;
use tokio::task::JoinHandle;

use capacity::{Capacity, Machine, Running};
use gauge::SEEN_FILE;

pub use capacity::{CpuCost, Full, Kind, MemorySource};

/// Lets jobs in as far as the computer carries them. A cheap handle; it looks at the computer until
/// [`Admission::close`].
#[derive(Clone)]
pub struct Admission {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Where what jobs were seen to cost is kept.
    seen_file: PathBuf,
    watching: Mutex<Option<JoinHandle<()>>>,
}

struct State {
    capacity: Capacity,
    machine: Machine,
    /// As of the last look.
    running: Vec<Running>,
    /// Let in, and not seen to run yet.
    pending: HashMap<String, Kind>,
    refused: u64,
}

impl Admission {
    /// Begins to look at the computer and at the jobs of a studio. What jobs were seen to cost is kept in the
    /// studio's data folder; where it cannot be read, it is learned again.
    pub async fn open(studio: Studio, cost: CpuCost, data_dir: &Path) -> Self {
        let seen_file = data_dir.join(SEEN_FILE);
        let text = tokio::fs::read(&seen_file).await.unwrap_or_default();
        let capacity = Capacity::new(cost, gauge::read(&text));
        let admission = Self::new(capacity, gauge::first_look(), seen_file);
        let watching = tokio::spawn(gauge::watch(admission.shared.clone(), studio));
        *admission.shared.watching.lock() = Some(watching);
        admission
    }

    fn new(capacity: Capacity, machine: Machine, seen_file: PathBuf) -> Self {
        let (running, pending) = (Vec::new(), HashMap::new());
        let state = Mutex::new(State { capacity, machine, running, pending, refused: 0 });
        Self { shared: Arc::new(Shared { state, seen_file, watching: Mutex::default() }) }
    }

    /// Whether a job would be let in now. Nothing is reserved.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn fits(&self, kind: Kind) -> Result<(), Full> {
        self.shared.state.lock().fits(kind)
    }

    /// Lets a job in. Looking and taking are one step: of many that ask at a time, as many get in as there is room
    /// for.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn reserve(&self, id: &str, kind: Kind) -> Result<Place, Full> {
        let mut state = self.shared.state.lock();
        if let Err(full) = state.fits(kind) {
            state.refused += 1;
            return Err(full);
        }
        state.pending.insert(id.to_owned(), kind);
        Ok(Place { shared: self.shared.clone(), id: id.to_owned(), taken: false })
    }

    /// How full the computer is.
    pub fn load(&self) -> Load {
        let state = self.shared.state.lock();
        let (config, machine) = (state.capacity.config(), &state.machine);
        let used = (machine.used_cores / machine.cores.max(1.0)).clamp(0.0, 1.0);
        let counted = machine.counted_bytes(config.memory_source) as f64;
        let most = config.most_memory();
        let by_cgroup = machine.cgroup_bytes.zip(most).map(|(used, most)| used as f64 >= most);
        Load {
            cpu: used,
            cpu_ratio: used / config.most_cores(),
            memory_ratio: most.map(|most| counted / most),
            available_cores: state.available(),
            jobs_bytes: machine.jobs_bytes,
            cgroup_bytes: machine.cgroup_bytes,
            full_by_cgroup: by_cgroup.unwrap_or_default(),
        }
    }

    /// How many jobs there was no room for.
    pub fn refused(&self) -> u64 {
        self.shared.state.lock().refused
    }

    /// Looks no more, and keeps what jobs were seen to cost.
    pub async fn close(&self) {
        if let Some(watching) = self.shared.watching.lock().take() {
            watching.abort();
        }
        gauge::save(&self.shared).await;
    }
}

/// How full the computer is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Share of all cores in use, 0 to 1.
    pub cpu: f64,
    /// Cores in use of those that may be; above 1 when there are more.
    pub cpu_ratio: f64,
    /// Memory in use of what may be; above 1 when there is more. None: all may.
    pub memory_ratio: Option<f64>,
    /// Cores that jobs can still have: all where nothing runs.
    pub available_cores: f64,
    /// Memory of the jobs, bytes.
    pub jobs_bytes: u64,
    /// Memory of the container, bytes; none where this runs in none.
    pub cgroup_bytes: Option<u64>,
    /// Whether the container's memory alone would keep jobs out.
    pub full_by_cgroup: bool,
}

/// Room for a job that is about to be started. Dropped, it is given back.
#[must_use = "dropped, the room is given back"]
pub struct Place {
    shared: Arc<Shared>,
    id: String,
    taken: bool,
}

impl Place {
    /// The job runs: from now on it counts as what it is seen to use.
    pub fn taken(mut self) {
        self.taken = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.taken {
            self.shared.state.lock().pending.remove(&self.id);
        }
    }
}

impl From<Full> for ApiError {
    fn from(full: Full) -> Self {
        let (code, message, remedy) = match full {
            Full::Cpu => (
                ErrorCode::Exhausted,
                "The processor of this computer is taken up by what runs on it.",
                "Try again when a recording has ended, or start it on another computer. cpu_cost in the configuration says what recordings are taken to cost.",
            ),
            Full::Memory => (
                ErrorCode::Exhausted,
                "The memory of this computer is taken up by what runs on it.",
                "Try again when a recording has ended, or start it on another computer.",
            ),
            Full::Disk => (
                ErrorCode::DiskFull,
                "The disk for recordings is nearly full.",
                "Make room on it, or start the recording on another computer.",
            ),
        };
        Self::new(code, Fault::Environment, message, remedy).retryable().with_detail(full)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn admission(cores: f64) -> Admission {
        let (memory_free_bytes, jobs_bytes) = (1 << 40, 0);
        let (cgroup_bytes, disk_free_bytes) = (None, None);
        let machine =
            Machine { cores, used_cores: 0.0, memory_free_bytes, jobs_bytes, cgroup_bytes, disk_free_bytes };
        let capacity = Capacity::new(CpuCost::default(), BTreeMap::new());
        Admission::new(capacity, machine, PathBuf::new())
    }

    #[test]
    fn of_a_thousand_at_a_time_as_many_get_in_as_there_is_room_for() {
        let admission = admission(8.0);
        let ask = |at: usize| admission.reserve(&format!("EG_{at}"), Kind::Track).map(Place::taken);
        let asked: Vec<_> = std::thread::scope(|scope| {
            let ten = |from: usize| (from..from + 100).map(ask).collect::<Vec<_>>();
            let threads: Vec<_> = (0..10).map(|at| scope.spawn(move || ten(at * 100))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        // 80 % of 8 cores, half a core each.
        assert_eq!(asked.iter().filter(|asked| asked.is_ok()).count(), 12);
        assert!(asked.iter().all(|asked| matches!(asked, Ok(()) | Err(Full::Cpu))));
        assert_eq!(admission.refused(), 988);
    }

    #[test]
    fn a_place_that_is_not_taken_is_given_back() {
        let admission = admission(2.0);
        let place =
            admission.reserve("EG_1", Kind::RoomComposite).expect("where nothing runs, one is let in");
        assert_eq!(admission.reserve("EG_2", Kind::Track).err(), Some(Full::Cpu));
        drop(place);
        admission.reserve("EG_3", Kind::RoomComposite).expect("there is room again").taken();
        assert_eq!(admission.fits(Kind::Track), Err(Full::Cpu));
    }

    #[test]
    fn livekits_words_are_the_cause_and_ours_say_what_to_do() {
        let error = ApiError::from(Full::Cpu);
        assert_eq!((error.code, error.retryable), (ErrorCode::Exhausted, true));
        assert_eq!(error.detail, "not enough CPU");
        assert!(!error.message.is_empty() && !error.remedy.is_empty());
    }
}
