//! The task that puts on the list what jobs leave, and tells jobs what became of it.

mod many;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use egress::error::ApiError;
use egress::fact::{Figures, OutputSet};
use egress::id::{EgressId, OutputId};
use egress::manifest::manifest_path;
use egress::protocol::COPY_OUTPUT;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior};
use upload::{
    Afterwards, Content, Event, Growth, LocalFile, NewUpload, Order, Queue, Upload, UploadId, UploadState,
    What,
};

use super::courtesy::Courtesy;
use super::route::{Route, goes_up};
use crate::fold::{closed, ended};
use crate::studio::Inner;
use crate::surface::{Change, Job, JobOutput, Numbered, Stored};

/// How often sets of files are looked at for new ones, and streams whether they are behind.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What of an MP4 of ours is written once more: its `free`, which becomes its `mdat` when it is completed, and the room
/// behind its head, where pictures join that come late.
const MP4_REWRITTEN: std::ops::Range<u64> = 32..8192;

/// Follows jobs and the queue for as long as the studio is open.
pub(crate) async fn follow(inner: Arc<Inner>) {
    let Ok(queue) = inner.uploads().cloned() else { return };
    let (mut events, mut changes) = (queue.events(), inner.board.subscribe());
    let mut task = Following {
        inner: inner.clone(),
        queue,
        uploads: HashMap::new(),
        newest: HashMap::new(),
        cancelled: HashSet::new(),
        listed: HashMap::new(),
        versions: HashMap::new(),
        courtesy: Courtesy::default(),
        waiting: HashMap::new(),
    };
    task.take_all().await;
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // What is off the list is known to be, before a job asks for it anew.
            biased;
            event = events.recv() => match event {
                Ok(event) => task.event(event).await,
                Err(RecvError::Lagged(_)) => task.take_all().await,
                Err(RecvError::Closed) => return,
            },
            change = changes.recv() => match change {
                Ok(change) => task.change(&change).await,
                Err(RecvError::Lagged(_)) => {
                    // The next figures fill it.
                    task.waiting.clear();
                    task.limit();
                    task.jobs().await;
                }
                Err(RecvError::Closed) => return,
            },
            _ = look.tick() => task.look().await,
        }
    }
}

/// What tells one version of a file from the next: its time of change and its length, bytes.
type Version = (SystemTime, u64);

struct Following {
    inner: Arc<Inner>,
    queue: Queue,
    uploads: HashMap<UploadId, Upload>,
    /// The newest upload of each file of each job: a playlist goes up many times.
    newest: HashMap<(String, PathBuf), UploadId>,
    /// What of running sets was taken off the list: it is not put there again.
    cancelled: HashSet<(String, PathBuf)>,
    /// How many files of a set of each output were on the list when its playlist was last put there.
    listed: HashMap<(EgressId, OutputId), usize>,
    /// Which version of files that are written over was last put on the list.
    versions: HashMap<(String, PathBuf), Version>,
    courtesy: Courtesy,
    /// What waits to be sent in each job that streams, ms.
    waiting: HashMap<EgressId, i64>,
}

impl Following {
    /// Takes over the whole list, and looks at every job.
    async fn take_all(&mut self) {
        let snapshot = self.queue.snapshot();
        let there: HashSet<UploadId> = snapshot.uploads.iter().map(|upload| upload.id.clone()).collect();
        let gone: Vec<UploadId> = self.uploads.keys().filter(|id| !there.contains(id)).cloned().collect();
        for id in gone {
            self.gone(&id);
        }
        for upload in snapshot.uploads {
            self.upload(upload).await;
        }
        self.jobs().await;
    }

    fn limit(&self) {
        self.queue.set_limit(self.inner.board.read(|snapshot| snapshot.settings.upload_limit_bps));
    }

    async fn jobs(&mut self) {
        let jobs = self.inner.board.read(|snapshot| {
            let asked = snapshot.jobs.iter().filter(|job| goes_up(job));
            asked.cloned().collect::<Vec<_>>()
        });
        for job in jobs {
            self.job(&job).await;
        }
    }

