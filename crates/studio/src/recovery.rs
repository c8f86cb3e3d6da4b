//! What is done about a job whose process is gone: the rest of its log is read, and where it died
//! without a word, its files are saved.

use std::path::Path;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{EgressStatus, EndReason, Event, Fact, FileResult};
use egress::id::OutputId;
use egress::manifest::{ManifestFacts, manifest, manifest_path};
use egress::state::JobState;
use egress::wire::EVENTS_FILE;

use crate::fold::closed;
use crate::history::now_ms;
use crate::process::{Exit, JobFolder};
use crate::surface::{Job, JobDestination, OutputState};
use crate::tool;

/// The facts in a job's log after a number. A last line that was cut off by the end of the process or of
/// the power is not a fact yet.
pub(crate) fn logged(folder: &Path, after: u64) -> Vec<Event> {
    let Ok(text) = std::fs::read(folder.join(EVENTS_FILE)) else { return Vec::new() };
    text.split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Event>(line).ok())
        .filter(|event| event.seq > after)
        .collect()
}

/// The outputs that were opened and not closed, with their paths.
pub(crate) fn unfinished(job: &Job) -> Vec<(OutputId, Option<String>)> {
    job.outputs
        .iter()
        .filter(|output| !closed(output.state) && output.destination.is_none())
        .map(|output| (output.id.clone(), output.path.clone()))
        .collect()
}

/// The destinations whose end nobody told.
pub(crate) fn cut_off(job: &Job) -> Vec<(OutputId, JobDestination)> {
    let open = job.outputs.iter().filter(|output| !closed(output.state));
    open.filter_map(|output| Some((output.id.clone(), output.destination.clone()?))).collect()
}

/// Saves one file of a dead job.
pub(crate) async fn save_file(
    program: &Path,
    folder: &JobFolder,
    job: &Job,
    id: &OutputId,
    path: Option<String>,
) -> FileResult {
    let started_at_ns = job
        .outputs
        .iter()
        .find(|output| output.id == *id)
        .and_then(|output| output.started_at_ms)
        .map_or(0, |ms| ms * 1_000_000);
    let nothing = |error: ApiError, path: Option<String>| {
        let size_bytes = path.as_ref().and_then(|path| std::fs::metadata(path).ok()).map_or(0, |m| m.len());
        FileResult {
            path: path.filter(|_| size_bytes > 0).map(Into::into),
            size_bytes,
            started_at_ns,
            ended_at_ns: started_at_ns,
            duration_ns: 0,
            error: Some(error),
        }
    };
    let Some(path) = path else { return nothing(no_file(), None) };
    if !Path::new(&path).exists() {
        return nothing(no_file(), None);
    }
    match tool::repair(program, Path::new(&path), &folder.path).await {
        Ok(mut result) => {
            if result.started_at_ns == 0 {
                result.started_at_ns = started_at_ns;
                result.ended_at_ns = started_at_ns + result.duration_ns;
            }
            result
        }
        Err(error) => {
            tracing::warn!(egress_id = %job.egress_id, %error, detail = error.detail, "a file could not be saved");
            nothing(error, Some(path))
        }
    }
}

/// Writes the manifest of a file that was saved, as its job would have.
pub(crate) fn write_manifest(job: &Job, room_sid: &str, result: &FileResult) {
    let Some(file) = result.path.as_ref().filter(|_| job.request.manifest) else { return };
    let Ok((_, accepted)) = egress::protocol::accept(&job.request) else { return };
    let about = ManifestFacts {
        egress_id: &job.egress_id,
        room_id: room_sid,
        room_name: &job.request.room_name,
        source: &accepted.spec.source,
        tracks: &job.tracks,
        folder: Path::new(&job.request.folder),
        file: result,
    };
    let path = manifest_path(file, &job.egress_id);
    if let Err(error) = std::fs::write(&path, manifest(&about).to_json()) {
        tracing::warn!(egress_id = %job.egress_id, %error, "the manifest of a saved file could not be written");
    }
}

