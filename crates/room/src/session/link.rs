//! Whether the connection stands, and what is done where it does not: a lost session is taken up again where the server
//! still has it, and joined anew where not, until the time for it is over.
//!
//! A pure state machine: it is told what happens, and when, and says what is to be done.

use std::time::{Duration, Instant};

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::ConnectionState;
use livekit_protocol as proto;
use prost::Message as _;
use proto::leave_request::Action;
use proto::{DisconnectReason, ReconnectReason};

use crate::event::RoomEnd;

/// How long media may take to flow after a join or a resumption.
const MEDIA_TIMEOUT: Duration = Duration::from_secs(12);
/// How long a media path may be gone before the session is resumed over it. ICE often finds it again.
const PATH_PATIENCE: Duration = Duration::from_secs(2);
/// How long resuming is tried before the room is joined anew: the server forgets us about then.
const RESUME_WINDOW: Duration = Duration::from_secs(15);

/// What happens to a connection.
#[derive(Debug, Clone)]
pub(super) enum Happens {
    /// The signalling connection is gone.
    SignalLost,
    /// Media has no path at the moment; it may come back by itself.
    PathLost,
    /// Media may have a path. `connected`: it has.
    PathFound { connected: bool },
    /// An offer of the server was answered. `connected`: media has a path.
    OfferAnswered { connected: bool },
    /// Nothing; time has passed.
    Timer,
    /// Media cannot go on over this connection.
    Broken(ApiError),
    /// The server asks us to leave.
    Leave { reason: DisconnectReason, action: Action },
    /// The session was taken up again.
    Resumed,
    /// It was not, and may be yet.
    ResumeFailed,
    /// The room was joined anew.
    Rejoined,
    /// The room is over for us.
    Over(RoomEnd),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Effect {
    /// Tell how the connection stands.
    Tell(ConnectionState),
    /// Take the session up again, as so many tries before did not.
    Resume { attempt: u32, reason: ReconnectReason },
    /// Join the room anew, as so many tries before did not.
    Join { attempt: u32 },
    /// Everything works. `resumed`: the session was taken up again for it.
    Works { resumed: bool },
    /// Give up.
    End(RoomEnd),
}

/// How the connection stands.
#[derive(Debug)]
pub(super) struct Link {
    state: State,
    told: ConnectionState,
    /// For how long a lost connection is tried again.
    resume_for: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Signalling and media work. `path_lost`: since when media has no path.
    Up { path_lost: Option<Instant> },
    /// Signalling works, media is not there yet.
    Opening { since: Instant, until: Instant, resumed: bool, offered: bool },
    /// Signalling is being taken up again.
    Resuming { since: Instant, attempt: u32 },
    /// The room is being joined anew.
    Rejoining { since: Instant, attempt: u32 },
}

impl State {
    /// When the trouble began, if there is any.
    fn since(self) -> Option<Instant> {
        match self {
            Self::Up { path_lost } => path_lost,
            Self::Opening { since, .. } | Self::Resuming { since, .. } | Self::Rejoining { since, .. } => {
                Some(since)
            }
        }
    }

    fn opening(since: Instant, now: Instant, resumed: bool) -> Self {
        Self::Opening { since, until: now + MEDIA_TIMEOUT, resumed, offered: false }
    }
}

impl Link {
    /// The first join has been answered. `resume_for`: how long a lost connection is tried again.
    pub(super) fn joined(now: Instant, resume_for: Duration) -> Self {
        Self { state: State::opening(now, now, false), told: ConnectionState::Connecting, resume_for }
    }

    /// Whether what the signalling connection says is of this session. While it is taken up again, its
    /// messages wait; while the room is joined anew, they are of no use.
    pub(super) fn hears_signal(&self) -> bool {
        matches!(self.state, State::Up { .. } | State::Opening { .. })
    }

    /// Whether the session is being taken up again.
    pub(super) fn resumes(&self) -> bool {
        matches!(self.state, State::Resuming { .. })
    }

