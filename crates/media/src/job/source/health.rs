//! Which tracks a job takes, which it has given up, and which it tries again in a moment.

use std::collections::{HashMap, HashSet};

use egress::id::TrackId;

/// How often a track whose media broke is taken anew before it is given up.
const RESTARTS: u32 = 3;
/// How long it is left alone before, ns.
const PAUSE_NS: i64 = 1_000_000_000;

/// The tracks that are not as they should be.
#[derive(Debug, Default)]
pub struct TrackHealth {
    refused: HashSet<TrackId>,
    broken: HashMap<TrackId, Broken>,
}

#[derive(Debug)]
struct Broken {
    times: u32,
    /// When it is tried again; none once it was.
    again_ns: Option<i64>,
}

impl TrackHealth {
    /// Gives a track up. False: it was given up before.
    pub fn refuse(&mut self, track: &TrackId) -> bool {
        self.refused.insert(track.clone())
    }

    /// A track's media broke. True: it will be tried again; false: it has broken too often.
    pub fn breaks(&mut self, track: &TrackId, now_ns: i64) -> bool {
        let broken = self.broken.entry(track.clone()).or_insert(Broken { times: 0, again_ns: None });
        broken.times += 1;
        broken.again_ns = Some(now_ns + PAUSE_NS);
        broken.times <= RESTARTS
    }

    /// Whether a track may be taken now.
    pub fn takes(&self, track: &TrackId, now_ns: i64) -> bool {
        let paused = self.broken.get(track).and_then(|b| b.again_ns).is_some_and(|again| again > now_ns);
        !paused && !self.refused.contains(track)
    }

    /// Forgets tracks that are not in the room any more.
    pub fn retain(&mut self, there: impl Fn(&TrackId) -> bool) {
        self.refused.retain(&there);
        self.broken.retain(|track, _| there(track));
    }

    /// Whether a pause has ended since the last time this was asked.
    pub fn pause_over(&mut self, now_ns: i64) -> bool {
        let due = self.broken.values_mut().filter(|b| b.again_ns.is_some_and(|again| again <= now_ns));
        due.map(|broken| broken.again_ns = None).count() > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_track_that_breaks_is_tried_again_and_at_last_given_up() {
        let (mut health, track) = (TrackHealth::default(), TrackId::from("TR_1"));
        let mut now = 0;
        for _ in 0..RESTARTS {
            assert!(health.breaks(&track, now));
            assert!(!health.takes(&track, now) && !health.pause_over(now));
            now += PAUSE_NS;
            assert!(health.takes(&track, now) && health.pause_over(now));
            assert!(!health.pause_over(now), "it is said once");
        }
        assert!(!health.breaks(&track, now));
        assert!(health.refuse(&track) && !health.refuse(&track));
        health.retain(|there| *there == track);
        assert!(!health.takes(&track, now + 10 * PAUSE_NS));
        health.retain(|_| false);
        assert!(health.refused.is_empty() && health.broken.is_empty());
    }
}
