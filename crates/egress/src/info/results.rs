//! What comes of the outputs of a job, in LiveKit's words: told from the first answer on, as far as it is known then.

use std::path::Path;

use livekit_protocol as proto;
use proto::{FileInfo, ImagesInfo, SegmentsInfo, StreamInfo, egress_info};

use super::{JobFacts, in_words};
use crate::fact::OutputSet;
use crate::filename::SegmentNames;
use crate::life::Life;
use crate::manifest::relative;
use crate::names::FileNames;
use crate::spec::{OutputKind, SegmentsOutput};
use crate::state::{JobState, Output};

/// The results of a job, in the lists that an EgressInfo has.
#[derive(Debug, Default)]
pub(super) struct Results {
    pub files: Vec<FileInfo>,
    pub segments: Vec<SegmentsInfo>,
    pub images: Vec<ImagesInfo>,
    pub streams: Vec<StreamInfo>,
}

/// An output: as it was asked for, and what its facts tell.
struct Told<'a> {
    names: Option<&'a FileNames>,
    folder: &'a Path,
    /// Whether it goes to a storage.
    uploaded: bool,
    output: Option<Output<'a>>,
}

impl Results {
    /// What is known of the outputs that were asked for, and of those that came later.
    pub fn of(job: &JobFacts<'_>, state: &JobState) -> Self {
        let outputs = state.outputs();
        let mut results = Self::default();
        for spec in job.outputs {
            let output = outputs.iter().find(|output| *output.id == spec.id).copied();
            let names = job.names.shown(&spec.id);
            let uploaded = job.uploaded.contains(&spec.id);
            let told = |folder| Told { names, folder, uploaded, output };
            match &spec.kind {
                OutputKind::File(file) => results.files.push(told(&file.folder).file(&file.name)),
                OutputKind::Segments(set) => results.segments.push(told(&set.folder).segments(Some(set))),
                OutputKind::Images(set) => results.images.push(told(&set.folder).images(&set.prefix)),
                OutputKind::Stream(stream) => {
                    results.streams.extend(of_stream(&stream.address, output.as_ref()));
                }
                OutputKind::WebSocket(socket) => {
                    results.streams.extend(of_stream(&socket.address, output.as_ref()));
                }
            }
        }
        let asked = |output: &&Output<'_>| job.outputs.iter().any(|spec| spec.id == *output.id);
        for output in outputs.iter().filter(|output| !asked(output)) {
            let uploaded = job.uploaded.contains(output.id);
            let told = Told { names: None, folder: job.folder, uploaded, output: Some(*output) };
            match (output.destination, output.set) {
                (Some(destination), _) => {
                    results.streams.extend(of_stream(&destination.address, Some(output)));
                }
                (None, Some(OutputSet::Segments { .. })) => results.segments.push(told.segments(None)),
                (None, Some(OutputSet::Images { .. })) => results.images.push(told.images("")),
                (None, None) => results.files.push(told.file("")),
            }
        }
        results
    }

    /// The one result of a job that has outputs of one kind alone: older SDKs read only this.
    #[allow(deprecated)]
    pub fn only(&self) -> Option<egress_info::Result> {
        match (
            self.files.as_slice(),
            self.segments.as_slice(),
            self.streams.as_slice(),
            self.images.is_empty(),
        ) {
            ([file], [], [], true) => Some(egress_info::Result::File(file.clone())),
            ([], [set], [], true) => Some(egress_info::Result::Segments(set.clone())),
            ([], [], [_, ..], true) => {
                Some(egress_info::Result::Stream(proto::StreamInfoList { info: self.streams.clone() }))
            }
            _ => None,
        }
    }
}

