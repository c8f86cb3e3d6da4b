//! Names of outputs that are many files: segments with their playlists, and images.

use std::path::{Path, PathBuf};

use super::system::System;
use super::{
    FALLBACK, MAX_COMPONENT_BYTES, NameFacts, cut, filled, numbered, template, utc, without_extension,
};
use crate::names::FileNames;
use crate::spec::{ImageSuffix, ImagesOutput, SegmentKind, SegmentSuffix, SegmentsOutput};

/// What comes behind a name at most, bytes: `_20060102150405000`, `.m3u8` and `.part` while it is written.
pub(crate) const BEHIND_BYTES: usize = 30;

/// The names of a set of segments, relative to the output's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentNames {
    /// Where the playlists are.
    pub folder: PathBuf,
    /// Where the segments are, relative to that; mostly empty.
    pub below: PathBuf,
    /// What the names of segments begin with.
    pub prefix: String,
    /// The playlist, without its extension.
    pub playlist: String,
    /// The playlist of the newest segments, without its extension.
    pub live_playlist: Option<String>,
    suffix: SegmentSuffix,
    kind: SegmentKind,
}

/// Whether a live playlist goes where the playlist goes, as LiveKit wants it: it names the same folder, or none.
pub fn in_one_folder(playlist: &str, live_playlist: &str) -> bool {
    let folders = |name| template::split(name, System::HERE).0;
    let live = folders(live_playlist);
    live.is_empty() || live == folders(playlist)
}

impl SegmentNames {
    /// Resolves the templates of a set of segments, by LiveKit's rules: a folder of the prefix is the playlist's
    /// where that names none, and else lies below the playlist's; the playlist is named like the prefix where it has
    /// no name, and the prefix like the playlist.
    pub fn of(spec: &SegmentsOutput, facts: &NameFacts) -> Self {
        let (playlist_folder, playlist) = place(without_extension(&spec.playlist), facts);
        let (prefix_folder, prefix) = place(&spec.prefix, facts);
        let (_, live) = place(without_extension(&spec.live_playlist), facts);
        let (mut folder, below) = if playlist_folder.is_empty() || playlist_folder == prefix_folder {
            (prefix_folder, Vec::new())
        } else {
            // A prefix that repeats the playlist's folder means what lies in it.
            let inner = prefix_folder.strip_prefix(playlist_folder.as_slice()).map(<[_]>::to_vec);
            (playlist_folder, inner.unwrap_or(prefix_folder))
        };
        let playlist = playlist.or_else(|| prefix.clone()).unwrap_or_else(|| default_in(&mut folder, facts));
        Self {
            folder: folder.iter().collect(),
            below: below.iter().collect(),
            prefix: prefix.unwrap_or_else(|| playlist.clone()),
            live_playlist: live.map(|live| if live == playlist { format!("{live}-live") } else { live }),
            playlist,
            suffix: spec.suffix,
            kind: spec.kind,
        }
    }

    /// The names as they were settled at the job's launch, if they were.
    pub fn settled(spec: &SegmentsOutput, names: Option<&FileNames>) -> Option<Self> {
        let FileNames::Segments { folder, below, prefix, playlist, live_playlist } = names?.clone() else {
            return None;
        };
        Some(Self { folder, below, prefix, playlist, live_playlist, suffix: spec.suffix, kind: spec.kind })
    }

    /// The names by themselves.
    pub fn files(&self) -> FileNames {
        let Self { folder, below, prefix, playlist, live_playlist, .. } = self.clone();
        FileNames::Segments { folder, below, prefix, playlist, live_playlist }
    }

    /// The names with a number, for when the others are taken. Below 2 they stay as they are.
    #[must_use]
    pub fn numbered(&self, n: u32) -> Self {
        if n < 2 {
            return self.clone();
        }
        Self {
            prefix: with_number(&self.prefix, n),
            playlist: with_number(&self.playlist, n),
            live_playlist: self.live_playlist.as_deref().map(|live| with_number(live, n)),
            ..self.clone()
        }
    }

    /// The playlist, relative to the output's folder.
    pub fn playlist_path(&self) -> PathBuf {
        self.folder.join(format!("{}.m3u8", self.playlist))
    }

