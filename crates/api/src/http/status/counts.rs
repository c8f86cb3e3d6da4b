//! What only grows: jobs that are over, uploads, and how long these took.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::time::Instant;

use egress::error::ErrorCode;
use egress::fact::EndReason;
use egress::storage::Storage;
use livekit_protocol::EgressInfo;
use livekit_protocol::EgressStatus::{EgressAborted, EgressComplete, EgressFailed, EgressLimitReached};
use studio::surface::Job;
use upload::{Upload, UploadId, UploadState};

/// LiveKit Egress's buckets, ms.
pub(super) const BUCKETS_MS: [f64; 13] =
    [10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0, 15_000.0, 20_000.0, 30_000.0];

/// What has happened so far.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Jobs that are over, by LiveKit's type and result.
    pub(super) results: BTreeMap<(&'static str, &'static str), u64>,
    /// The same, by type and how they ended.
    pub(super) ends: BTreeMap<(&'static str, &'static str), u64>,
    /// Tries of uploads.
    pub(super) uploads: BTreeMap<Try, Times>,
    /// Uploads that went to the backup, by type.
    pub(super) backups: BTreeMap<&'static str, u64>,
    ended: HashSet<String>,
    going: HashMap<UploadId, Going>,
}

/// A try of an upload, as LiveKit tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Try {
    /// What is uploaded, a MIME type.
    pub(super) kind: &'static str,
    /// `success`, `4xx`, `5xx` or `internal`.
    pub(super) status: &'static str,
    /// Whether the storage is at an address of its own.
    pub(super) custom_endpoint: bool,
}

/// How long tries took.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Times {
    /// Of each bucket, those that it holds beside those of the ones before.
    pub(super) buckets: [u64; BUCKETS_MS.len()],
    pub(super) count: u64,
    pub(super) sum_ms: f64,
}

/// An upload on the list.
#[derive(Debug)]
struct Going {
    /// When its present try began; none: it waits, or its file still grows.
    since: Option<Instant>,
    attempts: u32,
    custom_endpoint: bool,
    /// It is there, and counted.
    stored: bool,
}

impl Times {
    fn add(&mut self, ms: f64) {
        if let Some(at) = BUCKETS_MS.iter().position(|most| ms <= *most) {
            self.buckets[at] += 1;
        }
        self.count += 1;
        self.sum_ms += ms;
    }
}

impl Counts {
    /// A job has changed.
    pub(super) fn ended(&mut self, info: &EgressInfo, kind: &'static str, job: Option<&Job>) {
        let end = match info.status() {
            EgressComplete => "complete",
            EgressLimitReached => "limit_reached",
            EgressAborted => "aborted",
            EgressFailed => "failed",
            _ => return,
        };
        if self.ended.insert(info.egress_id.clone()) {
            *self.results.entry((kind, result(job))).or_default() += 1;
            *self.ends.entry((kind, end)).or_default() += 1;
        }
    }

    /// An upload is another than it was.
    pub(super) fn upload(&mut self, upload: &Upload, job: Option<&Job>) {
        let going = self.going.entry(upload.id.clone()).or_insert_with(|| Going {
            since: None,
            attempts: upload.attempts,
            custom_endpoint: job.is_some_and(|job| has_custom_endpoint(job, &upload.path)),
            stored: false,
        });
        let under_way = matches!(upload.state, UploadState::Uploading | UploadState::Verifying);
        let stored = matches!(upload.state, UploadState::Stored { .. });
        if std::mem::replace(&mut going.stored, stored) && stored {
            return;
        }
        if under_way && !upload.growing {
            going.since.get_or_insert_with(Instant::now);
        }
        let status = match &upload.state {
            UploadState::Stored { .. } => "success",
            UploadState::Waiting { error, .. } if upload.attempts > going.attempts => status(&error.detail),
            _ => return,
        };
        going.attempts = upload.attempts;
        let took_ms = going.since.take().map_or(0.0, |since| since.elapsed().as_secs_f64() * 1000.0);
        let kind = mime(&upload.path);
        let custom_endpoint = going.custom_endpoint;
        if upload.on_backup {
            if status == "success" {
                *self.backups.entry(kind).or_default() += 1;
            }
        } else {
            self.uploads.entry(Try { kind, status, custom_endpoint }).or_default().add(took_ms);
        }
    }

