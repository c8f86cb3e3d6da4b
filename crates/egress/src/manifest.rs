//! The manifest that is written beside a recording, with LiveKit's field names.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::filename::{kind_name, source_name};
use crate::id::EgressId;
use crate::roster::TrackKind;
use crate::spec::{AudioSelect, PageAddress, Selection, Source, VideoSelect};

use crate::fact::{FileResult, OutputSet, TrackFacts};

/// `<egress_id>.json`. What is empty is left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Manifest {
    /// `EG_…`
    pub egress_id: String,
    /// `RM_…`
    #[serde(skip_serializing_if = "String::is_empty")]
    pub room_id: String,
    /// The room.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub room_name: String,
    /// The page, of a web egress.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// First media, unix time, ns.
    #[serde(skip_serializing_if = "is_zero")]
    pub started_at: i64,
    /// End of the last media, unix time, ns.
    #[serde(skip_serializing_if = "is_zero")]
    pub ended_at: i64,
    /// Whose, of a Participant or Track egress.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub publisher_identity: String,
    /// Of a Track egress.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub track_id: String,
    /// `audio` or `video`, of a Track egress.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub track_kind: String,
    /// `camera`, `microphone`, …, of a Track egress.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub track_source: String,
    /// The first sound that was recorded, of other egresses.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub audio_track_id: String,
    /// The first picture that was recorded, of other egresses.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub video_track_id: String,
    /// Files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<ManifestFile>,
    /// HLS playlists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub playlists: Vec<ManifestPlaylist>,
    /// Images.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ManifestImage>,
}

/// A file, or a segment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ManifestFile {
    /// Relative to the folder that was chosen.
    pub filename: String,
    /// Absolute path, or address once uploaded.
    pub location: String,
}

/// A playlist.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ManifestPlaylist {
    /// Absolute path, or address once uploaded.
    pub location: String,
    /// In order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<ManifestFile>,
    /// What segments of MP4 have in common. LiveKit writes none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub initialization: Vec<ManifestFile>,
}

/// An image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ManifestImage {
    /// Relative to the folder that was chosen.
    pub filename: String,
    /// RFC 3339.
    pub timestamp: String,
    /// Absolute path, or address once uploaded.
    pub location: String,
}

fn is_zero(value: &i64) -> bool {
    *value == 0
}

impl Manifest {
    /// The file's content.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("strings and numbers always serialise");
        text.push('\n');
        text
    }
}

impl Manifest {
    /// Lists the files of an output of many, each with its time (unix, ns), instead of the one path; and those that
    /// they need, which have none.
    pub fn hold_set(
        &mut self,
        set: &OutputSet,
        result: &FileResult,
        files: &[(PathBuf, i64)],
        needed: &[PathBuf],
        folder: &Path,
    ) {
        self.files.clear();
        let location = |path: &Path| path.display().to_string();
        let filename = |path: &Path| relative(path, folder);
        match set {
            OutputSet::Segments { .. } => {
                let file =
                    |path: &PathBuf| ManifestFile { filename: filename(path), location: location(path) };
                let segments = files.iter().map(|(path, _)| file(path)).collect();
                let initialization = needed.iter().map(file).collect();
                let location = result.path.as_deref().map(location).unwrap_or_default();
                self.playlists = vec![ManifestPlaylist { location, segments, initialization }];
            }
            OutputSet::Images { .. } => {
                let images = files.iter();
                let images = images.map(|(path, time_ns)| ManifestImage {
                    filename: filename(path),
                    timestamp: jiff::Timestamp::from_nanosecond(i128::from(*time_ns))
                        .expect("64-bit nanoseconds end in 2262")
                        .to_string(),
                    location: location(path),
                });
                self.images = images.collect();
            }
        }
    }
}

impl Manifest {
    /// Takes in what an earlier output of the same job left in the same folder.
    pub fn join(&mut self, earlier: Option<Self>) {
        let Some(mut earlier) = earlier.filter(|earlier| earlier.egress_id == self.egress_id) else { return };
        if earlier.started_at > 0 {
            self.started_at = self.started_at.min(earlier.started_at);
        }
        self.ended_at = self.ended_at.max(earlier.ended_at);
        earlier.files.retain(|file| !self.files.contains(file));
        earlier.playlists.retain(|list| self.playlists.iter().all(|ours| ours.location != list.location));
        earlier.images.retain(|image| self.images.iter().all(|ours| ours.location != image.location));
        earlier.files.append(&mut self.files);
        earlier.playlists.append(&mut self.playlists);
        earlier.images.append(&mut self.images);
        self.files = earlier.files;
        self.playlists = earlier.playlists;
        self.images = earlier.images;
    }
}

/// What a manifest is made of.
#[derive(Debug, Clone, Copy)]
pub struct ManifestFacts<'a> {
    /// The job.
    pub egress_id: &'a EgressId,
    /// `RM_…`
    pub room_id: &'a str,
    /// The room.
    pub room_name: &'a str,
    /// What was asked for.
    pub source: &'a Source,
    /// What was received, in order of appearance.
    pub tracks: &'a [TrackFacts],
    /// The folder that was chosen.
    pub folder: &'a Path,
    /// What became of the file.
    pub file: &'a FileResult,
}

