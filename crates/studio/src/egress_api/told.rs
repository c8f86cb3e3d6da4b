//! What every job is in LiveKit's words.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use egress::error::ApiError;
use egress::fact::{EndReason, OutputSet};
use egress::id::EgressId;
use egress::info::{JobFacts, egress_info};
use egress::names::LaunchNames;
use egress::redact::redact;
use egress::request::RecordRequest;
use egress::spec::{JobSpec, OutputKind, OutputSpec, Task};
use egress::state::JobState;
use egress::validate::EgressRequest;
use livekit_protocol::EgressInfo;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, broadcast};
use upload::{Upload, UploadState};

use super::news::{is_active, is_news, not_yet};
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
    /// Something of one is different, whether it is news or not.
    changed: Notify,
    /// Those that were under way when the studio was opened.
    under_way: Mutex<HashSet<EgressId>>,
}

struct Known {
    asked: Asked,
    room_name: String,
    room_id: String,
    created_at_ns: i64,
    /// What it was launched with.
    outputs: Vec<OutputSpec>,
    names: LaunchNames,
    /// What file names are relative to.
    folder: PathBuf,
    manifest: bool,
    retry: u32,
    /// By the job's facts alone.
    facts: EgressInfo,
    /// With what became of its uploads.
    info: Option<Arc<EgressInfo>>,
    /// As others were told of it last.
    told: Option<Arc<EgressInfo>>,
    /// Whether another worker has taken it over.
    evicted: bool,
}

impl Default for Egresses {
    fn default() -> Self {
        let (known, changed, under_way) = (Mutex::default(), Notify::new(), Mutex::default());
        Self { known, changes: broadcast::Sender::new(BEHIND), changed, under_way }
    }
}

impl Egresses {
    pub(crate) fn info(&self, id: &EgressId) -> Option<Arc<EgressInfo>> {
        self.known.lock().get(id)?.info.clone()
    }

    pub(crate) fn all(&self) -> Vec<Arc<EgressInfo>> {
        self.known.lock().values().filter_map(|known| known.info.clone()).collect()
    }

    /// All as others were told of them last.
    pub(crate) fn told(&self) -> Vec<Arc<EgressInfo>> {
        self.known.lock().values().filter_map(|known| known.told.clone()).collect()
    }

    pub(crate) fn was_under_way(&self, id: &EgressId) -> bool {
        self.under_way.lock().contains(id)
    }

    pub(crate) fn evicted(&self, id: &EgressId) -> bool {
        self.known.lock().get(id).is_some_and(|known| known.evicted)
    }

    /// Takes note of those that were under way when the studio was opened.
    pub(crate) fn found_under_way(&self, rows: &[Row]) {
        self.under_way.lock().extend(rows.iter().map(|row| row.job.egress_id.clone()));
    }

    /// Comes back when something of an egress is different from what it is now.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
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
            room_id: spec.room_sid.clone(),
            outputs: outputs(spec).to_vec(),
            names: spec.names.clone(),
            created_at_ns: job.created_at_ms * 1_000_000,
            folder: folder(spec).unwrap_or_else(|| PathBuf::from(&job.request.folder)),
            manifest: job.request.manifest,
            retry: spec.retry,
            facts: EgressInfo::default(),
            info: None,
            told: None,
            evicted: false,
        };
        known.insert(job.egress_id.clone(), new);
        true
    }

    pub(crate) fn forget(&self, id: &EgressId) {
        self.known.lock().remove(id);
    }
}

/// What a job was launched with.
fn outputs(spec: &JobSpec) -> &[OutputSpec] {
    match &spec.task {
        Task::Egress(egress) => &egress.outputs,
        Task::Monitor(_) => &[],
    }
}

/// The folder that the first output on a disk has its name below.
fn folder(spec: &JobSpec) -> Option<PathBuf> {
    outputs(spec).iter().find_map(|output| match &output.kind {
        OutputKind::File(file) => Some(file.folder.clone()),
        OutputKind::Segments(set) => Some(set.folder.clone()),
        OutputKind::Images(set) => Some(set.folder.clone()),
        OutputKind::Stream(_) | OutputKind::WebSocket(_) => None,
    })
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
                room_id: &known.room_id,
                request: &known.asked.0,
                created_at_ns: known.created_at_ns,
                folder: &known.folder,
                manifest: known.manifest,
                outputs: &known.outputs,
                names: &known.names,
                uploaded: &job.stores.iter().map(|store| store.output.clone()).collect::<Vec<_>>(),
            };
            known.facts = egress_info(&facts, state);
            known.facts.retry_count = known.retry.try_into().unwrap_or(i32::MAX);
            known.evicted = state.end_reason() == Some(EndReason::DuplicateIdentity);
        }
        // A job that nobody has pressed Record on is none to anybody else.
        if job.preview || known.facts.egress_id.is_empty() {
            return;
        }
        let mut info = known.facts.clone();
        uploaded(&mut info, &job, &uploads, known.told.as_deref());
        let same = known.info.as_ref().is_some_and(|last| {
            let unchanged = EgressInfo { updated_at: last.updated_at, ..info.clone() };
            unchanged == **last
        });
        if same {
            return;
        }
        if state.is_none() {
            info.updated_at = now_ms() * 1_000_000;
        }
        let info = Arc::new(info);
        known.info = Some(info.clone());
        self.egresses.changed.notify_waiters();
        if is_news(known.told.as_deref(), &info) {
            known.told = Some(info.clone());
            // Nobody may be listening.
            let _ = self.egresses.changes.send(info);
        }
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

/// Puts into a job's facts where its files are by now. While they are on their way it is not over yet; `told` is what
/// others know.
fn uploaded(info: &mut EgressInfo, job: &Job, uploads: &[Upload], told: Option<&EgressInfo>) {
    let mut manifest = None;
    for output in &job.outputs {
        if let Some(stored) = &output.stored {
            info.backup_storage_used |= stored.on_backup;
            place(info, output, &stored.location);
            manifest = manifest.or_else(|| beside(info, output, &stored.location, uploads));
        }
    }
    if let Some(manifest) = manifest {
        info.manifest_location = manifest;
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
    // They are empty once everything is there. Of a job that was evicted nothing is uploaded.
    if is_active(info) || job.stores.is_empty() || job.evicted() {
        return;
    }
    let on_its_way = uploads.iter().any(on_its_way);
    let patient = job.ended_at_ms.is_none_or(|ended| now_ms() - ended < UPLOAD_PATIENCE_MS);
    if on_its_way || patient {
        not_yet(info, told);
    } else if let Some(error) = uploads.iter().find_map(trouble) {
        info.details = format!("{} Saved on the worker, waiting to upload: {}", info.details, error.message);
    }
}

/// Where the manifest is that lay beside an output that was stored. None: not there, or not there yet.
fn beside(info: &EgressInfo, output: &JobOutput, location: &str, uploads: &[Upload]) -> Option<String> {
    let manifest = Path::new(&info.manifest_location);
    let path = Path::new(output.path.as_deref()?);
    let images = matches!(output.set, Some(OutputSet::Images { .. }));
    let folder = if images { path } else { path.parent()? };
    if folder != manifest.parent()? {
        return None;
    }
    match uploads.iter().find(|upload| upload.path == manifest) {
        Some(upload) => upload.location.clone(),
        // What was stored long ago is no more on the list. It went where the output went.
        None => {
            let folder = location.rfind('/').map_or("", |at| &location[..=at]);
            Some(format!("{folder}{}", manifest.file_name()?.to_string_lossy()))
        }
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
