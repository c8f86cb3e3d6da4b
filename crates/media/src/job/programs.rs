//! The programs of a job: each has a picture at a steady rate, a mix, or both, and begins when its source gives something
//! to begin with.

mod start;

use gstreamer as gst;
use room::event::StreamId;

use crate::compose::mix::{Mixer, Sides};
use crate::compose::picture::PictureLine;
use crate::compose::program::{Program, Step};
use crate::encode::set::ProgramId;
use crate::job::programs::start::Seen;
use crate::job::source::{Camera, Published};
use crate::output::Raw;

/// How long a camera's last picture stands when nothing comes, ns.
const CAMERA_HOLD_NS: i64 = 5_000_000_000;
/// Pictures a second of a program that has had none yet.
const FRAMERATE: u32 = 30;

/// What a program is to have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Plan {
    /// Width and height of its picture, pixels, and pictures a second.
    pub picture: Option<(u32, u32, u32)>,
    /// Whether it has sound.
    pub sound: bool,
}

impl Plan {
    /// Whether it has nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The programs of a job.
#[derive(Debug, Default)]
pub struct Programs {
    list: Vec<Running>,
    /// What is known of the source, as far as programs begin by it.
    seen: Seen,
}

#[derive(Debug)]
struct Running {
    id: ProgramId,
    plan: Plan,
    program: Program<gst::Buffer>,
    black: Option<gst::Buffer>,
    /// Since when an output waits for it to begin, ns.
    requested_ns: Option<i64>,
}

impl Programs {
    /// A program is to have this from now on, and to be there if it was not. One that has nothing stops.
    pub fn plan(&mut self, id: ProgramId, plan: Plan, now_ns: i64) {
        let at = self.list.iter().position(|running| running.id == id).unwrap_or_else(|| {
            let program = Program::new(None, None, plan.picture.map_or(FRAMERATE, |(_, _, rate)| rate));
            let (plan, black, requested_ns) = (Plan::default(), None, None);
            self.list.push(Running { id, plan, program, black, requested_ns });
            self.list.len() - 1
        });
        let published = self.seen.published;
        self.list[at].change(plan, published, now_ns);
    }

    /// What a program has.
    pub fn of(&self, id: ProgramId) -> Plan {
        self.list.iter().find(|running| running.id == id).map(|running| running.plan).unwrap_or_default()
    }

    /// The largest picture that is shown, width and height, pixels: a picture is decoded once for all.
    pub fn largest(&self) -> Option<(u32, u32)> {
        let sizes = self.list.iter().filter_map(|running| running.plan.picture);
        sizes.map(|(width, height, _)| (width, height)).max_by_key(|(width, height)| width * height)
    }

    /// Whether any has sound.
    pub fn sound(&self) -> bool {
        self.list.iter().any(|running| running.plan.sound)
    }

    /// Whether any runs.
    pub fn running(&self) -> bool {
        self.list.iter().any(|running| running.program.started_ns().is_some())
    }

    /// Whether an output attached now would begin at once.
    pub fn ready(&self) -> bool {
        let waits = |running: &Running| running.program.pictures.as_ref().is_some_and(PictureLine::is_empty);
        let shown = self.list.iter().any(|running| running.plan.picture.is_some());
        if shown && self.seen.published.camera == Camera::On {
            !self.list.iter().any(waits)
        } else {
            self.seen.heard || shown && !self.list.iter().any(waits)
        }
    }

    /// What is published of the source is another.
    pub fn published(&mut self, published: Published, now_ns: i64) {
        self.seen.note(published, now_ns);
        self.list.iter_mut().for_each(|running| running.picture_on(published, now_ns));
    }

    /// Whether anything was ever heard.
    pub fn was_heard(&self) -> bool {
        self.seen.heard
    }

    /// Sound was heard that was captured at this time, ns.
    pub fn heard(&mut self, time_ns: i64) {
        self.seen.heard(time_ns);
    }

    /// A picture of the source.
    pub fn picture(&mut self, time_ns: i64, now_ns: i64, frame: &gst::Buffer) {
        for running in &mut self.list {
            running.program.push_picture(time_ns, now_ns, frame.clone());
        }
    }

