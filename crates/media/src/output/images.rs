//! Images of the program, every so often. A picture that comes while the one before is still being made is left out:
//! the program waits for nobody.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{FileResult, OutputSet};
use egress::filename::ImageNames;
use egress::id::OutputId;
use gstreamer as gst;
use parking_lot::Mutex;

use crate::chain::{Chain, ChainError, ChainEvent, timed};
use crate::encode::encoder::picture_caps;
use crate::output::disk::Place;
use crate::output::segments::mux::replace;
use crate::output::worker::Worker;
use crate::output::{Counts, Ended, Output, OutputReport, Raw, SetResult};

/// A picture that comes this much too early is still taken, ns: sources do not keep their beat to the nanosecond.
const EARLY_NS: i64 = 5_000_000;
/// So many may be on their way to the disk.
const MAX_WAITING: u64 = 3;
/// Of 100; a tenth of the size of a perfect one, and hardly to be told from it.
const QUALITY: u32 = 85;

/// What images are to be.
#[derive(Debug, Clone)]
pub struct ImagesPlan {
    /// Names the output.
    pub id: OutputId,
    /// The folder that names are relative to.
    pub folder: PathBuf,
    /// The folder that they are in, absolute.
    pub holds: PathBuf,
    /// Their names.
    pub names: ImageNames,
    /// Time from one to the next, ns.
    pub interval_ns: i64,
    /// Width and height of the program, pixels, and pictures a second.
    pub program: (u32, u32, u32),
    /// Width and height of an image, pixels.
    pub size: (u32, u32),
}

/// The size of images: as asked, where one side is not asked for in the program's shape, even.
pub fn size(asked: (Option<u32>, Option<u32>), (width, height): (u32, u32)) -> (u32, u32) {
    let scaled = |side: u32, by: u32, of: u32| {
        let exact = (u64::from(side) * u64::from(by) + u64::from(of) / 2) / u64::from(of.max(1));
        (u32::try_from(exact).unwrap_or(u32::MAX) & !1).max(2)
    };
    match asked {
        (Some(width), Some(height)) => (width, height),
        (Some(asked), None) => (asked, scaled(asked, height, width)),
        (None, Some(asked)) => (scaled(asked, width, height), asked),
        (None, None) => (width, height),
    }
}

#[derive(Debug)]
enum Message {
    Jpeg(i64, Vec<u8>),
    Failed(ChainError),
    /// All have come.
    End,
}

#[derive(Debug, Clone)]
struct Shared {
    counts: Counts,
    set: SetResult,
}

/// Images being taken.
#[derive(Debug)]
pub struct Images {
    place: Place,
    interval_ns: i64,
    due_ns: Option<i64>,
    chain: Chain,
    queue: Sender<Message>,
    waiting: Arc<AtomicU64>,
    dropped: u64,
    shared: Arc<Mutex<Shared>>,
    worker: Worker,
}

impl Images {
    /// Starts; `report` is called from the output's thread.
    ///
    /// # Errors
    /// If images cannot be made here.
    pub fn start(
        plan: ImagesPlan,
        report: impl Fn(OutputReport) + Send + 'static,
    ) -> Result<Self, ChainError> {
        let (queue, messages) = channel();
        let chain = chain(&plan, queue.clone())?;
        let result = FileResult {
            path: Some(plan.holds.clone()),
            size_bytes: 0,
            started_at_ns: 0,
            ended_at_ns: 0,
            duration_ns: 0,
            error: None,
        };
        let prefix = plan.names.prefix_path().display().to_string().replace(std::path::MAIN_SEPARATOR, "/");
        let set = SetResult {
            result,
            set: OutputSet::Images { prefix, count: 0 },
            files: Vec::new(),
            needed: Vec::new(),
        };
        let shared = Arc::new(Mutex::new(Shared { counts: Counts::default(), set }));
        let waiting = Arc::new(AtomicU64::new(0));
        let (place, interval_ns) = (Place::of(&plan.folder), plan.interval_ns);
        let writer = Writer { plan, report, index: 0, shared: shared.clone(), waiting: waiting.clone() };
        let worker = Worker::start("images", move || writer.run(&messages));
        Ok(Self { place, interval_ns, due_ns: None, chain, queue, waiting, dropped: 0, shared, worker })
    }
}

impl Output for Images {
    fn push(&mut self, _: &crate::unit::Unit) {}

    fn push_raw(&mut self, raw: &Raw) {
        let Raw::Picture { time_ns, frame } = raw else { return };
        let due = *self.due_ns.get_or_insert(*time_ns);
        if time_ns + EARLY_NS < due {
            return;
        }
        // On the beat of the first, whatever was left out.
        let missed = (time_ns + EARLY_NS - due) / self.interval_ns;
        self.due_ns = Some(due + (missed + 1) * self.interval_ns);
        if self.waiting.load(Relaxed) >= MAX_WAITING {
            self.dropped += 1;
            return;
        }
        self.waiting.fetch_add(1, Relaxed);
        // A copy of the buffer's head; the pixels are shared.
        let mut frame = frame.copy();
        if let Some(frame) = frame.get_mut() {
            frame.set_pts(gst::ClockTime::from_nseconds((*time_ns).max(0) as u64));
        }
        self.chain.push(frame);
    }

