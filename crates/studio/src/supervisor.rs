//! One task for each job: listens to its process, keeps the journal, and sees to what it leaves behind.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{DestinationResult, DestinationState, EgressStatus, Event, Fact, Figures};
use egress::id::{EgressId, OutputId};
use egress::spec::OutputSpec;
use egress::state::JobState;
use egress::wire::{FromJob, LayoutChange, PROGRAM, Secret, Thumbnail, ToJob};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::conversation::{Conversation, Heard};
use crate::error::internal;
use crate::fold::ended;
use crate::link::Said;
use crate::process::{Exit, JobFolder};
use crate::recovery;
use crate::studio::Inner;
use crate::surface::{Change, Job, JobDestination};

/// Figures are passed on at most this often.
pub(crate) const FIGURES_EVERY: Duration = Duration::from_millis(200);
/// How long a job may take to answer a command. An answer is "done, or begun".
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long a preview may take to go before it is made to.
const DISCARD_WITHIN: Duration = Duration::from_secs(5);

/// A call to a job.
pub(crate) enum Command {
    /// Attach an output.
    Attach { output: OutputSpec, secret: Option<Secret>, with: Vec<OutputSpec>, reply: Reply },
    /// Finish one output.
    Detach { output: OutputId, reply: Reply },
    /// Finish the stream to this address.
    DetachStream { url: Secret, reply: Reply },
    /// Try a destination again.
    Retry { output: OutputId, reply: Reply },
    /// Show another layout.
    UpdateLayout { layout: LayoutChange, reply: Reply },
    /// Begin without the page's start signal.
    StartAnyway { reply: Reply },
    /// Make pictures of the program, or no longer. Nobody waits for an answer.
    Watch { watched: bool },
    /// Finish all outputs and exit.
    Stop { reply: Reply },
    /// Exit and leave no trace: nothing was recorded.
    Discard,
}

pub(crate) type Reply = oneshot::Sender<Result<(), ApiError>>;

/// How the studio reaches a job's task.
#[derive(Clone)]
pub(crate) struct JobHandle {
    pub(crate) commands: mpsc::Sender<Command>,
    /// What Record attaches.
    pub(crate) outputs: Vec<OutputSpec>,
    /// True once the task has concluded the job.
    pub(crate) done: watch::Receiver<bool>,
}

/// What a job's task holds.
pub(crate) struct Supervisor {
    inner: Arc<Inner>,
    id: EgressId,
    folder: JobFolder,
    conversation: Conversation,
    state: JobState,
    commands: mpsc::Receiver<Command>,
    done: watch::Sender<bool>,
    requests: u64,
    replies: HashMap<u64, (Instant, Asked, Reply)>,
    figures: Option<Figures>,
    figures_at: Instant,
    discard_by: Option<Instant>,
    /// Whether somebody looks at the program.
    watched: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Attach,
    Stop,
    Other,
}

impl Supervisor {
    /// Starts the task of a job whose process runs.
    pub(crate) fn start(
        inner: &Arc<Inner>,
        id: EgressId,
        folder: JobFolder,
        conversation: Conversation,
        state: JobState,
        outputs: Vec<OutputSpec>,
    ) -> JobHandle {
        let (commands_in, commands) = mpsc::channel(16);
        let (done, done_out) = watch::channel(false);
        let supervisor = Self {
            inner: inner.clone(),
            id: id.clone(),
            folder,
            conversation,
            state,
            commands,
            done,
            requests: 0,
            replies: HashMap::new(),
            figures: None,
            figures_at: Instant::now(),
            discard_by: None,
            watched: false,
        };
        let handle = JobHandle { commands: commands_in, outputs, done: done_out };
        inner.jobs.lock().insert(id, handle.clone());
        inner.machine_nudge.notify_one();
        inner.spawn(supervisor.run());
        handle
    }