    /// Sound of the source: interleaved stereo.
    pub fn push_sound(&mut self, stream: StreamId, sides: Sides, time_ns: i64, now_ns: i64, stereo: &[f32]) {
        for running in &mut self.list {
            running.program.push_sound(stream.0, sides, time_ns, now_ns, stereo);
        }
    }

    /// Nothing more comes of a stream of sound for now.
    pub fn quiet(&mut self, stream: StreamId) {
        self.mixers().for_each(|mixer| mixer.quiet(stream.0));
    }

    /// A stream is gone.
    pub fn gone(&mut self, stream: StreamId) {
        self.mixers().for_each(|mixer| mixer.leave(stream.0));
    }

    fn mixers(&mut self) -> impl Iterator<Item = &mut Mixer> {
        self.list.iter_mut().filter_map(|running| running.program.mixer.as_mut())
    }

    /// An output wants a program to run.
    pub fn request_start(&mut self, id: ProgramId, now_ns: i64) {
        for running in self.list.iter_mut().filter(|running| running.id == id) {
            running.requested_ns.get_or_insert(now_ns);
        }
    }

    /// Gives nothing out after `time_ns`, or lifts that.
    pub fn hold(&mut self, time_ns: Option<i64>) {
        self.list.iter_mut().for_each(|running| running.program.hold(time_ns));
    }

    /// Begins the programs whose time it is, and returns them.
    pub fn begin(&mut self, now_ns: i64) -> Vec<ProgramId> {
        let mut begun = Vec::new();
        for running in &mut self.list {
            let Some(requested_ns) = running.requested_ns.filter(|_| running.may_begin()) else { continue };
            let pictures = running.program.pictures.as_ref();
            let newest = pictures.and_then(PictureLine::newest_ns);
            if let Some(start_ns) = self.seen.start(requested_ns, pictures.is_some(), newest, now_ns) {
                running.program.start(start_ns);
                begun.push(running.id);
            }
        }
        begun
    }

    /// Lets time pass: the steps that are due.
    pub fn poll(&mut self, now_ns: i64) -> Vec<(ProgramId, Raw)> {
        let mut steps = Vec::new();
        for running in &mut self.list {
            running.program.trim(now_ns);
            let due = running.program.poll(now_ns, None);
            running.give(due, &mut steps);
        }
        steps
    }

    /// Ends all at `end_ns`: the steps before it.
    pub fn end(&mut self, end_ns: i64) -> Vec<(ProgramId, Raw)> {
        let mut steps = Vec::new();
        for running in &mut self.list {
            loop {
                let due = running.program.poll(end_ns, Some(end_ns));
                if due.is_empty() {
                    break;
                }
                running.give(due, &mut steps);
            }
        }
        steps
    }

    /// Stops a program: it may begin anew.
    pub fn stop(&mut self, id: ProgramId) {
        for running in self.list.iter_mut().filter(|running| running.id == id) {
            running.program.stop();
            running.requested_ns = None;
        }
    }

    /// Which there are.
    pub fn ids(&self) -> Vec<ProgramId> {
        self.list.iter().map(|running| running.id).collect()
    }
}

impl Running {
    fn may_begin(&self) -> bool {
        self.program.started_ns().is_none() && !self.plan.is_empty()
    }

    fn change(&mut self, plan: Plan, published: Published, now_ns: i64) {
        let before = std::mem::replace(&mut self.plan, plan);
        if before.picture != plan.picture {
            self.black = plan.picture.map(|(width, height, _)| black(width, height));
            self.program.pictures = plan.picture.map(|_| PictureLine::new(CAMERA_HOLD_NS));
            self.picture_on(published, now_ns);
        }
        if before.sound != plan.sound {
            self.program.mixer = plan.sound.then(|| Mixer::new(now_ns));
        }
    }

