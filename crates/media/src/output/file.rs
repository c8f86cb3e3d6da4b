//! A file output: its own thread, its own queue, so that a slow disk holds nothing else up.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::FileResult;
use egress::filename::numbered;
use egress::id::OutputId;
use egress::spec::Container;
use gstreamer::Caps;
use parking_lot::Mutex;

use crate::output::Counts;
use crate::output::backlog::Backlog;
use crate::output::container;
use crate::output::mux::{Lanes, Mux, MuxError};
use crate::output::worker::Worker;
use crate::unit::{Lane, Unit};

/// How often what was written is forced onto the disk: what a power cut may cost.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked how large the file is.
const LOOKS_EVERY: Duration = Duration::from_millis(100);
/// A picture's length where nothing says it, ns.
const PICTURE_NS: i64 = 33_333_333;

/// What a file is to hold.
#[derive(Debug, Clone)]
pub struct FilePlan {
    /// Names the output.
    pub id: OutputId,
    /// The file, which [`reserve`] has made.
    pub path: PathBuf,
    /// Its container.
    pub container: Container,
    /// Whether it has pictures. The file begins with the first keyframe, unless it need not wait for one
    /// ([`FileOutput::await_picture`]).
    pub video: bool,
    /// Whether it has sound, and its caps if they are known before the first packet.
    pub audio: Option<Option<Caps>>,
}

/// What a file output reports.
#[derive(Debug)]
pub enum FileReport {
    /// The first media is in the file.
    Active {
        /// Which output.
        output: OutputId,
        /// Its time, unix, ns.
        started_at_ns: i64,
    },
    /// The pictures do not fit into the file, which had begun with sound; the sound goes on.
    NoPictures {
        /// Why.
        warning: ApiError,
    },
    /// The file is closed.
    Ended {
        /// Which output.
        output: OutputId,
        /// What came of it.
        result: FileResult,
    },
}

/// Figures of a file, shared with its thread.
#[derive(Debug, Default)]
pub struct FileCounts {
    /// Start of the first media, unix, ns; 0 before.
    pub started_ns: AtomicI64,
    /// End of the last media, unix, ns.
    pub ended_ns: AtomicI64,
    /// Pictures written.
    pub pictures: AtomicU64,
    /// Pictures and packets of sound written.
    pub units: AtomicU64,
    /// Bytes on the disk, as its thread last saw.
    pub size_bytes: AtomicU64,
}

enum Message {
    Unit(Unit),
    AwaitPicture(bool),
    Finish,
}

/// A file being written. Dropping it without [`FileOutput::finish`] leaves the file as a kill would.
#[derive(Debug)]
pub struct FileOutput {
    /// What it holds.
    pub plan: FilePlan,
    /// Its figures.
    pub counts: Arc<FileCounts>,
    queue: Sender<Message>,
    backlog: Arc<Backlog>,
    worker: Worker,
}

impl FileOutput {
    /// Starts writing; `report` is called from the output's thread.
    pub fn start(plan: FilePlan, report: impl Fn(FileReport) + Send + 'static) -> Self {
        let (queue, messages) = channel();
        let counts = Arc::new(FileCounts::default());
        let backlog = Arc::new(Backlog::default());
        let writer = Writer { plan: plan.clone(), counts: counts.clone(), backlog: backlog.clone(), report };
        let worker = Worker::start("file", move || writer.run(&messages));
        Self { plan, counts, queue, backlog, worker }
    }

    /// Hands over a unit.
    pub fn push(&self, unit: Unit) {
        if self.backlog.put(&unit) {
            // A closed queue means that the output has ended by an error, which it has reported.
            let _ = self.queue.send(Message::Unit(unit));
        }
    }

    /// Whether a file that is to have pictures waits for the first, as it does until this is called. One that does not
    /// begins with its first sound, and the pictures join when they come.
    pub fn await_picture(&self, awaited: bool) {
        let _ = self.queue.send(Message::AwaitPicture(awaited));
    }

    /// Completes the file; [`FileReport::Ended`] follows.
    pub fn finish(&self) {
        let _ = self.queue.send(Message::Finish);
    }

