//! What feeds a job: the tracks of a room, or a page. It fills the job's lanes, says what is known of the
//! source, and when that is over; everything else of a job is the same for both ([`crate::job::engine`]).

pub mod page;
pub mod tracks;

use std::collections::HashSet;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::EndReason;
use egress::wire::ToJob;
use room::event::StreamId;
use room::session::RoomStats;

use crate::job::Facts;
use crate::job::core::Core;
use crate::job::link::Link;
use crate::job::media::FromMedia;
use crate::job::shape::Known;

/// What feeds a job.
pub trait Feed {
    /// What happens at the source.
    type Event;
    /// Whether it starts processes of its own, which count as the job's.
    const STARTS_PROCESSES: bool;

    /// Takes what happens. Some: the job ends for this reason.
    fn on_event(
        &mut self,
        event: Self::Event,
        core: &mut Core,
        now_ns: i64,
        facts: &mut Facts,
    ) -> Option<EndReason>;

    /// Takes what comes of its own media.
    fn on_media(&mut self, message: FromMedia, core: &mut Core, now_ns: i64, facts: &mut Facts);

    /// Takes a command that is for the source alone, and answers it.
    fn on_command(&mut self, command: ToJob, core: &mut Core, now_ns: i64, facts: &mut Facts, link: &Link);

    /// Lets time pass. Some: the job ends for this reason.
    fn tick(&mut self, core: &mut Core, now_ns: i64, facts: &mut Facts) -> Option<EndReason>;

    /// What is known of the source; none while a file cannot begin.
    fn known(&self, core: &Core, now_ns: i64) -> Option<Known>;

    /// Whether files that are to have pictures wait for the first: else they begin with their first sound.
    fn awaits_picture(&self, core: &Core, now_ns: i64) -> bool {
        let _ = (core, now_ns);
        true
    }

    /// Lets outputs begin that wait for a whole picture.
    fn begin(&mut self, core: &mut Core, now_ns: i64);

    /// Whether all of the source is muted.
    fn muted(&self) -> bool;

    /// Whether it has a picture now.
    fn picture_on(&self) -> bool;

    /// When the source went away; none while it is there.
    fn away_since_ns(&self) -> Option<i64>;

    /// Nothing more is wanted: what waits outside comes in now or never.
    fn flush(&self);

    /// Lets out what is inside, up to `end_ns`. Returned are the streams that tell when they are out.
    fn drain(&mut self, core: &mut Core, end_ns: i64) -> HashSet<StreamId>;

    /// The job and what it has started use so much memory, bytes.
    fn uses(&mut self, memory_bytes: u64, core: &mut Core, now_ns: i64, facts: &mut Facts);

    /// Why nothing came of outputs, where the feed knows more of it than that the job ended for `reason`.
    fn never_began(&self, reason: EndReason) -> Option<ApiError> {
        let _ = reason;
        None
    }

    /// Losses and rates.
    fn stats(&self) -> RoomStats;
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
