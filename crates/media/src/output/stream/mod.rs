//! A live stream to one server: its own thread, its own queue, its own connection, its own tries. Nothing of it can
//! reach another output.

mod connection;
mod queue;
mod words;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use egress::destination::{Destination, Effect, Happening, Progress};
use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{DestinationFigures, DestinationResult, DestinationState};
use egress::id::OutputId;
use egress::stream::StreamUrl;
use parking_lot::Mutex;

use crate::output::stream::connection::{Connection, Status};
use crate::output::stream::queue::Queue;
use crate::output::{Counts, Ended, Output, OutputReport, Rendition};
use crate::unit::{Lane, Unit};

/// How often a connection is looked at.
const LOOKS_EVERY: Duration = Duration::from_millis(20);
/// How long what waits may take to be sent once nothing more comes.
const EMPTIES_WITHIN: Duration = Duration::from_secs(2);
/// A picture's length where nothing says it, ns.
const PICTURE_NS: i64 = 33_333_333;

/// What a stream is to be.
#[derive(Debug, Clone)]
pub struct StreamPlan {
    /// Names the output.
    pub id: OutputId,
    /// Where it goes.
    pub url: StreamUrl,
    /// RTMPS: whether any certificate is taken.
    pub any_certificate: bool,
    /// Whether it has pictures.
    pub video: bool,
    /// Whether it has sound.
    pub audio: bool,
}

/// A stream.
#[derive(Debug)]
pub struct Stream {
    url: StreamUrl,
    queue: Sender<Message>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
enum Message {
    Unit(Unit),
    Retry,
    Finish,
}

/// What the stream's thread tells at every moment.
#[derive(Debug, Clone, Default)]
struct Shared {
    counts: Counts,
    figures: DestinationFigures,
    can_retry: bool,
    result: DestinationResult,
    error: Option<ApiError>,
}

impl Stream {
    /// Starts to stream as soon as there is something to send; `report` is called from the stream's thread.
    pub fn start(plan: StreamPlan, report: impl Fn(OutputReport) + Send + 'static) -> Self {
        let (queue, messages) = channel();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let url = plan.url.clone();
        report(OutputReport::Destination { output: plan.id.clone(), state: DestinationState::Connecting });
        let sender = Speaker::new(plan, shared.clone(), report);
        // A thread cannot be had only when the machine is out of everything; the report of that is the
        // closed queue.
        let _ = thread::Builder::new().name("stream".to_owned()).spawn(move || sender.run(&messages));
        Self { url, queue, shared }
    }
}

impl Output for Stream {
    fn rendition(&self) -> Rendition {
        Rendition::Broadcast
    }

    fn push(&mut self, unit: &Unit) {
        // A closed queue means that the stream has ended, which it has reported.
        let _ = self.queue.send(Message::Unit(unit.clone()));
    }

    fn finish(&mut self) {
        let _ = self.queue.send(Message::Finish);
    }

    fn abandoned(&mut self) -> Ended {
        let shared = self.shared.lock().clone();
        Ended::Destination(last_state(shared.result, shared.error))
    }

    fn counts(&self) -> Counts {
        self.shared.lock().counts
    }

    fn destination(&mut self) -> Option<DestinationFigures> {
        Some(self.shared.lock().figures.clone())
    }

    fn goes_to(&self, url: &str) -> bool {
        self.url.is(url)
    }

