//! A job: its source, its programs and their encoders, its outputs, when it begins and ends.
//!
//! Everything that happens comes in through a method, and everything it needs to know of time is an
//! argument; the loop around it ([`crate::job::recording`]) only waits.

use std::collections::BTreeMap;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{EndReason, Fact};
use egress::id::OutputId;
use egress::spec::EgressSpec;
use egress::wire::{Secret, ToJob};
use room::clock::Clock;

use crate::encode::h264::VideoEncoder;
use crate::encode::set::EncoderSet;
use crate::job::Facts;
use crate::job::cache::Cache;
use crate::job::core::Core;
use crate::job::levels::Levels;
use crate::job::media::{FromMedia, MediaSender};
use crate::job::outputs::begin::Program;
use crate::job::outputs::{Attachment, Idle, Outputs};
use crate::job::preview::Preview;
use crate::job::programs::Programs;
use crate::job::shape::{NameContext, shape};
use crate::job::source::{Published, Source, SourceEvent};
use crate::job::stage::Stage;
use crate::job::takes::{AIR, Treated};
use crate::output::OutputReport;
use crate::output::worker::defect;

/// A job.
pub struct Engine<S> {
    /// What every job has.
    pub core: Core,
    /// Where its media comes from.
    pub source: S,
    /// What the source has given and is not routed yet.
    emitted: Vec<SourceEvent>,
}

impl<S: Source> Engine<S> {
    /// A job of this source.
    pub fn new(
        spec: &EgressSpec,
        secrets: &BTreeMap<OutputId, Secret>,
        names: NameContext,
        source: S,
        media: MediaSender,
        encoder: VideoEncoder,
        clock: Clock,
    ) -> Self {
        let mut outputs = Outputs::default();
        for output in &spec.outputs {
            // Ids are unique by validation; a second one of a name is dropped.
            let secret = secrets.get(&output.id).cloned();
            let _ = outputs.add(Attachment { spec: output.clone(), secret });
        }
        outputs.began_armed = spec.outputs.is_empty();
        let encoded = media.clone();
        let encoders = EncoderSet::new(encoder, move |run, what| {
            // A closed queue: the job is over.
            encoded.send(FromMedia::Encoded(run, what));
        });
        let core = Core {
            outputs,
            treated: Treated::new(&spec.source, &spec.treatment),
            programs: Programs::default(),
            encoders,
            levels: Levels::default(),
            stage: Stage::Running,
            names,
            received: Vec::new(),
            answers: Vec::new(),
            preview: Preview::new(media.clone(), &spec.treatment),
            media,
            attached_ns: 0,
            cache: Cache::default(),
            published: Published::default(),
            held_pictures: 0,
            clock,
            treatment: spec.treatment.clone(),
            armed: false,
            manifests: Vec::new(),
        };
        let mut engine = Self { core, source, emitted: Vec::new() };
        engine.settle(clock.now_ns());
        engine
    }

    /// Attaches outputs, all in one moment: Record.
    ///
    /// # Errors
    /// If there is one of such an id, or the job is ending.
    pub fn attach(
        &mut self,
        outputs: impl IntoIterator<Item = Attachment>,
        now_ns: i64,
        facts: &mut Facts,
    ) -> Result<(), ApiError> {
        if self.core.stage.ending() {
            return Err(ApiError::new(
                ErrorCode::FailedPrecondition,
                Fault::Input,
                "This job is ending.",
                "Start a new recording.",
            ));
        }
        for output in outputs {
            if let Some(url) = &output.secret {
                self.core.outputs.make_way(url);
            }
            self.core.outputs.add(output)?;
        }
        self.core.attached_ns = now_ns;
        self.core.programs.request_start(AIR, now_ns);
        self.open_outputs(now_ns, facts);
        Ok(())
    }

    /// Detaches an output; the program goes on.
    ///
    /// # Errors
    /// If there is none of that id.
    pub fn detach(&mut self, output: &OutputId, now_ns: i64) -> Result<(), ApiError> {
        self.core.outputs.detach(output, now_ns)
    }

    /// Takes what happens at the source. Some: the job ends for this reason.
    pub fn on_event(&mut self, event: S::Event, now_ns: i64, facts: &mut Facts) -> Option<EndReason> {
        self.source.on_event(event, now_ns, &mut self.emitted);
        let end = self.route(now_ns, facts);
        self.open_outputs(now_ns, facts);
        end
    }

    /// Takes a command that is for the source alone. Some: the job ends for this reason.
    pub fn on_command(&mut self, command: ToJob, now_ns: i64, facts: &mut Facts) -> Option<EndReason> {
        self.source.on_command(command, &mut self.emitted);
        self.route(now_ns, facts)
    }

    /// The job and what it has started use so much memory, bytes. Some: the job ends for this reason.
    pub fn uses(&mut self, memory_bytes: u64, now_ns: i64, facts: &mut Facts) -> Option<EndReason> {
        self.source.uses(memory_bytes, now_ns, &mut self.emitted);
        self.route(now_ns, facts)
    }

