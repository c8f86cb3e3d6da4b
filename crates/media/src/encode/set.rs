//! The encoders of a job: one for each encode that an output takes, and for as long as one does.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use egress::id::OutputId;
use egress::spec::{AudioEncoding, VideoEncoding};
use gstreamer as gst;

use crate::chain::ChainError;
use crate::encode::effort::{Effort, Governor};
use crate::encode::encoder::{Encoded, Encoder};
use crate::encode::h264::VideoEncoder;
use crate::encode::held::{Held, Step};
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
    /// The output that it begins with, where that is not of the program: a small proxy of what is recorded as published.
    pub begins_with: Option<OutputId>,
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
    /// The programs that run, and the width and height of their pictures, pixels: what is wanted of the others is started
    /// with them.
    running: HashMap<ProgramId, Option<(u32, u32)>>,
    /// When outputs began, unix, ns.
    began: HashMap<OutputId, i64>,
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
    /// Width and height of the program's pictures, pixels.
    size: Option<(u32, u32)>,
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
    /// What waits for the output that it begins with.
    waiting: Option<Held>,
    /// Pictures that it was not given because its encoder was behind.
    left_out: u64,
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
            running: HashMap::new(),
            began: HashMap::new(),
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
        self.began.remove(output);
    }

    /// An output has begun at `start_ns`, unix, ns, and with it what waits for it.
    pub fn began(&mut self, output: &OutputId, start_ns: i64) {
        self.began.insert(output.clone(), start_ns);
        for entry in self.entries.iter_mut().filter(|entry| entry.key.begins_with.as_ref() == Some(output)) {
            if let Some(held) = entry.waiting.take() {
                entry.go_on(held.from(start_ns));
            }
        }
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
                    size: None,
                    state: State::Waiting,
                    run: 0,
                    governor: Governor::default(),
                    leaving: None,
                    held: Vec::new(),
                    gave: false,
                    ended: false,
                    given: Given::default(),
                    keyframes: Keyframes::default(),
                    waiting: None,
                    left_out: 0,
                });
                self.entries.last_mut().expect("it was just put there")
            }
        };
        if !entry.outputs.contains(output) {
            entry.outputs.insert(output.clone());
        }
        entry.id
    }

    /// A program runs from now on. `size`: width and height of its pictures, pixels, if it has any.
    pub fn start(&mut self, program: ProgramId, size: Option<(u32, u32)>) {
        self.running.insert(program, size);
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
            entry.waiting = None;
        }
    }

    fn start_waiting(&mut self) {
        for entry in &mut self.entries {
            let Some(size) = self.running.get(&entry.key.program) else { continue };
            if !matches!(entry.state, State::Waiting) {
                continue;
            }
            let begins_with = entry.key.begins_with.as_ref();
            entry.waiting =
                begins_with.filter(|output| !self.began.contains_key(*output)).map(|_| Held::default());
            entry.size = *size;
            entry.start(self.with, &self.deliver);
        }
    }

    fn of(&mut self, program: ProgramId) -> impl Iterator<Item = &mut Entry> {
        self.entries.iter_mut().filter(move |entry| entry.key.program == program)
    }

    /// Encodes a picture of a program.
    pub fn push_picture(&mut self, program: ProgramId, frame: &gst::Buffer, time_ns: i64) {
        for entry in self.of(program).filter(|entry| entry.key.encoding.lane() == Lane::Video) {
            entry.push(Step::Picture(time_ns, frame.clone()));
        }
    }

    /// Encodes sound of a program: interleaved stereo at 48 kHz.
    pub fn push_sound(&mut self, program: ProgramId, stereo: &Arc<[f32]>, time_ns: i64) {
        for entry in self.of(program).filter(|entry| entry.key.encoding.lane() == Lane::Audio) {
            entry.push(Step::Sound(time_ns, stereo.clone()));
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
            Encoded::Failed(Lane::Video, error)
                if entry.with(self.with).is_hardware() && !entry.gave && !entry.ended =>
            {
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
            let adapts = entry.is_whole()
                && self.with.adapts(encoding.codec)
                && entry.leaving.is_none()
                && !entry.ended;
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
        let is_main = |entry: &&Entry| entry.key.encoding.lane() == Lane::Video && entry.is_whole();
        let of_pictures = self.entries.iter().filter(is_main);
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
            if let Some(held) = entry.waiting.take() {
                entry.go_on(held.all());
            }
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

    /// Pictures that an output misses because their encoder was behind.
    pub fn left_out(&self, output: &OutputId) -> u64 {
        let taken = self.entries.iter().filter(|entry| entry.outputs.contains(output));
        taken.map(|entry| entry.left_out).sum()
    }
}

impl Entry {
    /// Whether its picture is as large as its program's.
    fn is_whole(&self) -> bool {
        match (&self.key.encoding, self.size) {
            (Encoding::Video(encoding), Some(size)) => size == (encoding.width, encoding.height),
            _ => true,
        }
    }

    /// The encoder of H.264 that it takes. In software where it is smaller than its program: that costs little, and
    /// hardware takes few pictures at a time, which are those of what is recorded.
    fn with(&self, with: VideoEncoder) -> VideoEncoder {
        if self.is_whole() { with } else { VideoEncoder::X264 { threads: 0 } }
    }

    /// Encodes a step, or holds it.
    fn push(&mut self, step: Step) {
        match &mut self.waiting {
            None => self.go_on(vec![step]),
            Some(held) => {
                // What it waits for does not begin: that is no reason to have nothing.
                if let Some(steps) = held.push(step) {
                    self.waiting = None;
                    self.go_on(steps);
                }
            }
        }
    }

    fn go_on(&mut self, steps: Vec<Step>) {
        let Self { state: State::Running(encoder), given, keyframes, left_out, .. } = self else { return };
        for step in steps {
            match step {
                Step::Picture(time_ns, frame) if given.takes(time_ns, encoder.backlog_frames()) => {
                    if keyframes.picture(time_ns) {
                        encoder.force_keyframe_at(time_ns);
                    }
                    encoder.push_picture(&frame, time_ns);
                }
                Step::Picture(..) => *left_out += 1,
                Step::Sound(time_ns, stereo) => encoder.push_sound(&stereo, time_ns),
            }
        }
    }

    fn start(&mut self, with: VideoEncoder, deliver: &Deliver) {
        let (run, to) = (Run { encode: self.id, number: self.run }, deliver.clone());
        let to = move |encoded| to(run, encoded);
        let started = match &self.key.encoding {
            Encoding::Video(encoding) => {
                let size = self.size.unwrap_or((encoding.width, encoding.height));
                Encoder::video(encoding, size, &self.with(with), self.governor.effort(), to)
            }
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