impl Told<'_> {
    fn started_at(&self) -> i64 {
        self.output.and_then(|output| output.started_at_ns).unwrap_or_default()
    }

    /// Its path, relative to its folder: the one that is written to, else the one that it is going to have.
    fn path(&self, name: impl FnOnce(&FileNames) -> Option<String>) -> String {
        let opened = self.output.and_then(|output| output.path).map(|path| relative(path, self.folder));
        opened.or_else(|| self.names.and_then(name)).unwrap_or_default()
    }

    /// A path as LiveKit has it: one that was asked for with a slash before it has that, too. Of a file that stays on
    /// this computer it is then the whole path.
    fn as_asked(&self, path: String, template: &str) -> String {
        if !template.starts_with('/') || path.is_empty() || path.starts_with('/') {
            path
        } else if self.uploaded {
            format!("/{path}")
        } else {
            self.folder.join(path).display().to_string()
        }
    }

    fn file(self, template: &str) -> FileInfo {
        let filename = self.path(|names| match names {
            FileNames::File { path } => Some(relative(path, self.folder)),
            FileNames::Segments { .. } | FileNames::Images { .. } => None,
        });
        let filename = self.as_asked(filename, template);
        let mut info = FileInfo { filename, started_at: self.started_at(), ..FileInfo::default() };
        if let Some(result) = self.output.and_then(|output| output.result) {
            info.started_at = result.started_at_ns;
            info.ended_at = result.ended_at_ns;
            info.duration = result.duration_ns;
            info.size = i64::try_from(result.size_bytes).unwrap_or(i64::MAX);
            info.location = result.path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        }
        info
    }

    fn segments(self, spec: Option<&SegmentsOutput>) -> SegmentsInfo {
        let names = spec.and_then(|spec| SegmentNames::settled(spec, self.names));
        let set = self.output.and_then(|output| output.set);
        let (live_playlist, count) = match set {
            Some(OutputSet::Segments { live_playlist, count }) => (live_playlist.as_deref(), *count),
            _ => (None, 0),
        };
        let playlist_name =
            self.path(|_| names.as_ref().map(|names| relative(&names.playlist_path(), self.folder)));
        let live_playlist_name = match set {
            Some(_) => live_playlist.map(|path| relative(path, self.folder)),
            None => {
                names.and_then(|names| names.live_playlist_path()).map(|path| relative(&path, self.folder))
            }
        };
        // The playlist lies in the folder of the segments if it is asked for by its bare name.
        let template =
            spec.map_or("", |spec| if spec.playlist.contains('/') { &spec.playlist } else { &spec.prefix });
        let mut info = SegmentsInfo {
            playlist_name: self.as_asked(playlist_name, template),
            live_playlist_name: self.as_asked(live_playlist_name.unwrap_or_default(), template),
            segment_count: i64::try_from(count).unwrap_or(i64::MAX),
            started_at: self.started_at(),
            ..SegmentsInfo::default()
        };
        if let Some(result) = self.output.and_then(|output| output.result) {
            info.started_at = result.started_at_ns;
            info.ended_at = result.ended_at_ns;
            info.duration = result.duration_ns;
            info.size = i64::try_from(result.size_bytes).unwrap_or(i64::MAX);
            if let Some(path) = &result.path {
                info.playlist_location = path.display().to_string();
                info.live_playlist_location =
                    live_playlist.map(|path| path.display().to_string()).unwrap_or_default();
            }
        }
        info
    }

    fn images(self, template: &str) -> ImagesInfo {
        let (filename_prefix, count) = match (self.output.and_then(|output| output.set), self.names) {
            (Some(OutputSet::Images { prefix, count }), _) => (prefix.clone(), *count),
            (_, Some(FileNames::Images { folder, prefix })) => {
                (relative(&folder.join(prefix), self.folder), 0)
            }
            _ => (String::new(), 0),
        };
        let filename_prefix = self.as_asked(filename_prefix, template);
        let (started_at, ended_at) = match self.output.and_then(|output| output.result) {
            Some(result) => (result.started_at_ns, result.ended_at_ns),
            None => (self.started_at(), 0),
        };
        let image_count = i64::try_from(count).unwrap_or(i64::MAX);
        ImagesInfo { filename_prefix, image_count, started_at, ended_at }
    }
}

/// A destination in LiveKit's words: each of its lives is one stream there, and one that is over is never told
/// otherwise. While it is tried again after it was up it is active, without an error.
fn of_stream(address: &str, output: Option<&Output<'_>>) -> Vec<StreamInfo> {
    let lives = output.into_iter().flat_map(|output| output.lives.values());
    let mut told: Vec<StreamInfo> = lives.map(|life| of_life(address, life)).collect();
    if told.is_empty() {
        told.push(StreamInfo { url: address.to_owned(), ..StreamInfo::default() });
    }
    told
}

fn of_life(address: &str, life: &Life) -> StreamInfo {
    use proto::stream_info::Status;
    let (started_at, ended_at) = (life.started_at_ns(), life.ended_at_ns());
    let status = match (life.failure(), ended_at) {
        (Some(_), _) => Status::Failed,
        (None, Some(_)) => Status::Finished,
        (None, None) => Status::Active,
    };
    // One that ends before it was up has begun nowhere but at its end.
    let started_at = started_at.or(ended_at).unwrap_or_default();
    let ended_at = ended_at.unwrap_or_default();
    let (retries, last_retry_at) = life.retries().unwrap_or_default();
    StreamInfo {
        url: address.to_owned(),
        started_at,
        ended_at,
        duration: if ended_at > 0 { (ended_at - started_at).max(0) } else { 0 },
        status: status.into(),
        error: life.failure().map(|(_, error)| in_words(error)).unwrap_or_default(),
        retries,
        last_retry_at,
    }
}
