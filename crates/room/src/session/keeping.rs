//! Keeping the connection: what [`super::link`] says is done.

use std::future::pending;
use std::time::{Duration, Instant};

use livekit_protocol as proto;
use livekit_signaling::SignalError;
use proto::leave_request::Action;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;
use rand::Rng;
use tracing::{debug, info};

use super::link::{Effect, Happens, lost, room_end, room_lost};
use super::state::{End, Outcome, Session, Work, open};
use crate::event::RoomEnd;
use crate::signal::{self, Signal, join_error};
use crate::transport::MediaTransport;

/// What the attempt under way comes to. Cancelling loses nothing.
pub(super) async fn outcome(work: &mut Option<Work>) -> Outcome {
    match work {
        Some(work) => work.await,
        None => pending().await,
    }
}

impl<T: MediaTransport> Session<T> {
    /// Something happens to the connection: what is to be done about it is done.
    pub(super) fn happens(&mut self, what: Happens, now: Instant) -> Result<(), End> {
        for effect in self.link.step(what, now) {
            match effect {
                Effect::Tell(state) => self.connection(state),
                Effect::Works { resumed: true } => {
                    self.stats.resumes += 1;
                    self.signal.resumed();
                }
                Effect::Works { resumed: false } => {}
                Effect::Resume { attempt, reason } => {
                    let (resumption, delay) = (self.signal.resumption(), delay(attempt));
                    self.work = Some(Box::pin(async move {
                        tokio::time::sleep(delay).await;
                        Outcome::Resumed(resumption.resume(reason).await)
                    }));
                }
                Effect::Join { attempt } => {
                    let (url, token) = (self.options.url.clone(), self.signal.token());
                    let delay = delay(attempt);
                    self.work = Some(Box::pin(async move {
                        tokio::time::sleep(delay).await;
                        Outcome::Joined(Box::new(signal::join(&url, &token).await))
                    }));
                }
                Effect::End(end) => return Err(end.into()),
            }
        }
        Ok(())
    }

    /// Takes what an attempt came to. Returned are messages that waited for it.
    pub(super) fn attempted(&mut self, outcome: Outcome, now: Instant) -> Result<Vec<Response>, End> {
        self.work = None;
        match outcome {
            Outcome::Resumed(Ok(())) => return self.resumed(now),
            Outcome::Resumed(Err(error)) => {
                let happens = self.resume_failed(&error);
                self.happens(happens, now)?;
            }
            Outcome::Joined(joined) => match *joined {
                Ok((signal, joined)) => self.rejoined(signal, &joined, now)?,
                Err(error) => {
                    let happens = self.rejoin_failed(&error);
                    self.happens(happens, now)?;
                }
            },
        }
        Ok(Vec::new())
    }

    fn resumed(&mut self, now: Instant) -> Result<Vec<Response>, End> {
        if !self.link.resumes() {
            return Ok(Vec::new());
        }
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
        self.happens(Happens::Resumed, now)?;
        Ok(waiting)
    }

    /// A session that was taken up again may be closed at once.
    pub(super) async fn look_whether_open(&mut self, now: Instant) -> Result<(), End> {
        if self.link.hears_signal() && !self.signal.resumption().is_open().await {
            debug!(why = "closed at once", "signalling lost");
            return self.happens(Happens::SignalLost, now);
        }
        Ok(())
    }

    fn resume_failed(&self, error: &SignalError) -> Happens {
        debug!(error = %join_error(error, &self.signal.token()).detail, "resuming failed");
        match error {
            SignalError::LeaveRequest { reason, action } => match (action, room_end(*reason)) {
                (Action::Disconnect, Some(end)) => Happens::Over(end),
                _ => Happens::Broken(room_lost()),
            },
            SignalError::Client(..) => Happens::Broken(join_error(error, &self.signal.token())),
            SignalError::Handshake { status } if status.is_client_error() => Happens::Broken(room_lost()),
            _ => Happens::ResumeFailed,
        }
    }

    fn rejoined(&mut self, signal: Signal, joined: &proto::JoinResponse, now: Instant) -> Result<(), End> {
        info!("joined anew");
        self.reset_media(now);
        self.signal = signal;
        match open(&self.transport_options) {
            Ok(transport) => self.transport = transport,
            Err(error) => return self.happens(Happens::Broken(error), now),
        }
        self.stats.reconnects += 1;
        self.happens(Happens::Rejoined, now)?;
        self.people.joined(joined);
        for (_, subscription) in self.subscriptions.iter_mut() {
            subscription.requested = false;
        }
        self.reconcile();
        self.roster_changed(now);
        Ok(())
    }

    fn rejoin_failed(&self, error: &SignalError) -> Happens {
        let described = join_error(error, &self.signal.token());
        debug!(detail = %described.detail, "joining anew failed");
        match error {
            SignalError::Client(status, _) if status.as_u16() == 404 => Happens::Over(RoomEnd::RoomClosed),
            SignalError::Client(status, _) if matches!(status.as_u16(), 401 | 403) => {
                Happens::Over(RoomEnd::Lost(lost(described)))
            }
            _ => Happens::Broken(described),
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
