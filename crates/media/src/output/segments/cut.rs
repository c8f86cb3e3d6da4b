//! Where segments begin and end. Pure: units in, cuts out.
//!
//! A segment ends at the first keyframe from its time on. That there is one is seen to before the encoder
//! (`job/lanes/keyframes.rs`); where there is none all the same, because an encoder does not follow, breaks, or
//! is left out for seconds, the segment is cut at its longest all the same: what a playlist says of its segments' length
//! holds whatever comes.

use gstreamer::Caps;

use crate::encode::keyframes::EARLY_NS;
use crate::unit::{Lane, Unit};

/// The sound before a cut is waited for until pictures are this far past it, ns.
const SOUND_PATIENCE_NS: i64 = 2_000_000_000;
/// Pictures are waited for until the sound is this far past the longest segment, ns. Sound is ahead by what waits at the
/// encoder of pictures.
const PICTURE_PATIENCE_NS: i64 = 60_000_000_000;
/// Sound that is kept while the first picture is waited for, ns.
const BEFORE_NS: i64 = 10_000_000_000;

/// What becomes of the units.
#[derive(Debug, Clone)]
pub enum Cut {
    /// A segment begins.
    Begin {
        /// Time of its first media, unix, ns.
        at_ns: i64,
        /// Whether a player cannot just go on from the one before: time is missing between them, or one of them has
        /// no picture.
        apart: bool,
    },
    /// It holds this.
    Unit(Unit),
    /// It ends.
    End {
        /// Where its media ends, unix, ns. The next begins there, unless it is `apart`.
        at_ns: i64,
    },
}

/// Cuts a stream of units, whose times never go back within a lane, at keyframes. Each unit from the first keyframe on
/// comes out once, in the order of its lane; what is shown or heard before a cut lies before it.
#[derive(Debug)]
pub struct Cutter {
    video: bool,
    audio: bool,
    target_ns: i64,
    limit_ns: i64,
    begun_ns: Option<i64>,
    /// Where the first segment began: what was heard before belongs to none, however late it comes.
    first_ns: Option<i64>,
    /// The next cut, once it is known and the sound before it has not come whole.
    next: Option<Next>,
    held: Vec<Unit>,
    /// What the pictures are that the open segment begins with; none while it has none.
    pictures: Option<Caps>,
    /// Where the pictures of the open segment end, or, while it has none, its sound.
    ended_ns: i64,
}

#[derive(Debug, Clone, Copy)]
struct Next {
    end_ns: i64,
    at_ns: i64,
    apart: bool,
}

impl Cutter {
    /// A cutter of segments that are `target_ns` long, and never longer than `limit_ns`.
    pub fn new(video: bool, audio: bool, target_ns: i64, limit_ns: i64) -> Self {
        Self {
            video,
            audio,
            target_ns,
            limit_ns,
            begun_ns: None,
            first_ns: None,
            next: None,
            held: Vec::new(),
            pictures: None,
            ended_ns: 0,
        }
    }

    /// Takes a unit.
    pub fn push(&mut self, unit: Unit) -> Vec<Cut> {
        let mut cuts = Vec::new();
        let of_lane = if unit.lane == Lane::Video { self.video } else { self.audio };
        if !of_lane || self.first_ns.is_some_and(|first| unit.time_ns < first) {
            return cuts;
        }
        match self.begun_ns {
            Some(begun) => self.sort(unit, begun, &mut cuts),
            None => self.begin(unit, &mut cuts),
        }
        while self.next.is_some_and(|next| self.sound_is_whole(next.at_ns)) {
            self.turn(&mut cuts);
        }
        cuts
    }

    /// Nothing more comes.
    pub fn finish(&mut self) -> Vec<Cut> {
        let mut cuts = Vec::new();
        while let Some(begun) = self.begun_ns {
            if self.next.is_some() {
                self.turn(&mut cuts);
            } else if self.held.iter().any(|unit| unit.time_ns > begun + self.limit_ns) {
                self.cut_short(begun, &mut cuts);
            } else {
                for unit in std::mem::take(&mut self.held) {
                    self.give(unit, &mut cuts);
                }
                cuts.push(Cut::End { at_ns: self.end_ns(begun) });
                self.begun_ns = None;
            }
        }
        self.held.clear();
        cuts
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
        self.first_ns = Some(at_ns);
        self.begun_ns = Some(at_ns);
        self.ended_ns = at_ns;
        cuts.push(Cut::Begin { at_ns, apart: false });
        let held = std::mem::take(&mut self.held);
        for unit in std::iter::once(unit).chain(held.into_iter().filter(|held| held.time_ns >= at_ns)) {
            self.sort(unit, at_ns, cuts);
        }
    }

