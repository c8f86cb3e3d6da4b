//! The way out of a session: never waits, never reorders, and sheds video first when nobody listens.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use crate::event::{Packet, RoomEvent};

/// Events that may wait for the consumer: some ten seconds of a few tracks.
pub(super) const CAPACITY: usize = 4096;
/// Events that wait beyond that, without video: minutes of sound.
const OVERFLOW: usize = 32_768;

/// A bounded channel of events, with room to spare for all but video.
#[derive(Debug)]
pub(super) struct Outlet {
    events: mpsc::Sender<RoomEvent>,
    overflow: VecDeque<RoomEvent>,
    dropped: u64,
}

impl Outlet {
    pub(super) fn new(events: mpsc::Sender<RoomEvent>) -> Self {
        Self { events, overflow: VecDeque::new(), dropped: 0 }
    }

    /// Sends an event that must not be lost.
    pub(super) fn send(&mut self, event: RoomEvent) {
        if self.overflow.is_empty() {
            match self.events.try_send(event) {
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
                Err(mpsc::error::TrySendError::Full(event)) => self.overflow.push_back(event),
            }
        } else {
            self.overflow.push_back(event);
        }
    }

    /// Sends a packet; false if there was no room.
    pub(super) fn packet(&mut self, packet: Packet, video: bool) -> bool {
        let full = !self.overflow.is_empty() || self.events.capacity() == 0;
        if full && (video || self.overflow.len() >= OVERFLOW) {
            self.dropped += 1;
            return false;
        }
        self.send(RoomEvent::Packet(packet));
        true
    }

    /// Packets thrown away.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Moves on what waits, when there is room. Returns false once the consumer has gone. Cancelling
    /// loses nothing.
    pub(super) async fn drain(&mut self) -> bool {
        if self.overflow.is_empty() {
            self.events.closed().await;
            return false;
        }
        let Ok(mut permit) = self.events.reserve().await else {
            self.overflow.clear();
            return false;
        };
        while let Some(event) = self.overflow.pop_front() {
            permit.send(event);
            match self.events.try_reserve() {
                Ok(next) => permit = next,
                Err(_) => break,
            }
        }
        true
    }

    /// Delivers everything that waits, however long the consumer takes.
    pub(super) async fn finish(mut self) {
        while !self.overflow.is_empty() {
            self.drain().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use egress::fact::ConnectionState;

    use super::*;
    use crate::event::StreamId;

    fn packet(seq: u64) -> Packet {
        Packet {
            stream: StreamId(1),
            seq,
            rtp_time: 0,
            time_ns: 0,
            marker: false,
            lost_before: 0,
            audio_level_dbov: None,
            payload: Bytes::new(),
        }
    }

    #[tokio::test]
    async fn a_slow_consumer_loses_video_and_nothing_else() {
        let (sender, mut receiver) = mpsc::channel(4);
        let mut outlet = Outlet::new(sender);
        for seq in 0..4 {
            assert!(outlet.packet(packet(seq), true));
        }
        assert!(!outlet.packet(packet(4), true));
        assert!(outlet.packet(packet(100), false));
        outlet.send(RoomEvent::Connection(ConnectionState::Connected));
        assert!(!outlet.packet(packet(5), true), "nothing overtakes what waits");
        assert_eq!(outlet.dropped(), 2);
        let drained = tokio::spawn(outlet.finish());
        let mut seen = Vec::new();
        while let Some(event) = receiver.recv().await {
            seen.push(match event {
                RoomEvent::Packet(packet) => packet.seq,
                _ => 999,
            });
        }
        drained.await.unwrap();
        assert_eq!(seen, [0, 1, 2, 3, 100, 999]);
    }
}
