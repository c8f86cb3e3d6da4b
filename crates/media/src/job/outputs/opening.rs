//! An output while it is being made: a disk may take its time to make a file, or never answer, and nothing else of the job
//! waits for that.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use egress::error::ApiError;
use egress::id::OutputId;

use crate::output::backlog::Backlog;
use crate::output::worker::{Worker, defect};
use crate::output::{Counts, Ended, Output, OutputReport, Raw};
use crate::unit::Unit;

/// Most raw pictures that wait, each of which has megabytes. The oldest goes first.
const MOST_PICTURES: usize = 30;
/// An output that is not made within this time is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// What has come for an output that is not there yet.
#[derive(Debug)]
struct Making {
    made: Receiver<Box<dyn Output>>,
    began: Instant,
    media: VecDeque<Media>,
    backlog: Backlog,
    muted: Option<bool>,
    awaits_picture: Option<bool>,
    finish: bool,
}

#[derive(Debug)]
enum Media {
    Unit(Unit),
    Raw(Raw),
}

#[derive(Debug)]
enum State {
    Making(Making),
    Made(Box<dyn Output>),
    /// It could not be made, which was reported.
    Gone,
}

/// The output.
#[derive(Debug)]
pub(super) struct Opening {
    not_made: fn(ApiError) -> Ended,
    worker: Worker,
    state: State,
}

impl Opening {
    /// Makes an output in a thread of its own. `not_made`: what comes of one that is given up before it is there.
    pub(super) fn start(
        id: OutputId,
        not_made: fn(ApiError) -> Ended,
        make: impl FnOnce() -> Result<Box<dyn Output>, ApiError> + Send + 'static,
        report: impl FnOnce(OutputReport) + Send + 'static,
    ) -> Self {
        let (tell, made) = channel();
        let worker = Worker::start("open", move || match make() {
            // Nobody wants it any more if it was given up.
            Ok(output) => drop(tell.send(output)),
            Err(error) => report(OutputReport::Ended { output: id, ended: not_made(error) }),
        });
        let making = Making {
            made,
            began: Instant::now(),
            media: VecDeque::new(),
            backlog: Backlog::default(),
            muted: None,
            awaits_picture: None,
            finish: false,
        };
        Self { not_made, worker, state: State::Making(making) }
    }

    /// The output, if it is there by now; it has been given what came for it.
    fn made(&mut self) -> Option<&mut dyn Output> {
        if let State::Making(making) = &mut self.state {
            match making.made.try_recv() {
                Ok(mut output) => {
                    making.hand_over(output.as_mut());
                    self.state = State::Made(output);
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => self.state = State::Gone,
            }
        }
        match &mut self.state {
            State::Made(output) => Some(output.as_mut()),
            State::Making(_) | State::Gone => None,
        }
    }

    fn making(&mut self) -> Option<&mut Making> {
        match &mut self.state {
            State::Making(making) => Some(making),
            State::Made(_) | State::Gone => None,
        }
    }
}

impl Making {
    fn hand_over(&mut self, output: &mut dyn Output) {
        if let Some(muted) = self.muted {
            output.muted(muted);
        }
        if let Some(awaited) = self.awaits_picture {
            output.await_picture(awaited);
        }
        for media in self.media.drain(..) {
            match media {
                Media::Unit(unit) => output.push(&unit),
                Media::Raw(raw) => output.push_raw(&raw),
            }
        }
        if self.finish {
            output.finish();
        }
    }

    fn hold_raw(&mut self, raw: &Raw) {
        let picture = |media: &Media| matches!(media, Media::Raw(Raw::Picture { .. }));
        if self.media.iter().filter(|media| picture(media)).count() >= MOST_PICTURES
            && let Some(oldest) = self.media.iter().position(picture)
        {
            self.media.remove(oldest);
        }
        self.media.push_back(Media::Raw(raw.clone()));
    }
}

impl Output for Opening {
    fn push(&mut self, unit: &Unit) {
        if let Some(output) = self.made() {
            output.push(unit);
        } else if let Some(making) = self.making()
            && making.backlog.put(unit)
        {
            making.media.push_back(Media::Unit(unit.clone()));
        }
    }

    fn push_raw(&mut self, raw: &Raw) {
        if let Some(output) = self.made() {
            output.push_raw(raw);
        } else if let Some(making) = self.making() {
            making.hold_raw(raw);
        }
    }

    fn muted(&mut self, muted: bool) {
        if let Some(output) = self.made() {
            output.muted(muted);
        } else if let Some(making) = self.making() {
            making.muted = Some(muted);
        }
    }

    fn await_picture(&mut self, awaited: bool) {
        if let Some(output) = self.made() {
            output.await_picture(awaited);
        } else if let Some(making) = self.making() {
            making.awaits_picture = Some(awaited);
        }
    }

    fn finish(&mut self) {
        if let Some(output) = self.made() {
            output.finish();
        } else if let Some(making) = self.making() {
            making.finish = true;
        }
    }

    fn abandoned(&mut self) -> Ended {
        match &mut self.state {
            State::Made(output) => output.abandoned(),
            State::Making(_) | State::Gone => (self.not_made)(defect("it was given up before it was made")),
        }
    }

