//! The encoders of a job: one for each encode that an output takes, and for as long as one does.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use egress::id::OutputId;
use egress::spec::{AudioEncoding, VideoEncoding};
use gstreamer as gst;

use crate::chain::ChainError;
use crate::encode::effort::{Effort, Governor};
use crate::encode::encoder::{Encoded, Encoder};
use crate::encode::h264::VideoEncoder;
use crate::encode::keyframes::{Given, Keyframes};
use crate::unit::{Lane, Unit};

/// One of a job's programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProgramId(pub u32);

/// How a lane of a program is encoded.
#[derive(Debug, Clone, PartialEq)]
pub enum Encoding {
    /// Its picture.
    Video(VideoEncoding),
    /// Its sound.
    Audio(AudioEncoding),
}

impl Encoding {
    fn lane(&self) -> Lane {
        match self {
            Self::Video(_) => Lane::Video,
            Self::Audio(_) => Lane::Audio,
        }
    }
}

/// An encode of a program. Outputs whose keys are equal share it.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// What is encoded.
    pub program: ProgramId,
    /// How.
    pub encoding: Encoding,
}

/// Names an encode for as long as an output takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EncodeId(u64);

/// One of the encoders that make an encode, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    encode: EncodeId,
    number: u32,
}

/// What came of something that an encoder gave.
#[derive(Debug)]
pub enum Came {
    /// Units for all who take this encode, in order.
    Units(EncodeId, Vec<Unit>),
    /// Nothing to hand on.
    Nothing,
    /// It has given up: nothing more comes for these outputs.
    Broke(ChainError, Vec<OutputId>),
}

type Deliver = Arc<dyn Fn(Run, Encoded) + Send + Sync>;

/// The encoders.
pub struct EncoderSet {
    with: VideoEncoder,
    deliver: Deliver,
    entries: Vec<Entry>,
    next: u64,
    /// The programs that run: what is wanted of the others is started with them.
    running: HashSet<ProgramId>,
    overload_pictures: u64,
}

impl fmt::Debug for EncoderSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncoderSet").field("entries", &self.entries).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Entry {
    id: EncodeId,
    key: Key,
    outputs: HashSet<OutputId>,
    state: State,
    /// The number of its encoder.
    run: u32,
    governor: Governor,
    /// The encoder before this one, while something is inside it, and what this one has given meanwhile.
    leaving: Option<(u32, Encoder)>,
    held: Vec<Unit>,
    /// Whether anything has come out.
    gave: bool,
    /// Whether nothing more goes in.
    ended: bool,
    given: Given,
    /// Where the segments of the sets that take it end.
    keyframes: Keyframes,
}

#[derive(Debug)]
enum State {
    /// Its program does not run yet.
    Waiting,
    Running(Encoder),
    /// All has come out.
    Finished,
    Broken,
}

impl Entry {
    fn encoder(&self) -> Option<&Encoder> {
        match &self.state {
            State::Running(encoder) => Some(encoder),
            State::Waiting | State::Finished | State::Broken => None,
        }
    }
}

impl EncoderSet {
    /// None yet. Pictures are encoded in H.264 `with` this encoder; what comes out is given to `deliver`, from other
    /// threads.
    pub fn new(with: VideoEncoder, deliver: impl Fn(Run, Encoded) + Send + Sync + 'static) -> Self {
        Self {
            with,
            deliver: Arc::new(deliver),
            entries: Vec::new(),
            next: 0,
            running: HashSet::new(),
            overload_pictures: 0,
        }
    }

    /// An output takes these encodes from now on, and no others. What nobody else takes is begun, and what nobody takes
    /// any more is let go of.
    pub fn subscribe(&mut self, output: &OutputId, keys: &[Key]) -> Vec<EncodeId> {
        for entry in self.entries.iter_mut().filter(|entry| !keys.contains(&entry.key)) {
            entry.leave(output);
        }
        let ids = keys.iter().map(|key| self.entry(key, output)).collect();
        self.entries.retain(|entry| !entry.outputs.is_empty());
        self.start_waiting();
        ids
    }

    /// An output is over.
    pub fn unsubscribe(&mut self, output: &OutputId) {
        self.subscribe(output, &[]);
    }