    async fn event(&mut self, event: Event) {
        match event.what {
            What::Upload { upload } => self.upload(*upload).await,
            What::Progress { id, progress } => {
                if let Some(upload) = self.uploads.get_mut(&id) {
                    upload.progress = progress;
                }
                self.inner.board.edit(|snapshot| {
                    let shown = snapshot.uploads.iter().any(|upload| upload.id == id);
                    shown.then_some(Change::UploadProgress { id, progress })
                });
            }
            What::Gone { id } => self.gone(&id),
        }
    }

    fn gone(&mut self, id: &UploadId) {
        if let Some(upload) = self.uploads.remove(id) {
            let stored = matches!(upload.state, UploadState::Stored { .. });
            let key = (upload.owner, upload.path);
            if !stored && self.newest.get(&key) == Some(id) {
                self.cancelled.insert(key.clone());
            }
            if self.newest.get(&key) == Some(id) {
                self.newest.remove(&key);
            }
        }
        self.hide(id);
    }

    fn hide(&self, id: &UploadId) {
        self.inner.board.edit(|snapshot| {
            let shown = snapshot.uploads.iter().any(|upload| upload.id == *id);
            shown.then(|| Change::UploadRemoved { id: id.clone() })
        });
    }

    async fn upload(&mut self, upload: Upload) {
        let key = (upload.owner.clone(), upload.path.clone());
        // The list is in the order of its making.
        let newer = |known: &UploadId| {
            self.uploads.get(known).is_none_or(|known| upload.created_at_ms >= known.created_at_ms)
        };
        if self.newest.get(&key).is_none_or(newer) {
            self.newest.insert(key, upload.id.clone());
        }
        let stored = matches!(upload.state, UploadState::Stored { .. });
        self.uploads.insert(upload.id.clone(), upload.clone());
        let job = self.inner.board.job(&upload.owner.as_str().into());
        let of_set = job.as_ref().is_some_and(|job| set_of(job, &upload.path).is_some());
        if stored && of_set {
            // Thousands of them would hide what is still on its way.
            self.hide(&upload.id);
        } else {
            self.inner.board.edit(|snapshot| {
                let known = snapshot.uploads.iter().find(|known| known.id == upload.id);
                (known != Some(&upload)).then(|| Change::Upload { upload: upload.clone() })
            });
        }
        if let Some(job) = job.filter(|_| stored) {
            self.tell(&job).await;
            if upload.local == LocalFile::Removed && ended(job.status) {
                // It goes after it was told where it is, so that its folder may be the last to hear of it.
                super::folders::remove_above(&upload.path, &upload.owner);
            }
        }
    }

    async fn change(&mut self, change: &Numbered) {
        match &change.change {
            Change::Job { job } if !job.preview => {
                if ended(job.status) {
                    self.waiting.remove(&job.egress_id);
                }
                // As it is by now: a change may come late, and what is noted since must not be done twice. A list that
                // is put there once more takes the place of the one before, and is then taken off itself.
                if let Some(job) = self.inner.board.job(&job.egress_id).filter(goes_up) {
                    self.job(&job).await;
                }
            }
            Change::JobFigures { egress_id, figures } => self.figures(egress_id, figures),
            Change::Settings { .. } => self.limit(),
            _ => {}
        }
    }

    /// How far growing files are final, and how far streams are behind.
    fn figures(&mut self, id: &EgressId, figures: &Figures) {
        match Courtesy::waiting_ms(figures) {
            Some(ms) => self.waiting.insert(id.clone(), ms),
            None => self.waiting.remove(id),
        };
        let Some(job) = self.inner.board.job(id).filter(goes_up) else { return };
        for figures in &figures.outputs {
            let Some(output) = job.outputs.iter().find(|output| output.id == figures.output) else {
                continue;
            };
            let Some(path) = growing(output) else { continue };
            if let Some(upload) = self.known(&job, path).filter(|upload| is_growing(upload)) {
                let growth = Growth { final_bytes: figures.size_bytes, rewritten: MP4_REWRITTEN };
                // An error says that it is complete meanwhile.
                let _ = self.queue.grow(&upload.id, growth);
            }
        }
    }

