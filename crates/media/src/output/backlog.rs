//! What waits for an output's thread, with a bound: a disk that does not answer costs the output on it, and neither the
//! computer's memory nor any other output.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

use crate::unit::Unit;

/// Most bytes that wait: a minute of what a camera publishes, ten seconds of the most that is encoded.
const MOST_BYTES: u64 = 48 << 20;

/// The units between the job's loop and an output's thread.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    bytes: AtomicU64,
    /// Times of the newest unit that came and of the one that was done with last, unix, ns; 0 before.
    newest_ns: AtomicI64,
    done_ns: AtomicI64,
    full: AtomicBool,
}

impl Backlog {
    /// Takes a unit in. False: there are too many already, and it is not to wait as well; nor is any after it.
    pub(crate) fn put(&self, unit: &Unit) -> bool {
        if self.full.load(Relaxed) {
            return false;
        }
        let bytes = unit.data.size() as u64;
        if self.bytes.fetch_add(bytes, Relaxed) + bytes > MOST_BYTES {
            self.full.store(true, Relaxed);
            return false;
        }
        self.newest_ns.fetch_max(unit.time_ns, Relaxed);
        let _ = self.done_ns.compare_exchange(0, unit.time_ns, Relaxed, Relaxed);
        true
    }

    /// The thread is done with a unit of so many bytes, which was at this time, unix, ns.
    pub(crate) fn done(&self, bytes: usize, time_ns: i64) {
        self.bytes.fetch_sub(bytes as u64, Relaxed);
        self.done_ns.fetch_max(time_ns, Relaxed);
    }

    /// How far the thread is behind, ns.
    pub(crate) fn behind_ns(&self) -> i64 {
        match self.bytes.load(Relaxed) {
            0 => 0,
            _ => (self.newest_ns.load(Relaxed) - self.done_ns.load(Relaxed)).max(0),
        }
    }

    /// Whether more came than may wait.
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use gstreamer as gst;

    use super::*;
    use crate::unit::Lane;

    const S: i64 = 1_000_000_000;

    fn unit(n: i64, bytes: usize) -> Unit {
        gst::init().unwrap();
        let data = gst::Buffer::from_mut_slice(vec![0u8; bytes]);
        let caps = gst::Caps::new_empty_simple("video/x-vp8");
        Unit {
            lane: Lane::Video,
            time_ns: 1_700_000_000 * S + n * S,
            duration_ns: 0,
            keyframe: true,
            data,
            caps,
        }
    }

    #[test]
    fn it_says_how_far_behind_it_is() {
        let backlog = Backlog::default();
        assert_eq!(backlog.behind_ns(), 0);
        for n in 0..5 {
            assert!(backlog.put(&unit(n, 100)));
        }
        assert_eq!(backlog.behind_ns(), 4 * S);
        for n in 0..4 {
            backlog.done(100, unit(n, 1).time_ns);
        }
        assert_eq!(backlog.behind_ns(), S);
        backlog.done(100, unit(4, 1).time_ns);
        assert_eq!(backlog.behind_ns(), 0);
    }

    #[test]
    fn it_is_full_once_and_for_all() {
        let (backlog, mebibyte) = (Backlog::default(), 1 << 20);
        let taken = (0..100).take_while(|n| backlog.put(&unit(*n, mebibyte))).count();
        assert_eq!(taken as u64, MOST_BYTES >> 20);
        assert!(backlog.is_full());
        backlog.done(mebibyte, unit(0, 1).time_ns);
        assert!(!backlog.put(&unit(100, 1)), "what is missing would be a hole");
    }
}
