//! The signalling connection.
//!
//! A thin layer over `livekit-signaling`: it sends from a task of its own, because a send waits while the
//! connection is being taken up again, and the session must not.

use std::sync::Arc;
use std::time::Duration;

use egress::error::{ApiError, ErrorCode, Fault};
use livekit_protocol as proto;
use livekit_signaling::{SignalClient, SignalError, SignalEvent, SignalEvents, SignalOptions};
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::mpsc;

/// The newest version whose negotiation is the one implemented here: 18 expects data channels that both
/// sides create.
const PROTOCOL_VERSION: u32 = 16;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A signalling connection to a room.
#[derive(Debug)]
pub(crate) struct Signal {
    client: Arc<SignalClient>,
    events: SignalEvents,
    outbox: mpsc::UnboundedSender<Outgoing>,
}

#[derive(Debug)]
enum Outgoing {
    Message(Box<Request>),
    Resumed,
    Close(tokio::sync::oneshot::Sender<()>),
}

/// What the server has to say.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A message.
    Message(Box<Response>),
    /// The connection is lost.
    Closed(String),
}

/// Resumes a session; separate from [`Signal`], so that the session goes on meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct Resumption(Arc<SignalClient>);

/// Joins a room.
pub(crate) async fn join(
    url: &str,
    token: &SecretString,
) -> Result<(Signal, proto::JoinResponse), SignalError> {
    let mut options = SignalOptions::default();
    options.auto_subscribe = false;
    options.connect_timeout = CONNECT_TIMEOUT;
    options.protocol_version = PROTOCOL_VERSION;
    // The default says that we strip trailers from frames, and the server would forward them into files.
    options.client_capabilities = Vec::new();
    options.sdk_options.sdk_version = Some(env!("CARGO_PKG_VERSION").to_owned());
    let (client, joined, events) = SignalClient::connect(url, token.expose_secret(), options, None).await?;
    let client = Arc::new(client);
    let (outbox, queue) = mpsc::unbounded_channel();
    tokio::spawn(send(client.clone(), queue));
    Ok((Signal { client, events, outbox }, joined))
}

async fn send(client: Arc<SignalClient>, mut queue: mpsc::UnboundedReceiver<Outgoing>) {
    while let Some(outgoing) = queue.recv().await {
        match outgoing {
            Outgoing::Message(message) => client.send(*message).await,
            Outgoing::Resumed => client.set_reconnected().await,
            Outgoing::Close(done) => {
                client.close().await;
                // Nobody has to wait for it.
                let _ = done.send(());
                return;
            }
        }
    }
    client.close().await;
}

impl Signal {
    /// Sends a message, after those before it. While the session is being resumed, what concerns
    /// subscriptions is held back until [`Self::resumed`].
    pub(crate) fn send(&self, message: Request) {
        // The task ends only with us.
        let _ = self.outbox.send(Outgoing::Message(Box::new(message)));
    }

    /// Ends a resumption: media flows again.
    pub(crate) fn resumed(&self) {
        let _ = self.outbox.send(Outgoing::Resumed);
    }

    /// Tells the server that we leave and closes the connection, in the background. The receiver hears
    /// when it is done.
    pub(crate) fn leave(&self) -> tokio::sync::oneshot::Receiver<()> {
        self.send(Request::Leave(proto::LeaveRequest {
            reason: proto::DisconnectReason::ClientInitiated as i32,
            action: proto::leave_request::Action::Disconnect as i32,
            ..Default::default()
        }));
        let (done, closed) = tokio::sync::oneshot::channel();
        let _ = self.outbox.send(Outgoing::Close(done));
        closed
    }

    /// The token to join with again: the server hands out fresh ones.
    pub(crate) fn token(&self) -> SecretString {
        self.client.token().into()
    }

    /// The next thing the server has to say.
    pub(crate) async fn next(&mut self) -> Incoming {
        match self.events.recv().await {
            Some(SignalEvent::Message(message)) => Incoming::Message(message),
            Some(SignalEvent::Close(reason)) => Incoming::Closed(reason.into_owned()),
            None => std::future::pending().await,
        }
    }

