//! A file as an output of a job: named, made, watched for room.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{Fact, FileResult};
use egress::id::OutputId;
use egress::spec::{Container, FileOutput as FileSpec};

use crate::job::Facts;
use crate::output::disk::largest_file_bytes;
use crate::output::file::{FileOutput, FilePlan, FileReport, reserve};
use crate::output::{Counts, Ended, Output, OutputReport, Rendition};
use crate::unit::Unit;

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

/// A file.
#[derive(Debug)]
struct OpenFile {
    file: FileOutput,
    folder: PathBuf,
    /// The largest file its disk takes, bytes.
    largest_bytes: Option<u64>,
}

/// Makes the file of an output and starts to write it. Returned is its path below its folder as well.
///
/// # Errors
/// If no file can be made there.
pub(super) fn open(
    id: &OutputId,
    spec: &FileSpec,
    shape: Shape,
    facts: &mut Facts,
    report: impl Fn(OutputReport) + Send + 'static,
) -> Result<(Box<dyn Output>, PathBuf), ApiError> {
    let path = place(&spec.folder, &shape.name, id, facts)?;
    let name = path.strip_prefix(&spec.folder).unwrap_or(&path).to_owned();
    let plan =
        FilePlan { id: id.clone(), path, container: shape.container, video: shape.video, audio: shape.audio };
    let file = FileOutput::start(plan, move |told| {
        report(match told {
            FileReport::Active { output, started_at_ns } => OutputReport::Active { output, started_at_ns },
            FileReport::Ended { output, result } => {
                OutputReport::Ended { output, ended: Ended::File(result) }
            }
        });
    });
    let largest_bytes = largest_file_bytes(&spec.folder);
    if largest_bytes.is_some() {
        facts.record(Fact::Warning { warning: small_files() });
    }
    Ok((Box::new(OpenFile { file, folder: spec.folder.clone(), largest_bytes }), name))
}

/// What came of a file that could not be made.
pub(super) fn not_made(error: ApiError) -> Ended {
    Ended::File(FileResult {
        path: None,
        size_bytes: 0,
        started_at_ns: 0,
        ended_at_ns: 0,
        duration_ns: 0,
        error: Some(error),
    })
}

impl Output for OpenFile {
    fn rendition(&self) -> Rendition {
        Rendition::Asked
    }

    fn push(&mut self, unit: &Unit) {
        self.file.push(unit.clone());
    }

    fn finish(&mut self) {
        self.file.finish();
    }

    fn abandoned(&mut self) -> Ended {
        Ended::File(self.file.abandoned())
    }

    fn counts(&self) -> Counts {
        let counts = &self.file.counts;
        Counts {
            started_ns: counts.started_ns.load(Relaxed),
            ended_ns: counts.ended_ns.load(Relaxed),
            size_bytes: self.file.size_bytes(),
            pictures: counts.pictures.load(Relaxed),
            units: counts.units.load(Relaxed),
            dropped: 0,
        }
    }

    fn room_bytes(&self) -> Option<u64> {
        let free = fs4::available_space(&self.folder).ok();
        let below = self.largest_bytes.map(|largest| largest.saturating_sub(self.file.size_bytes()));
        [free, below].into_iter().flatten().min()
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
pub(super) fn place(
    folder: &Path,
    name: &Path,
    output: &OutputId,
    facts: &mut Facts,
) -> Result<PathBuf, ApiError> {
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
    let made = reserve(&path).map_err(|cause| no_file_in(folder, &cause))?;
    if made != path {
        facts.record(Fact::OutputOpening { output: output.clone(), path: made.clone() });
    }
    Ok(made)
}

/// Why nothing can be written there.
pub(super) fn no_file_in(folder: &Path, cause: &std::io::Error) -> ApiError {
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
}