    /// The playlist of the newest segments, relative to the output's folder.
    pub fn live_playlist_path(&self) -> Option<PathBuf> {
        self.live_playlist.as_ref().map(|name| self.folder.join(format!("{name}.m3u8")))
    }

    /// A segment, relative to the folder of the playlists. `at_ns` is the time of its first media, unix, ns.
    pub fn segment(&self, index: u64, at_ns: i64) -> PathBuf {
        let suffix = match self.suffix {
            SegmentSuffix::Index => format!("{index:05}"),
            SegmentSuffix::Timestamp => utc(at_ns),
        };
        let extension = match self.kind {
            SegmentKind::MpegTs => "ts",
            SegmentKind::Fmp4 => "m4s",
        };
        self.below.join(format!("{}_{suffix}.{extension}", self.prefix))
    }

    /// What segments of MP4 have in common, relative to the folder of the playlists. `number` counts from 1: there is
    /// another one where that changes.
    pub fn initialization(&self, number: u32) -> PathBuf {
        let name = format!("{}_init.mp4", self.prefix);
        self.below.join(numbered(Path::new(&name), number))
    }

    /// Files that tell by being there that the names are taken, relative to the output's folder: the playlists, and
    /// what a first segment of either kind could be called.
    pub fn marks(&self) -> Vec<PathBuf> {
        let playlists = [Some(self.playlist_path()), self.live_playlist_path()];
        let below = self.folder.join(&self.below);
        let first =
            ["00000.ts", "00000.m4s", "init.mp4"].map(|end| below.join(format!("{}_{end}", self.prefix)));
        playlists.into_iter().flatten().chain(first).collect()
    }

    /// Whether one of these files is there, or a segment that could be taken for one of these.
    pub fn taken(&self, folder: &Path) -> bool {
        self.marks().iter().any(|path| folder.join(path).exists())
    }
}

/// The names of images, relative to the output's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageNames {
    /// Where they are.
    pub folder: PathBuf,
    /// What their names begin with.
    pub prefix: String,
    suffix: ImageSuffix,
}

impl ImageNames {
    /// Resolves the template of images.
    pub fn of(spec: &ImagesOutput, facts: &NameFacts) -> Self {
        let (mut folder, prefix) = place(&spec.prefix, facts);
        let prefix = prefix.unwrap_or_else(|| default_in(&mut folder, facts));
        Self { folder: folder.iter().collect(), prefix, suffix: spec.suffix }
    }

    /// The names as they were settled at the job's launch, if they were.
    pub fn settled(spec: &ImagesOutput, names: Option<&FileNames>) -> Option<Self> {
        let FileNames::Images { folder, prefix } = names?.clone() else { return None };
        Some(Self { folder, prefix, suffix: spec.suffix })
    }

    /// The names by themselves.
    pub fn files(&self) -> FileNames {
        FileNames::Images { folder: self.folder.clone(), prefix: self.prefix.clone() }
    }

    /// The names with a number, for when the others are taken. Below 2 they stay as they are.
    #[must_use]
    pub fn numbered(&self, n: u32) -> Self {
        let prefix = if n < 2 { self.prefix.clone() } else { with_number(&self.prefix, n) };
        Self { prefix, ..self.clone() }
    }

    /// Folder and prefix, as they are told.
    pub fn prefix_path(&self) -> PathBuf {
        self.folder.join(&self.prefix)
    }

    /// An image, relative to the output's folder. `at_ns` is its time, unix, ns.
    pub fn image(&self, index: u64, at_ns: i64) -> PathBuf {
        let name = match self.suffix {
            ImageSuffix::Index => format!("{}_{index:05}.jpeg", self.prefix),
            ImageSuffix::Timestamp => format!("{}_{}.jpeg", self.prefix, utc(at_ns)),
            ImageSuffix::Overwrite => format!("{}.jpeg", self.prefix),
        };
        self.folder.join(name)
    }

    /// The file that tells by being there that images would be written over that are not of this set; none where
    /// their time tells them apart, or each is to be written over.
    pub fn marks(&self) -> Vec<PathBuf> {
        if self.suffix == ImageSuffix::Index { vec![self.image(0, 0)] } else { Vec::new() }
    }