    /// What there is of a file that does not become complete in time.
    pub fn abandoned(&self) -> FileResult {
        result(&self.plan, &self.counts, Err(MuxError::Stuck))
    }

    /// Whether it is being written.
    pub fn is_running(&self) -> bool {
        self.worker.is_running()
    }

    /// Whether more came than may wait for the disk.
    pub fn is_overrun(&self) -> bool {
        self.backlog.is_full()
    }

    /// Its figures, with so many pictures left out before it.
    pub fn counts(&self, dropped: u64) -> Counts {
        Counts {
            started_ns: self.counts.started_ns.load(Relaxed),
            ended_ns: self.counts.ended_ns.load(Relaxed),
            size_bytes: self.size_bytes(),
            pictures: self.counts.pictures.load(Relaxed),
            units: self.counts.units.load(Relaxed),
            dropped,
            behind_ns: self.backlog.behind_ns(),
        }
    }

    /// Bytes on disk, a moment ago.
    pub fn size_bytes(&self) -> u64 {
        self.counts.size_bytes.load(Relaxed)
    }
}

/// A container being written.
struct OpenFile {
    mux: Box<dyn Mux>,
    /// Time of its first media, unix, ns.
    start: i64,
    pictures: Pictures,
}

/// Whether pictures go into a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pictures {
    /// From the first keyframe on.
    ToCome,
    Taken,
    /// They do not fit.
    Refused,
}

struct Writer<R> {
    plan: FilePlan,
    counts: Arc<FileCounts>,
    backlog: Arc<Backlog>,
    report: R,
}

impl<R: Fn(FileReport)> Writer<R> {
    fn run(self, messages: &Receiver<Message>) {
        let stop = Arc::new(AtomicBool::new(false));
        let refused = Arc::new(Mutex::new(None));
        let syncer = keep_synced(&self.plan.path, stop.clone(), refused.clone());
        let outcome = self.write(messages, &refused);
        stop.store(true, Relaxed);
        if let Some(syncer) = syncer {
            syncer.thread().unpark();
        }
        let Some(outcome) = outcome else { return };
        (self.report)(FileReport::Ended { output: self.plan.id.clone(), result: self.result(outcome) });
    }

    /// None: dropped, not finished.
    fn write(
        &self,
        messages: &Receiver<Message>,
        refused: &Mutex<Option<io::Error>>,
    ) -> Option<Result<(), MuxError>> {
        let mut waiting = Vec::new();
        let mut open: Option<OpenFile> = None;
        let mut await_picture = true;
        let mut looked = Instant::now();
        loop {
            let message = match messages.recv_timeout(LOOKS_EVERY) {
                Ok(message) => Some(message),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return None,
            };
            if looked.elapsed() >= LOOKS_EVERY {
                self.look();
                looked = Instant::now();
                // What was written before is gone as well, whatever the disk says of the next write.
                if let Some(error) = refused.lock().take() {
                    return Some(Err(error.into()));
                }
            }
            match message {
                None => {}
                Some(Message::Unit(unit)) => {
                    let (bytes, time_ns) = (unit.data.size(), unit.time_ns);
                    let written = match open.as_mut() {
                        Some(file) => self.put(file, &unit),
                        None => {
                            waiting.push(unit);
                            self.begin(&mut waiting, await_picture).map(|begun| open = begun)
                        }
                    };
                    self.backlog.done(bytes, time_ns);
                    if let Err(error) = written {
                        return Some(Err(error));
                    }
                }
                Some(Message::AwaitPicture(awaited)) => {
                    await_picture = awaited;
                    if open.is_none() && !waiting.is_empty() {
                        match self.begin(&mut waiting, await_picture) {
                            Ok(begun) => open = begun,
                            Err(error) => return Some(Err(error)),
                        }
                    }
                }
                Some(Message::Finish) => {
                    return Some(match open {
                        Some(OpenFile { mux, start, .. }) => {
                            mux.finish((self.counts.ended_ns.load(Relaxed) - start).max(0)).and_then(|()| {
                                // Somebody may have renamed it meanwhile: it is whole all the same.
                                if let Ok(file) = File::open(&self.plan.path) {
                                    file.sync_all()?;
                                    sync_folder(&self.plan.path);
                                }
                                Ok(())
                            })
                        }
                        None => Ok(()),
                    });
                }
            }
        }
    }

