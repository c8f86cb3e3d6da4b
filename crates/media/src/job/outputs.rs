//! The outputs of a job: planned, opened, fed, finished.

pub mod begin;
mod destinations;
mod figures;
pub mod file;
mod masters;
mod open;
mod opening;
mod raw;
mod segments;
pub mod stream;
mod timeline;

use std::collections::{HashMap, VecDeque};

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::Fact;
use egress::id::OutputId;
use egress::spec::{OutputKind, OutputSpec};
use egress::wire::Secret;

use crate::encode::set::{EncodeId, EncoderSet, ProgramId};
use crate::job::Facts;
use crate::job::outputs::destinations::{LastOver, Line};
use crate::job::outputs::masters::Masters;
use crate::job::outputs::open::{Open, no_answer};
use crate::job::takes::{Takes, Treated};
use crate::output::worker::defect;
use crate::output::{Ended, OutputReport, Raw, SetResult};
use crate::unit::{Lane, Unit};

pub use destinations::Idle;

/// What a thread said last is here within this time of its end, ns.
const LAST_WORD_NS: i64 = 1_000_000_000;

/// So much is held for files that are not open yet, ns.
const HELD_NS: i64 = 5_000_000_000;

/// All outputs of a job.
#[derive(Debug, Default)]
pub struct Outputs {
    waiting: Vec<Attachment>,
    open: HashMap<OutputId, Open>,
    results: Vec<(OutputId, Ended)>,
    /// What came as published while files wait for more to be known.
    held: VecDeque<Unit>,
    /// Where the files are, relative to their folders.
    names: Masters,
    low_disk_told: bool,
    /// Whether the job began without an output: the operator watches it, and tries again what has failed.
    pub began_armed: bool,
    /// What was over last.
    last_over: Option<LastOver>,
}

/// An output that is to be attached.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// What it is.
    pub spec: OutputSpec,
    /// What it needs and its specification must not hold.
    pub secret: Option<Secret>,
}

/// An output that is over: which, what it was, what came of it.
pub type Over = (OutputId, OutputKind, Ended);

impl Outputs {
    /// Adds an output that is opened as soon as enough is known of the source.
    ///
    /// # Errors
    /// If there is one of that id.
    pub fn add(&mut self, attachment: Attachment) -> Result<(), ApiError> {
        let id = &attachment.spec.id;
        if self.open.contains_key(id) || self.waiting.iter().any(|o| o.spec.id == *id) {
            return Err(ApiError::new(
                ErrorCode::InvalidArgument,
                Fault::Input,
                "This output is attached already.",
                "Give each output an id of its own.",
            ));
        }
        self.waiting.push(attachment);
        Ok(())
    }

    /// Whether an output waits to be opened.
    pub fn any_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether any output is there, waiting or open.
    pub fn any(&self) -> bool {
        !self.waiting.is_empty() || !self.open.is_empty()
    }

    /// Whether an output takes more of the program than what is recorded, or will.
    pub fn take_program(&self) -> bool {
        let waits = |o: &Attachment| Takes::of(&o.spec.kind).more();
        self.waiting.iter().any(waits) || self.open.values().any(|o| o.takes.more())
    }

    /// Whether an output takes this, or will.
    pub fn take(&self, takes: &Takes) -> bool {
        let waits = |o: &Attachment| Takes::of(&o.spec.kind) == *takes;
        self.waiting.iter().any(waits) || self.open.values().any(|o| o.takes == *takes && !o.finishing)
    }

    /// The encodes that each takes run, and no others.
    pub fn subscribe(&mut self, treated: &Treated, encoders: &mut EncoderSet) {
        for (id, open) in &mut self.open {
            open.encodes = encoders.subscribe(id, &treated.keys(&open.takes, open.program));
        }
    }

    /// What an output takes is not to be had any more. What it has is completed.
    pub fn break_off(&mut self, id: &OutputId, error: ApiError) {
        if let Some(open) = self.open.get_mut(id) {
            open.broke.get_or_insert(error);
            open.finish();
        }
    }

    /// What is published cannot go on in the files that it began in.
    pub fn break_off_published(&mut self, error: &ApiError) {
        let published = self.open.iter().filter(|(_, open)| open.takes == Takes::Published);
        let ids: Vec<OutputId> = published.map(|(id, _)| id.clone()).collect();
        ids.iter().for_each(|id| self.break_off(id, error.clone()));
    }

