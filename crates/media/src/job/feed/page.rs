//! A web page as the feed of a job.

mod reported;
mod show;
mod tries;
mod words;

use std::collections::HashSet;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{ConnectionState, EndReason, Fact, PageState};
use egress::id::TrackId;
use egress::wire::{LayoutChange, PROGRAM, ToJob};
use room::event::StreamId;
use room::session::RoomStats;
use tokio::sync::mpsc::UnboundedSender;

pub use show::{Show, run};

use crate::compose::decode::Decoded;
use crate::compose::mix::Sides;
use crate::job::Facts;
use crate::job::core::Core;
use crate::job::feed::{Feed, evicted};
use crate::job::link::Link;
use crate::job::media::FromMedia;
use crate::job::shape::Known;
use crate::source::page::Captured;

/// A page is one source of pictures and one of sound.
const PICTURES: StreamId = StreamId(0);
const SOUND: StreamId = StreamId(1);

/// What a page and everything that shows it may use, bytes. Four people at 720p take some 1.2 GB.
const MOST_MEMORY_BYTES: u64 = 5 << 30;

/// What the task that shows a page says of it.
#[derive(Debug)]
pub enum PageNews {
    /// It has come this far.
    State(PageState),
    /// It is over.
    Over {
        /// Its room has ended; otherwise the page said so.
        room: bool,
    },
    /// Another participant has taken its place in the room.
    Evicted,
    /// Something went wrong, and it is tried again.
    Trouble(ApiError),
    /// It is given up.
    Failed(ApiError),
    /// A layout was changed to.
    Layout {
        /// Answered with this number; none where it was not asked for here.
        request: Option<u64>,
        /// Why not.
        outcome: Result<String, ApiError>,
    },
}

/// What the task that shows a page is told.
#[derive(Debug)]
pub enum PageCommand {
    /// Show this layout.
    Layout(u64, LayoutChange),
    /// Begin without the start signal.
    Start,
    /// Load the page again.
    Reload,
    /// It uses more memory than a page may.
    TooLarge,
    /// Nothing more is wanted.
    Close,
}

/// A page.
pub struct PageFeed {
    commands: UnboundedSender<PageCommand>,
    state: PageState,
    /// Whether it was ever on.
    began: bool,
    pictures: bool,
    /// Whether it is on only when it says so.
    awaits_signal: bool,
    over_ns: Option<i64>,
    /// Whether its room has ended.
    room_over: bool,
    too_large: bool,
    /// The end of what is still wanted, and the lanes that have not come that far.
    draining: Option<(i64, HashSet<StreamId>)>,
}

impl PageFeed {
    /// A page that is being shown by [`run`]. `pictures`: whether they are taken; `awaits_signal`: whether it is on only
    /// when it says so.
    pub fn new(commands: UnboundedSender<PageCommand>, pictures: bool, awaits_signal: bool) -> Self {
        Self {
            commands,
            state: PageState::Starting,
            began: false,
            pictures,
            awaits_signal,
            over_ns: None,
            room_over: false,
            too_large: false,
            draining: None,
        }
    }

    fn on_state(&mut self, state: PageState, core: &mut Core, facts: &mut Facts) {
        if std::mem::replace(&mut self.state, state) == state {
            return;
        }
        facts.record(Fact::Page { state });
        match state {
            PageState::On => {
                if !std::mem::replace(&mut self.began, true) && !core.names.room_id.is_empty() {
                    facts.record(Fact::RoomJoined { room_sid: core.names.room_id.clone() });
                }
                facts.record(Fact::Connection { state: ConnectionState::Connected });
            }
            PageState::Reloading => {
                core.lanes.sound_off(SOUND.0);
                facts.record(Fact::Connection { state: ConnectionState::Reconnecting });
            }
            PageState::Starting | PageState::Loading | PageState::Waiting => {}
        }
    }

    /// Whether what is captured belongs to the program.
    fn on(&self) -> bool {
        self.state == PageState::On
    }

    fn on_captured(&mut self, captured: Captured, core: &mut Core, now_ns: i64) {
        let (stream, time_ns, decoded) = match captured {
            Captured::Picture { time_ns, frame } => {
                core.preview.push(time_ns, &frame);
                (PICTURES, time_ns, Decoded::Picture { time_ns, frame })
            }
            Captured::Sound { time_ns, stereo } => (SOUND, time_ns, Decoded::Sound { time_ns, stereo }),
            // Taken by the task that shows the page.
            Captured::Failed(_) => return,
        };
        core.levels.decoded(&TrackId::from(PROGRAM), &decoded);
        if self.on() {
            // Nothing here can fail: it is raw.
            let _ = core.lanes.decoded(stream, decoded, true, Sides::BOTH, now_ns);
        }
        if let Some((end_ns, pending)) = &mut self.draining
            && time_ns >= *end_ns
            && pending.remove(&stream)
        {
            core.stage.drained(stream);
            if pending.is_empty() {
                let _ = self.commands.send(PageCommand::Close);
            }
        }
    }
}

