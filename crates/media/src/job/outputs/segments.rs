//! Segments of HLS as an output of a job: named, and their folder made.

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{Fact, OutputSet};
use egress::filename::SegmentNames;
use egress::id::OutputId;
use egress::spec::SegmentsOutput;

use crate::job::Recorder;
use crate::job::outputs::file::no_file_in;
use crate::job::outputs::stream::Lanes;
use crate::output::segments::{Segments, SegmentsPlan};
use crate::output::{Output, OutputReport};

/// How many names are tried.
const MAX_NAMES: u32 = 10_000;

/// Makes the folder of a set of segments and starts to write it.
///
/// # Errors
/// If nothing can be written there, or there is neither picture nor sound.
pub(super) fn open(
    id: &OutputId,
    spec: &SegmentsOutput,
    wanted: SegmentNames,
    lanes: Lanes,
    facts: &Recorder,
    report: impl Fn(OutputReport) + Send + 'static,
) -> Result<Box<dyn Output>, ApiError> {
    if !lanes.video && !lanes.audio {
        return Err(ApiError::new(
            ErrorCode::Unsupported,
            Fault::Input,
            "There is neither picture nor sound to make segments of.",
            "Choose something that has one.",
        ));
    }
    let free = (1..MAX_NAMES).map(|n| wanted.numbered(n)).find(|names| !names.taken(&spec.folder));
    let plan = SegmentsPlan {
        id: id.clone(),
        folder: spec.folder.clone(),
        names: free.unwrap_or(wanted),
        kind: spec.kind,
        duration_ms: spec.duration_ms,
        video: lanes.video,
        audio: lanes.audio,
    };
    // What it is comes first: a path alone would be a file's.
    let set = OutputSet::Segments { live_playlist: plan.live_playlist(), count: 0 };
    facts.record(Fact::Set { output: id.clone(), set });
    facts.record_first(Fact::OutputOpening { output: id.clone(), path: plan.playlist() });
    let folder = spec.folder.join(&plan.names.folder).join(&plan.names.below);
    std::fs::create_dir_all(&folder).map_err(|cause| no_file_in(&folder, &cause))?;
    Ok(Box::new(Segments::start(plan, report)))
}