    /// Tells what came of an output.
    fn close(&mut self, output: OutputId, kind: &OutputKind, line: Line, ended: Ended, facts: &mut Facts) {
        if let Ended::Set(SetResult { set, .. }) = &ended {
            facts.record(Fact::Set { output: output.clone(), set: set.clone() });
        }
        facts.record(match (&ended, kind) {
            (Ended::File(result) | Ended::Set(SetResult { result, .. }), _) => {
                Fact::OutputEnded { output: output.clone(), result: result.clone() }
            }
            (Ended::Destination(state), kind) => {
                let (output, address, state) = (output.clone(), address(kind), state.clone());
                let Line { life, tried_at_ns, .. } = line;
                Fact::Destination { output, address, state, life, tried_at_ns }
            }
        });
        self.last_over = match &ended {
            // It was over before.
            Ended::Destination(_) if line.failed => self.last_over.take(),
            Ended::Destination(state) => Some(LastOver::Destination(state.error().cloned())),
            Ended::File(_) | Ended::Set(_) => Some(LastOver::Disk(ended.error().cloned())),
        };
        self.results.push((output, ended));
    }

    /// Whether an output still waits for its first media.
    pub fn any_not_begun(&self) -> bool {
        self.any_waiting() || self.open.values().any(|o| o.output.counts().started_ns == 0)
    }

    /// Whether an open output is not fed yet.
    pub fn any_unfed(&self) -> bool {
        self.open.values().any(|o| !o.fed)
    }

    /// Feeds the outputs that were not, beginning with `units`.
    pub fn begin_unfed(&mut self, units: &[Unit], treated: &Treated) {
        for open in self.open.values_mut().filter(|o| !o.fed) {
            open.fed = true;
            for unit in units.iter().filter(|unit| treated.published(&open.takes, unit.lane)) {
                open.output.push(unit);
            }
        }
    }

    /// Gives a unit as it was published to all outputs that take it so.
    pub fn push_published(&mut self, unit: &Unit, treated: &Treated) {
        if self.any_waiting() {
            self.held.push_back(unit.clone());
            while self.held.front().is_some_and(|first| unit.time_ns - first.time_ns > HELD_NS) {
                self.held.pop_front();
            }
        }
        self.give(unit, |open| treated.published(&open.takes, unit.lane));
    }

    /// Gives a unit of an encode to all outputs that take it.
    pub fn push(&mut self, unit: &Unit, of: EncodeId) {
        self.give(unit, |open| open.encodes.contains(&of));
    }

    fn give(&mut self, unit: &Unit, takes: impl Fn(&Open) -> bool) {
        for open in self.open.values_mut().filter(|o| o.fed && !o.finishing && takes(o)) {
            if open.timeline.takes(unit.time_ns) {
                open.output.push(unit);
            } else {
                open.finish();
            }
        }
    }

    /// Gives a step of a program to all outputs that take it so.
    pub fn push_raw(&mut self, program: ProgramId, raw: &Raw) {
        let (Raw::Picture { time_ns, .. } | Raw::Sound { time_ns, .. }) = raw;
        let takes = |o: &&mut Open| !o.finishing && o.program == program && o.takes == Takes::Raw;
        for open in self.open.values_mut().filter(takes) {
            if open.timeline.takes(*time_ns) {
                open.output.push_raw(raw);
            } else {
                open.finish();
            }
        }
    }

    /// All sound of the source is muted, or not.
    pub fn muted(&mut self, muted: bool) {
        self.open.values_mut().for_each(|open| open.output.muted(muted));
    }

    /// Whether files that are to have pictures as published wait for the first.
    pub fn await_picture(&mut self, awaited: bool, treated: &Treated) {
        let published = |open: &&mut Open| treated.published(&open.takes, Lane::Video);
        self.open.values_mut().filter(published).for_each(|open| open.output.await_picture(awaited));
    }

    /// Detaches one output at `now_ns`.
    ///
    /// # Errors
    /// If there is none of that id.
    pub fn detach(&mut self, id: &OutputId, now_ns: i64) -> Result<(), ApiError> {
        let before = self.waiting.len();
        self.waiting.retain(|o| o.spec.id != *id);
        match self.open.get_mut(id) {
            Some(open) => {
                open.timeline.end(now_ns);
                Ok(())
            }
            None if self.waiting.len() < before => Ok(()),
            None => Err(not_attached()),
        }
    }

