//! What is known of the session's streams.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use egress::id::TrackId;
use egress::roster::TrackKind;
use livekit_protocol as proto;

use crate::clock::Clock;
use crate::sdp::Payload;
use crate::stream::clock::ServerClock;
use crate::stream::receiver::{Counts, Receiver};

/// Streams and what is known of them.
pub(super) struct Media {
    pub(super) local: Clock,
    pub(super) server: ServerClock,
    /// What the present offer says of each SSRC.
    pub(super) announced: HashMap<u32, Announced>,
    pub(super) receivers: HashMap<u32, Receiver>,
    /// For the server, when the session is resumed.
    pub(super) last_offer: Option<proto::SessionDescription>,
    pub(super) last_answer: Option<proto::SessionDescription>,
}

/// What an offer says of a stream.
pub(super) struct Announced {
    pub(super) track: TrackId,
    pub(super) kind: TrackKind,
    pub(super) payloads: Arc<HashMap<u8, Payload>>,
}

impl Media {
    pub(super) fn new(local: Clock) -> Self {
        Self {
            local,
            server: ServerClock::default(),
            announced: HashMap::new(),
            receivers: HashMap::new(),
            last_offer: None,
            last_answer: None,
        }
    }

    /// When a stream has something to do without a new packet.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.receivers.values().filter_map(Receiver::deadline).min()
    }

    /// What each stream went through.
    pub(super) fn counts(&self) -> impl Iterator<Item = (&TrackId, Counts)> {
        self.receivers.values().map(|receiver| (&receiver.stream().track_id, receiver.counts()))
    }

    /// The last offer and our answer to it.
    pub(super) fn descriptions(
        &self,
    ) -> (Option<proto::SessionDescription>, Option<proto::SessionDescription>) {
        (self.last_offer.clone(), self.last_answer.clone())
    }
}
