//! What every job is in LiveKit's words.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use egress::error::ApiError;
use egress::id::EgressId;
use egress::info::{JobFacts, egress_info};
use egress::redact::redact;
use egress::request::RecordRequest;
use egress::spec::{JobSpec, OutputKind, Task};
use egress::state::JobState;
use egress::validate::EgressRequest;
use livekit_protocol::{EgressInfo, EgressStatus};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use upload::{Upload, UploadState};

use crate::fold::show;
use crate::history::now_ms;
use crate::journal::Row;
use crate::recovery;
use crate::studio::Inner;
use crate::surface::{Job, JobOutput};

/// Changes that a slow receiver may be behind by.
const BEHIND: usize = 4096;
/// How long a job that is over is told as ending while an upload of it fails and is tried again, ms. LiveKit's own
/// service gives an upload up after about as long; here it goes on, and what comes of it is told as an update.
const UPLOAD_PATIENCE_MS: i64 = 30_000;

/// A request without its secrets.
#[derive(Debug, Clone)]
pub(crate) struct Asked(pub(crate) EgressRequest);

impl Asked {
    /// Takes the secrets out.
    pub(crate) fn redacted(mut request: EgressRequest) -> Self {
        redact(&mut request);
        Self(request)
    }

    /// What the window asked for, in LiveKit's words.
    pub(crate) fn of(record: &RecordRequest) -> Self {
        Self::redacted(egress::protocol::to_protocol(record))
    }
}

// LiveKit's JSON has a name for a request of any kind only as a field of an EgressInfo.
impl Serialize for Asked {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        EgressInfo { request: Some(self.0.clone()), ..EgressInfo::default() }.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Asked {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let info = EgressInfo::deserialize(from)?;
        info.request.map(Self).ok_or_else(|| serde::de::Error::custom("there is no request"))
    }
}

/// All jobs in LiveKit's words.
pub(crate) struct Egresses {
    known: Mutex<HashMap<EgressId, Known>>,
    changes: broadcast::Sender<Arc<EgressInfo>>,
    /// Those that were under way when the studio was opened.
    under_way: Mutex<HashSet<EgressId>>,
}

struct Known {
    asked: Asked,
    room_name: String,
    created_at_ns: i64,
    /// What file names are relative to.
    folder: PathBuf,
    manifest: bool,
    /// By the job's facts alone.
    facts: EgressInfo,
    /// With what became of its uploads.
    told: Option<Arc<EgressInfo>>,
}

impl Default for Egresses {
    fn default() -> Self {
        Self { known: Mutex::default(), changes: broadcast::Sender::new(BEHIND), under_way: Mutex::default() }
    }
}

impl Egresses {
    pub(crate) fn info(&self, id: &EgressId) -> Option<Arc<EgressInfo>> {
        self.known.lock().get(id)?.told.clone()
    }

    pub(crate) fn all(&self) -> Vec<Arc<EgressInfo>> {
        self.known.lock().values().filter_map(|known| known.told.clone()).collect()
    }

    pub(crate) fn was_under_way(&self, id: &EgressId) -> bool {
        self.under_way.lock().contains(id)
    }

    /// Takes note of those that were under way when the studio was opened.
    pub(crate) fn found_under_way(&self, rows: &[Row]) {
        self.under_way.lock().extend(rows.iter().map(|row| row.job.egress_id.clone()));
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<EgressInfo>> {
        self.changes.subscribe()
    }

    /// Takes a job in. False: there is one of that id.
    pub(crate) fn begin(&self, spec: &JobSpec, job: &Job, asked: Asked) -> bool {
        let mut known = self.known.lock();
        if known.contains_key(&job.egress_id) {
            return false;
        }
        let new = Known {
            asked,
            room_name: job.request.room_name.clone(),
            created_at_ns: job.created_at_ms * 1_000_000,
            folder: folder(spec).unwrap_or_else(|| PathBuf::from(&job.request.folder)),
            manifest: job.request.manifest,
            facts: EgressInfo::default(),
            told: None,
        };
        known.insert(job.egress_id.clone(), new);
        true
    }

    pub(crate) fn forget(&self, id: &EgressId) {
        self.known.lock().remove(id);
    }
}

/// The folder that the first output on a disk has its name below.
fn folder(spec: &JobSpec) -> Option<PathBuf> {
    let Task::Egress(egress) = &spec.task else { return None };
    egress.outputs.iter().find_map(|output| match &output.kind {
        OutputKind::File(file) => Some(file.folder.clone()),
        OutputKind::Segments(set) => Some(set.folder.clone()),
        OutputKind::Images(set) => Some(set.folder.clone()),
        OutputKind::Stream(_) | OutputKind::WebSocket(_) => None,
    })
}

/// Whether a job is not over, as LiveKit's filter has it.
pub(crate) fn is_active(info: &EgressInfo) -> bool {
    use EgressStatus::{EgressActive, EgressEnding, EgressStarting};
    matches!(info.status(), EgressStarting | EgressActive | EgressEnding)
}

impl Inner {
    /// Shows what the facts make of a job, to front ends and in LiveKit's words.
    pub(crate) fn show_job(&self, id: &EgressId, state: &JobState) -> Option<Job> {
        let job = self.board.edit_job(id, |job| show(job, state));
        self.tell_egress(id, Some(state));
        job
    }

