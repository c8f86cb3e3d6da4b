//! A web page as the source of a job.

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
use tokio::sync::mpsc::UnboundedSender;

pub use show::{Show, run};

use crate::compose::mix::Sides;
use crate::job::media::FromMedia;
use crate::job::shape::Known;
use crate::job::source::{Camera, Published, Source, SourceEvent, Wants, evicted};
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
pub struct Page {
    commands: UnboundedSender<PageCommand>,
    state: PageState,
    /// The room that it belongs to, if that is known.
    room_sid: String,
    /// Whether it was ever on.
    began: bool,
    pictures: bool,
    sound: bool,
    /// Whether it is on only when it says so.
    awaits_signal: bool,
    over_ns: Option<i64>,
    /// Whether its room has ended.
    room_over: bool,
    too_large: bool,
    /// The end of what is still wanted, and the lanes that have not come that far.
    draining: Option<(i64, HashSet<StreamId>)>,
}

impl Page {
    /// A page that is being shown by [`run`]. `pictures`, `sound`: whether they are taken; `awaits_signal`: whether it is
    /// on only when it says so.
    pub fn new(
        commands: UnboundedSender<PageCommand>,
        room_sid: String,
        (pictures, sound): (bool, bool),
        awaits_signal: bool,
    ) -> Self {
        Self {
            commands,
            state: PageState::Starting,
            room_sid,
            began: false,
            pictures,
            sound,
            awaits_signal,
            over_ns: None,
            room_over: false,
            too_large: false,
            draining: None,
        }
    }

    fn on_state(&mut self, state: PageState, emit: &mut Vec<SourceEvent>) {
        if std::mem::replace(&mut self.state, state) == state {
            return;
        }
        emit.push(SourceEvent::Fact(Fact::Page { state }));
        match state {
            PageState::On => {
                if !std::mem::replace(&mut self.began, true) && !self.room_sid.is_empty() {
                    let room_sid = self.room_sid.clone();
                    emit.push(SourceEvent::Fact(Fact::RoomJoined { room_sid }));
                }
                emit.push(SourceEvent::Fact(Fact::Connection { state: ConnectionState::Connected }));
            }
            PageState::Reloading => {
                emit.push(SourceEvent::Quiet(SOUND));
                emit.push(SourceEvent::Fact(Fact::Connection { state: ConnectionState::Reconnecting }));
            }
            PageState::Starting | PageState::Loading | PageState::Waiting => {}
        }
    }

    /// Whether what is captured belongs to programs.
    fn on(&self) -> bool {
        self.state == PageState::On
    }

    fn on_captured(&mut self, captured: Captured, emit: &mut Vec<SourceEvent>) {
        let on = self.on();
        let (stream, time_ns) = match captured {
            Captured::Picture { time_ns, frame } => {
                emit.push(SourceEvent::Picture { time_ns, frame, on });
                (PICTURES, time_ns)
            }
            Captured::Sound { time_ns, stereo } => {
                let track = TrackId::from(PROGRAM);
                emit.push(SourceEvent::Sound {
                    stream: SOUND,
                    track,
                    sides: Sides::BOTH,
                    time_ns,
                    stereo,
                    on,
                });
                (SOUND, time_ns)
            }
            // Taken by the task that shows the page.
            Captured::Failed(_) => return,
        };
        if let Some((end_ns, pending)) = &mut self.draining
            && time_ns >= *end_ns
            && pending.remove(&stream)
        {
            emit.push(SourceEvent::Drained(stream));
            if pending.is_empty() {
                let _ = self.commands.send(PageCommand::Close);
            }
        }
    }
}

impl Source for Page {
    type Event = PageNews;
    const STARTS_PROCESSES: bool = true;

    fn on_event(&mut self, event: PageNews, now_ns: i64, emit: &mut Vec<SourceEvent>) {
        match event {
            PageNews::State(state) => self.on_state(state, emit),
            PageNews::Over { room } => {
                self.over_ns = Some(now_ns);
                self.room_over = room;
                emit.push(SourceEvent::Over(EndReason::SourceClosed));
            }
            PageNews::Evicted => {
                self.over_ns = Some(now_ns);
                emit.push(SourceEvent::Failed(evicted()));
                emit.push(SourceEvent::Over(EndReason::DuplicateIdentity));
            }
            PageNews::Trouble(warning) => emit.push(SourceEvent::Fact(Fact::Warning { warning })),
            PageNews::Failed(error) => emit.push(SourceEvent::Failed(error)),
            PageNews::Layout { request, outcome } => {
                let error = match outcome {
                    Ok(layout) => {
                        emit.push(SourceEvent::Fact(Fact::Layout { layout }));
                        None
                    }
                    Err(error) => Some(error),
                };
                emit.extend(request.map(|request| SourceEvent::Answer(request, error)));
            }
        }
    }

    fn on_media(&mut self, message: FromMedia, _now_ns: i64, emit: &mut Vec<SourceEvent>) {
        if let FromMedia::Captured(captured) = message {
            self.on_captured(captured, emit);
        }
    }

    fn on_command(&mut self, command: ToJob, emit: &mut Vec<SourceEvent>) {
        match command {
            ToJob::UpdateLayout { request, layout } => {
                let _ = self.commands.send(PageCommand::Layout(request, layout));
            }
            ToJob::StartAnyway { request } if self.state == PageState::Waiting => {
                self.on_state(PageState::On, emit);
                let _ = self.commands.send(PageCommand::Start);
                emit.push(SourceEvent::Answer(request, None));
            }
            ToJob::StartAnyway { request } => {
                let error = ApiError::new(
                    ErrorCode::FailedPrecondition,
                    Fault::Input,
                    "This page is not waiting for its start signal.",
                    "Wait until it has loaded, or press Record if it is on.",
                );
                emit.push(SourceEvent::Answer(request, Some(error)));
            }
            ToJob::Reload { request } => {
                let _ = self.commands.send(PageCommand::Reload);
                emit.push(SourceEvent::Answer(request, None));
            }
            _ => {}
        }
    }

    fn tick(&mut self, _now_ns: i64, _emit: &mut Vec<SourceEvent>) {}

    fn want(&mut self, _wants: Wants) {}

    fn published(&self) -> Published {
        let camera = if self.pictures { Camera::On } else { Camera::None };
        Published { camera, sound: self.sound, starts_empty: true, ..Published::default() }
    }

    fn known(&self, _attached_ns: i64, _now_ns: i64) -> Option<Known> {
        // It is never published: a file that waited for that would wait for ever.
        self.began.then(|| Known { settled: true, ..Known::default() })
    }

    fn away_since_ns(&self) -> Option<i64> {
        self.over_ns
    }

    fn drain(&mut self, end_ns: i64) -> HashSet<StreamId> {
        let mut pending = HashSet::new();
        if self.on() {
            if self.pictures {
                pending.insert(PICTURES);
            }
            if self.sound {
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

    fn uses(&mut self, memory_bytes: u64, _now_ns: i64, _emit: &mut Vec<SourceEvent>) {
        // Told once: the page that comes after this one is measured anew when this one is gone.
        if memory_bytes > MOST_MEMORY_BYTES && self.state != PageState::Reloading && !self.too_large {
            self.too_large = true;
            let _ = self.commands.send(PageCommand::TooLarge);
        }
        self.too_large &= memory_bytes > MOST_MEMORY_BYTES;
    }
}
