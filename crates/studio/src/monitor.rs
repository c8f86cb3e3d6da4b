//! The open room: a monitor process that watches it, started again when it dies.

use std::sync::Arc;
use std::time::Duration;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{ConnectionState, EndReason, Fact, Figures};
use egress::id::{EgressId, TrackId};
use egress::roster::Roster;
use egress::spec::{JobSpec, MonitorSpec, Task};
use egress::wire::{FromJob, Launch, ToJob};
use futures_util::future::BoxFuture;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::conversation::{Conversation, Heard};
use crate::error::{internal, precondition};
use crate::link::Said;
use crate::process::{JobFolder, Process};
use crate::studio::{Inner, Studio};
use crate::supervisor::{Command, FIGURES_EVERY, JobHandle};
use crate::surface::{Change, Frame, OpenRoom};

/// Pixels: sharp in the list of people on a dense screen.
const THUMBNAIL_WIDTH: u32 = 320;
const THUMBNAIL_FPS: u32 = 5;
/// How long a monitor may take to go before it is made to.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);
/// Waits between two monitors that died.
const AGAIN_FIRST: Duration = Duration::from_millis(500);
const AGAIN_LONGEST: Duration = Duration::from_secs(15);
/// A monitor that lived this long was well: the next wait is a short one again.
const LIVED: Duration = Duration::from_secs(20);

/// What the ids of jobs begin with, and those of tracks never.
const JOB_PREFIX: &str = "EG_";

/// How the studio reaches the task of the open room.
pub(crate) struct MonitorHandle {
    watched: watch::Sender<Vec<TrackId>>,
    /// Dropped or sent: leave.
    leave: oneshot::Sender<()>,
    gone: watch::Receiver<bool>,
}

impl Studio {
    /// Opens a room of the open project: its people, levels and thumbnails. Another one that was open is
    /// closed.
    ///
    /// # Errors
    /// No project is open, or its secret is not at hand. Trouble with the room itself is told in
    /// [`OpenRoom::error`].
    pub fn open_room(&self, name: String) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let inner = &self.inner;
            inner.check_open()?;
            if name.is_empty() {
                return Err(precondition("The room has no name.", "Choose a room."));
            }
            inner.current_server().await?;
            // The same again is for one that is in trouble: it is tried anew at once. A room that was closed is
            // waited for; to join it would open it.
            let stays = |room: &OpenRoom| {
                room.name == name && room.error.as_ref().is_none_or(|error| error.code == ErrorCode::NotFound)
            };
            if inner.board.read(|snapshot| snapshot.room.as_ref().is_some_and(stays)) {
                return Ok(());
            }
            let generation = inner.next_generation();
            let (watched, watched_out) = watch::channel(Vec::new());
            let (leave, leaving) = oneshot::channel();
            let (gone_in, gone) = watch::channel(false);
            // The handle of the room before goes, and with it its monitor.
            let before = inner.monitor.lock().replace(MonitorHandle { watched, leave, gone });
            drop(before);
            inner.frames.retain(|_| false);
            let room = OpenRoom {
                name: name.clone(),
                connection: ConnectionState::Connecting,
                roster: Roster::default(),
                figures: Figures::default(),
                error: None,
            };
            inner.board.publish(Change::Room { room: Some(room) });
            let monitor = Monitor { inner: inner.clone(), name, generation, watched: watched_out };
            inner.spawn(async move {
                monitor.run(leaving).await;
                gone_in.send_replace(true);
            });
            Ok(())
        })
    }

    /// Closes the open room, if there is one.
    ///
    /// # Errors
    /// None so far.
    pub fn close_room(&self) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            self.inner.close_room();
            Ok(())
        })
    }

    /// Says what is in sight: thumbnails are made of these tracks of the open room, and pictures of the program
    /// of these jobs (by their ids), and no others.
    ///
    /// # Errors
    /// Tracks are named and no room is open.
    pub fn watch(&self, sights: Vec<TrackId>) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let jobs: Vec<(EgressId, JobHandle)> =
                self.inner.jobs.lock().iter().map(|(id, handle)| (id.clone(), handle.clone())).collect();
            let is_job = |sight: &TrackId| sight.as_str().starts_with(JOB_PREFIX);
            for (id, handle) in jobs {
                let watched = sights.iter().any(|sight| sight.as_str() == id.as_str());
                // One whose task is gone shows nothing any more.
                let _ = handle.commands.send(Command::Watch { watched }).await;
            }
            let tracks: Vec<TrackId> = sights.into_iter().filter(|sight| !is_job(sight)).collect();
            let monitor = self.inner.monitor.lock();
            let Some(monitor) = &*monitor else {
                if tracks.is_empty() {
                    return Ok(());
                }
                return Err(precondition("No room is open.", "Open a room first."));
            };
            monitor.watched.send_replace(tracks);
            Ok(())
        })
    }

    /// The newest picture of a track after the one numbered `after`; waits for one for as long as it may.
    /// None: there was none in time.
    ///
    /// # Errors
    /// None so far.
    pub fn frame(
        &self,
        track_id: TrackId,
        after: u64,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Option<Frame>, ApiError>> {
        Box::pin(async move {
            tokio::select! {
                () = self.inner.until_closed() => Ok(None),
                frame = self.inner.frames.wait(track_id, after, timeout) => Ok(frame),
            }
        })
    }
}

