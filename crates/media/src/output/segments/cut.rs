//! Where segments begin and end. Pure: units in, cuts out.

use gstreamer::Caps;

use crate::unit::{Lane, Unit};

/// A keyframe this much before its time is taken all the same, ns: times are rounded on their way.
pub const EARLY_NS: i64 = 5_000_000;
/// The sound before a cut is waited for until pictures are this far past it, ns.
const SOUND_PATIENCE_NS: i64 = 2_000_000_000;
/// Sound that is kept while the first picture is waited for, ns.
const BEFORE_NS: i64 = 10_000_000_000;

/// What becomes of the units.
#[derive(Debug, Clone)]
pub enum Cut {
    /// A segment begins.
    Begin {
        /// Time of its first media, unix, ns.
        at_ns: i64,
    },
    /// It holds this.
    Unit(Unit),
    /// It ends.
    End {
        /// Where the next begins, unix, ns.
        at_ns: i64,
    },
}

/// Cuts a stream of units at keyframes. Each unit from the first keyframe on comes out once, in the order of its
/// lane; what is shown or heard before a cut lies before it.
#[derive(Debug)]
pub struct Cutter {
    video: bool,
    audio: bool,
    target_ns: i64,
    begun_ns: Option<i64>,
    /// Where the first segment began: what was heard before belongs to none, however late it comes.
    first_ns: Option<i64>,
    /// Where the next segment begins, once it is known and the sound before it has not come whole.
    next_ns: Option<i64>,
    held: Vec<Unit>,
    /// What the pictures of the open segment are.
    pictures: Option<Caps>,
    ended_ns: i64,
}

impl Cutter {
    /// A cutter of segments that are `target_ns` long.
    pub fn new(video: bool, audio: bool, target_ns: i64) -> Self {
        Self {
            video,
            audio,
            target_ns,
            begun_ns: None,
            first_ns: None,
            next_ns: None,
            held: Vec::new(),
            pictures: None,
            ended_ns: 0,
        }
    }

    /// Takes a unit.
    pub fn push(&mut self, unit: Unit) -> Vec<Cut> {
        let mut cuts = Vec::new();
        self.take(unit, &mut cuts);
        cuts
    }

    /// Nothing more comes.
    pub fn finish(&mut self) -> Vec<Cut> {
        let mut cuts = Vec::new();
        while self.next_ns.is_some() {
            self.turn(&mut cuts);
        }
        if self.begun_ns.take().is_some() {
            cuts.push(Cut::End { at_ns: self.ended_ns });
        }
        self.held.clear();
        cuts
    }

    fn take(&mut self, unit: Unit, cuts: &mut Vec<Cut>) {
        let of_lane = if unit.lane == Lane::Video { self.video } else { self.audio };
        if !of_lane || self.first_ns.is_some_and(|first| unit.time_ns < first) {
            return;
        }
        let Some(begun) = self.begun_ns else { return self.begin(unit, cuts) };
        match self.next_ns {
            None if self.cuts_here(&unit, begun) => {
                self.next_ns = Some(unit.time_ns);
                self.held.push(unit);
            }
            None => self.give(unit, cuts),
            Some(next) if unit.lane == Lane::Audio && unit.time_ns < next => self.give(unit, cuts),
            Some(_) => self.held.push(unit),
        }
        while self.next_ns.is_some_and(|next| self.sound_is_whole(next)) {
            self.turn(cuts);
        }
    }

    /// The first segment begins with a whole picture, or, of sound alone, with the first sound.
    fn begin(&mut self, unit: Unit, cuts: &mut Vec<Cut>) {
        let at_ns = unit.time_ns;
        if self.video && (unit.lane == Lane::Audio || !unit.keyframe) {
            if unit.lane == Lane::Audio {
                self.held.retain(|held| held.time_ns > at_ns - BEFORE_NS);
                self.held.push(unit);
            }
            return;
        }
        self.begun_ns = Some(at_ns);
        self.first_ns = Some(at_ns);
        cuts.push(Cut::Begin { at_ns });
        self.give(unit, cuts);
        for held in std::mem::take(&mut self.held) {
            if held.time_ns >= at_ns {
                self.give(held, cuts);
            }
        }
    }

