//! Which of the program's pictures an encoder is given, and which of them become keyframes, so that segments end in time.
//!
//! Both are decided where pictures go in. Whoever asks when a segment is seen to begin asks when the encoder may have
//! gone past the place: it is given many seconds at once after a stall, and makes ten of them in one.

use std::collections::{BTreeMap, VecDeque};

use egress::id::OutputId;

/// A keyframe this much before its time is taken all the same, ns: times are rounded on their way.
pub const EARLY_NS: i64 = 5_000_000;

/// An encoder this many pictures behind is given few.
const MAX_BACKLOG: u64 = 90;
/// How far apart those few are, ns: a program that was held for half a minute, and is made up for, has no hole.
const FEW_NS: i64 = 250_000_000;
/// An encoder this many pictures behind is given none: they are held in memory.
const MOST_BACKLOG: u64 = 3 * MAX_BACKLOG;
/// So many pictures are remembered, which is more than wait anywhere.
const REMEMBERED: usize = 2 * MOST_BACKLOG as usize;

/// What one encoder is given.
#[derive(Debug, Default)]
pub struct Given {
    newest_ns: Option<i64>,
}

impl Given {
    /// Whether an encoder that is `backlog` pictures behind is given the one at `time_ns`.
    pub fn takes(&mut self, time_ns: i64, backlog: u64) -> bool {
        let long_ago = self.newest_ns.is_none_or(|newest| (time_ns - newest).abs() >= FEW_NS);
        let takes = backlog <= MAX_BACKLOG || backlog <= MOST_BACKLOG && long_ago;
        if takes {
            self.newest_ns = Some(time_ns);
        }
        takes
    }
}

/// Where the segments of all sets are to end. Each set has a row of keyframes of its own: the first picture that is late
/// enough after the one before, as the sets themselves cut.
#[derive(Debug, Default)]
pub struct Keyframes {
    /// Pictures that the encoder was given last, unix, ns.
    given: VecDeque<i64>,
    sets: BTreeMap<OutputId, Row>,
}

#[derive(Debug)]
struct Row {
    every_ns: i64,
    next_ns: i64,
    /// Keyframes that were asked for and with which no segment was seen to begin yet.
    asked: VecDeque<i64>,
}

impl Row {
    /// Whether a picture is to be a keyframe.
    fn picture(&mut self, time_ns: i64) -> bool {
        let due = time_ns >= self.next_ns - EARLY_NS;
        if due {
            self.asked.push_back(time_ns);
            self.next_ns = time_ns + self.every_ns;
        }
        due
    }
}

impl Keyframes {
    /// The encoder is given the picture at `time_ns`. Whether it is to be a keyframe.
    pub fn picture(&mut self, time_ns: i64) -> bool {
        if self.given.len() >= REMEMBERED {
            self.given.pop_front();
        }
        self.given.push_back(time_ns);
        let mut key = false;
        // No short cut: every row counts on.
        for row in self.sets.values_mut() {
            key |= row.picture(time_ns);
        }
        key
    }

    /// A segment of a set begins at `from_ns`, and is to end `every_ns` behind, unix, ns. Returned are pictures that the
    /// encoder was given already and which are to be keyframes.
    pub fn begins(&mut self, set: OutputId, from_ns: i64, every_ns: i64) -> Vec<i64> {
        let row = self.sets.entry(set).or_insert(Row { every_ns, next_ns: 0, asked: VecDeque::new() });
        row.asked.retain(|asked| *asked > from_ns - EARLY_NS);
        if row.asked.front().is_some_and(|asked| (asked - from_ns).abs() < EARLY_NS) {
            return Vec::new();
        }
        // It does not begin where it was to, as the first of all does not.
        *row = Row { every_ns, next_ns: from_ns + every_ns, asked: VecDeque::new() };
        self.given.iter().copied().filter(|given| *given > from_ns && row.picture(*given)).collect()
    }