impl Feed for PageFeed {
    type Event = PageNews;
    const STARTS_PROCESSES: bool = true;

    fn on_event(
        &mut self,
        event: PageNews,
        core: &mut Core,
        now_ns: i64,
        facts: &mut Facts,
    ) -> Option<EndReason> {
        match event {
            PageNews::State(state) => self.on_state(state, core, facts),
            PageNews::Over { room } => {
                self.over_ns = Some(now_ns);
                self.room_over = room;
                return Some(EndReason::SourceClosed);
            }
            PageNews::Evicted => {
                core.stage.fail(evicted());
                self.over_ns = Some(now_ns);
                return Some(EndReason::DuplicateIdentity);
            }
            PageNews::Trouble(warning) => facts.record(Fact::Warning { warning }),
            PageNews::Failed(error) => core.stage.fail(error),
            PageNews::Layout { request, outcome } => {
                let error = match outcome {
                    Ok(layout) => {
                        facts.record(Fact::Layout { layout });
                        None
                    }
                    Err(error) => Some(error),
                };
                core.answers.extend(request.map(|request| (request, error)));
            }
        }
        None
    }

    fn on_media(&mut self, message: FromMedia, core: &mut Core, now_ns: i64, _facts: &mut Facts) {
        if let FromMedia::Captured(captured) = message {
            self.on_captured(captured, core, now_ns);
        }
    }

    fn on_command(&mut self, command: ToJob, core: &mut Core, _now_ns: i64, facts: &mut Facts, link: &Link) {
        match command {
            ToJob::UpdateLayout { request, layout } => {
                let _ = self.commands.send(PageCommand::Layout(request, layout));
            }
            ToJob::StartAnyway { request } if self.state == PageState::Waiting => {
                self.on_state(PageState::On, core, facts);
                let _ = self.commands.send(PageCommand::Start);
                link.reply(request, None);
            }
            ToJob::StartAnyway { request } => {
                let error = ApiError::new(
                    ErrorCode::FailedPrecondition,
                    Fault::Input,
                    "This page is not waiting for its start signal.",
                    "Wait until it has loaded, or press Record if it is on.",
                );
                link.reply(request, Some(error));
            }
            ToJob::Reload { request } => {
                let _ = self.commands.send(PageCommand::Reload);
                link.reply(request, None);
            }
            _ => {}
        }
    }

    fn tick(&mut self, _core: &mut Core, _now_ns: i64, _facts: &mut Facts) -> Option<EndReason> {
        None
    }

    fn known(&self, _core: &Core, _now_ns: i64) -> Option<Known> {
        self.began.then(Known::default)
    }

    fn begin(&mut self, _core: &mut Core, _now_ns: i64) {}

    fn muted(&self) -> bool {
        false
    }

    fn picture_on(&self) -> bool {
        self.pictures
    }

    fn away_since_ns(&self) -> Option<i64> {
        self.over_ns
    }

    fn flush(&self) {}

    fn drain(&mut self, core: &mut Core, end_ns: i64) -> HashSet<StreamId> {
        let mut pending = HashSet::new();
        if self.on() {
            if self.pictures {
                pending.insert(PICTURES);
            }
            if core.lanes.has_sound() {
                pending.insert(SOUND);
            }
        }
        self.draining = Some((end_ns, pending.clone()));
        pending
    }

    fn never_began(&self, reason: EndReason) -> Option<ApiError> {
        let loaded = self.state == PageState::Waiting;
        (self.awaits_signal && !self.began).then(|| words::no_start(reason, loaded, self.room_over))
    }

    fn uses(&mut self, memory_bytes: u64, _core: &mut Core, _now_ns: i64, _facts: &mut Facts) {
        // Told once: the page that comes after this one is measured anew when this one is gone.
        if memory_bytes > MOST_MEMORY_BYTES && self.state != PageState::Reloading && !self.too_large {
            self.too_large = true;
            let _ = self.commands.send(PageCommand::TooLarge);
        }
        self.too_large &= memory_bytes > MOST_MEMORY_BYTES;
    }

    fn stats(&self) -> RoomStats {
        RoomStats::default()
    }
}
