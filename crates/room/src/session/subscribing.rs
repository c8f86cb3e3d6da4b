//! Which tracks the server is asked for.

use std::time::Instant;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::id::TrackId;
use egress::roster::LayerQuality;
use livekit_protocol as proto;
use proto::signal_request::Message as Request;
use tracing::info;

use super::state::Session;
use crate::event::RoomEvent;
use crate::transport::MediaTransport;

impl<T: MediaTransport> Session<T> {
    pub(super) fn subscribe(&mut self, track: TrackId, layer: LayerQuality) {
        if !self.people.has_track(&track) {
            self.subscriptions.drop(&track);
            self.outlet.send(RoomEvent::SubscriptionFailed { track_id: track, error: track_gone() });
            return;
        }
        let subscription = self.subscriptions.want(track.clone(), layer);
        if subscription.requested {
            self.signal.send(settings(&track, layer));
        } else {
            self.reconcile();
        }
    }

    pub(super) fn unsubscribe(&mut self, track: &TrackId, now: Instant) {
        self.end_streams_of(track, now);
        if self.subscriptions.drop(track).is_some_and(|subscription| subscription.requested) {
            self.signal.send(Request::Subscription(proto::UpdateSubscription {
                track_sids: vec![track.0.clone()],
                subscribe: false,
                ..Default::default()
            }));
        }
    }

    /// Asks the server for the wanted tracks that are there and that it has not been asked for.
    pub(super) fn reconcile(&mut self) {
        for (track, subscription) in self.subscriptions.iter_mut() {
            let published = self.people.has_track(track);
            if published && !subscription.requested {
                self.signal.send(Request::Subscription(proto::UpdateSubscription {
                    track_sids: vec![track.0.clone()],
                    subscribe: true,
                    ..Default::default()
                }));
                self.signal.send(settings(track, subscription.layer));
            }
            subscription.requested = published;
        }
    }

    pub(super) fn subscription_failed(&mut self, track: &TrackId, error: ApiError, now: Instant) {
        if !self.subscriptions.wants(track) {
            return;
        }
        info!(%track, reason = %error.message, detail = %error.detail, "track refused");
        self.end_streams_of(track, now);
        self.subscriptions.drop(track);
        self.outlet.send(RoomEvent::SubscriptionFailed { track_id: track.clone(), error });
    }
}

fn settings(track: &TrackId, layer: LayerQuality) -> Request {
    let quality = match layer {
        LayerQuality::Low => proto::VideoQuality::Low,
        LayerQuality::Medium => proto::VideoQuality::Medium,
        LayerQuality::High => proto::VideoQuality::High,
    };
    Request::TrackSetting(proto::UpdateTrackSettings {
        track_sids: vec![track.0.clone()],
        quality: quality as i32,
        ..Default::default()
    })
}

pub(super) fn track_gone() -> ApiError {
    ApiError::new(
        ErrorCode::NotFound,
        Fault::Input,
        "The track is not published (any more).",
        "Choose one that is.",
    )
}
