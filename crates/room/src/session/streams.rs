//! The session's streams: offers, packets, reports, key frames.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::id::TrackId;
use egress::roster::TrackKind;
use livekit_protocol as proto;
use proto::signal_request::Message as Request;
use tracing::{debug, info, warn};

use super::link::{Happens, media_lost};
use super::media::Announced;
use super::state::{Session, open};
use crate::event::{RoomEvent, Stream, StreamId};
use crate::sdp::{self, Section};
use crate::stream::clock::ServerClock;
use crate::stream::receiver::{Incoming, Receiver};
use crate::transport::{MediaTransport, TransportEvent};

impl<T: MediaTransport> Session<T> {
    /// Answers an offer. Returned is what that means for the connection, and which tracks cannot be taken.
    pub(super) fn offer(
        &mut self,
        offer: proto::SessionDescription,
        now: Instant,
    ) -> (Happens, Vec<(TrackId, ApiError)>) {
        let previous = self.media.last_offer.as_ref().and_then(|offer| sdp::fingerprint(&offer.sdp));
        let moved = previous.is_some_and(|before| Some(before) != sdp::fingerprint(&offer.sdp));
        if moved || self.transport.is_closed() {
            // Another server, after a migration: its DTLS session is a new one.
            info!("the media connection is set up anew");
            self.end_all_streams(now);
            match open(&self.transport_options) {
                Ok(transport) => self.transport = transport,
                Err(error) => return (Happens::Broken(error), Vec::new()),
            }
        }
        let sections = sdp::sections(&offer.sdp, &offer.mid_to_track_id);
        let answer = match self.transport.accept_offer(&offer.sdp) {
            Ok(answer) => answer,
            Err(error) => {
                warn!(%error, "the server's offer cannot be answered");
                return (Happens::Broken(unsupported(&error.to_string())), Vec::new());
            }
        };
        let refused: Vec<(TrackId, ApiError)> = {
            let accepted = sdp::accepted_mids(&answer);
            let refused = sections.iter().filter(|section| !accepted.contains(&section.mid.as_str()));
            let why = |section: &Section| unsupported(&format!("media section {} refused", section.mid));
            refused.filter_map(|section| Some((section.track.clone()?, why(section)))).collect()
        };
        let answer = proto::SessionDescription {
            r#type: "answer".to_owned(),
            sdp: answer,
            id: offer.id,
            ..Default::default()
        };
        self.signal.send(Request::Answer(answer.clone()));
        self.media.last_offer = Some(offer);
        self.media.last_answer = Some(answer);
        self.announce(sections, now);
        (Happens::OfferAnswered { connected: self.transport.is_connected() }, refused)
    }

    /// Takes what an offer says of the streams; those it does not name any more are over.
    fn announce(&mut self, sections: Vec<Section>, now: Instant) {
        let mut announced = HashMap::new();
        for section in sections {
            let Some(track) = section.track else { continue };
            let payloads = Arc::new(section.payloads);
            for ssrc in section.ssrcs {
                let entry =
                    Announced { track: track.clone(), kind: section.kind, payloads: payloads.clone() };
                announced.insert(ssrc, entry);
            }
        }
        let before = std::mem::replace(&mut self.media.announced, announced);
        for (ssrc, old) in before {
            match self.media.announced.get(&ssrc) {
                Some(new) if new.track == old.track => {}
                Some(_) => self.end_stream(ssrc, now),
                None => {
                    self.end_stream(ssrc, now);
                    self.transport.forget(ssrc);
                }
            }
        }
    }

    /// Takes what happens on the media connection. Some: what that means for the whole.
    pub(super) fn transport_event(&mut self, event: TransportEvent, now: Instant) -> Option<Happens> {
        match event {
            TransportEvent::Rtp { ssrc, payload_type, packet } => self.rtp(ssrc, payload_type, packet, now),
            TransportEvent::Report { ssrc, rtp_time, ntp_ns, at } => {
                if let Some(receiver) = self.media.receivers.get_mut(&ssrc) {
                    receiver.report(&mut self.media.server, &self.media.local, at, rtp_time, ntp_ns);
                }
            }
            TransportEvent::Connected => {
                return Some(Happens::PathFound { connected: self.transport.is_connected() });
            }
            TransportEvent::Disconnected => return Some(Happens::PathLost),
            TransportEvent::Failed(error) => {
                warn!(%error, "media connection broken");
                return Some(Happens::Broken(media_lost().with_detail(error)));
            }
        }
        None
    }