impl Inner {
    /// Closes the room; comes back with what tells that its process is gone.
    pub(crate) fn close_room(&self) -> Option<watch::Receiver<bool>> {
        let handle = self.monitor.lock().take()?;
        self.next_generation();
        // What is being armed at this moment belongs to the room.
        self.arming.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let _ = handle.leave.send(());
        self.frames.retain(|_| false);
        self.board.publish(Change::Room { room: None });
        Some(handle.gone)
    }
}

struct Monitor {
    inner: Arc<Inner>,
    name: String,
    generation: u64,
    watched: watch::Receiver<Vec<TrackId>>,
}

/// How one monitor process ended.
enum Over {
    /// We left.
    Left,
    /// The room closed: a monitor that joined again would open it again.
    RoomClosed,
    Died(ApiError),
}

impl Monitor {
    async fn run(mut self, mut leaving: oneshot::Receiver<()>) {
        let mut wait = AGAIN_FIRST;
        loop {
            let began = Instant::now();
            let over = match self.start().await {
                Ok((conversation, folder)) => {
                    let over = self.listen(conversation, &mut leaving).await;
                    let _ = tokio::task::spawn_blocking(move || folder.remove()).await;
                    over
                }
                Err(error) => Over::Died(error),
            };
            let error = match over {
                Over::Left => return,
                Over::RoomClosed => {
                    self.lost(room_closed());
                    if !self.room_is_back(&mut leaving).await {
                        return;
                    }
                    wait = AGAIN_FIRST;
                    self.update(|room| room.connection = ConnectionState::Connecting);
                    continue;
                }
                Over::Died(error) => error,
            };
            tracing::warn!(room = self.name, %error, detail = error.detail, "the room monitor is gone");
            self.lost(error);
            if began.elapsed() > LIVED {
                wait = AGAIN_FIRST;
            }
            tokio::select! {
                _ = &mut leaving => return,
                () = self.inner.until_closed() => return,
                () = tokio::time::sleep(wait) => {}
            }
            wait = (wait * 2).min(AGAIN_LONGEST);
            self.update(|room| room.connection = ConnectionState::Connecting);
        }
    }

    async fn start(&self) -> Result<(Conversation, JobFolder), ApiError> {
        let (_, server) = self.inner.current_server().await?;
        // An identity of its own for each process, so that a late one never throws out its successor.
        let id = EgressId(EgressId::random().0.replacen("EG_", "MO_", 1));
        let ttl = room::token::RECORDER_TTL;
        let token =
            room::token::monitor_token(&server.api_key, &server.api_secret, &self.name, id.as_str(), ttl)?;
        let spec = MonitorSpec { thumbnail_width: THUMBNAIL_WIDTH, thumbnail_fps: THUMBNAIL_FPS };
        let path = self.inner.monitors_dir().join(id.as_str());
        let spec = JobSpec {
            egress_id: id,
            url: server.url,
            room_name: self.name.clone(),
            room_sid: String::new(),
            retry: 0,
            names: Default::default(),
            task: Task::Monitor(spec),
        };
        let folder = tokio::task::spawn_blocking(move || JobFolder::open(path)).await.map_err(internal)??;
        let (secrets, tuning) = (Default::default(), Default::default());
        let launch = Launch { spec, token, secrets, tuning, folder: folder.short.clone() };
        let process = Process::spawn(&self.inner.program, &launch, &folder).await?;
        Ok((Conversation::new(process, folder.clone()), folder))
    }

