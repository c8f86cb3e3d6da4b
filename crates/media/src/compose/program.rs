//! Picture and mix on one clock: what goes to the encoders, frame by frame.

use crate::compose::mix::{BLOCK, BLOCK_NS, Mixer, Sides};
use crate::compose::picture::{Pick, PictureLine};

/// How long (ns) a moment's picture is waited for before the last one is repeated. A steady camera settles
/// each moment with its next frame, so nothing waits; a computer that is busy for a second must not cost
/// frames that are already here and only wait to be decoded.
const PICTURE_LATENCY_NS: i64 = 1_500_000_000;
/// The same for sound. Shorter: a publisher that sends nothing while it is silent makes every moment wait.
const SOUND_LATENCY_NS: i64 = 600_000_000;

/// Nothing is given out for a moment later than this after now, ns, and nothing that claims to be from later is taken in:
/// a source whose time runs away must not take the program along, nor keep what is right after it out.
const MAX_AHEAD_NS: i64 = 2_000_000_000;
/// Most steps given out at once: four seconds of 60 pictures a second and sound. Commands are looked at in between.
const MAX_STEPS: usize = 440;

/// How much sound is kept while the program does not run, ns: it may begin that much earlier than it is started.
pub const KEPT_NS: i64 = 2_000_000_000;

/// A picture's time is moved by at most this part of a period.
const MAX_SLEW: i64 = 50;

/// One step of the program.
#[derive(Debug, Clone, PartialEq)]
pub enum Step<F> {
    /// A picture for the moment `time_ns`; none is black.
    Picture {
        /// Time, unix, ns.
        time_ns: i64,
        /// The frame.
        frame: Option<F>,
    },
    /// 20 ms of interleaved stereo.
    Sound {
        /// Time of the first sample, unix, ns.
        time_ns: i64,
        /// The samples.
        stereo: Vec<f32>,
    },
}

/// The program: pictures at a steady rate and sound without a hole, from [`Program::start`] on.
#[derive(Debug)]
pub struct Program<F> {
    /// Where pictures go in; none in a program of sound alone.
    pub pictures: Option<PictureLine<F>>,
    /// Where sound goes in; none in a program of pictures alone.
    pub mixer: Option<Mixer>,
    period_ns: i64,
    start_ns: Option<i64>,
    /// Time of the next picture.
    next_picture_ns: i64,
    /// When the picture given out last was taken.
    shown_ns: i64,
    next_block: i64,
    hold_ns: Option<i64>,
}

impl<F: Clone> Program<F> {
    /// A program that waits for its start.
    pub fn new(pictures: Option<PictureLine<F>>, mixer: Option<Mixer>, framerate: u32) -> Self {
        Self {
            pictures,
            mixer,
            period_ns: 1_000_000_000 / i64::from(framerate.max(1)),
            start_ns: None,
            next_picture_ns: 0,
            shown_ns: i64::MIN,
            next_block: 0,
            hold_ns: None,
        }
    }

    /// Begins at `time_ns`.
    pub fn start(&mut self, time_ns: i64) {
        if self.start_ns.is_none() {
            self.start_ns = Some(time_ns);
            self.next_picture_ns = time_ns;
            self.shown_ns = i64::MIN;
            self.next_block = 0;
        }
    }

    /// Ends; a later start begins anew.
    pub fn stop(&mut self) {
        self.start_ns = None;
        self.hold_ns = None;
    }

    /// When it began, unix, ns; none while it does not run.
    pub fn started_ns(&self) -> Option<i64> {
        self.start_ns
    }

    /// Gives out nothing later than `time_ns` until told otherwise: the source has gone and may or may
    /// not come back.
    pub fn hold(&mut self, time_ns: Option<i64>) {
        self.hold_ns = time_ns;
    }

    /// A picture of the source, taken at `time_ns`.
    pub fn push_picture(&mut self, time_ns: i64, now_ns: i64, frame: F) {
        if let Some(line) = self.pictures.as_mut().filter(|_| time_ns <= now_ns + MAX_AHEAD_NS) {
            line.push(time_ns, frame);
        }
    }

    /// Sound of a source: interleaved stereo, the first sample of which was captured at `time_ns`.
    pub fn push_sound(&mut self, source: u64, sides: Sides, time_ns: i64, now_ns: i64, stereo: &[f32]) {
        if let Some(mixer) = self.mixer.as_mut().filter(|_| time_ns <= now_ns + MAX_AHEAD_NS) {
            mixer.push(source, sides, time_ns, stereo);
        }
    }

