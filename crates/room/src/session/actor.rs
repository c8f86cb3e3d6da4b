//! The task that owns a room's connection: one loop, which waits for whatever comes next and never for
//! anything in particular.

use std::sync::Arc;
use std::time::{Duration, Instant};

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::ConnectionState;
use egress::id::TrackId;
use egress::roster::{LayerQuality, Roster};
use livekit_protocol as proto;
use livekit_signaling::SignalError;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{debug, info};

use super::link::{Link, Outcome, delay};
use super::media::Media;
use super::outlet::{CAPACITY, Outlet};
use super::subscriptions::Subscriptions;
use super::{Order, Room, RoomOptions, RoomStats};
use crate::event::{RoomEnd, RoomEvent};
use crate::roster::People;
use crate::service::address;
use crate::signal::{self, Incoming, Signal, is_server_error, join_error};
use crate::stream::clock::LocalClock;
use crate::transport::{MediaTransport, RtcTransport, TransportEvent, TransportOptions};

/// Least time between two rosters.
const ROSTER_INTERVAL: Duration = Duration::from_millis(200);
const STATS_INTERVAL: Duration = Duration::from_millis(250);
/// How long a leaving session waits for the server.
const LEAVE_TIMEOUT: Duration = Duration::from_millis(800);

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
    /// When the next roster may go out, if one is to.
    roster_due: Option<Instant>,
    roster_sent: Option<Instant>,
    stats_due: Instant,
    roster_out: watch::Sender<Arc<Roster>>,
    stats_out: watch::Sender<RoomStats>,
}

/// What the loop woke up for.
enum Wake {
    Order(Option<Order>),
    Signal(Incoming),
    Transport(TransportEvent),
    Link(Outcome),
    Timer,
    Drained,
    ConsumerGone,
}

/// How the loop ends.
pub(super) struct End {
    pub(super) reason: RoomEnd,
    /// Who waits for us to have left.
    done: Option<oneshot::Sender<()>>,
}

impl From<RoomEnd> for End {
    fn from(reason: RoomEnd) -> Self {
        Self { reason, done: None }
    }
}

/// Joins and starts the task.
pub(super) async fn start(mut options: RoomOptions) -> Result<(Room, mpsc::Receiver<RoomEvent>), ApiError> {
    options.url = address(&options.url, true)?;
    let joining = join_patiently(&options);
    let (signal, joined) = match tokio::time::timeout(options.join_timeout, joining).await {
        Ok(joined) => joined.map_err(|error| join_error(&error, &options.token))?,
        Err(_) => {
            return Err(ApiError::new(
                ErrorCode::Unreachable,
                Fault::Server,
                "The LiveKit server does not let us in in time.",
                "Check that the server runs and that no firewall is in the way.",
            )
            .retryable());
        }
    };
    let transport_options =
        TransportOptions { tcp_only: options.tcp_only, impairment: options.impairment.clone() };
    let transport = open::<RtcTransport>(&transport_options)?;

    let (order_sender, orders) = mpsc::unbounded_channel();
    let (event_sender, events) = mpsc::channel(CAPACITY);
    let (roster_out, roster) = watch::channel(Arc::default());
    let (stats_out, stats) = watch::channel(RoomStats::default());
    let now = Instant::now();
    let mut session = Session {
        link: Link::joined(now),
        options,
        transport_options,
        orders,
        outlet: Outlet::new(event_sender),
        signal,
        transport,
        people: People::default(),
        media: Media::new(LocalClock::start()),
        subscriptions: Subscriptions::default(),
        stats: RoomStats::default(),
        roster_due: None,
        roster_sent: None,
        stats_due: now + STATS_INTERVAL,
        roster_out,
        stats_out,
    };
    session.connection(ConnectionState::Connecting);
    session.people.joined(&joined);
    session.send_roster(now);
    tokio::spawn(session.run());
    Ok((Room { orders: order_sender, roster, stats }, events))
}

