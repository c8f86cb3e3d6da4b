//! What can go wrong in the studio, one small enum an operation, and how it is told.

use std::path::{Path, PathBuf};

use egress::error::{ApiError, ErrorCode, Fault};

/// Talking to a job process.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("no connection to the job's socket: {0}")]
    Connect(#[source] std::io::Error),
    #[error("the job's socket broke: {0}")]
    Broken(#[source] std::io::Error),
    #[error("the job sent a frame of {0} bytes")]
    Oversize(u32),
    #[error("the job closed its socket")]
    Closed,
}

/// Starting a job process.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpawnError {
    #[error("{path}: {source}")]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("{path}: {source}")]
    Program { path: PathBuf, source: std::io::Error },
    #[error("handing over the job: {0}")]
    Launch(#[source] std::io::Error),
}

impl From<SpawnError> for ApiError {
    fn from(error: SpawnError) -> Self {
        let detail = error.to_string();
        match error {
            SpawnError::Folder { path, .. } => storage(&path, "The job's own folder cannot be made"),
            SpawnError::Program { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                ApiError::new(
                    ErrorCode::Internal,
                    Fault::Environment,
                    "The recording program tallylight-job is missing.",
                    "Install Tallylight again, or name the program in TALLYLIGHT_JOB.",
                )
            }
            SpawnError::Program { .. } => ApiError::new(
                ErrorCode::Internal,
                Fault::Environment,
                "The recording program tallylight-job cannot be started.",
                "Check that this computer has memory left and that the program may be run.",
            )
            .retryable(),
            SpawnError::Launch(_) => ApiError::new(
                ErrorCode::JobDied,
                Fault::Ours,
                "The recording process ended as it started.",
                "Try again; if it stays so, copy the details into a report.",
            )
            .retryable(),
        }
        .with_detail(detail)
    }
}

/// A folder or file of ours cannot be used.
pub(crate) fn storage(path: &Path, what: &str) -> ApiError {
    ApiError::new(
        ErrorCode::Storage,
        Fault::Environment,
        format!("{what}: {}.", path.display()),
        "Check that the disk has room and that the folder may be written.",
    )
    .retryable()
}

/// No such job on the board.
pub(crate) fn no_such_job() -> ApiError {
    ApiError::new(ErrorCode::NotFound, Fault::Input, "There is no such recording.", "Refresh the list.")
}

/// The call does not fit the present state.
pub(crate) fn precondition(message: impl Into<String>, remedy: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::FailedPrecondition, Fault::Input, message, remedy)
}

/// A task of ours died.
pub(crate) fn internal(detail: impl std::fmt::Display) -> ApiError {
    ApiError::new(
        ErrorCode::Internal,
        Fault::Ours,
        "Something broke inside Tallylight.",
        "Try again; if it stays so, copy the details into a report.",
    )
    .retryable()
    .with_detail(detail)
}

/// The studio is shutting down or has lost the job's task.
pub(crate) fn closing() -> ApiError {
    precondition("Tallylight is closing.", "Start it again.")
}
