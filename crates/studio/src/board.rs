//! The snapshot that front ends see, and the numbered changes to it.

use std::sync::Arc;

use egress::id::EgressId;
use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::surface::{Change, Job, Numbered, Snapshot};

/// Changes that a slow front end may be behind before it has to take a new snapshot. Figures come five
/// times a second and job: ten jobs fill this in some ten seconds.
const BACKLOG: usize = 512;

/// Holds the snapshot. Every change goes through [`Board::publish`], under one lock with its number, so
/// that the order of the numbers is the order of the changes.
pub(crate) struct Board {
    state: Mutex<Snapshot>,
    changes: broadcast::Sender<Arc<Numbered>>,
}

impl Board {
    pub(crate) fn new(first: Snapshot) -> Self {
        Self { state: Mutex::new(first), changes: broadcast::Sender::new(BACKLOG) }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.state.lock().clone()
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<Numbered>> {
        self.changes.subscribe()
    }

    /// Whether any front end is looking.
    pub(crate) fn watched(&self) -> bool {
        self.changes.receiver_count() > 0
    }

    /// Looks at the snapshot without copying it.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Snapshot) -> T) -> T {
        look(&self.state.lock())
    }

    pub(crate) fn publish(&self, change: Change) {
        let mut state = self.state.lock();
        self.send(&mut state, change);
    }

    /// Changes one part with the lock held; what `edit` returns is published. None: nothing changed.
    pub(crate) fn edit(&self, edit: impl FnOnce(&Snapshot) -> Option<Change>) {
        let mut state = self.state.lock();
        if let Some(change) = edit(&state) {
            self.send(&mut state, change);
        }
    }

    /// Changes a job, if it is on the board, and publishes it if that made a difference.
    pub(crate) fn edit_job(&self, id: &EgressId, edit: impl FnOnce(&mut Job)) -> Option<Job> {
        let mut state = self.state.lock();
        let old = state.jobs.iter().find(|job| job.egress_id == *id)?;
        let mut job = old.clone();
        edit(&mut job);
        if job != *old {
            self.send(&mut state, Change::Job { job: job.clone() });
        }
        Some(job)
    }

    pub(crate) fn job(&self, id: &EgressId) -> Option<Job> {
        self.read(|s| s.jobs.iter().find(|job| job.egress_id == *id).cloned())
    }

    fn send(&self, state: &mut Snapshot, change: Change) {
        let numbered = Numbered { seq: state.seq + 1, change };
        state.apply(&numbered);
        // Without receivers there is nobody to tell.
        let _ = self.changes.send(Arc::new(numbered));
    }
}

impl Snapshot {
    /// Folds a change over the snapshot, as every front end does.
    pub fn apply(&mut self, numbered: &Numbered) {
        self.seq = numbered.seq;
        match numbered.change.clone() {
            Change::Projects { projects } => self.projects = projects,
            Change::Rooms { rooms } => self.rooms = rooms,
            Change::Room { room } => self.room = room,
            Change::Job { job } => match self.jobs.iter_mut().find(|j| j.egress_id == job.egress_id) {
                Some(present) => *present = job,
                None => self.jobs.insert(0, job),
            },
            Change::JobRemoved { egress_id } => self.jobs.retain(|job| job.egress_id != egress_id),
            Change::JobFigures { egress_id, figures } => {
                if let Some(job) = self.jobs.iter_mut().find(|j| j.egress_id == egress_id) {
                    job.figures = Some(figures);
                }
            }
            Change::RoomFigures { figures } => {
                if let Some(room) = &mut self.room {
                    room.figures = figures;
                }
            }
            Change::Machine { machine } => self.machine = machine,
            Change::Settings { settings } => self.settings = settings,
            Change::Layouts { layouts } => self.layouts = layouts,
            Change::Destinations { destinations } => self.destinations = destinations,
            Change::Storages { storages } => self.storages = storages,
            Change::Upload { upload } => match self.uploads.iter_mut().find(|u| u.id == upload.id) {
                Some(present) => *present = upload,
                None => self.uploads.push(upload),
            },
            Change::UploadProgress { id, progress } => {
                if let Some(upload) = self.uploads.iter_mut().find(|upload| upload.id == id) {
                    upload.progress = progress;
                }
            }
            Change::UploadRemoved { id } => self.uploads.retain(|upload| upload.id != id),
            Change::Rules { rules } => self.rules = rules,
            Change::Elsewhere { elsewhere } => self.elsewhere = elsewhere,
            Change::Api { api } => self.api = api,
        }
    }
}
