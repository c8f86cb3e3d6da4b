//! The task that owns a room's connection: one loop, which waits for whatever comes next and never for
//! anything in particular.

use std::sync::Arc;
use std::time::{Duration, Instant};

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::ConnectionState;
use egress::id::TrackId;
use livekit_protocol as proto;
use livekit_signaling::SignalError;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;
use tokio::sync::{mpsc, watch};
use tracing::{debug, info};

use super::keeping::{delay, outcome};
use super::link::{Happens, Link};
use super::media::Media;
use super::outlet::{CAPACITY, Outlet};
use super::state::{End, Outcome, STATS_INTERVAL, Session, open};
use super::streams::unsupported;
use super::subscribing::track_gone;
use super::subscriptions::Subscriptions;
use super::{Order, Room, RoomOptions, RoomStats};
use crate::event::{RoomEnd, RoomEvent};
use crate::roster::People;
use crate::service::address;
use crate::signal::{self, Incoming, Signal, is_server_error, join_error};
use crate::transport::{MediaTransport, RtcTransport, TransportEvent, TransportOptions};

/// How long a leaving session waits for the server.
const LEAVE_TIMEOUT: Duration = Duration::from_millis(800);

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
    let clock = options.clock;
    let mut session = Session {
        link: Link::joined(now, options.resume_for),
        work: None,
        options,
        transport_options,
        orders,
        outlet: Outlet::new(event_sender),
        signal,
        transport,
        people: People::default(),
        media: Media::new(clock),
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
                Wake::Signal(Incoming::Closed(why)) => {
                    debug!(why, "signalling lost");
                    self.happens(Happens::SignalLost, now)
                }
                Wake::Transport(event) => match self.transport_event(event, now) {
                    Some(happens) => self.happens(happens, now),
                    None => Ok(()),
                },
                Wake::Link(outcome) => self.outcome(outcome, now).await,
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
            outcome = outcome(&mut self.work) => Wake::Link(outcome),
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
        self.happens(Happens::Timer, now)
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

    /// Takes what an attempt to get the connection back came to.
    async fn outcome(&mut self, outcome: Outcome, now: Instant) -> Result<(), End> {
        let resumed = matches!(outcome, Outcome::Resumed(Ok(())));
        for message in self.attempted(outcome, now)? {
            self.handle(message, now)?;
        }
        if resumed { self.look_whether_open(now).await } else { Ok(()) }
    }

    /// Takes a message of the server.
    fn handle(&mut self, message: Response, now: Instant) -> Result<(), End> {
        match message {
            Response::Offer(offer) => {
                let (happens, refused) = self.offer(offer, now);
                for (track, error) in refused {
                    self.subscription_failed(&track, error, now);
                }
                return self.happens(happens, now);
            }
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
            Response::Leave(leave) => {
                let (reason, action) = (leave.reason(), leave.action());
                info!(?reason, ?action, "the server asks us to leave");
                return self.happens(Happens::Leave { reason, action }, now);
            }
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

fn not_allowed() -> ApiError {
    ApiError::new(
        ErrorCode::PermissionDenied,
        Fault::Input,
        "The publisher does not allow us to receive the track.",
        "Ask them to allow it.",
    )
}
