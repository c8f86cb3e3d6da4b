//! What a job's files are called and hold.

use std::path::Path;

use egress::container;
use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{Fact, FileResult, OutputSet, TrackFacts};
use egress::filename::{NameFacts, resolve};
use egress::id::{EgressId, OutputId};
use egress::manifest::{Manifest, ManifestFacts, manifest, manifest_path};
use egress::names::{FileNames, LaunchNames};
use egress::spec::{Container, FileOutput, Source, Treatment};
use parking_lot::Mutex;
use room::event::Codec;

use crate::compose::decode::audio_caps;
use crate::job::Recorder;
use crate::job::outputs::file::Shape;
use crate::output::SetResult;
use crate::output::worker::Worker;

/// What of a source names and containers are made of.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The tracks that are taken.
    pub tracks: Vec<TrackFacts>,
    /// Whether there are pictures and sound, or may be later.
    pub has: (bool, bool),
    /// Codec as published of the picture; none where it is not there yet.
    pub picture: Option<String>,
    /// The same of the sound.
    pub sound: Option<String>,
    /// Whether these are as far known as a file has to know that holds them as they are.
    pub settled: bool,
}

/// What names are made of, apart from the tracks.
#[derive(Debug, Clone)]
pub struct NameContext {
    /// The job.
    pub egress_id: EgressId,
    /// The room's name.
    pub room_name: String,
    /// The room's id; empty until joined.
    pub room_id: String,
    /// How often its request was tried before.
    pub retry: u32,
    /// What was asked for.
    pub asked: Source,
    /// What its outputs were called at its launch.
    pub launch: LaunchNames,
}

/// The shape of a file of a job whose source is known.
///
/// # Errors
/// If no container, or not the one that was asked for, carries the codecs.
pub fn shape(
    output: &OutputId,
    file: &FileOutput,
    treatment: &Treatment,
    names: &NameContext,
    known: &Known,
    now_ns: i64,
) -> Result<Shape, ApiError> {
    let treatment = file.treatment(treatment);
    let received: Vec<&str> = known.picture.iter().chain(&known.sound).map(String::as_str).collect();
    let passes = treatment == &Treatment::Passthrough;
    // MP4 takes every picture, whatever it will be.
    let open = (passes && known.has.0 && known.picture.is_none()).then_some(Container::Mp4);
    let container = container::choose(file.container.or(open), treatment, &received)?;
    let (video, sound) = match treatment {
        Treatment::Passthrough => (known.has.0 && takes_pictures(container), known.has.1),
        Treatment::Encode { video, audio } => (video.is_some(), audio.is_some()),
    };
    // Opus is the same for everybody, also where it takes the place of G.711; an encoder tells its own.
    let audio = sound.then(|| passes.then(|| audio_caps(Codec::Opus)));
    let name = match names.launch.settled(output) {
        Some(FileNames::File { path }) => path.clone(),
        _ => resolve(&file.name, container, &names.name_facts(known, now_ns)),
    };
    Ok(Shape { container, name, video, audio })
}

fn takes_pictures(container: Container) -> bool {
    matches!(container, Container::Mp4 | Container::Webm)
}

impl NameContext {
    /// What names are made of, of a job whose source is known. One that was launched with names for its outputs has
    /// been told of their time.
    pub fn name_facts(&self, known: &Known, now_ns: i64) -> NameFacts {
        let zone = jiff::tz::TimeZone::system();
        let now_ns = if self.launch.at_ns > 0 { self.launch.at_ns } else { now_ns };
        let (id, room_name, room_id) = (&self.egress_id, &self.room_name, &self.room_id);
        let facts = NameFacts::of(id, room_name, room_id, &self.asked, &known.tracks, now_ns, zone);
        NameFacts { retry: self.retry, ..facts }
    }

    /// Writes the manifest of an output that has ended, beside it, in a thread: it is there when that has ended.
    pub(crate) fn write_manifest(
        &self,
        folder: &Path,
        result: &FileResult,
        set: Option<&SetResult>,
        tracks: &[TrackFacts],
        facts: Recorder,
    ) -> Option<Worker> {
        let file = result.path.as_ref()?;
        let about = ManifestFacts {
            egress_id: &self.egress_id,
            room_id: &self.room_id,
            room_name: &self.room_name,
            source: &self.asked,
            tracks,
            folder,
            file: result,
        };
        let mut manifest = manifest(&about);
        if let Some(set) = set {
            manifest.hold_set(&set.set, result, &set.files, &set.needed, folder);
        }
        // The path of images is their folder.
        let images = matches!(set, Some(SetResult { set: OutputSet::Images { .. }, .. }));
        let path = manifest_path(&if images { file.join("images") } else { file.clone() }, &self.egress_id);
        Some(Worker::start("manifest", move || write(manifest, &path, &facts)))
    }
}

fn write(mut manifest: Manifest, path: &Path, facts: &Recorder) {
    // Of several outputs in one folder one manifest tells.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock();
    let known = std::fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok());
    manifest.join(known);
    let written = serde_json::to_vec_pretty(&manifest)
        .map_err(std::io::Error::from)
        .and_then(|text| std::fs::write(path, text));
    if let Err(cause) = written {
        let warning = ApiError::new(
            ErrorCode::Storage,
            Fault::Destination,
            "The manifest beside the recording could not be written. The recording itself is whole.",
            "Check that the disk has room.",
        )
        .with_detail(cause);
        facts.record(Fact::Warning { warning });
    }
}
