//! Where a job's media comes from: a room, or a page. A source gives what it has ([`SourceEvent`]) and is told what is
//! wanted of it ([`Wants`]); it knows neither programs nor outputs. What becomes of its media is routed by
//! [`crate::job::core`].

pub mod decoders;
pub mod first_picture;
pub mod full_size;
pub mod health;
pub mod ingest;
pub mod memory;
pub mod page;
pub mod tracks;
pub mod watch;

use std::collections::HashSet;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{EndReason, Fact, TrackFacts};
use egress::id::TrackId;
use egress::roster::TrackKind;
use egress::wire::ToJob;
use gstreamer as gst;
use room::event::StreamId;
use room::session::RoomStats;

use crate::compose::mix::Sides;
use crate::job::media::FromMedia;
use crate::job::shape::Known;
use crate::unit::Unit;

/// What a source gives.
#[derive(Debug)]
pub enum SourceEvent {
    /// A unit as it was published.
    Coded(Unit),
    /// A picture, decoded, as large as it is wanted.
    Picture {
        /// When it was taken, unix, ns.
        time_ns: i64,
        /// The picture, I420.
        frame: gst::Buffer,
        /// Whether it is for programs, and not only to be looked at.
        on: bool,
    },
    /// Sound, decoded.
    Sound {
        /// Whose it is.
        stream: StreamId,
        /// The meter it is shown at.
        track: TrackId,
        /// The sides it is mixed to.
        sides: Sides,
        /// Time of the first sample, unix, ns.
        time_ns: i64,
        /// The samples: interleaved stereo at 48 kHz.
        stereo: Vec<f32>,
        /// Whether it is for programs, and not only to be metered.
        on: bool,
    },
    /// A stream of sound is muted or has ended: what has come of it is all there is for now.
    Quiet(StreamId),
    /// A stream has come out whole, and no other of its track is there: `track`.
    Gone {
        /// Which.
        stream: StreamId,
        /// Its track, where nothing else comes of it.
        track: Option<TrackId>,
    },
    /// After [`Source::drain`]: a stream has come out whole.
    Drained(StreamId),
    /// So many pictures were held back because they could not be decoded.
    Held(u64),
    /// The source went away at this moment, ns, perhaps for no longer than it takes to join again.
    Away(i64),
    /// It is back.
    Back,
    /// The room's id.
    RoomId(String),
    /// A track is taken.
    Track(TrackFacts),
    /// There is this kind of media and no other.
    Only(TrackKind),
    /// Its sound cannot go into files as it is published.
    SoundUnfit,
    /// What is published has become something that files which hold it as it is cannot go on with.
    Unlike(ApiError),
    /// For the log.
    Fact(Fact),
    /// A command is done, or why it is not.
    Answer(u64, Option<ApiError>),
    /// It is broken, and the job with it.
    Failed(ApiError),
    /// It is over, and the job with it.
    Over(EndReason),
}

/// What is wanted of a source. It follows from programs and outputs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wants {
    /// Pictures as published.
    pub coded_pictures: bool,
    /// Sound as published.
    pub coded_sound: bool,
    /// Pictures, decoded and fitted into this width and height, pixels.
    pub pictures: Option<(u32, u32)>,
    /// Sound, decoded whole. Without it is decoded as far as its meter needs.
    pub sound: bool,
    /// An output waits for its first media.
    pub first_media: bool,
    /// Nothing more: the job ends.
    pub ending: bool,
}

/// A camera, or whatever else the picture is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Camera {
    /// None is wanted.
    #[default]
    None,
    /// It may be published yet.
    Unpublished,
    /// It is published, and off.
    Muted,
    /// It is on.
    On,
}

/// What is published of what is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Published {
    /// The picture.
    pub camera: Camera,
    /// Whether it is a shared screen.
    pub shared_screen: bool,
    /// Whether there is sound.
    pub sound: bool,
    /// Whether all sound is muted, if there is any.
    pub sound_muted: bool,
    /// Whether something is published, all of it muted.
    pub all_muted: bool,
    /// Whether the source is there from the start and may be dark and silent, as a page is.
    pub starts_empty: bool,
}

/// A source.
pub trait Source {
    /// What happens there.
    type Event;
    /// Whether it starts processes of its own, which count as the job's.
    const STARTS_PROCESSES: bool;

    /// Takes what happens.
    fn on_event(&mut self, event: Self::Event, now_ns: i64, emit: &mut Vec<SourceEvent>);

    /// Takes what comes of its own media.
    fn on_media(&mut self, message: FromMedia, now_ns: i64, emit: &mut Vec<SourceEvent>);

    /// Takes a command that is for the source alone, and answers it.
    fn on_command(&mut self, command: ToJob, emit: &mut Vec<SourceEvent>);

    /// Lets time pass.
    fn tick(&mut self, now_ns: i64, emit: &mut Vec<SourceEvent>);

    /// From now on this is wanted.
    fn want(&mut self, wants: Wants);

    /// What is published of what is wanted.
    fn published(&self) -> Published;

    /// What is known of it; none while a file cannot begin. `attached_ns`: when outputs were attached last.
    fn known(&self, attached_ns: i64, now_ns: i64) -> Option<Known>;

    /// Whether files that are to have pictures wait for the first: else they begin with their first sound.
    fn awaits_picture(&self, attached_ns: i64, now_ns: i64) -> bool {
        let _ = (attached_ns, now_ns);
        true
    }

    /// A whole picture is wanted as published.
    fn request_keyframe(&self) {}

    /// When it went away; none while it is there.
    fn away_since_ns(&self) -> Option<i64>;

    /// Nothing more is wanted: what waits outside comes in now or never.
    fn flush(&self) {}

    /// Lets out what is inside, up to `end_ns`. Returned are the streams that tell when they are out.
    fn drain(&mut self, end_ns: i64) -> HashSet<StreamId>;

    /// The job and what it has started use so much memory, bytes.
    fn uses(&mut self, memory_bytes: u64, now_ns: i64, emit: &mut Vec<SourceEvent>);

    /// Why nothing came of outputs, where the source knows more of it than that the job ended for `reason`.
    fn never_began(&self, reason: EndReason) -> Option<ApiError> {
        let _ = reason;
        None
    }

    /// Losses and rates.
    fn stats(&self) -> RoomStats {
        RoomStats::default()
    }
}

/// Another participant joined under the job's own identity, and the server removed the job for it.
fn evicted() -> ApiError {
    ApiError::new(
        ErrorCode::AlreadyExists,
        Fault::Server,
        "Another recorder joined the room under the same identity and took this one's place.",
        "The other one records on. What was recorded here until then stays on this computer and is not uploaded.",
    )
    .with_detail("duplicate identity")
}
