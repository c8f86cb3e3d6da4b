//! The queue in memory: what stands where, and whose turn it is. No IO.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::path::PathBuf;

use egress::error::ApiError;
use serde::{Deserialize, Serialize};

use crate::remote::Part;
use crate::surface::{
    Afterwards, LocalFile, Order, Progress, Snapshot, Target, Upload, UploadId, UploadState, Verified,
};

/// S3 takes so many parts, and the others as many.
pub(crate) const MAX_PARTS: u64 = 10_000;

/// An upload as it is journalled. Without its parts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) id: UploadId,
    /// Order of being added.
    pub(crate) seq: i64,
    pub(crate) path: PathBuf,
    /// Name of the object below the prefix of a storage. Empty in rows of earlier versions.
    #[serde(default)]
    pub(crate) name: String,
    /// Names of the object: in the main storage, and in the backup.
    pub(crate) keys: (String, Option<String>),
    pub(crate) target: Target,
    pub(crate) backup: Option<Target>,
    pub(crate) owner: String,
    pub(crate) group: Option<String>,
    /// Waits for what was added to the group before it.
    pub(crate) after_group: bool,
    pub(crate) afterwards: Afterwards,
    /// The bytes are in the journal; the file may be another by now.
    pub(crate) body: bool,
    pub(crate) growing: bool,
    /// Parts of it went up while it was growing.
    pub(crate) grown: bool,
    /// Size and time of change of the file, once it is complete.
    pub(crate) file: Option<FileFacts>,
    pub(crate) part_bytes: u64,
    /// The upload in parts, as the store calls it.
    pub(crate) multipart: Option<String>,
    pub(crate) on_backup: bool,
    /// Why the main storage was given up.
    pub(crate) main_error: Option<String>,
    pub(crate) attempts: u32,
    pub(crate) next_try_ms: i64,
    pub(crate) error: Option<ApiError>,
    pub(crate) paused: bool,
    pub(crate) stored: Option<Stored>,
    pub(crate) removed: bool,
    pub(crate) created_at_ms: i64,
}

/// What tells one version of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileFacts {
    pub(crate) size: u64,
    pub(crate) changed_ns: i64,
}

/// The end of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) verified: Verified,
    pub(crate) at_ms: i64,
    pub(crate) location: String,
    /// The local file was compared with what went up while it grew, or never grew.
    pub(crate) settled: bool,
}

impl Row {
    /// The storage in use.
    pub(crate) fn target(&self) -> &Target {
        self.backup.as_ref().filter(|_| self.on_backup).unwrap_or(&self.target)
    }

    /// The name of the object there.
    pub(crate) fn key(&self) -> &str {
        self.keys.1.as_ref().filter(|_| self.on_backup).unwrap_or(&self.keys.0)
    }

    /// Whether there is something left to do.
    fn open(&self) -> bool {
        match &self.stored {
            None => true,
            Some(stored) => {
                !stored.settled || (self.afterwards == Afterwards::Remove && !self.removed && !self.body)
            }
        }
    }
}

/// What only this process knows of an upload.
#[derive(Debug, Clone, Default)]
pub(crate) struct Live {
    pub(crate) running: bool,
    pub(crate) verifying: bool,
    /// How far a growing file is final, and what of that is written again.
    pub(crate) final_bytes: u64,
    pub(crate) rewritten: Range<u64>,
    /// The store was asked which parts it has.
    pub(crate) confirmed: bool,
    /// Parts at the last failure, to tell whether it got on since.
    pub(crate) parts_at_failure: usize,
    pub(crate) progress: Progress,
}

/// All uploads.
#[derive(Debug, Default)]
pub(crate) struct Board {
    rows: BTreeMap<i64, Row>,
    places: HashMap<UploadId, i64>,
    parts: HashMap<UploadId, BTreeMap<u32, Part>>,
    live: HashMap<UploadId, Live>,
    pub(crate) event_seq: u64,
    last_seq: i64,
}

/// What should happen next.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Turn {
    /// These begin.
    pub(crate) start: Vec<UploadId>,
    /// These were overtaken by newer versions of the same file.
    pub(crate) overtaken: Vec<UploadId>,
    /// When to look again, unix ms.
    pub(crate) look_again_ms: Option<i64>,
}

