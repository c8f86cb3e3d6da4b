//! HLS: segments of MPEG-TS or MP4 and their playlists, readable at every moment.
//!
//! A segment is written under another name and gets its own when it is whole and on the disk; only then it is
//! listed: in the list of all by a few lines behind those that are there, in the list of the newest by another list in
//! its place. So whoever reads, and whenever the process dies, what is listed is there and is whole.

pub mod cut;
pub mod fmp4;
pub mod list;
pub mod mux;
pub mod playlist;
#[cfg(test)]
mod tests;
pub mod ts;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{FileResult, OutputSet};
use egress::filename::SegmentNames;
use egress::id::OutputId;
use egress::spec::SegmentKind;
use parking_lot::Mutex;

use crate::output::backlog::Backlog;
use crate::output::disk::Place;
use crate::output::segments::cut::{Cut, Cutter};
use crate::output::segments::fmp4::Fmp4;
use crate::output::segments::mux::SegmentMuxer;
use crate::output::segments::playlist::{Playlists, longest_ns};
use crate::output::segments::ts::Ts;
use crate::output::worker::Worker;
use crate::output::{Counts, Ended, Output, OutputReport, SetResult};
use crate::unit::{Lane, Unit};

/// What a set of segments is to be.
#[derive(Debug, Clone)]
pub struct SegmentsPlan {
    /// Names the output.
    pub id: OutputId,
    /// The folder that the names are relative to.
    pub folder: PathBuf,
    /// The names.
    pub names: SegmentNames,
    /// What a segment is.
    pub kind: SegmentKind,
    /// Length of a segment, ms.
    pub duration_ms: u32,
    /// Whether it has pictures. It begins with a keyframe then.
    pub video: bool,
    /// Whether it has sound.
    pub audio: bool,
}

impl SegmentsPlan {
    /// The playlist, absolute.
    pub fn playlist(&self) -> PathBuf {
        self.folder.join(self.names.playlist_path())
    }

    /// The playlist of the newest segments, absolute.
    pub fn live_playlist(&self) -> Option<PathBuf> {
        self.names.live_playlist_path().map(|path| self.folder.join(path))
    }
}

/// A set of segments being written. Dropping it without [`Output::finish`] leaves it as a kill would.
#[derive(Debug)]
pub struct Segments {
    place: Place,
    queue: Sender<Message>,
    shared: Arc<Mutex<Shared>>,
    backlog: Arc<Backlog>,
    worker: Worker,
}

#[derive(Debug)]
enum Message {
    Unit(Unit),
    Finish,
}

#[derive(Debug, Clone)]
struct Shared {
    counts: Counts,
    set: SetResult,
}

impl Segments {
    /// Starts writing; `report` is called from the output's thread.
    pub fn start(plan: SegmentsPlan, report: impl Fn(OutputReport) + Send + 'static) -> Self {
        let (queue, messages) = channel();
        let result = FileResult {
            path: Some(plan.playlist()),
            size_bytes: 0,
            started_at_ns: 0,
            ended_at_ns: 0,
            duration_ns: 0,
            error: None,
        };
        let set = OutputSet::Segments { live_playlist: plan.live_playlist(), count: 0 };
        let set = SetResult { result, set, files: Vec::new(), needed: Vec::new() };
        let shared = Arc::new(Mutex::new(Shared { counts: Counts::default(), set }));
        let folder = plan.folder.clone();
        let lanes = (plan.video, plan.audio);
        let muxer: Box<dyn SegmentMuxer> = match plan.kind {
            SegmentKind::MpegTs => Box::new(Ts::new(lanes)),
            SegmentKind::Fmp4 => {
                Box::new(Fmp4::new(&folder.join(&plan.names.folder), plan.names.clone(), lanes))
            }
        };
        let backlog = Arc::new(Backlog::default());
        let writer = Writer {
            cutter: Cutter::new(
                plan.video,
                plan.audio,
                ms_to_ns(plan.duration_ms),
                longest_ns(plan.duration_ms),
            ),
            playlists: Playlists::new(plan.duration_ms, plan.kind),
            muxer,
            open: None,
            counts: Counts::default(),
            shared: shared.clone(),
            backlog: backlog.clone(),
            report,
            plan,
        };
        let worker = Worker::start("segments", move || writer.run(&messages));
        Self { place: Place::of(&folder), queue, shared, backlog, worker }
    }
}

impl Output for Segments {
    fn push(&mut self, unit: &Unit) {
        if self.backlog.put(unit) {
            // A closed queue means that the output has ended by an error, which it has reported.
            let _ = self.queue.send(Message::Unit(unit.clone()));
        }
    }

    fn finish(&mut self) {
        let _ = self.queue.send(Message::Finish);
    }

    fn abandoned(&mut self) -> Ended {
        let mut set = self.shared.lock().set.clone();
        let stuck = io::Error::new(io::ErrorKind::TimedOut, "the disk does not answer");
        set.result.error.get_or_insert(failed(&stuck));
        Ended::Set(set)
    }

    fn is_running(&self) -> bool {
        self.worker.is_running()
    }

    fn is_overrun(&self) -> bool {
        self.backlog.is_full()
    }

    fn counts(&self) -> Counts {
        Counts { behind_ns: self.backlog.behind_ns(), ..self.shared.lock().counts }
    }

    fn room_bytes(&self) -> Option<u64> {
        self.place.room_bytes(0)
    }
}