    fn retry(&mut self) -> Result<(), ApiError> {
        if !self.shared.lock().can_retry {
            return Err(ApiError::new(
                ErrorCode::FailedPrecondition,
                Fault::Input,
                "This destination is live or being connected to.",
                "There is nothing to try again.",
            ));
        }
        let _ = self.queue.send(Message::Retry);
        Ok(())
    }
}

/// The last state of a destination: failed where nothing ever reached it.
pub(super) fn last_state(result: DestinationResult, error: Option<ApiError>) -> DestinationState {
    match error {
        Some(error) if result.started_at_ns == 0 => DestinationState::Failed { error, result },
        _ => DestinationState::Stopped { result },
    }
}

/// What runs in the stream's thread.
struct Speaker<R> {
    plan: StreamPlan,
    shared: Arc<Mutex<Shared>>,
    report: R,
    began: Instant,
    destination: Destination,
    connection: Option<Connection>,
    progress: Progress,
    queue: Queue,
    counts: Counts,
    result: DestinationResult,
    error: Option<ApiError>,
    /// Bytes that the connections before this one sent.
    sent_before: u64,
    sent_now: u64,
    rtt_ms: Option<f64>,
    asked_for_keyframe: bool,
}

impl<R: Fn(OutputReport)> Speaker<R> {
    fn new(plan: StreamPlan, shared: Arc<Mutex<Shared>>, report: R) -> Self {
        Self {
            queue: Queue::new(plan.video),
            shared,
            report,
            began: Instant::now(),
            destination: Destination::new(0),
            connection: None,
            progress: Progress::new(0),
            counts: Counts::default(),
            result: DestinationResult::default(),
            error: None,
            sent_before: 0,
            sent_now: 0,
            rtt_ms: None,
            asked_for_keyframe: false,
            plan,
        }
    }

    fn run(mut self, messages: &Receiver<Message>) {
        // Nobody is called before there is something to say: a server hangs up on a caller who is silent.
        let mut next = loop {
            match messages.recv() {
                Ok(Message::Unit(unit)) => break Some(Message::Unit(unit)),
                Ok(Message::Retry) => {}
                Ok(Message::Finish) => return self.finish(),
                Err(_) => return,
            }
        };
        self.began = Instant::now();
        self.apply(vec![Effect::Connect]);
        loop {
            match next {
                Some(Message::Unit(unit)) => self.take(unit),
                Some(Message::Retry) => self.step(Happening::Retry),
                Some(Message::Finish) => return self.finish(),
                None => self.tend(),
            }
            // All that has come is taken before the connection is looked at.
            next = match messages.try_recv() {
                Ok(message) => Some(message),
                Err(_) => {
                    self.tend();
                    match messages.recv_timeout(LOOKS_EVERY) {
                        Ok(message) => Some(message),
                        Err(RecvTimeoutError::Timeout) => None,
                        // Dropped: the job is gone.
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
            };
        }
    }

    fn now_ms(&self) -> i64 {
        self.began.elapsed().as_millis() as i64
    }

    fn take(&mut self, unit: Unit) {
        // What comes while nobody is there to take it is not wanted later: live is now.
        if self.asked_for_keyframe {
            self.queue.push(unit);
        }
    }

    /// Looks at the connection, sends what it takes, and lets time pass.
    fn tend(&mut self) {
        let status = self.connection.as_mut().map(|connection| connection.status(&self.plan.url));
        match status {
            Some(Status::Up(sent)) => {
                self.sent_now = self.sent_now.max(sent.bytes);
                self.rtt_ms = sent.rtt_ms.or(self.rtt_ms);
                if !self.asked_for_keyframe {
                    self.asked_for_keyframe = true;
                    self.queue.begin_anew();
                    (self.report)(OutputReport::WantsKeyframe);
                }
                self.send();
                let waits = !self.queue.is_empty();
                if self.progress.wedged(self.sent_now, waits, self.now_ms()) {
                    self.step(Happening::Lost(words::wedged()));
                }
            }
            Some(Status::Broken(happening)) => self.step(happening),
            Some(Status::Connecting) | None => {}
        }
        self.step(Happening::Tick);
        self.tell();
    }

    fn send(&mut self) {
        let (Some(connection), Some(origin)) = (&mut self.connection, self.queue.begins_ns()) else { return };
        let mut first = None;
        for lane in [Lane::Video, Lane::Audio] {
            while connection.takes(lane) {
                let Some(unit) = self.queue.pop(lane) else { break };
                connection.push(&unit, origin);
                first.get_or_insert(unit.time_ns);
                let length = if unit.duration_ns > 0 { unit.duration_ns } else { PICTURE_NS };
                self.counts.ended_ns = self.counts.ended_ns.max(unit.time_ns + length);
                self.counts.units += 1;
                self.counts.pictures += u64::from(lane == Lane::Video);
            }
        }
        let Some(first) = first else { return };
        if self.counts.started_ns == 0 {
            self.counts.started_ns = first;
            self.result.started_at_ns = first;
            (self.report)(OutputReport::Active { output: self.plan.id.clone(), started_at_ns: first });
        }
        if !self.destination.is_live() {
            self.step(Happening::Connected);
        }
    }

    fn step(&mut self, happening: Happening) {
        let error = match &happening {
            Happening::Lost(error)
            | Happening::HungUp(error)
            | Happening::Denied(error)
            | Happening::Taken(error) => Some(error.clone()),
            Happening::Connected => {
                self.error = None;
                None
            }
            Happening::Retry | Happening::Tick => None,
        };
        if let Some(error) = error {
            tracing::info!(output = %self.plan.id, %error, detail = error.detail, "stream");
            self.error = Some(error);
        }
        let (destination, effects) = self.destination.clone().step(happening, self.now_ms(), rand::random());
        self.destination = destination;
        self.apply(effects);
    }

    fn apply(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Connect => {
                    self.let_go();
                    let plan = &self.plan;
                    match Connection::open(&plan.url, plan.any_certificate, plan.video, plan.audio) {
                        Ok(connection) => {
                            self.connection = Some(connection);
                            self.progress = Progress::new(self.now_ms());
                        }
                        Err(happening) => self.step(happening),
                    }
                }
                Effect::LetGo => self.let_go(),
                Effect::Tell(state) => {
                    (self.report)(OutputReport::Destination { output: self.plan.id.clone(), state });
                }
            }
        }
    }