    async fn run(mut self) {
        self.journal_process().await;
        let exit = loop {
            let deadline = self.next_deadline();
            tokio::select! {
                () = self.inner.until_closed() => return,
                heard = self.conversation.next(self.state.last_seq()) => match heard {
                    Heard::Said(said) => self.said(said).await,
                    Heard::Cut => self.cut(),
                    Heard::Gone(exit) => break exit,
                },
                Some(command) = self.commands.recv() => self.command(command).await,
                () = tokio::time::sleep_until(deadline) => self.deadlines(),
            }
        };
        self.conclude(exit).await;
    }

    async fn journal_process(&self) {
        let (id, process) = (self.id.clone(), self.conversation.process_id());
        self.journal(move |journal| journal.started(&id, process)).await;
    }

    /// Writes to the journal. A failure does not touch the job: its own log has the facts, and the next
    /// start reads them from there.
    async fn journal(
        &self,
        call: impl FnOnce(&crate::journal::Journal) -> Result<(), crate::journal::JournalError> + Send + 'static,
    ) {
        if let Err(error) = self.inner.journal.run(call).await {
            tracing::error!(egress_id = %self.id, %error, "the journal is behind");
        }
    }

    async fn journal_job(&self) {
        let (seq, inner, id) = (self.state.last_seq(), self.inner.clone(), self.id.clone());
        self.journal(move |journal| journal.folded(move || inner.board.job(&id), seq)).await;
    }

    async fn said(&mut self, said: Said) {
        let message = match said {
            Said::Message(message) => message,
            Said::Thumbnail(Thumbnail { jpeg, .. }) => {
                if self.watched {
                    // The pictures of all jobs are kept by the ids of their jobs.
                    self.inner.frames.put(Thumbnail { track_id: self.id.as_str().into(), jpeg });
                }
                return;
            }
        };
        match *message {
            FromJob::Event { event } => self.event(event).await,
            FromJob::Figures { figures } => {
                self.figures = Some(figures);
                if Instant::now() >= self.figures_at {
                    self.pass_figures();
                }
            }
            FromJob::Reply { request, error } => {
                if let Some((_, _, reply)) = self.replies.remove(&request) {
                    let _ = reply.send(error.map_or(Ok(()), Err));
                }
            }
            FromJob::Roster { .. } => {}
        }
    }

    async fn event(&mut self, event: Event) {
        if event.seq > self.state.last_seq() + 1 {
            // Facts have no gaps: what is missing here is in the log.
            for earlier in recovery::logged(&self.folder.path, self.state.last_seq()) {
                self.state.apply(&earlier);
            }
        }
        if self.state.apply(&event).is_some() {
            self.inner.machine_nudge.notify_one();
        }
        if self.inner.show_job(&self.id, &self.state).is_some() {
            self.journal_job().await;
        }
        if self.state.is_over() {
            self.conversation.hang_up();
            self.cut();
        }
    }

    fn pass_figures(&mut self) {
        let Some(figures) = self.figures.take() else { return };
        self.figures_at = Instant::now() + FIGURES_EVERY;
        self.inner.board.edit(|snapshot| {
            let live = snapshot.jobs.iter().any(|job| job.egress_id == self.id && !ended(job.status));
            live.then(|| Change::JobFigures { egress_id: self.id.clone(), figures })
        });
    }

    async fn command(&mut self, command: Command) {
        match command {
            Command::Attach { output, secret, with, reply } => {
                self.ask(Asked::Attach, reply, |request| ToJob::Attach { request, output, secret, with });
                // After the command is on its way: the disk is slower than the socket.
                self.journal_job().await;
            }
            Command::Detach { output, reply } => {
                self.ask(Asked::Other, reply, |request| ToJob::Detach { request, output });
            }
            Command::DetachStream { url, reply } => {
                self.ask(Asked::Other, reply, |request| ToJob::DetachStream { request, url });
            }
            Command::Retry { output, reply } => {
                self.ask(Asked::Other, reply, |request| ToJob::Retry { request, output });
            }
            Command::UpdateLayout { layout, reply } => {
                self.ask(Asked::Other, reply, |request| ToJob::UpdateLayout { request, layout });
            }
            Command::Watch { watched } => {
                self.watched = watched;
                self.watch();
            }
            Command::StartAnyway { reply } => {
                self.ask(Asked::Other, reply, |request| ToJob::StartAnyway { request });
            }
            Command::Stop { reply } => self.ask(Asked::Stop, reply, |request| ToJob::Stop { request }),
            Command::Discard => {
                self.requests += 1;
                self.conversation.send(ToJob::Stop { request: self.requests });
                self.discard_by = Some(Instant::now() + DISCARD_WITHIN);
            }
        }
    }

