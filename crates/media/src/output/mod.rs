//! Units go out: into files that are playable at every moment, and to servers.

pub(crate) mod backlog;
pub mod container;
mod course;
pub mod disk;
pub mod file;
pub mod images;
pub mod mp3;
pub mod mp4;
pub mod mux;
pub mod ogg;
pub mod repair;
pub mod segments;
pub mod still;
pub mod stream;
pub mod webm;
pub mod websocket;
pub(crate) mod worker;

use std::path::PathBuf;
use std::sync::Arc;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{DestinationFigures, DestinationResult, DestinationState, FileResult, OutputSet};
use egress::id::OutputId;
use gstreamer as gst;

use crate::unit::Unit;

/// One output of a job. Each has a queue of its own, with its own rule for when it is full, and a thread of its own
/// behind it: nothing here waits, so that no output can hold up another.
///
/// An output reports what becomes of it ([`OutputReport`]); the last report is [`OutputReport::Ended`].
pub trait Output: std::fmt::Debug + Send {
    /// Hands over a unit.
    fn push(&mut self, unit: &Unit);

    /// Hands over a picture or sound of the program as it is before any encoder.
    fn push_raw(&mut self, raw: &Raw) {
        let _ = raw;
    }

    /// All sound of the source is muted, or not.
    fn muted(&mut self, muted: bool) {
        let _ = muted;
    }

    /// Whether to wait for a first picture; a file as published that need not begins with its first sound.
    fn await_picture(&mut self, awaited: bool) {
        let _ = awaited;
    }

    /// Nothing more comes: what has come is completed. [`OutputReport::Ended`] follows.
    fn finish(&mut self);

    /// What there is of an output that does not end in time.
    fn abandoned(&mut self) -> Ended;

    /// Whether the thread behind it works. It ends after its last report, or by a defect of ours.
    fn is_running(&self) -> bool;

    /// Whether more waits for it than may: it has missed something, and is to be given up.
    fn is_overrun(&self) -> bool {
        false
    }

    /// What it has taken so far.
    fn counts(&self) -> Counts;

    /// Bytes that it may still grow by; none where nothing sets a limit.
    fn room_bytes(&self) -> Option<u64> {
        None
    }

    /// How its connection is; none for what is written to a disk.
    fn destination(&mut self) -> Option<DestinationFigures> {
        None
    }

    /// Whether it goes to this very address.
    fn goes_to(&self, url: &str) -> bool {
        let _ = url;
        false
    }

    /// Tries again what was refused or waits for its next try.
    ///
    /// # Errors
    /// If there is nothing to try again.
    fn retry(&mut self) -> Result<(), ApiError> {
        Err(ApiError::new(
            ErrorCode::FailedPrecondition,
            Fault::Input,
            "This output is not a destination that could be tried again.",
            "Choose one that is refused or reconnecting.",
        ))
    }
}

/// A step of the program before any encoder.
#[derive(Debug, Clone)]
pub enum Raw {
    /// A picture in I420, of the program's size.
    Picture {
        /// Time, unix, ns.
        time_ns: i64,
        /// The pixels, which all who take it share.
        frame: gst::Buffer,
    },
    /// 20 ms of sound: interleaved stereo at 48 kHz.
    Sound {
        /// Time of the first sample, unix, ns.
        time_ns: i64,
        /// The samples.
        stereo: Arc<[f32]>,
    },
}

/// What an output has taken so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Start of the first media, unix, ns; 0 before.
    pub started_ns: i64,
    /// End of the last media, unix, ns.
    pub ended_ns: i64,
    /// Bytes on disk, or sent.
    pub size_bytes: u64,
    /// Pictures.
    pub pictures: u64,
    /// Pictures and packets of sound.
    pub units: u64,
    /// Pictures that were left out because it could not keep up.
    pub dropped: u64,
    /// How far it is behind what it was given, ns.
    pub behind_ns: i64,
}

/// What an output reports, from its own thread.
#[derive(Debug)]
pub enum OutputReport {
    /// The first media is in it.
    Active {
        /// Which output.
        output: OutputId,
        /// Time of that media, unix, ns.
        started_at_ns: i64,
    },
    /// A destination is in another state.
    Destination {
        /// Which output.
        output: OutputId,
        /// What it is now; not its last.
        state: DestinationState,
        /// Which of its lives this is about.
        life: u32,
        /// When the try began that this is about, unix, ns; 0: none has.
        tried_at_ns: i64,
    },
    /// Something that the operator should know; it goes on.
    Warning(ApiError),
    /// It is ready, and would begin with the next keyframe.
    WantsKeyframe {
        /// Which output.
        output: OutputId,
    },
    /// It cuts what it gets into pieces, at keyframes, and one begins.
    Begins {
        /// Which output.
        output: OutputId,
        /// When the piece begins, unix, ns.
        from_ns: i64,
        /// How long each is to be, ns.
        every_ns: i64,
    },
    /// It is over.
    Ended {
        /// Which output.
        output: OutputId,
        /// What came of it.
        ended: Ended,
    },
}

/// What came of an output.
#[derive(Debug, Clone)]
pub enum Ended {
    /// A file.
    File(FileResult),
    /// A destination, in the last of its states.
    Destination(DestinationState),
    /// Many files.
    Set(SetResult),
}

/// What came of an output of many files.
#[derive(Debug, Clone)]
pub struct SetResult {
    /// All together.
    pub result: FileResult,
    /// What they are.
    pub set: OutputSet,
    /// Each, with the time of its first media, unix, ns; in order.
    pub files: Vec<(PathBuf, i64)>,
    /// What players need besides, to read them.
    pub needed: Vec<PathBuf>,
}

impl Ended {
    /// Whether anything came of it.
    pub fn wrote(&self) -> bool {
        match self {
            Self::File(result) => result.path.is_some(),
            Self::Set(set) => set.result.started_at_ns != 0,
            Self::Destination(
                DestinationState::Stopped { result } | DestinationState::Failed { result, .. },
            ) => result.started_at_ns != 0,
            Self::Destination(_) => false,
        }
    }

    /// The same, ended by an error.
    pub(crate) fn broken_by(mut self, error: ApiError) -> Self {
        match &mut self {
            Self::File(result) => result.error = Some(error),
            Self::Set(set) => set.result.error = Some(error),
            Self::Destination(state) => {
                let result = match state {
                    DestinationState::Stopped { result } | DestinationState::Failed { result, .. } => {
                        std::mem::take(result)
                    }
                    _ => DestinationResult::default(),
                };
                *state = DestinationState::Failed { error, result };
            }
        }
        self
    }

    /// Why it failed.
    pub fn error(&self) -> Option<&ApiError> {
        match self {
            Self::File(result) => result.error.as_ref(),
            Self::Set(set) => set.result.error.as_ref(),
            Self::Destination(state) => state.error(),
        }
    }
}