    fn is_running(&self) -> bool {
        match &self.state {
            State::Made(output) => output.is_running(),
            State::Making(_) => self.worker.is_running(),
            State::Gone => false,
        }
    }

    fn is_overrun(&self) -> bool {
        match &self.state {
            State::Made(output) => output.is_overrun(),
            State::Making(making) => making.backlog.is_full() || making.began.elapsed() > PATIENCE,
            State::Gone => false,
        }
    }

    fn counts(&self) -> Counts {
        match &self.state {
            State::Made(output) => output.counts(),
            State::Making(making) => Counts { behind_ns: making.backlog.behind_ns(), ..Counts::default() },
            State::Gone => Counts::default(),
        }
    }

    fn room_bytes(&self) -> Option<u64> {
        match &self.state {
            State::Made(output) => output.room_bytes(),
            State::Making(_) | State::Gone => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::{Sender, channel};

    use egress::error::{ErrorCode, Fault};
    use egress::fact::FileResult;
    use gstreamer as gst;
    use parking_lot::Mutex;

    use super::*;
    use crate::unit::Lane;

    /// Notes what it is given.
    #[derive(Debug, Default, Clone)]
    struct Notes(Arc<Mutex<Vec<String>>>);

    impl Notes {
        fn note(&self, what: impl Into<String>) {
            self.0.lock().push(what.into());
        }
    }

    impl Output for Notes {
        fn push(&mut self, unit: &Unit) {
            self.note(format!("unit {}", unit.time_ns));
        }
        fn await_picture(&mut self, awaited: bool) {
            self.note(format!("awaits {awaited}"));
        }
        fn finish(&mut self) {
            self.note("finish");
        }
        fn abandoned(&mut self) -> Ended {
            not_made(defect("abandoned"))
        }
        fn is_running(&self) -> bool {
            true
        }
        fn counts(&self) -> Counts {
            Counts { pictures: 7, ..Counts::default() }
        }
    }

    fn not_made(error: ApiError) -> Ended {
        Ended::File(FileResult {
            path: None,
            size_bytes: 0,
            started_at_ns: 0,
            ended_at_ns: 0,
            duration_ns: 0,
            error: Some(error),
        })
    }

    fn unit(time_ns: i64, bytes: usize) -> Unit {
        gst::init().unwrap();
        let data = gst::Buffer::from_mut_slice(vec![0u8; bytes]);
        let caps = gst::Caps::new_empty_simple("video/x-vp8");
        Unit { lane: Lane::Video, time_ns, duration_ns: 0, keyframe: true, data, caps }
    }

    type Reports = std::sync::mpsc::Receiver<OutputReport>;

    /// One that is made when it is told to, by dropping the sender.
    fn opening(made: Result<Notes, ApiError>) -> (Opening, Sender<()>, Reports) {
        let (go, wait) = channel();
        let (report, reports) = channel();
        let make = move || {
            let _: Result<(), _> = wait.recv();
            made.map(|notes| Box::new(notes) as Box<dyn Output>)
        };
        let opening = Opening::start("file".into(), not_made, make, move |told| {
            drop(report.send(told));
        });
        (opening, go, reports)
    }

    fn until(what: &str, mut condition: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !condition() {
            assert!(Instant::now() < end, "{what}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn what_came_meanwhile_is_given_in_order_when_it_is_there() {
        let notes = Notes::default();
        let (mut opening, go, _reports) = opening(Ok(notes.clone()));
        opening.push(&unit(1, 10));
        opening.await_picture(true);
        opening.await_picture(false);
        opening.push(&unit(2, 10));
        assert!(notes.0.lock().is_empty() && opening.is_running());
        assert_eq!(opening.counts().behind_ns, 1);
        drop(go);
        until("it is made", || {
            opening.await_picture(false);
            opening.counts().pictures == 7
        });
        opening.push(&unit(3, 10));
        opening.finish();
        let notes = notes.0.lock();
        let notes: Vec<&str> = notes.iter().map(String::as_str).collect();
        assert_eq!(notes[..3], ["awaits false", "unit 1", "unit 2"]);
        assert_eq!(notes[notes.len() - 2..], ["unit 3", "finish"]);
    }

    #[test]
    fn what_cannot_be_made_is_told_and_what_is_never_made_overruns() {
        let error = ApiError::new(ErrorCode::Storage, Fault::Destination, "No.", "Yes.");
        let (mut failed, go, reports) = opening(Err(error.clone()));
        failed.push(&unit(1, 10));
        drop(go);
        let told = reports.recv_timeout(Duration::from_secs(60)).unwrap();
        let OutputReport::Ended { ended, .. } = told else { panic!("{told:?}") };
        assert_eq!(ended.error(), Some(&error));
        until("it is gone", || {
            failed.push(&unit(2, 10));
            !failed.is_running()
        });

        let (mut hung, _go, _reports) = opening(Ok(Notes::default()));
        for n in 0..100 {
            assert_eq!(hung.is_overrun(), n > 48, "after {n} MiB");
            hung.push(&unit(n, 1 << 20));
        }
        assert!(hung.abandoned().error().is_some());
    }
}
