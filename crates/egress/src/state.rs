//! A job's state as a fold over its facts.
//!
//! Facts are numbered, and the fold gives the same state in whatever order they come, and if some come
//! twice: a studio that reconnects to a job, or reads a log and a live socket at once, need not sort.
//! While they come, the status only moves forward.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::ApiError;
use crate::fact::{
    ConnectionState, DestinationState, EgressStatus, EndReason, Event, Fact, FileResult, OutputSet,
    OutputState, PageState, TrackFacts,
};
use crate::id::{OutputId, TrackId};
use crate::life::Life;

/// What is known of a job.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobState {
    last_seq: u64,
    updated_at_ns: i64,
    pid: Option<u32>,
    room_sid: Option<String>,
    connection: Option<(u64, ConnectionState)>,
    page: Option<(u64, PageState)>,
    layout: Option<(u64, String)>,
    armed: bool,
    tracks: BTreeMap<TrackId, TrackProgress>,
    warnings: BTreeMap<u64, ApiError>,
    outputs: BTreeMap<OutputId, OutputProgress>,
    ending: Option<(u64, EndReason)>,
    ended: Option<Ended>,
}

#[derive(Debug, Clone, PartialEq)]
struct Ended {
    at_ns: i64,
    status: EgressStatus,
    error: Option<ApiError>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct TrackProgress {
    first_seq: u64,
    facts: Option<(u64, TrackFacts)>,
    removed_seq: u64,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct OutputProgress {
    first_seq: u64,
    opening: Option<(u64, PathBuf)>,
    started_at_ns: Option<i64>,
    result: Option<(u64, FileResult)>,
    destination: Option<(u64, Destination)>,
    lives: BTreeMap<u32, Life>,
    set: Option<(u64, OutputSet)>,
}

/// An output that goes to a server.
#[derive(Debug, Clone, PartialEq)]
pub struct Destination {
    /// Where it goes, as it may be shown.
    pub address: String,
    /// How it is.
    pub state: DestinationState,
    /// Since when, unix time, ns.
    pub since_ns: i64,
    /// In which of its lives it is.
    pub life: u32,
}

/// One output of a job.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Output<'a> {
    /// Unique in the job.
    pub id: &'a OutputId,
    /// How far it is.
    pub state: OutputState,
    /// The file, absolute, once its name is resolved.
    pub path: Option<&'a Path>,
    /// First media, unix time, ns.
    pub started_at_ns: Option<i64>,
    /// What came of a file, once it ended.
    pub result: Option<&'a FileResult>,
    /// How it is, for an output that goes to a server.
    pub destination: Option<&'a Destination>,
    /// Its lives, in order, for an output that goes to a server.
    pub lives: &'a BTreeMap<u32, Life>,
    /// What it is, for an output of many files.
    pub set: Option<&'a OutputSet>,
}

impl JobState {
    /// The state after these facts.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut state = Self::default();
        for event in events {
            state.apply(event);
        }
        state
    }

    /// Takes in one fact. The new status is returned if this fact changed it.
    pub fn apply(&mut self, event: &Event) -> Option<EgressStatus> {
        let before = self.status();
        let seq = event.seq;
        self.last_seq = self.last_seq.max(seq);
        self.updated_at_ns = self.updated_at_ns.max(event.at_ns);
        match &event.fact {
            Fact::Started { pid } => self.pid = Some(*pid),
            Fact::RoomJoined { room_sid } => self.room_sid = Some(room_sid.clone()),
            Fact::Connection { state } => newest(&mut self.connection, seq, state),
            Fact::Page { state } => newest(&mut self.page, seq, state),
            Fact::Layout { layout } => newest(&mut self.layout, seq, layout),
            Fact::TrackAdded { track } => {
                newest(&mut self.track_mut(&track.track_id, seq).facts, seq, track);
            }
            Fact::TrackRemoved { track_id } => {
                let track = self.track_mut(track_id, seq);
                track.removed_seq = track.removed_seq.max(seq);
            }
            Fact::TrackRefused { error, .. } => {
                self.warnings.insert(seq, error.clone());
            }
            Fact::Warning { warning } => {
                self.warnings.insert(seq, warning.clone());
            }
            Fact::Armed => self.armed = true,
            Fact::OutputOpening { output, path } => {
                newest(&mut self.output_mut(output, seq).opening, seq, path);
            }
            Fact::Set { output, set } => newest(&mut self.output_mut(output, seq).set, seq, set),
            Fact::OutputActive { output, started_at_ns } => {
                let output = self.output_mut(output, seq);
                output.started_at_ns =
                    Some(output.started_at_ns.map_or(*started_at_ns, |known| known.min(*started_at_ns)));
            }
            Fact::OutputEnded { output, result } => {
                newest(&mut self.output_mut(output, seq).result, seq, result);
            }
            Fact::Destination { output, address, state, life, tried_at_ns } => {
                let output = self.output_mut(output, seq);
                output.lives.entry(*life).or_default().take(seq, event.at_ns, *tried_at_ns, state);
                let (address, state) = (address.clone(), state.clone());
                let destination = Destination { address, state, since_ns: event.at_ns, life: *life };
                newest(&mut output.destination, seq, &destination);
            }
            Fact::Ending { reason } => {
                // The first reason is the cause; what comes after it is a consequence.
                if self.ending.is_none_or(|(known, _)| seq < known) {
                    self.ending = Some((seq, *reason));
                }
            }
            Fact::Ended { status, error } => {
                // Said once; and whatever is said after it, an end is not taken back.
                if self.ended.is_none() {
                    self.ended = Some(Ended { at_ns: event.at_ns, status: *status, error: error.clone() });
                }
            }
        }
        Some(self.status()).filter(|status| *status != before)
    }

