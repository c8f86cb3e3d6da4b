//! Keeping the connection: a lost session is taken up again where the server still has it, and joined
//! anew where not, until the time for it is over.

use std::future::pending;
use std::pin::Pin;
use std::time::{Duration, Instant};

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::ConnectionState;
use livekit_protocol as proto;
use livekit_signaling::SignalError;
use prost::Message as _;
use proto::leave_request::Action;
use proto::signal_request::Message as Request;
use proto::{DisconnectReason, ReconnectReason};
use rand::Rng;
use tracing::{debug, info};

use super::actor::{End, Session, open};
use crate::event::RoomEnd;
use crate::signal::{self, Signal, join_error};
use crate::transport::MediaTransport;

/// How long media may take to flow after a join or a resumption.
const MEDIA_TIMEOUT: Duration = Duration::from_secs(12);
/// How long a media path may be gone before the session is resumed over it. ICE often finds it again.
const PATH_PATIENCE: Duration = Duration::from_secs(2);
/// How long resuming is tried before the room is joined anew: the server forgets us about then.
const RESUME_WINDOW: Duration = Duration::from_secs(15);

type Work = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// What came of an attempt to reach the server.
pub(super) enum Outcome {
    Resumed(Result<(), SignalError>),
    Joined(Box<Result<(Signal, proto::JoinResponse), SignalError>>),
}

/// How the connection stands.
pub(super) enum Link {
    /// Signalling and media work. `path_lost`: since when media has no path.
    Up { path_lost: Option<Instant> },
    /// Signalling works, media is not there yet.
    Opening { since: Instant, until: Instant, resumed: bool, offered: bool },
    /// Signalling is being taken up again.
    Resuming { since: Instant, attempt: u32, work: Work },
    /// The room is being joined anew.
    Rejoining { since: Instant, attempt: u32, work: Work },
}

impl Link {
    /// The first join has been answered.
    pub(super) fn joined(now: Instant) -> Self {
        Self::Opening { since: now, until: now + MEDIA_TIMEOUT, resumed: false, offered: false }
    }

    /// Whether what the signalling connection says is of this session. While it is taken up again, its
    /// messages wait; while the room is joined anew, they are of no use.
    pub(super) fn hears_signal(&self) -> bool {
        matches!(self, Self::Up { .. } | Self::Opening { .. })
    }

