//! What is the same of all outputs that go to a server: how one comes up, is lost and is tried again, and what is told
//! of it meanwhile.

use std::sync::Arc;

use egress::destination::{Destination, Effect, Happening};
use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{DestinationFigures, DestinationResult, DestinationState};
use egress::id::OutputId;
use parking_lot::Mutex;
use room::clock::Clock;

use crate::output::{Counts, Ended, OutputReport};

/// What an output's thread tells at every moment, for the job's loop. A cheap handle.
#[derive(Debug, Clone, Default)]
pub struct Told(Arc<Mutex<Facts>>);

#[derive(Debug, Clone, Default)]
struct Facts {
    counts: Counts,
    figures: DestinationFigures,
    can_retry: bool,
    result: DestinationResult,
    /// Why it failed, if it ended now.
    failure: Option<ApiError>,
}

impl Told {
    /// What it has taken so far.
    pub fn counts(&self) -> Counts {
        self.0.lock().counts
    }

    /// How its connection is.
    pub fn figures(&self) -> DestinationFigures {
        self.0.lock().figures.clone()
    }

    /// What there is of it, if it does not end in time.
    pub fn ended(&self) -> Ended {
        let facts = self.0.lock().clone();
        Ended::Destination(last_state(facts.result, facts.failure))
    }

    /// Whether it may be tried again.
    ///
    /// # Errors
    /// If there is nothing to try again.
    pub fn may_retry(&self) -> Result<(), ApiError> {
        if self.0.lock().can_retry {
            return Ok(());
        }
        Err(ApiError::new(
            ErrorCode::FailedPrecondition,
            Fault::Input,
            "This destination is live or being connected to.",
            "There is nothing to try again.",
        ))
    }
}

fn last_state(result: DestinationResult, failure: Option<ApiError>) -> DestinationState {
    match failure {
        Some(error) => DestinationState::Failed { error, result },
        None => DestinationState::Stopped { result },
    }
}

/// The way of one destination, in its output's thread. What is to be done about the connection itself it leaves to the
/// output.
pub struct Course<R> {
    output: OutputId,
    report: R,
    clock: Clock,
    /// When time began to count, unix, ns.
    began_ns: i64,
    /// Whether there is something to send.
    begun: bool,
    destination: Destination,
    /// What was taken so far.
    pub counts: Counts,
    result: DestinationResult,
    error: Option<ApiError>,
    told: Told,
}

impl<R: Fn(OutputReport)> Course<R> {
    /// The way begins, and says so.
    pub fn new(output: OutputId, told: Told, clock: Clock, report: R) -> Self {
        let course = Self {
            output,
            report,
            clock,
            began_ns: clock.now_ns(),
            begun: false,
            destination: Destination::new(0),
            counts: Counts::default(),
            result: DestinationResult::default(),
            error: None,
            told,
        };
        course.tell_state(DestinationState::Connecting);
        course
    }

    /// Time counts from now on: only now is there something to send.
    pub fn begin(&mut self) {
        (self.began_ns, self.begun) = (self.clock.now_ns(), true);
    }

    fn tell_state(&self, state: DestinationState) {
        let tried_at_ns =
            if self.begun { self.began_ns + self.destination.tried_at_ms() * 1_000_000 } else { 0 };
        let (output, life) = (self.output.clone(), self.destination.life());
        (self.report)(OutputReport::Destination { output, state, life, tried_at_ns });
    }

    /// Time since it began, ms.
    pub fn now_ms(&self) -> i64 {
        (self.clock.now_ns() - self.began_ns) / 1_000_000
    }

    /// Whether the server takes media now.
    pub fn is_live(&self) -> bool {
        self.destination.is_live()
    }

    /// Reports something to the job.
    pub fn report(&self, report: OutputReport) {
        (self.report)(report);
    }

    /// Something happens. What comes of it is told; returned is what that means for the connection, in order.
    pub fn step(&mut self, happening: Happening) -> Vec<Link> {
        match &happening {
            Happening::Lost(error)
            | Happening::HungUp(error)
            | Happening::Denied(error)
            | Happening::Taken(error) => {
                tracing::info!(output = %self.output, %error, detail = error.detail, "destination");
                self.error = Some(error.clone());
            }
            Happening::Connected => self.error = None,
            Happening::Retry | Happening::Tick => {}
        }
        let (destination, effects) = self.destination.clone().step(happening, self.now_ms(), rand::random());
        self.destination = destination;
        let mut links = Vec::new();
        for effect in effects {
            match effect {
                Effect::Connect => links.push(Link::Connect),
                Effect::LetGo => links.push(Link::LetGo),
                Effect::Tell(state) => self.tell_state(state),
            }
        }
        links
    }

    /// Media of this time went out. The first is reported.
    pub fn sent(&mut self, time_ns: i64) {
        if self.counts.started_ns == 0 {
            self.counts.started_ns = time_ns;
            self.result.started_at_ns = time_ns;
            (self.report)(OutputReport::Active { output: self.output.clone(), started_at_ns: time_ns });
        }
    }

    /// Puts the figures where the job's loop finds them. `waiting_ms`: media that waits to be sent.
    pub fn tell(&mut self, rtt_ms: Option<f64>, waiting_ms: i64) {
        let now = self.now_ms();
        self.result.size_bytes = self.counts.size_bytes;
        self.result.ended_at_ns = self.counts.ended_ns;
        self.result.retries = self.destination.retries();
        *self.told.0.lock() = Facts {
            counts: self.counts,
            figures: DestinationFigures {
                uptime_ms: self.destination.uptime_ms(now),
                tries: self.destination.tries(),
                next_try_ms: self.destination.next_try_ms(now),
                rtt_ms,
                waiting_ms,
            },
            can_retry: self.destination.can_retry(),
            result: self.result.clone(),
            failure: self.failure(),
        };
    }

    /// Why it failed, if it ended now.
    fn failure(&self) -> Option<ApiError> {
        self.error.clone().filter(|_| self.destination.has_failed(self.now_ms()))
    }

    /// Reports the end, as it was told last.
    pub fn end(self) {
        let ended = Ended::Destination(last_state(self.result.clone(), self.failure()));
        (self.report)(OutputReport::Ended { output: self.output, ended });
    }
}

/// What is to be done about a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Begin a try; whatever connection there was is let go of.
    Connect,
    /// Let go of it.
    LetGo,
}
