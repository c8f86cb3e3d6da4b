//! What writes the segments of a set, and how files get their names.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::unit::Unit;

/// What a file is called while it is written.
const PART: &str = "part";

/// Writes the segments of a set, one after the other. Each has another name until it is whole and on the disk.
pub trait SegmentMuxer: std::fmt::Debug + Send {
    /// A segment begins that becomes `path`. `at_ns` is the time of its first media, unix, ns.
    fn begin(&mut self, path: PathBuf, at_ns: i64);

    /// Takes a unit of it.
    ///
    /// # Errors
    /// If it cannot be written.
    fn push(&mut self, unit: Unit) -> io::Result<()>;

    /// Completes the segment, which ends at `at_ns`, unix, ns, and gives it its name.
    ///
    /// # Errors
    /// If it cannot be written whole.
    fn end(&mut self, at_ns: i64) -> io::Result<Whole>;
}

/// A segment that is whole and on the disk.
#[derive(Debug)]
pub struct Whole {
    /// Its size, bytes.
    pub size_bytes: u64,
    /// The file that players need to read it, on the disk as well; absolute, and its size, bytes.
    pub map: Option<(PathBuf, u64)>,
}

/// What a file is called while it is written.
pub fn part(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(PART);
    name.into()
}

/// Forces a file that was written as [`part`] onto the disk, and gives it its name. Its size, bytes.
///
/// # Errors
/// If the disk refuses.
pub fn close(file: &File, path: &Path) -> io::Result<u64> {
    file.sync_all()?;
    let size = file.metadata()?.len();
    fs::rename(part(path), path)?;
    sync_folder(path);
    Ok(size)
}

/// Forces a new name onto the disk.
pub fn sync_folder(path: &Path) {
    // Not every system lets a folder be opened; where none can, none needs it.
    if let Some(folder) = path.parent()
        && let Ok(folder) = File::open(folder)
    {
        let _ = folder.sync_all();
    }
}

/// Puts a whole file in the place of another, or of none: whoever reads sees the one or the other.
///
/// # Errors
/// If it cannot be written.
pub fn replace(path: &Path, bytes: &[u8], onto_disk: bool) -> io::Result<()> {
    let part = part(path);
    let mut file = File::create(&part)?;
    io::Write::write_all(&mut file, bytes)?;
    if onto_disk {
        file.sync_all()?;
    }
    drop(file);
    fs::rename(&part, path)?;
    if onto_disk {
        sync_folder(path);
    }
    Ok(())
}
