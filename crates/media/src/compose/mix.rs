//! Sound of several sources laid on one time line and added up.

use std::collections::{HashMap, VecDeque};

/// Samples a second inside the mixer.
pub const RATE_HZ: i64 = 48_000;
/// Samples (of each side) in a block: 20 ms.
pub const BLOCK: usize = 960;
/// Length of a block, ns.
pub const BLOCK_NS: i64 = 20_000_000;
/// A source this far (40 ms) from where its clock says it should be is moved there at once; nearer, it
/// is led there slowly.
const JUMP_SAMPLES: i64 = 1920;
/// Offset (1 ms) that is left alone.
const SLACK_SAMPLES: i64 = 48;
/// Most samples put in or taken out of 20 ms: 0.2 %, under what anyone hears as pitch.
const MAX_STRETCH: i64 = 2;
/// Longest silence (20 s) that is held ready for a source running ahead; more is a broken clock.
const MAX_AHEAD_SAMPLES: i64 = RATE_HZ * 20;

/// Where a source is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sides {
    /// On the left.
    pub left: bool,
    /// On the right.
    pub right: bool,
}

impl Sides {
    /// Heard on both.
    pub const BOTH: Self = Self { left: true, right: true };
}

/// The mixer. Sources are added by their first [`Mixer::push`].
#[derive(Debug)]
pub struct Mixer {
    base_ns: i64,
    sources: HashMap<u64, Source>,
}

#[derive(Debug)]
struct Source {
    sides: Sides,
    /// Interleaved stereo.
    samples: VecDeque<f32>,
    /// Index on the time line of the first sample held.
    start: i64,
    /// Smoothed offset between where the source's times say it is and where it is, samples.
    offset: f64,
    /// Whether sound is expected: a muted source is not waited for.
    live: bool,
    /// Nothing more comes: forgotten with its last sample.
    gone: bool,
}

impl Source {
    fn end(&self) -> i64 {
        self.start + (self.samples.len() / 2) as i64
    }
}

impl Mixer {
    /// A time line that counts from `base_ns`.
    pub fn new(base_ns: i64) -> Self {
        Self { base_ns, sources: HashMap::new() }
    }

    /// Index on the time line of a time.
    pub fn index_of(&self, time_ns: i64) -> i64 {
        ((time_ns - self.base_ns) as i128 * i128::from(RATE_HZ) / 1_000_000_000) as i64
    }

    /// Adds interleaved stereo samples of a source, the first of which was captured at `time_ns`.
    pub fn push(&mut self, id: u64, sides: Sides, time_ns: i64, stereo: &[f32]) {
        let want = self.index_of(time_ns);
        let source = self.sources.entry(id).or_insert_with(|| Source {
            sides,
            samples: VecDeque::new(),
            start: want,
            offset: 0.0,
            live: true,
            gone: false,
        });
        source.sides = sides;
        source.live = true;
        let frames = (stereo.len() / 2) as i64;
        let diff = want - source.end();
        if diff.abs() > JUMP_SAMPLES {
            source.offset = 0.0;
            if diff > MAX_AHEAD_SAMPLES || source.samples.is_empty() {
                source.samples.clear();
                source.start = want;
            } else if diff > 0 {
                source.samples.extend(std::iter::repeat_n(0.0, diff as usize * 2));
            } else if -diff < frames {
                source.samples.extend(&stereo[(-diff * 2) as usize..]);
                return;
            } else {
                return;
            }
            source.samples.extend(stereo);
            return;
        }
        source.offset += (diff as f64 - source.offset) / 16.0;
        let lead = source.offset.abs() as i64;
        let stretch = if lead > SLACK_SAMPLES && frames > 16 {
            (lead / SLACK_SAMPLES).min(MAX_STRETCH) * source.offset.signum() as i64
        } else {
            0
        };
        if stretch == 0 {
            source.samples.extend(stereo);
        } else {
            source.offset -= stretch as f64;
            stretched(stereo, (frames + stretch) as usize, &mut source.samples);
        }
    }

    /// A source is muted or gone: it is no longer waited for.
    pub fn quiet(&mut self, id: u64) {
        if let Some(source) = self.sources.get_mut(&id) {
            source.live = false;
        }
    }

    /// A source has ended. It is forgotten when all that it has given was heard.
    pub fn leave(&mut self, id: u64) {
        if let Some(source) = self.sources.get_mut(&id) {
            (source.live, source.gone) = (false, true);
        }
    }

    /// Whether every source that is expected to sound has given its samples up to `index`.
    pub fn settled(&self, index: i64) -> bool {
        self.sources.values().all(|s| !s.live || s.end() >= index)
    }

    /// Whether any source has sound at or after `index`.
    pub fn has_sound(&self, index: i64) -> bool {
        self.sources.values().any(|s| s.end() > index)
    }

    /// The mix of `BLOCK` samples from `index` on; forgets what is older.
    pub fn pull(&mut self, index: i64) -> Vec<f32> {
        let mut out = vec![0.0f32; BLOCK * 2];
        self.forget(index);
        for source in self.sources.values_mut() {
            let skip = (source.start - index).max(0);
            if skip >= BLOCK as i64 {
                continue;
            }
            let count = (BLOCK - skip as usize).min(source.samples.len() / 2);
            let target = &mut out[skip as usize * 2..][..count * 2];
            let mut taken = source.samples.drain(..count * 2);
            for frame in target.chunks_exact_mut(2) {
                let (Some(left), Some(right)) = (taken.next(), taken.next()) else { break };
                let sides = source.sides;
                // One side alone gets both, or a voice panned to the other would be lost.
                let (to_left, to_right) = if sides.left && sides.right {
                    (left, right)
                } else {
                    ((left + right) / 2.0, (left + right) / 2.0)
                };
                frame[0] += if sides.left { to_left } else { 0.0 };
                frame[1] += if sides.right { to_right } else { 0.0 };
            }
            drop(taken);
            source.start += count as i64;
        }
        for sample in &mut out {
            *sample = sample.clamp(-1.0, 1.0);
        }
        out
    }