    fn rtp(&mut self, ssrc: u32, payload_type: u8, packet: Incoming, now: Instant) {
        let Some(announced) = self.media.announced.get(&ssrc) else { return };
        if !self.subscriptions.wants(&announced.track) {
            return;
        }
        let Some(payload) = announced.payloads.get(&payload_type) else { return };
        let codec = self.media.receivers.get(&ssrc).map(|receiver| receiver.stream().codec);
        if codec != Some(payload.codec) {
            // A packet of padding alone says nothing of the codec.
            if packet.payload.is_empty() {
                return;
            }
            let stream = Arc::new(Stream {
                id: next_stream_id(),
                track_id: announced.track.clone(),
                kind: announced.kind,
                codec: payload.codec,
                clock_rate_hz: payload.clock_rate_hz,
                channels: payload.channels,
                fmtp: payload.fmtp.clone(),
            });
            let redundant = payload.redundant;
            self.end_streams_of(&stream.track_id.clone(), now);
            debug!(track = %stream.track_id, codec = stream.codec.name(), ssrc, "stream");
            self.outlet.send(RoomEvent::StreamStarted(stream.clone()));
            let mut receiver = Receiver::new(stream, redundant);
            receiver.receive(packet, redundant);
            self.media.receivers.insert(ssrc, receiver);
        } else if let Some(receiver) = self.media.receivers.get_mut(&ssrc) {
            receiver.receive(packet, payload.redundant);
        }
        self.poll_stream(ssrc, now);
    }

    fn poll_stream(&mut self, ssrc: u32, now: Instant) {
        let Some(receiver) = self.media.receivers.get_mut(&ssrc) else { return };
        let video = receiver.stream().kind == TrackKind::Video;
        let outlet = &mut self.outlet;
        receiver.poll(now, &self.media.local, |packet| outlet.packet(packet, video));
        if receiver.take_keyframe_request(now) {
            self.transport.request_keyframe(ssrc);
        }
    }

    /// Does what is due in any stream.
    pub(super) fn poll_streams(&mut self, now: Instant) {
        let due = |receiver: &Receiver| receiver.deadline().is_some_and(|deadline| deadline <= now);
        let ssrcs: Vec<u32> =
            self.media.receivers.iter().filter(|(_, it)| due(it)).map(|(ssrc, _)| *ssrc).collect();
        for ssrc in ssrcs {
            self.poll_stream(ssrc, now);
        }
    }

    pub(super) fn request_keyframe(&mut self, track: &TrackId, now: Instant) {
        for ssrc in self.ssrcs_of(track) {
            if let Some(receiver) = self.media.receivers.get_mut(&ssrc) {
                receiver.ask_keyframe();
            }
            self.poll_stream(ssrc, now);
        }
    }

    /// Delivers all that waits for missing packets.
    pub(super) fn flush(&mut self, now: Instant) {
        let ssrcs: Vec<u32> = self.media.receivers.keys().copied().collect();
        for ssrc in ssrcs {
            if let Some(receiver) = self.media.receivers.get_mut(&ssrc) {
                receiver.flush();
            }
            self.poll_stream(ssrc, now);
        }
    }

    pub(super) fn end_streams_of(&mut self, track: &TrackId, now: Instant) {
        for ssrc in self.ssrcs_of(track) {
            self.end_stream(ssrc, now);
        }
    }

    pub(super) fn end_all_streams(&mut self, now: Instant) {
        let ssrcs: Vec<u32> = self.media.receivers.keys().copied().collect();
        for ssrc in ssrcs {
            self.end_stream(ssrc, now);
        }
        self.media.announced.clear();
    }

    /// Forgets everything of a server that is gone.
    pub(super) fn reset_media(&mut self, now: Instant) {
        self.end_all_streams(now);
        self.media.server = ServerClock::default();
        self.media.last_offer = None;
        self.media.last_answer = None;
    }

    fn end_stream(&mut self, ssrc: u32, now: Instant) {
        if let Some(receiver) = self.media.receivers.get_mut(&ssrc) {
            receiver.flush();
            self.poll_stream(ssrc, now);
        }
        if let Some(receiver) = self.media.receivers.remove(&ssrc) {
            self.subscriptions.stream_ended(&receiver.stream().track_id, receiver.counts());
            self.outlet.send(RoomEvent::StreamEnded(receiver.stream().id));
        }
    }

    fn ssrcs_of(&self, track: &TrackId) -> Vec<u32> {
        let of_track = |receiver: &Receiver| receiver.stream().track_id == *track;
        self.media.receivers.iter().filter(|(_, it)| of_track(it)).map(|(ssrc, _)| *ssrc).collect()
    }
}

fn next_stream_id() -> StreamId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    StreamId(NEXT.fetch_add(1, Ordering::Relaxed))
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
