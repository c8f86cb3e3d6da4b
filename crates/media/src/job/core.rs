//! What every job has, whatever feeds it.

use std::path::Path;

use egress::error::ApiError;
use egress::fact::TrackFacts;
use egress::spec::{OutputKind, Treatment};
use room::clock::Clock;

use crate::encode::encoder::Encoded;
use crate::encode::set::{Came, Run};
use crate::job::Facts;
use crate::job::lanes::{Lanes, encoder_failed};
use crate::job::levels::Levels;
use crate::job::media::MediaSender;
use crate::job::outputs::{Outputs, Over, Route};
use crate::job::preview::Preview;
use crate::job::shape::NameContext;
use crate::job::stage::Stage;
use crate::job::takes::Takes;
use crate::output::Ended;
use crate::output::worker::Worker;

/// What every job has.
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
    pub media: MediaSender,
    /// When an output was attached last, unix, ns; 0: with the job.
    pub attached_ns: i64,
    /// What is not of this moment is stamped by it: connections, of their own threads.
    pub(super) clock: Clock,
    pub(super) treatment: Treatment,
    pub(super) armed: bool,
    pub(super) manifests: Vec<Worker>,
}

impl Core {
    /// Whether the source goes into files as published.
    pub fn passthrough(&self) -> bool {
        matches!(self.treatment, Treatment::Passthrough)
    }

    /// What outputs take decides what is decoded and encoded.
    pub(super) fn subscribe(&mut self, now_ns: i64) {
        let raw = self.outputs.take(Takes::Raw);
        self.lanes.want_program(raw || self.outputs.take(Takes::Broadcast), now_ns);
        self.lanes.want_raw(raw);
        self.outputs.subscribe(&self.lanes.treated, &mut self.lanes.encoders);
    }

    /// Takes what an encoder gave.
    pub(super) fn encoded(&mut self, run: Run, encoded: Encoded) {
        match self.lanes.encoders.encoded(run, encoded) {
            Came::Units(id, units) => {
                units.iter().for_each(|unit| self.outputs.push(unit, Route::Encode(id)));
            }
            Came::Nothing => {}
            Came::Broke(error, outputs) => {
                for output in outputs {
                    self.outputs.break_off(&output, encoder_failed(&error));
                }
            }
        }
    }

    /// An output is over, as was told.
    pub(super) fn output_over(&mut self, (output, kind, ended): &Over, facts: &Facts) {
        self.lanes.encoders.unsubscribe(output);
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
    pub fn writes_manifests(&self) -> bool {
        self.manifests.iter().any(Worker::is_running)
    }

    /// Gives the program as it is to the outputs that take it so.
    pub fn give_raw(&mut self) {
        for raw in self.lanes.take_raw() {
            self.outputs.push_raw(&raw);
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
