//! The outputs of a job: planned, opened, fed, finished.

mod destinations;
mod figures;
pub mod file;
mod raw;
mod segments;
pub mod stream;

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::Fact;
use egress::filename::{ImageNames, NameFacts, SegmentNames, proxy_name, resolve};
use egress::id::OutputId;
use egress::names::{FileNames, LaunchNames};
use egress::spec::{Container, FileOutput as FileSpec, OutputKind, OutputSpec};
use egress::wire::Secret;

use crate::job::Facts;
use crate::job::outputs::destinations::{LastOver, Line};
use crate::job::outputs::figures::Rate;
use crate::job::outputs::file::Shape;
use crate::output::{Ended, Output, OutputReport, Raw, Rendition, Renditions, SetResult};
use crate::unit::Unit;

pub use destinations::Idle;

/// After this long without a unit past its end a detached output is finished all the same, ns.
const DETACH_PATIENCE_NS: i64 = 1_500_000_000;

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
    names: HashMap<OutputId, PathBuf>,
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

#[derive(Debug)]
struct Open {
    output: Box<dyn Output>,
    kind: OutputKind,
    /// Whether units go in: not while an armed job waits for a picture to begin with.
    fed: bool,
    /// Detached at this time; finished when a unit of a later time comes.
    until_ns: Option<i64>,
    finishing: bool,
    rate: Rate,
    line: Line,
}

impl Open {
    fn finish(&mut self) {
        if !self.finishing {
            self.finishing = true;
            self.output.finish();
        }
    }
}