    /// An upload is off the list.
    pub(super) fn gone(&mut self, id: &UploadId) {
        self.going.remove(id);
    }
}

/// LiveKit Egress's word for how a job's process ended. How the job did is told by another metric.
fn result(job: Option<&Job>) -> &'static str {
    let Some(job) = job else { return "completed" };
    match (job.end_reason, job.error.as_ref().map(|error| error.code)) {
        (Some(EndReason::DuplicateIdentity), _) => "duplicate_identity",
        (_, Some(ErrorCode::JobDied)) => "process_error",
        (Some(EndReason::ProcessKilled), _) => "killed_shutdown",
        // It never came so far as to end.
        (None, Some(_)) => "aborted",
        _ => "completed",
    }
}

/// What a storage answered, by the technical cause of the failure.
fn status(cause: &str) -> &'static str {
    match cause.strip_prefix("HTTP ").and_then(|code| code.chars().next()) {
        Some('4') => "4xx",
        Some('5') => "5xx",
        _ => "internal",
    }
}

fn has_custom_endpoint(job: &Job, path: &Path) -> bool {
    let store = job.stores.iter().find(|store| path.starts_with(&store.folder));
    store.is_some_and(|store| match &store.target.profile.storage {
        Storage::S3(s3) => !s3.endpoint.is_empty(),
        Storage::AliOss(_) => true,
        _ => false,
    })
}

/// What LiveKit Egress takes a file for.
fn mime(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()).unwrap_or_default() {
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "ogg" => "audio/ogg",
        "mp3" => "audio/mpeg",
        "ts" => "video/mp2t",
        "m4s" => "video/iso.segment",
        "m3u8" => "application/x-mpegurl",
        "jpeg" | "jpg" => "image/jpeg",
        "json" => "application/json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_counted_by_how_long_they_took() {
        let mut times = Times::default();
        for ms in [0.0, 10.0, 10.1, 30_000.0, 30_001.0] {
            times.add(ms);
        }
        assert_eq!((times.buckets[0], times.buckets[1], times.buckets[12], times.count), (2, 1, 1, 5));
        assert!((times.sum_ms - 60_021.1).abs() < 1e-6);
    }

    #[test]
    fn what_is_there_is_counted_once_and_again_when_it_is_uploaded_again() {
        let mut counts = Counts::default();
        let mut upload = |state: serde_json::Value, local: &str| {
            let upload = serde_json::from_value(serde_json::json!({
                "id": "UP_1", "path": "/r/a.m3u8", "key": "a.m3u8", "storage": "", "on_backup": false, "owner": "EG_1",
                "state": state, "growing": false, "attempts": 0, "location": null, "local": local, "created_at_ms": 0,
                "progress": { "sent_bytes": 0, "total_bytes": 0, "rate_bps": 0, "remaining_ms": null },
            }));
            counts.upload(&upload.unwrap(), None);
            counts.uploads.values().map(|times| times.count).sum::<u64>()
        };
        let stored = || serde_json::json!({ "kind": "stored", "verified": "md5", "at_ms": 1 });
        let going = || serde_json::json!({ "kind": "uploading" });
        assert_eq!(upload(going(), "kept"), 0);
        assert_eq!((upload(stored(), "kept"), upload(stored(), "removed")), (1, 1));
        assert_eq!((upload(going(), "kept"), upload(stored(), "kept")), (1, 2));
    }

    #[test]
    fn what_a_storage_answered_is_told_in_livekits_words() {
        for (cause, word) in [
            ("HTTP 403, AccessDenied, Access Denied.", "4xx"),
            ("HTTP 503", "5xx"),
            ("connection refused", "internal"),
            ("", "internal"),
        ] {
            assert_eq!(status(cause), word, "{cause}");
        }
        assert_eq!(
            (mime(Path::new("a/b.mp4")), mime(Path::new("a"))),
            ("video/mp4", "application/octet-stream")
        );
    }
}
