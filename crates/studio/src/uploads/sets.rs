//! What files there are of an output of many: segments by their playlist, images by their folder. What is listed, or has
//! its name, is whole.

use std::path::{Path, PathBuf};

use egress::fact::OutputSet;
use url::Url;

/// The files of an output that are complete, in order; the lists of them as they are, which are written anew; and the one
/// that each takes the place of, where they have one name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SetFiles {
    pub files: Vec<PathBuf>,
    pub lists: Vec<(PathBuf, Vec<u8>)>,
    pub replaced: Option<PathBuf>,
}

/// Looks at the disk; none if it cannot be read. `path` is the output's: its playlist, or the folder of its images;
/// `folder` is the one that was chosen to record into.
pub(crate) fn look(set: &OutputSet, path: &Path, folder: &Path) -> Option<SetFiles> {
    match set {
        OutputSet::Segments { live_playlist, .. } => {
            // The list of the newest first: the whole list, read later, has all that it has.
            let live =
                live_playlist.iter().filter_map(|live| Some((live.clone(), std::fs::read(live).ok()?)));
            let mut lists: Vec<_> = live.collect();
            let playlist = std::fs::read(path).ok()?;
            let base = path.parent().unwrap_or(path);
            let text = String::from_utf8_lossy(&playlist);
            let files = text.lines().filter_map(|line| below(base, listed(line.trim())?)).collect();
            lists.push((path.to_owned(), playlist));
            Some(SetFiles { files, lists, replaced: None })
        }
        OutputSet::Images { prefix, .. } => {
            let start = folder.join(prefix);
            let start = start.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let start = if prefix.ends_with('/') { String::new() } else { start };
            // Not those of a recording whose name goes on where this one's ends.
            let ours = |name: &str| name.strip_prefix(&start).is_some_and(|rest| rest.starts_with('_'));
            let replaced = Some(path.join(format!("{start}.jpeg"))).filter(|image| image.is_file());
            let mut files: Vec<PathBuf> = std::fs::read_dir(path)
                .ok()?
                .flatten()
                .filter(|entry| {
                    let name = entry.file_name();
                    let name = name.to_string_lossy();
                    ours(&name) && (name.ends_with(".jpeg") || name.ends_with(".jpg"))
                })
                .map(|entry| entry.path())
                .collect();
            files.sort();
            Some(SetFiles { files, lists: Vec::new(), replaced })
        }
    }
}

/// The address in a line of a playlist: a segment's, or that of what segments from there on have in common.
fn listed(line: &str) -> Option<&str> {
    match line.strip_prefix("#EXT-X-MAP:") {
        Some(map) => map.split_once("URI=\"")?.1.split('"').next(),
        None => (!line.is_empty() && !line.starts_with('#')).then_some(line),
    }
}

/// The file behind an address of a playlist in this folder.
fn below(folder: &Path, uri: &str) -> Option<PathBuf> {
    Url::from_directory_path(folder).ok()?.join(uri).ok()?.to_file_path().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_another_recording_are_not_taken_for_ones_own() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["image_00000.jpeg", "image_00001.jpeg.part", "image-2_00000.jpeg", "image_00001.jpeg"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let set = OutputSet::Images { prefix: "image".into(), count: 2 };
        let found = look(&set, dir.path(), dir.path()).unwrap();
        assert_eq!(found.files, ["image_00000.jpeg", "image_00001.jpeg"].map(|name| dir.path().join(name)));
        assert_eq!(found.replaced, None);
        assert!(look(&set, &dir.path().join("gone"), dir.path()).is_none());
        std::fs::write(dir.path().join("image.jpeg"), "").unwrap();
        let found = look(&set, dir.path(), dir.path()).unwrap();
        assert_eq!((found.files.len(), found.replaced), (2, Some(dir.path().join("image.jpeg"))));
    }

    #[test]
    fn segments_are_those_of_the_list() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("playlist.m3u8");
        let set = OutputSet::Segments { live_playlist: Some(dir.path().join("live.m3u8")), count: 1 };
        assert!(look(&set, &path, dir.path()).is_none());
        std::fs::write(&path, "#EXTM3U\n#EXTINF:2.0,\na_00000.ts\n").unwrap();
        std::fs::write(dir.path().join("a_00001.ts"), "not listed yet").unwrap();
        let found = look(&set, &path, dir.path()).unwrap();
        assert_eq!((found.files, found.lists.len()), (vec![dir.path().join("a_00000.ts")], 1));
    }

    #[test]
    fn what_segments_need_comes_before_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("playlist.m3u8");
        let set = OutputSet::Segments { live_playlist: None, count: 2 };
        let lines = [
            "#EXTM3U",
            "#EXT-X-MAP:URI=\"b/a%20%23_init.mp4\"",
            "#EXTINF:2,",
            "b/a%20%23_00000.m4s",
            "#EXT-X-MAP:URI=\"i-2.mp4\"",
            "#EXT-X-DISCONTINUITY",
            "#EXTINF:2,",
            "b/C%3A1.m4s",
            "#EXT-X-ENDLIST",
            "",
        ];
        std::fs::write(&path, lines.join("\n")).unwrap();
        let found = look(&set, &path, dir.path()).unwrap();
        let names = ["b/a #_init.mp4", "b/a #_00000.m4s", "i-2.mp4", "b/C:1.m4s"];
        assert_eq!(found.files, names.map(|name| dir.path().join(name)));
    }
}
