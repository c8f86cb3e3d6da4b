//! A joined room.
//!
//! [`join`] connects as a hidden participant and starts one task that owns the connection. It hands out
//! [`RoomEvent`]s; the [`Room`] handle gives it orders.

mod actor;
mod keeping;
mod link;
mod media;
mod outlet;
mod state;
mod streams;
mod subscribing;
mod subscriptions;

use std::sync::Arc;
use std::time::Duration;

use egress::error::ApiError;
use egress::id::TrackId;
use egress::roster::{LayerQuality, Roster};
use secrecy::SecretString;
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::event::RoomEvent;
#[doc(hidden)]
pub use crate::transport::{Datagram, Impairment};
#[doc(hidden)]
pub use livekit_protocol::simulate_scenario::Scenario;

/// How to join a room.
#[derive(Debug, Clone)]
pub struct RoomOptions {
    /// The server: `ws(s)://` or `http(s)://`.
    pub url: String,
    /// A token for the room.
    pub token: SecretString,
    /// Media over TCP only, for networks that block UDP. Otherwise TCP is used when UDP does not work.
    pub tcp_only: bool,
    /// For how long a lost connection is tried again before the session ends.
    pub resume_for: Duration,
    /// How long the server may take to let us in the first time.
    pub join_timeout: Duration,
    /// What packets are stamped by: the clock of everybody else who is concerned with them.
    pub clock: Clock,
    /// Damage to the media connection, in tests.
    #[doc(hidden)]
    pub impairment: Option<Impairment>,
}

impl RoomOptions {
    /// Options with the usual values: UDP and TCP, 60 s of reconnecting, 15 s for the join, a clock that starts now.
    pub fn new(url: impl Into<String>, token: SecretString) -> Self {
        Self {
            url: url.into(),
            token,
            tcp_only: false,
            resume_for: Duration::from_secs(60),
            join_timeout: Duration::from_secs(15),
            clock: Clock::start(),
            impairment: None,
        }
    }
}

/// What a room's connection went through.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RoomStats {
    /// Round trip to the server over the media connection, ms; none while unknown.
    pub rtt_ms: Option<f64>,
    /// Media goes over TCP.
    pub tcp: bool,
    /// Times the session was taken up again.
    pub resumes: u32,
    /// Times the room was joined anew after a loss.
    pub reconnects: u32,
    /// Video packets thrown away because the consumer of the events was too slow.
    pub overrun_packets: u64,
    /// Each subscribed track, since it was first subscribed, over all its streams.
    pub tracks: Vec<TrackStats>,
}

/// What a track went through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackStats {
    /// Which.
    pub track_id: TrackId,
    /// Packets received, repaired ones included.
    pub packets: u64,
    /// Packets of those that filled a gap: sent again, taken from redundancy, or overtaken by others.
    pub repaired: u64,
    /// Packets lost for good.
    pub lost: u64,
    /// Received bits a second over the last second.
    pub bitrate_bps: u64,
    /// Key frames asked for.
    pub keyframe_requests: u64,
}

/// An order to the session.
#[derive(Debug)]
pub(crate) enum Order {
    Subscribe(TrackId, LayerQuality),
    Unsubscribe(TrackId),
    RequestKeyframe(TrackId),
    Flush,
    Simulate(Scenario),
    Leave(oneshot::Sender<()>),
}

/// A handle on a joined room. Clones share the session; when the last one is dropped, the session leaves.
#[derive(Debug, Clone)]
pub struct Room {
    pub(crate) orders: mpsc::UnboundedSender<Order>,
    pub(crate) roster: watch::Receiver<Arc<Roster>>,
    pub(crate) stats: watch::Receiver<RoomStats>,
}

impl Room {
    /// Asks for a track's media. A stream of it starts, or `SubscriptionFailed` says why not. Asking
    /// again changes the layer. A subscription outlives reconnects, as long as the track does.
    pub fn subscribe(&self, track: TrackId, layer: LayerQuality) {
        self.order(Order::Subscribe(track, layer));
    }

    /// Ends a track's media. Its stream ends at once.
    pub fn unsubscribe(&self, track: TrackId) {
        self.order(Order::Unsubscribe(track));
    }

    /// Chooses the simulcast layer of a subscribed track.
    pub fn set_layer(&self, track: TrackId, layer: LayerQuality) {
        self.order(Order::Subscribe(track, layer));
    }

    /// Asks the publisher for a key frame, at most two a second.
    pub fn request_keyframe(&self, track: TrackId) {
        self.order(Order::RequestKeyframe(track));
    }

    /// Delivers at once everything that still waits for a missing packet. For the end of a recording.
    pub fn flush(&self) {
        self.order(Order::Flush);
    }

    /// Asks the server to play trouble, for tests.
    #[doc(hidden)]
    pub fn simulate(&self, scenario: Scenario) {
        self.order(Order::Simulate(scenario));
    }

    /// The people in the room, now.
    pub fn roster(&self) -> Arc<Roster> {
        self.roster.borrow().clone()
    }

    /// What the connection went through; as fresh as a quarter of a second.
    pub fn stats(&self) -> RoomStats {
        self.stats.borrow().clone()
    }

    /// Leaves the room; returns when the server has been told, or after a second.
    pub async fn leave(&self) {
        let (done, left) = oneshot::channel();
        self.order(Order::Leave(done));
        // An error means that the session is over already.
        let _ = tokio::time::timeout(Duration::from_secs(1), left).await;
    }

    fn order(&self, order: Order) {
        // Orders to a session that is over have nothing left to do.
        let _ = self.orders.send(order);
    }
}

/// Joins a room. The events must be taken steadily: when too many wait, video is thrown away first, and
/// counted as lost.
///
/// # Errors
/// The URL is malformed, the server cannot be reached, rejects the token, or does not let us in within
/// `join_timeout`.
pub async fn join(options: RoomOptions) -> Result<(Room, mpsc::Receiver<RoomEvent>), ApiError> {
    actor::start(options).await
}