/// Joins; again for a while if the server says that the fault is its own: a job that begins just when a server has come
/// back begins all the same.
async fn join_patiently(options: &RoomOptions) -> Result<(Signal, proto::JoinResponse), SignalError> {
    let until = Instant::now() + options.join_timeout * 2 / 3;
    let mut attempt = 0;
    loop {
        attempt += 1;
        let wait = delay(attempt);
        match signal::join(&options.url, &options.token).await {
            Err(error) if is_server_error(&error) && Instant::now() + wait < until => {}
            joined => return joined,
        }
        tokio::time::sleep(wait).await;
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
    async fn run(mut self) {
        let end = loop {
            let wake = self.wait().await;
            let now = Instant::now();
            let step = match wake {
                Wake::Order(Some(order)) => self.order(order, now),
                // The last handle is gone.
                Wake::Order(None) | Wake::ConsumerGone => Err(RoomEnd::Left.into()),
                Wake::Signal(Incoming::Message(message)) => self.handle(*message, now),
                Wake::Signal(Incoming::Closed(why)) => self.signal_closed(&why, now),
                Wake::Transport(event) => self.transport_event(event, now),
                Wake::Link(outcome) => self.link_outcome(outcome, now).await,
                Wake::Timer => self.timers(now),
                Wake::Drained => Ok(()),
            };
            if let Err(end) = step {
                break end;
            }
        };
        self.finish(end).await;
    }

    /// Waits for what comes next.
    async fn wait(&mut self) -> Wake {
        let deadline = self.deadline();
        let attached = self.link.hears_signal();
        tokio::select! {
            // In this order, so that after a wait for the CPU a gap is not given up while the packet that
            // fills it is in the socket's queue.
            biased;
            order = self.orders.recv() => Wake::Order(order),
            incoming = self.signal.next(), if attached => Wake::Signal(incoming),
            outcome = self.link.outcome() => Wake::Link(outcome),
            event = self.transport.next() => Wake::Transport(event),
            listening = self.outlet.drain() => if listening { Wake::Drained } else { Wake::ConsumerGone },
            () = tokio::time::sleep_until(deadline.into()) => Wake::Timer,
        }
    }

    fn deadline(&self) -> Instant {
        [self.roster_due, self.link.deadline(), self.media.deadline()]
            .into_iter()
            .flatten()
            .fold(self.stats_due, Instant::min)
    }

    fn timers(&mut self, now: Instant) -> Result<(), End> {
        if self.roster_due.is_some_and(|due| due <= now) {
            self.send_roster(now);
        }
        if self.stats_due <= now {
            self.send_stats(now);
        }
        self.poll_streams(now);
        self.link_timer(now)
    }

    fn order(&mut self, order: Order, now: Instant) -> Result<(), End> {
        match order {
            Order::Subscribe(track, layer) => self.subscribe(track, layer),
            Order::Unsubscribe(track) => self.unsubscribe(&track, now),
            Order::RequestKeyframe(track) => self.request_keyframe(&track, now),
            Order::Flush => self.flush(now),
            Order::Simulate(scenario) => {
                self.signal.send(Request::Simulate(proto::SimulateScenario { scenario: Some(scenario) }));
            }
            Order::Leave(done) => return Err(End { reason: RoomEnd::Left, done: Some(done) }),
        }
        Ok(())
    }

    /// Takes a message of the server.
    pub(super) fn handle(&mut self, message: Response, now: Instant) -> Result<(), End> {
        match message {
            Response::Offer(offer) => return self.offer(offer, now),
            Response::Trickle(trickle) => self.trickle(&trickle),
            Response::Update(update) => {
                self.people.update(&update.participants);
                self.reconcile();
                self.roster_changed(now);
            }
            Response::SpeakersChanged(change) => {
                self.people.speakers(&change.speakers);
                self.roster_changed(now);
            }
            Response::ConnectionQuality(update) => {
                self.people.connection_quality(&update.updates);
                self.roster_changed(now);
            }
            Response::RoomUpdate(update) => {
                if let Some(room) = &update.room {
                    self.people.room(room);
                    self.roster_changed(now);
                }
            }
            Response::SubscriptionPermissionUpdate(update) if !update.allowed => {
                self.subscription_failed(&TrackId(update.track_sid), not_allowed(), now);
            }
            Response::SubscriptionResponse(response) => {
                let error = match response.err() {
                    proto::SubscriptionError::SeCodecUnsupported => unsupported("no common codec"),
                    proto::SubscriptionError::SeTrackNotfound => track_gone(),
                    proto::SubscriptionError::SeUnknown => return Ok(()),
                };
                self.subscription_failed(&TrackId(response.track_sid), error, now);
            }
            Response::Leave(leave) => return self.leave_request(&leave, now),
            _ => {}
        }
        Ok(())
    }

    fn trickle(&mut self, trickle: &proto::TrickleRequest) {
        if trickle.target() != proto::SignalTarget::Subscriber {
            return;
        }
        let init: Result<serde_json::Value, _> = serde_json::from_str(&trickle.candidate_init);
        let candidate = init.ok().and_then(|init| Some(init.get("candidate")?.as_str()?.to_owned()));
        if let Some(candidate) = candidate.filter(|candidate| !candidate.is_empty()) {
            self.transport.add_remote_candidate(&candidate);
        }
    }

    fn subscribe(&mut self, track: TrackId, layer: LayerQuality) {
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

    fn unsubscribe(&mut self, track: &TrackId, now: Instant) {
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

    fn send_roster(&mut self, now: Instant) {
        self.roster_due = None;
        self.roster_sent = Some(now);
        let roster = self.people.roster();
        if **self.roster_out.borrow() != *roster || self.roster_out.borrow().room_sid.is_empty() {
            self.roster_out.send_replace(roster.clone());
            self.outlet.send(RoomEvent::Roster(roster));
        }
    }

    fn send_stats(&mut self, now: Instant) {
        self.stats_due = now + STATS_INTERVAL;
        let path = self.transport.path();
        self.stats.rtt_ms = path.rtt_ms;
        self.stats.tcp = path.tcp;
        self.stats.overrun_packets = self.outlet.dropped();
        self.stats.tracks = self.subscriptions.stats(self.media.counts());
        self.stats_out.send_replace(self.stats.clone());
    }

    async fn finish(mut self, end: End) {
        info!(reason = ?end.reason, "room session over");
        self.end_all_streams(Instant::now());
        self.send_stats(Instant::now());
        let left = self.signal.leave();
        self.connection(ConnectionState::Disconnected);
        self.outlet.send(RoomEvent::Ended(end.reason));
        // The server drops us by itself if it cannot be told.
        let _ = tokio::time::timeout(LEAVE_TIMEOUT, left).await;
        if let Some(done) = end.done {
            let _ = done.send(());
        }
        self.outlet.finish().await;
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

fn track_gone() -> ApiError {
    ApiError::new(
        ErrorCode::NotFound,
        Fault::Input,
        "The track is not published (any more).",
        "Choose one that is.",
    )
}

fn not_allowed() -> ApiError {
    ApiError::new(
        ErrorCode::PermissionDenied,
        Fault::Input,
        "The publisher does not allow us to receive the track.",
        "Ask them to allow it.",
    )
}

/// The track's codec is none of ours.
pub(super) fn unsupported(detail: &str) -> ApiError {
    ApiError::new(
        ErrorCode::Unsupported,
        Fault::Input,
        "The track is in a format that cannot be received here.",
        "Have it published as H.264, VP8, VP9 or AV1, or as Opus for sound.",
    )
    .with_detail(detail)
}