    async fn look(&mut self) {
        let uploading = |upload: &&Upload| matches!(upload.state, UploadState::Uploading);
        let upload_bps = self.uploads.values().filter(uploading).map(|upload| upload.progress.rate_bps).sum();
        let waiting_ms = self.waiting.values().max().copied();
        self.queue.yield_to_live(self.courtesy.step(Instant::now(), waiting_ms, upload_bps));
        let with_sets = self.inner.board.read(|snapshot| {
            let open = |job: &Job| {
                job.outputs.iter().any(|output| output.set.is_some() && !output.upload_queued)
                    || ended(job.status) && !job.stores.is_empty()
            };
            snapshot.jobs.iter().filter(|job| goes_up(job) && open(job)).cloned().collect::<Vec<_>>()
        });
        for job in with_sets {
            self.job(&job).await;
        }
    }

    fn known(&self, job: &Job, path: &Path) -> Option<&Upload> {
        let id = self.newest.get(&key_of(job, path))?;
        self.uploads.get(id)
    }

    /// Puts on the list what of a job is not there and should be.
    async fn job(&mut self, job: &Job) {
        if job.evicted() {
            return self.withdraw(job).await;
        }
        let goes = |output: &&JobOutput| output.destination.is_none() && output.id.as_str() != COPY_OUTPUT;
        for output in job.outputs.iter().filter(goes) {
            let to = match self.inner.route(job, output) {
                Ok(Some(to)) => to,
                Ok(None) => continue,
                Err(error) => {
                    tracing::error!(egress_id = %job.egress_id, %error, "not on the list of uploads");
                    continue;
                }
            };
            let done = match &output.set {
                Some(set) => self.set(job, &to, output, set).await,
                None => self.file(job, &to, output).await,
            };
            let done = match done {
                Ok(()) if job.request.manifest && ended(job.status) => self.manifest(job, &to, output).await,
                done => done,
            };
            if let Err(error) = done {
                tracing::error!(egress_id = %job.egress_id, %error, detail = error.detail, "not on the list of uploads");
            }
        }
        if let Some(job) = self.inner.board.job(&job.egress_id) {
            self.tell(&job).await;
        }
        if !job.stores.is_empty() {
            self.settle(&job.egress_id).await;
        }
    }

    /// Another worker uploads this egress under the same names: what of it is on the list here is taken off, and the
    /// keys that came with its request are forgotten.
    async fn withdraw(&mut self, job: &Job) {
        let listed = |upload: &&Upload| {
            upload.owner == job.egress_id.as_str() && !matches!(upload.state, UploadState::Stored { .. })
        };
        let ids: Vec<UploadId> =
            self.uploads.values().filter(listed).map(|upload| upload.id.clone()).collect();
        if !ids.is_empty()
            && let Err(error) = self.queue.cancel_all(&ids).await
        {
            tracing::error!(egress_id = %job.egress_id, %error, "uploads of an egress that another worker has go on");
        }
        if ended(job.status) && !job.stores.is_empty() {
            self.inner.forget_stores(job).await;
        }
    }