    fn finish(&mut self) {
        self.chain.finish();
    }

    fn abandoned(&mut self) -> Ended {
        let _ = self.queue.send(Message::End);
        Ended::Set(self.shared.lock().set.clone())
    }

    fn is_running(&self) -> bool {
        self.worker.is_running()
    }

    fn counts(&self) -> Counts {
        Counts { dropped: self.dropped, ..self.shared.lock().counts }
    }

    fn room_bytes(&self) -> Option<u64> {
        self.place.room_bytes(0)
    }
}

fn chain(plan: &ImagesPlan, queue: Sender<Message>) -> Result<Chain, ChainError> {
    let (width, height) = plan.size;
    let description = format!(
        "videoconvertscale ! video/x-raw,format=I420,width={width},height={height},pixel-aspect-ratio=1/1 ! \
         jpegenc quality={QUALITY}"
    );
    Chain::start("images", &picture_caps(plan.program), &description, move |event| {
        // A closed queue: the output has ended.
        let _ = queue.send(match event {
            ChainEvent::Sample(sample) => {
                let Some((time_ns, buffer)) = timed(&sample) else { return };
                let Ok(map) = buffer.map_readable() else { return };
                Message::Jpeg(time_ns, map.to_vec())
            }
            ChainEvent::Finished => Message::End,
            ChainEvent::Failed(error) => Message::Failed(error),
        });
    })
}

/// What runs in the output's thread.
struct Writer<R> {
    plan: ImagesPlan,
    report: R,
    index: u64,
    shared: Arc<Mutex<Shared>>,
    waiting: Arc<AtomicU64>,
}

impl<R: Fn(OutputReport)> Writer<R> {
    fn run(mut self, messages: &Receiver<Message>) {
        let error = loop {
            match messages.recv() {
                Ok(Message::Jpeg(time_ns, jpeg)) => {
                    let written = self.write(time_ns, &jpeg);
                    self.waiting.fetch_sub(1, Relaxed);
                    if let Err(cause) = written {
                        break Some(failed(&cause));
                    }
                }
                Ok(Message::Failed(error)) => break Some(failed(&io::Error::other(error))),
                Ok(Message::End) => break None,
                // Dropped: the job is gone.
                Err(_) => return,
            }
        };
        let mut set = self.shared.lock().set.clone();
        if set.result.started_at_ns == 0 {
            set.result.path = None;
        }
        set.result.error = error;
        (self.report)(OutputReport::Ended { output: self.plan.id, ended: Ended::Set(set) });
    }

    fn write(&mut self, time_ns: i64, jpeg: &[u8]) -> io::Result<()> {
        let path = self.plan.folder.join(self.plan.names.image(self.index, time_ns));
        replace(&path, jpeg, true)?;
        self.index += 1;
        let mut shared = self.shared.lock();
        let Shared { counts, set } = &mut *shared;
        let first = counts.started_ns == 0;
        if first {
            (counts.started_ns, set.result.started_at_ns) = (time_ns, time_ns);
        }
        (counts.ended_ns, set.result.ended_at_ns) = (time_ns, time_ns);
        counts.pictures += 1;
        counts.units += 1;
        counts.size_bytes += jpeg.len() as u64;
        set.result.size_bytes = counts.size_bytes;
        set.result.duration_ns = time_ns - counts.started_ns;
        set.files.retain(|(known, _)| *known != path);
        set.files.push((path, time_ns));
        if let OutputSet::Images { count, .. } = &mut set.set {
            *count = self.index;
        }
        drop(shared);
        if first {
            (self.report)(OutputReport::Active { output: self.plan.id.clone(), started_at_ns: time_ns });
        }
        Ok(())
    }
}

fn failed(cause: &io::Error) -> ApiError {
    let full = cause.kind() == io::ErrorKind::StorageFull;
    ApiError::new(
        if full { ErrorCode::DiskFull } else { ErrorCode::Storage },
        Fault::Destination,
        "No more images can be written. Those that are there are whole.",
        if full {
            "The disk is full: free some space or choose another folder."
        } else {
            "Check that the disk is there and that you may write to it, or choose another."
        },
    )
    .with_detail(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_keep_the_shape_where_a_side_is_not_asked_for() {
        let program = (1280, 720);
        assert_eq!(size((None, None), program), (1280, 720));
        assert_eq!(size((Some(640), None), program), (640, 360));
        assert_eq!(size((None, Some(101)), program), (180, 101));
        assert_eq!(size((Some(100), Some(100)), program), (100, 100));
        assert_eq!(size((Some(1), None), program), (1, 2));
    }
}
