//! The folders that jobs of the Egress API have for themselves here, and that go once their files are elsewhere.

use std::path::Path;

/// Removes a folder and those in it, as far as they are empty.
pub(super) fn remove_empty(folder: &Path) {
    for below in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if below.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_empty(&below.path());
        }
    }
    // Only what is empty goes.
    let _ = std::fs::remove_dir(folder);
}

/// Removes the folders above a file that has gone, as far as they are empty, up to the one that is named like its job.
/// Where there is none, they are not the job's own.
pub(super) fn remove_above(file: &Path, owner: &str) {
    let folders: Vec<&Path> = file.ancestors().skip(1).collect();
    let own = |folder: &&Path| folder.file_name().is_some_and(|name| name == owner);
    let Some(at) = folders.iter().position(own) else { return };
    for folder in &folders[..=at] {
        if std::fs::remove_dir(folder).is_err() {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jobs_folder_goes_with_its_last_file() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("EG_1");
        let (deep, beside) = (own.join("shows/2026"), own.join("stills"));
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::create_dir_all(&beside).unwrap();
        remove_above(&deep.join("a.mp4"), "EG_1");
        assert!(!own.join("shows").exists() && beside.exists());
        std::fs::write(beside.join("a.jpeg"), "").unwrap();
        remove_above(&beside.join("b.jpeg"), "EG_1");
        assert!(beside.exists());
        std::fs::remove_file(beside.join("a.jpeg")).unwrap();
        remove_above(&beside.join("a.jpeg"), "EG_1");
        assert!(!own.exists() && dir.path().exists());
        // What the operator chose is never a job's own.
        let chosen = dir.path().join("chosen");
        std::fs::create_dir_all(&chosen).unwrap();
        remove_above(&chosen.join("a.mp4"), "EG_1");
        assert!(chosen.exists());
    }

    #[test]
    fn what_is_not_empty_stays() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("EG_1");
        std::fs::create_dir_all(own.join("a/b/c")).unwrap();
        std::fs::create_dir_all(own.join("d")).unwrap();
        std::fs::write(own.join("d/left.mp4"), "x").unwrap();
        remove_empty(&own);
        assert!(!own.join("a").exists() && own.join("d/left.mp4").exists());
        std::fs::remove_file(own.join("d/left.mp4")).unwrap();
        remove_empty(&own);
        assert!(!own.exists());
    }
}
