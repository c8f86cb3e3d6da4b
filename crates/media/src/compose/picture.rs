//! Which picture stands at a moment, as a pure function of what came in.

use std::collections::VecDeque;

/// Pictures of one place in the program, in order of time. `F` is a frame, or a test's stand-in.
#[derive(Debug)]
pub struct PictureLine<F> {
    frames: VecDeque<(i64, F)>,
    off_since_ns: Option<i64>,
    hold_ns: i64,
}

/// What to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick<F> {
    /// This frame, and when it was taken, ns.
    Frame(i64, F),
    /// Black: the camera is off, or nothing has come for too long.
    Black,
}

impl<F: Clone> PictureLine<F> {
    /// An empty line. A picture is repeated for at most `hold_ns`.
    pub fn new(hold_ns: i64) -> Self {
        Self { frames: VecDeque::new(), off_since_ns: None, hold_ns }
    }

    /// How long a picture is repeated when no newer one comes. A camera that is silent for seconds is
    /// broken; a shared screen that nobody touches is not.
    pub fn set_hold(&mut self, hold_ns: i64) {
        self.hold_ns = hold_ns;
    }

    /// Adds a frame taken at `time_ns`. Frames older than the newest are dropped.
    pub fn push(&mut self, time_ns: i64, frame: F) {
        if self.frames.back().is_none_or(|(newest, _)| time_ns > *newest) {
            self.frames.push_back((time_ns, frame));
        }
    }

    /// The source was muted or went away at `time_ns`: black from there until a newer frame.
    pub fn off(&mut self, time_ns: i64) {
        self.off_since_ns.get_or_insert(time_ns);
    }

    /// The source is on again; black stays until its first frame.
    pub fn on(&mut self) {
        if let Some(off) = self.off_since_ns.take() {
            self.frames.retain(|(time, _)| *time > off);
        }
    }

    /// Whether what stands at `time_ns` can no longer change: a newer frame is here.
    pub fn settled(&self, time_ns: i64) -> bool {
        self.frames.back().is_some_and(|(newest, _)| *newest > time_ns)
    }

    /// Time of the newest frame.
    pub fn newest_ns(&self) -> Option<i64> {
        self.frames.back().map(|(time, _)| *time)
    }

    /// Whether there is any frame.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// What stands at `time_ns`; forgets what is older.
    pub fn pick(&mut self, time_ns: i64) -> Pick<F> {
        while self.frames.get(1).is_some_and(|(next, _)| *next <= time_ns) {
            self.frames.pop_front();
        }
        match self.frames.front() {
            Some((time, frame)) if *time <= time_ns => {
                let off = self.off_since_ns.is_some_and(|off| off <= time_ns && *time <= off);
                if off || time_ns - time > self.hold_ns {
                    Pick::Black
                } else {
                    Pick::Frame(*time, frame.clone())
                }
            }
            _ => Pick::Black,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(times: &[i64]) -> PictureLine<i64> {
        let mut line = PictureLine::new(1000);
        for t in times {
            line.push(*t, *t);
        }
        line
    }

    #[test]
    fn the_newest_frame_that_is_not_in_the_future_stands() {
        let mut line = line(&[10, 20, 30]);
        assert_eq!(line.pick(5), Pick::Black);
        assert_eq!(line.pick(10), Pick::Frame(10, 10));
        assert_eq!(line.pick(29), Pick::Frame(20, 20));
        assert!(line.settled(29) && !line.settled(30));
        assert_eq!(line.pick(500), Pick::Frame(30, 30));
    }

    #[test]
    fn a_stall_freezes_and_then_blackens() {
        let mut line = line(&[10]);
        assert_eq!(line.pick(1010), Pick::Frame(10, 10));
        assert_eq!(line.pick(1011), Pick::Black);
        line.set_hold(i64::MAX);
        assert_eq!(line.pick(99_999), Pick::Frame(10, 10));
    }

    #[test]
    fn a_mute_is_black_until_a_newer_frame() {
        let mut line = line(&[10, 20]);
        line.off(25);
        assert_eq!(line.pick(24), Pick::Frame(20, 20));
        assert_eq!(line.pick(25), Pick::Black);
        line.on();
        assert_eq!(line.pick(30), Pick::Black);
        line.push(40, 40);
        assert_eq!(line.pick(39), Pick::Black);
        assert_eq!(line.pick(40), Pick::Frame(40, 40));
    }
}