    fn track_mut(&mut self, id: &TrackId, seq: u64) -> &mut TrackProgress {
        let track = self
            .tracks
            .entry(id.clone())
            .or_insert_with(|| TrackProgress { first_seq: seq, ..TrackProgress::default() });
        track.first_seq = track.first_seq.min(seq);
        track
    }

    fn output_mut(&mut self, id: &OutputId, seq: u64) -> &mut OutputProgress {
        let output = self
            .outputs
            .entry(id.clone())
            .or_insert_with(|| OutputProgress { first_seq: seq, ..OutputProgress::default() });
        output.first_seq = output.first_seq.min(seq);
        output
    }

    /// LiveKit's status.
    pub fn status(&self) -> EgressStatus {
        if let Some(ended) = &self.ended {
            ended.status
        } else if self.ending.is_some() {
            EgressStatus::Ending
        } else if self.started_at_ns().is_some() {
            EgressStatus::Active
        } else {
            EgressStatus::Starting
        }
    }

    /// Whether the job is over.
    pub fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    /// Media is at hand and no output has been attached: Record starts at once.
    pub fn is_armed(&self) -> bool {
        self.armed && self.outputs.is_empty() && self.status() == EgressStatus::Starting
    }

    /// The number of the newest fact; 0 for none.
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// Time of the newest fact, unix time, ns; 0 for none.
    pub fn updated_at_ns(&self) -> i64 {
        self.updated_at_ns
    }

    /// The job's process.
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// `RM_…`, once joined.
    pub fn room_sid(&self) -> Option<&str> {
        self.room_sid.as_deref()
    }

    /// The connection to the room.
    pub fn connection(&self) -> ConnectionState {
        if self.is_over() {
            return ConnectionState::Disconnected;
        }
        self.connection.map_or(ConnectionState::Connecting, |(_, state)| state)
    }

    /// How far its page is; none for a job without one.
    pub fn page(&self) -> Option<PageState> {
        self.page.map(|(_, state)| state)
    }

    /// The layout that its page shows.
    pub fn layout(&self) -> Option<&str> {
        self.layout.as_ref().map(|(_, layout)| layout.as_str())
    }

    /// First media in any output, unix time, ns.
    pub fn started_at_ns(&self) -> Option<i64> {
        self.outputs.values().filter_map(|output| output.started_at_ns).min()
    }

    /// When the job was over, unix time, ns.
    pub fn ended_at_ns(&self) -> Option<i64> {
        self.ended.as_ref().map(|ended| ended.at_ns)
    }

    /// What made it end.
    pub fn end_reason(&self) -> Option<EndReason> {
        self.ending.map(|(_, reason)| reason)
    }

    /// Why it failed.
    pub fn error(&self) -> Option<&ApiError> {
        self.ended.as_ref()?.error.as_ref()
    }

    /// What the operator should look at, oldest first. The same twice in a row counts once.
    pub fn warnings(&self) -> Vec<&ApiError> {
        let mut warnings: Vec<&ApiError> = self.warnings.values().collect();
        warnings.dedup();
        warnings
    }

    /// What is or was received, in order of appearance.
    pub fn tracks(&self) -> Vec<&TrackFacts> {
        self.tracks_if(|_| true)
    }

    /// What is being received.
    pub fn present_tracks(&self) -> Vec<&TrackFacts> {
        self.tracks_if(|track| track.facts.as_ref().is_some_and(|(added, _)| *added > track.removed_seq))
    }

    fn tracks_if(&self, take: impl Fn(&TrackProgress) -> bool) -> Vec<&TrackFacts> {
        let mut tracks: Vec<&TrackProgress> = self.tracks.values().filter(|track| take(track)).collect();
        tracks.sort_by_key(|track| track.first_seq);
        tracks.iter().filter_map(|track| track.facts.as_ref().map(|(_, facts)| facts)).collect()
    }

    /// The outputs, in order of appearance.
    pub fn outputs(&self) -> Vec<Output<'_>> {
        let mut outputs: Vec<_> = self.outputs.iter().collect();
        outputs.sort_by_key(|(_, output)| output.first_seq);
        outputs.into_iter().map(|(id, output)| self.output(id, output)).collect()
    }

    fn output<'a>(&'a self, id: &'a OutputId, output: &'a OutputProgress) -> Output<'a> {
        let result = output.result.as_ref().map(|(_, result)| result);
        let destination = output.destination.as_ref().map(|(_, destination)| destination);
        let state = match (result, destination.map(|destination| &destination.state)) {
            (Some(FileResult { error: Some(_), .. }), _) => OutputState::Failed,
            (_, Some(DestinationState::Failed { .. })) => OutputState::Failed,
            (Some(_), _) | (_, Some(DestinationState::Stopped { .. })) => OutputState::Done,
            _ if self.ending.is_some() || self.is_over() => OutputState::Finishing,
            _ if output.started_at_ns.is_some() => OutputState::Active,
            _ => OutputState::Starting,
        };
        let opened = output.opening.as_ref().map(|(_, path)| path.as_path());
        Output {
            id,
            state,
            path: result.and_then(|result| result.path.as_deref()).or(opened),
            started_at_ns: output.started_at_ns,
            result,
            destination,
            lives: &output.lives,
            set: output.set.as_ref().map(|(_, set)| set),
        }
    }
}

/// Keeps the value of the newest fact.
fn newest<T: Clone>(kept: &mut Option<(u64, T)>, seq: u64, value: &T) {
    if kept.as_ref().is_none_or(|(known, _)| *known <= seq) {
        *kept = Some((seq, value.clone()));
    }
}
