//! The outputs of a job: planned, opened, fed, finished.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{Fact, FileResult, OutputFigures};
use egress::id::OutputId;
use egress::spec::{Container, FileOutput as FileSpec, OutputKind, OutputSpec};

use crate::job::Facts;
use crate::output::disk::{DiskVerdict, judge, largest_file_bytes};
use crate::output::file::{FileOutput, FilePlan, FileReport, reserve};
use crate::unit::Unit;

/// After this long without a unit past its end a detached output is finished all the same, ns.
const DETACH_PATIENCE_NS: i64 = 1_500_000_000;

/// All outputs of a job.
#[derive(Debug, Default)]
pub struct Outputs {
    waiting: Vec<OutputSpec>,
    open: HashMap<OutputId, Open>,
    results: Vec<(OutputId, FileResult)>,
    low_disk_told: bool,
}

#[derive(Debug)]
struct Open {
    file: FileOutput,
    spec: FileSpec,
    /// Whether units go in: not while an armed job waits for a picture to begin with.
    fed: bool,
    /// Detached at this time; finished when a unit of a later time comes.
    until_ns: Option<i64>,
    finishing: bool,
    rate: Rate,
    /// The largest file its disk takes, bytes.
    largest_bytes: Option<u64>,
}

impl Open {
    /// Bytes that the file may still grow by.
    fn room_bytes(&self) -> Option<u64> {
        let free = fs4::available_space(&self.spec.folder).ok();
        let below = self.largest_bytes.map(|largest| largest.saturating_sub(self.file.size_bytes()));
        [free, below].into_iter().flatten().min()
    }
}

/// Bytes written over the last seconds.
#[derive(Debug)]
struct Rate {
    since: Instant,
    size: u64,
    bytes_s: u64,
}

impl Rate {
    fn update(&mut self, size: u64) -> u64 {
        let passed = self.since.elapsed().as_secs_f64();
        if passed >= 1.0 {
            let now = (size.saturating_sub(self.size) as f64 / passed) as u64;
            self.bytes_s = if self.bytes_s == 0 { now } else { (self.bytes_s * 2 + now) / 3 };
            self.since = Instant::now();
            self.size = size;
        }
        self.bytes_s
    }
}

/// What a file of a job is to be, once enough is known of its source.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Its container.
    pub container: Container,
    /// Path relative to the output's folder.
    pub name: PathBuf,
    /// Whether it has pictures.
    pub video: bool,
    /// Whether it has sound, and its caps if known.
    pub audio: Option<Option<gstreamer::Caps>>,
}

impl Outputs {
    /// Adds an output that is opened as soon as its shape is known.
    ///
    /// # Errors
    /// If there is one of that id.
    pub fn add(&mut self, spec: OutputSpec) -> Result<(), ApiError> {
        if self.open.contains_key(&spec.id) || self.waiting.iter().any(|o| o.id == spec.id) {
            return Err(ApiError::new(
                ErrorCode::InvalidArgument,
                Fault::Input,
                "This output is attached already.",
                "Give each output an id of its own.",
            ));
        }
        self.waiting.push(spec);
        Ok(())
    }

    /// Whether an output waits to be opened.
    pub fn any_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether any output is there, waiting or open.
    pub fn any(&self) -> bool {
        !self.waiting.is_empty() || !self.open.is_empty()
    }

    /// Opens what waits. `fed`: whether units go in from now on.
    pub fn open_waiting(
        &mut self,
        shape: impl Fn(&FileSpec) -> Result<Shape, ApiError>,
        fed: bool,
        facts: &mut Facts,
        report: impl Fn(FileReport) + Clone + Send + 'static,
    ) {
        for output in std::mem::take(&mut self.waiting) {
            let OutputKind::File(spec) = output.kind;
            let opened = shape(&spec).and_then(|shape| {
                let path = place(&spec.folder, &shape.name, &output.id, facts)?;
                let plan = FilePlan {
                    id: output.id.clone(),
                    path,
                    container: shape.container,
                    video: shape.video,
                    audio: shape.audio,
                };
                Ok(FileOutput::start(plan, report.clone()))
            });
            match opened {
                Ok(file) => {
                    let rate = Rate { since: Instant::now(), size: 0, bytes_s: 0 };
                    let largest_bytes = largest_file_bytes(&spec.folder);
                    if largest_bytes.is_some() {
                        facts.record(Fact::Warning { warning: small_files() });
                    }
                    let open =
                        Open { file, spec, fed, until_ns: None, finishing: false, rate, largest_bytes };
                    self.open.insert(output.id, open);
                }
                Err(error) => {
                    let result = FileResult {
                        path: None,
                        size_bytes: 0,
                        started_at_ns: 0,
                        ended_at_ns: 0,
                        duration_ns: 0,
                        error: Some(error),
                    };
                    facts.record(Fact::OutputEnded { output: output.id.clone(), result: result.clone() });
                    self.results.push((output.id, result));
                }
            }
        }
    }