    /// Tells a job in LiveKit's words; with `state`, what its facts make of it is new.
    pub(crate) fn tell_egress(&self, id: &EgressId, state: Option<&JobState>) {
        let Some(job) = self.board.job(id) else { return };
        let uploads = self.board.read(|snapshot| {
            let own = snapshot.uploads.iter().filter(|upload| upload.owner == id.as_str());
            own.cloned().collect::<Vec<_>>()
        });
        let mut all = self.egresses.known.lock();
        let Some(known) = all.get_mut(id) else { return };
        if let Some(state) = state {
            let facts = JobFacts {
                egress_id: id,
                room_name: &known.room_name,
                request: &known.asked.0,
                created_at_ns: known.created_at_ns,
                folder: &known.folder,
                manifest: known.manifest,
            };
            known.facts = egress_info(&facts, state);
        }
        // A job that nobody has pressed Record on is none to anybody else.
        if job.preview || known.facts.egress_id.is_empty() {
            return;
        }
        let mut info = known.facts.clone();
        uploaded(&mut info, &job, &uploads);
        let same = known.told.as_ref().is_some_and(|told| {
            let unchanged = EgressInfo { updated_at: told.updated_at, ..info.clone() };
            unchanged == **told
        });
        if same {
            return;
        }
        if state.is_none() {
            info.updated_at = now_ms() * 1_000_000;
        }
        let info = Arc::new(info);
        known.told = Some(info.clone());
        // Nobody may be listening.
        let _ = self.egresses.changes.send(info);
    }

    /// Takes in the jobs of earlier runs.
    pub(crate) fn tell_found(&self, rows: &[Row]) {
        for row in rows.iter().filter(|row| !row.job.preview) {
            if self.egresses.begin(&row.spec, &row.job, row.asked.clone()) {
                let state = JobState::of(&recovery::logged(&row.folder, 0));
                self.tell_egress(&row.job.egress_id, Some(&state));
            }
        }
    }
}

/// Puts into a job's facts where its files are by now. While they are on their way it is ending.
fn uploaded(info: &mut EgressInfo, job: &Job, uploads: &[Upload]) {
    for output in &job.outputs {
        if let Some(stored) = &output.stored {
            info.backup_storage_used |= stored.on_backup;
            place(info, output, &stored.location);
        }
    }
    // Older SDKs read only this.
    #[allow(deprecated)]
    match &mut info.result {
        Some(livekit_protocol::egress_info::Result::File(file)) => {
            if let Some(first) = info.file_results.first() {
                file.clone_from(first);
            }
        }
        Some(livekit_protocol::egress_info::Result::Segments(set)) => {
            if let Some(first) = info.segment_results.first() {
                set.clone_from(first);
            }
        }
        _ => {}
    }
    // They are empty once everything is there.
    if is_active(info) || job.stores.is_empty() {
        return;
    }
    let on_its_way = uploads.iter().any(on_its_way);
    let patient = job.ended_at_ms.is_none_or(|ended| now_ms() - ended < UPLOAD_PATIENCE_MS);
    if on_its_way || patient {
        info.set_status(EgressStatus::EgressEnding);
        info.ended_at = 0;
    } else if let Some(error) = uploads.iter().find_map(trouble) {
        info.details = format!("{} Saved on the worker, waiting to upload: {}", info.details, error.message);
    }
}

/// Why an upload waits.
fn trouble(upload: &Upload) -> Option<&ApiError> {
    match &upload.state {
        UploadState::Waiting { error, .. } => Some(error),
        _ => None,
    }
}

/// Whether nothing holds an upload up.
fn on_its_way(upload: &Upload) -> bool {
    use UploadState::{Following, Queued, Uploading, Verifying};
    matches!(upload.state, Following | Queued | Uploading | Verifying)
}

/// Says of an output where it is. Outputs of one kind are told apart by their local paths.
fn place(info: &mut EgressInfo, output: &JobOutput, location: &str) {
    let Some(path) = output.path.as_deref() else { return };
    for file in info.file_results.iter_mut().filter(|file| file.location == path) {
        location.clone_into(&mut file.location);
    }
    for set in info.segment_results.iter_mut().filter(|set| set.playlist_location == path) {
        let folder = location.rfind('/').map_or("", |at| &location[..=at]);
        if let Some(name) = Path::new(&set.live_playlist_location).file_name() {
            set.live_playlist_location = format!("{folder}{}", name.to_string_lossy());
        }
        location.clone_into(&mut set.playlist_location);
    }
}