    /// Whether images would be written over that are not of this set.
    pub fn taken(&self, folder: &Path) -> bool {
        self.marks().iter().any(|path| folder.join(path).exists())
    }
}

/// The folders and the name that a template makes; no name where it has none.
fn place(template: &str, facts: &NameFacts) -> (Vec<String>, Option<String>) {
    let (folders, name) = template::split(template, System::HERE);
    filled(System::HERE, (&folders, name), facts, BEHIND_BYTES, false)
}

/// The default name. The folders that it makes are added to those that there are.
fn default_in(folder: &mut Vec<String>, facts: &NameFacts) -> String {
    let (more, name) = filled(System::HERE, (&[], ""), facts, BEHIND_BYTES, true);
    folder.extend(more);
    name.unwrap_or_else(|| FALLBACK.to_owned())
}

/// What is too long for a number loses its end to it.
fn with_number(name: &str, n: u32) -> String {
    let number = format!("-{n}");
    format!("{}{number}", cut(name, MAX_COMPONENT_BYTES - BEHIND_BYTES - number.len()))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;

    fn facts() -> NameFacts {
        NameFacts {
            room_name: "show".into(),
            room_id: "RM_1".into(),
            egress_id: "EG_1".into(),
            publisher_identity: None,
            track_id: None,
            track_kind: None,
            track_source: None,
            at_ns: 1_786_000_000_123_456_789,
            time_zone: TimeZone::UTC,
            identifier: "show".into(),
            retry: 0,
            awaited: Vec::new(),
        }
    }

    fn spec(prefix: &str, playlist: &str, live: &str) -> SegmentsOutput {
        SegmentsOutput {
            folder: "/r".into(),
            prefix: prefix.into(),
            playlist: playlist.into(),
            live_playlist: live.into(),
            suffix: SegmentSuffix::Index,
            kind: SegmentKind::MpegTs,
            duration_ms: 4000,
            manifest: true,
        }
    }

    fn all(prefix: &str, playlist: &str, live: &str) -> (String, String, Option<String>) {
        let names = SegmentNames::of(&spec(prefix, playlist, live), &facts());
        let shown = |path: PathBuf| path.display().to_string();
        let segment = names.folder.join(names.segment(7, 0));
        (shown(segment), shown(names.playlist_path()), names.live_playlist_path().map(shown))
    }

    #[test]
    fn segments_are_named_as_livekit_names_them() {
        let of = |segment: &str, playlist: &str| (segment.to_owned(), playlist.to_owned(), None);
        assert_eq!(all("", "", ""), of("show-2026-08-06T070640_00007.ts", "show-2026-08-06T070640.m3u8"));
        assert_eq!(all("seg", "", ""), of("seg_00007.ts", "seg.m3u8"));
        assert_eq!(all("", "list.m3u8", ""), of("list_00007.ts", "list.m3u8"));
        assert_eq!(all("a/seg", "list", ""), of("a/seg_00007.ts", "a/list.m3u8"));
        assert_eq!(all("a/seg", "a/list", ""), of("a/seg_00007.ts", "a/list.m3u8"));
        assert_eq!(all("b/seg", "a/list", ""), of("a/b/seg_00007.ts", "a/list.m3u8"));
        assert_eq!(all("a/b/seg", "a/list", ""), of("a/b/seg_00007.ts", "a/list.m3u8"));
        assert_eq!(
            all("{room_name}/", "", ""),
            of("show/show-2026-08-06T070640_00007.ts", "show/show-2026-08-06T070640.m3u8")
        );
        assert_eq!(
            all("x", "a/v1.2-show", "live.m3u8"),
            ("a/x_00007.ts".into(), "a/v1.2-show.m3u8".into(), Some("a/live.m3u8".into())),
            "only a known extension is taken away"
        );
        assert_eq!(all("x.m3u8", "", ""), of("x.m3u8_00007.ts", "x.m3u8.m3u8"), "a prefix has none");
        assert_eq!(all(" .a|b:c\\d* ", "p/q?.m3u8", ""), of("p/ .a|b:c\\d* _00007.ts", "p/q?.m3u8"));
        assert_eq!(all("a//x/../seg", "a/./list", ""), of("a/seg_00007.ts", "a/list.m3u8"));
    }

    #[test]
    fn a_rooms_name_makes_folders_for_sets_too() {
        let facts = NameFacts { room_name: "acme/daily".into(), identifier: "acme/daily".into(), ..facts() };
        let paths = |prefix: &str, playlist: &str| {
            let names = SegmentNames::of(&spec(prefix, playlist, ""), &facts);
            let segment = names.folder.join(names.segment(7, 0));
            (segment.display().to_string(), names.playlist_path().display().to_string())
        };
        let of = |segment: &str, playlist: &str| (segment.to_owned(), playlist.to_owned());
        assert_eq!(paths("{room_name}", ""), of("acme/daily_00007.ts", "acme/daily.m3u8"));
        assert_eq!(
            paths("{room_name}/seg", "{room_name}/l"),
            of("acme/daily/seg_00007.ts", "acme/daily/l.m3u8")
        );
        assert_eq!(
            paths("", ""),
            of("acme/daily-2026-08-06T070640_00007.ts", "acme/daily-2026-08-06T070640.m3u8")
        );
        assert_eq!(
            paths("x/", ""),
            of("x/acme/daily-2026-08-06T070640_00007.ts", "x/acme/daily-2026-08-06T070640.m3u8")
        );
    }

    #[test]
    fn suffixes_and_folders() {
        let names = SegmentNames::of(
            &SegmentsOutput { suffix: SegmentSuffix::Timestamp, ..spec("x", "", "") },
            &facts(),
        );
        assert_eq!(names.segment(3, 1_786_000_000_123_456_789), Path::new("x_20260806070640123.ts"));
        assert_eq!(names.numbered(2).segment(3, 0), Path::new("x-2_19700101000000000.ts"));
        let names =
            SegmentNames::of(&SegmentsOutput { kind: SegmentKind::Fmp4, ..spec("b/x", "a/p", "") }, &facts());
        assert_eq!(names.segment(3, 0), Path::new("b/x_00003.m4s"));
        assert_eq!(names.initialization(1), Path::new("b/x_init.mp4"));
        assert_eq!(names.initialization(2), Path::new("b/x_init-2.mp4"));
        assert!(in_one_folder("a/list", "live") && in_one_folder("a/list", "a/live"));
        assert!(!in_one_folder("a/list", "b/live") && !in_one_folder("list", "b/live"));
    }

    #[test]
    fn images_are_named_as_livekit_names_them() {
        let image = |prefix: &str, suffix| {
            let spec = ImagesOutput {
                folder: "/r".into(),
                prefix: prefix.into(),
                suffix,
                interval_ms: 10_000,
                width: None,
                height: None,
                manifest: true,
            };
            ImageNames::of(&spec, &facts()).image(12, 1_786_000_000_123_456_789).display().to_string()
        };
        assert_eq!(image("a/shot", ImageSuffix::Index), "a/shot_00012.jpeg");
        assert_eq!(image("shot.jpg", ImageSuffix::Timestamp), "shot.jpg_20260806070640123.jpeg");
        assert_eq!(image("", ImageSuffix::Overwrite), "show-2026-08-06T070640.jpeg");
    }

    proptest! {
        #[test]
        fn no_name_leads_out_of_the_folder(prefix in ".{0,300}", playlist in ".{0,300}", live in ".{0,80}") {
            let names = SegmentNames::of(&spec(&prefix, &playlist, &live), &facts());
            let numbered = names.numbered(9999);
            let paths = [
                names.folder.join(names.segment(99_999, 0)),
                numbered.folder.join(numbered.segment(99_999, 0)),
                numbered.playlist_path(),
            ];
            for path in paths.into_iter().chain(names.live_playlist_path()) {
                prop_assert!(path.is_relative());
                for part in path.components() {
                    let std::path::Component::Normal(part) = part else { panic!("{path:?}") };
                    prop_assert!(part.len() <= MAX_COMPONENT_BYTES);
                }
            }
            prop_assert_ne!(Some(names.playlist_path()), names.live_playlist_path());
        }
    }
}
