//! Which tracks are wanted, and what they went through.

use std::collections::{BTreeMap, VecDeque};

use egress::id::TrackId;
use egress::roster::LayerQuality;

use super::TrackStats;
use crate::stream::receiver::Counts;

/// Ticks of which the bit rate is the mean.
const RATE_TICKS: usize = 4;

/// A wanted track.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) layer: LayerQuality,
    /// The server has been asked, in this session.
    pub(super) requested: bool,
    /// Streams of it that are over.
    ended: Counts,
    /// Bytes at the last ticks, oldest first.
    bytes: VecDeque<u64>,
}

/// All wanted tracks.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(BTreeMap<TrackId, Subscription>);

impl Subscriptions {
    /// Wants a track, or another layer of it.
    pub(super) fn want(&mut self, track: TrackId, layer: LayerQuality) -> &mut Subscription {
        let subscription = self.0.entry(track).or_insert_with(|| Subscription {
            layer,
            requested: false,
            ended: Counts::default(),
            bytes: VecDeque::new(),
        });
        subscription.layer = layer;
        subscription
    }

    pub(super) fn drop(&mut self, track: &TrackId) -> Option<Subscription> {
        self.0.remove(track)
    }

    pub(super) fn wants(&self, track: &TrackId) -> bool {
        self.0.contains_key(track)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&TrackId, &mut Subscription)> {
        self.0.iter_mut()
    }

    /// The tracks the server has been asked for.
    pub(super) fn requested(&self) -> Vec<String> {
        self.0.iter().filter(|(_, it)| it.requested).map(|(track, _)| track.0.clone()).collect()
    }

    /// Keeps what a finished stream went through.
    pub(super) fn stream_ended(&mut self, track: &TrackId, counts: Counts) {
        if let Some(subscription) = self.0.get_mut(track) {
            subscription.ended = add(subscription.ended, counts);
        }
    }

    /// Figures of each track. To be called every quarter of a second.
    pub(super) fn stats<'a>(&mut self, live: impl Iterator<Item = (&'a TrackId, Counts)>) -> Vec<TrackStats> {
        let mut totals: BTreeMap<&TrackId, Counts> = BTreeMap::new();
        for (track, counts) in live {
            let total = totals.entry(track).or_default();
            *total = add(*total, counts);
        }
        self.0
            .iter_mut()
            .map(|(track, subscription)| {
                let total = add(subscription.ended, totals.get(track).copied().unwrap_or_default());
                subscription.bytes.push_back(total.bytes);
                if subscription.bytes.len() > RATE_TICKS + 1 {
                    subscription.bytes.pop_front();
                }
                let ticks = subscription.bytes.len() as u64 - 1;
                let gained = total.bytes - subscription.bytes.front().copied().unwrap_or(total.bytes);
                TrackStats {
                    track_id: track.clone(),
                    packets: total.packets,
                    repaired: total.repaired,
                    lost: total.lost,
                    bitrate_bps: (gained * 8 * RATE_TICKS as u64).checked_div(ticks).unwrap_or(0),
                    keyframe_requests: total.keyframe_requests,
                }
            })
            .collect()
    }
}

fn add(a: Counts, b: Counts) -> Counts {
    Counts {
        packets: a.packets + b.packets,
        bytes: a.bytes + b.bytes,
        repaired: a.repaired + b.repaired,
        lost: a.lost + b.lost,
        keyframe_requests: a.keyframe_requests + b.keyframe_requests,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_go_on_across_streams() {
        let track = TrackId::from("TR_1");
        let counts = |packets, bytes| Counts { packets, bytes, ..Counts::default() };
        let mut subscriptions = Subscriptions::default();
        subscriptions.want(track.clone(), LayerQuality::High);
        subscriptions.stats([(&track, counts(1, 1000))].into_iter());
        let now = subscriptions.stats([(&track, counts(2, 2000))].into_iter());
        assert_eq!((now[0].packets, now[0].bitrate_bps), (2, 32_000));
        subscriptions.stream_ended(&track, counts(2, 2000));
        let now = subscriptions.stats([(&track, counts(1, 1000))].into_iter());
        assert_eq!((now[0].packets, now[0].bitrate_bps), (3, 32_000));
        for _ in 0..RATE_TICKS {
            subscriptions.stats([(&track, counts(1, 1000))].into_iter());
        }
        assert_eq!(subscriptions.stats([(&track, counts(1, 1000))].into_iter())[0].bitrate_bps, 0);
    }
}