    fn let_go(&mut self) {
        self.connection = None;
        self.sent_before += std::mem::take(&mut self.sent_now);
        self.rtt_ms = None;
        self.asked_for_keyframe = false;
        self.queue.begin_anew();
    }

    /// Puts the figures where the job's loop finds them.
    fn tell(&mut self) {
        let now = self.now_ms();
        self.counts.size_bytes = self.sent_before + self.sent_now;
        self.counts.dropped = self.queue.dropped();
        self.result.size_bytes = self.counts.size_bytes;
        self.result.ended_at_ns = self.counts.ended_ns;
        self.result.retries = self.destination.retries();
        *self.shared.lock() = Shared {
            counts: self.counts,
            figures: DestinationFigures {
                uptime_ms: self.destination.uptime_ms(now),
                tries: self.destination.tries(),
                next_try_ms: self.destination.next_try_ms(now),
                rtt_ms: self.rtt_ms,
                waiting_ms: self.queue.waiting_ns() / 1_000_000,
            },
            can_retry: self.destination.can_retry(),
            result: self.result.clone(),
            error: self.error.clone(),
        };
    }

    /// Sends what waits, says goodbye, and tells what came of it.
    fn finish(mut self) {
        let until = Instant::now() + EMPTIES_WITHIN;
        while self.destination.is_live() && Instant::now() < until {
            let done =
                self.queue.is_empty() && !self.connection.as_ref().is_some_and(Connection::holds_something);
            if done {
                break;
            }
            self.tend();
            thread::sleep(LOOKS_EVERY);
        }
        self.tell();
        if let Some(connection) = self.connection.take()
            && self.destination.is_live()
        {
            connection.finish();
        }
        let state = last_state(self.result, self.error);
        (self.report)(OutputReport::Ended { output: self.plan.id, ended: Ended::Destination(state) });
    }
}
