//! What a joined room is made of, and what it tells.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::ConnectionState;
use egress::roster::Roster;
use livekit_protocol as proto;
use livekit_signaling::SignalError;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::debug;

use super::link::Link;
use super::media::Media;
use super::outlet::Outlet;
use super::subscriptions::Subscriptions;
use super::{Order, RoomOptions, RoomStats};
use crate::event::{RoomEnd, RoomEvent};
use crate::roster::People;
use crate::signal::Signal;
use crate::transport::{MediaTransport, TransportOptions};

/// Least time between two rosters.
const ROSTER_INTERVAL: Duration = Duration::from_millis(200);
pub(super) const STATS_INTERVAL: Duration = Duration::from_millis(250);

/// An attempt to reach the server. Dropping it gives it up.
pub(super) type Work = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// What came of an attempt to reach the server.
pub(super) enum Outcome {
    Resumed(Result<(), SignalError>),
    Joined(Box<Result<(Signal, proto::JoinResponse), SignalError>>),
}

/// A joined room.
pub(super) struct Session<T> {
    pub(super) options: RoomOptions,
    pub(super) transport_options: TransportOptions,
    pub(super) orders: mpsc::UnboundedReceiver<Order>,
    pub(super) outlet: Outlet,
    pub(super) signal: Signal,
    pub(super) transport: T,
    pub(super) link: Link,
    pub(super) people: People,
    pub(super) media: Media,
    pub(super) subscriptions: Subscriptions,
    pub(super) stats: RoomStats,
    /// What is being tried to get the connection back.
    pub(super) work: Option<Work>,
    /// When the next roster may go out, if one is to.
    pub(super) roster_due: Option<Instant>,
    pub(super) roster_sent: Option<Instant>,
    pub(super) stats_due: Instant,
    pub(super) roster_out: watch::Sender<Arc<Roster>>,
    pub(super) stats_out: watch::Sender<RoomStats>,
}

/// How the loop ends.
pub(super) struct End {
    pub(super) reason: RoomEnd,
    /// Who waits for us to have left.
    pub(super) done: Option<oneshot::Sender<()>>,
}

impl From<RoomEnd> for End {
    fn from(reason: RoomEnd) -> Self {
        Self { reason, done: None }
    }
}

/// Opens a media connection.
pub(super) fn open<T: MediaTransport>(options: &TransportOptions) -> Result<T, ApiError> {
    T::open(options).map_err(|error| {
        ApiError::new(
            ErrorCode::RoomLost,
            Fault::Environment,
            "This computer has no network connection that can be used.",
            "Connect the computer to a network, then try again.",
        )
        .with_detail(error)
    })
}

impl<T: MediaTransport> Session<T> {
    pub(super) fn connection(&mut self, state: ConnectionState) {
        debug!(?state, "room connection");
        self.outlet.send(RoomEvent::Connection(state));
    }

    pub(super) fn roster_changed(&mut self, now: Instant) {
        let earliest = self.roster_sent.map_or(now, |sent| sent + ROSTER_INTERVAL);
        if earliest <= now {
            self.send_roster(now);
        } else {
            self.roster_due.get_or_insert(earliest);
        }
    }

    pub(super) fn send_roster(&mut self, now: Instant) {
        self.roster_due = None;
        self.roster_sent = Some(now);
        let roster = self.people.roster();
        if **self.roster_out.borrow() != *roster || self.roster_out.borrow().room_sid.is_empty() {
            self.roster_out.send_replace(roster.clone());
            self.outlet.send(RoomEvent::Roster(roster));
        }
    }

    pub(super) fn send_stats(&mut self, now: Instant) {
        self.stats_due = now + STATS_INTERVAL;
        let path = self.transport.path();
        self.stats.rtt_ms = path.rtt_ms;
        self.stats.tcp = path.tcp;
        self.stats.overrun_packets = self.outlet.dropped();
        self.stats.tracks = self.subscriptions.stats(self.media.counts());
        self.stats_out.send_replace(self.stats.clone());
    }
}