    /// Routes what the source has given, and tells it what is wanted for that. Some: the job ends for this reason.
    fn route(&mut self, now_ns: i64, facts: &mut Facts) -> Option<EndReason> {
        let mut end = None;
        for event in self.emitted.drain(..) {
            let over = self.core.take(event, now_ns, facts);
            end = end.or(over);
        }
        self.settle(now_ns);
        if !self.core.armed && self.core.ready() {
            self.core.armed = true;
            facts.record(Fact::Armed);
        }
        end
    }

    /// What is published decides when programs begin, and what is taken of them what is wanted of the source.
    fn settle(&mut self, now_ns: i64) {
        self.core.published(self.source.published(), now_ns);
        self.source.want(self.core.wants());
    }

    /// The source says nothing any more. It says why beforehand, unless the task behind it has died.
    pub fn source_gone(&mut self) {
        if !self.core.stage.ending() {
            self.core.stage.fail(defect("the task of the source has ended without a word"));
        }
    }

    /// Takes what comes back from GStreamer's threads. Some: the job ends for this reason.
    pub fn on_media(&mut self, message: FromMedia, now_ns: i64, facts: &mut Facts) -> Option<EndReason> {
        match message {
            FromMedia::Encoded(run, encoded) => self.core.encoded(run, encoded),
            FromMedia::Preview(thumbnail) => self.core.preview.made(thumbnail),
            FromMedia::Output(OutputReport::WantsKeyframe { output }) => {
                self.core.encoders.force_keyframe(&output);
            }
            FromMedia::Output(OutputReport::Begins { output, from_ns, every_ns }) => {
                self.core.encoders.segment_begins(&output, from_ns, every_ns);
            }
            FromMedia::Output(report) => {
                if let OutputReport::Active { output, started_at_ns } = &report {
                    self.core.encoders.began(output, *started_at_ns);
                }
                if let Some(over) = self.core.outputs.on_report(report, facts) {
                    self.core.output_over(&over, facts);
                }
            }
            of_source => {
                self.source.on_media(of_source, now_ns, &mut self.emitted);
                let end = self.route(now_ns, facts);
                self.core.run_programs(now_ns);
                self.begin(now_ns);
                return end;
            }
        }
        None
    }

    /// Lets time pass. Some: the job ends for this reason.
    pub fn tick(&mut self, now_ns: i64, facts: &mut Facts) -> Option<EndReason> {
        self.source.tick(now_ns, &mut self.emitted);
        let end = self.route(now_ns, facts);
        self.core.run_programs(now_ns);
        self.open_outputs(now_ns, facts);
        self.begin(now_ns);
        let awaits_picture = self.source.awaits_picture(self.core.attached_ns, now_ns);
        let core = &mut self.core;
        core.outputs.muted(core.programs.sound() && core.published.sound_muted);
        core.outputs.await_picture(awaits_picture, &core.treated);
        for over in core.outputs.tick(now_ns, facts) {
            core.output_over(&over, facts);
        }
        let mut streamed_only = false;
        // What comes of a job that is ending, it sees in its results.
        match core.outputs.idle().filter(|_| !core.stage.ending()) {
            Some(Idle::Failed(error)) => core.stage.fail(error),
            Some(Idle::StreamsStopped) => streamed_only = true,
            None => {}
        }
        core.subscribe(now_ns);
        if core.programs.running() && !core.outputs.any() && !core.stage.ending() {
            core.stop(AIR);
        }
        self.settle(now_ns);
        end.or(streamed_only.then_some(EndReason::StreamsStopped))
    }

    /// Lets outputs as published begin that wait for a whole picture.
    fn begin(&mut self, now_ns: i64) {
        let core = &mut self.core;
        if !core.outputs.any_unfed() {
            return;
        }
        if !self.source.awaits_picture(core.attached_ns, now_ns) {
            core.outputs.begin_unfed(&[], &core.treated);
        } else if let Some(units) = core.cache.opening(now_ns) {
            core.outputs.begin_unfed(&units, &core.treated);
        } else {
            self.source.request_keyframe();
        }
    }

    /// Opens the outputs that wait, as soon as enough is known of the source.
    fn open_outputs(&mut self, now_ns: i64, facts: &mut Facts) {
        let core = &mut self.core;
        if !core.outputs.any_waiting() || core.stage.ending() {
            return;
        }
        let Some(known) = self.source.known(core.attached_ns, now_ns) else { return };
        core.subscribe(now_ns);
        core.programs.request_start(AIR, now_ns);
        // Where files were not there from the beginning, what is published is begun with from a keyframe.
        let awaits_picture = self.source.awaits_picture(core.attached_ns, now_ns);
        let fed = !core.armed || !awaits_picture;
        let (treatment, names) = (&core.treatment, &core.names);
        let media = core.media.clone();
        let joining = core.outputs.open_waiting(
            |output, file| shape(output, file, treatment, names, &known, now_ns),
            Program {
                clock: core.clock,
                names: &names.name_facts(&known, now_ns),
                launch: &names.launch,
                treated: &core.treated,
                settled: known.settled,
                fed,
                awaits_picture,
            },
            facts,
            move |report| {
                media.send(FromMedia::Output(report));
            },
        );
        core.subscribe(now_ns);
        for output in &joining {
            // Where it joins a program that is on: without this it would wait for the next keyframe.
            core.encoders.force_keyframe(output);
        }
        self.settle(now_ns);
        self.begin(now_ns);
    }
}