    /// Whether an output still waits for its first media.
    pub fn any_not_begun(&self) -> bool {
        self.any_waiting() || self.open.values().any(|o| o.file.counts.started_ns.load(Relaxed) == 0)
    }

    /// Whether an open output is not fed yet.
    pub fn any_unfed(&self) -> bool {
        self.open.values().any(|o| !o.fed)
    }

    /// Feeds the outputs that were not, beginning with `units`.
    pub fn begin_unfed(&mut self, units: &[Unit]) {
        for open in self.open.values_mut().filter(|o| !o.fed) {
            open.fed = true;
            for unit in units {
                open.file.push(unit.clone());
            }
        }
    }

    /// Gives a unit to all outputs that are fed.
    pub fn push(&mut self, unit: &Unit) {
        for open in self.open.values_mut().filter(|o| o.fed && !o.finishing) {
            if open.until_ns.is_some_and(|until| unit.time_ns >= until) {
                open.finishing = true;
                open.file.finish();
            } else {
                open.file.push(unit.clone());
            }
        }
    }

    /// Detaches one output at `now_ns`.
    ///
    /// # Errors
    /// If there is none of that id.
    pub fn detach(&mut self, id: &OutputId, now_ns: i64) -> Result<(), ApiError> {
        let before = self.waiting.len();
        self.waiting.retain(|o| o.id != *id);
        match self.open.get_mut(id) {
            Some(open) => {
                open.until_ns.get_or_insert(now_ns);
                Ok(())
            }
            None if self.waiting.len() < before => Ok(()),
            None => Err(ApiError::new(
                ErrorCode::NotFound,
                Fault::Input,
                "This output is not attached.",
                "It may have ended already; look at the list of outputs.",
            )),
        }
    }

    /// Finishes what was detached and gets no more units.
    pub fn tick(&mut self, now_ns: i64) {
        for open in self.open.values_mut() {
            let over = open.until_ns.is_some_and(|until| now_ns > until + DETACH_PATIENCE_NS || !open.fed);
            if over && !open.finishing {
                open.finishing = true;
                open.file.finish();
            }
        }
    }

    /// Finishes all.
    pub fn finish_all(&mut self) {
        self.waiting.clear();
        for open in self.open.values_mut().filter(|o| !o.finishing) {
            open.finishing = true;
            open.file.finish();
        }
    }

    /// Gives up files that do not become complete. They play, and the next start completes them.
    pub fn abandon(&mut self, facts: &mut Facts) {
        for (output, open) in self.open.drain() {
            let result = open.file.abandoned();
            facts.record(Fact::OutputEnded { output: output.clone(), result: result.clone() });
            self.results.push((output, result));
        }
    }

    /// Takes a file's report.
    pub fn on_report(
        &mut self,
        report: FileReport,
        facts: &mut Facts,
    ) -> Option<(OutputId, FileResult, FileSpec)> {
        match report {
            FileReport::Active { output, started_at_ns } => {
                facts.record(Fact::OutputActive { output, started_at_ns });
                None
            }
            FileReport::Ended { output, result } => {
                let open = self.open.remove(&output)?;
                facts.record(Fact::OutputEnded { output: output.clone(), result: result.clone() });
                self.results.push((output.clone(), result.clone()));
                Some((output, result, open.spec))
            }
        }
    }