    /// The steps that are due at `now_ns`, at most [`MAX_STEPS`]; the others come with the next call. With `end_ns`,
    /// those before that moment, whether they have settled or not: the program is being ended when none is left.
    pub fn poll(&mut self, now_ns: i64, end_ns: Option<i64>) -> Vec<Step<F>> {
        let mut steps = Vec::new();
        let Some(start) = self.start_ns else { return steps };
        let last = end_ns.unwrap_or(now_ns + MAX_AHEAD_NS).min(self.hold_ns.unwrap_or(i64::MAX));
        while steps.len() < MAX_STEPS {
            let picture = self.picture_due(now_ns, end_ns.is_some(), last);
            let block = self.block_due(start, now_ns, end_ns.is_some(), last);
            // In order of time, so that encoders and muxers see both lanes move together.
            match (picture, block) {
                (Some(at), sound) if sound.is_none_or(|s| at <= s) => {
                    let pick = self.pictures.as_mut().map(|line| line.pick(at + self.period_ns / 2));
                    let (frame, slew) = match pick {
                        Some(Pick::Frame(taken, frame)) => (Some(frame), self.slew(at, taken)),
                        _ => (None, 0),
                    };
                    steps.push(Step::Picture { time_ns: at, frame });
                    self.next_picture_ns = at + self.period_ns + slew;
                }
                (_, Some(at)) => {
                    if let Some(mixer) = self.mixer.as_mut() {
                        let index = mixer.index_of(start) + self.next_block * BLOCK as i64;
                        steps.push(Step::Sound { time_ns: at, stereo: mixer.pull(index) });
                    }
                    self.next_block += 1;
                }
                _ => break,
            }
        }
        steps
    }

    /// How much later or earlier than a period the next picture comes, so that the program's pictures stay
    /// in step with the source's: out of step, a source of the same rate is now shown twice, now left out,
    /// and the picture is up to half a frame away from its sound.
    fn slew(&mut self, at: i64, taken: i64) -> i64 {
        if std::mem::replace(&mut self.shown_ns, taken) == taken {
            return 0;
        }
        let error = taken - at;
        if error.abs() > self.period_ns {
            return 0;
        }
        (error / 8).clamp(-self.period_ns / MAX_SLEW, self.period_ns / MAX_SLEW)
    }

    fn picture_due(&self, now: i64, ending: bool, last: i64) -> Option<i64> {
        let line = self.pictures.as_ref()?;
        let at = self.next_picture_ns;
        let due = ending || line.settled(at + self.period_ns / 2) || now >= at + PICTURE_LATENCY_NS;
        (due && at < last).then_some(at)
    }

    fn block_due(&self, start: i64, now: i64, ending: bool, last: i64) -> Option<i64> {
        let mixer = self.mixer.as_ref()?;
        let at = start + self.next_block * BLOCK_NS;
        let end_index = mixer.index_of(start) + (self.next_block + 1) * BLOCK as i64;
        // A mixer that nobody feeds is always settled; time itself is what it then waits for.
        let settled = mixer.has_sound(end_index - 1) && mixer.settled(end_index);
        let due = ending || settled || now >= at + BLOCK_NS + SOUND_LATENCY_NS;
        (due && at < last).then_some(at)
    }

