//! What is not encoded yet because it is not known from when on: an encode that begins with an output that is not of its
//! program.

use std::sync::Arc;

use gstreamer as gst;

/// So many steps are held at most, until it is known when the other begins.
const MOST: usize = 300;

/// What goes into an encoder.
#[derive(Debug, Clone)]
pub enum Step {
    /// A picture, and its time, unix, ns.
    Picture(i64, gst::Buffer),
    /// Interleaved stereo at 48 kHz, and the time of its first sample, unix, ns.
    Sound(i64, Arc<[f32]>),
}

impl Step {
    fn time_ns(&self) -> i64 {
        let (Self::Picture(time_ns, _) | Self::Sound(time_ns, _)) = self;
        *time_ns
    }
}

/// Steps that wait.
#[derive(Debug, Default)]
pub struct Held(Vec<Step>);

impl Held {
    /// Holds a step. Some: it has been long enough, and these go on.
    pub fn push(&mut self, step: Step) -> Option<Vec<Step>> {
        self.0.push(step);
        (self.0.len() >= MOST).then(|| std::mem::take(&mut self.0))
    }

    /// All that is held.
    pub fn all(self) -> Vec<Step> {
        self.0
    }

    /// What is held from a moment on: what is earlier is left out, and the picture that stands there is the first.
    pub fn from(self, start_ns: i64) -> Vec<Step> {
        let pictures = self.0.iter().filter(|step| matches!(step, Step::Picture(..))).map(Step::time_ns);
        let standing = pictures.clone().filter(|time| *time <= start_ns).max().or(pictures.min());
        let kept = self.0.into_iter().filter_map(|step| match step {
            Step::Picture(time_ns, frame) if Some(time_ns) == standing => {
                Some(Step::Picture(start_ns, frame))
            }
            earlier if earlier.time_ns() < start_ns => None,
            later => Some(later),
        });
        kept.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(time_ns: i64) -> Step {
        Step::Picture(time_ns, gst::Buffer::new())
    }

    fn sound(time_ns: i64) -> Step {
        Step::Sound(time_ns, Arc::new([]))
    }

    fn times(steps: Vec<Step>) -> Vec<(bool, i64)> {
        steps.iter().map(|step| (matches!(step, Step::Picture(..)), step.time_ns())).collect()
    }

    #[test]
    fn the_picture_that_stands_at_the_beginning_is_the_first() {
        gst::init().unwrap();
        let from = |start_ns| {
            let steps =
                vec![picture(0), sound(5), picture(30), sound(25), picture(60), sound(45), picture(90)];
            times(Held(steps).from(start_ns))
        };
        assert_eq!(from(40), [(true, 40), (true, 60), (false, 45), (true, 90)]);
        assert_eq!(from(30)[..2], [(true, 30), (true, 60)]);
        // The other began before there was a program: the first picture stands from then on.
        assert_eq!(from(-10)[..3], [(true, -10), (false, 5), (true, 30)]);
        assert!(Held::default().from(0).is_empty());
    }

    #[test]
    fn what_is_held_for_too_long_goes_on() {
        let mut held = Held::default();
        for n in 1..MOST as i64 {
            assert!(held.push(sound(n)).is_none());
        }
        assert_eq!(held.push(sound(0)).map(|steps| steps.len()), Some(MOST));
    }
}