    /// Why the last output failed, when none is left: the job has nothing to do any more.
    pub fn all_failed(&self) -> Option<ApiError> {
        let last = self.results.last().filter(|_| !self.any())?;
        last.1.error.clone()
    }

    /// Every output that ended, with what came of it.
    pub fn results(&self) -> &[(OutputId, FileResult)] {
        &self.results
    }

    /// Figures of the open outputs. `dropped`: pictures that should be there and are not.
    pub fn figures(&mut self, dropped: u64) -> Vec<OutputFigures> {
        self.open
            .iter_mut()
            .map(|(id, open)| {
                let counts = &open.file.counts;
                let size = open.file.size_bytes();
                let bytes_s = open.rate.update(size);
                let (started, ended) = (counts.started_ns.load(Relaxed), counts.ended_ns.load(Relaxed));
                OutputFigures {
                    output: id.clone(),
                    elapsed_ms: (ended - started).max(0) / 1_000_000,
                    size_bytes: size,
                    bitrate_bps: bytes_s * 8,
                    frames: counts.pictures.load(Relaxed),
                    dropped_frames: dropped,
                    disk_left_s: open.room_bytes().and_then(|room| room.checked_div(bytes_s)),
                }
            })
            .collect()
    }

    /// Largest file and longest run so far, for limits: bytes and ns.
    pub fn largest(&self) -> (u64, i64) {
        self.open.values().fold((0, 0), |(size, length), open| {
            let counts = &open.file.counts;
            let ran = counts.ended_ns.load(Relaxed) - counts.started_ns.load(Relaxed);
            (size.max(open.file.size_bytes()), length.max(ran))
        })
    }

    /// Looks at the disks. Records a warning when one runs low; true: finish now.
    pub fn disk_full(&mut self, facts: &mut Facts) -> bool {
        let rate: u64 = self.open.values().map(|o| o.rate.bytes_s).sum();
        for open in self.open.values().filter(|o| !o.finishing) {
            let Some(room) = open.room_bytes() else { continue };
            match judge(room, rate, open.file.counts.units.load(Relaxed)) {
                DiskVerdict::Fine => {}
                DiskVerdict::Full => return true,
                DiskVerdict::Low { left_s } if !self.low_disk_told => {
                    self.low_disk_told = true;
                    let warning = ApiError::new(
                        ErrorCode::DiskFull,
                        Fault::Destination,
                        format!("There is room for {} more minutes of this recording.", left_s.div_ceil(60)),
                        "Free some space. The recording ends by itself, whole, before there is none left.",
                    );
                    facts.record(Fact::Warning { warning });
                }
                DiskVerdict::Low { .. } => {}
            }
        }
        false
    }
}

fn small_files() -> ApiError {
    ApiError::new(
        ErrorCode::Storage,
        Fault::Destination,
        "This disk is formatted as FAT32, which takes no file larger than 4 GB: the recording ends by itself there, whole.",
        "For a longer recording choose a folder on another disk, or format this one as exFAT.",
    )
}

/// Says in the log which file is about to be made, and makes it.
fn place(folder: &Path, name: &Path, output: &OutputId, facts: &mut Facts) -> Result<PathBuf, ApiError> {
    let wanted = folder.join(name);
    let mut told = None;
    for n in 1..10_000 {
        let path = egress::filename::numbered(&wanted, n);
        if path.exists() {
            continue;
        }
        facts.record(Fact::OutputOpening { output: output.clone(), path: path.clone() });
        told = Some(path);
        break;
    }
    let path = told.unwrap_or(wanted);
    let made = reserve(&path).map_err(|cause| {
        let full = cause.kind() == std::io::ErrorKind::StorageFull;
        ApiError::new(
            if full { ErrorCode::DiskFull } else { ErrorCode::Storage },
            Fault::Destination,
            format!("No file can be made in {}.", folder.display()),
            if full {
                "The disk is full: free some space or choose another folder."
            } else {
                "Check that the folder is there and that you may write to it, or choose another."
            },
        )
        .with_detail(cause)
    })?;
    if made != path {
        facts.record(Fact::OutputOpening { output: output.clone(), path: made.clone() });
    }
    Ok(made)
}