    /// Puts a unit into the open segment, or keeps it for one behind.
    fn sort(&mut self, unit: Unit, begun: i64, cuts: &mut Vec<Cut>) {
        let (time, lane) = (unit.time_ns, unit.lane);
        if let Some(next) = self.next {
            return if lane == Lane::Audio && time < next.at_ns {
                self.give(unit, cuts);
            } else {
                self.held.push(unit);
            };
        }
        if self.cuts_here(&unit, begun) {
            let next = Next { end_ns: time, at_ns: time, apart: !self.follows(lane) };
            self.held.push(unit);
            return self.cut_at(next, cuts);
        }
        let beside = lane == Lane::Audio && self.video;
        let patience = if beside { PICTURE_PATIENCE_NS } else { 0 };
        let overdue = time > begun + self.limit_ns + patience;
        // Sound that may lie behind the cut waits for the picture that tells.
        if overdue || beside && time >= begun + self.target_ns - EARLY_NS {
            self.held.push(unit);
        } else {
            self.give(unit, cuts);
        }
        if overdue {
            self.cut_short(begun, cuts);
        }
    }

    /// Whether the next segment begins with this unit.
    fn cuts_here(&self, unit: &Unit, begun: i64) -> bool {
        let (due, limit) = (begun + self.target_ns, begun + self.limit_ns);
        match unit.lane {
            _ if unit.time_ns > limit || unit.time_ns <= begun => false,
            Lane::Video => {
                // Pictures of another kind, as after an encoder was started anew, never share a segment; nor do
                // those that come back with sound that had to do without.
                let others = self.pictures.as_ref().is_none_or(|pictures| *pictures != unit.caps);
                // Behind the next picture it would be too long.
                let last_chance = unit.end_ns() + unit.duration_ns > limit;
                let in_time = unit.time_ns >= due - EARLY_NS;
                unit.keyframe && (others || in_time) || in_time && last_chance
            }
            // Of sound alone, the packet that lies nearest.
            Lane::Audio => !self.video && unit.time_ns + unit.duration_ns / 2 >= due,
        }
    }

    /// Whether a segment that begins with a unit of this lane goes on with what the open one holds.
    fn follows(&self, lane: Lane) -> bool {
        lane == Lane::Audio || self.pictures.is_some()
    }

    /// Nothing came that the open segment could end with in time: it ends all the same.
    fn cut_short(&mut self, begun: i64, cuts: &mut Vec<Cut>) {
        let (due, limit) = (begun + self.target_ns, begun + self.limit_ns);
        let next_ns = self.held.iter().map(|unit| unit.time_ns).min().unwrap_or(limit);
        let next = if next_ns > limit {
            Next { end_ns: self.end_ns(begun), at_ns: next_ns, apart: true }
        } else {
            // Sound goes on without pictures.
            let at_ns = self.end_ns(begun).max(due);
            Next { end_ns: at_ns, at_ns, apart: self.pictures.is_some() }
        };
        self.cut_at(next, cuts);
    }

    fn cut_at(&mut self, next: Next, cuts: &mut Vec<Cut>) {
        self.next = Some(next);
        let before = |unit: &Unit| unit.lane == Lane::Audio && unit.time_ns < next.at_ns;
        let (before, held) = std::mem::take(&mut self.held).into_iter().partition(before);
        self.held = held;
        before.into_iter().for_each(|unit| self.give(unit, cuts));
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
        let Some(Next { end_ns, at_ns, apart }) = self.next.take() else { return };
        cuts.push(Cut::End { at_ns: end_ns });
        cuts.push(Cut::Begin { at_ns, apart });
        self.begun_ns = Some(at_ns);
        self.ended_ns = at_ns;
        self.pictures = None;
        for unit in std::mem::take(&mut self.held) {
            self.sort(unit, at_ns, cuts);
        }
    }

    fn give(&mut self, unit: Unit, cuts: &mut Vec<Cut>) {
        // A segment with pictures ends with the last of them.
        match (unit.lane, &self.pictures) {
            (Lane::Video, None) => {
                self.pictures = Some(unit.caps.clone());
                self.ended_ns = unit.end_ns();
            }
            (Lane::Audio, Some(_)) => {}
            _ => self.ended_ns = self.ended_ns.max(unit.end_ns()),
        }
        cuts.push(Cut::Unit(unit));
    }

    /// Where the media of the open segment ends.
    fn end_ns(&self, begun: i64) -> i64 {
        self.ended_ns.clamp(begun, begun + self.limit_ns)
    }
}

#[cfg(test)]
mod tests {
    use gstreamer as gst;
    use proptest::prelude::*;