    fn ask(&mut self, asked: Asked, reply: Reply, command: impl FnOnce(u64) -> ToJob) {
        self.requests += 1;
        if self.conversation.send(command(self.requests)) {
            self.replies.insert(self.requests, (Instant::now() + ANSWER_WITHIN, asked, reply));
        } else {
            let _ = reply.send(Err(no_answer()));
        }
    }

    /// Says whether pictures of the program are wanted.
    fn watch(&mut self) {
        let tracks = if self.watched { vec![PROGRAM.into()] } else { Vec::new() };
        self.conversation.send(ToJob::Watch { tracks });
    }

    /// The connection broke: nobody answers what was asked over it.
    fn cut(&mut self) {
        // A connection that comes after this one knows nothing of what is watched.
        if self.watched && !self.state.is_over() {
            self.watch();
        }
        let job = self.inner.board.job(&self.id);
        let over = self.state.is_over();
        let stopping = over || self.state.status() == EgressStatus::Ending;
        for (_, (_, asked, reply)) in self.replies.drain() {
            let _ = reply.send(match asked {
                Asked::Stop if stopping => Ok(()),
                _ if over => Err(gone(job.as_ref())),
                _ => Err(no_answer()),
            });
        }
    }

    fn next_deadline(&self) -> Instant {
        let figures = self.figures.as_ref().map(|_| self.figures_at);
        let answers = self.replies.values().map(|(by, ..)| *by);
        let far = Instant::now() + Duration::from_secs(3600);
        figures.into_iter().chain(answers).chain(self.discard_by).min().unwrap_or(far)
    }

    fn deadlines(&mut self) {
        let now = Instant::now();
        if now >= self.figures_at {
            self.pass_figures();
        }
        let late: Vec<u64> =
            self.replies.iter().filter(|(_, (by, ..))| *by <= now).map(|(request, _)| *request).collect();
        for request in late {
            if let Some((_, _, reply)) = self.replies.remove(&request) {
                let _ = reply.send(Err(no_answer()));
            }
        }
        if self.discard_by.is_some_and(|by| by <= now) {
            self.conversation.kill();
            self.discard_by = Some(now + DISCARD_WITHIN);
        }
    }

    async fn conclude(mut self, exit: Exit) {
        let state = std::mem::take(&mut self.state);
        let job = conclude(&self.inner, &self.id, &self.folder, state, Some(exit)).await;
        let stopped = job.as_ref().is_some_and(|job| job.error.is_none());
        for (_, (_, asked, reply)) in self.replies.drain() {
            let answer = if asked == Asked::Stop && stopped { Ok(()) } else { Err(gone(job.as_ref())) };
            let _ = reply.send(answer);
        }
        self.inner.frames.retain(|track| track.as_str() != self.id.as_str());
        let discarded = self.discard_by.is_some() && job.is_none_or(|job| job.outputs.is_empty());
        self.inner.jobs.lock().remove(&self.id);
        if discarded && let Err(error) = self.inner.forget(self.id.clone()).await {
            tracing::warn!(egress_id = %self.id, %error, "a preview could not be forgotten");
        }
        self.inner.machine_nudge.notify_one();
        self.done.send_replace(true);
    }
}