    /// Forgets sound that is older than `now_ns` by [`KEPT_NS`], while nothing is given out.
    pub fn trim(&mut self, now_ns: i64) {
        if self.start_ns.is_none() {
            if let Some(mixer) = self.mixer.as_mut() {
                let index = mixer.index_of(now_ns - KEPT_NS);
                mixer.forget(index);
            }
            if let Some(line) = self.pictures.as_mut() {
                line.pick(now_ns);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: i64 = 1_000_000;

    fn program() -> Program<i64> {
        Program::new(Some(PictureLine::new(2_000 * MS)), Some(Mixer::new(0)), 25)
    }

    fn frames(steps: &[Step<i64>]) -> Vec<Option<i64>> {
        steps
            .iter()
            .filter_map(|s| if let Step::Picture { frame, .. } = s { Some(*frame) } else { None })
            .collect()
    }

    #[test]
    fn a_steady_source_gives_each_frame_once_despite_jitter() {
        let mut program = program();
        program.start(0);
        let mut out = Vec::new();
        for n in 0..100i64 {
            let jitter = if n % 2 == 0 { 7 * MS } else { -7 * MS };
            program.pictures.as_mut().unwrap().push((n * 40 * MS + jitter).max(0), n);
            out.extend(frames(&program.poll(n * 40 * MS + 10 * MS, None)));
        }
        let got: Vec<i64> = out.into_iter().flatten().collect();
        assert_eq!(got, (0..got.len() as i64).collect::<Vec<_>>());
        assert!(got.len() >= 98);
    }

    /// A source whose times are found to be 14 ms off (its clock is known only some seconds after it is
    /// first heard) is followed, frame by frame, in step.
    #[test]
    fn the_program_comes_into_step_with_its_source() {
        let mut program = program();
        program.start(0);
        let (mut shown, mut off) = (Vec::new(), 0);
        for n in 0..400i64 {
            let taken = n * 40 * MS + if n > 20 { 14 * MS } else { 0 };
            program.pictures.as_mut().unwrap().push(taken, n);
            for step in program.poll(taken + 5 * MS, None) {
                if let Step::Picture { time_ns, frame: Some(frame) } = step {
                    shown.push(frame);
                    off = time_ns - (frame * 40 + 14) * MS;
                }
            }
        }
        assert!(off.abs() < 2 * MS, "{off} ns out of step");
        let doubled = shown.windows(2).filter(|w| w[0] == w[1]).count();
        let left_out = shown.windows(2).filter(|w| w[1] > w[0] + 1).count();
        assert!(doubled <= 1 && left_out == 0, "{doubled} shown twice, {left_out} left out");
    }

    #[test]
    fn nothing_comes_before_it_settles_or_its_time_is_over() {
        let mut program = program();
        program.start(0);
        program.pictures.as_mut().unwrap().push(0, 1);
        assert!(program.poll(100 * MS, None).is_empty());
        assert_eq!(frames(&program.poll(PICTURE_LATENCY_NS, None)), [Some(1)]);
    }

    /// A sender report that is hours off, an RTP time that jumps: one picture and one sound of tomorrow.
    #[test]
    fn what_claims_to_be_of_later_is_not_believed() {
        let (mut program, tomorrow) = (program(), 86_400_000 * MS);
        program.start(0);
        let (mut shown, mut heard) = (Vec::new(), 0);
        for n in 0..200i64 {
            let now = n * 40 * MS;
            if n == 50 {
                program.push_picture(tomorrow, now, -1);
                program.push_sound(1, Sides::BOTH, tomorrow, now, &vec![0.5; BLOCK * 4]);
            }
            program.push_picture(now, now, n);
            program.push_sound(1, Sides::BOTH, now, now, &vec![0.5; BLOCK * 4]);
            for step in program.poll(now + MS, None) {
                assert!(time(&step) <= now + MS + MAX_AHEAD_NS);
                match step {
                    Step::Picture { frame, .. } => shown.extend(frame),
                    Step::Sound { stereo, .. } => heard += usize::from(stereo.iter().all(|s| *s == 0.5)),
                }
            }
        }
        assert_eq!(shown, (0..shown.len() as i64).collect::<Vec<_>>());
        assert!(shown.len() > 195 && heard > 390, "{} pictures, {heard} blocks", shown.len());
    }

    proptest! {
        /// Whatever times its sources claim, and however the clock is read: no step lies later than it may, both lanes
        /// go on without a hole, and a call gives out no more than it may.
        #[test]
        fn the_program_keeps_to_the_clock(
            looks in prop::collection::vec((0..3_000i64, prop::collection::vec((any::<bool>(), -100_000_000..100_000_000i64), 0..4)), 1..60),
        ) {
            let mut program = program();
            program.start(0);
            let (mut now, mut last_picture, mut blocks) = (0, None::<i64>, 0);
            for (pause_ms, sources) in looks {
                now += pause_ms * MS;
                for (is_picture, off_ms) in sources {
                    if is_picture {
                        program.push_picture(now + off_ms * MS, now, 1);
                    } else {
                        program.push_sound(1, Sides::BOTH, now + off_ms * MS, now, &[0.5; 2 * BLOCK]);
                    }
                }
                let steps = program.poll(now, None);
                prop_assert!(steps.len() <= MAX_STEPS);
                for step in &steps {
                    prop_assert!(time(step) <= now + MAX_AHEAD_NS);
                    match step {
                        Step::Picture { time_ns, .. } => {
                            let gap = last_picture.map_or(40 * MS, |last| time_ns - last);
                            prop_assert!((39 * MS..=41 * MS).contains(&gap), "{gap}");
                            last_picture = Some(*time_ns);
                        }
                        Step::Sound { time_ns, .. } => {
                            prop_assert_eq!(*time_ns, blocks * BLOCK_NS);
                            blocks += 1;
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_end_is_exact_for_both_lanes() {
        let mut program = program();
        program.start(0);
        program.mixer.as_mut().unwrap().push(1, Sides { left: true, right: true }, 0, &vec![0.5; BLOCK * 2]);
        let steps = program.poll(0, Some(1000 * MS));
        assert_eq!(frames(&steps).len(), 25);
        assert_eq!(steps.iter().filter(|s| matches!(s, Step::Sound { .. })).count(), 50);
        assert!(steps.windows(2).all(|w| time(&w[0]) <= time(&w[1])));
    }

    #[test]
    fn a_hold_gives_nothing_out_and_makes_up_for_it_after() {
        let mut program = program();
        program.start(0);
        program.hold(Some(400 * MS));
        assert_eq!(frames(&program.poll(5_000 * MS, None)).len(), 10);
        program.hold(None);
        let made_up = (5_000 * MS - PICTURE_LATENCY_NS) / (40 * MS) + 1 - 10;
        assert_eq!(frames(&program.poll(5_000 * MS, None)).len() as i64, made_up);
    }

    fn time(step: &Step<i64>) -> i64 {
        match step {
            Step::Picture { time_ns, .. } | Step::Sound { time_ns, .. } => *time_ns,
        }
    }
}