/// What runs in the output's thread.
struct Writer<R> {
    plan: SegmentsPlan,
    report: R,
    cutter: Cutter,
    playlists: Playlists,
    muxer: Box<dyn SegmentMuxer>,
    open: Option<OpenSegment>,
    counts: Counts,
    shared: Arc<Mutex<Shared>>,
    backlog: Arc<Backlog>,
}

/// The segment that is being written.
struct OpenSegment {
    name: PathBuf,
    /// When it began, unix, ns.
    began_ns: i64,
    /// Whether it does not go on where the one before ended.
    apart: bool,
}

fn ms_to_ns(ms: u32) -> i64 {
    i64::from(ms) * 1_000_000
}

impl<R: Fn(OutputReport)> Writer<R> {
    fn run(mut self, messages: &Receiver<Message>) {
        let outcome = loop {
            match messages.recv() {
                Ok(Message::Unit(unit)) => {
                    let (bytes, time_ns) = (unit.data.size(), unit.time_ns);
                    let cuts = self.cutter.push(unit);
                    let followed = self.follow(cuts);
                    self.backlog.done(bytes, time_ns);
                    if let Err(error) = followed {
                        break Err(error);
                    }
                }
                Ok(Message::Finish) => {
                    let cuts = self.cutter.finish();
                    break self.follow(cuts);
                }
                // Dropped: the job is gone.
                Err(_) => return,
            }
        };
        let mut outcome = outcome;
        let began = self.counts.started_ns != 0;
        if began {
            self.playlists.end();
            outcome = outcome.and(self.list());
        }
        let mut set = self.shared.lock().set.clone();
        if !began {
            set.result.path = None;
        }
        if let Err(error) = outcome {
            tracing::warn!(output = %self.plan.id, %error, "segments");
            set.result.error = Some(failed(&error));
        }
        (self.report)(OutputReport::Ended { output: self.plan.id, ended: Ended::Set(set) });
    }

    fn follow(&mut self, cuts: Vec<Cut>) -> io::Result<()> {
        for cut in cuts {
            match cut {
                Cut::Begin { at_ns, apart } => self.begin(at_ns, apart),
                Cut::Unit(unit) => {
                    self.counts.units += 1;
                    self.counts.pictures += u64::from(unit.lane == Lane::Video);
                    self.counts.ended_ns = self.counts.ended_ns.max(unit.end_ns());
                    self.muxer.push(unit)?;
                }
                Cut::End { at_ns } => self.end(at_ns)?,
            }
        }
        let mut shared = self.shared.lock();
        shared.counts = self.counts;
        Ok(())
    }

    fn begin(&mut self, at_ns: i64, apart: bool) {
        let first = self.counts.started_ns == 0;
        let number = {
            let mut shared = self.shared.lock();
            let set = &mut shared.set;
            if first {
                self.counts.started_ns = at_ns;
                set.result.started_at_ns = at_ns;
            }
            set.files.len() as u64
        };
        let name = self.plan.names.segment(number, at_ns);
        let path = self.plan.folder.join(&self.plan.names.folder).join(&name);
        self.muxer.begin(path, at_ns);
        self.open = Some(OpenSegment { name, began_ns: at_ns, apart });
        if self.plan.video {
            let (output, every_ns) = (self.plan.id.clone(), ms_to_ns(self.plan.duration_ms));
            (self.report)(OutputReport::Begins { output, from_ns: at_ns, every_ns });
        }
        if first {
            (self.report)(OutputReport::Active { output: self.plan.id.clone(), started_at_ns: at_ns });
        }
    }

    fn end(&mut self, at_ns: i64) -> io::Result<()> {
        let Some(OpenSegment { name, began_ns, apart }) = self.open.take() else { return Ok(()) };
        let whole = self.muxer.end(at_ns)?;
        let folder = self.plan.folder.join(&self.plan.names.folder);
        self.counts.size_bytes += whole.size_bytes;
        let map = whole.map.as_ref().map(|(map, _)| map.strip_prefix(&folder).unwrap_or(map));
        self.playlists.add(&name, (began_ns, at_ns), apart, map);
        let mut shared = self.shared.lock();
        let set = &mut shared.set;
        if let Some((map, size)) = whole.map
            && set.needed.last() != Some(&map)
        {
            set.needed.push(map);
            self.counts.size_bytes += size;
        }
        set.files.push((folder.join(&name), began_ns));
        set.result.size_bytes = self.counts.size_bytes;
        set.result.ended_at_ns = at_ns;
        set.result.duration_ns = at_ns - set.result.started_at_ns;
        if let OutputSet::Segments { count, .. } = &mut set.set {
            *count = set.files.len() as u64;
        }
        drop(shared);
        self.list()
    }

    fn list(&mut self) -> io::Result<()> {
        self.playlists.write(&self.plan.playlist(), self.plan.live_playlist().as_deref())
    }
}

fn failed(cause: &io::Error) -> ApiError {
    let full = cause.kind() == io::ErrorKind::StorageFull;
    ApiError::new(
        if full { ErrorCode::DiskFull } else { ErrorCode::Storage },
        Fault::Destination,
        "The segments could not be written any further. What the playlist lists is whole.",
        if full {
            "The disk is full: free some space or choose another folder."
        } else {
            "Check that the disk is there and that you may write to it, or choose another."
        },
    )
    .with_detail(cause)
}