    fn picture_on(&mut self, published: Published, now_ns: i64) {
        let Some(line) = self.program.pictures.as_mut() else { return };
        if published.camera == Camera::On {
            line.on();
            // A shared screen may stand still for as long as it likes.
            line.set_hold(if published.shared_screen { i64::MAX } else { CAMERA_HOLD_NS });
        } else {
            line.off(now_ns);
        }
    }

    fn give(&self, due: Vec<Step<gst::Buffer>>, steps: &mut Vec<(ProgramId, Raw)>) {
        for step in due {
            let raw = match step {
                Step::Picture { time_ns, frame } => {
                    let Some(frame) = frame.or_else(|| self.black.clone()) else { continue };
                    Raw::Picture { time_ns, frame }
                }
                Step::Sound { time_ns, stereo } => Raw::Sound { time_ns, stereo: stereo.into() },
            };
            steps.push((self.id, raw));
        }
    }
}

/// A black picture in I420.
fn black(width: u32, height: u32) -> gst::Buffer {
    let pixels = width as usize * height as usize;
    let mut planes = vec![16u8; pixels];
    planes.resize(pixels + pixels / 2, 128);
    gst::Buffer::from_mut_slice(planes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AIR: ProgramId = ProgramId(0);
    const NEXT: ProgramId = ProgramId(1);
    const MS: i64 = 1_000_000;
    const ON: Published = Published {
        camera: Camera::On,
        shared_screen: false,
        sound: true,
        sound_muted: false,
        all_muted: false,
        starts_empty: false,
    };

    fn count(steps: &[(ProgramId, Raw)], id: ProgramId) -> (usize, usize) {
        let of = steps.iter().filter(|(program, _)| *program == id);
        let pictures = of.clone().filter(|(_, raw)| matches!(raw, Raw::Picture { .. })).count();
        (pictures, of.count() - pictures)
    }

    #[test]
    fn two_programs_of_one_source_have_their_own_rate_and_their_own_beginning() {
        gst::init().unwrap();
        let mut programs = Programs::default();
        programs.plan(AIR, Plan { picture: Some((1280, 720, 50)), sound: true }, 0);
        programs.plan(NEXT, Plan { picture: Some((320, 180, 10)), sound: false }, 0);
        assert_eq!(programs.largest(), Some((1280, 720)));
        programs.published(ON, 0);
        programs.request_start(AIR, 0);
        assert!(!programs.ready(), "no picture has come");
        let frame = gst::Buffer::new();
        let mut begun = Vec::new();
        let mut steps = Vec::new();
        for n in 0..100 {
            let now = n * 20 * MS;
            programs.picture(now, now, &frame);
            programs.heard(now);
            programs.push_sound(StreamId(1), Sides::BOTH, now, now, &[0.5; 1920]);
            if n == 50 {
                programs.request_start(NEXT, now);
            }
            begun.extend(programs.begin(now).into_iter().map(|id| (n, id)));
            steps.extend(programs.poll(now));
        }
        steps.extend(programs.end(2000 * MS));
        assert!(programs.ready());
        assert_eq!(begun, [(0, AIR), (50, NEXT)]);
        assert_eq!(count(&steps, AIR), (100, 100));
        assert_eq!(count(&steps, NEXT), (10, 0));
    }

    #[test]
    fn what_has_nothing_any_more_gives_nothing_and_the_other_goes_on() {
        gst::init().unwrap();
        let mut programs = Programs::default();
        for id in [AIR, NEXT] {
            programs.plan(id, Plan { picture: Some((320, 180, 25)), sound: false }, 0);
        }
        programs.published(ON, 0);
        programs.picture(0, 0, &gst::Buffer::new());
        for id in [AIR, NEXT] {
            programs.request_start(id, 0);
        }
        assert_eq!(programs.begin(0), [AIR, NEXT]);
        programs.plan(NEXT, Plan::default(), 0);
        programs.stop(NEXT);
        let steps = programs.end(1000 * MS);
        assert_eq!((count(&steps, AIR), count(&steps, NEXT)), ((25, 0), (0, 0)));
        assert!(programs.running());
        programs.stop(AIR);
        assert!(!programs.running());
    }
}