    fn entry(&mut self, key: &Key, output: &OutputId) -> EncodeId {
        // What has broken is of no use to anybody who comes later.
        let serves = |entry: &Entry| !matches!(entry.state, State::Broken) || entry.outputs.contains(output);
        let entry = match self.entries.iter().position(|entry| entry.key == *key && serves(entry)) {
            Some(at) => &mut self.entries[at],
            None => {
                self.next += 1;
                self.entries.push(Entry {
                    id: EncodeId(self.next),
                    key: key.clone(),
                    outputs: HashSet::new(),
                    state: State::Waiting,
                    run: 0,
                    governor: Governor::default(),
                    leaving: None,
                    held: Vec::new(),
                    gave: false,
                    ended: false,
                    given: Given::default(),
                    keyframes: Keyframes::default(),
                });
                self.entries.last_mut().expect("it was just put there")
            }
        };
        if !entry.outputs.contains(output) {
            entry.outputs.insert(output.clone());
        }
        entry.id
    }

    /// A program runs from now on.
    pub fn start(&mut self, program: ProgramId) {
        self.running.insert(program);
        self.start_waiting();
    }

    /// A program does not run any more: encoders rest until it does again. What is inside them is lost.
    pub fn stop(&mut self, program: ProgramId) {
        self.running.remove(&program);
        for entry in self.of(program) {
            // What they still give is of a run that is over.
            entry.run += 1;
            (entry.state, entry.leaving) = (State::Waiting, None);
            entry.held.clear();
            (entry.gave, entry.ended) = (false, false);
            (entry.given, entry.keyframes) = (Given::default(), Keyframes::default());
        }
    }

    fn start_waiting(&mut self) {
        for entry in &mut self.entries {
            if !matches!(entry.state, State::Waiting) || !self.running.contains(&entry.key.program) {
                continue;
            }
            entry.start(self.with, &self.deliver);
        }
    }

    fn of(&mut self, program: ProgramId) -> impl Iterator<Item = &mut Entry> {
        self.entries.iter_mut().filter(move |entry| entry.key.program == program)
    }

    /// Encodes a picture of a program.
    pub fn push_picture(&mut self, program: ProgramId, frame: &gst::BufferRef, time_ns: i64) {
        let mut left_out = 0;
        for entry in self.of(program).filter(|entry| entry.key.encoding.lane() == Lane::Video) {
            let Entry { state: State::Running(encoder), given, keyframes, .. } = entry else { continue };
            if given.takes(time_ns, encoder.backlog_frames()) {
                if keyframes.picture(time_ns) {
                    encoder.force_keyframe_at(time_ns);
                }
                encoder.push_picture(frame, time_ns);
            } else {
                left_out += 1;
            }
        }
        self.overload_pictures += left_out;
    }

    /// Encodes sound of a program: interleaved stereo at 48 kHz.
    pub fn push_sound(&mut self, program: ProgramId, stereo: &[f32], time_ns: i64) {
        for entry in self.of(program).filter(|entry| entry.key.encoding.lane() == Lane::Audio) {
            if let Some(encoder) = entry.encoder() {
                encoder.push_sound(stereo, time_ns);
            }
        }
    }