    /// Opens the container once there is a first picture, or none is awaited, and something of every lane.
    fn begin(&self, waiting: &mut Vec<Unit>, await_picture: bool) -> Result<Option<OpenFile>, MuxError> {
        let first = |lane| waiting.iter().find(move |u| u.lane == lane && u.keyframe);
        let video = first(Lane::Video).filter(|_| self.plan.video);
        if self.plan.video && video.is_none() && (await_picture || first(Lane::Audio).is_none()) {
            // Sound before the first picture is not in the file; keep what may overlap it, or what it begins with if
            // the picture does not come.
            let keep = waiting.len().saturating_sub(500);
            waiting.drain(..keep);
            return Ok(None);
        }
        let audio = match &self.plan.audio {
            None => None,
            Some(known) => match first(Lane::Audio).map(|u| u.caps.clone()).or_else(|| known.clone()) {
                Some(caps) => Some(caps),
                None => return Ok(None),
            },
        };
        let start = match video.or_else(|| first(Lane::Audio)) {
            Some(unit) => unit.time_ns,
            None => return Ok(None),
        };
        let pictures = if video.is_some() { Pictures::Taken } else { Pictures::ToCome };
        let video_later = self.plan.video && video.is_none();
        let lanes = Lanes { video: video.map(|u| u.caps.clone()), audio, video_later };
        let mux = container::open(self.plan.container, &self.plan.path, &lanes)?;
        let mut file = OpenFile { mux, start, pictures };
        self.counts.started_ns.store(start, Relaxed);
        let mut units = std::mem::take(waiting);
        // The picture it begins with is written first: it may hold what the file's head says of its codec.
        if let Some(at) = units.iter().position(|u| u.lane == Lane::Video && u.keyframe) {
            units[..=at].rotate_right(1);
        }
        for unit in units {
            if unit.lane == Lane::Audio || unit.time_ns >= start {
                self.put(&mut file, &unit)?;
            }
        }
        (self.report)(FileReport::Active { output: self.plan.id.clone(), started_at_ns: start });
        Ok(Some(file))
    }

    fn put(&self, file: &mut OpenFile, unit: &Unit) -> Result<(), MuxError> {
        let start = file.start;
        match (unit.lane, file.pictures) {
            // A packet that straddles the start by more than half belongs before it.
            (Lane::Audio, _) if unit.time_ns + unit.duration_ns / 2 < start => return Ok(()),
            (Lane::Video, Pictures::Refused) => return Ok(()),
            (Lane::Video, Pictures::ToCome) if !unit.keyframe || unit.time_ns < start => return Ok(()),
            _ => {}
        }
        match file.mux.write(unit, (unit.time_ns - start).max(0)) {
            Err(MuxError::Unsupported(what))
                if unit.lane == Lane::Video && file.pictures == Pictures::ToCome =>
            {
                file.pictures = Pictures::Refused;
                (self.report)(FileReport::NoPictures { warning: no_pictures(&what) });
                return Ok(());
            }
            written => written?,
        }
        let counts = &self.counts;
        let length = if unit.duration_ns > 0 { unit.duration_ns } else { PICTURE_NS };
        counts.ended_ns.fetch_max(unit.time_ns + length, Relaxed);
        counts.units.fetch_add(1, Relaxed);
        if unit.lane == Lane::Video {
            file.pictures = Pictures::Taken;
            counts.pictures.fetch_add(1, Relaxed);
        }
        Ok(())
    }

    fn result(&self, outcome: Result<(), MuxError>) -> FileResult {
        if self.counts.started_ns.load(Relaxed) == 0 {
            // Nothing came: an empty file would only confuse.
            let _ = fs::remove_file(&self.plan.path);
        }
        self.look();
        result(&self.plan, &self.counts, outcome)
    }