    use super::*;

    const FRAME_NS: i64 = 33_333_333;
    const PACKET_NS: i64 = 23_219_954;
    /// How much longer than asked for a segment may be.
    const ROOM_NS: i64 = 499_000_000;

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
                Cut::Begin { at_ns, .. } => all.push((at_ns, i64::MIN, Vec::new())),
                Cut::Unit(unit) => all.last_mut().unwrap().2.push((unit.lane, unit.time_ns)),
                Cut::End { at_ns } => all.last_mut().unwrap().1 = at_ns,
            }
        }
        all
    }

    fn cut(units: Vec<Unit>, video: bool, audio: bool, target_ns: i64) -> Segments {
        let mut cutter = Cutter::new(video, audio, target_ns, target_ns + ROOM_NS);
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
                    prop_assert!(end - begin >= target - EARLY_NS && end - begin <= target + ROOM_NS);
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
        let mut cutter = Cutter::new(true, true, 4_000_000_000, 4_000_000_000 + ROOM_NS);
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

    /// Pictures with sound for so many seconds; keyframes where `key` says so, none of those pictures that `gone` does.
    fn both(seconds: i64, key: impl Fn(i64) -> bool, gone: impl Fn(i64) -> bool) -> Vec<Unit> {
        let pictures =
            (0..seconds * 30).filter(|n| !gone(*n)).map(|n| unit(Lane::Video, n * FRAME_NS, key(n)));
        let packets = (0..seconds * 43).map(|n| unit(Lane::Audio, n * PACKET_NS, true));
        let mut all: Vec<Unit> = pictures.chain(packets).collect();
        all.sort_by_key(|unit| unit.time_ns);
        all
    }

    #[test]
    fn sound_ahead_of_its_picture_goes_to_its_segment() {
        let mut units = both(12, |n| n % 30 == 0, |_| false);
        // The encoder of pictures takes its time.
        units.sort_by_key(|unit| unit.time_ns + if unit.lane == Lane::Video { 700_000_000 } else { 0 });
        let all = cut(units, true, true, 4_000_000_000);
        assert_eq!(all.len(), 3);
        for (begin, end, units) in &all[..2] {
            assert!(units.iter().all(|(_, time)| time >= begin && time < end), "{begin} {end} {units:?}");
        }
    }

    #[test]
    fn without_a_keyframe_it_ends_at_its_longest() {
        let all = cut(both(20, |n| n == 0 || n == 310, |_| false), true, true, 4_000_000_000);
        let found: Vec<i64> = all.iter().map(|(begin, _, _)| (*begin + FRAME_NS / 2) / FRAME_NS).collect();
        // The last picture behind which there is room for no other; then again the keyframe.
        assert_eq!(found, [0, 133, 266, 399, 532]);
        assert!(all.iter().all(|(begin, end, _)| end - begin <= 4_000_000_000 + ROOM_NS));
    }

    #[test]
    fn pictures_that_stay_away_leave_segments_of_sound() {
        let gone = |n: i64| n > 60 && n < 100 * 30;
        let all = cut(both(110, |n| n % 30 == 0, gone), true, true, 4_000_000_000);
        let pictures = |units: &[(Lane, i64)]| units.iter().filter(|unit| unit.0 == Lane::Video).count();
        let seconds: Vec<i64> = all.iter().map(|(begin, ..)| begin / 1_000_000_000).collect();
        assert_eq!(seconds, (0..25).map(|n| n * 4).chain([99, 103, 107]).collect::<Vec<_>>());
        assert_eq!(pictures(&all[0].2), 61);
        assert_eq!(all[1..25].iter().map(|segment| pictures(&segment.2)).sum::<usize>(), 0);
        assert_eq!(pictures(&all[25].2), 120);
        let heard: usize = all.iter().map(|segment| segment.2.len() - pictures(&segment.2)).sum();
        assert_eq!(heard, 110 * 43);
    }

    #[test]
    fn a_hole_in_time_lies_between_segments() {
        for video in [true, false] {
            let mut units = both(20, |n| n % 30 == 0, |_| false);
            for unit in &mut units {
                unit.time_ns += if unit.time_ns >= 5_500_000_000 { 3_600_000_000_000 } else { 0 };
            }
            let all = cut(units, video, true, 4_000_000_000);
            let holes = all.windows(2).map(|pair| (pair[1].0 - pair[0].1 + 500_000_000) / 1_000_000_000);
            assert_eq!(holes.filter(|hole| *hole != 0).collect::<Vec<_>>(), [3600]);
            assert!(all.iter().all(|(begin, end, _)| end - begin <= 4_000_000_000 + ROOM_NS));
        }
    }
}