    /// Takes what an encoder gave.
    pub fn encoded(&mut self, run: Run, encoded: Encoded) -> Came {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.id == run.encode) else {
            return Came::Nothing;
        };
        if entry.leaving.as_ref().is_some_and(|(leaving, _)| *leaving == run.number) {
            return match encoded {
                Encoded::Unit(unit) => Came::Units(run.encode, vec![unit]),
                Encoded::Finished | Encoded::Failed(..) => {
                    entry.leaving = None;
                    Came::Units(run.encode, std::mem::take(&mut entry.held))
                }
            };
        }
        if entry.run != run.number {
            return Came::Nothing;
        }
        match encoded {
            Encoded::Unit(unit) => {
                entry.gave = true;
                if entry.leaving.is_some() {
                    entry.held.push(unit);
                    return Came::Nothing;
                }
                Came::Units(run.encode, vec![unit])
            }
            Encoded::Finished => {
                entry.state = State::Finished;
                Came::Nothing
            }
            Encoded::Failed(Lane::Video, error) if self.with.is_hardware() && !entry.gave && !entry.ended => {
                // It worked when it was tried: other programs have used it up since.
                tracing::warn!(%error, encoder = self.with.name(), "hardware fails, software takes its place");
                self.with = VideoEncoder::X264 { threads: 0 };
                entry.run += 1;
                entry.start(self.with, &self.deliver);
                Came::Nothing
            }
            Encoded::Failed(_, error) => {
                entry.state = State::Broken;
                Came::Broke(error, entry.outputs.iter().cloned().collect())
            }
        }
    }

    /// Looks whether encoders of pictures are to take more trouble, or less. `unused`: share of the computer's time in
    /// which nothing runs, 0 to 1.
    pub fn look(&mut self, unused: f64, now_ns: i64) {
        for entry in &mut self.entries {
            let (Encoding::Video(encoding), State::Running(encoder)) = (&entry.key.encoding, &entry.state)
            else {
                continue;
            };
            let adapts = self.with.adapts(encoding.codec) && entry.leaving.is_none() && !entry.ended;
            let frame_ns = 1_000_000_000 / i64::from(encoding.framerate.max(1));
            let backlog_ns = encoder.backlog_frames() as i64 * frame_ns;
            if adapts && entry.governor.look(backlog_ns, unused, now_ns) {
                tracing::info!(effort = ?entry.governor.effort(), backlog_ms = backlog_ns / 1_000_000, "an encoder changes its effort");
                entry.change(self.with, &self.deliver);
            }
        }
    }

    /// The least effort that an encoder of pictures takes at the moment.
    fn effort(&self) -> Effort {
        let of_pictures = self.entries.iter().filter(|entry| entry.key.encoding.lane() == Lane::Video);
        of_pictures.map(|entry| entry.governor.effort()).min().unwrap_or_default()
    }

    /// Makes the next picture that an output gets a keyframe.
    pub fn force_keyframe(&self, output: &OutputId) {
        for entry in self.entries.iter().filter(|entry| entry.outputs.contains(output)) {
            if let (Lane::Video, Some(encoder)) = (entry.key.encoding.lane(), entry.encoder()) {
                encoder.force_keyframe();
            }
        }
    }

    /// A segment of a set begins at `from_ns`, and is to end `every_ns` behind, unix, ns: with a keyframe, as all of that
    /// set from now on.
    pub fn segment_begins(&mut self, set: &OutputId, from_ns: i64, every_ns: i64) {
        for entry in self.entries.iter_mut().filter(|entry| entry.outputs.contains(set)) {
            if let Entry { state: State::Running(encoder), keyframes, key, .. } = entry
                && key.encoding.lane() == Lane::Video
            {
                for time_ns in keyframes.begins(set.clone(), from_ns, every_ns) {
                    encoder.force_keyframe_at(time_ns);
                }
            }
        }
    }

    /// Lets out what is inside the encoders of a program.
    pub fn finish(&mut self, program: ProgramId) {
        for entry in self.of(program) {
            entry.ended = true;
            match &entry.state {
                State::Running(encoder) => encoder.finish(),
                // Nothing went in.
                State::Waiting => entry.state = State::Finished,
                State::Finished | State::Broken => {}
            }
        }
    }

    /// Whether everything that went in has come out.
    pub fn finished(&self) -> bool {
        let out =
            |entry: &Entry| matches!(entry.state, State::Finished | State::Broken) && entry.leaving.is_none();
        self.entries.iter().all(out)
    }

    /// The encoder of H.264 in use, and its effort, as a producer would know them.
    pub fn h264_name(&self) -> String {
        let name = self.with.name();
        match self.effort() {
            _ if self.with.is_hardware() => name.to_owned(),
            Effort::Usual => name.to_owned(),
            Effort::More => format!("{name}, more effort"),
            Effort::Least => format!("{name}, least effort"),
        }
    }

    /// Pictures that encoders were not given because they were behind.
    pub fn overload_pictures(&self) -> u64 {
        self.overload_pictures
    }
}

impl Entry {
    fn start(&mut self, with: VideoEncoder, deliver: &Deliver) {
        let (run, to) = (Run { encode: self.id, number: self.run }, deliver.clone());
        let to = move |encoded| to(run, encoded);
        let started = match &self.key.encoding {
            Encoding::Video(encoding) => Encoder::video(encoding, &with, self.governor.effort(), to),
            Encoding::Audio(encoding) => Encoder::audio(encoding, to),
        };
        self.state = match started {
            Ok(encoder) => State::Running(encoder),
            Err(error) => {
                deliver(run, Encoded::Failed(self.key.encoding.lane(), error));
                State::Broken
            }
        };
    }

    /// Another encoder goes on from here, with a keyframe. What is inside the one before comes first.
    fn change(&mut self, with: VideoEncoder, deliver: &Deliver) {
        if let State::Running(before) = std::mem::replace(&mut self.state, State::Waiting) {
            before.finish();
            self.leaving = Some((self.run, before));
        }
        self.run += 1;
        self.start(with, deliver);
    }

    fn leave(&mut self, output: &OutputId) {
        if self.outputs.remove(output) {
            self.keyframes.over(output);
        }
    }
}

#[cfg(test)]
mod tests;