/// The manifest of a finished file.
pub fn manifest(facts: &ManifestFacts<'_>) -> Manifest {
    let mut manifest = Manifest {
        egress_id: facts.egress_id.0.clone(),
        room_id: facts.room_id.to_owned(),
        room_name: facts.room_name.to_owned(),
        started_at: facts.file.started_at_ns,
        ended_at: facts.file.ended_at_ns,
        ..Manifest::default()
    };
    if let Some(path) = &facts.file.path {
        manifest.files.push(ManifestFile {
            filename: relative(path, facts.folder),
            location: path.display().to_string(),
        });
    }
    let selection = match facts.source {
        Source::Tracks(selection) => selection,
        Source::Page(page) => {
            if let PageAddress::Web { url } = &page.address {
                manifest.url.clone_from(url);
            }
            return manifest;
        }
    };
    let first = |kind: TrackKind| facts.tracks.iter().find(|track| track.kind == kind);
    if let Some(track_id) = selection.single_track() {
        manifest.track_id = track_id.0.clone();
        if let Some(track) = facts.tracks.iter().find(|track| track.track_id == *track_id) {
            manifest.publisher_identity = track.publisher_identity.clone();
            manifest.track_kind = kind_name(track.kind).to_owned();
            manifest.track_source = source_name(track.source).to_owned();
        }
    } else {
        manifest.publisher_identity = selection.single_identity().unwrap_or_default().to_owned();
        manifest.audio_track_id =
            first(TrackKind::Audio).map(|track| track.track_id.0.clone()).unwrap_or_default();
        manifest.video_track_id =
            first(TrackKind::Video).map(|track| track.track_id.0.clone()).unwrap_or_default();
    }
    manifest
}

/// Where the manifest of a file goes: beside it.
pub fn manifest_path(file: &Path, egress_id: &EgressId) -> PathBuf {
    file.with_file_name(format!("{egress_id}.json"))
}

/// The path below the folder, with `/` on every system; the whole path if it is elsewhere.
pub(crate) fn relative(path: &Path, folder: &Path) -> String {
    let below = path.strip_prefix(folder).unwrap_or(path);
    below.display().to_string().replace(std::path::MAIN_SEPARATOR, "/")
}

impl Selection {
    /// The track of a Track egress: the one that is named for picture and sound alike.
    pub fn single_track(&self) -> Option<&crate::id::TrackId> {
        match (&self.video, self.audio.as_slice()) {
            (Some(VideoSelect::Track(video)), [route]) => match &route.from {
                AudioSelect::Track(audio) if audio == video => Some(video),
                _ => None,
            },
            _ => None,
        }
    }

    /// The person of a Participant egress, or of any selection that takes one person alone.
    pub fn single_identity(&self) -> Option<&str> {
        let mut people = self.audio.iter().map(|route| match &route.from {
            AudioSelect::Participant(identity) | AudioSelect::Voice(identity) => Some(identity.as_str()),
            AudioSelect::All | AudioSelect::Track(_) | AudioSelect::Kind(_) => None,
        });
        let first = match &self.video {
            Some(VideoSelect::Participant { identity, .. }) => identity.as_str(),
            Some(VideoSelect::Track(_)) => return None,
            None => people.next()??,
        };
        people.all(|person| person == Some(first)).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::TrackSource;
    use crate::spec::{AudioChannel, AudioRoute, EndRule, VideoPreference};

    fn track(id: &str, kind: TrackKind, source: TrackSource) -> TrackFacts {
        TrackFacts {
            track_id: id.into(),
            kind,
            source,
            codec: "h264".into(),
            publisher_identity: "ada".into(),
        }
    }

    fn of(selection: Selection) -> Manifest {
        let source = Source::Tracks(selection);
        manifest(&ManifestFacts {
            egress_id: &"EG_1".into(),
            room_id: "RM_1",
            room_name: "show",
            source: &source,
            tracks: &[
                track("TR_A", TrackKind::Audio, TrackSource::Microphone),
                track("TR_V", TrackKind::Video, TrackSource::Camera),
                track("TR_W", TrackKind::Video, TrackSource::Camera),
            ],
            folder: Path::new("/recordings"),
            file: &FileResult {
                path: Some("/recordings/shows/one.mp4".into()),
                size_bytes: 10,
                started_at_ns: 1_000,
                ended_at_ns: 3_000,
                duration_ns: 2_000,
                error: None,
            },
        })
    }

    fn route(from: AudioSelect) -> Vec<AudioRoute> {
        vec![AudioRoute { from, channel: AudioChannel::Both }]
    }

    #[test]
    fn of_a_track() {
        let manifest = of(Selection {
            video: Some(VideoSelect::Track("TR_V".into())),
            audio: route(AudioSelect::Track("TR_V".into())),
            ends: EndRule::TracksGone,
        });
        insta::assert_snapshot!("manifest_of_a_track", manifest.to_json());
        assert_eq!(serde_json::from_str::<Manifest>(&manifest.to_json()).unwrap(), manifest);
    }

    #[test]
    fn of_a_composite_and_of_a_person() {
        let composite = Selection {
            video: Some(VideoSelect::Track("TR_V".into())),
            audio: route(AudioSelect::Track("TR_A".into())),
            ends: EndRule::TracksGone,
        };
        insta::assert_snapshot!("manifest_of_a_composite", of(composite).to_json());
        let person = Selection {
            video: Some(VideoSelect::Participant { identity: "ada".into(), prefer: VideoPreference::Camera }),
            audio: route(AudioSelect::Voice("ada".into())),
            ends: EndRule::ParticipantLeaves("ada".into()),
        };
        insta::assert_snapshot!("manifest_of_a_person", of(person).to_json());
    }

    #[test]
    fn beside_the_file() {
        let path = manifest_path(Path::new("/a/b/show.mp4"), &"EG_1".into());
        assert_eq!(path, Path::new("/a/b/EG_1.json"));
    }
}
