//! When there is no more room for a file, as a pure function of what is free and what is being written; and
//! how large a file a disk takes at all.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use sysinfo::{DiskRefreshKind, Disks};

use crate::output::worker::Worker;

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskVerdict {
    /// Go on.
    Fine,
    /// Go on, and say so.
    Low {
        /// Seconds that are left at the present rate.
        left_s: u64,
    },
    /// Finish now, while the index still fits.
    Full,
}

/// The disk that an output grows on. A thread of its own looks at it: asking one that does not answer takes for ever.
#[derive(Debug)]
pub struct Place {
    seen: Arc<Seen>,
    /// The largest file it takes, bytes.
    largest_bytes: Option<u64>,
}

#[derive(Debug)]
struct Seen {
    /// [`NOT_SEEN`] before the first answer, and where there is none.
    free_bytes: AtomicU64,
}

const NOT_SEEN: u64 = u64::MAX;
/// How often free space is looked at.
const LOOK: Duration = Duration::from_millis(400);

impl Place {
    /// Of files in this folder, which is there.
    pub fn of(folder: &Path) -> Self {
        let seen = Arc::new(Seen { free_bytes: AtomicU64::new(NOT_SEEN) });
        let (watched, looked_at) = (Arc::downgrade(&seen), folder.to_owned());
        Worker::start("disk", move || {
            while let Some(seen) = watched.upgrade() {
                let free = fs4::available_space(&looked_at).unwrap_or(NOT_SEEN);
                seen.free_bytes.store(free, Relaxed);
                drop(seen);
                thread::sleep(LOOK);
            }
        });
        Self { seen, largest_bytes: largest_file_bytes(folder) }
    }

    /// Whether it takes no file above a size that a recording reaches.
    pub fn is_limited(&self) -> bool {
        self.largest_bytes.is_some()
    }

    /// What a file of this size can still grow by, as it was seen last, bytes; none where nobody knows.
    pub fn room_bytes(&self, size_bytes: u64) -> Option<u64> {
        let free = Some(self.seen.free_bytes.load(Relaxed)).filter(|free| *free != NOT_SEEN);
        let below = self.largest_bytes.map(|largest| largest.saturating_sub(size_bytes));
        [free, below].into_iter().flatten().min()
    }
}

/// Below this much time the operator is warned.
const LOW_S: u64 = 10 * 60;
/// Finishing begins with this much time left: the guard looks every half second, and a disk may have
/// other writers.
const RESERVE_S: u64 = 4;
/// Bytes an index needs for each unit written: a sample's size, time and place in an MP4 (24 at most),
/// doubled for the write that replaces it.
const INDEX_BYTES_PER_UNIT: u64 = 48;
/// Bytes an index needs whatever is in it, and what a file system keeps back.
const INDEX_BYTES: u64 = 256 << 10;

/// Judges. `free_bytes` is what the disk has left, `rate_bytes_s` what all outputs on it write in a
/// second, `units` what they have written so far.
pub fn judge(free_bytes: u64, rate_bytes_s: u64, units: u64) -> DiskVerdict {
    let reserve = INDEX_BYTES + units * INDEX_BYTES_PER_UNIT;
    let usable = free_bytes.saturating_sub(reserve);
    let left_s = usable.checked_div(rate_bytes_s);
    match left_s {
        _ if usable == 0 => DiskVerdict::Full,
        Some(left_s) if left_s < RESERVE_S => DiskVerdict::Full,
        Some(left_s) if left_s < LOW_S => DiskVerdict::Low { left_s },
        _ => DiskVerdict::Fine,
    }
}

/// Largest file of FAT, bytes: sticks and cards that cameras use are often formatted so.
const FAT_MAX_BYTES: u64 = (4 << 30) - 1;

/// The largest file that the disk with `folder` takes, bytes; none: larger than any recording.
fn largest_file_bytes(folder: &Path) -> Option<u64> {
    let folder = folder.canonicalize().ok()?;
    // Names and places alone: asking a network disk for its size may take for ever.
    let disks = Disks::new_with_refreshed_list_specifics(DiskRefreshKind::nothing());
    let mounts =
        disks.iter().map(|d| (d.mount_point().to_owned(), d.file_system().to_string_lossy().into_owned()));
    limit_of(&folder, mounts)
}

fn limit_of(folder: &Path, mounts: impl Iterator<Item = (PathBuf, String)>) -> Option<u64> {
    let on = mounts.filter(|(place, _)| folder.starts_with(place));
    let (_, kind) = on.max_by_key(|(place, _)| place.components().count())?;
    matches!(kind.to_ascii_lowercase().as_str(), "vfat" | "msdos" | "fat" | "fat32").then_some(FAT_MAX_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_on_fat_has_a_largest_size() {
        let mounts = || {
            [("/", "ext4"), ("/media/stick", "vfat"), ("/media/stick/inner", "exfat"), ("/media", "tmpfs")]
                .map(|(place, kind)| (PathBuf::from(place), kind.to_owned()))
                .into_iter()
        };
        assert_eq!(limit_of(Path::new("/media/stick/show"), mounts()), Some(FAT_MAX_BYTES));
        assert_eq!(limit_of(Path::new("/media/sticks"), mounts()), None);
        assert_eq!(limit_of(Path::new("/media/stick/inner/a"), mounts()), None);
        assert_eq!(limit_of(Path::new("/home"), mounts()), None);
        assert_eq!(largest_file_bytes(&std::env::temp_dir()), None, "this machine's own");
    }

    #[test]
    fn it_warns_and_then_ends_while_the_index_still_fits() {
        let rate = 500_000;
        assert_eq!(judge(10 << 30, rate, 0), DiskVerdict::Fine);
        assert!(matches!(judge(100 << 20, rate, 0), DiskVerdict::Low { left_s: 200..=210 }));
        assert_eq!(judge(2 << 20, rate, 0), DiskVerdict::Full);
        assert_eq!(judge(0, 0, 0), DiskVerdict::Full);
        // An hour of 30 pictures and 50 packets of sound a second needs an index of megabytes.
        let units = 3600 * 80;
        assert_eq!(judge(14 << 20, rate, units), DiskVerdict::Full);
    }

    #[test]
    fn nothing_written_yet_is_no_reason_to_warn() {
        assert_eq!(judge(1 << 30, 0, 0), DiskVerdict::Fine);
    }
}