    /// Looks how large the file is.
    fn look(&self) {
        let size_bytes = fs::metadata(&self.plan.path).map_or(0, |file| file.len());
        self.counts.size_bytes.store(size_bytes, Relaxed);
    }
}

/// What there is of a file, as far as is known without asking its disk.
fn result(plan: &FilePlan, counts: &FileCounts, outcome: Result<(), MuxError>) -> FileResult {
    let (started, ended) = (counts.started_ns.load(Relaxed), counts.ended_ns.load(Relaxed));
    let path = &plan.path;
    FileResult {
        path: (started != 0).then(|| path.clone()),
        size_bytes: counts.size_bytes.load(Relaxed),
        started_at_ns: started,
        ended_at_ns: ended,
        duration_ns: (ended - started).max(0),
        error: outcome.err().map(|error| write_error(path, &error)),
    }
}

/// A file that had begun with sound cannot take the pictures that came.
fn no_pictures(caps: &str) -> ApiError {
    ApiError::new(
        ErrorCode::Unsupported,
        Fault::Input,
        "The camera that has come on cannot be put into this file, which had begun with the sound. The sound goes on.",
        "Leave the file format open, or choose a preset: it re-encodes and takes every camera.",
    )
    .with_detail(caps)
}

/// What a failed write means to the operator.
fn write_error(path: &Path, error: &MuxError) -> ApiError {
    let folder = path.parent().unwrap_or(path).display();
    let (code, fault, message, remedy) = match error {
        _ if error.disk_full() => (
            ErrorCode::DiskFull,
            Fault::Destination,
            format!("The disk with {folder} is full. The recording is saved up to that moment."),
            "Free some space or choose another folder, then record again.".to_owned(),
        ),
        MuxError::Io(_) | MuxError::Chain(_) => (
            ErrorCode::Storage,
            Fault::Destination,
            format!("The file in {folder} could not be written any further. It is saved up to that moment."),
            "Check that the disk is still there and that you may write to the folder.".to_owned(),
        ),
        MuxError::Stuck => (
            ErrorCode::Internal,
            Fault::Ours,
            "The file could not be completed in time. It plays, and is completed at the next start."
                .to_owned(),
            "Please report this with the job's log.".to_owned(),
        ),
        MuxError::Unsupported(what) => (
            ErrorCode::Unsupported,
            Fault::Input,
            format!("{what} cannot be put into this kind of file."),
            "Choose another format.".to_owned(),
        ),
    };
    ApiError::new(code, fault, message, remedy).with_detail(error)
}

/// Makes an empty file at `path`, or beside it with a number where there is one already: a recording
/// never takes the place of another. Makes the folders that are missing.
///
/// # Errors
/// If the disk refuses.
pub fn reserve(path: &Path) -> io::Result<PathBuf> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    for n in 1..10_000 {
        let candidate = numbered(path, n);
        match OpenOptions::new().write(true).create_new(true).open(&candidate) {
            Ok(_) => {
                sync_folder(&candidate);
                return Ok(candidate);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Makes the file's name in its folder survive a power cut.
pub fn sync_folder(path: &Path) {
    // Not every file system can; the file's bytes are safe without.
    if let Some(folder) = path.parent().and_then(|f| File::open(f).ok()) {
        let _ = folder.sync_all();
    }
}

/// Forces the file's bytes onto the disk every second, from a thread of its own: a disk that is slow to
/// do that must not hold up writing. Its first error, which many disks tell of only here, goes to `refused`.
fn keep_synced(
    path: &Path,
    stop: Arc<AtomicBool>,
    refused: Arc<Mutex<Option<io::Error>>>,
) -> Option<thread::JoinHandle<()>> {
    let file = OpenOptions::new().write(true).open(path).ok()?;
    thread::Builder::new()
        .name("sync".to_owned())
        .spawn(move || {
            while !stop.load(Relaxed) {
                thread::park_timeout(SYNC_EVERY);
                if let Err(error) = file.sync_data() {
                    tracing::error!(%error, "what was written does not reach the disk");
                    *refused.lock() = Some(error);
                    return;
                }
            }
        })
        .ok()
}