impl Board {
    pub(crate) fn get(&self, id: &UploadId) -> Option<&Row> {
        self.rows.get(self.places.get(id)?)
    }

    pub(crate) fn put(&mut self, row: Row) {
        self.last_seq = self.last_seq.max(row.seq);
        self.places.insert(row.id.clone(), row.seq);
        self.rows.insert(row.seq, row);
    }

    pub(crate) fn remove(&mut self, id: &UploadId) -> Option<Row> {
        self.parts.remove(id);
        self.live.remove(id);
        self.rows.remove(&self.places.remove(id)?)
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    /// A number after all others.
    pub(crate) fn take_seq(&mut self) -> i64 {
        self.last_seq += 1;
        self.last_seq
    }

    pub(crate) fn parts(&self, id: &UploadId) -> Option<&BTreeMap<u32, Part>> {
        self.parts.get(id)
    }

    pub(crate) fn put_part(&mut self, id: &UploadId, index: u32, part: Part) {
        self.parts.entry(id.clone()).or_default().insert(index, part);
    }

    pub(crate) fn drop_part(&mut self, id: &UploadId, index: u32) {
        if let Some(parts) = self.parts.get_mut(id) {
            parts.remove(&index);
        }
    }

    pub(crate) fn drop_parts(&mut self, id: &UploadId) {
        self.parts.remove(id);
    }

    pub(crate) fn live(&mut self, id: &UploadId) -> &mut Live {
        self.live.entry(id.clone()).or_default()
    }

    pub(crate) fn seen(&self, id: &UploadId) -> Live {
        self.live.get(id).cloned().unwrap_or_default()
    }

    /// Whether others of its group had to go to the backup: what belongs together stays together.
    pub(crate) fn group_on_backup(&self, group: &str) -> bool {
        self.rows.values().any(|row| row.on_backup && row.group.as_deref() == Some(group))
    }

    /// Whether the operator has paused a group: all of it that is not stored.
    pub(crate) fn group_paused(&self, group: &str) -> bool {
        let of_it = |row: &&Row| row.stored.is_none() && row.group.as_deref() == Some(group);
        let mut open = self.rows.values().filter(of_it).peekable();
        open.peek().is_some() && open.all(|row| row.paused)
    }

    /// Indices of the parts that can go up now.
    pub(crate) fn due_parts(&self, row: &Row) -> Vec<u32> {
        let have = self.parts.get(&row.id);
        let missing = |index: &u32| have.is_none_or(|have| !have.contains_key(index));
        if row.part_bytes == 0 {
            return Vec::new();
        }
        if !row.growing {
            let size = row.file.map_or(0, |file| file.size);
            return (0..size.div_ceil(row.part_bytes).min(MAX_PARTS) as u32).filter(missing).collect();
        }
        let Live { final_bytes, rewritten, .. } = self.seen(&row.id);
        let whole = (final_bytes / row.part_bytes).min(MAX_PARTS) as u32;
        let settled = |index: &u32| {
            let (from, to) = (u64::from(*index) * row.part_bytes, (u64::from(*index) + 1) * row.part_bytes);
            rewritten.is_empty() || to <= rewritten.start || from >= rewritten.end
        };
        (0..whole).filter(missing).filter(settled).collect()
    }

    /// Whose turn it is.
    ///
    /// `large` and `small`: how many files above and below `small_bytes` may go at a time.
    pub(crate) fn turn(&self, now_ms: i64, slots: usize, small_bytes: u64) -> Turn {
        let mut turn = Turn::default();
        let small = |row: &Row| row.body || row.file.is_some_and(|file| file.size <= small_bytes);
        let (mut free_small, mut free_large) = (slots, slots);
        let mut running_keys = HashSet::new();
        for row in self.rows.values().filter(|row| self.seen(&row.id).running) {
            let free = if small(row) { &mut free_small } else { &mut free_large };
            *free = free.saturating_sub(1);
            running_keys.insert((row.target(), row.key()));
        }
        // Groups with members that are not in the store, and objects that an older upload makes.
        let mut open_groups = HashSet::new();
        let mut ready: Vec<&Row> = Vec::new();
        let mut newest: HashMap<(&Target, &str), &Row> = HashMap::new();
        for row in self.rows.values().filter(|row| row.open()) {
            let group = row.group.as_deref();
            let blocked = row.after_group && group.is_some_and(|group| open_groups.contains(group));
            if row.stored.is_none() && !row.after_group {
                open_groups.extend(group);
            }
            let name = (row.target(), row.key());
            if blocked || row.paused || self.seen(&row.id).running || running_keys.contains(&name) {
                continue;
            }
            let due = row.stored.is_some() || !row.growing || !self.due_parts(row).is_empty() || {
                // Begun while it grows, so that its first part finds everything ready.
                row.multipart.is_none() && self.seen(&row.id).final_bytes > 0
            };
            if !due {
                continue;
            }
            match newest.get(&name) {
                // A newer version of a playlist makes the older ones needless.
                Some(older) if older.body && row.body => {
                    turn.overtaken.push(older.id.clone());
                    let overtaken = older.seq;
                    ready.retain(|other| other.seq != overtaken);
                }
                Some(_) => continue,
                None => {}
            }
            newest.insert(name, row);
            ready.push(row);
        }
        for row in ready {
            if row.next_try_ms > now_ms {
                turn.look_again_ms = Some(turn.look_again_ms.unwrap_or(i64::MAX).min(row.next_try_ms));
                continue;
            }
            let free = if small(row) { &mut free_small } else { &mut free_large };
            if *free > 0 {
                *free -= 1;
                turn.start.push(row.id.clone());
            }
        }
        turn
    }

    /// An upload as it is shown.
    pub(crate) fn show(&self, row: &Row) -> Upload {
        let live = self.seen(&row.id);
        let state = match (&row.stored, &row.error) {
            (Some(stored), _) => UploadState::Stored { verified: stored.verified, at_ms: stored.at_ms },
            _ if row.paused => UploadState::Paused,
            _ if live.verifying => UploadState::Verifying,
            _ if live.running => UploadState::Uploading,
            (None, Some(error)) => {
                UploadState::Waiting { error: error.clone(), next_try_ms: row.next_try_ms }
            }
            _ if row.growing => UploadState::Following,
            _ => UploadState::Queued,
        };
        Upload {
            id: row.id.clone(),
            path: row.path.clone(),
            key: row.key().to_owned(),
            storage: row.target().profile.storage.described(),
            on_backup: row.on_backup,
            owner: row.owner.clone(),
            state,
            growing: row.growing,
            progress: self.progress(row, &live),
            attempts: row.attempts,
            location: row.stored.as_ref().map(|stored| stored.location.clone()),
            local: if row.removed { LocalFile::Removed } else { LocalFile::Kept },
            created_at_ms: row.created_at_ms,
        }
    }

    fn progress(&self, row: &Row, live: &Live) -> Progress {
        let size = row.file.map(|file| file.size);
        if row.stored.is_some() {
            let size = size.unwrap_or_default();
            return Progress { sent_bytes: size, total_bytes: size, rate_bps: 0, remaining_ms: Some(0) };
        }
        if live.running {
            return live.progress;
        }
        let sent_bytes = self.sent_bytes(&row.id);
        let total_bytes = size.unwrap_or(live.final_bytes).max(sent_bytes);
        Progress { sent_bytes, total_bytes, rate_bps: 0, remaining_ms: None }
    }

    /// Bytes in parts that the store has.
    pub(crate) fn sent_bytes(&self, id: &UploadId) -> u64 {
        self.parts.get(id).map_or(0, |parts| parts.values().map(|part| part.sum.size).sum())
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot { seq: self.event_seq, uploads: self.rows.values().map(|row| self.show(row)).collect() }
    }
}

/// Group and whether to wait for it.
pub(crate) fn order(order: Order) -> (Option<String>, bool) {
    match order {
        Order::Free => (None, false),
        Order::In(group) => (Some(group), false),
        Order::After(group) => (Some(group), true),
    }
}

#[cfg(test)]
#[path = "board_tests.rs"]
mod tests;