    fn cuts_here(&self, unit: &Unit, begun: i64) -> bool {
        let due = begun + self.target_ns;
        match unit.lane {
            Lane::Video => {
                // Pictures of another kind, as after an encoder was started anew, never share a segment.
                let others = unit.time_ns > begun && self.pictures.as_ref().is_some_and(|p| *p != unit.caps);
                unit.keyframe && (others || unit.time_ns >= due - EARLY_NS)
            }
            // Of sound alone, the packet that lies nearest.
            Lane::Audio => !self.video && unit.time_ns + unit.duration_ns / 2 >= due,
        }
    }

    fn sound_is_whole(&self, next: i64) -> bool {
        !self.audio
            || !self.video
            || self.held.iter().any(|unit| {
                let patience = if unit.lane == Lane::Video { SOUND_PATIENCE_NS } else { 0 };
                unit.time_ns >= next + patience && (unit.lane == Lane::Audio || unit.time_ns > next)
            })
    }

    /// Ends one segment and begins the next.
    fn turn(&mut self, cuts: &mut Vec<Cut>) {
        let Some(at_ns) = self.next_ns.take() else { return };
        cuts.push(Cut::End { at_ns });
        cuts.push(Cut::Begin { at_ns });
        self.begun_ns = Some(at_ns);
        for unit in std::mem::take(&mut self.held) {
            match self.next_ns {
                None if self.cuts_here(&unit, at_ns) => {
                    self.next_ns = Some(unit.time_ns);
                    self.held.push(unit);
                }
                None => self.give(unit, cuts),
                Some(next) if unit.lane == Lane::Audio && unit.time_ns < next => self.give(unit, cuts),
                Some(_) => self.held.push(unit),
            }
        }
    }

    fn give(&mut self, unit: Unit, cuts: &mut Vec<Cut>) {
        // A stream with pictures ends with the last of them.
        if unit.lane == Lane::Video || !self.video {
            self.ended_ns = self.ended_ns.max(unit.end_ns());
        }
        if unit.lane == Lane::Video {
            self.pictures = Some(unit.caps.clone());
        }
        cuts.push(Cut::Unit(unit));
    }
}

#[cfg(test)]
mod tests {
    use gstreamer as gst;
    use proptest::prelude::*;

    use super::*;

    const FRAME_NS: i64 = 33_333_333;
    const PACKET_NS: i64 = 23_219_954;

    fn unit(lane: Lane, time_ns: i64, keyframe: bool) -> Unit {
        gst::init().unwrap();
        let duration_ns = if lane == Lane::Video { FRAME_NS } else { PACKET_NS };
        let caps = gst::Caps::new_empty_simple("x/y");
        Unit { lane, time_ns, duration_ns, keyframe, data: gst::Buffer::new(), caps }
    }

    /// The segments: begin, end, and the times of what is in them.
    type Segments = Vec<(i64, i64, Vec<(Lane, i64)>)>;

    fn segments(cuts: Vec<Cut>) -> Segments {
        let mut all = Segments::new();
        for cut in cuts {
            match cut {
                Cut::Begin { at_ns } => all.push((at_ns, i64::MIN, Vec::new())),
                Cut::Unit(unit) => all.last_mut().unwrap().2.push((unit.lane, unit.time_ns)),
                Cut::End { at_ns } => all.last_mut().unwrap().1 = at_ns,
            }
        }
        all
    }

