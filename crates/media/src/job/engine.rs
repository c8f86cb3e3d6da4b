//! A job: what feeds it, the program and its encoders, the outputs, when it begins and ends.
//!
//! Everything that happens comes in through a method, and everything it needs to know of time is an
//! argument; the loop around it ([`crate::job::recording`]) only waits.

use std::collections::BTreeMap;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{EndReason, Fact};
use egress::id::OutputId;
use egress::spec::{EgressSpec, Treatment};
use egress::wire::Secret;
use room::clock::Clock;

use crate::job::Facts;
use crate::job::core::Core;
use crate::job::feed::Feed;
use crate::job::lanes::Lanes;
use crate::job::levels::Levels;
use crate::job::media::{FromMedia, MediaSender};
use crate::job::outputs::begin::Program;
use crate::job::outputs::{Attachment, Idle, Outputs, Route};
use crate::job::preview::Preview;
use crate::job::shape::{NameContext, shape};
use crate::job::stage::Stage;
use crate::output::OutputReport;
use crate::output::worker::defect;

/// A job.
pub struct Engine<F> {
    /// What every job has.
    pub core: Core,
    /// What feeds it.
    pub feed: F,
}

impl<F: Feed> Engine<F> {
    /// A job of this kind.
    pub fn new(
        spec: &EgressSpec,
        secrets: &BTreeMap<OutputId, Secret>,
        names: NameContext,
        feed: F,
        media: MediaSender,
        lanes: Lanes,
        clock: Clock,
    ) -> Self {
        let mut outputs = Outputs::default();
        for output in &spec.outputs {
            // Ids are unique by validation; a second one of a name is dropped.
            let secret = secrets.get(&output.id).cloned();
            let _ = outputs.add(Attachment { spec: output.clone(), secret });
        }
        outputs.began_armed = spec.outputs.is_empty();
        let core = Core {
            outputs,
            lanes,
            levels: Levels::default(),
            stage: Stage::Running,
            names,
            received: Vec::new(),
            answers: Vec::new(),
            preview: Preview::new(media.clone(), &spec.treatment),
            media,
            attached_ns: 0,
            clock,
            treatment: spec.treatment.clone(),
            armed: false,
            manifests: Vec::new(),
        };
        Self { core, feed }
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
        self.core.lanes.request_start(now_ns);
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
    pub fn on_event(&mut self, event: F::Event, now_ns: i64, facts: &mut Facts) -> Option<EndReason> {
        let end = self.feed.on_event(event, &mut self.core, now_ns, facts);
        self.note_armed(facts);
        self.open_outputs(now_ns, facts);
        end
    }

    /// The source says nothing any more. It says why beforehand, unless the task behind it has died.
    pub fn source_gone(&mut self) {
        if !self.core.stage.ending() {
            self.core.stage.fail(defect("the task of the source has ended without a word"));
        }
    }

    /// Takes what comes back from GStreamer's threads.
    pub fn on_media(&mut self, message: FromMedia, now_ns: i64, facts: &mut Facts) {
        match message {
            FromMedia::Encoded(run, encoded) => self.core.encoded(run, encoded),
            FromMedia::Preview(thumbnail) => self.core.preview.made(thumbnail),
            FromMedia::Output(OutputReport::WantsKeyframe { output }) => {
                self.core.lanes.encoders.force_keyframe(&output);
            }
            FromMedia::Output(OutputReport::Begins { output, from_ns, every_ns }) => {
                self.core.lanes.encoders.segment_begins(&output, from_ns, every_ns);
            }
            FromMedia::Output(report) => {
                if let Some(over) = self.core.outputs.on_report(report, facts) {
                    self.core.output_over(&over, facts);
                }
            }
            of_feed => {
                self.feed.on_media(of_feed, &mut self.core, now_ns, facts);
                self.note_armed(facts);
                self.feed.begin(&mut self.core, now_ns);
            }
        }
    }

    /// Lets time pass. Some: the job ends for this reason.
    pub fn tick(&mut self, now_ns: i64, facts: &mut Facts) -> Option<EndReason> {
        let core = &mut self.core;
        for unit in core.lanes.tick(now_ns, self.feed.muted()) {
            core.outputs.push(&unit, Route::Published);
        }
        core.give_raw();
        core.outputs.muted(core.lanes.has_sound() && core.lanes.is_muted());
        let end = self.feed.tick(core, now_ns, facts);
        self.open_outputs(now_ns, facts);
        let core = &mut self.core;
        self.feed.begin(core, now_ns);
        let awaits_picture = self.feed.awaits_picture(core, now_ns);
        core.outputs.await_picture(awaits_picture);
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
        if core.lanes.running() && !core.outputs.any() && !core.stage.ending() {
            core.lanes.stop_program();
        }
        end.or(streamed_only.then_some(EndReason::StreamsStopped))
    }

    /// Opens the outputs that wait, as soon as enough is known of the source.
    fn open_outputs(&mut self, now_ns: i64, facts: &mut Facts) {
        let core = &mut self.core;
        if !core.outputs.any_waiting() || core.stage.ending() {
            return;
        }
        let Some(known) = self.feed.known(core, now_ns) else { return };
        core.subscribe(now_ns);
        core.lanes.request_start(now_ns);
        // Sound alone has no keyframe to wait for; an encoder begins with one.
        let awaits_picture = self.feed.awaits_picture(core, now_ns);
        let fed = !core.lanes.passes_pictures() || !core.armed || !awaits_picture;
        let (treatment, names) = (&core.treatment, &core.names);
        let media = core.media.clone();
        let joining = core.outputs.open_waiting(
            |output, file| shape(output, file, treatment, names, &known, now_ns),
            Program {
                clock: core.clock,
                names: &names.name_facts(&known, now_ns),
                launch: &names.launch,
                lanes: core.lanes.program_lanes(),
                picture_size: core.lanes.treated.picture_size(),
                fed,
                awaits_picture,
                passes: treatment == &Treatment::Passthrough,
            },
            facts,
            move |report| {
                media.send(FromMedia::Output(report));
            },
        );
        core.subscribe(now_ns);
        for output in &joining {
            // Where it joins a program that is on: without this it would wait for the next keyframe.
            core.lanes.encoders.force_keyframe(output);
        }
        self.feed.begin(core, now_ns);
    }

    fn note_armed(&mut self, facts: &mut Facts) {
        if !self.core.armed && self.core.lanes.ready(self.feed.picture_on()) {
            self.core.armed = true;
            facts.record(Fact::Armed);
        }
    }
}
