//! A job: what feeds it, the program and its encoders, the outputs, when it begins and ends.
//!
//! Everything that happens comes in through a method, and everything it needs to know of time is an
//! argument; the loop around it ([`crate::job::recording`]) only waits.

use std::collections::BTreeMap;
use std::path::Path;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{EndReason, Fact, TrackFacts};
use egress::id::OutputId;
use egress::spec::{EgressSpec, OutputKind, Treatment};
use egress::wire::Secret;
use tokio::sync::mpsc::UnboundedSender;

use crate::job::Facts;
use crate::job::ending::Stage;
use crate::job::feed::Feed;
use crate::job::ingest::FromMedia;
use crate::job::lanes::Lanes;
use crate::job::levels::Levels;
use crate::job::outputs::{Attachment, Idle, Outputs, Program};
use crate::job::preview::Preview;
use crate::job::shape::{NameContext, shape};
use crate::output::{Ended, OutputReport, Rendition, Renditions};

/// What every job has, whatever feeds it.
pub struct Core {
    /// Which outputs there are.
    pub outputs: Outputs,
    /// The program and the encoders.
    pub lanes: Lanes,
    /// Sound levels.
    pub levels: Levels,
    /// How far it is with ending.
    pub stage: Stage,
    /// What names are made of.
    pub names: NameContext,
    /// What was received so far, in order of appearance.
    pub received: Vec<TrackFacts>,
    /// Answers to commands that took their time: the command's number, and why it could not be done.
    pub answers: Vec<(u64, Option<ApiError>)>,
    /// The program as the window shows it.
    pub preview: Preview,
    /// Where media comes back.
    pub media: UnboundedSender<FromMedia>,
    /// When an output was attached last, unix, ns; 0: with the job.
    pub attached_ns: i64,
    treatment: Treatment,
    armed: bool,
}

impl Core {
    /// Whether the source goes into files as published.
    pub fn passthrough(&self) -> bool {
        matches!(self.treatment, Treatment::Passthrough)
    }

    /// Whether there must be a program beside what is published: somebody takes an encode of it, or itself.
    fn wants_broadcast(&self) -> bool {
        let raw = self.passthrough() && self.outputs.wants(Rendition::Raw);
        raw || self.outputs.wants(Rendition::Broadcast)
    }

    /// Gives the program as it is to the outputs that take it so.
    pub fn give_raw(&mut self) {
        for raw in self.lanes.take_raw() {
            self.outputs.push_raw(&raw);
        }
    }
}

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
        media: UnboundedSender<FromMedia>,
        lanes: Lanes,
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
            treatment: spec.treatment.clone(),
            armed: false,
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

    /// Takes what comes back from GStreamer's threads.
    pub fn on_media(&mut self, message: FromMedia, now_ns: i64, facts: &mut Facts) {
        match message {
            FromMedia::Encoded(encoded) => match self.core.lanes.encoded(encoded) {
                Ok(Some((unit, of))) => self.core.outputs.push(&unit, of),
                Ok(None) => {}
                Err(error) => self.core.stage.fail(error),
            },
            FromMedia::Broadcast(encoded) => match self.core.lanes.broadcast(encoded) {
                Ok(Some((unit, of))) => self.core.outputs.push(&unit, of),
                Ok(None) => {}
                Err(warning) => facts.record(Fact::Warning { warning }),
            },
            FromMedia::Preview(thumbnail) => self.core.preview.made(thumbnail),
            FromMedia::Output(OutputReport::WantsKeyframe) => self.core.lanes.force_broadcast_keyframe(),
            FromMedia::Output(OutputReport::Begins { output, from_ns, every_ns }) => {
                self.core.lanes.segment_begins(output, from_ns, every_ns);
            }
            FromMedia::Output(report) => {
                if let Some((output, kind, ended)) = self.core.outputs.on_report(report, facts) {
                    self.core.lanes.output_over(&output);
                    match (&kind, &ended) {
                        (OutputKind::File(spec), Ended::File(result)) if spec.manifest => {
                            self.core.names.write_manifest(
                                &spec.folder,
                                result,
                                None,
                                &self.core.received,
                                facts,
                            );
                        }
                        (kind, Ended::Set(set)) => {
                            if let Some(folder) = manifest_folder(kind) {
                                let (result, received) = (&set.result, &self.core.received);
                                self.core.names.write_manifest(folder, result, Some(set), received, facts);
                            }
                        }
                        _ => {}
                    }
                    tracing::info!(%output, wrote = ended.wrote(), "output ended");
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
            core.outputs.push(&unit, Renditions::ASKED);
        }
        core.give_raw();
        core.outputs.muted(core.lanes.has_sound() && core.lanes.is_muted());
        let end = self.feed.tick(core, now_ns, facts);
        self.open_outputs(now_ns, facts);
        let core = &mut self.core;
        self.feed.begin(core, now_ns);
        let awaits_picture = self.feed.awaits_picture(core, now_ns);
        core.outputs.await_picture(awaits_picture);
        core.outputs.tick(now_ns);
        let mut streamed_only = false;
        // What comes of a job that is ending, it sees in its results.
        match core.outputs.idle().filter(|_| !core.stage.ending()) {
            Some(Idle::Failed(error)) => core.stage.fail(error),
            Some(Idle::StreamsStopped) => streamed_only = true,
            None => {}
        }
        if !core.wants_broadcast() {
            core.lanes.want_broadcast(false, false, now_ns);
        }
        if !core.outputs.wants(Rendition::Raw) {
            core.lanes.want(true, false);
        }
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
        let taken = core.outputs.wants(Rendition::Broadcast);
        core.lanes.want_broadcast(core.wants_broadcast(), taken, now_ns);
        let encoded = core.outputs.wants(Rendition::Asked) || taken;
        core.lanes.want(encoded, core.outputs.wants(Rendition::Raw));
        core.lanes.request_start(now_ns);
        // Sound alone has no keyframe to wait for; an encoder begins with one.
        let awaits_picture = self.feed.awaits_picture(core, now_ns);
        let fed = !core.lanes.passes_pictures() || !core.armed || !awaits_picture;
        let (treatment, names) = (&core.treatment, &core.names);
        let media = core.media.clone();
        core.outputs.open_waiting(
            |output, file| shape(output, file, treatment, names, &known, now_ns),
            Program {
                names: &names.name_facts(&known, now_ns),
                launch: &names.launch,
                lanes: core.lanes.broadcast_lanes(),
                picture_size: core.lanes.picture_size(),
                fed,
                awaits_picture,
                passes: treatment == &Treatment::Passthrough,
            },
            facts,
            move |report| {
                let _ = media.send(FromMedia::Output(report));
            },
        );
        if core.lanes.running() {
            // It joins a program that is on: without this it would wait for the next keyframe.
            core.lanes.force_keyframe();
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

/// The folder that the names of an output of many files are relative to, if it has a manifest.
fn manifest_folder(kind: &OutputKind) -> Option<&Path> {
    match kind {
        OutputKind::Segments(segments) => segments.manifest.then_some(&segments.folder),
        OutputKind::Images(images) => images.manifest.then_some(&images.folder),
        OutputKind::File(_) | OutputKind::Stream(_) | OutputKind::WebSocket(_) => None,
    }
}
