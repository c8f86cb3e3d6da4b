//! What an armed job keeps so that Record begins with a whole picture at once.

use std::collections::VecDeque;

use crate::unit::{Lane, Unit};

/// Longest run of pictures kept, ns. Publishers' keyframes can be minutes apart: past this the run
/// cannot be begun from and is given up.
const MAX_NS: i64 = 12_000_000_000;
/// Most bytes kept.
const MAX_BYTES: usize = 32 << 20;
/// A keyframe this old is still "now" to a producer, ns.
const FRESH_NS: i64 = 1_000_000_000;
/// How long a keyframe that was asked for is waited for before an output begins with the last one, ns.
const PATIENCE_NS: i64 = 800_000_000;
/// Sound kept while there are no pictures, ns.
const SOUND_NS: i64 = 1_000_000_000;

/// Units since the last keyframe, with the sound beside them.
#[derive(Debug, Default)]
pub struct Cache {
    units: VecDeque<Unit>,
    bytes: usize,
    /// When the first unit is a keyframe from which everything since is here.
    keyframe_ns: Option<i64>,
    /// Since when an output waits to begin.
    opening_since_ns: Option<i64>,
}

impl Cache {
    /// Adds a unit.
    pub fn push(&mut self, unit: &Unit) {
        if unit.lane == Lane::Video && unit.keyframe {
            let start = unit.time_ns;
            self.units.retain(|u| u.lane == Lane::Audio && u.end_ns() > start);
            self.bytes = self.units.iter().map(|u| u.data.size()).sum();
            self.keyframe_ns = Some(start);
        }
        self.bytes += unit.data.size();
        self.units.push_back(unit.clone());
        let too_old = self.keyframe_ns.is_some_and(|k| unit.time_ns - k > MAX_NS);
        if too_old || self.bytes > MAX_BYTES {
            self.keyframe_ns = None;
            self.units.retain(|u| u.lane == Lane::Audio);
        }
        if self.keyframe_ns.is_none() {
            while self.units.front().is_some_and(|u| u.time_ns < unit.time_ns - SOUND_NS) {
                self.units.pop_front();
            }
            self.bytes = self.units.iter().map(|u| u.data.size()).sum();
        }
    }

    /// Whether an output could begin from here.
    pub fn is_whole(&self) -> bool {
        self.keyframe_ns.is_some()
    }

    /// What an output begins with: everything since a keyframe that is fresh, or, when the one asked for does not come,
    /// since the last one.
    pub fn opening(&mut self, now_ns: i64) -> Option<Vec<Unit>> {
        let since = *self.opening_since_ns.get_or_insert(now_ns);
        let units = self.run(now_ns, now_ns - since > PATIENCE_NS)?;
        self.opening_since_ns = None;
        Some(units)
    }

    /// Everything since the keyframe, if there is one and (unless `however_old`) it is fresh.
    fn run(&self, now_ns: i64, however_old: bool) -> Option<Vec<Unit>> {
        let keyframe = self.keyframe_ns?;
        (however_old || now_ns - keyframe <= FRESH_NS).then(|| self.units.iter().cloned().collect())
    }

    /// The camera is off: what it showed is not begun with.
    pub fn forget_pictures(&mut self) {
        if self.keyframe_ns.take().is_some() {
            self.units.retain(|u| u.lane == Lane::Audio);
            self.bytes = self.units.iter().map(|u| u.data.size()).sum();
        }
    }
}

#[cfg(test)]
mod tests {
    use gstreamer as gst;

    use super::*;

    const MS: i64 = 1_000_000;

    fn unit(lane: Lane, ms: i64, keyframe: bool) -> Unit {
        gst::init().unwrap();
        Unit {
            lane,
            time_ns: ms * MS,
            duration_ns: if lane == Lane::Audio { 20 * MS } else { 0 },
            keyframe,
            data: gst::Buffer::from_slice([0u8; 100]),
            caps: gst::Caps::new_any(),
        }
    }

    #[test]
    fn a_fresh_keyframe_is_begun_from_with_the_sound_beside_it() {
        let mut cache = Cache::default();
        for n in 0..100 {
            cache.push(&unit(Lane::Audio, n * 20, true));
            cache.push(&unit(Lane::Video, n * 20, n % 50 == 0));
        }
        let run = cache.run(1980 * MS, false).unwrap();
        assert_eq!(run.iter().find(|u| u.lane == Lane::Video).unwrap().time_ns, 1000 * MS);
        assert!(run.iter().all(|u| u.end_ns() > 1000 * MS || u.lane == Lane::Video));
        assert!(cache.run(2500 * MS, false).is_none());
        assert!(cache.run(2500 * MS, true).is_some());
    }

    #[test]
    fn what_a_camera_showed_before_it_went_off_is_not_begun_with() {
        let mut cache = Cache::default();
        cache.push(&unit(Lane::Video, 0, true));
        cache.push(&unit(Lane::Audio, 10, true));
        cache.forget_pictures();
        assert!(cache.run(20 * MS, true).is_none());
        cache.push(&unit(Lane::Video, 30, true));
        assert_eq!(cache.run(40 * MS, false).unwrap().len(), 1, "the sound before it is over");
    }

    #[test]
    fn a_run_without_end_is_given_up_and_memory_stays_small() {
        let mut cache = Cache::default();
        cache.push(&unit(Lane::Video, 0, true));
        for n in 1..60_000 {
            cache.push(&unit(Lane::Audio, n * 20, true));
            cache.push(&unit(Lane::Video, n * 20, false));
        }
        assert!(cache.run(1_200_000 * MS, true).is_none());
        assert!(cache.units.len() < 200);
    }
}
