//! What every job has, whatever its source: what the source gives is routed here, to programs, encoders and outputs.

use std::path::Path;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{EndReason, Fact, TrackFacts};
use egress::id::TrackId;
use egress::spec::{OutputKind, Treatment, VideoCodec};
use room::clock::Clock;

use crate::chain::ChainError;
use crate::encode::encoder::Encoded;
use crate::encode::set::{Came, EncoderSet, ProgramId, Run};
use crate::job::Facts;
use crate::job::cache::Cache;
use crate::job::levels::Levels;
use crate::job::media::MediaSender;
use crate::job::outputs::{Outputs, Over};
use crate::job::preview::Preview;
use crate::job::programs::Programs;
use crate::job::shape::NameContext;
use crate::job::source::{Camera, Published, SourceEvent, Wants};
use crate::job::stage::Stage;
use crate::job::takes::{AIR, Recorded, Takes, Treated};
use crate::output::worker::Worker;
use crate::output::{Ended, Raw};
use crate::unit::{Lane, Unit};

/// So many tracks are remembered for manifests, the newest.
const MOST_TRACKS: usize = 1000;

/// What every job has.
pub struct Core {
    /// Which outputs there are.
    pub outputs: Outputs,
    /// How picture and sound are recorded.
    pub treated: Treated,
    /// What is decoded is shown and mixed here.
    pub programs: Programs,
    /// What is encoded of them.
    pub encoders: EncoderSet,
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
    pub media: MediaSender,
    /// When an output was attached last, unix, ns; 0: with the job.
    pub attached_ns: i64,
    /// What an output as published begins from.
    pub(super) cache: Cache,
    /// What is published of what is wanted.
    pub(super) published: Published,
    /// Pictures that could not be decoded.
    pub(super) held_pictures: u64,
    /// What is not of this moment is stamped by it: connections, of their own threads.
    pub(super) clock: Clock,
    pub(super) treatment: Treatment,
    pub(super) armed: bool,
    pub(super) manifests: Vec<Worker>,
}

impl Core {
    /// Takes what the source gives. Some: the job ends for this reason.
    pub(super) fn take(&mut self, event: SourceEvent, now_ns: i64, facts: &mut Facts) -> Option<EndReason> {
        match event {
            SourceEvent::Coded(unit) => self.coded(&unit),
            SourceEvent::Picture { time_ns, frame, on } => {
                self.preview.push(time_ns, &frame);
                if on {
                    self.programs.picture(time_ns, now_ns, &frame);
                }
            }
            SourceEvent::Sound { stream, track, sides, time_ns, stereo, on } => {
                self.levels.heard(&track, &stereo);
                if on {
                    self.programs.heard(time_ns);
                    self.programs.push_sound(stream, sides, time_ns, now_ns, &stereo);
                }
            }
            SourceEvent::Quiet(stream) => self.programs.quiet(stream),
            SourceEvent::Gone { stream, track } => {
                self.programs.gone(stream);
                track.iter().for_each(|track: &TrackId| self.levels.remove(track));
            }
            SourceEvent::Drained(stream) => self.stage.drained(stream),
            SourceEvent::Held(pictures) => self.held_pictures += pictures,
            SourceEvent::Away(since_ns) => self.programs.hold(Some(since_ns)),
            SourceEvent::Back => self.programs.hold(None),
            SourceEvent::RoomId(id) => self.names.room_id = id,
            SourceEvent::Track(track) => self.received(track, facts),
            SourceEvent::Only(kind) => self.treated.restrict(kind),
            SourceEvent::SoundUnfit => {
                self.treated.unfit();
                self.subscribe(now_ns);
            }
            SourceEvent::Unlike(error) => self.outputs.break_off_published(&error),
            SourceEvent::Fact(fact) => facts.record(fact),
            SourceEvent::Answer(request, error) => self.answers.push((request, error)),
            SourceEvent::Failed(error) => self.stage.fail(error),
            SourceEvent::Over(reason) => return Some(reason),
        }
        None
    }

    fn coded(&mut self, unit: &Unit) {
        // Sound alone has no keyframe to begin from.
        if unit.lane == Lane::Video || self.treated.video.is_there() {
            self.cache.push(unit);
        }
        self.outputs.push_published(unit, &self.treated);
    }

    fn received(&mut self, track: TrackFacts, facts: &mut Facts) {
        if !self.received.contains(&track) {
            if self.received.len() >= MOST_TRACKS {
                self.received.remove(0);
            }
            self.received.push(track.clone());
        }
        facts.record(Fact::TrackAdded { track });
    }

    /// What is published of what is wanted is this now.
    pub(super) fn published(&mut self, published: Published, now_ns: i64) {
        if std::mem::replace(&mut self.published, published) == published {
            return;
        }
        if published.camera != Camera::On {
            self.cache.forget_pictures();
        }
        self.programs.published(published, now_ns);
    }

