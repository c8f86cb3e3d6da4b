//! A file as an output of a job: named, made, watched for room.

use std::path::{Path, PathBuf};

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{Fact, FileResult};
use egress::id::OutputId;
use egress::spec::Container;

use crate::job::Recorder;
use crate::output::disk::Place;
use crate::output::file::{FileOutput, FilePlan, FileReport, reserve};
use crate::output::{Counts, Ended, Output, OutputReport};
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
    place: Place,
    awaits_picture: bool,
}

/// Makes the file of an output and starts to write it. `named` is told its path below its folder.
///
/// # Errors
/// If no file can be made there.
pub(super) fn open(
    id: &OutputId,
    folder: &Path,
    shape: Shape,
    named: impl FnOnce(PathBuf),
    facts: &Recorder,
    report: impl Fn(OutputReport) + Send + 'static,
) -> Result<Box<dyn Output>, ApiError> {
    let path = place(folder, &shape.name, id, facts)?;
    named(path.strip_prefix(folder).unwrap_or(&path).to_owned());
    let plan =
        FilePlan { id: id.clone(), path, container: shape.container, video: shape.video, audio: shape.audio };
    let file = FileOutput::start(plan, move |told| {
        report(match told {
            FileReport::Active { output, started_at_ns } => OutputReport::Active { output, started_at_ns },
            FileReport::NoPictures { warning } => OutputReport::Warning(warning),
            FileReport::Ended { output, result } => {
                OutputReport::Ended { output, ended: Ended::File(result) }
            }
        });
    });
    let place = Place::of(folder);
    if place.is_limited() {
        facts.record(Fact::Warning { warning: small_files() });
    }
    Ok(Box::new(OpenFile { file, place, awaits_picture: true }))
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
    fn push(&mut self, unit: &Unit) {
        self.file.push(unit.clone());
    }

    fn await_picture(&mut self, awaited: bool) {
        if std::mem::replace(&mut self.awaits_picture, awaited) != awaited {
            self.file.await_picture(awaited);
        }
    }

    fn finish(&mut self) {
        self.file.finish();
    }

    fn abandoned(&mut self) -> Ended {
        Ended::File(self.file.abandoned())
    }

    fn is_running(&self) -> bool {
        self.file.is_running()
    }

    fn is_overrun(&self) -> bool {
        self.file.is_overrun()
    }

    fn counts(&self) -> Counts {
        self.file.counts(0)
    }

    fn room_bytes(&self) -> Option<u64> {
        self.place.room_bytes(self.file.size_bytes())
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
    facts: &Recorder,
) -> Result<PathBuf, ApiError> {
    let wanted = folder.join(name);
    let mut told = None;
    for n in 1..10_000 {
        let path = egress::filename::numbered(&wanted, n);
        if path.exists() {
            continue;
        }
        facts.record_first(Fact::OutputOpening { output: output.clone(), path: path.clone() });
        told = Some(path);
        break;
    }
    let path = told.unwrap_or(wanted);
    let made = reserve(&path).map_err(|cause| no_file_in(folder, &cause))?;
    if made != path {
        facts.record_first(Fact::OutputOpening { output: output.clone(), path: made.clone() });
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