    /// Once the files of a job that is over are where its request wants them, their keys are forgotten.
    async fn settle(&self, id: &EgressId) {
        let Some(job) = self.inner.board.job(id).filter(|job| ended(job.status)) else { return };
        let of_it = |upload: &&Upload| upload.owner == id.as_str();
        let stored = |upload: &Upload| matches!(upload.state, UploadState::Stored { .. });
        let listed = |output: &JobOutput| {
            let wrote = output.result.as_ref().is_none_or(|result| result.path.is_some());
            output.upload_queued || closed(output.state) && !wrote || output.path.is_none()
        };
        let asked = |output: &&JobOutput| job.stores.iter().any(|store| store.output == output.id);
        if job.outputs.iter().filter(asked).all(listed) && self.uploads.values().filter(of_it).all(stored) {
            self.sweep(&job).await;
            self.inner.forget_stores(&job).await;
        } else {
            // How long it is waited for is a matter of time, too.
            self.inner.tell_egress(id, None);
        }
    }

    async fn file(&mut self, job: &Job, to: &Route, output: &JobOutput) -> Result<(), ApiError> {
        let over = closed(output.state);
        let path = output.path.as_deref().map(Path::new);
        let holds =
            output.result.as_ref().is_some_and(|result| result.path.is_some() && result.size_bytes > 0);
        let Some(path) = path else { return Ok(()) };
        let known = self.known(job, path).map(|upload| (upload.id.clone(), is_growing(upload)));
        match known {
            Some((id, true)) if over && holds => self.queue.finish(&id).await?,
            Some((id, true)) if over => self.queue.cancel(&id).await?,
            // Put there by a run that ended before it could note it.
            Some(_) if !output.upload_queued => self.queued(job, output).await,
            Some(_) => {}
            None if output.upload_queued => {}
            None if over && holds => {
                self.put(job, to, path, Content::Closed, Order::Free).await?;
                self.queued(job, output).await;
            }
            None if !over && growing(output).is_some() && path.exists() => {
                self.put(job, to, path, Content::Growing, Order::Free).await?;
                self.queued(job, output).await;
            }
            None => {}
        }
        Ok(())
    }

    /// The manifest goes where what it is about goes.
    async fn manifest(&mut self, job: &Job, to: &Route, output: &JobOutput) -> Result<(), ApiError> {
        let Some(path) = output.path.as_deref().map(Path::new) else { return Ok(()) };
        let beside = match output.set {
            Some(OutputSet::Images { .. }) => &path.join("image"),
            _ => path,
        };
        let manifest = manifest_path(beside, &job.egress_id);
        let owner = job.egress_id.as_str();
        let mut own = self.uploads.values().filter(|upload| upload.owner == owner);
        let goes = own.any(|upload| upload.path == path || in_set(output, &upload.path));
        if goes && self.known(job, &manifest).is_none() && manifest.exists() {
            self.put(job, to, &manifest, Content::Closed, Order::Free).await?;
        }
        Ok(())
    }

    async fn put(
        &mut self,
        job: &Job,
        to: &Route,
        path: &Path,
        content: Content,
        order: Order,
    ) -> Result<UploadId, ApiError> {
        let below = path.strip_prefix(&to.folder).ok().or_else(|| path.file_name().map(Path::new));
        let mut name = below.unwrap_or(path).display().to_string().replace(std::path::MAIN_SEPARATOR, "/");
        if to.apart {
            name = format!("{}/{name}", job.egress_id);
        }
        let upload = NewUpload {
            path: path.to_owned(),
            name,
            target: to.target.clone(),
            backup: to.backup.clone(),
            owner: job.egress_id.as_str().to_owned(),
            content,
            order,
            afterwards: if to.remove_local { Afterwards::Remove } else { Afterwards::Keep },
        };
        let id = self.queue.add(upload).await?;
        // Known at once, not only when the queue tells it: the next look must not put it there again.
        if let Some(upload) = self.queue.upload(&id) {
            self.newest.insert((upload.owner.clone(), upload.path.clone()), id.clone());
            self.uploads.insert(id.clone(), upload);
        }
        Ok(id)
    }