    /// Everything the server has said up to now, without the ends of earlier connections. Right after a
    /// resumption those are still waiting here.
    pub(crate) fn drain(&mut self) -> Vec<Response> {
        let mut messages = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            if let SignalEvent::Message(message) = event {
                messages.push(*message);
            }
        }
        messages
    }

    /// What resumes this session.
    pub(crate) fn resumption(&self) -> Resumption {
        Resumption(self.client.clone())
    }
}

impl Resumption {
    /// Opens the connection again for the same session.
    pub(crate) async fn resume(&self, reason: proto::ReconnectReason) -> Result<(), SignalError> {
        self.0.restart(reason).await.map(|_| ())
    }

    /// Whether the connection is still open.
    pub(crate) async fn is_open(&self) -> bool {
        self.0.is_connected().await
    }
}

/// Whether the server says that the fault is its own (HTTP 5xx), as LiveKit's does while it has lost its Redis.
pub(crate) fn is_server_error(error: &SignalError) -> bool {
    match error {
        SignalError::Server(status, _) | SignalError::Handshake { status } => status.is_server_error(),
        _ => false,
    }
}

/// What a failed join means. The server's words can hold the token, so they go through `token` first.
pub(crate) fn join_error(error: &SignalError, token: &SecretString) -> ApiError {
    let detail = error.to_string().replace(token.expose_secret(), "…");
    let lower = detail.to_ascii_lowercase();
    let described = match error {
        SignalError::UrlParse(_) | SignalError::TokenFormat => ApiError::new(
            ErrorCode::InvalidArgument,
            Fault::Input,
            "The server's URL or the token is malformed.",
            "Check the project's settings.",
        ),
        SignalError::Client(status, _) if status.as_u16() == 401 => {
            let (code, fault, message, remedy) = if lower.contains("invalid api key") {
                (
                    ErrorCode::UnknownKey,
                    Fault::Input,
                    "The server does not know the API key (any more).",
                    "Check the key in the project's settings.",
                )
            } else if lower.contains("signature") {
                (
                    ErrorCode::WrongSecret,
                    Fault::Input,
                    "The secret does not belong to the API key.",
                    "Check the secret in the project's settings.",
                )
            } else if lower.contains("expired") || lower.contains("not valid yet") {
                (
                    ErrorCode::ClockOff,
                    Fault::Environment,
                    "The token's time is over or has not come: this computer's clock and the server's disagree, \
                     or the token is old.",
                    "Turn on automatic time setting, then start again.",
                )
            } else {
                (
                    ErrorCode::PermissionDenied,
                    Fault::Input,
                    "The server does not let us into the room.",
                    "Check the key and the secret in the project's settings.",
                )
            };
            ApiError::new(code, fault, message, remedy)
        }
        SignalError::Client(status, _) if status.as_u16() == 403 => ApiError::new(
            ErrorCode::PermissionDenied,
            Fault::Input,
            "The server does not let us into the room.",
            "Use a key with the right to join rooms.",
        ),
        SignalError::Client(status, _) if status.as_u16() == 404 => ApiError::new(
            ErrorCode::NotFound,
            Fault::Input,
            "There is no such room, and the server makes none for us.",
            "Wait until somebody is in the room, then start again.",
        ),
        error if is_server_error(error) => ApiError::new(
            ErrorCode::Unreachable,
            Fault::Server,
            "The LiveKit server is there, and cannot let anybody in right now.",
            "Try again in a moment. If it stays so, look into the server's log: its Redis or its disk may be away.",
        )
        .retryable(),
        SignalError::Client(..) | SignalError::Handshake { .. } => ApiError::new(
            ErrorCode::NotLiveKit,
            Fault::Input,
            "Something answers at the server's URL, and it is not a LiveKit server.",
            "Check the URL in the project's settings.",
        ),
        _ => ApiError::new(
            ErrorCode::Unreachable,
            Fault::Server,
            "The LiveKit server cannot be reached.",
            "Check that the server runs and that this computer is online.",
        )
        .retryable(),
    };
    described.with_detail(detail)
}