    async fn listen(&mut self, mut conversation: Conversation, leaving: &mut oneshot::Receiver<()>) -> Over {
        let mut last_seq = 0;
        let mut figures: Option<Figures> = None;
        let mut figures_at = Instant::now();
        let mut reason = None;
        let mut failure = None;
        self.watched.mark_changed();
        loop {
            tokio::select! {
                _ = &mut *leaving => break,
                () = self.inner.until_closed() => break,
                changed = self.watched.changed() => match changed {
                    Ok(()) => {
                        let tracks = self.watched.borrow_and_update().clone();
                        let program = |track: &TrackId| track.as_str().starts_with(JOB_PREFIX);
                        self.inner.frames.retain(|track| tracks.contains(track) || program(track));
                        conversation.send(ToJob::Watch { tracks });
                    }
                    Err(_) => break,
                },
                () = tokio::time::sleep_until(figures_at), if figures.is_some() => {
                    figures_at = Instant::now() + FIGURES_EVERY;
                    self.figures(figures.take().unwrap_or_default());
                }
                heard = conversation.next(last_seq) => match heard {
                    Heard::Said(Said::Thumbnail(thumbnail)) => {
                        if self.current() {
                            self.inner.frames.put(thumbnail);
                        }
                    }
                    Heard::Said(Said::Message(message)) => match *message {
                        FromJob::Roster { roster } => self.update(|room| {
                            room.roster = roster;
                            room.error = None;
                        }),
                        FromJob::Figures { figures: newest } => figures = Some(newest),
                        FromJob::Event { event } => {
                            last_seq = event.seq;
                            match event.fact {
                                Fact::Connection { state } => self.update(|room| {
                                    room.connection = state;
                                    if state == ConnectionState::Connected {
                                        room.error = None;
                                    }
                                }),
                                Fact::Ending { reason: why } => reason = Some(why),
                                Fact::Ended { error, .. } => {
                                    failure = error;
                                    conversation.hang_up();
                                }
                                _ => {}
                            }
                        }
                        FromJob::Reply { .. } => {}
                    },
                    Heard::Cut => {
                        // A connection that comes after this one knows nothing of what is watched.
                        let tracks = self.watched.borrow().clone();
                        conversation.send(ToJob::Watch { tracks });
                    }
                    Heard::Gone(_) => return match (reason, failure) {
                        (Some(EndReason::SourceClosed), _) => Over::RoomClosed,
                        (_, Some(error)) => Over::Died(error),
                        _ => Over::Died(died()),
                    },
                },
            }
        }
        // It is the process's own way to leave the room that matters; then it goes by itself.
        conversation.send(ToJob::Stop { request: 1 });
        let left = async { while !matches!(conversation.next(last_seq).await, Heard::Gone(_)) {} };
        if tokio::time::timeout(LEAVE_WITHIN, left).await.is_err() {
            conversation.kill();
            while !matches!(conversation.next(last_seq).await, Heard::Gone(_)) {}
        }
        Over::Left
    }

    /// Waits until the room is in the list again. False: we are to leave.
    async fn room_is_back(&self, leaving: &mut oneshot::Receiver<()>) -> bool {
        let closed_sid =
            self.inner.board.read(|snapshot| snapshot.room.as_ref().map(|room| room.roster.room_sid.clone()));
        loop {
            // Another room of the same name has another id.
            let back = self.inner.board.read(|snapshot| {
                snapshot
                    .rooms
                    .list
                    .iter()
                    .any(|room| room.name == self.name && Some(&room.sid) != closed_sid.as_ref())
            });
            if back {
                return true;
            }
            tokio::select! {
                _ = &mut *leaving => return false,
                () = self.inner.until_closed() => return false,
                () = tokio::time::sleep(Duration::from_millis(500)) => {}
            }
        }
    }

    fn current(&self) -> bool {
        self.inner.room_generation.load(std::sync::atomic::Ordering::Relaxed) == self.generation
    }

    /// Changes the room on the board, unless it is another room by now.
    fn update(&self, change: impl FnOnce(&mut OpenRoom)) {
        self.inner.board.edit(|snapshot| {
            let mut room = snapshot.room.clone().filter(|_| self.current())?;
            change(&mut room);
            (snapshot.room.as_ref() != Some(&room)).then_some(Change::Room { room: Some(room) })
        });
    }

    fn figures(&self, figures: Figures) {
        self.inner.board.edit(|snapshot| {
            (snapshot.room.is_some() && self.current()).then_some(Change::RoomFigures { figures })
        });
    }

    fn lost(&self, error: ApiError) {
        self.update(|room| {
            room.connection = ConnectionState::Disconnected;
            room.roster.participants.clear();
            room.figures = Figures::default();
            room.error = Some(error);
        });
    }
}

fn room_closed() -> ApiError {
    ApiError::new(
        ErrorCode::NotFound,
        Fault::Server,
        "The room was closed.",
        "It opens here again by itself when somebody joins it.",
    )
}

fn died() -> ApiError {
    ApiError::new(
        ErrorCode::JobDied,
        Fault::Ours,
        "The process that watches the room ended without a word.",
        "It is started again; recordings are not touched.",
    )
    .retryable()
}
