//! One received stream on its way into the job.

use std::sync::Arc;

use egress::roster::TrackKind;
use room::event::{Packet, Stream};

use crate::chain::ChainError;
use crate::job::media::{FromMedia, MediaSender};
use crate::source::depayload::{Depayloader, KeyframeGate};

/// One received stream.
#[derive(Debug)]
pub struct Ingest {
    /// What is known of it.
    pub stream: Arc<Stream>,
    /// Holds pictures back that cannot be decoded.
    pub gate: KeyframeGate,
    /// Nothing more comes; what is inside is on its way out.
    pub ended: bool,
    depayloader: Option<Depayloader>,
}

impl Ingest {
    /// Starts taking a stream.
    ///
    /// # Errors
    /// If its codec cannot be taken apart here.
    pub fn start(stream: &Arc<Stream>, media: &MediaSender) -> Result<Self, ChainError> {
        let depayloader = if stream.kind == TrackKind::Video {
            let (id, media) = (stream.id, media.clone());
            Some(Depayloader::start(stream, move |picture| {
                media.send(FromMedia::Picture(id, picture));
            })?)
        } else {
            None
        };
        Ok(Self { stream: stream.clone(), gate: KeyframeGate::default(), ended: false, depayloader })
    }

    /// Whether it is pictures.
    pub fn is_video(&self) -> bool {
        self.stream.kind == TrackKind::Video
    }

    /// Takes a video packet.
    pub fn push_video(&mut self, packet: &Packet) {
        if let Some(depayloader) = &self.depayloader {
            depayloader.push(packet);
        }
    }

    /// Lets what is inside out.
    pub fn finish(&self) {
        if let Some(depayloader) = &self.depayloader {
            depayloader.finish();
        }
    }
}