    /// When [`Happens::Timer`] is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Up { path_lost } => path_lost.map(|since| since + PATH_PATIENCE),
            State::Opening { until, .. } => Some(until),
            State::Resuming { .. } | State::Rejoining { .. } => None,
        }
    }

    /// Takes what happens.
    pub(super) fn step(&mut self, happens: Happens, now: Instant) -> Vec<Effect> {
        match happens {
            Happens::SignalLost | Happens::ResumeFailed => {
                self.resume(ReconnectReason::RrSignalDisconnected, now)
            }
            Happens::PathLost => {
                if let State::Up { path_lost } = &mut self.state {
                    path_lost.get_or_insert(now);
                }
                Vec::new()
            }
            Happens::PathFound { connected } => {
                if let State::Up { path_lost } = &mut self.state {
                    *path_lost = None;
                }
                self.finish_opening(connected)
            }
            Happens::OfferAnswered { connected } => {
                if let State::Opening { offered, .. } = &mut self.state {
                    *offered = true;
                }
                self.finish_opening(connected)
            }
            Happens::Timer => match self.state {
                State::Up { path_lost: Some(since) } if now >= since + PATH_PATIENCE => {
                    self.resume(ReconnectReason::RrSubscriberFailed, now)
                }
                State::Opening { until, .. } if now >= until => self.rejoin(media_lost(), now),
                _ => Vec::new(),
            },
            Happens::Broken(error) => self.rejoin(error, now),
            Happens::Leave { action, reason } => match (action, room_end(reason)) {
                (Action::Resume, _) => self.resume(ReconnectReason::RrUnknown, now),
                (Action::Disconnect, Some(end)) => vec![Effect::End(end)],
                (Action::Disconnect | Action::Reconnect, _) => self.rejoin(room_lost(), now),
            },
            Happens::Resumed => {
                if let State::Resuming { since, .. } = self.state {
                    self.state = State::opening(since, now, true);
                }
                Vec::new()
            }
            Happens::Rejoined => {
                self.state = State::opening(self.state.since().unwrap_or(now), now, false);
                Vec::new()
            }
            Happens::Over(end) => vec![Effect::End(end)],
        }
    }

    /// The connection works again once media has a path, after the offer that belongs to it.
    fn finish_opening(&mut self, connected: bool) -> Vec<Effect> {
        match self.state {
            State::Opening { resumed, offered: true, .. } if connected => {
                self.state = State::Up { path_lost: None };
                let tell = self.tell(ConnectionState::Connected);
                [Effect::Works { resumed }].into_iter().chain(tell).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Says how the connection stands now, if that is new: a session that is lost again before it works is still the one
    /// that is being taken up.
    fn tell(&mut self, state: ConnectionState) -> Option<Effect> {
        (std::mem::replace(&mut self.told, state) != state).then_some(Effect::Tell(state))
    }

    /// Takes the session up again.
    fn resume(&mut self, reason: ReconnectReason, now: Instant) -> Vec<Effect> {
        let (since, attempt) = match self.state {
            State::Resuming { since, attempt } => (since, attempt + 1),
            State::Rejoining { .. } => return Vec::new(),
            state => (state.since().unwrap_or(now), 0),
        };
        if now.duration_since(since) > RESUME_WINDOW.min(self.resume_for) {
            return self.rejoin(room_lost(), now);
        }
        self.state = State::Resuming { since, attempt };
        let tell = self.tell(ConnectionState::Resuming);
        tell.into_iter().chain([Effect::Resume { attempt, reason }]).collect()
    }

    /// Joins the room anew, because of `error`.
    fn rejoin(&mut self, error: ApiError, now: Instant) -> Vec<Effect> {
        let (since, attempt) = match self.state {
            State::Rejoining { since, attempt } => (since, attempt + 1),
            state => (state.since().unwrap_or(now), 0),
        };
        if now.duration_since(since) > self.resume_for {
            return vec![Effect::End(RoomEnd::Lost(lost(error)))];
        }
        self.state = State::Rejoining { since, attempt };
        let tell = self.tell(ConnectionState::Reconnecting);
        tell.into_iter().chain([Effect::Join { attempt }]).collect()
    }
}

/// What an order to leave means for good; none if the room may be joined again.
pub(super) fn room_end(reason: DisconnectReason) -> Option<RoomEnd> {
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

/// The session cannot be taken up again.
pub(super) fn room_lost() -> ApiError {
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
pub(super) fn lost(cause: ApiError) -> ApiError {
    ApiError { code: ErrorCode::RoomLost, ..cause }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proto::signal_response::Message;

    use super::*;

    const S: Duration = Duration::from_secs(1);
    const RESUME_FOR: Duration = Duration::from_secs(60);

    fn up(now: Instant) -> Link {
        let mut link = Link::joined(now, RESUME_FOR);
        assert_eq!(link.step(Happens::PathFound { connected: true }, now), [], "no offer yet");
        let works = [Effect::Works { resumed: false }, Effect::Tell(ConnectionState::Connected)];
        assert_eq!(link.step(Happens::OfferAnswered { connected: true }, now), works);
        link
    }

    fn resume(attempt: u32, reason: ReconnectReason) -> Effect {
        Effect::Resume { attempt, reason }
    }

    #[test]
    fn a_lost_signal_is_taken_up_again_and_told_once() {
        let now = Instant::now();
        let mut link = up(now);
        let first = link.step(Happens::SignalLost, now);
        let reason = ReconnectReason::RrSignalDisconnected;
        assert_eq!(first, [Effect::Tell(ConnectionState::Resuming), resume(0, reason)]);
        assert!(link.resumes() && !link.hears_signal());
        assert_eq!(link.step(Happens::ResumeFailed, now + S), [resume(1, reason)]);
        assert_eq!(link.step(Happens::Resumed, now + S), []);
        assert!(link.hears_signal());
        assert_eq!(link.step(Happens::OfferAnswered { connected: false }, now + S), []);
        let works = [Effect::Works { resumed: true }, Effect::Tell(ConnectionState::Connected)];
        assert_eq!(link.step(Happens::PathFound { connected: true }, now + 2 * S), works);
        assert_eq!(link.deadline(), None);
    }

    #[test]
    fn what_is_not_resumed_in_its_time_is_joined_anew_and_given_up_in_the_end() {
        let now = Instant::now();
        let mut link = up(now);
        link.step(Happens::SignalLost, now);
        let anew = link.step(Happens::ResumeFailed, now + RESUME_WINDOW + S);
        assert_eq!(anew, [Effect::Tell(ConnectionState::Reconnecting), Effect::Join { attempt: 0 }]);
        assert_eq!(link.step(Happens::ResumeFailed, now + RESUME_WINDOW + S), [], "that is over");
        let again = link.step(Happens::Broken(room_lost()), now + 30 * S);
        assert_eq!(again, [Effect::Join { attempt: 1 }]);
        let end = link.step(Happens::Broken(media_lost()), now + RESUME_FOR + S);
        assert_eq!(end, [Effect::End(RoomEnd::Lost(lost(media_lost())))]);
    }

    #[test]
    fn a_path_that_is_gone_for_a_moment_is_waited_for() {
        let now = Instant::now();
        let mut link = up(now);
        link.step(Happens::PathLost, now);
        assert_eq!(link.deadline(), Some(now + PATH_PATIENCE));
        assert_eq!(link.step(Happens::Timer, now + S), []);
        link.step(Happens::PathFound { connected: true }, now + S);
        assert_eq!((link.deadline(), link.step(Happens::Timer, now + 5 * S)), (None, Vec::new()));
        link.step(Happens::PathLost, now + 6 * S);
        let effects = link.step(Happens::Timer, now + 6 * S + PATH_PATIENCE);
        assert_eq!(effects[1], resume(0, ReconnectReason::RrSubscriberFailed));
    }

    #[test]
    fn media_that_does_not_come_after_a_join_is_joined_for_anew() {
        let now = Instant::now();
        let mut link = Link::joined(now, RESUME_FOR);
        assert_eq!(link.step(Happens::Timer, now + MEDIA_TIMEOUT / 2), []);
        let anew = link.step(Happens::Timer, now + MEDIA_TIMEOUT);
        assert_eq!(anew, [Effect::Tell(ConnectionState::Reconnecting), Effect::Join { attempt: 0 }]);
        link.step(Happens::Rejoined, now + MEDIA_TIMEOUT);
        assert_eq!(link.deadline(), Some(now + 2 * MEDIA_TIMEOUT));
    }

    #[test]
    fn a_server_that_asks_us_to_leave_says_for_how_long() {
        let now = Instant::now();
        let leave = |reason, action| up(now).step(Happens::Leave { reason, action }, now);
        use DisconnectReason as Reason;
        assert_eq!(leave(Reason::RoomClosed, Action::Disconnect), [Effect::End(RoomEnd::RoomClosed)]);
        let anew = [Effect::Tell(ConnectionState::Reconnecting), Effect::Join { attempt: 0 }];
        assert_eq!(leave(Reason::ServerShutdown, Action::Disconnect), anew);
        assert_eq!(leave(Reason::RoomClosed, Action::Reconnect), anew);
        assert_eq!(leave(Reason::Migration, Action::Resume)[1], resume(0, ReconnectReason::RrUnknown));
    }

    fn happens() -> impl Strategy<Value = Happens> {
        let connected = any::<bool>();
        prop_oneof![
            3 => Just(Happens::SignalLost),
            2 => Just(Happens::PathLost),
            3 => connected.prop_map(|connected| Happens::PathFound { connected }),
            3 => any::<bool>().prop_map(|connected| Happens::OfferAnswered { connected }),
            4 => Just(Happens::Timer),
            1 => Just(Happens::Broken(media_lost())),
            1 => Just(Happens::Leave { reason: DisconnectReason::Migration, action: Action::Resume }),
            1 => Just(Happens::Leave { reason: DisconnectReason::ServerShutdown, action: Action::Reconnect }),
            4 => Just(Happens::Resumed),
            4 => Just(Happens::ResumeFailed),
            4 => Just(Happens::Rejoined),
        ]
    }

    proptest! {
        /// In whatever order things happen: each state is told once, in an order that makes sense; what is under way is
        /// what was told; and nothing is tried for longer than it may.
        #[test]
        fn what_is_told_is_what_is_done(events in prop::collection::vec((happens(), 0..8_000u64), 0..60)) {
            let mut now = Instant::now();
            let mut link = Link::joined(now, RESUME_FOR);
            let (mut told, mut trouble) = (ConnectionState::Connecting, Some(now));
            for (event, after_ms) in events {
                now += Duration::from_millis(after_ms);
                // Nobody resumes or joins unless he was told to.
                match (&event, told) {
                    (Happens::Resumed | Happens::ResumeFailed, _) if !link.resumes() => continue,
                    (Happens::Rejoined, _) if !matches!(link.state, State::Rejoining { .. }) => continue,
                    (Happens::SignalLost | Happens::Leave { .. }, _) if !link.hears_signal() => continue,
                    _ => {}
                }
                match event {
                    Happens::PathLost if told == ConnectionState::Connected => trouble = trouble.or(Some(now)),
                    Happens::PathFound { .. } if told == ConnectionState::Connected => trouble = None,
                    _ => {}
                }
                let before = trouble;
                for effect in link.step(event, now) {
                    match effect {
                        Effect::Tell(state) => {
                            prop_assert_ne!(state, told, "told twice");
                            told = state;
                            trouble = match state {
                                ConnectionState::Connected => None,
                                _ => before.or(Some(now)),
                            };
                        }
                        Effect::Resume { .. } => {
                            prop_assert_eq!(told, ConnectionState::Resuming);
                            prop_assert!(link.resumes());
                        }
                        Effect::Join { .. } => prop_assert_eq!(told, ConnectionState::Reconnecting),
                        Effect::Works { .. } => prop_assert!(link.hears_signal()),
                        Effect::End(_) => {
                            prop_assert!(before.is_some_and(|since| now - since > RESUME_FOR));
                            return Ok(());
                        }
                    }
                }
            }
        }
    }

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
