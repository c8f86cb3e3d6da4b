//! A live stream to one server: its own thread, its own queue, its own connection, its own tries. Nothing of it can
//! reach another output.

mod connection;
mod queue;
mod words;

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use egress::destination::{Happening, Progress};
use egress::error::ApiError;
use egress::fact::DestinationFigures;
use egress::id::OutputId;
use egress::stream::StreamUrl;
use room::clock::Clock;

use crate::output::course::{Course, Link, Told};
use crate::output::stream::connection::{Connection, Status};
use crate::output::stream::queue::Queue;
use crate::output::worker::Worker;
use crate::output::{Counts, Ended, Output, OutputReport};
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
    /// The job's clock.
    pub clock: Clock,
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
    told: Told,
    worker: Worker,
}

#[derive(Debug)]
enum Message {
    Unit(Unit),
    Retry,
    Finish,
}

impl Stream {
    /// Starts to stream as soon as there is something to send; `report` is called from the stream's thread.
    pub fn start(plan: StreamPlan, report: impl Fn(OutputReport) + Send + 'static) -> Self {
        let (queue, messages) = channel();
        let told = Told::default();
        let url = plan.url.clone();
        let sender = Speaker::new(plan, told.clone(), report);
        let worker = Worker::start("stream", move || sender.run(&messages));
        Self { url, queue, told, worker }
    }
}

impl Output for Stream {
    fn push(&mut self, unit: &Unit) {
        // A closed queue means that the stream has ended, which it has reported.
        let _ = self.queue.send(Message::Unit(unit.clone()));
    }

    fn finish(&mut self) {
        let _ = self.queue.send(Message::Finish);
    }

    fn abandoned(&mut self) -> Ended {
        self.told.ended()
    }

    fn is_running(&self) -> bool {
        self.worker.is_running()
    }

    fn counts(&self) -> Counts {
        self.told.counts()
    }

    fn destination(&mut self) -> Option<DestinationFigures> {
        Some(self.told.figures())
    }

    fn goes_to(&self, url: &str) -> bool {
        self.url.is(url)
    }

    fn retry(&mut self) -> Result<(), ApiError> {
        self.told.may_retry()?;
        let _ = self.queue.send(Message::Retry);
        Ok(())
    }
}

/// What runs in the stream's thread.
struct Speaker<R> {
    plan: StreamPlan,
    course: Course<R>,
    connection: Option<Connection>,
    progress: Progress,
    queue: Queue,
    /// Bytes that the connections before this one sent.
    sent_before: u64,
    sent_now: u64,
    rtt_ms: Option<f64>,
    asked_for_keyframe: bool,
}

impl<R: Fn(OutputReport)> Speaker<R> {
    fn new(plan: StreamPlan, told: Told, report: R) -> Self {
        Self {
            queue: Queue::new(plan.video),
            course: Course::new(plan.id.clone(), told, plan.clock, report),
            connection: None,
            progress: Progress::new(0),
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
        self.course.begin();
        self.apply(vec![Link::Connect]);
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
                    self.course.report(OutputReport::WantsKeyframe { output: self.plan.id.clone() });
                }
                self.send();
                let waits = !self.queue.is_empty();
                if self.progress.wedged(self.sent_now, waits, self.course.now_ms()) {
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
                let counts = &mut self.course.counts;
                counts.ended_ns = counts.ended_ns.max(unit.time_ns + length);
                counts.units += 1;
                counts.pictures += u64::from(lane == Lane::Video);
            }
        }
        let Some(first) = first else { return };
        // First that it is up, then that there is something in it: with that the job is active.
        if !self.course.is_live() {
            self.step(Happening::Connected);
        }
        self.course.sent(first);
    }

    fn step(&mut self, happening: Happening) {
        let links = self.course.step(happening);
        self.apply(links);
    }

    fn apply(&mut self, links: Vec<Link>) {
        for link in links {
            match link {
                Link::Connect => {
                    self.let_go();
                    let plan = &self.plan;
                    match Connection::open(&plan.url, plan.any_certificate, plan.video, plan.audio) {
                        Ok(connection) => {
                            self.connection = Some(connection);
                            self.progress = Progress::new(self.course.now_ms());
                        }
                        Err(happening) => self.step(happening),
                    }
                }
                Link::LetGo => self.let_go(),
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
        self.course.counts.size_bytes = self.sent_before + self.sent_now;
        self.course.counts.dropped = self.queue.dropped();
        self.course.tell(self.rtt_ms, self.queue.waiting_ns() / 1_000_000);
    }

    /// Sends what waits, says goodbye, and tells what came of it.
    fn finish(mut self) {
        let until = Instant::now() + EMPTIES_WITHIN;
        while self.course.is_live() && Instant::now() < until {
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
            && self.course.is_live()
        {
            connection.finish();
        }
        self.course.end();
    }
}