    /// What outputs take decides what is shown, mixed and encoded.
    pub(super) fn subscribe(&mut self, now_ns: i64) {
        let mut plan = self.treated.plan(self.outputs.take_program());
        plan.sound |= self.treated.sound_unfit && self.outputs.take(&Takes::Published);
        let before = self.programs.of(AIR);
        self.programs.plan(AIR, plan, now_ns);
        if plan.is_empty() && !before.is_empty() {
            self.stop(AIR);
        }
        self.outputs.subscribe(&self.treated, &mut self.encoders);
        if !self.wants().coded_pictures {
            // What comes later does not go on from it.
            self.cache = Cache::default();
        }
    }

    /// What is wanted of the source for all that.
    pub(super) fn wants(&self) -> Wants {
        let taken = self.outputs.take(&Takes::Published);
        Wants {
            coded_pictures: taken || self.treated.video.is_published(),
            coded_sound: taken && !self.treated.sound_unfit || self.treated.audio.is_published(),
            pictures: self.programs.largest(),
            sound: self.programs.sound(),
            first_media: self.outputs.any_not_begun(),
            ending: self.stage.ending(),
        }
    }

    /// Lets time pass for programs: those begin whose time it is, and what is due goes on.
    pub(super) fn run_programs(&mut self, now_ns: i64) {
        for program in self.programs.begin(now_ns) {
            let picture = self.programs.of(program).picture;
            self.encoders.start(program, picture.map(|(width, height, _)| (width, height)));
        }
        let steps = self.programs.poll(now_ns);
        self.give(steps);
    }

    /// Ends the programs at `end_ns`: everything before it is encoded, and the encoders are let out.
    pub(super) fn end_programs(&mut self, end_ns: i64) {
        let steps = self.programs.end(end_ns);
        self.give(steps);
        for program in self.programs.ids() {
            self.encoders.finish(program);
        }
    }

    /// Nothing takes a program any more: its encoders rest.
    pub(super) fn stop(&mut self, program: ProgramId) {
        self.programs.stop(program);
        self.encoders.stop(program);
    }

    fn give(&mut self, steps: Vec<(ProgramId, Raw)>) {
        for (program, raw) in steps {
            match &raw {
                Raw::Picture { time_ns, frame } => self.encoders.push_picture(program, frame, *time_ns),
                Raw::Sound { time_ns, stereo } => self.encoders.push_sound(program, stereo, *time_ns),
            }
            self.outputs.push_raw(program, &raw);
        }
    }

    /// Takes what an encoder gave.
    pub(super) fn encoded(&mut self, run: Run, encoded: Encoded) {
        match self.encoders.encoded(run, encoded) {
            Came::Units(id, units) => {
                units.iter().for_each(|unit| self.outputs.push(unit, id));
            }
            Came::Nothing => {}
            Came::Broke(error, outputs) => {
                for output in outputs {
                    self.outputs.break_off(&output, encoder_failed(&error));
                }
            }
        }
    }

    /// Whether an output attached now would begin at once.
    pub(super) fn ready(&self) -> bool {
        match self.treated.video {
            Recorded::Published if self.published.camera == Camera::On => self.cache.is_whole(),
            Recorded::Published => self.cache.is_whole() || self.programs.was_heard(),
            Recorded::Not | Recorded::Encoded(_) => self.programs.ready(),
        }
    }

    /// The encoder of pictures in use; none where they go on as published.
    pub(super) fn encoder_name(&self) -> Option<String> {
        let codec = self.treated.video.encoding()?.codec;
        let software = matches!(codec, VideoCodec::Vp8 | VideoCodec::Vp9);
        Some(if software { "libvpx".to_owned() } else { self.encoders.h264_name() })
    }

    /// An output is over, as was told.
    pub(super) fn output_over(&mut self, (output, kind, ended): &Over, facts: &Facts) {
        self.encoders.unsubscribe(output);
        let (names, received, facts) = (&self.names, &self.received, facts.recorder());
        let manifest = match (kind, ended) {
            (OutputKind::File(spec), Ended::File(result)) if spec.manifest => {
                names.write_manifest(&spec.folder, result, None, received, facts)
            }
            (kind, Ended::Set(set)) => manifest_folder(kind)
                .and_then(|folder| names.write_manifest(folder, &set.result, Some(set), received, facts)),
            _ => None,
        };
        self.manifests.retain(Worker::is_running);
        self.manifests.extend(manifest);
        tracing::info!(%output, wrote = ended.wrote(), "output ended");
    }

    /// Whether a manifest is still being written.
    pub(super) fn writes_manifests(&self) -> bool {
        self.manifests.iter().any(Worker::is_running)
    }
}

fn encoder_failed(error: &ChainError) -> ApiError {
    ApiError::new(
        ErrorCode::Internal,
        Fault::Environment,
        "The encoder stopped working.",
        "Record again; if it happens again, choose another preset and report this with the job's log.",
    )
    .with_detail(error)
}

/// The folder that the names of an output of many files are relative to, if it has a manifest.
fn manifest_folder(kind: &OutputKind) -> Option<&Path> {
    match kind {
        OutputKind::Segments(segments) => segments.manifest.then_some(&segments.folder),
        OutputKind::Images(images) => images.manifest.then_some(&images.folder),
        OutputKind::File(_) | OutputKind::Stream(_) | OutputKind::WebSocket(_) => None,
    }
}