    /// Forgets what is older than `index`.
    pub fn forget(&mut self, index: i64) {
        for source in self.sources.values_mut() {
            let old = (index - source.start).clamp(0, (source.samples.len() / 2) as i64);
            source.samples.drain(..old as usize * 2);
            source.start += old;
        }
        self.sources.retain(|_, source| !source.gone || !source.samples.is_empty());
    }
}

/// Writes `stereo` as `frames` frames by linear interpolation.
fn stretched(stereo: &[f32], frames: usize, to: &mut VecDeque<f32>) {
    let from = stereo.len() / 2;
    if from < 2 || frames < 2 {
        to.extend(stereo);
        return;
    }
    let step = (from - 1) as f64 / (frames - 1) as f64;
    for n in 0..frames {
        let at = n as f64 * step;
        let (left, part) = ((at as usize).min(from - 2), at.fract() as f32);
        let part = if at as usize >= from - 1 { 1.0 } else { part };
        for side in 0..2 {
            let (a, b) = (stereo[left * 2 + side], stereo[(left + 1) * 2 + side]);
            to.push_back(a + (b - a) * part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: Sides = Sides { left: true, right: true };

    fn tone(frames: usize, value: f32) -> Vec<f32> {
        vec![value; frames * 2]
    }

    #[test]
    fn one_source_passes_untouched() {
        let mut mixer = Mixer::new(1_000);
        let ramp: Vec<f32> = (0..BLOCK * 4).map(|n| n as f32 / 10_000.0).collect();
        mixer.push(1, BOTH, 1_000, &ramp[..BLOCK * 2]);
        mixer.push(1, BOTH, 1_000 + BLOCK_NS, &ramp[BLOCK * 2..]);
        assert!(mixer.settled(2 * BLOCK as i64) && !mixer.settled(2 * BLOCK as i64 + 1));
        assert_eq!(mixer.pull(0), ramp[..BLOCK * 2]);
        assert_eq!(mixer.pull(BLOCK as i64), ramp[BLOCK * 2..]);
    }

    #[test]
    fn sources_add_up_and_holes_are_silent() {
        let mut mixer = Mixer::new(0);
        mixer.push(1, BOTH, 0, &tone(BLOCK, 0.25));
        mixer.push(1, BOTH, BLOCK_NS * 5, &tone(BLOCK, 0.25));
        mixer.push(2, Sides { left: true, right: false }, BLOCK_NS * 5, &tone(BLOCK, 0.5));
        assert_eq!(mixer.pull(0)[..2], [0.25, 0.25]);
        for n in 1..5 {
            assert!(mixer.pull(n * BLOCK as i64).iter().all(|s| *s == 0.0));
        }
        assert_eq!(mixer.pull(5 * BLOCK as i64)[..2], [0.75, 0.25]);
    }

    #[test]
    fn samples_that_come_too_late_are_cut_not_moved() {
        let mut mixer = Mixer::new(0);
        mixer.pull(0);
        mixer.push(1, BOTH, 0, &tone(BLOCK * 2, 0.5));
        assert_eq!(mixer.pull(BLOCK as i64)[..2], [0.5, 0.5]);
        assert!(mixer.pull(2 * BLOCK as i64).iter().all(|s| *s == 0.0));
    }

    /// A publisher's sound card that runs 200 ppm fast would be 0.7 s off after an hour.
    #[test]
    fn a_drifting_clock_is_followed_without_a_jump() {
        let mut mixer = Mixer::new(0);
        let blocks = 50 * 60;
        let drift_ns = BLOCK_NS as f64 * 200e-6;
        let mut worst = 0i64;
        for n in 0..blocks {
            let time = n * BLOCK_NS + (n as f64 * drift_ns) as i64;
            mixer.push(1, BOTH, time, &tone(BLOCK, 0.1));
            let behind = mixer.index_of(time) + BLOCK as i64 - mixer.sources[&1].end();
            if n > 100 {
                worst = worst.max(behind.abs());
            }
            mixer.pull(n * BLOCK as i64);
        }
        assert!(worst < RATE_HZ * 5 / 1000, "off by {worst} samples");
    }

    /// A room in which somebody publishes anew each second, for a week.
    #[test]
    fn a_source_that_has_ended_is_forgotten_after_its_last_sample() {
        let mut mixer = Mixer::new(0);
        for n in 0..1000 {
            mixer.push(n, BOTH, n as i64 * BLOCK_NS, &tone(BLOCK, 0.25));
            mixer.leave(n);
            assert_eq!(mixer.pull(n as i64 * BLOCK as i64), tone(BLOCK, 0.25));
            assert!(mixer.sources.len() <= 1, "{}", mixer.sources.len());
        }
    }

    #[test]
    fn a_muted_source_is_not_waited_for() {
        let mut mixer = Mixer::new(0);
        mixer.push(1, BOTH, 0, &tone(BLOCK, 0.1));
        assert!(!mixer.settled(BLOCK as i64 * 2));
        mixer.quiet(1);
        assert!(mixer.settled(BLOCK as i64 * 2));
    }
}
