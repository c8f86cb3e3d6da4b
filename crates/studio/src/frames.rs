//! Thumbnails on their way to the window: one slot for each track, and the newest wins.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use egress::id::TrackId;
use egress::wire::Thumbnail;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::surface::Frame;

/// Tracks that are waited for at the same time; a window that asks for more gets none for those.
const MAX_SLOTS: usize = 1024;

#[derive(Default)]
pub(crate) struct Frames {
    slots: Mutex<HashMap<TrackId, watch::Sender<Option<Frame>>>>,
    /// Counts up over all tracks and rooms, so that a number that a window remembers is never ahead.
    seq: AtomicU64,
}

impl Frames {
    pub(crate) fn put(&self, thumbnail: Thumbnail) {
        let seq = self.seq.fetch_add(1, Ordering::Relaxed) + 1;
        let track_id = thumbnail.track_id;
        let frame = Frame { track_id: track_id.clone(), seq, jpeg: thumbnail.jpeg.into() };
        let mut slots = self.slots.lock();
        if slots.len() < MAX_SLOTS || slots.contains_key(&track_id) {
            slots.entry(track_id).or_insert_with(|| watch::Sender::new(None)).send_replace(Some(frame));
        }
    }

    /// The newest picture of a track that is newer than `after`; waits for one as long as it may.
    pub(crate) async fn wait(&self, track_id: TrackId, after: u64, within: Duration) -> Option<Frame> {
        let mut slot = {
            let mut slots = self.slots.lock();
            if slots.len() >= MAX_SLOTS && !slots.contains_key(&track_id) {
                return None;
            }
            slots.entry(track_id).or_insert_with(|| watch::Sender::new(None)).subscribe()
        };
        let newer = |frame: &Option<Frame>| frame.as_ref().is_some_and(|frame| frame.seq > after);
        // Either no picture came in time, or the track is gone.
        tokio::time::timeout(within, slot.wait_for(newer)).await.ok()?.ok()?.clone()
    }

    /// Lets go of the tracks that are not kept, and of who waits for them.
    pub(crate) fn retain(&self, keep: impl Fn(&TrackId) -> bool) {
        self.slots.lock().retain(|track_id, _| keep(track_id));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    fn thumbnail(track: &str, jpeg: &[u8]) -> Thumbnail {
        Thumbnail { track_id: track.into(), jpeg: jpeg.to_vec() }
    }

    #[tokio::test]
    async fn the_newest_wins_and_a_waiter_is_woken() {
        let frames = Arc::new(Frames::default());
        frames.put(thumbnail("TR_a", b"1"));
        frames.put(thumbnail("TR_a", b"2"));
        let newest = frames.wait("TR_a".into(), 0, LONG).await.unwrap();
        assert_eq!(&*newest.jpeg, b"2");
        let waiter = tokio::spawn({
            let frames = frames.clone();
            async move { frames.wait("TR_a".into(), newest.seq, LONG).await }
        });
        frames.put(thumbnail("TR_b", b"other"));
        frames.put(thumbnail("TR_a", b"3"));
        assert_eq!(&*waiter.await.unwrap().unwrap().jpeg, b"3");
    }

    #[tokio::test]
    async fn who_waits_for_a_track_that_goes_is_let_go() {
        let frames = Arc::new(Frames::default());
        frames.put(thumbnail("TR_a", b"1"));
        let waiter = frames.wait("TR_a".into(), 99, LONG);
        let gone = async {
            tokio::task::yield_now().await;
            frames.retain(|_| false);
        };
        assert!(tokio::join!(waiter, gone).0.is_none());
    }

    #[tokio::test]
    async fn nothing_new_in_time_is_none() {
        let frames = Frames::default();
        assert!(frames.wait("TR_a".into(), 0, Duration::from_millis(1)).await.is_none());
    }
}
