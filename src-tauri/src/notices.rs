//! Tells what goes wrong with a recording to an operator who is not looking at the window.

use std::collections::BTreeMap;

use egress::error::ApiError;
use egress::fact::{EgressStatus, EndReason};
use egress::id::EgressId;
use studio::Studio;
use studio::surface::{Change, Job};
use tauri::AppHandle;
use tauri_plugin_notification::NotificationExt;
use tokio::sync::broadcast::error::RecvError;

use crate::window;

/// What has been seen of each job: its warnings, and whether it is over.
#[derive(Debug, Default)]
struct Seen(BTreeMap<EgressId, (usize, bool)>);

/// Something to say.
#[derive(Debug, PartialEq, Eq)]
struct Notice {
    title: String,
    body: String,
}

impl Seen {
    /// Looks at a job; what has become of it since the last look.
    fn look(&mut self, job: &Job) -> Option<Notice> {
        let now = (job.warnings.len(), job.ended_at_ms.is_some());
        let before = self.0.insert(job.egress_id.clone(), now)?;
        if job.preview {
            return None;
        }
        let of = |title: &str, error: &ApiError| Notice {
            title: format!("{title}: {}", job.title),
            body: [error.message.as_str(), error.remedy.as_str()].join(" ").trim().to_owned(),
        };
        // Whoever pressed Stop before anything came knows why there is no file.
        let meant = job.status == EgressStatus::Aborted && job.end_reason == Some(EndReason::StopRequested);
        if now.1 && !before.1 && !meant {
            return job.error.as_ref().map(|error| of("Recording ended", error));
        }
        (now.0 > before.0).then(|| job.warnings.last().map(|warning| of("Recording", warning))).flatten()
    }
}

/// Watches the jobs, as long as the studio lives.
pub async fn follow(app: AppHandle, studio: Studio) {
    let mut changes = studio.changes();
    let mut seen = Seen::default();
    studio.snapshot().jobs.iter().for_each(|job| drop(seen.look(job)));
    loop {
        let notices: Vec<Notice> = match changes.recv().await {
            Ok(change) => match &change.change {
                Change::Job { job } => seen.look(job).into_iter().collect(),
                Change::JobRemoved { egress_id } => {
                    seen.0.remove(egress_id);
                    continue;
                }
                _ => continue,
            },
            Err(RecvError::Lagged(_)) => {
                studio.snapshot().jobs.iter().filter_map(|job| seen.look(job)).collect()
            }
            Err(RecvError::Closed) => return,
        };
        let looked_at = window::main(&app).is_some_and(|window| window.is_focused().unwrap_or(false));
        for Notice { title, body } in notices.into_iter().filter(|_| !looked_at) {
            if let Err(error) = app.notification().builder().title(title).body(body).show() {
                tracing::warn!(%error, "no notification");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use egress::error::{ErrorCode, Fault};

    use super::*;
    use crate::tray::tests::job;

    fn said(seen: &mut Seen, change: impl FnOnce(&mut Job)) -> Option<(String, String)> {
        let mut job = job("EG_1", "Ada", EgressStatus::Active, false);
        change(&mut job);
        seen.look(&job).map(|notice| (notice.title, notice.body))
    }

    fn trouble() -> ApiError {
        ApiError::new(ErrorCode::JobDied, Fault::Ours, "It crashed.", "Record again.")
    }

    fn over(job: &mut Job, status: EgressStatus, error: Option<ApiError>) {
        job.status = status;
        job.ended_at_ms = Some(1);
        job.error = error;
    }

    #[test]
    fn a_recording_that_fails_is_told_once() {
        let mut seen = Seen::default();
        assert_eq!(said(&mut seen, |_| {}), None);
        let failed = |job: &mut Job| over(job, EgressStatus::Failed, Some(trouble()));
        let words = ("Recording ended: Ada".to_owned(), "It crashed. Record again.".to_owned());
        assert_eq!(said(&mut seen, failed), Some(words));
        assert_eq!(said(&mut seen, failed), None);
        // What was over before anybody looked is history.
        assert_eq!(said(&mut Seen::default(), failed), None);
    }

    #[test]
    fn a_recording_that_ends_as_it_was_meant_to_is_not() {
        for status in [EgressStatus::Complete, EgressStatus::Aborted] {
            let mut seen = Seen::default();
            said(&mut seen, |_| {});
            let ended = |job: &mut Job| {
                let error = (status == EgressStatus::Aborted).then(trouble);
                over(job, status, error);
                job.end_reason = Some(EndReason::StopRequested);
            };
            assert_eq!(said(&mut seen, ended), None);
        }
    }

    #[test]
    fn each_new_warning_is_told() {
        let mut seen = Seen::default();
        said(&mut seen, |_| {});
        let warned = |job: &mut Job| job.warnings.push(trouble());
        assert_eq!(said(&mut seen, warned).unwrap().0, "Recording: Ada");
        assert_eq!(said(&mut seen, warned), None);
    }
}
