//! The media connection: one receiving peer connection to the server.

mod rtc;
mod sockets;

use std::sync::Arc;
use std::time::Instant;

use crate::stream::receiver::Incoming;

pub(crate) use rtc::RtcTransport;

/// A receiving peer connection. Behind a trait, so that the session does not depend on which WebRTC
/// implementation it is.
pub(crate) trait MediaTransport: Sized + Send {
    /// A new connection, which does nothing until an offer comes.
    fn open(options: &TransportOptions) -> Result<Self, TransportError>;

    /// Takes an offer of the server and returns the answer. An offer with new ICE credentials restarts
    /// ICE on the same DTLS session.
    fn accept_offer(&mut self, sdp: &str) -> Result<String, TransportError>;

    /// Takes a candidate that the server trickled, as `candidate:…`.
    fn add_remote_candidate(&mut self, candidate: &str);

    /// Asks the sender of a stream for a key frame.
    fn request_keyframe(&mut self, ssrc: u32);

    /// Forgets a stream that is over, so that its SSRC means nothing any more.
    fn forget(&mut self, ssrc: u32);

    /// Whether media can flow: ICE has a path and DTLS is up.
    fn is_connected(&self) -> bool;

    /// Whether the server has closed the connection, so that no offer can bring it back.
    fn is_closed(&self) -> bool;

    /// Round trip and protocol of the present path.
    fn path(&self) -> Path;

    /// Runs the connection until something happens. Cancelling loses nothing.
    fn next(&mut self) -> impl Future<Output = TransportEvent> + Send;
}

/// How to open a media connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct TransportOptions {
    /// No UDP.
    pub(crate) tcp_only: bool,
    /// Damage to do, in tests.
    pub(crate) impairment: Option<Impairment>,
}

/// What happens on a media connection.
#[derive(Debug)]
pub(crate) enum TransportEvent {
    /// A path to the server works and media can flow.
    Connected,
    /// No path works at the moment; it may come back by itself.
    Disconnected,
    /// A packet of a stream.
    Rtp {
        /// The stream, as the retransmitted packets name it too.
        ssrc: u32,
        /// Payload type, of the original where this is a retransmission.
        payload_type: u8,
        /// The packet.
        packet: Incoming,
    },
    /// A sender report of a stream.
    Report {
        /// The stream.
        ssrc: u32,
        /// RTP timestamp, as on the wire.
        rtp_time: u32,
        /// The server's clock at that timestamp, unix time, ns.
        ntp_ns: i64,
        /// When it arrived.
        at: Instant,
    },
    /// The connection is broken for good.
    Failed(TransportError),
}

/// The path in use.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Path {
    /// Round trip, ms.
    pub(crate) rtt_ms: Option<f64>,
    /// Over TCP.
    pub(crate) tcp: bool,
}

/// Why a media connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    #[error("no network interface can be used: {0}")]
    Sockets(#[source] std::io::Error),
    #[error("the server's offer cannot be read: {0}")]
    Offer(String),
    #[error("WebRTC: {0}")]
    Rtc(#[from] str0m::RtcError),
}

/// Decides over each datagram of the media connection whether it is thrown away. For tests of loss and
/// of dead networks only.
#[doc(hidden)]
#[derive(Clone)]
pub struct Impairment(Arc<dyn Fn(Datagram<'_>) -> bool + Send + Sync>);

/// A datagram of the media connection, as [`Impairment`] sees it.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// Received, or about to be sent.
    pub incoming: bool,
    /// Over TCP.
    pub tcp: bool,
    /// As on the wire.
    pub bytes: &'a [u8],
}

impl Datagram<'_> {
    /// Whether it is a received RTP packet.
    pub fn is_incoming_rtp(&self) -> bool {
        let rtp =
            matches!(self.bytes, [first, second, ..] if first >> 6 == 2 && !(192..=223).contains(second));
        self.incoming && rtp
    }
}

impl Impairment {
    /// An impairment that drops what `drop` says.
    pub fn new(drop: impl Fn(Datagram<'_>) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(drop))
    }

    pub(crate) fn drops(&self, datagram: Datagram<'_>) -> bool {
        (self.0)(datagram)
    }
}

impl std::fmt::Debug for Impairment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Impairment")
    }
}
