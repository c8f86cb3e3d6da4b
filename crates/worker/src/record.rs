//! `record`: one job from its start to its file.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::EgressStatus;
use egress::id::EgressId;
use studio::surface::Job;
use tokio::time::Instant;

use crate::args::{Access, Record};
use crate::report;
use crate::session::Session;

/// Between two lines about how it goes.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// Records, and prints the path of the file.
pub async fn run(access: &Access, record: &Record) -> Result<(), ApiError> {
    let request = record.request()?;
    let mut asked = Asked::listen()?;
    let session = tokio::select! {
        session = open(access, record) => session?,
        () = asked.wish() => return Err(nothing_recorded()),
    };
    let started = async {
        if let Some(name) = &record.room {
            if record.wait {
                report::say(&format!("waiting for the room {name}"));
                session.room_open(name).await;
            } else if !session.rooms().await?.iter().any(|room| room.name == *name) {
                return Err(no_such_room(name));
            }
        }
        session.studio.start(request).await
    };
    let started = tokio::select! {
        started = started => started,
        () = asked.wish() => Err(nothing_recorded()),
    };
    let ended = match started {
        Ok(id) => follow(&session, &id, record.seconds, &mut asked).await,
        Err(error) => Err(error),
    };
    let closed = session.close().await;
    let job = ended?;
    closed?;
    finish(&job)
}

/// A studio, logged in unless only a web page is wanted.
async fn open(access: &Access, record: &Record) -> Result<Session, ApiError> {
    if record.web_url.is_some() { Session::open(access).await } else { Session::logged_in(access).await }
}

/// Tells how it goes until the job is over.
async fn follow(
    session: &Session,
    id: &EgressId,
    seconds: Option<u64>,
    asked: &mut Asked,
) -> Result<Job, ApiError> {
    let mut changes = session.studio.changes();
    let mut tell_at = Instant::now() + TELL_EVERY;
    let mut stop_at = None;
    let mut stopping = false;
    let mut warned = 0;
    loop {
        let jobs = session.studio.snapshot().jobs;
        let Some(job) = jobs.into_iter().find(|job| job.egress_id == *id) else { return Err(lost()) };
        for warning in job.warnings.iter().skip(warned) {
            report::error(warning);
        }
        warned = job.warnings.len();
        if over(&job) {
            return Ok(job);
        }
        if stop_at.is_none() && job.status == EgressStatus::Active {
            stop_at = seconds.map(|seconds| {
                Instant::now() + Duration::from_secs(seconds).saturating_sub(since_first(&job))
            });
        }
        let stop = stop_at.filter(|_| !stopping);
        tokio::select! {
            // A change that was missed is in the snapshot.
            _ = changes.recv() => {}
            () = tokio::time::sleep_until(tell_at) => {
                report::progress(&job);
                tell_at = Instant::now() + TELL_EVERY;
            }
            () = tokio::time::sleep_until(stop.unwrap_or_else(Instant::now)), if stop.is_some() => {
                stopping = true;
                stop_job(session, id).await?;
            }
            () = asked.wish() => {
                if stopping {
                    report::say("the recording goes on finishing by itself");
                    return Err(nothing_recorded());
                }
                report::say("stopping");
                stopping = true;
                stop_job(session, id).await?;
            }
        }
    }
}

/// How long ago the first media was. The fact of it comes a little later.
fn since_first(job: &Job) -> Duration {
    let first_ms = job.started_at_ms.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0);
    let first = UNIX_EPOCH + Duration::from_millis(first_ms);
    // A clock that was set back in between must not cut a recording short.
    SystemTime::now().duration_since(first).unwrap_or_default().min(Duration::from_secs(5))
}

/// Whether there is nothing more to wait for: the end was told, and every file is closed or saved.
fn over(job: &Job) -> bool {
    use studio::surface::OutputState::{Done, Failed};
    job.ended_at_ms.is_some() && job.outputs.iter().all(|output| matches!(output.state, Done | Failed))
}

async fn stop_job(session: &Session, id: &EgressId) -> Result<(), ApiError> {
    match session.studio.stop(id.clone()).await {
        // It was over in this very moment.
        Err(error) if error.code == ErrorCode::FailedPrecondition => Ok(()),
        other => other,
    }
}

/// Prints the path of what was recorded. A file that was saved from a failed job is told as well.
fn finish(job: &Job) -> Result<(), ApiError> {
    let mut failure = job.error.clone();
    for result in job.outputs.iter().filter_map(|output| output.result.as_ref()) {
        failure = failure.or_else(|| result.error.clone());
        if let Some(path) = result.path.as_ref().filter(|_| result.size_bytes > 0) {
            report::say(&format!(
                "{:.1} s, {:.1} MB",
                result.duration_ns as f64 / 1e9,
                result.size_bytes as f64 / 1e6
            ));
            println!("{}", path.display());
        }
    }
    match (job.status, failure) {
        (EgressStatus::Complete | EgressStatus::LimitReached, None) => Ok(()),
        (_, Some(error)) => Err(error),
        (_, None) => Err(nothing_recorded()),
    }
}

/// Ctrl-C, or the wish of the system.
struct Asked {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Asked {
    #[cfg(unix)]
    fn listen() -> Result<Self, ApiError> {
        use tokio::signal::unix::{SignalKind, signal};
        let deaf = |error: std::io::Error| {
            ApiError::new(ErrorCode::Internal, Fault::Environment, "Ctrl-C cannot be heard.", "Try again.")
                .with_detail(error)
        };
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(deaf)?,
            interrupt: signal(SignalKind::interrupt()).map_err(deaf)?,
        })
    }

    #[cfg(unix)]
    async fn wish(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    #[cfg(not(unix))]
    fn listen() -> Result<Self, ApiError> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn wish(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn no_such_room(name: &str) -> ApiError {
    ApiError::new(
        ErrorCode::NotFound,
        Fault::Input,
        format!("There is no room {name} on this server."),
        "Check its name with `tallylight-worker rooms`, or wait for it with --wait.",
    )
}

fn nothing_recorded() -> ApiError {
    ApiError::new(ErrorCode::Aborted, Fault::Input, "Stopped before there was a finished file.", "")
}

fn lost() -> ApiError {
    ApiError::new(
        ErrorCode::Internal,
        Fault::Ours,
        "The recording is not in the list any more.",
        "Look into the folder for its file, and send the details with a report.",
    )
}
