//! How outputs begin: what each is made with, in a thread of its own where that is on a disk.

use egress::error::{ApiError, ErrorCode, Fault};
use egress::filename::{ImageNames, NameFacts, SegmentNames, proxy_name, resolve};
use egress::id::OutputId;
use egress::names::{FileNames, LaunchNames};
use egress::spec::{Container, FileOutput as FileSpec, OutputKind, OutputSpec};
use egress::wire::Secret;
use room::clock::Clock;

use crate::job::Facts;
use crate::job::outputs::destinations::Line;
use crate::job::outputs::file::Shape;
use crate::job::outputs::open::Open;
use crate::job::outputs::opening::Opening;
use crate::job::outputs::{Attachment, Outputs, file, raw, segments, stream};
use crate::job::takes::{Takes, Treated};
use crate::output::{Ended, Output, OutputReport};
use crate::unit::Lane;

/// The program, as far as outputs that are opened want to know it.
#[derive(Debug, Clone, Copy)]
pub struct Program<'a> {
    /// The job's clock.
    pub clock: Clock,
    /// What names are made of.
    pub names: &'a NameFacts,
    /// The names that were settled at the launch.
    pub launch: &'a LaunchNames,
    /// What is recorded of it.
    pub treated: &'a Treated,
    /// Whether as much is known of the source as a file as published has to know.
    pub settled: bool,
    /// Whether what is published goes into files from now on.
    pub fed: bool,
    /// Whether files as published wait for a first picture.
    pub awaits_picture: bool,
}

impl Outputs {
    /// Opens what waits. Returned is what is open now.
    pub fn open_waiting(
        &mut self,
        shape: impl Fn(&OutputId, &FileSpec) -> Result<Shape, ApiError>,
        program: Program<'_>,
        facts: &mut Facts,
        report: impl Fn(OutputReport) + Clone + Send + 'static,
    ) -> Vec<OutputId> {
        let mut opened = Vec::new();
        for Attachment { spec, secret } in std::mem::take(&mut self.waiting) {
            if !program.settled && program.treated.published(&Takes::of(&spec.kind), Lane::Video) {
                self.waiting.push(Attachment { spec, secret });
                continue;
            }
            match self.open_one(&spec, secret.as_ref(), &shape, program, facts, report.clone()) {
                Ok(output) => {
                    opened.push(spec.id.clone());
                    self.opened(spec, output, program);
                }
                Err(ended) => self.close(spec.id, &spec.kind, Line::default(), *ended, facts),
            }
        }
        if self.waiting.is_empty() {
            self.held.clear();
        }
        opened
    }

    /// Begins to open an output. What is on a disk is made in a thread of its own, and takes its media until then.
    fn open_one(
        &self,
        spec: &OutputSpec,
        secret: Option<&Secret>,
        shape: impl Fn(&OutputId, &FileSpec) -> Result<Shape, ApiError>,
        program: Program<'_>,
        facts: &Facts,
        report: impl Fn(OutputReport) + Clone + Send + 'static,
    ) -> Result<Box<dyn Output>, Box<Ended>> {
        let Program { names, launch, treated, clock, .. } = program;
        let (lanes, picture_size) = (treated.lanes(), treated.picture_size());
        let (id, facts, tell) = (spec.id.clone(), facts.recorder(), report.clone());
        let settled = launch.settled(&id);
        Ok(match spec.kind.clone() {
            OutputKind::Stream(to) => stream::open(&id, &to, secret, lanes, clock, report)
                .map_err(|error| Box::new(stream::not_started(error)))?,
            OutputKind::WebSocket(to) => raw::websocket(&id, &to, secret, lanes, clock, report)
                .map_err(|error| Box::new(stream::not_started(error)))?,
            OutputKind::File(FileSpec { proxy: Some(proxy), folder, name, .. }) => {
                let known = match settled {
                    Some(FileNames::File { path }) => Some(path.clone()),
                    _ => None,
                };
                if picture_size.is_none() {
                    return Err(Box::new(file::not_made(no_picture())));
                }
                let (masters, otherwise) = (self.names.clone(), resolve(&name, Container::Mp4, names));
                let audio = lanes.audio.then_some(None);
                let make = move || {
                    let master = || masters.wait(&proxy.of).map(|master| proxy_name(&master));
                    let name = known.or_else(master).unwrap_or(otherwise);
                    let shape = Shape { container: Container::Mp4, name, video: true, audio };
                    file::open(&id, &folder, shape, |_| {}, &facts, report)
                };
                Box::new(Opening::start(spec.id.clone(), file::not_made, make, tell))
            }
            OutputKind::File(file) => {
                let shape = shape(&id, &file).map_err(|error| Box::new(file::not_made(error)))?;
                let names = self.names.clone();
                let make = move || {
                    let named = |name| names.put(id.clone(), name);
                    file::open(&id, &file.folder, shape, named, &facts, report)
                };
                Box::new(Opening::start(spec.id.clone(), file::not_made, make, tell))
            }
            OutputKind::Segments(to) => {
                let names =
                    SegmentNames::settled(&to, settled).unwrap_or_else(|| SegmentNames::of(&to, names));
                let make = move || segments::open(&id, &to, names, lanes, &facts, report);
                Box::new(Opening::start(spec.id.clone(), file::not_made, make, tell))
            }
            OutputKind::Images(to) => {
                let names = ImageNames::settled(&to, settled).unwrap_or_else(|| ImageNames::of(&to, names));
                let make = move || raw::images(&id, &to, names, picture_size, &facts, report);
                Box::new(Opening::start(spec.id.clone(), file::not_made, make, tell))
            }
        })
    }

    /// An output is open, or on its way: it is given what was held for it.
    fn opened(&mut self, spec: OutputSpec, mut output: Box<dyn Output>, program: Program<'_>) {
        let (takes, treated) = (Takes::of(&spec.kind), program.treated);
        let with_picture = treated.published(&takes, Lane::Video);
        if with_picture {
            output.await_picture(program.awaits_picture);
        }
        let fed = program.fed || !with_picture;
        if fed {
            let held = self.held.iter().filter(|unit| treated.published(&takes, unit.lane));
            held.for_each(|unit| output.push(unit));
        }
        self.open.insert(spec.id, Open::new(output, spec.kind, fed));
    }
}

fn no_picture() -> ApiError {
    ApiError::new(
        ErrorCode::Unsupported,
        Fault::Input,
        "There is no picture to make a small one of.",
        "Choose something that has one.",
    )
}