/// The program, as far as outputs that are opened want to know it.
#[derive(Debug, Clone, Copy)]
pub struct Program<'a> {
    /// What names are made of.
    pub names: &'a NameFacts,
    /// The names that were settled at the launch.
    pub launch: &'a LaunchNames,
    /// Lanes of the broadcast rendition.
    pub lanes: stream::Lanes,
    /// Width and height of the picture, pixels, and pictures a second.
    pub picture_size: Option<(u32, u32, u32)>,
    /// Whether units of the asked rendition go in from now on.
    pub fed: bool,
    /// Whether files wait for a first picture.
    pub awaits_picture: bool,
    /// Whether files hold what is published, and not the program.
    pub passes: bool,
}

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

    /// Whether an output takes this rendition, or will.
    pub fn wants(&self, rendition: Rendition) -> bool {
        let waits = |o: &Attachment| {
            rendition
                == match o.spec.kind {
                    OutputKind::File(ref file) if file.proxy.is_some() => Rendition::Raw,
                    OutputKind::File(_) => Rendition::Asked,
                    OutputKind::Stream(_) | OutputKind::Segments(_) => Rendition::Broadcast,
                    OutputKind::Images(_) | OutputKind::WebSocket(_) => Rendition::Raw,
                }
        };
        self.waiting.iter().any(waits) || self.open.values().any(|o| o.output.rendition() == rendition)
    }

    /// Opens what waits.
    pub fn open_waiting(
        &mut self,
        shape: impl Fn(&OutputId, &FileSpec) -> Result<Shape, ApiError>,
        program: Program<'_>,
        facts: &mut Facts,
        report: impl Fn(OutputReport) + Clone + Send + 'static,
    ) {
        let Program { names, launch, lanes, picture_size, fed, .. } = program;
        for Attachment { spec, secret } in std::mem::take(&mut self.waiting) {
            let opened = match &spec.kind {
                OutputKind::File(FileSpec { proxy: Some(proxy), folder, name, .. }) => {
                    let master = || self.names.get(&proxy.of).map(|master| proxy_name(master));
                    let name = match launch.settled(&spec.id) {
                        Some(FileNames::File { path }) => path.clone(),
                        _ => master().unwrap_or_else(|| resolve(name, Container::Mp4, names)),
                    };
                    raw::proxy(&spec.id, proxy, folder, &name, program, facts, report.clone())
                        .map_err(file::not_made)
                }
                OutputKind::File(file) => shape(&spec.id, file)
                    .and_then(|shape| file::open(&spec.id, file, shape, facts, report.clone()))
                    .map(|(output, name)| {
                        self.names.insert(spec.id.clone(), name);
                        output
                    })
                    .map_err(file::not_made),
                OutputKind::Stream(to) => stream::open(&spec.id, to, secret.as_ref(), lanes, report.clone())
                    .map_err(stream::not_started),
                OutputKind::Segments(to) => {
                    let settled = SegmentNames::settled(to, launch.settled(&spec.id));
                    let names = settled.unwrap_or_else(|| SegmentNames::of(to, names));
                    segments::open(&spec.id, to, names, lanes, facts, report.clone()).map_err(file::not_made)
                }
                OutputKind::Images(to) => {
                    let settled = ImageNames::settled(to, launch.settled(&spec.id));
                    let names = settled.unwrap_or_else(|| ImageNames::of(to, names));
                    raw::images(&spec.id, to, names, picture_size, facts, report.clone())
                        .map_err(file::not_made)
                }
                OutputKind::WebSocket(to) => {
                    raw::websocket(&spec.id, to, secret.as_ref(), lanes, report.clone())
                        .map_err(stream::not_started)
                }
            };
            match opened {
                Ok(mut output) => {
                    output.await_picture(program.awaits_picture);
                    if fed && output.rendition() == Rendition::Asked {
                        self.held.iter().for_each(|unit| output.push(unit));
                    }
                    let rate = Rate::default();
                    let fed = fed || output.rendition() != Rendition::Asked;
                    let open = Open {
                        output,
                        kind: spec.kind,
                        fed,
                        until_ns: None,
                        finishing: false,
                        rate,
                        line: Line::default(),
                    };
                    self.open.insert(spec.id, open);
                }
                Err(ended) => self.close(spec.id, &spec.kind, Line::default(), ended, facts),
            }
        }
        self.held.clear();
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
    pub fn begin_unfed(&mut self, units: &[Unit]) {
        for open in self.open.values_mut().filter(|o| !o.fed) {
            open.fed = true;
            for unit in units {
                open.output.push(unit);
            }
        }
    }

    /// Gives a unit to all outputs that take it.
    pub fn push(&mut self, unit: &Unit, of: Renditions) {
        if self.any_waiting() && of.asked {
            self.held.push_back(unit.clone());
            while self.held.front().is_some_and(|first| unit.time_ns - first.time_ns > HELD_NS) {
                self.held.pop_front();
            }
        }
        let takes = |o: &&mut Open| o.fed && !o.finishing && of.has(o.output.rendition());
        for open in self.open.values_mut().filter(takes) {
            if open.until_ns.is_some_and(|until| unit.time_ns >= until) {
                open.finish();
            } else {
                open.output.push(unit);
            }
        }
    }

    /// Gives a step of the program to all outputs that take it so.
    pub fn push_raw(&mut self, raw: &Raw) {
        let (Raw::Picture { time_ns, .. } | Raw::Sound { time_ns, .. }) = raw;
        for open in self.open.values_mut().filter(|o| !o.finishing && o.output.rendition() == Rendition::Raw)
        {
            if open.until_ns.is_some_and(|until| *time_ns >= until) {
                open.finish();
            } else {
                open.output.push_raw(raw);
            }
        }
    }

    /// All sound of the source is muted, or not.
    pub fn muted(&mut self, muted: bool) {
        self.open.values_mut().for_each(|open| open.output.muted(muted));
    }

    /// Whether files that are to have pictures wait for the first.
    pub fn await_picture(&mut self, awaited: bool) {
        self.open.values_mut().for_each(|open| open.output.await_picture(awaited));
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
                open.until_ns.get_or_insert(now_ns);
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

    /// Finishes what was detached and gets no more units.
    pub fn tick(&mut self, now_ns: i64) {
        for open in self.open.values_mut() {
            if open.until_ns.is_some_and(|until| now_ns > until + DETACH_PATIENCE_NS || !open.fed) {
                open.finish();
            }
        }
    }

    /// Finishes all.
    pub fn finish_all(&mut self) {
        self.waiting.clear();
        self.open.values_mut().for_each(Open::finish);
    }

    /// Gives up outputs that do not end. Files play, and the next start completes them.
    pub fn abandon(&mut self, facts: &mut Facts) {
        for (output, mut open) in std::mem::take(&mut self.open) {
            let ended = open.output.abandoned();
            self.close(output, &open.kind, open.line, ended, facts);
        }
    }

    /// Takes an output's report. Returned is the kind of an output that has ended, and what came of it.
    pub fn on_report(
        &mut self,
        report: OutputReport,
        facts: &mut Facts,
    ) -> Option<(OutputId, OutputKind, Ended)> {
        match report {
            OutputReport::Active { output, started_at_ns } => {
                let is_proxy = |open: &&mut Open| matches!(&open.kind, OutputKind::File(FileSpec { proxy: Some(p), .. }) if p.of == output);
                for open in self.open.values_mut().filter(is_proxy) {
                    open.output.master_began(started_at_ns);
                }
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
            OutputReport::WantsKeyframe | OutputReport::Begins { .. } => None,
            OutputReport::Ended { output, ended } => {
                let open = self.open.remove(&output)?;
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