    /// Notes that an output is on the list: who takes it off again has cancelled it.
    async fn queued(&mut self, job: &Job, output: &JobOutput) {
        // From here on what is noted says it.
        self.cancelled.retain(|(owner, _)| owner != job.egress_id.as_str());
        self.versions.retain(|(owner, _), _| owner != job.egress_id.as_str());
        let noted = self.inner.board.edit_job(&job.egress_id, |job| {
            for known in job.outputs.iter_mut().filter(|known| known.id == output.id) {
                known.upload_queued = true;
            }
        });
        self.journal(noted.is_some(), job).await;
    }

    /// Tells a job where its outputs are.
    async fn tell(&self, job: &Job) {
        let stored: Vec<(OutputId, Stored)> = job
            .outputs
            .iter()
            .filter_map(|output| Some((output.id.clone(), self.stored(job, output)?)))
            .collect();
        if stored.is_empty() {
            return;
        }
        let mut news = false;
        let told = self.inner.board.edit_job(&job.egress_id, |job| {
            for (id, stored) in stored {
                for output in job.outputs.iter_mut().filter(|output| output.id == id) {
                    news |= output.stored.as_ref() != Some(&stored);
                    output.stored = Some(stored.clone());
                }
            }
        });
        if news {
            self.inner.tell_egress(&job.egress_id, None);
        }
        self.journal(news && told.is_some(), job).await;
    }

    async fn journal(&self, news: bool, job: &Job) {
        if news && let Err(error) = self.inner.journal_shown(&job.egress_id).await {
            tracing::error!(%error, "the journal is behind");
        }
    }

    /// Where an output is, once all of it is there.
    fn stored(&self, job: &Job, output: &JobOutput) -> Option<Stored> {
        let path = Path::new(output.path.as_deref().filter(|_| closed(output.state))?);
        let upload = match &output.set {
            None => self.known(job, path)?,
            Some(set) => {
                if !output.upload_queued {
                    return None;
                }
                let owner = job.egress_id.as_str();
                let mut own = self
                    .uploads
                    .values()
                    .filter(|upload| upload.owner == owner && in_set(output, &upload.path));
                if !own.all(|upload| matches!(upload.state, UploadState::Stored { .. })) {
                    return None;
                }
                match set {
                    OutputSet::Segments { .. } => self.known(job, path)?,
                    OutputSet::Images { .. } => {
                        let of_it = |upload: &&Upload| upload.owner == owner && in_set(output, &upload.path);
                        self.uploads.values().filter(of_it).max_by(|a, b| a.path.cmp(&b.path))?
                    }
                }
            }
        };
        let UploadState::Stored { at_ms, .. } = upload.state else { return None };
        let mut location = upload.location.clone()?;
        if matches!(output.set, Some(OutputSet::Images { .. })) {
            location.truncate(location.rfind('/').map_or(location.len(), |at| at + 1));
        }
        Some(Stored {
            storage: upload.storage.clone(),
            location,
            on_backup: upload.on_backup,
            local: upload.local,
            at_ms,
        })
    }
}

fn key_of(job: &Job, path: &Path) -> (String, PathBuf) {
    (job.egress_id.as_str().to_owned(), path.to_owned())
}

fn is_growing(upload: &Upload) -> bool {
    upload.growing
}

/// The path of a file that goes up while it grows: what is appended to an MP4 of ours is final.
fn growing(output: &JobOutput) -> Option<&Path> {
    let path = Path::new(output.path.as_deref()?);
    (output.set.is_none() && path.extension().is_some_and(|extension| extension == "mp4")).then_some(path)
}

/// The output of many files that a file is one of.
pub(super) fn set_of<'a>(job: &'a Job, path: &Path) -> Option<&'a JobOutput> {
    job.outputs.iter().find(|output| in_set(output, path))
}

/// Whether a file is one of an output of many, its lists among them.
fn in_set(output: &JobOutput, path: &Path) -> bool {
    let Some(own) = output.path.as_deref().map(Path::new) else { return false };
    match &output.set {
        None => false,
        Some(OutputSet::Segments { .. }) => path.parent() == own.parent(),
        Some(OutputSet::Images { .. }) => path.parent() == Some(own),
    }
}