    fn cut(units: Vec<Unit>, video: bool, audio: bool, target_ns: i64) -> Segments {
        let mut cutter = Cutter::new(video, audio, target_ns);
        let mut cuts: Vec<Cut> = units.into_iter().flat_map(|unit| cutter.push(unit)).collect();
        cuts.extend(cutter.finish());
        segments(cuts)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn nothing_is_lost_or_comes_twice(
            seconds in 3..14i64,
            target_s in 1..4i64,
            every in 5..40usize,
            forced in any::<bool>(),
            late in 0..60usize,
            start in 0..2_000_000_000i64,
        ) {
                let target = target_s * 1_000_000_000;
            let frames = seconds * 30;
            let mut next_forced = start + target;
            let pictures: Vec<Unit> = (0..frames).map(|n| {
                let time = start + n * FRAME_NS;
                let due = forced && time >= next_forced - EARLY_NS;
                if due { next_forced = time + target; }
                unit(Lane::Video, time, (n as usize).is_multiple_of(every) && !forced || n == 0 || due)
            }).collect();
            let packets: Vec<Unit> =
                (0..seconds * 43).map(|n| unit(Lane::Audio, start - 300_000_000 + n * PACKET_NS, true)).collect();
            // The sound comes late by some packets, and in between.
            let mut units = Vec::new();
            let mut sound = packets.iter();
            for (n, picture) in pictures.iter().enumerate() {
                units.push(picture.clone());
                if n >= late.min(30) { units.extend(sound.by_ref().take(2).cloned()); }
            }
            units.extend(sound.cloned());
            let all = cut(units, true, true, target);
            let of = |lane| all.iter().flat_map(|(_, _, units)| units).filter(|u| u.0 == lane).map(|u| u.1).collect::<Vec<_>>();
            prop_assert_eq!(of(Lane::Video), pictures.iter().map(|u| u.time_ns).collect::<Vec<_>>());
            let heard: Vec<i64> = packets.iter().map(|u| u.time_ns).filter(|t| *t >= start).collect();
            prop_assert_eq!(of(Lane::Audio), heard);
            for (at, (begin, end, units)) in all.iter().enumerate() {
                prop_assert_eq!(units.iter().find(|u| u.0 == Lane::Video).unwrap().1, *begin);
                if at + 1 < all.len() {
                    prop_assert_eq!(*end, all[at + 1].0, "no gap between segments");
                    prop_assert!(end - begin >= target - EARLY_NS);
                    if forced {
                        prop_assert!(end - begin <= target + FRAME_NS, "{} ns", end - begin);
                    }
                }
            }
            prop_assert_eq!(all.last().unwrap().1, start + (frames - 1) * FRAME_NS + FRAME_NS);
        }
    }

    #[test]
    fn sound_is_cut_in_time() {
        let units = (0..30).map(|n| unit(Lane::Audio, n * 1_000_000_000, true)).collect::<Vec<_>>();
        let mut cutter = Cutter::new(true, true, 4_000_000_000);
        let mut cuts = Vec::new();
        // The picture is long past the cut before the sound before the cut comes.
        for (n, sound) in units.into_iter().enumerate() {
            cuts.extend(cutter.push(unit(Lane::Video, n as i64 * 1_000_000_000 + 1_000_000_000, n % 2 == 0)));
            cuts.extend(cutter.push(sound));
        }
        for (begin, end, units) in &segments(cuts)[..3] {
            assert!(units.iter().all(|(_, time)| time >= begin && time < end), "{begin} {end} {units:?}");
        }
    }

    #[test]
    fn sound_alone_and_pictures_alone() {
        let packets = (0..1000).map(|n| unit(Lane::Audio, n * PACKET_NS, true)).collect();
        let all = cut(packets, false, true, 4_000_000_000);
        assert_eq!(all.len(), 6);
        for (begin, end, _) in &all[..5] {
            assert!((end - begin - 4_000_000_000).abs() <= PACKET_NS / 2, "{}", end - begin);
        }
        let pictures = (0..300).map(|n| unit(Lane::Video, n * FRAME_NS, n % 60 == 0)).collect();
        let all = cut(pictures, true, false, 2_000_000_000);
        assert_eq!(all.iter().map(|(_, _, units)| units.len()).collect::<Vec<_>>(), [60; 5]);
    }

    #[test]
    fn pictures_of_another_kind_begin_a_segment() {
        let other = |n: i64| Unit {
            caps: gst::Caps::new_empty_simple("x/z"),
            ..unit(Lane::Video, n * FRAME_NS, n % 30 == 0)
        };
        let pictures =
            (0..90).map(|n| if n < 45 { unit(Lane::Video, n * FRAME_NS, n % 30 == 0) } else { other(n) });
        let all = cut(pictures.collect(), true, false, 10_000_000_000);
        // Not before a whole one of them comes.
        let found = all.iter().map(|(begin, _, units)| (*begin, units.len())).collect::<Vec<_>>();
        assert_eq!(found, [(0, 60), (60 * FRAME_NS, 30)]);
    }

    #[test]
    fn sound_that_never_comes_holds_nothing_up_for_long() {
        let pictures = (0..300).map(|n| unit(Lane::Video, n * FRAME_NS, n % 30 == 0)).collect();
        assert_eq!(cut(pictures, true, true, 1_000_000_000).len(), 10);
    }
}