/// The last fact of a job that could not say it itself.
pub(crate) fn last_fact(job: &Job, exit: Option<Exit>, folder: &JobFolder) -> Fact {
    let opened = job.outputs.iter().any(|output| output.path.is_some() || output.started_at_ms.is_some());
    match exit {
        None if !opened => {
            return Fact::Ended { status: EgressStatus::Aborted, error: Some(never_began()) };
        }
        // It never wrote: there is nothing to report as lost, and still a reason to tell.
        Some(exit) if job.outputs.is_empty() => {
            return Fact::Ended { status: EgressStatus::Failed, error: Some(died(exit, "", folder)) };
        }
        _ => {}
    }
    let error = died(exit.unwrap_or(Exit::Unknown), &saved(job), folder);
    Fact::Ended { status: EgressStatus::Failed, error: Some(error) }
}

/// Wraps a fact of ours as if the job had said it; the number is that of the last one.
pub(crate) fn ours(fact: Fact, seq: u64) -> Event {
    Event { seq, at_ns: now_ms() * 1_000_000, fact }
}

/// Why a dead job ended, if it did not get to say it.
pub(crate) fn reason(exit: Option<Exit>) -> EndReason {
    match exit {
        Some(Exit::Status(_)) => EndReason::Failure,
        _ => EndReason::ProcessKilled,
    }
}

/// Whether the job is over by its own word.
pub(crate) fn said_its_end(job: &Job, state: &JobState) -> bool {
    state.is_over() && unfinished(job).is_empty()
}

/// What became of the files, in a producer's words.
fn saved(job: &Job) -> String {
    let files = || job.outputs.iter().filter(|output| output.destination.is_none());
    if files().next().is_none() {
        return "; the stream ended with it".to_owned();
    }
    let whole: Vec<&FileResult> = files()
        .filter(|output| output.state == OutputState::Done)
        .filter_map(|output| output.result.as_ref())
        .collect();
    match whole.iter().map(|result| result.duration_ns).max() {
        Some(ns) if whole.len() == files().count() => {
            format!("; the file up to {} is saved", length(ns))
        }
        Some(ns) => format!("; the file up to {} is saved, another could not be", length(ns)),
        None => "; the file could not be saved".to_owned(),
    }
}

fn length(ns: i64) -> String {
    let s = ns / 1_000_000_000;
    format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

fn died(exit: Exit, saved: &str, folder: &JobFolder) -> ApiError {
    let words = folder.last_words();
    let (what, fault, status) = match exit {
        Exit::Unknown => ("The recording process ended without a word", Fault::Environment, String::new()),
        Exit::Status(status) => {
            let (what, fault) = how(status);
            (what, fault, status.to_string())
        }
    };
    let remedy = match fault {
        Fault::Ours => "Record again; please send the details with a report.",
        _ => "Record again; if nobody ended it, check this computer's memory and power.",
    };
    let detail = [status, words].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ");
    ApiError::new(ErrorCode::JobDied, fault, format!("{what}{saved}."), remedy).with_detail(detail)
}

#[cfg(unix)]
fn how(status: std::process::ExitStatus) -> (&'static str, Fault) {
    use std::os::unix::process::ExitStatusExt;
    /// SIGHUP, SIGINT, SIGKILL and SIGTERM, which come from outside; others are crashes.
    const FROM_OUTSIDE: [i32; 4] = [1, 2, 9, 15];
    match status.signal() {
        Some(signal) if FROM_OUTSIDE.contains(&signal) => {
            ("The recording process was killed", Fault::Environment)
        }
        Some(_) => ("The recording process crashed", Fault::Ours),
        None => ("The recording process ended too early", Fault::Ours),
    }
}

#[cfg(not(unix))]
fn how(_: std::process::ExitStatus) -> (&'static str, Fault) {
    ("The recording process ended too early", Fault::Ours)
}

fn no_file() -> ApiError {
    ApiError::new(
        ErrorCode::NotFound,
        Fault::Environment,
        "The recording process ended before there was anything in the file.",
        "Record again.",
    )
}

fn never_began() -> ApiError {
    ApiError::new(
        ErrorCode::Aborted,
        Fault::Environment,
        "Tallylight ended before the recording began.",
        "Record again.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_off_hides_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let line = |seq| serde_json::to_string(&ours(Fact::Armed, seq)).unwrap();
        let text = format!("{}\n{}\n{}\n{}", line(1), &line(2)[..10], line(2), &line(3)[..10]);
        std::fs::write(dir.path().join(EVENTS_FILE), text).unwrap();
        assert_eq!(logged(dir.path(), 0).iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2]);
    }
}
