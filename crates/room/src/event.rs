//! What comes out of a joined room.

use std::sync::Arc;

use bytes::Bytes;
use egress::error::ApiError;
use egress::fact::ConnectionState;
use egress::id::TrackId;
use egress::roster::{Roster, TrackKind};

/// What happens in a room, in order.
#[derive(Debug, Clone)]
pub enum RoomEvent {
    /// The connection changed. `Connected` comes after every successful join, resume or reconnect.
    Connection(ConnectionState),
    /// The people or their tracks changed.
    Roster(Arc<Roster>),
    /// Media of a subscribed track begins: its first packet follows. Comes again, with a new id, when
    /// the track's SSRC or codec changes (reconnect, republish, codec change).
    StreamStarted(Arc<Stream>),
    /// One packet, in sequence order within its stream.
    Packet(Packet),
    /// No more packets of this stream will come.
    StreamEnded(StreamId),
    /// A subscription cannot be had (no permission, codec we cannot receive, track gone).
    SubscriptionFailed {
        /// Which track.
        track_id: TrackId,
        /// Why.
        error: ApiError,
    },
    /// The session is over and nothing more comes.
    Ended(RoomEnd),
}

/// Why a room session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomEnd {
    /// We left.
    Left,
    /// The room was closed or deleted, or everybody left.
    RoomClosed,
    /// An administrator removed our participant.
    Removed,
    /// Another participant joined with our identity.
    DuplicateIdentity,
    /// Lost for good: every reconnect failed within the allowed time.
    Lost(ApiError),
}

/// One RTP stream of one track. The ids are unique in the process and never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u64);

/// What is known of a stream when it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Names the stream in packets.
    pub id: StreamId,
    /// The track it belongs to.
    pub track_id: TrackId,
    /// Sound or picture.
    pub kind: TrackKind,
    /// What the payloads are. Never RED: that is taken apart before.
    pub codec: Codec,
    /// RTP clock, Hz.
    pub clock_rate_hz: u32,
    /// Sound channels; 0 for video.
    pub channels: u8,
    /// The `a=fmtp` parameters of the payload type, as in SDP; empty if none.
    pub fmtp: String,
}

/// Codecs we can receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// H.264, RFC 6184.
    H264,
    /// VP8, RFC 7741.
    Vp8,
    /// VP9, RFC 9628.
    Vp9,
    /// AV1, by the AOM RTP specification.
    Av1,
    /// H.265, RFC 7798.
    H265,
    /// Opus, RFC 7587.
    Opus,
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
}

impl Codec {
    /// As in [`egress::fact::TrackFacts::codec`].
    pub fn name(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::Vp8 => "vp8",
            Self::Vp9 => "vp9",
            Self::Av1 => "av1",
            Self::H265 => "h265",
            Self::Opus => "opus",
            Self::Pcmu => "pcmu",
            Self::Pcma => "pcma",
        }
    }
}

/// One RTP packet after the jitter buffer.
#[derive(Debug, Clone)]
pub struct Packet {
    /// Its stream.
    pub stream: StreamId,
    /// Extended sequence number. Counts up by one; a jump says how many are lost. Packets of padding
    /// alone use a number and are delivered with an empty payload; so are the blank frames that the server makes up
    /// when a track closes.
    pub seq: u64,
    /// Extended RTP timestamp, in the stream's clock.
    pub rtp_time: u64,
    /// When the sample was captured: unix time, ns, on this machine's clock as it stood at the join,
    /// carried on monotonically. One clock for all streams of a room, taken from the server's sender
    /// reports; until the first report, from the time of arrival. Never jumps by more than a few ms
    /// within a stream.
    pub time_ns: i64,
    /// RTP marker bit.
    pub marker: bool,
    /// Packets lost for good between the previous delivered packet and this one.
    pub lost_before: u32,
    /// Level from the header extension (RFC 6464), dBov, -127 to 0. None where the server does not
    /// forward it, as LiveKit's (1.13) does not.
    pub audio_level_dbov: Option<i8>,
    /// RTP payload without padding.
    pub payload: Bytes,
}