/// Brings a job whose process is gone to its end: reads the rest of its log, saves what it left open,
/// and makes it history.
pub(crate) async fn conclude(
    inner: &Arc<Inner>,
    id: &EgressId,
    folder: &JobFolder,
    mut state: JobState,
    exit: Option<Exit>,
) -> Option<Job> {
    let (path, after) = (folder.path.clone(), state.last_seq());
    let rest = tokio::task::spawn_blocking(move || recovery::logged(&path, after)).await.unwrap_or_default();
    for event in &rest {
        state.apply(event);
    }
    let last_seq = state.last_seq();
    let mut job = if last_seq > 0 { inner.show_job(id, &state) } else { inner.board.job(id) };
    if job.as_ref().is_some_and(|job| !recovery::said_its_end(job, &state)) {
        job = save(inner, id, folder, state, exit).await;
    }
    if let Some(job) = job.clone() {
        tracing::info!(egress_id = %id, status = ?job.status, recovered = job.recovered, "job over");
        let (studio, own) = (inner.clone(), id.clone());
        let newest = move || studio.board.job(&own).or(Some(job));
        let written = inner.journal.run(move |journal| journal.concluded(newest, last_seq)).await;
        if let Err(error) = written {
            tracing::error!(egress_id = %id, %error, "the journal is behind");
        }
    }
    job
}

/// Saves the files of a job that died without a word.
async fn save(
    inner: &Arc<Inner>,
    id: &EgressId,
    folder: &JobFolder,
    mut state: JobState,
    exit: Option<Exit>,
) -> Option<Job> {
    let (seq, over) = (state.last_seq() + 1, state.is_over());
    let room_sid = state.room_sid().unwrap_or_default().to_owned();
    let destinations = state.outputs().into_iter();
    let lives: HashMap<OutputId, u32> =
        destinations.filter_map(|output| Some((output.id.clone(), output.destination?.life))).collect();
    let mut say = |fact: Fact| {
        state.apply(&recovery::ours(fact, seq));
        inner.show_job(id, &state)
    };
    // Of a job that said its end itself this changes nothing that was told: its outputs alone are closed.
    if !over {
        // Says nothing new where the job itself began to end.
        say(Fact::Ending { reason: recovery::reason(exit) });
    }
    let open = inner.board.edit_job(id, |job| {
        job.figures = None;
        job.recovered = !over && !recovery::unfinished(job).is_empty();
    })?;
    for (output, destination) in recovery::cut_off(&open) {
        let life = lives.get(&output).copied().unwrap_or_default();
        say(destination_lost(output, destination, life));
    }
    for (output, path) in recovery::unfinished(&open) {
        let result = recovery::save_file(&inner.program, folder, &open, &output, path).await;
        recovery::write_manifest(&open, &room_sid, &result);
        say(Fact::OutputEnded { output, result });
    }
    let saved = inner.board.job(id)?;
    say(recovery::last_fact(&saved, exit, folder))
}

/// A stream ends with the process that sends it.
fn destination_lost(output: OutputId, destination: JobDestination, life: u32) -> Fact {
    let error = ApiError::new(
        ErrorCode::JobDied,
        Fault::Environment,
        "The stream ended with the process that sent it.",
        "Start it again.",
    );
    let state = DestinationState::Failed { error, result: DestinationResult::default() };
    Fact::Destination { output, address: destination.address, state, life, tried_at_ns: 0 }
}

/// Sends a command to a job and waits for the answer.
pub(crate) async fn call(handle: &JobHandle, command: impl FnOnce(Reply) -> Command) -> Result<(), ApiError> {
    let (reply, answer) = oneshot::channel();
    handle.commands.send(command(reply)).await.map_err(|_| gone(None))?;
    answer.await.map_err(internal)?
}

fn no_answer() -> ApiError {
    ApiError::new(
        ErrorCode::Internal,
        Fault::Ours,
        "The recording process does not answer.",
        "Try again in a moment; what it records is still written.",
    )
    .retryable()
}

fn gone(job: Option<&Job>) -> ApiError {
    job.and_then(|job| job.error.clone())
        .unwrap_or_else(|| crate::error::precondition("This recording is over.", "Start it again."))
}
