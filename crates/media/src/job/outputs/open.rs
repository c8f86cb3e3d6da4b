//! An output that is open, and what its disk is like.

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::Fact;
use egress::spec::OutputKind;

use crate::encode::set::{EncodeId, ProgramId};
use crate::job::Facts;
use crate::job::outputs::destinations::Line;
use crate::job::outputs::figures::Rate;
use crate::job::outputs::timeline::Timeline;
use crate::job::takes::{AIR, Takes};
use crate::output::Output;

/// An output so far behind is told of, ns.
const BEHIND_NS: i64 = 5_000_000_000;

/// A disk that takes nothing for so long of what is to be finished is not waited for, ns.
const STUCK_NS: i64 = 30_000_000_000;

#[derive(Debug)]
pub(super) struct Open {
    pub output: Box<dyn Output>,
    pub kind: OutputKind,
    pub takes: Takes,
    /// The program that it takes it of.
    pub program: ProgramId,
    /// The encodes that it takes.
    pub encodes: Vec<EncodeId>,
    /// What it takes is not to be had any more: it is completed, and has failed for this.
    pub broke: Option<ApiError>,
    /// Whether units go in: not while an armed job waits for a picture to begin with.
    pub fed: bool,
    /// When it takes what comes.
    pub timeline: Timeline,
    pub finishing: bool,
    pub rate: Rate,
    pub line: Line,
    /// Since when its thread is gone, while it has not told its end, ns.
    pub gone_since_ns: Option<i64>,
    /// Whether the operator knows that it is behind.
    behind_told: bool,
    /// What it had taken when that changed last, and when, ns.
    progress: Option<(u64, i64)>,
}

impl Open {
    /// An output of this kind. `fed`: whether units go in from now on.
    pub fn new(output: Box<dyn Output>, kind: OutputKind, fed: bool) -> Self {
        Self {
            output,
            takes: Takes::of(&kind),
            program: AIR,
            kind,
            encodes: Vec::new(),
            broke: None,
            fed,
            timeline: Timeline::default(),
            finishing: false,
            rate: Rate::default(),
            line: Line::default(),
            gone_since_ns: None,
            behind_told: false,
            progress: None,
        }
    }

    /// Finishes it, once.
    pub fn finish(&mut self) {
        if !self.finishing {
            self.finishing = true;
            self.output.finish();
        }
    }

    /// Whether it is to be finished, and its disk has taken nothing for too long of what waits for it. Nothing waits
    /// while an index is made, which takes its time.
    pub fn is_stuck(&mut self, now_ns: i64) -> bool {
        let counts = self.output.counts();
        let waits = counts.behind_ns > 0 || matches!(self.kind, OutputKind::Images(_));
        let progress = self.progress.get_or_insert((counts.units, now_ns));
        if !self.finishing || !waits || counts.units != progress.0 {
            *progress = (counts.units, now_ns);
        }
        now_ns - progress.1 > STUCK_NS
    }

    /// Says so when its disk cannot keep up.
    pub fn warn_behind(&mut self, facts: &mut Facts) {
        let behind_ns = self.output.counts().behind_ns;
        if behind_ns >= BEHIND_NS && !std::mem::replace(&mut self.behind_told, true) {
            let warning = ApiError::new(
                ErrorCode::Storage,
                Fault::Destination,
                format!(
                    "{} is slow: the recording on it is {} s behind.",
                    disk_of(&self.kind),
                    behind_ns / 1_000_000_000
                ),
                "Nothing is lost yet. Stop what else writes to that disk, or record to another one.",
            );
            facts.record(Fact::Warning { warning });
        }
        self.behind_told &= behind_ns > 0;
    }
}

/// The disk that an output is written to, in words.
fn disk_of(kind: &OutputKind) -> String {
    let folder = match kind {
        OutputKind::File(file) => &file.folder,
        OutputKind::Segments(set) => &set.folder,
        OutputKind::Images(set) => &set.folder,
        OutputKind::Stream(_) | OutputKind::WebSocket(_) => return "The connection".to_owned(),
    };
    format!("The disk with {}", folder.display())
}

/// A disk has not taken anything for so long that what waits for it has become too much.
pub(super) fn no_answer(kind: &OutputKind) -> ApiError {
    ApiError::new(
        ErrorCode::Storage,
        Fault::Destination,
        format!(
            "{} does not answer any more. The recording on it has ended; everything else goes on.",
            disk_of(kind)
        ),
        "Check that disk and its cable or network. What had been written to it plays.",
    )
}