    /// A set is over.
    pub fn over(&mut self, set: &OutputId) {
        self.sets.remove(set);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: i64 = 1_000_000_000;
    const FRAME_NS: i64 = 33_333_333;

    /// The time and the kind of what an encoder makes of pictures that it is given, some behind.
    struct Encoder {
        inside: VecDeque<(i64, bool)>,
    }

    impl Encoder {
        fn ask(&mut self, at: &[i64]) {
            for (time, key) in &mut self.inside {
                *key |= at.contains(time);
            }
        }
    }

    /// Segments as the cutter makes them: begin at a keyframe, end at the first that is late enough.
    fn segments(keyframes: &mut Keyframes, sets: &[i64], pictures: &[(i64, usize)]) -> Vec<Vec<i64>> {
        let mut encoder = Encoder { inside: VecDeque::new() };
        let mut begins: Vec<Vec<i64>> = vec![Vec::new(); sets.len()];
        for (time, behind) in pictures {
            let first = encoder.inside.is_empty() && begins[0].is_empty();
            let key = keyframes.picture(*time) || first;
            encoder.inside.push_back((*time, key));
            while encoder.inside.len() > *behind {
                let (time, key) = encoder.inside.pop_front().unwrap();
                for (n, every) in sets.iter().enumerate() {
                    let due = begins[n].last().is_none_or(|begun| time >= begun + every - EARLY_NS);
                    // One after the other they join what is on.
                    let there = n == 0 || time >= pictures[n * 97].0;
                    if key && due && there {
                        begins[n].push(time);
                        encoder.ask(&keyframes.begins(OutputId(n.to_string()), time, *every));
                    }
                }
            }
        }
        begins
    }

    proptest! {
        /// However far the encoder is behind when a segment is seen to begin, none is longer than a picture more.
        #[test]
        fn every_segment_of_every_set_ends_in_time(
            sets in prop::collection::vec(1..7i64, 1..4),
            slews in prop::collection::vec(-600_000..600_000i64, 60 * 30),
            mut behind in prop::collection::vec(0..300usize, 60),
        ) {
            let sets: Vec<i64> = sets.iter().map(|s| s * S).collect();
            behind.sort_unstable();
            behind.rotate_left(30);
            let mut time = 1_786_000_000 * S;
            let pictures: Vec<(i64, usize)> = slews.iter().enumerate().map(|(n, slew)| {
                time += FRAME_NS + slew;
                // As much as is inside comes out when the encoder gets on.
                (time, behind[n / 30].min(n))
            }).collect();
            let begins = segments(&mut Keyframes::default(), &sets, &pictures);
            for (every, begins) in sets.iter().zip(begins) {
                prop_assert!(begins.len() > 1);
                for pair in begins.windows(2) {
                    let length = pair[1] - pair[0];
                    prop_assert!(length >= every - EARLY_NS && length <= every + FRAME_NS + 600_000, "{length}");
                }
            }
        }
    }

    #[test]
    fn a_set_that_is_over_asks_for_nothing() {
        let (mut keyframes, set) = (Keyframes::default(), OutputId::from("a"));
        assert!(keyframes.begins(set.clone(), 0, S).is_empty());
        assert!(!keyframes.picture(S / 2));
        assert!(keyframes.picture(S));
        keyframes.over(&set);
        assert!(!keyframes.picture(2 * S) && !keyframes.picture(3 * S));
    }

    #[test]
    fn what_was_held_is_made_up_for_without_a_hole() {
        let mut given = Given::default();
        // Twenty seconds at once, of which nothing comes out meanwhile.
        let taken = |given: &mut Given, mut backlog: u64, from: i64| -> Vec<i64> {
            let times = (0..20 * 30).map(|n| from + n * FRAME_NS);
            times.filter(|time| given.takes(*time, backlog).then(|| backlog += 1).is_some()).collect()
        };
        let took = taken(&mut given, 0, 0);
        assert!(took.windows(2).all(|pair| pair[1] - pair[0] < FEW_NS + FRAME_NS));
        assert!(took[90] == 90 * FRAME_NS && took.len() < 200, "{}", took.len());
        // An encoder that gives nothing any more fills no memory.
        assert!(taken(&mut given, MOST_BACKLOG + 1, 60 * S).is_empty());
    }
}