    /// Tries a destination again.
    ///
    /// # Errors
    /// If there is none of that id, or it needs no other try.
    pub fn retry(&mut self, id: &OutputId) -> Result<(), ApiError> {
        self.open.get_mut(id).ok_or_else(not_attached)?.output.retry()
    }

    /// Finishes what was detached and gets no more units. Returned are outputs whose thread has died.
    pub fn tick(&mut self, now_ns: i64, facts: &mut Facts) -> Vec<Over> {
        let mut lost = Vec::new();
        for (id, open) in &mut self.open {
            if open.timeline.is_over(now_ns) || open.timeline.ends() && !open.fed {
                open.finish();
            }
            open.warn_behind(facts);
            if open.output.is_overrun() || open.is_stuck(now_ns) {
                // Should the disk answer again, what waits for it is completed all the same.
                open.finish();
                lost.push((id.clone(), no_answer(&open.kind)));
            } else if open.output.is_running() {
                open.gone_since_ns = None;
            } else if now_ns - *open.gone_since_ns.get_or_insert(now_ns) > LAST_WORD_NS {
                lost.push((id.clone(), defect("the thread of an output has died")));
            }
        }
        lost.into_iter().filter_map(|(id, error)| self.give_up(id, error, facts)).collect()
    }

    /// An output is over that cannot say so itself.
    fn give_up(&mut self, id: OutputId, error: ApiError, facts: &mut Facts) -> Option<Over> {
        let mut open = self.open.remove(&id)?;
        let ended = open.output.abandoned().broken_by(error);
        let ended = open.timeline.on_the_wall(ended, facts.slept_ns());
        self.close(id.clone(), &open.kind, open.line, ended.clone(), facts);
        Some((id, open.kind, ended))
    }

    /// Finishes all.
    pub fn finish_all(&mut self) {
        self.waiting.clear();
        self.open.values_mut().for_each(Open::finish);
    }

    /// Gives up outputs that do not end. Files play, and the next start completes them.
    pub fn abandon(&mut self, facts: &mut Facts) {
        for (output, mut open) in std::mem::take(&mut self.open) {
            let ended = open.timeline.on_the_wall(open.output.abandoned(), facts.slept_ns());
            self.close(output, &open.kind, open.line, ended, facts);
        }
    }

    /// Takes an output's report. Returned is the kind of an output that has ended, and what came of it.
    pub fn on_report(&mut self, report: OutputReport, facts: &mut Facts) -> Option<Over> {
        match report {
            OutputReport::Active { output, started_at_ns } => {
                let slept_ns = facts.slept_ns();
                if let Some(open) = self.open.get_mut(&output) {
                    open.timeline.began(slept_ns);
                }
                let started_at_ns = started_at_ns + slept_ns;
                facts.record(Fact::OutputActive { output, started_at_ns });
                None
            }
            OutputReport::Destination { output, state, life, tried_at_ns } => {
                self.on_destination(output, state, (life, tried_at_ns), facts);
                None
            }
            OutputReport::Warning(warning) => {
                facts.record(Fact::Warning { warning });
                None
            }
            OutputReport::WantsKeyframe { .. } | OutputReport::Begins { .. } => None,
            OutputReport::Ended { output, ended } => {
                let open = self.open.remove(&output)?;
                let ended = open.timeline.on_the_wall(ended, facts.slept_ns());
                let ended = open.broke.map_or(ended.clone(), |error| ended.broken_by(error));
                self.close(output.clone(), &open.kind, open.line, ended.clone(), facts);
                Some((output, open.kind, ended))
            }
        }
    }

    /// Every output that ended, with what came of it.
    pub fn results(&self) -> &[(OutputId, Ended)] {
        &self.results
    }
}

/// Where an output goes, as it may be shown.
fn address(kind: &OutputKind) -> String {
    match kind {
        OutputKind::Stream(stream) => stream.address.clone(),
        OutputKind::WebSocket(socket) => socket.address.clone(),
        OutputKind::File(_) | OutputKind::Segments(_) | OutputKind::Images(_) => String::new(),
    }
}

fn not_attached() -> ApiError {
    ApiError::new(
        ErrorCode::NotFound,
        Fault::Input,
        "This output is not attached.",
        "It may have ended already; look at the list of outputs.",
    )
}