    /// What the attempt under way comes to. Cancelling loses nothing.
    pub(super) async fn outcome(&mut self) -> Outcome {
        match self {
            Self::Resuming { work, .. } | Self::Rejoining { work, .. } => work.await,
            _ => pending().await,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Up { path_lost } => path_lost.map(|since| since + PATH_PATIENCE),
            Self::Opening { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// When the trouble began, if there is any.
    fn since(&self) -> Option<Instant> {
        match self {
            Self::Up { path_lost } => *path_lost,
            Self::Opening { since, .. } | Self::Resuming { since, .. } | Self::Rejoining { since, .. } => {
                Some(*since)
            }
        }
    }
}

impl<T: MediaTransport> Session<T> {
    pub(super) fn signal_closed(&mut self, why: &str, now: Instant) -> Result<(), End> {
        debug!(why, "signalling lost");
        self.resume(ReconnectReason::RrSignalDisconnected, now)
    }

    pub(super) fn path_lost(&mut self, now: Instant) {
        if let Link::Up { path_lost } = &mut self.link {
            path_lost.get_or_insert(now);
        }
    }

    pub(super) fn path_found(&mut self) {
        if let Link::Up { path_lost } = &mut self.link {
            *path_lost = None;
        }
        self.finish_opening();
    }

    pub(super) fn offer_answered(&mut self) {
        if let Link::Opening { offered, .. } = &mut self.link {
            *offered = true;
        }
        self.finish_opening();
    }

    /// The connection works again once media has a path, after the offer that belongs to it.
    fn finish_opening(&mut self) {
        let Link::Opening { resumed, offered: true, .. } = self.link else { return };
        if !self.transport.is_connected() {
            return;
        }
        self.link = Link::Up { path_lost: None };
        if resumed {
            self.stats.resumes += 1;
            self.signal.resumed();
        }
        self.connection(ConnectionState::Connected);
    }

    pub(super) fn link_timer(&mut self, now: Instant) -> Result<(), End> {
        match self.link {
            Link::Up { path_lost: Some(since) } if now >= since + PATH_PATIENCE => {
                self.resume(ReconnectReason::RrSubscriberFailed, now)
            }
            Link::Opening { until, .. } if now >= until => self.rejoin(media_lost(), now),
            _ => Ok(()),
        }
    }

    pub(super) fn leave_request(&mut self, leave: &proto::LeaveRequest, now: Instant) -> Result<(), End> {
        info!(reason = ?leave.reason(), action = ?leave.action(), "the server asks us to leave");
        match leave.action() {
            Action::Resume => self.resume(ReconnectReason::RrUnknown, now),
            Action::Reconnect => self.rejoin(room_lost(), now),
            Action::Disconnect => match room_end(leave.reason()) {
                Some(end) => Err(end.into()),
                None => self.rejoin(room_lost(), now),
            },
        }
    }

    pub(super) async fn link_outcome(&mut self, outcome: Outcome, now: Instant) -> Result<(), End> {
        match outcome {
            Outcome::Resumed(Ok(())) => self.resumed(now).await,
            Outcome::Resumed(Err(error)) => self.resume_failed(&error, now),
            Outcome::Joined(joined) => match *joined {
                Ok((signal, joined)) => self.rejoined(signal, &joined, now),
                Err(error) => self.rejoin_failed(&error, now),
            },
        }
    }

    /// Takes the session up again.
    fn resume(&mut self, reason: ReconnectReason, now: Instant) -> Result<(), End> {
        let (since, attempt) = match &self.link {
            Link::Resuming { since, attempt, .. } => (*since, attempt + 1),
            Link::Rejoining { .. } => return Ok(()),
            link => (link.since().unwrap_or(now), 0),
        };
        if now.duration_since(since) > RESUME_WINDOW.min(self.options.resume_for) {
            return self.rejoin(room_lost(), now);
        }
        if !matches!(self.link, Link::Resuming { .. }) {
            self.connection(ConnectionState::Resuming);
        }
        let resumption = self.signal.resumption();
        let delay = delay(attempt);
        let work = Box::pin(async move {
            tokio::time::sleep(delay).await;
            Outcome::Resumed(resumption.resume(reason).await)
        });
        self.link = Link::Resuming { since, attempt, work };
        Ok(())
    }

    async fn resumed(&mut self, now: Instant) -> Result<(), End> {
        let Link::Resuming { since, .. } = self.link else { return Ok(()) };
        let waiting = self.signal.drain();
        let (offer, answer) = self.media.descriptions();
        self.signal.send(Request::SyncState(proto::SyncState {
            offer,
            answer,
            subscription: Some(proto::UpdateSubscription {
                track_sids: self.subscriptions.requested(),
                // We do not subscribe by default: named are those we did subscribe to.
                subscribe: true,
                ..Default::default()
            }),
            ..Default::default()
        }));
        self.link = Link::Opening { since, until: now + MEDIA_TIMEOUT, resumed: true, offered: false };
        for message in waiting {
            self.handle(message, now)?;
        }
        if self.link.hears_signal() && !self.signal.resumption().is_open().await {
            return self.signal_closed("closed at once", now);
        }
        Ok(())
    }

    fn resume_failed(&mut self, error: &SignalError, now: Instant) -> Result<(), End> {
        debug!(error = %join_error(error, &self.signal.token()).detail, "resuming failed");
        match error {
            SignalError::LeaveRequest { reason, action } => match (action, room_end(*reason)) {
                (Action::Disconnect, Some(end)) => Err(end.into()),
                _ => self.rejoin(room_lost(), now),
            },
            SignalError::Client(..) => self.rejoin(join_error(error, &self.signal.token()), now),
            SignalError::Handshake { status } if status.is_client_error() => self.rejoin(room_lost(), now),
            _ => self.resume(ReconnectReason::RrSignalDisconnected, now),
        }
    }

    /// Joins the room anew, because of `error`.
    pub(super) fn rejoin(&mut self, error: ApiError, now: Instant) -> Result<(), End> {
        let (since, attempt) = match &self.link {
            Link::Rejoining { since, attempt, .. } => (*since, attempt + 1),
            link => (link.since().unwrap_or(now), 0),
        };
        if now.duration_since(since) > self.options.resume_for {
            return Err(RoomEnd::Lost(lost(error)).into());
        }
        if !matches!(self.link, Link::Rejoining { .. }) {
            self.connection(ConnectionState::Reconnecting);
        }
        let (url, token) = (self.options.url.clone(), self.signal.token());
        let delay = delay(attempt);
        let work = Box::pin(async move {
            tokio::time::sleep(delay).await;
            Outcome::Joined(Box::new(signal::join(&url, &token).await))
        });
        self.link = Link::Rejoining { since, attempt, work };
        Ok(())
    }

    fn rejoined(&mut self, signal: Signal, joined: &proto::JoinResponse, now: Instant) -> Result<(), End> {
        let since = self.link.since().unwrap_or(now);
        info!("joined anew");
        self.reset_media(now);
        self.signal = signal;
        match open(&self.transport_options) {
            Ok(transport) => self.transport = transport,
            Err(error) => return self.rejoin(error, now),
        }
        self.stats.reconnects += 1;
        self.link = Link::Opening { since, until: now + MEDIA_TIMEOUT, resumed: false, offered: false };
        self.people.joined(joined);
        for (_, subscription) in self.subscriptions.iter_mut() {
            subscription.requested = false;
        }
        self.reconcile();
        self.roster_changed(now);
        Ok(())
    }

    fn rejoin_failed(&mut self, error: &SignalError, now: Instant) -> Result<(), End> {
        let described = join_error(error, &self.signal.token());
        debug!(detail = %described.detail, "joining anew failed");
        match error {
            SignalError::Client(status, _) if status.as_u16() == 404 => Err(RoomEnd::RoomClosed.into()),
            SignalError::Client(status, _) if matches!(status.as_u16(), 401 | 403) => {
                Err(RoomEnd::Lost(lost(described)).into())
            }
            _ => self.rejoin(described, now),
        }
    }
}

/// What an order to leave means for good; none if the room may be joined again.
fn room_end(reason: DisconnectReason) -> Option<RoomEnd> {
    match reason {
        DisconnectReason::ClientInitiated => Some(RoomEnd::Left),
        DisconnectReason::DuplicateIdentity => Some(RoomEnd::DuplicateIdentity),
        DisconnectReason::ParticipantRemoved => Some(RoomEnd::Removed),
        DisconnectReason::RoomDeleted | DisconnectReason::RoomClosed => Some(RoomEnd::RoomClosed),
        _ => None,
    }
}

impl RoomEnd {
    /// Why a message of a server's signalling, in Protobuf, ends its client's session. None: it is another message,
    /// or the room may be joined again.
    pub fn from_signal(message: &[u8]) -> Option<Self> {
        match proto::SignalResponse::decode(message).ok()?.message? {
            proto::signal_response::Message::Leave(leave) if leave.action() == Action::Disconnect => {
                room_end(leave.reason())
            }
            _ => None,
        }
    }
}

/// Grows to five seconds; jittered, so that the jobs of a server that restarts do not come all at once.
pub(super) fn delay(attempt: u32) -> Duration {
    if attempt == 0 {
        return Duration::ZERO;
    }
    let longest = (200u64 << attempt.min(5)).min(5000);
    Duration::from_millis(rand::rng().random_range(longest / 2..=longest))
}

fn room_lost() -> ApiError {
    ApiError::new(
        ErrorCode::RoomLost,
        Fault::Server,
        "The connection to the room is lost.",
        "Check the network and that the LiveKit server runs.",
    )
    .retryable()
}

/// Signalling works and media does not.
pub(super) fn media_lost() -> ApiError {
    ApiError::new(
        ErrorCode::RoomLost,
        Fault::Environment,
        "The server answers, but no sound or picture comes through.",
        "Open the server's media ports (UDP, or TCP 7881) in the firewall.",
    )
    .retryable()
}

/// The error of a session that is over: the cause of the last attempt, under the name for it.
fn lost(cause: ApiError) -> ApiError {
    ApiError { code: ErrorCode::RoomLost, ..cause }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::signal_response::Message;

    fn leave(reason: DisconnectReason, action: Action) -> Vec<u8> {
        let leave =
            proto::LeaveRequest { reason: reason.into(), action: action.into(), ..Default::default() };
        proto::SignalResponse { message: Some(Message::Leave(leave)) }.encode_to_vec()
    }

    #[test]
    fn a_message_that_ends_the_session_is_told_from_others() {
        use DisconnectReason as Reason;
        for (reason, end) in [
            (Reason::RoomDeleted, RoomEnd::RoomClosed),
            (Reason::RoomClosed, RoomEnd::RoomClosed),
            (Reason::ParticipantRemoved, RoomEnd::Removed),
            (Reason::DuplicateIdentity, RoomEnd::DuplicateIdentity),
        ] {
            let told = |action| RoomEnd::from_signal(&leave(reason, action));
            assert_eq!((told(Action::Disconnect), told(Action::Reconnect)), (Some(end), None), "{reason:?}");
        }
        for reason in [Reason::ServerShutdown, Reason::StateMismatch, Reason::Migration] {
            assert_eq!(RoomEnd::from_signal(&leave(reason, Action::Disconnect)), None, "{reason:?}");
        }
        let pong = proto::SignalResponse { message: Some(Message::Pong(1)) };
        for other in [pong.encode_to_vec().as_slice(), b"", b"no message of LiveKit's"] {
            assert_eq!(RoomEnd::from_signal(other), None);
        }
    }
}
