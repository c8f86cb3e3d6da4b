//! What files there are of an output of many: segments by their playlist, images by their folder. What is listed, or has
//! its name, is whole.

use std::path::{Path, PathBuf};

use egress::fact::OutputSet;

/// The files of an output that are complete, in order, and the lists of them, which are written anew.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SetFiles {
    pub files: Vec<PathBuf>,
    pub lists: Vec<PathBuf>,
}

/// Looks at the disk. `path` is the output's: its playlist, or the folder of its images; `folder` is the one that was
/// chosen to record into. What cannot be read is not there yet.
pub(crate) fn look(set: &OutputSet, path: &Path, folder: &Path) -> SetFiles {
    match set {
        OutputSet::Segments { live_playlist, .. } => {
            let Ok(playlist) = std::fs::read_to_string(path) else { return SetFiles::default() };
            let base = path.parent().unwrap_or(path);
            let uris = playlist.lines().map(str::trim);
            let files =
                uris.filter(|line| !line.is_empty() && !line.starts_with('#')).map(|uri| base.join(uri));
            let live = live_playlist.iter().filter(|live| live.exists()).cloned();
            SetFiles { files: files.collect(), lists: live.chain([path.to_owned()]).collect() }
        }
        OutputSet::Images { prefix, .. } => {
            let start = folder.join(prefix);
            let start = start.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let start = if prefix.ends_with('/') { String::new() } else { start };
            let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
            let mut files: Vec<PathBuf> = entries
                .filter(|entry| {
                    let name = entry.file_name();
                    let name = name.to_string_lossy();
                    name.starts_with(&start) && (name.ends_with(".jpeg") || name.ends_with(".jpg"))
                })
                .map(|entry| entry.path())
                .collect();
            files.sort();
            SetFiles { files, lists: Vec::new() }
        }
    }
}
